//! Logins that Portward itself demands (contract section 9): the credentials of users, and their verification without
//! harm to the service.
//!
//! | file | content | pure |
//! |---|---|---|
//! | `hash` | accepted password hashes, and whether a password matches one | yes |
//! | `line` | a line of htpasswd: a user and a hash, or its fault | yes |
//! | `logins` | the users of a tenant or of a file | yes |
//! | `files` | the htpasswd files, and when they are read | reads files |
//! | `basic` | an `Authorization: Basic` field (RFC 7617) | yes |
//! | `brought` | the credential that comes with the handshake of a WebSocket | yes |
//! | `ephemeral` | a username that contains its expiry, and its right passwords | yes |
//! | `exchange` | a username that speaks for a user of a tenant at a domain | yes |
//! | `digest` | a digest login (RFC 7616), and whether a password matches it | yes |
//! | `nonce` | Portward's own nonces: their connection, and how often they were used | yes |
//! | `remembered` | logins that were right a moment ago, so that they cost no hash now | memory only |
//! | `secret` | a shared secret for credentials for a limited time: one side makes them, the other verifies them | yes |
//! | `verifier` | when and on which thread a password is hashed, and when there is no room for it | threads |
//!
//! A hash must be slow, and takes a quarter of a second of a processor. So a password is hashed only once in five
//! minutes. It is never hashed on a thread that serves connections. Only a few passwords are hashed at once.

pub mod basic;
pub mod brought;
pub mod digest;
pub mod ephemeral;
pub mod exchange;
mod files;
mod hash;
mod line;
mod logins;
pub mod nonce;
pub mod remembered;
mod secret;
pub mod verifier;

pub use files::LoginFiles;
pub use hash::{BCRYPT_LENGTH, Hash};
pub use line::{LONGEST_USER, Line, WrongLine};
pub use logins::{Logins, WrongLogins};
pub use secret::{MOST_SECRETS, Secret};

/// Compares a given value with the right one, in a time that does not depend on where they differ. Returns `false` if
/// `right` is empty.
pub(crate) fn is_same(right: &[u8], given: &[u8]) -> bool {
    let same_length = right.len() == given.len() && !right.is_empty();
    let difference = right.iter().zip(given).fold(0, |all, (right, given)| all | (right ^ given));
    same_length & (std::hint::black_box(difference) == 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_same_octets_are_the_same() {
        assert!(super::is_same(b"abc", b"abc"));
        for (right, given) in
            [("abc", "abd"), ("abc", "bbc"), ("abc", "ab"), ("ab", "abc"), ("", ""), ("abc", ""), ("", "abc")]
        {
            assert!(!super::is_same(right.as_bytes(), given.as_bytes()), "{right} {given}");
        }
    }
}

//! Logins that Portward itself demands (contract section 9): what users log in with, and how it is verified without harm.
//!
//! | file | what it decides | pure |
//! |---|---|---|
//! | `hash` | which password hashes are accepted, and whether a password fits one | yes |
//! | `line` | what a line of htpasswd says: a user and a hash, or what is wrong with it | yes |
//! | `logins` | the users of a tenant or of a file | yes |
//! | `files` | which htpasswd files there are, and when they are read | reads files |
//! | `basic` | what an `Authorization: Basic` field says (RFC 7617) | yes |
//! | `brought` | the credential that comes with the handshake of a WebSocket | yes |
//! | `ephemeral` | a username that says until when it is good, and the passwords that are right for it | yes |
//! | `exchange` | a username that speaks for a user of a tenant at a domain | yes |
//! | `digest` | what a digest login says (RFC 7616), and whether a password fits it | yes |
//! | `nonce` | whether a nonce is Portward's own, for which connection, and how often it was used | yes |
//! | `remembered` | which logins were right a moment ago, so that they cost no hash now | memory only |
//! | `secret` | a shared secret: with it one side makes credentials for a limited time, and the other verifies them | yes |
//! | `verifier` | when a password is hashed, on which thread, and when there is no room for it | threads |
//!
//! A hash takes a quarter of a second of a processor, because it must. So a password is hashed once in five minutes, never
//! on a thread that serves connections, and never more than a few at once.

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

/// Whether what was given is what is right, in a time that does not say where they differ. False if
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

//! Ephemeral credentials (contract section 9; draft-uberti-behave-turn-rest-00): a username that contains its expiry,
//! and a password that is computed from it with a shared secret. Pure: time is an argument.
//!
//! The username is `timestamp:user`. The password is base64(HMAC-SHA1(secret, username)), or the same with HMAC-SHA256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::is_same;

/// The most digits of a timestamp. They are enough until the year 2286.
const DIGITS: usize = 10;

/// How much the clocks of Portward and of the machine that makes credentials may differ, in seconds.
const SKEW: u64 = 60;

/// The longest username that is read.
const LONGEST: usize = 512;

/// The validity of a credential whose password is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// It is valid.
    Good,
    /// It is genuine, but has expired. That happens to pages that connect again.
    Expired,
    /// It is genuine, but its lifetime is longer than allowed.
    TooLong,
}

/// The username of an ephemeral credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ephemeral<'a> {
    username: &'a [u8],
    /// The expiry, in seconds since 1970.
    pub expires: u64,
    /// The user: the text after the first colon. It is not empty.
    pub user: &'a [u8],
}

impl<'a> Ephemeral<'a> {
    /// Reads a username. `None`: it belongs to no ephemeral credential. A timestamp has only one spelling: digits
    /// without leading zeros.
    pub fn read(username: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', username).filter(|_| username.len() <= LONGEST)?;
        let (digits, user) = (username.get(..colon)?, username.get(colon + 1..)?);
        let is_plain = (1..=DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        if !is_plain || digits.first() == Some(&b'0') || user.is_empty() {
            return None;
        }
        let expires = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(Self { username, expires, user })
    }

    /// The validity at `now` of a genuine credential. `longest`: the longest allowed lifetime in seconds.
    pub fn validity(&self, now: u64, longest: u64) -> Validity {
        if self.expires < now {
            return Validity::Expired;
        }
        let latest = now.saturating_add(longest).saturating_add(SKEW);
        if self.expires > latest { Validity::TooLong } else { Validity::Good }
    }

    /// The right passwords: two for each secret, in the order of the secrets.
    pub fn passwords(&self, secrets: &[impl AsRef<[u8]>]) -> impl Iterator<Item = Zeroizing<String>> {
        let username = self.username;
        secrets.iter().flat_map(move |secret| passwords(secret.as_ref(), username))
    }

    /// Whether a password in the clear matches one of the secrets. Each comparison takes constant time.
    pub fn is_genuine(&self, password: &[u8], secrets: &[impl AsRef<[u8]>]) -> bool {
        self.passwords(secrets).fold(false, |is_it, right| is_it | is_same(right.as_bytes(), password))
    }
}

/// Makes a credential: its username and its password. It uses HMAC-SHA1, which every verifier knows.
pub fn make(expires: u64, user: &str, secret: &[u8]) -> (String, Zeroizing<String>) {
    let username = format!("{expires}:{user}");
    let [password, _] = passwords(secret, username.as_bytes());
    (username, password)
}

/// The passwords by HMAC-SHA1 and by HMAC-SHA256.
fn passwords(secret: &[u8], username: &[u8]) -> [Zeroizing<String>; 2] {
    let sha1 = Hmac::<Sha1>::new_from_slice(secret)
        .map(|mac| STANDARD.encode(mac.chain_update(username).finalize().into_bytes()));
    let sha256 = Hmac::<Sha256>::new_from_slice(secret)
        .map(|mac| STANDARD.encode(mac.chain_update(username).finalize().into_bytes()));
    // HMAC takes a key of any length (RFC 2104 §2), so neither fails. An empty text would match no password.
    [sha1, sha256].map(|password| Zeroizing::new(password.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hmac, and with `openssl dgst -hmac`.
    const VECTORS: [(&str, &str, &str, &str); 2] = [
        (
            "1700000000:alice",
            "north",
            "Cd/49soE35ICqcJF/bCTn8Z4OyE=",
            "EuME0Xh0HllnbpbObfs8aBsd78Vr1EMwxArqbyCrGl8=",
        ),
        (
            "1700000000:al:ice@x",
            "schlüssel",
            "sYmbjT92+0gJkxy1DvWkI6BEk+U=",
            "7M/oIJRQeZp1dTgegBGOD956isCd3bJ8XIOvObQfsqk=",
        ),
    ];

    #[test]
    fn w5_passwords_are_those_that_others_make() {
        for (username, secret, sha1, sha256) in VECTORS {
            let credential = Ephemeral::read(username.as_bytes()).unwrap();
            for password in [sha1, sha256] {
                assert!(credential.is_genuine(password.as_bytes(), &[secret]), "{username}");
                assert!(credential.is_genuine(password.as_bytes(), &["other", secret]), "the older secret");
                assert!(!credential.is_genuine(password.as_bytes(), &["other"]));
                for at in 0..password.len() {
                    let mut altered = password.as_bytes().to_vec();
                    altered[at] ^= 1;
                    assert!(!credential.is_genuine(&altered, &[secret]), "{username} at {at}");
                }
                let shorter = &password[..password.len() - 1];
                assert!(!credential.is_genuine(shorter.as_bytes(), &[secret]), "without its padding");
            }
            assert!(!credential.is_genuine(b"", &[secret]) && !credential.is_genuine(b"", &[] as &[&str]));
        }
        let (username, password) = make(1_700_000_000, "alice", b"north");
        assert_eq!((username.as_str(), password.as_str()), (VECTORS[0].0, VECTORS[0].2));
    }

    #[test]
    fn w5_a_username_has_one_spelling() {
        for (username, expires, user) in [
            ("1:a", 1, "a"),
            ("9999999999:a", 9_999_999_999, "a"),
            ("1700000000:a:b:c", 1_700_000_000, "a:b:c"),
            ("5::", 5, ":"),
            ("5: a", 5, " a"),
        ] {
            let read = Ephemeral::read(username.as_bytes()).unwrap();
            assert_eq!((read.expires, read.user), (expires, user.as_bytes()), "{username}");
        }
        for username in [
            "",
            ":",
            ":a",
            "1",
            "1:",
            "0:a",
            "01:a",
            "00000000001:a",
            "10000000000:a",
            "-1:a",
            "+1:a",
            " 1:a",
            "1 :a",
            "1.0:a",
            "0x1:a",
            "1e9:a",
            "a:1",
            "\u{661}:a",
            "alice:1700000000",
        ] {
            assert_eq!(Ephemeral::read(username.as_bytes()), None, "{username:?}");
        }
        assert_eq!(Ephemeral::read(format!("1:{}", "a".repeat(LONGEST)).as_bytes()), None);
    }

    #[test]
    fn w5_expired_good_and_too_long_are_told_apart() {
        let now = 1_700_000_000;
        let day = 86_400;
        for (expires, validity) in [
            (1, Validity::Expired),
            (now - 1, Validity::Expired),
            (now, Validity::Good),
            (now + day, Validity::Good),
            (now + day + SKEW, Validity::Good),
            (now + day + SKEW + 1, Validity::TooLong),
            (9_999_999_999, Validity::TooLong),
        ] {
            let username = format!("{expires}:a");
            let read = Ephemeral::read(username.as_bytes()).unwrap();
            assert_eq!(read.validity(now, day), validity, "{expires}");
        }
        assert_eq!(Ephemeral::read(b"5:a").unwrap().validity(0, u64::MAX), Validity::Good);
    }
}

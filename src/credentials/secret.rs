//! A shared secret, with which credentials for a limited time are made and verified (contract section 9).

use std::fmt;

use zeroize::Zeroizing;

/// A shared secret. It is never shown. Its memory is overwritten when it is no longer needed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<[u8]>>);

/// How many secrets of a tenant may be in use at once: the newest, and those that are being replaced (contract section
/// 9).
pub const MOST_SECRETS: usize = 4;

impl Secret {
    /// A secret with these octets.
    pub fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.into()))
    }

    /// The octets, which are the key of an HMAC.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Secret {
    fn as_ref(&self) -> &[u8] {
        self.octets()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_1_a_secret_is_never_shown() {
        let secret = Secret::new(b"hunter2");
        assert_eq!((format!("{secret:?}").as_str(), secret.octets()), ("Secret", &b"hunter2"[..]));
    }
}

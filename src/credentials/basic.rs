//! Reads an `Authorization: Basic` field (RFC 7617). It is read strictly: a field that two parsers could read
//! differently is no login.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The longest value that is read. It has room for twice a name and a password of 255 octets each.
pub const VALUE_LIMIT: usize = 1024;

/// A user's name and password. The memory is wiped when the value is dropped.
pub struct Basic {
    octets: Zeroizing<Vec<u8>>,
    colon: usize,
}

impl std::fmt::Debug for Basic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

impl Basic {
    /// Reads the value of the field. `None`: it has another scheme, or cannot be read.
    ///
    /// The case of the scheme is ignored. One or more spaces follow (RFC 9110 §11.4), and then base64 with its padding
    /// (RFC 4648 §4) and nothing else. User and password have no control characters (RFC 7617 §2). They may be in UTF-8
    /// or any other charset, because they are compared octet for octet.
    pub fn read(value: &[u8]) -> Option<Self> {
        let (scheme, rest) = value.trim_ascii().split_at_checked(5)?;
        let encoded = rest.trim_ascii_start();
        if !scheme.eq_ignore_ascii_case(b"basic") || encoded.len() == rest.len() || value.len() > VALUE_LIMIT
        {
            return None;
        }
        // There is room for the whole text from the start, so that it does not move and leave a copy in memory.
        let mut octets = Zeroizing::new(vec![0; base64::decoded_len_estimate(encoded.len())]);
        let length = STANDARD.decode_slice(encoded, &mut octets).ok()?;
        octets.truncate(length);
        let colon = octets.iter().position(|octet| *octet == b':')?;
        if octets.iter().any(u8::is_ascii_control) {
            return None;
        }
        Some(Self { octets, colon })
    }

    /// The user's name. It may be empty.
    pub fn user(&self) -> &[u8] {
        self.octets.get(..self.colon).unwrap_or_default()
    }

    /// The password. It may be empty and may contain colons.
    pub fn password(&self) -> &[u8] {
        self.octets.get(self.colon + 1..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        Basic::read(value.as_bytes()).map(|basic| (basic.user().to_vec(), basic.password().to_vec()))
    }

    fn pair(user: &str, password: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        Some((user.into(), password.into()))
    }

    #[test]
    fn what_rfc_7617_shows_is_read() {
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), pair("Aladdin", "open sesame"));
        assert_eq!(read("Basic dGVzdDoxMjPCow=="), pair("test", "123\u{a3}"));
        assert_eq!(read("bASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), pair("Aladdin", "open sesame"));
        assert_eq!(read("Basic Og=="), pair("", ""));
        assert_eq!(read("Basic YTpiOmM="), pair("a", "b:c"));
        // The octets are Latin-1.
        assert_eq!(read("Basic 5Dr8"), Some((vec![0xe4], vec![0xfc])));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_no_login() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ===",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",
            "Basic QWxhZGRpbjpv cGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ== x",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==, Basic YTpi",
            "Basic YTpiOmM_",
            "Basic =",
            // No colon, a NUL, a line feed, and a DEL.
            "Basic YQ==",
            "Basic YTpiAGM=",
            "Basic YTpiCmM=",
            "Basic YTp/",
            "Basic YQo6Yg==",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        let long = format!("Basic {}", "YWFh".repeat(300));
        assert_eq!(read(&long), None);
        assert_eq!(format!("{:?}", Basic::read(b"Basic YTpi").unwrap()), "Basic { .. }");
    }
}

//! The credential that a client sends with the handshake of a WebSocket (contract section 9). It is HTTP basic, or
//! `username` and `password` in the query.

use std::fmt;

use zeroize::Zeroizing;

use super::basic::Basic;
use crate::inspect::digest::{self, Credentials};
use crate::inspect::sip::unescaped;

/// The credential. It is overwritten when it is dropped.
pub struct HandshakeCredential {
    /// The username.
    pub username: Zeroizing<Vec<u8>>,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for HandshakeCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Brought")
    }
}

impl HandshakeCredential {
    /// Reads the credential of a handshake. `target` is the path with its query, and `authorization` the value of that
    /// field. The query has priority, because browsers send basic logins unasked. `None`: the client has sent no
    /// credential.
    pub fn read(target: &[u8], authorization: Option<&[u8]>) -> Option<Self> {
        let query = memchr::memchr(b'?', target).and_then(|at| target.get(at + 1..));
        query.and_then(Self::of_query).or_else(|| authorization.and_then(Self::of_basic))
    }

    /// A credential that is wrong everywhere, in place of an unreadable one.
    fn unreadable() -> Self {
        Self { username: Zeroizing::default(), password: Zeroizing::default() }
    }

    /// Reads the query. A repeated parameter could be read in two ways, so it is unreadable. A `+` stands for itself,
    /// because base64 contains it and contains no spaces.
    fn of_query(query: &[u8]) -> Option<Self> {
        let mut found = [None, None];
        for pair in query.split(|octet| *octet == b'&') {
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => (pair.get(..at)?, pair.get(at + 1..)?),
                None => (pair, &b""[..]),
            };
            let at = NAMES.iter().position(|known| unescaped(name).eq(known.bytes()));
            let Some(place) = at.and_then(|at| found.get_mut(at)) else { continue };
            let value = Zeroizing::new(unescaped(value).collect::<Vec<_>>());
            if place.replace(value).is_some() {
                return Some(Self::unreadable());
            }
        }
        match found {
            [None, None] => None,
            [username, password] => {
                Some(Self { username: username.unwrap_or_default(), password: password.unwrap_or_default() })
            }
        }
    }

    /// Reads HTTP basic. The username contains a colon, so the password begins after the last colon. Base64 contains
    /// none.
    fn of_basic(value: &[u8]) -> Option<Self> {
        if digest::credentials(value) != Credentials::Basic {
            return None;
        }
        let Some(basic) = Basic::read(value) else { return Some(Self::unreadable()) };
        let both = Zeroizing::new([basic.user(), b":", basic.password()].concat());
        let colon = memchr::memrchr(b':', &both).unwrap_or_default();
        let part = |text: Option<&[u8]>| Zeroizing::new(text.unwrap_or_default().to_vec());
        Some(Self { username: part(both.get(..colon)), password: part(both.get(colon + 1..)) })
    }
}

/// The names of the two parameters in a query.
const NAMES: [&str; 2] = ["username", "password"];

/// Whether a name in a query belongs to a parameter whose value must never be logged. Spellings do not matter: case,
/// escapes, and signs in the name or around it, as in `password[]`.
pub fn is_secret_name(name: &[u8]) -> bool {
    let letters = || unescaped(name).filter(u8::is_ascii_alphanumeric);
    let is = |known: &str| letters().map(|octet| octet.to_ascii_lowercase()).eq(known.bytes());
    NAMES.into_iter().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &str, authorization: Option<&str>) -> Option<(String, String)> {
        let brought = HandshakeCredential::read(target.as_bytes(), authorization.map(str::as_bytes))?;
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        Some((text(&brought.username), text(&brought.password)))
    }

    fn pair(username: &str, password: &str) -> Option<(String, String)> {
        Some((username.to_owned(), password.to_owned()))
    }

    #[test]
    fn w5_a_credential_stands_in_the_query_or_in_a_basic_login() {
        for (target, found) in [
            ("/sip?username=1:a&password=x+/%3D", pair("1:a", "x+/=")),
            ("/sip?x=y&pass%77ord=p&username=1%3Aa%20b", pair("1:a b", "p")),
            ("/sip?username=1:a", pair("1:a", "")),
            ("/sip?password", pair("", "")),
            ("/sip?username=1:a&username=1:a&password=p", pair("", "")),
            ("/sip?user=1:a", None),
            ("/sip?", None),
            ("/sip", None),
        ] {
            assert_eq!(read(target, None), found, "{target}");
        }
        // 1:a:b:cGFz, alice, a:b
        for (value, found) in [
            ("Basic MTphOmI6Y0dGeg==", pair("1:a:b", "cGFz")),
            ("basic YTpi", pair("a", "b")),
            ("Basic YWxpY2U=", pair("", "")),
            ("Bearer YTpi", None),
            ("Digest username=\"a\"", None),
        ] {
            assert_eq!(read("/sip", Some(value)), found, "{value}");
        }
        assert_eq!(read("/sip?username=1:a&password=p", Some("Basic YTpi")), pair("1:a", "p"));
        assert_eq!(
            format!("{:?}", HandshakeCredential::read(b"/sip?username=1:a&password=p", None).unwrap()),
            "Brought"
        );
    }

    #[test]
    fn w5_names_of_secrets_are_known_in_every_spelling() {
        for (name, secret) in [
            ("password", true),
            ("PassWord", true),
            ("pass%77ord", true),
            ("username", true),
            ("password[]", true),
            ("%20user-name", true),
            ("token", false),
            ("passwords", false),
            ("", false),
        ] {
            assert_eq!(is_secret_name(name.as_bytes()), secret, "{name}");
        }
    }
}

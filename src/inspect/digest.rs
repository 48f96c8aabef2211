//! Credentials and challenges of HTTP authentication, which SIP uses as well (RFC 9110 §11, RFC 7616, RFC 3261 §22), as far
//! as the guard asks: the scheme, the nonce, and whether it is stale.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

/// How somebody has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// With a password in the clear.
    Basic,
    /// With an answer to the challenge that has this nonce, by its digest.
    Digest(u64),
    /// Otherwise: tokens, logins of the connection, what cannot be read.
    Other,
}

/// A Digest challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The digest of its nonce.
    pub nonce: u64,
    /// The one before was too old: the login itself is not refused.
    pub stale: bool,
}

/// Reads an Authorization or Proxy-Authorization field.
pub fn credentials(value: &[u8]) -> Credentials {
    let (scheme, rest) = split(value);
    if scheme.eq_ignore_ascii_case(b"basic") {
        return Credentials::Basic;
    }
    match parameter(rest, b"nonce") {
        Some(nonce) if scheme.eq_ignore_ascii_case(b"digest") => Credentials::Digest(digest(nonce)),
        _ => Credentials::Other,
    }
}

/// Reads a WWW-Authenticate or Proxy-Authenticate field; `None`: it is no Digest challenge.
pub fn challenge(value: &[u8]) -> Option<Challenge> {
    let (scheme, rest) = split(value);
    if !scheme.eq_ignore_ascii_case(b"digest") {
        return None;
    }
    let stale = parameter(rest, b"stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"));
    parameter(rest, b"nonce").map(|nonce| Challenge { nonce: digest(nonce), stale })
}

fn digest(nonce: &[u8]) -> u64 {
    // Nobody gains by a collision: what it could hide is an offence of one's own.
    BuildHasherDefault::<DefaultHasher>::default().hash_one(nonce)
}

/// The scheme, and what follows it.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii_start();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    value.split_at(end)
}

/// A parameter's value, without its quotes (RFC 9110 §11.2). What stands within quotes is no parameter.
fn parameter<'a>(mut rest: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    loop {
        rest = rest.trim_ascii_start();
        let equals = rest.iter().position(|octet| matches!(octet, b'=' | b','))?;
        let (name, more) = rest.split_at(equals);
        let (&sign, more) = more.split_first()?;
        rest = more;
        if sign == b',' {
            continue;
        }
        let more = more.trim_ascii_start();
        let (value, behind) = match more.strip_prefix(b"\"") {
            Some(quoted) => {
                let mut escaped = false;
                let end = quoted.iter().position(|octet| {
                    let end = *octet == b'"' && !escaped;
                    escaped = *octet == b'\\' && !escaped;
                    end
                })?;
                (quoted.get(..end)?, quoted.get(end + 1..)?)
            }
            None => {
                let end = more.iter().position(|octet| *octet == b',').unwrap_or(more.len());
                let (value, behind) = more.split_at(end);
                (value.trim_ascii_end(), behind)
            }
        };
        if name.trim_ascii().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        let comma = behind.iter().position(|octet| *octet == b',')?;
        rest = behind.get(comma + 1..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_found() {
        let given = challenge(b"Digest realm=\"a, nonce=\\\"x\\\"\", nonce=\"abc\", qop=\"auth\"").unwrap();
        assert!(!given.stale);
        for answer in [
            &b"Digest username=\"a\", nonce=\"abc\""[..],
            b"  digest\r\n  Nonce = \"abc\" , username=\"b\"",
            b"DIGEST nonce=abc",
        ] {
            assert_eq!(
                credentials(answer),
                Credentials::Digest(given.nonce),
                "{}",
                String::from_utf8_lossy(answer)
            );
        }
        for answer in [
            &b"Digest nonce=\"abd\""[..],
            b"Digest username=\"nonce=abc\", nonce=\"x\"",
            b"Digest cnonce=\"abc\", nonce=\"y\"",
        ] {
            assert!(matches!(credentials(answer), Credentials::Digest(other) if other != given.nonce));
        }
        assert_eq!(credentials(b"Basic YTpi"), Credentials::Basic);
        for other in
            [&b"Bearer abc"[..], b"Negotiate TlRMTQ==", b"NTLM x", b"Digest", b"Digest nonce=\"abc", b""]
        {
            assert_eq!(credentials(other), Credentials::Other, "{}", String::from_utf8_lossy(other));
        }
    }

    #[test]
    fn a_stale_nonce_is_told_apart() {
        assert!(challenge(b"Digest nonce=\"a\", stale=TRUE").unwrap().stale);
        assert!(challenge(b"Digest stale=\"true\", nonce=\"a\"").unwrap().stale);
        assert!(!challenge(b"Digest stale=false, nonce=\"a\"").unwrap().stale);
        assert_eq!(challenge(b"Basic realm=\"a\""), None);
        assert_eq!(challenge(b"Digest realm=\"a\""), None);
    }
}

//! Credentials and challenges of HTTP authentication, which SIP uses as well (RFC 9110 §11, RFC 7616, RFC 3261 §22), as far
//! as the guard asks: the scheme, the nonce, and whether it is stale.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use smallvec::SmallVec;

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

/// The most parameters of credentials that are looked at. RFC 7616 knows twelve.
const PARAMETER_LIMIT: usize = 32;

/// Whether two readers could find two logins in an Authorization or Proxy-Authorization field: a Digest parameter that
/// stands there twice (RFC 9110 §11.2 allows each name once), `username` beside `username*`, or text between the
/// parameters that is none. Some readers take the first of two, some the last, some skip what they do not know.
///
/// Of the other schemes only Basic is looked at: it has one word. A field of one scheme that is named nowhere here has
/// no reading that anything rests on.
pub fn is_ambiguous(value: &[u8]) -> bool {
    let (scheme, rest) = split(value);
    if scheme.eq_ignore_ascii_case(b"basic") {
        return rest.trim_ascii().iter().any(|octet| octet.is_ascii_whitespace() || b",\"".contains(octet));
    }
    scheme.eq_ignore_ascii_case(b"digest") && !are_parameters(rest)
}

/// Whether `rest` is a list of `name=value` in which each name stands once (RFC 9110 §11.2, §5.6.1).
fn are_parameters(mut rest: &[u8]) -> bool {
    let mut names: SmallVec<[&[u8]; 12]> = SmallVec::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return true,
            Some((b',', more)) => {
                rest = more;
                continue;
            }
            _ => {}
        }
        let Some((name, behind)) = one_parameter(rest) else { return false };
        rest = behind;
        if names.len() == PARAMETER_LIMIT || names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return false;
        }
        names.push(name);
    }
}

/// The name of the first parameter, without the `*` of its extended form (RFC 8187), and what stands behind it: nothing,
/// or a comma.
fn one_parameter(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, more) = rest.split_at_checked(memchr::memchr(b'=', rest)?)?;
    let name = name.trim_ascii_end();
    let name = name.strip_suffix(b"*").unwrap_or(name);
    if name.is_empty() || !name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(octet)) {
        return None;
    }
    let value = more.get(1..)?.trim_ascii_start();
    let behind = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = quoted_end(quoted)?;
            is_one_string(quoted.get(..end)?).then_some(quoted.get(end + 1..)?)?
        }
        None => {
            let is_end = |octet: &u8| *octet == b',' || octet.is_ascii_whitespace();
            let (bare, behind) = value.split_at(value.iter().position(is_end).unwrap_or(value.len()));
            let is_bare = |octet: &u8| octet.is_ascii_graphic() && !b"\"\\".contains(octet);
            bare.iter().all(is_bare).then_some(behind)?
        }
    };
    let behind = behind.trim_ascii_start();
    matches!(behind.first(), None | Some(b',')).then_some((name, behind))
}

/// Whether a reader that knows no `\"` finds no parameters within the quotes, and no reader finds a line's end there.
fn is_one_string(quoted: &[u8]) -> bool {
    let has_quote = memchr::memchr(b'"', quoted).is_some();
    !quoted.iter().any(|octet| octet.is_ascii_control() || has_quote && b",=".contains(octet))
}

/// Where a quoted string ends whose first quote stands before `quoted`.
fn quoted_end(quoted: &[u8]) -> Option<usize> {
    let mut escaped = false;
    quoted.iter().position(|octet| {
        let end = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        end
    })
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
                let end = quoted_end(quoted)?;
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

    #[test]
    fn repeated_parameters_are_ambiguous() {
        for sound in [
            "Digest username=\"a\", realm=\"x, y=z\", nonce=\"n==\", uri=\"sip:b;c=d,e\", response=\"f00\"",
            "digest\r\n username = \"a\" ,\r\n\tnonce=n , qop=auth, nc=00000001, cnonce=\"\", algorithm=MD5",
            "Digest username=\"A\\\\b\", realm=\"the \\\"PBX\\\"\", nonce=\"n\",",
            "Digest username*=UTF-8''J%C3%A4s%C3%B8n, userhash=false, uri=/a?b=c",
            "Digest username=\"J\u{e4}s\u{f8}n\"",
            "Digest",
            "Basic YTpi==",
            "Bearer a,b",
            "NoOneKnowsThisScheme opaque-data=here, opaque-data=here",
            "",
        ] {
            assert!(!is_ambiguous(sound.as_bytes()), "{sound}");
        }
        for two in [
            "Digest nonce=\"x\", nonce=\"real\"",
            "digest NONCE=x,nonce = \"real\"",
            "Digest realm=\"a\", username=\"b\",, Realm=\"a\"",
            "Digest username=\"a\", username=\"a\"",
            "Digest username=\"a\", username*=UTF-8''b",
            "Digest username=\"a\", response=1, response=1",
            "Digest uri=\"/a\", uri=\"/b\"",
            "Digest nonce=\"x\" nonce=\"real\"",
            "Digest nonce=x nonce=\"real\"",
            "Digest nonce=\"x\"; nonce=\"real\"",
            "Digest nonce=\"x\\\", nonce=\\\"real\"",
            "Digest nonce=\"x\\\", nonce=\"real\"",
            "Digest nonce=\"x\r\n y\"",
            "Digest nonce=\"x",
            "Digest nonce=x\"y\"",
            "Digest \"nonce\"=x",
            "Digest nonce\0=x",
            "Digest =x, nonce=y",
            "Digest nonce",
            "Digest abc, nonce=y",
            "Basic YTpi, Digest nonce=x",
            "Basic YTpi\tYTpi",
        ] {
            assert!(is_ambiguous(two.as_bytes()), "{two}");
        }
        let many: Vec<_> = (0..=PARAMETER_LIMIT).map(|number| format!("x{number}=1")).collect();
        assert!(is_ambiguous(format!("Digest {}", many.join(",")).as_bytes()));
        assert!(!is_ambiguous(format!("Digest {}", many[1..].join(",")).as_bytes()));
    }
}

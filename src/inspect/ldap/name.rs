//! The name of a bind: its domain and its user. It has one of three forms (contract section 2): `domain\user`, a
//! distinguished name, or `user@domain`.
//!
//! The first `=`, `\` or `@` decides which form it is. No attribute type contains a backslash or an at sign, so in a
//! distinguished name `=` comes first. A name of another form with a second of these characters has several readings,
//! and is refused: Active Directory tries one reading after the other. Nothing is looked up here. The rules decide
//! whether the domain exists.
//!
//! A user's name must have a letter or a digit. A directory that trims blanks or drops characters would otherwise get
//! an empty name, and would take the bind for an anonymous one.

use super::dn;
use super::user::{Domain, Unclear, User};

/// Reads the name of a bind. The domain is empty if the name has none. Both are empty if the name is empty.
///
/// # Errors
/// A directory could read the name in two ways, it is no UTF-8 (RFC 4511 §4.1.2), it has control characters, or the
/// user has no letter or digit.
pub fn read(name: &[u8]) -> Result<(Domain, User), Unclear> {
    if name.iter().any(u8::is_ascii_control) || str::from_utf8(name).is_err() {
        return Err(Unclear);
    }
    if is_blank(name) {
        return Ok((Domain::new(), User::new()));
    }
    let Some(at) = name.iter().position(|byte| is_mark(*byte)) else {
        return if names_somebody(name) { Ok((Domain::new(), User::from_slice(name))) } else { Err(Unclear) };
    };
    let (before, rest) = name.split_at_checked(at).ok_or(Unclear)?;
    let (&mark, after) = rest.split_first().ok_or(Unclear)?;
    let (domain, user) = match mark {
        b'=' => return dn::read(name),
        b'\\' => (before, after),
        _ => (after, before),
    };
    if !names_somebody(user) || after.iter().any(|byte| is_mark(*byte)) {
        return Err(Unclear);
    }
    Ok((Domain::from_slice(domain), User::from_slice(user)))
}

/// Whether a name is empty or has only blanks. Both count as the empty name.
pub(super) fn is_blank(name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|name| name.chars().all(char::is_whitespace))
}

fn names_somebody(user: &[u8]) -> bool {
    str::from_utf8(user).is_ok_and(|user| user.chars().any(char::is_alphanumeric))
}

fn is_mark(byte: u8) -> bool {
    matches!(byte, b'=' | b'\\' | b'@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        for (name, domain, user) in [
            (r"dvl-ckl2.net\ckl", "dvl-ckl2.net", "ckl"),
            (r"dvl-ckl2.net/branch-b\ckl", "dvl-ckl2.net/branch-b", "ckl"),
            ("ckl@dvl-ckl2.net", "dvl-ckl2.net", "ckl"),
            ("Eva Müller@dvl-ckl2.net", "dvl-ckl2.net", "Eva Müller"),
            ("CN=ckl, DC=innovaphone, DC=com", "innovaphone.com", "ckl"),
            ("mail=a@b.example,DC=x", "x", "a@b.example"),
            (r"CN=a\\b,DC=x", "x", r"a\b"),
            // The empty name.
            ("", "", ""),
            ("   ", "", ""),
            ("\u{a0}\u{2003}", "", ""),
            // A name without a domain.
            ("admin", "", "admin"),
            (r"\admin", "", "admin"),
            ("admin@", "", "admin"),
            ("cn=admin,o=example", "", "admin"),
        ] {
            let (found, who) = read(name.as_bytes()).unwrap_or_else(|_| panic!("{name}"));
            assert_eq!((&*found, &*who), (domain.as_bytes(), user.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_has_two_readings_is_none_of_them() {
        for name in [
            r"a.example\user@b.example",
            r"a.example\b.example\user",
            r"a.example\cn=x,dc=b,dc=example",
            r"user@a.example\x",
            "user@a.example@b.example",
            "user@a.example=b",
            r"cn\=x,dc=a",
            r"a.example\",
            "@a.example",
            // A user of blanks or of other characters that make no name.
            r"a.example\ ",
            " @a.example",
            "\u{a0}@a.example",
            "\u{200b}@a.example",
            r"a.example\,",
            "\u{feff}",
            "\"\"",
            ",",
            " ; ",
            "@",
            r"\",
            "cn=a,dc=b@c.example",
            "a.example\\us\0er",
            "user@a.example\0.b.example",
            "cn=a,dc=b\r\n",
        ] {
            assert_eq!(read(name.as_bytes()), Err(Unclear), "{name:?}");
        }
        assert_eq!(read(b"a.example\\m\xfcller"), Err(Unclear));
    }
}

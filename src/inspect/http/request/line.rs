//! The request line: a method that no target takes for another method, and the parts of a request target (RFC 9112 §3).

use std::io::Write as _;

use crate::reason::Reason;

/// Methods with a meaning here. It is known whether they may have a body, whether their answer has one, and whether
/// they may be repeated.
const JUDGED: [&str; 7] = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT"];

/// Whether a method differs only in case from one of these methods. It is another method by the standard (RFC 9110
/// §9.1), but the same method for a target that ignores case.
pub(super) fn is_misspelt(method: &str) -> bool {
    method.bytes().any(|byte| byte.is_ascii_lowercase())
        && JUDGED.iter().any(|known| known.eq_ignore_ascii_case(method))
}

/// The parts of a request target (RFC 9112 §3.2).
pub(super) struct RequestTarget<'a> {
    /// The part that is forwarded to the target.
    pub(super) asked: &'a [u8],
    /// The path.
    pub(super) path: &'a [u8],
    /// The host of an absolute-form target, and the standard port of its scheme.
    pub(super) authority: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> RequestTarget<'a> {
    pub(super) fn read(target: &'a [u8], method: &str) -> Result<Self, Reason> {
        // Valid UTF-8 is forwarded percent-encoded (contract section 3).
        let sound = target.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..) && *byte != b'#');
        if !sound || std::str::from_utf8(target).is_err() {
            return Err(Reason::Malformed);
        }
        if target == b"*" {
            let options = method == "OPTIONS";
            return if options {
                Ok(Self { asked: target, path: target, authority: None })
            } else {
                Err(Reason::Malformed)
            };
        }
        if target.first() == Some(&b'/') {
            return Ok(Self::origin(target, None));
        }
        let (rest, port) = if let Some(rest) = strip_scheme(target, b"http://") {
            (rest, b":80".as_slice())
        } else if let Some(rest) = strip_scheme(target, b"https://") {
            (rest, b":443".as_slice())
        } else {
            return Err(Reason::Malformed);
        };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, asked) = rest.split_at_checked(end).unwrap_or_default();
        let is_authority = |byte: &u8| byte.is_ascii() && *byte != b'@';
        if asked.first() == Some(&b'?') || authority.is_empty() || !authority.iter().all(is_authority) {
            return Err(Reason::Malformed);
        }
        Ok(Self::origin(asked, Some((authority, port))))
    }

    fn origin(asked: &'a [u8], authority: Option<(&'a [u8], &'a [u8])>) -> Self {
        let end = memchr::memchr(b'?', asked).unwrap_or(asked.len());
        Self { asked, path: asked.get(..end).unwrap_or_default(), authority }
    }
}

/// Writes a request target in ASCII. Other octets are percent-encoded (RFC 3986 §2.5), because targets read raw octets
/// in different ways. An empty target is written as `/` (RFC 9112 §3.2.1).
pub fn put_target(out: &mut Vec<u8>, target: &[u8]) {
    match target {
        [] => out.push(b'/'),
        target if target.is_ascii() => out.extend_from_slice(target),
        target => target.iter().for_each(|octet| {
            let _ = if octet.is_ascii() { out.write_all(&[*octet]) } else { write!(out, "%{octet:02X}") };
        }),
    }
}

fn strip_scheme<'a>(target: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = target.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

//! What a rule changes of a request: the path, the fields that it sets, and what is said of the part that went.

use std::io::Write as _;

use super::{put, put_address, said};
use crate::inspect::http::Kind;
use crate::relay::http::Asked;
use crate::route::http::RuleEdits;
use crate::rules::Piece;

/// Path and query as the target gets them. The path is never empty, and begins with one slash. `*` has nothing to take off.
pub(super) fn put_target(out: &mut Vec<u8>, asked: &Asked<'_>, rule: &RuleEdits<'_>) {
    let Some((_, mut rest)) = split(asked, rule) else { return out.extend_from_slice(asked.target()) };
    while let Some(less) = rest.strip_prefix(b"/") {
        rest = less;
    }
    put(out, &[b"/", rest]);
}

/// What the rule takes off the path, without a slash at its end, as it can stand in URLs and fields. Empty: nothing.
pub(super) fn prefix(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> Vec<u8> {
    let (mut part, _) = split(asked, rule).unwrap_or_default();
    while let Some(less) = part.strip_suffix(b"/") {
        part = less;
    }
    let mut prefix = Vec::new();
    part.iter().for_each(|octet| put_escaped(&mut prefix, *octet, is_of_path(*octet)));
    prefix
}

/// Whether nothing is left of the path.
pub(super) fn takes_all(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> bool {
    split(asked, rule).is_some_and(|(_, rest)| matches!(rest.first(), None | Some(b'?')))
}

/// The part that is taken off, and the rest with the query. `None`: nothing is taken off.
fn split<'a>(asked: &'a Asked<'_>, rule: &RuleEdits<'_>) -> Option<(&'a [u8], &'a [u8])> {
    let target = asked.target();
    let path = memchr::memchr(b'?', target).unwrap_or(target.len());
    let takes_off = rule.stripped > 0 && target.first() == Some(&b'/');
    target.split_at_checked(rule.stripped.min(path)).filter(|_| takes_off)
}

/// What a trusted peer says that it has taken off the path itself. Empty: nothing, or what is no path.
pub(super) fn prefix_before<'a>(asked: &'a Asked<'_>, trusted: bool) -> &'a [u8] {
    let mut said = said(asked, trusted, Kind::XForwardedPrefix).next_back().unwrap_or_default();
    while let Some(less) = said.strip_suffix(b"/") {
        said = less;
    }
    let is_path = said.first() == Some(&b'/')
        && !said.starts_with(b"//")
        && said.iter().all(|octet| is_of_path(*octet));
    if is_path { said } else { b"" }
}

/// What can stand in a path (RFC 3986 section 3.3) and ends no part of a field's value.
const fn is_of_path(octet: u8) -> bool {
    is_unreserved(octet)
        || matches!(
            octet,
            b'/' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=' | b':' | b'@'
        )
}

/// RFC 3986 section 2.3.
const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// The fields that the rule sets.
pub(super) fn put_fields(out: &mut Vec<u8>, rule: &RuleEdits<'_>) {
    for field in &rule.treatment.set {
        put(out, &[field.name.as_bytes(), b": "]);
        for piece in &field.value {
            match piece {
                Piece::Text(text) => put_text(out, text),
                Piece::Tenant => put_text(out, &rule.tenant),
                Piece::TenantName => {
                    let name = rule.tenant_name.as_deref().unwrap_or_default();
                    name.bytes().for_each(|octet| put_escaped(out, octet, is_unreserved(octet)));
                }
                Piece::Client => put_address(out, rule.client),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// A text, in which a control character would be percent-encoded.
fn put_text(out: &mut Vec<u8>, text: &str) {
    text.bytes().for_each(|octet| put_escaped(out, octet, !octet.is_ascii_control()));
}

/// An octet as it is if it `passes`, else percent-encoded.
fn put_escaped(out: &mut Vec<u8>, octet: u8, passes: bool) {
    if passes {
        out.push(octet);
    } else {
        let _ = write!(out, "%{octet:02X}");
    }
}

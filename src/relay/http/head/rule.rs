//! What a rule changes in a request's head: the fields that it sets, and what is said of the part that was taken off
//! the path.

use super::{put, put_address, said};
use crate::inspect::http::Kind;
use crate::relay::http::Asked;
use crate::route::http::{RuleEdits, is_unreserved, put_escaped};

/// The part that the rule takes off the path, without a slash at its end, safe for URLs and fields. Empty: nothing.
pub(super) fn prefix(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> Vec<u8> {
    let (mut part, _) = rule.split(asked.target()).unwrap_or_default();
    while let Some(less) = part.strip_suffix(b"/") {
        part = less;
    }
    let mut prefix = Vec::new();
    part.iter().for_each(|octet| put_escaped(&mut prefix, *octet, is_of_path(*octet)));
    prefix
}

/// Whether the rule takes off the whole path.
pub(super) fn takes_all(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> bool {
    rule.split(asked.target()).is_some_and(|(_, rest)| matches!(rest.first(), None | Some(b'?')))
}

/// The part that a trusted peer says it has taken off before. Empty: it took off nothing, or what it says is no path.
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

/// Whether an octet may stand in a path (RFC 3986 section 3.3) and does not end a part of a field's value.
const fn is_of_path(octet: u8) -> bool {
    is_unreserved(octet)
        || matches!(
            octet,
            b'/' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=' | b':' | b'@'
        )
}

/// The fields that the rule sets.
pub(super) fn put_fields(out: &mut Vec<u8>, rule: &RuleEdits<'_>) {
    for field in &rule.treatment.set {
        put(out, &[field.name.as_bytes(), b": "]);
        rule.put_value(out, field, |out| put_address(out, rule.client));
        out.extend_from_slice(b"\r\n");
    }
}

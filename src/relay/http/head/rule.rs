//! What a rule changes of a head: the fields that it sets, and what is said of the part of the path that went.

use super::{put, put_address, said};
use crate::inspect::http::Kind;
use crate::relay::http::Asked;
use crate::route::http::{RuleEdits, is_unreserved, put_escaped};

/// What the rule takes off the path, without a slash at its end, as it can stand in URLs and fields. Empty: nothing.
pub(super) fn prefix(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> Vec<u8> {
    let (mut part, _) = rule.split(asked.target()).unwrap_or_default();
    while let Some(less) = part.strip_suffix(b"/") {
        part = less;
    }
    let mut prefix = Vec::new();
    part.iter().for_each(|octet| put_escaped(&mut prefix, *octet, is_of_path(*octet)));
    prefix
}

/// Whether nothing is left of the path.
pub(super) fn takes_all(asked: &Asked<'_>, rule: &RuleEdits<'_>) -> bool {
    rule.split(asked.target()).is_some_and(|(_, rest)| matches!(rest.first(), None | Some(b'?')))
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

/// The fields that the rule sets.
pub(super) fn put_fields(out: &mut Vec<u8>, rule: &RuleEdits<'_>) {
    for field in &rule.treatment.set {
        put(out, &[field.name.as_bytes(), b": "]);
        rule.put_value(out, field, |out| put_address(out, rule.client));
        out.extend_from_slice(b"\r\n");
    }
}

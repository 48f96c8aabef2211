//! What a rule changes in an answer. URLs and cookie paths get back the part that was taken off the request's path. The
//! rule also sets fields of its own.
//!
//! URLs are changed in Location, Content-Location (RFC 9110 sections 10.2.2 and 8.7) and Refresh. Bodies are not
//! changed.

use std::sync::Arc;

use super::reference::Undo;
use super::{put, rule, said};
use crate::field_names::FieldNames;
use crate::inspect::Span;
use crate::inspect::http::Kind;
use crate::relay::http::Asked;
use crate::route::http::Edits;
use crate::rules::ResponseFields;

/// The changes to the answers to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerEdits<'e> {
    undo: Undo,
    /// Fields that the rule sets.
    response: &'e ResponseFields,
}

impl<'e> AnswerEdits<'e> {
    /// The changes to the answers to `asked`, which goes to a target at `port`. `host` replaces the client's Host
    /// toward that target. `None`: nothing is changed, as with almost every rule.
    pub fn of(asked: &Asked<'_>, edits: &Edits<'e>, host: Option<&str>, port: u16) -> Option<Box<Self>> {
        let by_rule = edits.by_rule.as_ref()?;
        let prefix = rule::prefix(asked, by_rule);
        let response = &by_rule.treatment.response;
        if prefix.is_empty() && host.is_none() && response.is_empty() {
            return None;
        }
        let trusted = edits.forwarding.trusted;
        let before = rule::prefix_before(asked, trusted);
        let mut path = Vec::new();
        by_rule.put_target(&mut path, asked.target());
        path.truncate(memchr::memchr(b'?', &path).unwrap_or(path.len()));
        let said = said(asked, trusted, Kind::XForwardedHost).next_back();
        let undo = Undo {
            whole: [before, &prefix].concat(),
            own: before.len(),
            nothing_left: rule::takes_all(asked, by_rule),
            asked: path,
            hosts: std::iter::once(asked.host()).chain(said).map(Box::from).collect(),
            told: host.map(|host| host.as_bytes().into()),
            port,
        };
        Some(Box::new(Self { undo, response }))
    }

    /// Writes a field of the target. If the rule sets a field of that name, the target's field is dropped.
    pub(super) fn put_field(&self, out: &mut Vec<u8>, is_final: bool, (name, value): (&[u8], &[u8])) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is_final && self.response.iter().any(|field| is(&field.name)) {
            return;
        }
        put(out, &[name, b": "]);
        match name.len() {
            8 if is("location") => self.undo.put(out, value),
            16 if is("content-location") => self.undo.put(out, value),
            7 if is("refresh") => self.put_refresh(out, value),
            10 if is("set-cookie") => self.put_cookie(out, value),
            _ => out.extend_from_slice(value),
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The names of the fields that the rule sets. The target's fields of these names are dropped from trailers as
    /// well.
    pub(in crate::relay::http) const fn names(&self) -> Option<&Arc<FieldNames>> {
        self.response.names()
    }

    /// Writes the fields that the rule sets.
    pub(super) fn put_own(&self, out: &mut Vec<u8>) {
        for field in self.response.iter() {
            put(out, &[field.name.as_bytes(), b": ", field.value.as_bytes(), b"\r\n"]);
        }
    }

    /// Writes a Refresh: seconds, and then the URL (HTML section 4.2.4.3), which may be in quotes.
    fn put_refresh(&self, out: &mut Vec<u8>, value: &[u8]) {
        let url = Span::of(value, refresh_url(value).unwrap_or_default()).range();
        if url.is_empty() {
            return out.extend_from_slice(value);
        }
        out.extend_from_slice(value.get(..url.start).unwrap_or_default());
        self.undo.put(out, value.get(url.clone()).unwrap_or_default());
        out.extend_from_slice(value.get(url.end..).unwrap_or_default());
    }

    /// Writes a cookie (RFC 6265 section 4.1). Its path gets back the part that was taken off. A cookie without a path
    /// holds for the folder of the URL. If the client asked for just the part that was taken off, that folder lies
    /// above it, and other tenants would get the cookie. So it gets a path. A domain that only the target knows is
    /// removed, because clients would refuse the cookie.
    fn put_cookie(&self, out: &mut Vec<u8>, value: &[u8]) {
        let prefix = self.undo.prefix();
        let mut has_path = false;
        for (number, part) in value.split(|octet| *octet == b';').enumerate() {
            let (name, said) = match memchr::memchr(b'=', part).and_then(|at| part.split_at_checked(at)) {
                Some((name, said)) => (name.trim_ascii(), said.get(1..).unwrap_or_default().trim_ascii()),
                None => (part.trim_ascii(), b"".as_slice()),
            };
            let is_path = number > 0 && name.eq_ignore_ascii_case(b"path");
            has_path = if is_path { said.starts_with(b"/") } else { has_path };
            if number > 0 && name.eq_ignore_ascii_case(b"domain") && self.undo.is_only_told(said) {
                continue;
            }
            if number > 0 {
                out.push(b';');
            }
            if is_path && has_path && !prefix.is_empty() && !self.undo.has_prefix(said) {
                // `/PREFIX` covers `/PREFIX` itself and everything below it. `/PREFIX/` does not cover `/PREFIX`.
                let inside: &[u8] = if said == b"/" { b"" } else { said };
                put(out, &[b" Path=", prefix, inside]);
            } else {
                out.extend_from_slice(part);
            }
        }
        if !has_path && self.undo.nothing_left && !prefix.is_empty() {
            put(out, &[b"; Path=", prefix]);
        }
    }
}

/// The URL in a Refresh field.
fn refresh_url(value: &[u8]) -> Option<&[u8]> {
    let at = value.iter().position(|octet| matches!(octet, b';' | b','))?;
    let rest = value.get(at + 1..)?.trim_ascii_start();
    let (word, rest) = rest.split_at_checked(3)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    if !word.eq_ignore_ascii_case(b"url") {
        return None;
    }
    match rest.split_first() {
        Some((quote @ (b'"' | b'\''), quoted)) => quoted.split(|octet| octet == quote).next(),
        _ => Some(rest),
    }
}

//! `sip.public_address`: Portward in the client's route set, and nowhere else (SPEC section 3, RFC 3261 §12.1, §16).
//!
//! | message | what happens |
//! |---|---|
//! | request of the PBX | our entry becomes the first Record-Route: the client's route set begins with it (§12.1.1) |
//! | dialog-forming response of the PBX | our entry becomes the last Record-Route: the client reverses them (§12.1.2) |
//! | request of the client | our entry is taken off the top of Route; if the PBX's own entry below it wants strict routing, the request is made as the client would have made it without us (§12.2.1.1, §16.6 step 6); a client that routes strictly itself has our entry as Request-URI (§16.4) |
//! | any message of the client | our entry is taken out of Record-Route: responses copy it from the request (§12.1.1) |
//!
//! Our entry is known by its token. It is taken out even when the address is not configured any more: dialogs live longer
//! than configurations.

use std::ops::Range;

use super::edit::Edits;
use super::token::Tokens;
use crate::inspect::sip::{FieldKind, Kind, Message, Uri, entries, name_addr, param, uri};

/// Portward's own entry.
#[derive(Debug, Clone)]
pub struct Recording {
    /// `TOKEN@ADDRESS[:PORT];transport=tcp|tls;lr`, without a scheme.
    entry: Box<str>,
}

impl Recording {
    /// The entry for a client that came by TLS or not and a host of the rules; `address` is `host[:port]`.
    pub fn new(tokens: &Tokens, host: &str, address: &str, tls: bool) -> Self {
        let transport = if tls { "tls" } else { "tcp" };
        Self { entry: format!("{}@{address};transport={transport};lr", tokens.make(host)).into() }
    }

    /// Puts the entry into a message of the PBX where it belongs.
    pub(super) fn record(&self, head: &[u8], message: &Message, edits: &mut Edits) {
        let recorded = message.fields_of(FieldKind::RecordRoute);
        let via = message.fields_of(FieldKind::Via).next_back();
        let end = |line: crate::inspect::Span| line.range().end;
        let at = match message.kind {
            Kind::Request { .. } => match message.fields_of(FieldKind::RecordRoute).next() {
                Some(first) => Some(first.line.range().start),
                None => via.map(|via| end(via.line)),
            },
            Kind::Response { status } => {
                let forms = matches!(message.cseq_method.of_input(head), b"INVITE" | b"SUBSCRIBE" | b"REFER");
                if !forms || !(101..300).contains(&status) || message.to_tag.is_empty() {
                    return;
                }
                recorded.last().or(via).map(|field| end(field.line))
            }
        };
        if let Some(at) = at {
            let scheme = if self.must_be_sips(head, message) { "sips" } else { "sip" };
            edits.insert(at, format!("Record-Route: <{scheme}:{}>\r\n", self.entry));
        }
    }

    /// §16.6 step 4: `sips` if the Request-URI or the topmost Route is. A response says so by what the client will
    /// have as its remote target, the Contact (§12.1.2).
    fn must_be_sips(&self, head: &[u8], message: &Message) -> bool {
        let is_sips = |text: &[u8]| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"));
        let first_of = |kind| {
            let value = message.fields_of(kind).next()?.value.of_input(head);
            Some(name_addr(entries(value).next()?)?.uri)
        };
        let target = match message.kind {
            Kind::Request { uri, .. } => Some(uri.of_input(head)),
            Kind::Response { .. } => first_of(FieldKind::Contact),
        };
        target.is_some_and(is_sips) || first_of(FieldKind::Route).is_some_and(is_sips)
    }
}

/// The host whose rule our own entry names, if it is on top of the Route of a request, or its Request-URI (a client
/// that routes strictly).
pub(super) fn own_entry(tokens: &Tokens, head: &[u8], message: &Message) -> Option<String> {
    let top = message
        .fields_of(FieldKind::Route)
        .next()
        .and_then(|field| entries(field.value.of_input(head)).next());
    let host = |text| tokens.host(uri(text)?.user);
    let Kind::Request { uri: target, .. } = message.kind else { return None };
    top.and_then(|entry| host(name_addr(entry)?.uri)).or_else(|| host(target.of_input(head)))
}

/// Takes our entries out of a message of the client.
pub(super) fn forget(tokens: &Tokens, head: &[u8], message: &Message, edits: &mut Edits) {
    for field in message.fields_of(FieldKind::RecordRoute) {
        let line = field.line.range();
        without(head, line, field.value.range(), edits, |entry| is_ours(tokens, entry));
    }
    let Kind::Request { uri: target, .. } = message.kind else { return };
    let routes: Vec<Entry<'_>> = message
        .fields_of(FieldKind::Route)
        .flat_map(|field| {
            let (line, value) = (field.line.range(), field.value.range());
            entries(field.value.of_input(head)).map(move |text| Entry {
                line: line.clone(),
                value: value.clone(),
                text,
            })
        })
        .collect();
    if uri(target.of_input(head)).is_some_and(|uri| tokens.host(uri.user).is_some()) {
        // §16.4: the client has put the remote target last.
        if let Some((last, uri)) = routes.last().and_then(|last| Some((last, name_addr(last.text)?.uri))) {
            edits.replace(target.range(), uri);
            cut(head, &routes, &[last.text], None, edits);
        }
        return;
    }
    let Some((first, others)) = routes.split_first().filter(|(first, _)| is_ours(tokens, first.text)) else {
        return;
    };
    match others.first().and_then(|next| Some((next, name_addr(next.text)?.uri))) {
        // §16.6 step 6: the next hop wants itself as Request-URI and the remote target last.
        Some((next, next_uri)) if is_strict(next_uri) => {
            edits.replace(target.range(), next_uri);
            let last = [b"<".as_slice(), target.of_input(head), b">"].concat();
            cut(head, &routes, &[first.text, next.text], Some(last), edits);
        }
        _ => cut(head, &routes, &[first.text], None, edits),
    }
}

/// One entry of Route.
struct Entry<'a> {
    line: Range<usize>,
    value: Range<usize>,
    text: &'a [u8],
}

/// Whether a route entry's URI lacks `lr` (§16.6 step 6).
fn is_strict(text: &[u8]) -> bool {
    uri(text).is_some_and(|Uri { params, .. }| param(params, b"lr").is_none())
}

fn is_ours(tokens: &Tokens, entry: &[u8]) -> bool {
    name_addr(entry).and_then(|address| uri(address.uri)).is_some_and(|uri| tokens.host(uri.user).is_some())
}

/// Takes the entries `gone` (told apart by where they stand) out of Route, and puts `last` behind all of them.
fn cut(head: &[u8], routes: &[Entry<'_>], gone: &[&[u8]], last: Option<Vec<u8>>, edits: &mut Edits) {
    let mut lines: Vec<(&Range<usize>, &Range<usize>)> = Vec::new();
    for route in routes {
        if lines.last().is_none_or(|(line, _)| **line != route.line) {
            lines.push((&route.line, &route.value));
        }
    }
    let after = lines.last().map(|(line, _)| line.end);
    for (line, value) in lines {
        without(head, line.clone(), value.clone(), edits, |entry| {
            gone.iter().any(|gone| std::ptr::eq(gone.as_ptr(), entry.as_ptr()))
        });
    }
    if let (Some(last), Some(after)) = (last, after) {
        edits.insert(after, [b"Route: ".as_slice(), &last, b"\r\n"].concat());
    }
}

/// Takes the entries of one header field that are `gone` out of it; the field goes with its last entry.
fn without(
    head: &[u8],
    line: Range<usize>,
    value: Range<usize>,
    edits: &mut Edits,
    gone: impl Fn(&[u8]) -> bool,
) {
    let text = head.get(value.clone()).unwrap_or_default();
    let all: Vec<&[u8]> = entries(text).collect();
    let kept: Vec<&[u8]> = all.iter().copied().filter(|entry| !gone(entry)).collect();
    if kept.len() == all.len() {
        return;
    }
    if kept.is_empty() {
        edits.cut(line);
    } else {
        edits.replace(value, kept.join(b", ".as_slice()));
    }
}

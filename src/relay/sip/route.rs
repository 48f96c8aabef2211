//! Our own entry in what a client sends: it is taken out, and names the rule of a dialog. The table is in `record`.

use std::ops::Range;

use super::edit::Edits;
use super::token::Tokens;
use crate::inspect::sip::{FieldKind, Kind, Message, Uri, entries, name_addr, param, uri};

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

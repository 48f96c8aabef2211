//! Takes our own entries out of a client's messages ([`OwnRoutes`] recognises them). `record` lists the changes.
//!
//! A text that moves to the start line must be a valid URI. A text with a line end in it would make a second start
//! line.

use std::ops::Range;

use super::edit::Edits;
use crate::inspect::sip::{FieldKind, Kind, Message, Scheme, entries, name_addr, param, parameters, uri};
use crate::proof::own_routes::OwnRoutes;
use crate::reason::Reason;

/// Takes our entries out of a message of the client.
///
/// # Errors
/// A URI that had to become the Request-URI is invalid.
pub(super) fn forget(
    own: &OwnRoutes<'_>,
    head: &[u8],
    message: &Message,
    edits: &mut Edits,
) -> Result<(), Reason> {
    for field in message.fields_of(FieldKind::RecordRoute) {
        let is_ours = |entry: &[u8]| name_addr(entry).is_some_and(|entry| own.has_token(entry.uri));
        without(head, field.line.range(), field.value.range(), edits, is_ours);
    }
    let Kind::Request { uri: target, .. } = message.kind else { return Ok(()) };
    let routes = routes(head, message);
    if own.has_token(target.of_input(head)) {
        // §16.4: the client has put the remote target last.
        if let Some(last) = routes.last() {
            let address = name_addr(last.text).ok_or(Reason::Malformed)?;
            edits.replace(target.range(), request_uri(address.uri).ok_or(Reason::Malformed)?);
            cut(head, &routes, &[last.text], None, edits);
        }
        return Ok(());
    }
    let texts: Vec<&[u8]> = routes.iter().map(|entry| entry.text).collect();
    let (ours, others) = texts.split_at_checked(own.top(&texts).0).unwrap_or_default();
    if ours.is_empty() {
        return Ok(());
    }
    // §16.6 step 6: the next hop wants its own URI as Request-URI and the remote target as the last route.
    match others.first().and_then(|next| Some((*next, strict(next)?))) {
        Some((next, next_uri)) => {
            edits.replace(target.range(), request_uri(next_uri).ok_or(Reason::Malformed)?);
            let last = [b"<".as_slice(), target.of_input(head), b">"].concat();
            cut(head, &routes, &[ours, &[next]].concat(), Some(last), edits);
        }
        None => cut(head, &routes, ours, None, edits),
    }
    Ok(())
}

/// One entry of Route.
struct Entry<'a> {
    line: Range<usize>,
    value: Range<usize>,
    text: &'a [u8],
}

fn routes<'a>(head: &'a [u8], message: &Message) -> Vec<Entry<'a>> {
    let fields = message.fields_of(FieldKind::Route);
    let entries_of = |field: &crate::inspect::sip::Field| {
        let (line, value) = (field.line.range(), field.value.range());
        let all = entries(field.value.of_input(head));
        all.map(move |text| Entry { line: line.clone(), value: value.clone(), text })
    };
    fields.flat_map(entries_of).collect()
}

/// The URI of a route entry without `lr` (§16.6 step 6). In an entry without brackets the parameters may belong to the
/// URI or to the entry. Such an entry stays where it is.
fn strict(entry: &[u8]) -> Option<&[u8]> {
    let address = name_addr(entry).filter(|address| address.enclosed)?;
    param(uri(address.uri)?.params, b"lr").is_none().then_some(address.uri)
}

/// A URI of Route as a Request-URI: without header fields and without a method (§12.2.1.1, §19.1.1). `None`: it cannot
/// become one.
fn request_uri(text: &[u8]) -> Option<Vec<u8>> {
    let cut = uri(text)?;
    if cut.scheme == Scheme::Other {
        return Some(text.to_vec());
    }
    let behind_user = memchr::memchr(b'@', text).map_or(0, |at| at + 1);
    let tail = text.get(behind_user..)?;
    let end = tail.iter().position(|octet| b";?".contains(octet)).unwrap_or(tail.len());
    let mut target = text.get(..behind_user + end)?.to_vec();
    for (name, value) in parameters(cut.params).filter(|(name, _)| !name.eq_ignore_ascii_case(b"method")) {
        target.push(b';');
        target.extend_from_slice(name);
        if !value.is_empty() {
            target.push(b'=');
            target.extend_from_slice(value);
        }
    }
    Some(target)
}
/// Takes the entries `gone` out of Route, and puts `last` behind all others. Entries are compared by their position.
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

/// Takes the entries `gone` out of one header field. A field without entries is removed.
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

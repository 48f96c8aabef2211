//! `rewrite_transport`: a TLS client that is relayed to a plain port says TCP there, and hears TLS back (SPEC section 3).
//!
//! A PBX that reads `transport=tls` in a Contact tries TLS to the phone's own address instead of using the connection
//! that is there. So Via and Contact of what the client sends are changed, and changed back in what comes.

use super::edit::Edits;
use crate::inspect::Span;
use crate::inspect::sip::{FieldKind, Kind, Message, entries, name_addr};

/// Toward the PBX: the client's own Via (the top one of a request) and its Contacts.
pub(super) fn to_tcp(head: &[u8], message: &Message, edits: &mut Edits) {
    if let Kind::Request { .. } = message.kind {
        via(head, message, b"TLS", b"TCP", edits);
    }
    for (contact, uri) in contacts(head, message) {
        if uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:")) {
            let at = Span::of(head, uri).range();
            edits.replace(at.start..at.start + 5, "sip:");
        }
        parameter(head, contact, b"tls", "tcp", edits);
    }
}

/// Toward the client: its own Via (the top one of a response), the Contacts of its registration as it wrote them, and
/// the Request-URI that is one of them.
pub(super) fn to_tls(head: &[u8], message: &Message, edits: &mut Edits) {
    match message.kind {
        Kind::Request { uri, .. } => parameter(head, uri.of_input(head), b"tcp", "tls", edits),
        Kind::Response { .. } => {
            via(head, message, b"TCP", b"TLS", edits);
            if message.cseq_method.of_input(head) == b"REGISTER" {
                for (contact, _) in contacts(head, message) {
                    parameter(head, contact, b"tcp", "tls", edits);
                }
            }
        }
    }
}

/// The top Via's transport (RFC 3261 §20.42: `SIP/2.0/TLS`, white space around the slashes allowed).
fn via(head: &[u8], message: &Message, from: &[u8], to: &[u8], edits: &mut Edits) {
    let Some(field) = message.fields_of(FieldKind::Via).next() else { return };
    let value = field.value.of_input(head);
    let transport = value.splitn(3, |byte| *byte == b'/').nth(2).unwrap_or_default();
    let transport = transport.trim_ascii_start();
    let end = transport.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(transport.len());
    let word = transport.get(..end).unwrap_or_default();
    if word.eq_ignore_ascii_case(from) {
        edits.replace(Span::of(head, word).range(), to);
    }
}

/// Every Contact with its URI.
fn contacts<'a>(head: &'a [u8], message: &Message) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let fields = message.fields_of(FieldKind::Contact).map(|field| field.value.of_input(head));
    let all = fields.flat_map(entries).filter_map(|entry| Some((entry, name_addr(entry)?)));
    let all: Vec<_> = all
        .map(|(entry, address)| (if address.enclosed { address.uri } else { entry }, address.uri))
        .collect();
    all.into_iter()
}

/// The parameter `transport` of a URI.
fn parameter(head: &[u8], uri: &[u8], from: &[u8], to: &str, edits: &mut Edits) {
    const NAME: &[u8] = b";transport=";
    let found = uri.windows(NAME.len()).position(|part| part.eq_ignore_ascii_case(NAME));
    let Some(value) = found.and_then(|at| uri.get(at + NAME.len()..)) else { return };
    let end = value.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(value.len());
    let word = value.get(..end).unwrap_or_default();
    if word.eq_ignore_ascii_case(from) {
        edits.replace(Span::of(head, word).range(), to);
    }
}

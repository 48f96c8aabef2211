//! `rewrite_transport`: toward a PBX that is reached by plain TCP a TLS client's transport is rewritten to TCP, and
//! back to TLS on the way to the client (contract section 3).
//!
//! A PBX that reads `transport=tls` in a Contact tries TLS to the phone's own address instead of using the open
//! connection. So Via and Contact of the client's messages are changed, and changed back in the PBX's messages.

use super::edit::Edits;
use crate::inspect::Span;
use crate::inspect::sip::{FieldKind, Kind, Message, entries, name_addr, parameters, uri};

/// Rewrites a message toward the PBX: the client's own Via (the top one of a request) and its Contacts.
pub(super) fn to_tcp(head: &[u8], message: &Message, edits: &mut Edits) {
    if let Kind::Request { .. } = message.kind {
        via(head, message, b"TLS", b"TCP", edits);
    }
    for (params, uri) in contacts(head, message) {
        if uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:")) {
            let at = Span::of(head, uri).range();
            edits.replace(at.start..at.start + 5, "sip:");
        }
        parameter(head, params, b"tls", "tcp", edits);
    }
}

/// Rewrites a message toward the client: the client's own Via (the top one of a response), the Contacts of its
/// registration, and a Request-URI that is one of these Contacts.
pub(super) fn to_tls(head: &[u8], message: &Message, edits: &mut Edits) {
    match message.kind {
        Kind::Request { uri: target, .. } => {
            if let Some(target) = uri(target.of_input(head)) {
                parameter(head, target.params, b"tcp", "tls", edits);
            }
        }
        Kind::Response { .. } => {
            via(head, message, b"TCP", b"TLS", edits);
            if message.cseq_method.of_input(head) == b"REGISTER" {
                for (params, _) in contacts(head, message) {
                    parameter(head, params, b"tcp", "tls", edits);
                }
            }
        }
    }
}

/// Rewrites the top Via's transport (RFC 3261 §20.42: `SIP/2.0/TLS`, with optional white space around the slashes).
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

/// Of every Contact the URI and its parameters. Without brackets the parameters belong to the Contact (§20.10), but
/// phones mean the URI's.
fn contacts<'a>(head: &'a [u8], message: &Message) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let fields = message.fields_of(FieldKind::Contact).map(|field| field.value.of_input(head));
    fields.flat_map(entries).filter_map(|entry| {
        let address = name_addr(entry)?;
        let params = if address.enclosed { uri(address.uri)?.params } else { address.params };
        Some((params, address.uri))
    })
}

/// Rewrites the parameter `transport` of a URI, wherever it stands.
fn parameter(head: &[u8], params: &[u8], from: &[u8], to: &str, edits: &mut Edits) {
    for (name, value) in parameters(params) {
        if name.eq_ignore_ascii_case(b"transport") && value.eq_ignore_ascii_case(from) {
            edits.replace(Span::of(head, value).range(), to);
        }
    }
}

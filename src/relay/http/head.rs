//! Heads as they are sent. Hop-by-hop fields are removed. Portward's own fields about the client replace those that the
//! client sent.
//!
//! The modules below apply what a rule changes. For other requests they cost one test. `rule` changes the request.
//! `answer` changes the answer, and `reference` restores in its URLs what was taken off. `own_answers` has Portward's own
//! answers.

mod answer;
mod own_answers;
mod reference;
mod rule;

use std::io::Write as _;
use std::net::IpAddr;

use super::Asked;
use crate::inspect::http::{Kind, Response, ResponseBody, Version, is_closed};
use crate::route::http::{Connection, Edits, Forwarding};
pub use answer::AnswerEdits;
pub(crate) use own_answers::{OWN_FIELDS, own_document, own_json, own_nothing, own_response};

/// Writes the head of a request for the target. This is the only place where `edits` are applied. `host` replaces the
/// client's Host, for rules with `host = "target"`.
pub fn request_head(out: &mut Vec<u8>, asked: &Asked<'_>, edits: &Edits<'_>, host: Option<&str>) {
    const THEN_HOST: &[u8] = b" HTTP/1.1\r\nHost: ";
    let host = host.map_or(asked.host(), str::as_bytes);
    match &edits.by_rule {
        None => put(out, &[asked.method(), b" ", asked.target(), THEN_HOST, host, b"\r\n"]),
        Some(rule) => {
            put(out, &[asked.method(), b" "]);
            rule.put_target(out, asked.target());
            put(out, &[THEN_HOST, host, b"\r\n"]);
        }
    }
    // A login that proves the user to Portward is not for the target.
    let takes_login = edits.takes_login;
    let is_login = |name: &[u8]| takes_login && name.eq_ignore_ascii_case(b"authorization");
    match edits.protected {
        None if !takes_login => asked_fields(out, asked, |_| true),
        None => asked_fields(out, asked, |name| !is_login(name)),
        Some(protected) => asked_fields(out, asked, |name| !protected.contains(name) && !is_login(name)),
    }
    out.extend_from_slice(match edits.connection {
        Connection::GoesOn => b"",
        Connection::Ends => b"Connection: close\r\n",
        Connection::WebSocket => b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    });
    let prefix = match &edits.by_rule {
        None => Vec::new(),
        Some(rule) => {
            rule::put_fields(out, rule);
            rule::prefix(asked, rule)
        }
    };
    forwarded(out, asked, &edits.forwarding, &prefix);
    out.extend_from_slice(b"\r\n");
}

/// Writes the client's own fields. Fields that are not rewritten are written if `passes` accepts their name.
fn asked_fields(out: &mut Vec<u8>, asked: &Asked<'_>, passes: impl Fn(&[u8]) -> bool) {
    let head = asked.head();
    for field in &asked.request().fields {
        let name = field.name.of_input(head);
        match field.kind {
            Kind::EndToEnd if passes(name) => {
                put(out, &[name, b": ", field.value.of_input(head), b"\r\n"]);
            }
            Kind::Expect => out.extend_from_slice(b"Expect: 100-continue\r\n"),
            kind => framing_field(out, kind, field.value.of_input(head)),
        }
    }
}

/// Writes a framing field in its one clean form, so that every reader reads it in the same way. A reader that takes a
/// leading zero for octal reads `010` as 8. A reader that compares case does not know a coding in other case. Other
/// kinds write nothing.
fn framing_field(out: &mut Vec<u8>, kind: Kind, value: &[u8]) {
    match kind {
        Kind::ContentLength => {
            let zeros = value.iter().take_while(|digit| **digit == b'0').count();
            let shortest = value.get(zeros..).filter(|digits| !digits.is_empty()).unwrap_or(b"0");
            put(out, &[b"Content-Length: ", shortest, b"\r\n"]);
        }
        Kind::TransferEncoding => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        _ => {}
    }
}

/// The values of this kind of field, if a trusted peer has sent them. A trusted peer tells the truth about the client.
fn said<'a>(asked: &'a Asked<'_>, trusted: bool, kind: Kind) -> impl DoubleEndedIterator<Item = &'a [u8]> {
    let fields = if trusted { asked.request().fields.as_slice() } else { &[] };
    fields.iter().filter(move |field| field.kind == kind).map(|field| field.value.of_input(asked.head()))
}

/// Writes X-Forwarded-For, -Proto, -Host, -Prefix and Forwarded. `prefix` is the part that the rule takes off the path.
fn forwarded(out: &mut Vec<u8>, asked: &Asked<'_>, forwarding: &Forwarding, prefix: &[u8]) {
    let said = |kind: Kind| said(asked, forwarding.trusted, kind);
    let proto = crate::service::Service::Http.scheme(forwarding.transport);
    let host = asked.host();
    out.extend_from_slice(b"X-Forwarded-For: ");
    said(Kind::XForwardedFor).for_each(|value| put(out, &[value, b", "]));
    let begin = out.len();
    put_address(out, forwarding.peer);
    let peer = begin..out.len();
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    put(
        out,
        &[said(Kind::XForwardedProto).next_back().unwrap_or(proto.as_bytes()), b"\r\nX-Forwarded-Host: "],
    );
    put(out, &[said(Kind::XForwardedHost).next_back().unwrap_or(host), b"\r\n"]);
    let before = rule::prefix_before(asked, forwarding.trusted);
    if !before.is_empty() || !prefix.is_empty() {
        put(out, &[b"X-Forwarded-Prefix: ", before, prefix, b"\r\n"]);
    }
    out.extend_from_slice(b"Forwarded: ");
    said(Kind::Forwarded).filter(|value| is_closed(value)).for_each(|value| put(out, &[value, b", "]));
    let [before, behind]: [&[u8]; 2] =
        if forwarding.peer.is_ipv4() { [b"for=", b""] } else { [b"for=\"[", b"]\""] };
    out.extend_from_slice(before);
    out.extend_from_within(peer);
    out.extend_from_slice(behind);
    // A host with a port or brackets is no token, so it is quoted (RFC 7239 §4).
    let quote: &[u8] = if host.iter().any(|byte| matches!(byte, b':' | b'[')) { b"\"" } else { b"" };
    put(out, &[b";host=", quote, host, quote, b";proto=", proto.as_bytes(), b"\r\n"]);
}

/// What a response's head must say to its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForClient {
    /// The client's version.
    pub(super) version: Version,
    /// Whether the client's connection stays open.
    pub(super) persistent: bool,
}

/// Writes the head of a response to `out`. `response` was read from `head`.
pub(super) fn response_head(
    out: &mut Vec<u8>,
    head: &[u8],
    response: &Response,
    (client, edits): (ForClient, Option<&AnswerEdits<'_>>),
) {
    let mut status = itoa::Buffer::new();
    let phrase = response.phrase.of_input(head);
    put(out, &[b"HTTP/1.1 ", status.format(response.status).as_bytes(), b" ", phrase, b"\r\n"]);
    match edits {
        None => answer_fields(out, head, (response, client), |out, name, value| {
            put(out, &[name, b": ", value, b"\r\n"]);
        }),
        Some(edits) => {
            let is_final = response.status >= 200;
            answer_fields(out, head, (response, client), |out, name, value| {
                edits.put_field(out, is_final, (name, value));
            });
            if is_final {
                edits.put_own(out);
            }
        }
    }
    if response.websocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else if response.status >= 200 {
        match (client.persistent, client.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes the target's own fields. `pass` writes those that are not dropped.
fn answer_fields(
    out: &mut Vec<u8>,
    head: &[u8],
    (response, client): (&Response, ForClient),
    mut pass: impl FnMut(&mut Vec<u8>, &[u8], &[u8]),
) {
    // RFC 9112 §6.1: such responses have no framing fields, whatever the target sent.
    let unframed = response.status < 200 || response.status == 204;
    for field in &response.fields {
        let value = field.value.of_input(head);
        match field.kind {
            Kind::HopByHop => {}
            Kind::ContentLength | Kind::TransferEncoding if unframed => {}
            Kind::TransferEncoding if client.version == Version::Http10 => {}
            kind @ (Kind::ContentLength | Kind::TransferEncoding) => framing_field(out, kind, value),
            _ => pass(out, field.name.of_input(head), value),
        }
    }
}

/// Whether the client can see the end of such a body while the connection stays open.
pub(super) fn keeps_framing(body: ResponseBody, version: Version) -> bool {
    match body {
        ResponseBody::None | ResponseBody::Length(_) => true,
        ResponseBody::Chunked => version == Version::Http11,
        ResponseBody::Close => false,
    }
}

/// Writes an address as `Display` does. Every request contains its client's address. So an IPv4 address is written
/// without the formatter, which takes five times as long.
fn put_address(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => {
            for (number, octet) in v4.octets().into_iter().enumerate() {
                if number > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(v6) => {
            let _ = write!(out, "{v6}");
        }
    }
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests;

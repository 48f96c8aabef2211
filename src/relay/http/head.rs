//! Heads as they leave: hop-by-hop fields gone, what we say of the client in place of what it said itself.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;

use super::Asked;
use crate::inspect::http::{Kind, Response, ResponseBody, Version, is_closed};
use crate::route::http::{Connection, Edits, Forwarding};

/// Writes the head of a request as its target gets it. This is the only place where `edits` are applied.
pub fn request_head(out: &mut Vec<u8>, asked: &Asked<'_>, edits: &Edits<'_>) {
    put(out, &[asked.method(), b" ", asked.target(), b" HTTP/1.1\r\nHost: ", asked.host(), b"\r\n"]);
    match edits.protected {
        None => asked_fields(out, asked, |_| true),
        Some(protected) => asked_fields(out, asked, |name| !protected.contains(name)),
    }
    out.extend_from_slice(match edits.connection {
        Connection::GoesOn => b"",
        Connection::Ends => b"Connection: close\r\n",
        Connection::WebSocket => b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    });
    forwarded(out, asked, &edits.forwarding);
    out.extend_from_slice(b"\r\n");
}

/// The client's own fields; those that go on as they came pass if `passes` says so of their name.
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

/// A framing field in its one clean form, so that it has one meaning to every reader: `010` is 8 to a reader that takes
/// a leading zero for octal, and a coding in other case is none to a reader that looks at case. Other kinds write nothing.
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

/// X-Forwarded-For, -Proto, -Host and Forwarded.
fn forwarded(out: &mut Vec<u8>, asked: &Asked<'_>, forwarding: &Forwarding) {
    let said = |kind: Kind| {
        let fields = if forwarding.trusted { asked.request().fields.as_slice() } else { &[] };
        fields.iter().filter(move |field| field.kind == kind).map(|field| field.value.of_input(asked.head()))
    };
    let proto = crate::service::Service::Http.scheme(forwarding.transport);
    let host = asked.host();
    out.extend_from_slice(b"X-Forwarded-For: ");
    said(Kind::XForwardedFor).for_each(|value| put(out, &[value, b", "]));
    put_address(out, forwarding.peer);
    out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
    put(
        out,
        &[said(Kind::XForwardedProto).next_back().unwrap_or(proto.as_bytes()), b"\r\nX-Forwarded-Host: "],
    );
    put(out, &[said(Kind::XForwardedHost).next_back().unwrap_or(host), b"\r\nForwarded: "]);
    said(Kind::Forwarded).filter(|value| is_closed(value)).for_each(|value| put(out, &[value, b", "]));
    let [before, behind]: [&[u8]; 2] =
        if forwarding.peer.is_ipv4() { [b"for=", b""] } else { [b"for=\"[", b"]\""] };
    out.extend_from_slice(before);
    put_address(out, forwarding.peer);
    out.extend_from_slice(behind);
    // A host with a port or brackets is no token (RFC 7239 §4).
    let quote: &[u8] = if host.iter().any(|byte| matches!(byte, b':' | b'[')) { b"\"" } else { b"" };
    put(out, &[b";host=", quote, host, quote, b";proto=", proto.as_bytes(), b"\r\n"]);
}

/// What a response becomes for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ForClient {
    /// The client's version.
    pub(super) version: Version,
    /// Whether the connection goes on.
    pub(super) persistent: bool,
}

/// Writes the head of a response to `out`. `head` is the input that `response` was read from.
pub(super) fn response_head(out: &mut Vec<u8>, head: &[u8], response: &Response, client: ForClient) {
    let mut status = itoa::Buffer::new();
    let phrase = response.phrase.of_input(head);
    put(out, &[b"HTTP/1.1 ", status.format(response.status).as_bytes(), b" ", phrase, b"\r\n"]);
    // RFC 9112 §6.1: these have no framing fields at all, whatever the target sent.
    let unframed = response.status < 200 || response.status == 204;
    for field in &response.fields {
        let value = field.value.of_input(head);
        match field.kind {
            Kind::HopByHop => {}
            Kind::ContentLength | Kind::TransferEncoding if unframed => {}
            Kind::TransferEncoding if client.version == Version::Http10 => {}
            kind @ (Kind::ContentLength | Kind::TransferEncoding) => framing_field(out, kind, value),
            _ => put(out, &[field.name.of_input(head), b": ", value, b"\r\n"]),
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

/// Whether the client can see the end of such a body without the connection ending.
pub(super) fn keeps_framing(body: ResponseBody, version: Version) -> bool {
    match body {
        ResponseBody::None | ResponseBody::Length(_) => true,
        ResponseBody::Chunked => version == Version::Http11,
        ResponseBody::Close => false,
    }
}

/// Writes an address as it is displayed. Every request has its client's twice, so IPv4 goes without the formatter, which
/// takes five times as long.
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

/// A small answer of our own.
pub(crate) fn own_response(status: u16, extra: &str, persistent: bool, bodiless: bool) -> Vec<u8> {
    let phrase = match status {
        308 => "Permanent Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "Service Unavailable",
    };
    let start = format!("{status} {phrase}");
    let body = format!("{start}\n");
    own(&start, &format!("{extra}Content-Type: text/plain\r\n"), body.as_bytes(), persistent, bodiless)
}

/// A small document of our own.
pub(crate) fn own_document(body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let fields = "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n";
    own("200 OK", fields, body, persistent, bodiless)
}

fn own(status: &str, fields: &str, body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let mut head = String::new();
    let _ = write!(head, "HTTP/1.1 {status}\r\nDate: {date}\r\n{fields}Content-Length: {}\r\n", body.len());
    head.push_str(if persistent { "\r\n" } else { "Connection: close\r\n\r\n" });
    let mut answer = head.into_bytes();
    if !bodiless {
        answer.extend_from_slice(body);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::field_names::FieldNames;
    use crate::inspect::Inspect;
    use crate::inspect::http::{Inspector, ResponseInspector};
    use crate::io::Buffer;
    use crate::service::Transport;

    fn sent(text: &str, trusted: bool) -> String {
        sent_without(text, trusted, &[])
    }

    /// Where a rule of the table sets fields of these names.
    fn sent_without(text: &str, trusted: bool, names: &[&str]) -> String {
        let mut buffer = Buffer::default();
        buffer.extend(text.as_bytes());
        let Inspect::Found { ask, len } = Inspector::default().inspect(buffer.filled()) else {
            panic!("{text}")
        };
        let asked = Asked::take(&mut buffer, &ask, len);
        let peer = "2001:db8::1".parse().unwrap();
        let forwarding = Forwarding { peer, transport: Transport::Tls, trusted };
        let mut out = Vec::new();
        let mut protected = FieldNames::default();
        names.iter().for_each(|name| protected.insert(name));
        let protected = Arc::new(protected);
        let protected = (!names.is_empty()).then_some(&protected);
        let edits = Edits { forwarding, connection: asked.connection(), protected, by_rule: None };
        request_head(&mut out, &asked, &edits);
        assert_eq!(asked.head(), text.as_bytes(), "what was asked is what it was");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn item_19_a_target_goes_on_in_ascii() {
        let sent = sent("GET /\u{e4}%2F?q=\u{20ac} HTTP/1.1\r\nHost: h\r\n\r\n", false);
        assert!(sent.starts_with("GET /%C3%A4%2F?q=%E2%82%AC HTTP/1.1\r\nHost: h\r\n"), "{sent}");
    }

    #[test]
    fn item_2_what_any_rule_sets_never_comes_from_a_client() {
        let text = "GET / HTTP/1.1\r\nHost: h\r\nX-Tenant: 1\r\nx_tenant: 2\r\nA: b\r\nX.TENANT:\r\nX-Tenants: 3\r\n\
            Connection: X-Tenant, x_user\r\nX-User: 4\r\nX_User: 5\r\nX-TENANT: 6\r\nXTenant: 7\r\n\r\n";
        let sent = sent_without(text, true, &["X-Tenant", "X-User"]);
        let (_, fields) = sent.split_once("Host: h\r\n").unwrap();
        assert!(fields.starts_with("A: b\r\nX-Tenants: 3\r\nXTenant: 7\r\nX-Forwarded-For"), "{sent}");
        let (_, forwarded) = fields.split_once("XTenant: 7\r\n").unwrap();
        assert!(!forwarded.to_ascii_lowercase().contains("tenant"), "{sent}");
        let socket = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade, x-tenant\r\nUpgrade: websocket\r\nX~Tenant: 1\r\n\r\n";
        let sent = sent_without(socket, false, &["x_tenant"]);
        assert!(sent.contains("Upgrade: websocket\r\n") && !sent.contains("Tenant"), "{sent}");
    }

    const CLAIMS: &str = "GET http://h:8/a HTTP/1.1\r\nHost: h:8\r\nX-Forwarded-For: 1.1.1.1\r\nX_Forwarded_For: 2.2.2.2\r\n\
        X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=3.3.3.3\r\n\
        Connection: X-Forwarded-For, Cookie\r\nCookie: a\r\nTE: trailers\r\nAccept: b\r\n\r\n";

    #[test]
    fn what_a_client_claims_is_replaced() {
        assert_eq!(
            sent(CLAIMS, false),
            "GET /a HTTP/1.1\r\nHost: h:8\r\nAccept: b\r\nX-Forwarded-For: 2001:db8::1\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-Host: h:8\r\nForwarded: for=\"[2001:db8::1]\";host=\"h:8\";proto=https\r\n\r\n"
        );
    }

    #[test]
    fn what_a_trusted_peer_says_is_added_to() {
        let sent = sent(CLAIMS, true);
        assert!(sent.contains("X-Forwarded-For: 1.1.1.1, 2001:db8::1\r\n"), "{sent}");
        assert!(sent.contains("X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: evil\r\n"));
        assert!(sent.contains("Forwarded: for=3.3.3.3, for="));
        assert!(!sent.contains("2.2.2.2") && !sent.contains("Port"));
    }

    #[test]
    fn the_target_is_told_what_becomes_of_its_connection() {
        let end = "Connection: close\r\nX-Forwarded-For: ";
        let get = sent("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", false);
        assert!(get.contains(&format!("\r\nContent-Length: 1\r\n{end}")), "{get}");
        let post =
            sent("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", false);
        assert!(post.contains("\r\nContent-Length: 1\r\nX-Forwarded-For: "), "{post}");
        let socket = sent(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\r\n",
            false,
        );
        assert!(
            socket.contains("\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-"),
            "{socket}"
        );
    }

    #[test]
    fn responses_lose_what_is_hop_by_hop() {
        let text = "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
            Transfer-Encoding: chunked\r\nServer: s\r\nUpgrade: h2c\r\n\r\n";
        let Inspect::Found { ask, .. } = ResponseInspector::default().inspect(text.as_bytes()) else {
            panic!()
        };
        let render = |version, persistent| {
            let mut out = Vec::new();
            response_head(&mut out, text.as_bytes(), &ask, ForClient { version, persistent });
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            render(Version::Http11, true),
            "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n"
        );
        assert_eq!(
            render(Version::Http10, false),
            "HTTP/1.1 200 Fine\r\nServer: s\r\nConnection: close\r\n\r\n"
        );
    }
}

//! Heads as a target and a client get them.

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

/// The request as the target gets it, if a rule of the table sets fields of these names.
fn sent_without(text: &str, trusted: bool, names: &[&str]) -> String {
    let mut buffer = Buffer::default();
    buffer.extend(text.as_bytes());
    let Inspect::Found { ask, len } = Inspector::default().inspect(buffer.filled()) else { panic!("{text}") };
    let asked = Asked::take(&mut buffer, &ask, len);
    let peer = "2001:db8::1".parse().unwrap();
    let forwarding = Forwarding { peer, transport: Transport::Tls, trusted };
    let mut out = Vec::new();
    let mut protected = FieldNames::default();
    names.iter().for_each(|name| protected.insert(name));
    let protected = Arc::new(protected);
    let protected = (!names.is_empty()).then_some(&protected);
    let edits =
        Edits { forwarding, connection: asked.connection(), protected, takes_login: false, by_rule: None };
    request_head(&mut out, &asked, &edits, None);
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
    let post = sent("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", false);
    assert!(post.contains("\r\nContent-Length: 1\r\nX-Forwarded-For: "), "{post}");
    let socket = sent(
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\r\n",
        false,
    );
    assert!(socket.contains("\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-"), "{socket}");
}

#[test]
fn responses_lose_what_is_hop_by_hop() {
    let text = "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n\
        Transfer-Encoding: chunked\r\nServer: s\r\nUpgrade: h2c\r\n\r\n";
    let Inspect::Found { ask, .. } = ResponseInspector::default().inspect(text.as_bytes()) else { panic!() };
    let render = |version, persistent| {
        let mut out = Vec::new();
        response_head(&mut out, text.as_bytes(), &ask, (ForClient { version, persistent }, None));
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        render(Version::Http11, true),
        "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nServer: s\r\n\r\n"
    );
    assert_eq!(render(Version::Http10, false), "HTTP/1.1 200 Fine\r\nServer: s\r\nConnection: close\r\n\r\n");
}

mod answers;
mod rules;

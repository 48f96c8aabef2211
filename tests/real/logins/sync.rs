//! After a demand for a login the connection stays in step with its client, or ends.

use super::{HOST, basic, get, setup};
use crate::harness::{Target, WebSocketEcho, Wire, web_socket, within};

fn post(wire: &mut Wire, login: &str, framing: &str, body: &str) -> u16 {
    wire.ask(format!("POST /mno/ACME/hook HTTP/1.1\r\nHost: {HOST}\r\n{login}{framing}\r\n{body}")).status()
}

#[test]
fn item_3_a_body_is_not_taken_for_a_request() {
    within(120, || {
        let target = Target::mirror();
        let portward = setup(&target, "").start();
        let (right, wrong) = (basic("key", "s3cret-of-acme"), basic("key", "wrong"));
        let inner = format!("GET /mno/ACME/saml/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        let length = format!("Content-Length: {}\r\n", inner.len());
        let chunked = format!("{:x}\r\n{inner}\r\n0\r\nAuthorization: {}\r\n\r\n", inner.len(), "Basic eDp5");
        for (framing, body) in [(length.as_str(), &inner), ("Transfer-Encoding: chunked\r\n", &chunked)] {
            let mut wire = portward.tls(HOST);
            for (login, status) in [("", 401), (&wrong, 401), (&right, 200), ("", 401), (&right, 200)] {
                assert_eq!(post(&mut wire, login, framing, body), status, "{framing} {login}");
            }
            assert_eq!(get(&mut wire, "/mno/ACME/saml", "").status(), 200);
        }
        assert!(
            !target
                .transcript()
                .contains("GET /mno/ACME/saml/smuggled HTTP/1.1\r\nHost: app.example.net\r\nX-")
        );
        assert!(!target.transcript().contains("eDp5"), "no login in a trailer either");
        // If a body is not sent, or is too long, the connection ends after the answer.
        for framing in ["Content-Length: 5\r\nExpect: 100-continue\r\n", "Content-Length: 1000000\r\n"] {
            let mut wire = portward.tls(HOST);
            let body = if framing.contains("Expect") { String::new() } else { "x".repeat(100_000) };
            wire.send(format!("POST /mno/ACME/hook HTTP/1.1\r\nHost: {HOST}\r\n{framing}\r\n{body}"));
            let answer = wire.response();
            assert_eq!(
                (answer.status(), answer.header("connection")),
                (401, Some("close")),
                "{framing}: {answer:?}"
            );
        }
        // Pipelined requests are answered one by one.
        let mut wire = portward.tls(HOST);
        let ask = |login: &str| format!("GET /mno/ACME/x HTTP/1.1\r\nHost: {HOST}\r\n{login}\r\n");
        wire.send(ask("") + &ask(&wrong) + &ask(&right) + &ask(&wrong));
        let statuses: Vec<u16> = (0..4).map(|_| wire.response().status()).collect();
        assert_eq!(statuses, [401, 401, 200, 401]);
    });
}

#[test]
fn item_3_old_clients_and_half_closed_ones_get_their_answer() {
    within(60, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").start();
        for (login, start) in [
            (String::new(), "HTTP/1.1 401 "),
            (basic("key", "wrong"), "HTTP/1.1 401 "),
            (basic("key", "s3cret-of-acme"), "HTTP/1.1 200 "),
        ] {
            let mut wire = portward.tls(HOST);
            wire.send(format!("GET /mno/ACME/x HTTP/1.0\r\nHost: {HOST}\r\n{login}\r\n"));
            let answer = String::from_utf8(wire.rest()).unwrap();
            assert!(answer.starts_with(start) && answer.contains("Connection: close"), "{answer}");
            let mut wire = portward.tls(HOST);
            wire.send(format!(
                "GET /mno/ACME/x HTTP/1.1\r\nHost: {HOST}\r\n{login}Connection: close\r\n\r\n"
            ));
            wire.finish();
            assert!(String::from_utf8(wire.rest()).unwrap().starts_with(start));
        }
    });
}

#[test]
fn item_3_a_websocket_needs_the_login_as_well() {
    within(60, || {
        let target = WebSocketEcho::plain();
        let portward = setup(&target, "").start();
        let refused = web_socket(portward.tls(HOST), HOST, "/mno/ACME/socket").map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("401"), "{refused}");
        target.assert_untouched("no handshake without a login");
        let mut wire = portward.tls(HOST);
        wire.send(format!(
            "GET /mno/ACME/socket HTTP/1.1\r\nHost: {HOST}\r\n{}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            basic("key", "s3cret-of-acme")
        ));
        assert_eq!(wire.head().status(), 101);
        assert!(!target.transcript().contains("Authorization"));
    });
}

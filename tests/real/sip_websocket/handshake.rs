//! The handshake: which clients may open a WebSocket, and the answers to others.

use tokio_tungstenite::tungstenite::Error;

use super::browser::open;
use super::setup;
use crate::harness::{Portward, command, within};

/// The status of a handshake.
fn status(portward: &Portward, origin: Option<&str>, subprotocol: &str) -> Result<u16, String> {
    match open(portward.tls("web.example.net"), origin, subprotocol) {
        Ok((_, response)) => {
            assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
            assert!(response.headers().get("sec-websocket-extensions").is_none());
            Ok(101)
        }
        Err(Error::Http(response)) => Ok(response.status().as_u16()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn item_1_an_origin_must_be_the_hosts_own() {
    within(60, || {
        let portward = setup("tcp = 5060").start();
        assert_eq!(status(&portward, Some("https://web.example.net"), "sip"), Ok(101));
        for origin in [Some("https://evil.example"), Some("http://web.example.net"), Some("null"), None] {
            assert_eq!(status(&portward, origin, "sip"), Ok(403), "{origin:?}");
        }
        portward.decision(&["GET /sip HTTP/1.1 rejected: origin"]);
    });
}

#[test]
fn item_1_a_request_that_is_no_handshake_is_told_what_is_spoken_here() {
    within(60, || {
        let portward = setup("tcp = 5060").start();
        let mut wire = portward.tls("web.example.net");
        let answer = wire.get("web.example.net", "/sip");
        assert_eq!((answer.status(), answer.header("upgrade")), (426, Some("websocket")));
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        let old = "GET /sip HTTP/1.1\r\nHost: web.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Origin: https://web.example.net\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 8\r\n\r\n";
        assert_eq!(wire.ask(old).status(), 426);
        portward.decision(&["https://web.example.net GET /sip HTTP/1.1", "rejected: malformed"]);
        // The connection goes on.
        let right = wire.ask(old.replace("Version: 8", "Version: 13"));
        assert_eq!(right.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        portward.decision(&["https://web.example.net GET /sip HTTP/1.1", "-> websocket"]);
    });
}

/// Some balancers (Traefik) write `wss` for a WebSocket, and a chain of balancers makes a list.
#[test]
fn item_1_a_balancer_says_how_the_browser_came() {
    within(60, || {
        let portward = setup("tcp = 5060").set("listen.forwarded_from", "[\"127.0.0.1\"]").start();
        for (said, status) in [
            ("X-Forwarded-Proto: https\r\n", 101),
            ("X-Forwarded-Proto: WSS\r\n", 101),
            ("X-Forwarded-Proto: http, https\r\n", 101),
            ("X-Forwarded-Proto: https, ws\r\n", 403),
            ("X-Forwarded-Proto: http\r\n", 403),
            ("X-Forwarded-Proto: gopher\r\n", 403),
            ("", 403),
        ] {
            let mut wire = portward.plain();
            wire.send(format!(
                "GET /sip HTTP/1.1\r\nHost: web.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Origin: https://web.example.net\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{said}\
                 Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ));
            assert_eq!(wire.response().status(), status, "{said}");
        }
    });
}

#[test]
fn item_1_explain_says_what_is_spoken_at_the_path() {
    within(60, || {
        let portward = setup("tcp = 5060").start();
        let config = portward.config().display().to_string();
        let explain = |url: &str| command(60, portward.dir(), &["explain", "--config", &config, url]);
        for url in ["http://web.example.net/sip", "https://web.example.net/sip"] {
            let said = explain(url);
            assert_eq!(said.code, 1, "{said:?}");
            assert!(said.all().contains("answered with 426; ask for a ws: or wss: URL"), "{said:?}");
            assert!(!said.all().contains("several ways"), "{said:?}");
        }
        let said = explain("wss://web.example.net/sip");
        assert_eq!(said.code, 0, "{said:?}");
    });
}

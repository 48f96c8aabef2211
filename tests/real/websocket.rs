//! WebSockets are passed on, and no other upgrade is (contract section 3).

use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::harness::{Portward, Target, TestCa, WebSocketEcho, eventually, ok, web_socket, within};

fn rules(ports: &str) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/PBX0/APPS/\", {ports} }}]\n"
    )
}

fn plain(target: &Target) -> String {
    rules(&format!("tcp = {}", target.port()))
}

const HANDSHAKE: &str = "GET /PBX0/APPS/websocket HTTP/1.1\r\nHost: one.example.net\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn web_sockets_over_both_ports() {
    within(120, || {
        let (plain, tls) =
            (WebSocketEcho::plain(), WebSocketEcho::tls(&TestCa::shared().issue(&["one.example.net"])));
        let portward = Portward::with_rules(&rules(&format!("tcp = {}, tls = {}", plain.port(), tls.port())));
        for (wire, target) in [(portward.plain(), &plain), (portward.tls("one.example.net"), &tls)] {
            let (mut socket, response) = web_socket(wire, "one.example.net", "/PBX0/APPS/websocket").unwrap();
            assert_eq!(response.status(), 101);
            let big: Vec<u8> = (0..1024 * 1024).map(|n: u32| (n % 251) as u8).collect();
            for message in [
                Message::text("hello"),
                Message::text("gr\u{fc}\u{df}e \u{1f4de}"),
                Message::binary(vec![0, 1, 2, 255]),
                Message::binary(Vec::new()),
                Message::binary(big.clone()),
                Message::text("x".repeat(1024 * 1024)),
            ] {
                socket.send(message.clone()).unwrap();
                assert!(socket.read().unwrap() == message, "{} bytes came back otherwise", message.len());
            }
            socket.send(Message::Ping("p".into())).unwrap();
            assert_eq!(socket.read().unwrap(), Message::Pong("p".into()));

            let farewell = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
            socket.close(Some(farewell.clone())).unwrap();
            assert_eq!(socket.read().unwrap(), Message::Close(Some(farewell)));
            assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
            assert_eq!(target.connections(), 1);
        }
        portward.decision(&["http://one.example.net GET /PBX0/APPS/websocket HTTP/1.1 -> 127.0.0.1:"]);
        portward.decision(&["https://one.example.net GET /PBX0/APPS/websocket HTTP/1.1 -> 127.0.0.1:"]);
    });
}

#[test]
fn a_refused_web_socket_reaches_nobody() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&plain(&recorder));
        let refused = web_socket(portward.plain(), "one.example.net", "/PBX0/ADMIN/websocket");
        let Err(error) = refused else { panic!("accepted") };
        assert!(matches!(&*error, Error::Http(response) if response.status() == 404), "{error:?}");
        assert!(web_socket(portward.plain(), "other.example.net", "/PBX0/APPS/websocket").is_err());
        recorder.assert_untouched("not this path, not this host");
    });
}

/// Each side may close its direction while the other still sends.
#[test]
fn a_tunnel_closes_one_way_at_a_time() {
    within(60, || {
        let target = Target::scripted(|conn| {
            conn.head();
            conn.send(SWITCH);
            let all = conn.rest();
            conn.send(format!("heard {} bytes", all.len()));
        });
        let portward = Portward::with_rules(&plain(&target));
        let mut client = portward.plain();
        // Octets that come together with the handshake belong to the tunnel.
        client.send(format!("{HANDSHAKE}early"));
        let head = client.head();
        assert_eq!((head.status(), head.header("upgrade")), (101, Some("websocket")), "{head:?}");
        client.send(" and late");
        client.finish();
        assert_eq!(String::from_utf8_lossy(&client.rest()), "heard 14 bytes");
    });
}

#[test]
fn no_other_upgrade_is_passed_on() {
    let upgrades = [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: TLS/1.0\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websockets\r\n",
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    ];
    within(60, move || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&plain(&target));
        for lines in upgrades {
            let answer = portward
                .plain()
                .ask(format!("GET /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
            assert_eq!(answer.status(), 200, "{lines}: {answer:?}");
            let seen = answer.text().to_ascii_lowercase();
            assert!(!seen.contains("h2c") && !seen.contains("http2-settings"), "{lines}: {seen}");
            assert!(!seen.contains("tls/1.0") && !seen.contains("upgrade: websockets"), "{lines}: {seen}");
        }
    });
}

/// A WebSocket starts with a GET of HTTP/1.1 without a body. Other requests are passed on without the upgrade, or
/// refused.
#[test]
fn only_a_proper_handshake_upgrades() {
    let requests = [
        "POST /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        "GET /PBX0/APPS/x HTTP/1.0\r\nHost: one.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        "GET /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\nUpgrade: websocket\r\n\r\n",
    ];
    within(60, move || {
        for request in requests {
            let target = Target::scripted(|conn| {
                while let Some(request) = conn.try_request() {
                    if request.header("upgrade").is_some() {
                        conn.send(SWITCH);
                        return;
                    }
                    conn.send(ok("plain"));
                }
            });
            let portward = Portward::with_rules(&plain(&target));
            let mut client = portward.plain();
            client.send(request);
            let answer = String::from_utf8_lossy(&client.some()).into_owned();
            assert!(!answer.starts_with("HTTP/1.1 101"), "{request:?}: {answer}");
            assert!(!target.transcript().to_ascii_lowercase().contains("upgrade:"), "{request:?}");
        }
    });
}

/// Only a 101 that names websocket, to a client that asked for it, becomes a tunnel.
#[test]
fn only_a_proper_101_becomes_a_tunnel() {
    let answers = [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket, h2c\r\nConnection: Upgrade\r\n\r\n",
    ];
    within(60, move || {
        for answer in answers {
            let target = Target::scripted(move |conn| {
                if conn.try_head().is_some() {
                    conn.send(answer);
                    let _ = conn.rest();
                }
            });
            let portward = Portward::with_rules(&plain(&target));
            let mut client = portward.plain();
            client.send(HANDSHAKE);
            let seen = client.head();
            assert_eq!(seen.status(), 502, "{answer:?}: {seen:?}");
            let _ = client.try_send("GET /PBX0/ADMIN HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
            drop(client);
            assert!(!target.transcript().contains("ADMIN"), "{answer:?}");
        }
    });
}

/// A tunnel in which no octet moves for too long is closed. A busy one stays.
#[test]
fn an_idle_tunnel_is_closed() {
    within(60, || {
        let target = WebSocketEcho::plain();
        let portward =
            Portward::rules(&plain(&target)).set("limits.idle_timeout", "{ tunnel = \"1s\" }").start();
        let (mut socket, _) =
            web_socket(portward.plain(), "one.example.net", "/PBX0/APPS/websocket").unwrap();
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(200));
            socket.send(Message::text("still here")).unwrap();
            assert_eq!(socket.read().unwrap(), Message::text("still here"));
        }
        assert!(socket.read().is_err());
        eventually("the target's side is closed, too", || target.closed(0));
    });
}

/// A tunnel keeps its decision over a reload; only disabling its host ends it, after `drain_timeout`.
#[test]
fn a_tunnel_keeps_its_decision_until_its_host_is_disabled() {
    within(60, || {
        let target = WebSocketEcho::plain();
        let portward = Portward::rules(&plain(&target)).set("limits.drain_timeout", "\"1s\"").start();
        let (mut socket, _) =
            web_socket(portward.plain(), "one.example.net", "/PBX0/APPS/websocket").unwrap();
        let mut echo = |text: &'static str| {
            socket
                .send(Message::text(text))
                .and_then(|()| socket.read())
                .is_ok_and(|back| back == Message::text(text))
        };
        assert!(echo("before"));
        portward.write_rules(&plain(&target).replace("/PBX0/APPS/", "/PBX0/OTHER/"));
        portward.hang_up();
        eventually("the path is gone", || {
            portward.plain().get("one.example.net", "/PBX0/APPS/x").status() == 404
        });
        for _ in 0..15 {
            std::thread::sleep(Duration::from_millis(100));
            assert!(echo("the path is gone, the tunnel stays"));
        }
        portward.write_rules(&plain(&target).replace("target =", "enabled = false\ntarget ="));
        portward.hang_up();
        eventually("its host is disabled: the tunnel ends", || !echo("?"));
        eventually("the target's side is closed, too", || target.closed(0));
    });
}

/// Stopping waits for tunnels, but not longer than `drain_timeout`.
#[test]
fn a_tunnel_ends_with_the_daemon() {
    within(60, || {
        let target = WebSocketEcho::plain();
        let portward = Portward::rules(&plain(&target)).set("limits.drain_timeout", "\"2s\"").start();
        let (mut socket, _) =
            web_socket(portward.plain(), "one.example.net", "/PBX0/APPS/websocket").unwrap();
        portward.terminate();
        assert_eq!(portward.wait(), Some(0));
        assert!(socket.read().is_err());
    });
}

/// A target declines the handshake. Its answer passes, and later requests are still inspected.
#[test]
fn after_a_declined_handshake_requests_are_still_inspected() {
    within(60, || {
        let target = Target::http(|_, _| ok("no websocket here"));
        let portward = Portward::with_rules(&plain(&target));
        let mut client = portward.plain();
        assert_eq!(client.ask(HANDSHAKE).text(), "no websocket here");
        assert_eq!(client.get("one.example.net", "/PBX0/ADMIN").status(), 404);
        assert!(!target.transcript().contains("ADMIN"));
    });
}

//! A balancer in front of the handshake: the address of the browser behind it is believed, judged and listed
//! (`forwarded_from`).

use super::browser::{VIA, read, request};
use super::{pbx, setup};
use crate::harness::{Message, Portward, Wire, within};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message as Frame, WebSocket};

/// A handshake through the balancer, for a browser at this address. Returns the answer and the connection.
fn open(portward: &Portward, from: &str) -> (Message, Wire) {
    let mut wire = portward.plain();
    let answer = wire.ask(format!(
        "GET /sip HTTP/1.1\r\nHost: web.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         X-Forwarded-For: 198.51.100.1, {from}\r\nX-Forwarded-Proto: https\r\nOrigin: https://web.example.net\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ));
    (answer, wire)
}

#[test]
fn item_1_a_browser_behind_a_balancer_is_judged_by_its_own_address() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port()))
            .set("listen.forwarded_from", "[\"127.0.0.1\"]")
            .set("blacklist.allow", "[]")
            .set("blacklist.block", "[\"203.0.113.66\"]")
            .start();
        let (answer, wire) = open(&portward, "203.0.113.7");
        assert_eq!(answer.status(), 101);
        let mut good = WebSocket::from_raw_socket(wire, Role::Client, None);
        good.send(Frame::text(request("REGISTER", "a", "Contact: <sip:a@x.invalid>\r\n"))).unwrap();
        let answered = read(good.read().unwrap().to_text().unwrap());
        assert_eq!((answered.status(), answered.all("via")), (200, vec![VIA]));
        portward.decision(&["203.0.113.7 sipwss:a@pbx.example.net REGISTER", " -> "]);
        good.read().unwrap();
        // A blocked client gets an answer, because a balancer takes a closed connection for a broken server.
        assert_eq!(open(&portward, "203.0.113.66").0.status(), 403);
        // A scanner is listed by its own address. The balancer is not listed.
        for _ in 0..21 {
            let (answer, wire) = open(&portward, "203.0.113.13");
            if answer.status() == 403 {
                break;
            }
            let mut scanner = WebSocket::from_raw_socket(wire, Role::Client, None);
            let sent = request("REGISTER", "a", "").replace("pbx.example.net", "nobody.example");
            scanner.send(Frame::text(sent)).unwrap();
            assert_eq!(read(scanner.read().unwrap().to_text().unwrap()).status(), 403);
        }
        portward.line(&["203.0.113.13 blacklisted"]);
        assert_eq!(open(&portward, "203.0.113.13").0.status(), 403);
        assert_eq!(open(&portward, "203.0.113.7").0.status(), 101);
        good.send(Frame::text(request("OPTIONS", "a", ""))).unwrap();
        assert_eq!(read(good.read().unwrap().to_text().unwrap()).status(), 200);
    });
}

//! Messages and frames as RFC 6455 and RFC 7118 say.

use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as Raw;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::browser::{Browser, CONTACT, request};
use super::{pbx, setup};
use crate::harness::within;

#[test]
fn item_1_fragments_and_control_frames_make_one_message() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        let mut browser = Browser::wss(&portward);
        let text = request("REGISTER", "a", &format!("Contact: {CONTACT}\r\n"));
        let (first, second) = text.split_at(77);
        let part =
            |text: &str, data, last| Frame::Frame(Raw::message(text.to_owned(), OpCode::Data(data), last));
        browser.0.send(part(first, Data::Text, false)).unwrap();
        browser.0.send(Frame::Ping("are you there".into())).unwrap();
        browser.0.send(part("", Data::Continue, false)).unwrap();
        browser.0.send(part(second, Data::Continue, true)).unwrap();
        assert_eq!(browser.0.read().unwrap(), Frame::Pong("are you there".into()));
        assert_eq!(browser.message().status(), 200);
        assert_eq!(browser.message().method(), "INVITE");
        browser.say("\r\n\r\n");
        assert_eq!(browser.text(), "\r\n");
        browser.0.send(Frame::binary(request("OPTIONS", "a", ""))).unwrap();
        assert_eq!(browser.message().status(), 200);
        assert_eq!(String::from_utf8(pbx.received(0)).unwrap().matches("Content-Length").count(), 2);
    });
}

#[test]
fn item_1_what_breaks_the_protocol_is_closed_with_its_code() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        for registered in [false, true] {
            let open = || {
                let mut browser = Browser::wss(&portward);
                if registered {
                    browser.register("a");
                    browser.message();
                }
                browser
            };
            let mut browser = open();
            browser.0.get_mut().send(b"\x81\x04\r\n\r\n");
            assert_eq!(browser.closed(), 1002, "no mask");
            let mut browser = open();
            browser.0.get_mut().send(b"\x81\x81\0\0\0\0\xff");
            assert_eq!(browser.closed(), 1007, "no text");
            let mut browser = open();
            browser.say("x".repeat(64 * 1024 + 1));
            assert_eq!(browser.closed(), 1009, "too long");
            let mut browser = open();
            browser.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(browser.closed(), 1003, "no SIP");
            let mut browser = open();
            browser.say(request("OPTIONS", "a", "Content-Length: 5\r\n"));
            assert_eq!(browser.message().status(), 400);
            assert_eq!(browser.closed(), 1008, "a wrong length");
            let mut browser = open();
            browser.say(request("OPTIONS", "a", "").replace("pbx.example.net", "nobody.example"));
            if registered {
                assert_eq!(
                    browser.message().status(),
                    200,
                    "within a connection only REGISTER and INVITE decide"
                );
            }
            browser.say(request("REGISTER", "a", "").replace("pbx.example.net", "nobody.example"));
            assert_eq!(browser.message().status(), 403);
            assert_eq!(browser.closed(), 1008, "an unknown host");
        }
    });
}

#[test]
fn item_1_half_a_message_takes_no_longer_than_on_any_connection() {
    within(60, || {
        let pbx = pbx();
        let setup = setup(&format!("tcp = {}", pbx.port())).set("limits.inspect_timeout", "\"1s\"");
        let portward = setup.start();
        let half = |text: &str| Raw::message(text.to_owned(), OpCode::Data(Data::Text), false);
        for begins_late in [false, true] {
            // `websocket_wait` is ten minutes, and a silent page gets all of them.
            let mut silent = Browser::ws(&portward);
            let mut browser = Browser::ws(&portward);
            if begins_late {
                browser.say(request("OPTIONS", "a", ""));
                assert_eq!(browser.message().status(), 200);
            }
            let mark = portward.mark();
            browser.0.send(Frame::Frame(half("REGISTER sip:pbx.exam"))).unwrap();
            assert_eq!(browser.closed(), 1001);
            portward.line_after(mark, &["sipws:", "rejected: timeout"]);
            assert_eq!(silent.register("a").status(), 200);
        }
        // A frame that is never complete, and a single octet, are treated in the same way.
        for octets in [&b"\x81"[..], b"\x81\xfe\x01\x00\0\0\0\0REGISTER"] {
            let mut browser = Browser::ws(&portward);
            browser.0.get_mut().send(octets);
            assert_eq!(browser.closed(), 1001);
        }
    });
}

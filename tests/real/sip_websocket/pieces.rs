//! Frames and messages in pieces of every length.

use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::frame::Frame as Raw;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::browser::{Browser, CONTACT, request};
use super::{serve, setup};
use crate::harness::{Target, within};

/// A registration as a browser sends it.
fn register() -> String {
    request("REGISTER", "a", &format!("Contact: {CONTACT}\r\n"))
}

/// Masked frames, in the octets on the wire.
fn frames(parts: &[&[u8]]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let data = if number == 0 { Data::Text } else { Data::Continue };
        let mut frame = Raw::message(part.to_vec(), OpCode::Data(data), number + 1 == parts.len());
        frame.header_mut().mask = Some([0x11, 0x22, 0x33, 0x44]);
        let mut one = Vec::new();
        frame.format(&mut one).unwrap();
        octets.extend(one);
    }
    octets
}

#[test]
fn item_1_frames_may_be_cut_anywhere() {
    within(100, || {
        let pbx = Target::scripted(|conn| serve(conn, false));
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        let mut browser = Browser::wss(&portward);
        let (text, whole) = (register(), frames(&[register().as_bytes()]));
        browser.register("a");
        let before = pbx.bytes();
        browser.register("a");
        let one = pbx.bytes() - before;
        let (mut count, before) = (0, pbx.bytes());
        // One frame in two segments.
        for at in 1..whole.len() {
            browser.0.get_mut().send_pieces([&whole[..at], &whole[at..]], Duration::ZERO);
            assert_eq!(browser.message().status(), 200, "{at}");
            count += 1;
        }
        // One message in two frames, which come at once, and in three with an empty one in between.
        for at in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(at);
            for parts in [&[first, second][..], &[first, b"", second]] {
                browser.0.get_mut().send(frames(parts));
                assert_eq!(browser.message().status(), 200, "{at}");
                count += 1;
            }
        }
        // Octet for octet, and many messages in one segment.
        browser.0.get_mut().send_pieces(whole.chunks(1), Duration::ZERO);
        browser.0.get_mut().send(whole.repeat(20));
        for _ in 0..21 {
            assert_eq!(browser.message().status(), 200);
            count += 1;
        }
        assert_eq!(pbx.bytes() - before, count * one, "the PBX saw each message once, and nothing else");
        assert_eq!(pbx.connections(), 1);
    });
}

/// A message that ends too early is invalid, wherever it ends. No octet of it reaches a PBX, first or later.
#[test]
fn item_1_no_prefix_of_a_message_is_one() {
    within(100, || {
        let pbx = Target::scripted(|conn| serve(conn, false));
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        let text = register().replace("\r\n\r\n", "\r\nContent-Length: 3\r\n\r\nv=0");
        for end in 1..text.len() {
            let mut browser = Browser::ws(&portward);
            browser.say(&text[..end]);
            let has_head = end >= text.len() - 3;
            if has_head {
                assert_eq!(browser.message().status(), 400, "{end}");
            }
            assert_eq!(browser.closed(), if has_head { 1008 } else { 1003 }, "{end}: {:?}", &text[..end]);
        }
        assert_eq!(pbx.connections(), 0);
        for end in (1..text.len()).step_by(7) {
            let mut browser = Browser::ws(&portward);
            browser.register("a");
            let before = pbx.bytes();
            browser.say(&text[..end]);
            while browser.frame().is_ok_and(|frame| !frame.is_close()) {}
            assert_eq!(pbx.bytes(), before, "{end}");
        }
    });
}

//! W3 over WebSocket: requests must satisfy RFC 3261 without a setting in the configuration (contract section 9).

use super::browser::{Browser, request};
use super::{pbx, setup};
use crate::harness::within;

#[test]
fn w3_a_browser_is_told_what_is_wrong_with_its_request_and_the_pbx_never_sees_it() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        for is_registered in [false, true] {
            for open in [Browser::ws, Browser::wss] {
                let mut browser = open(&portward);
                if is_registered {
                    browser.register("a");
                    browser.message();
                }
                let (before, mark) = (pbx.bytes(), portward.mark());
                for (from, to, answer) in [
                    ("Max-Forwards: 70\r\n", "", "400 Missing Max-Forwards"),
                    ("Max-Forwards: 70", "Max-Forwards: 0", "483 Too Many Hops"),
                    ("Call-ID: 1\r\n", "", "400 Missing Call-ID"),
                    ("CSeq: 1 REGISTER", "CSeq: 1 INVITE", "400 CSeq Of Another Method"),
                    (" SIP/2.0\r\nVia", " SIP/3.0\r\nVia", "505 Version Not Supported"),
                    ("sip:pbx.example.net SIP", "http://pbx SIP", "416 Unsupported URI Scheme"),
                    ("sip:pbx.example.net SIP", "sip:pbx  SIP", "400 Bad Request-Line"),
                ] {
                    let wrong = request("REGISTER", "a", "").replacen(from, to, 1);
                    browser.say(wrong);
                    assert_eq!(browser.message().start, format!("SIP/2.0 {answer}"), "{is_registered}");
                }
                assert_eq!(pbx.bytes(), before, "nothing reached the PBX");
                portward.line_after(mark, &[" rejected: sanity"]);
                browser.register("a");
            }
        }
    });
}

#[test]
fn w3_a_scanner_in_a_websocket_is_answered_403_and_closed() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        for is_registered in [false, true] {
            let mut browser = Browser::wss(&portward);
            if is_registered {
                browser.register("a");
                browser.message();
            }
            let (before, mark) = (pbx.bytes(), portward.mark());
            browser.say(request("INVITE", "a", "User-Agent: friendly-scanner\r\n"));
            assert_eq!(browser.message().status(), 403);
            assert_eq!(browser.closed(), 1008);
            portward.line_after(mark, &[" rejected: scanner"]);
            assert_eq!(pbx.bytes(), before);
        }
    });
}

#[test]
fn w3_a_browser_over_its_rate_is_told_to_come_again() {
    within(60, || {
        let pbx = pbx();
        let setup = setup(&format!("tcp = {}", pbx.port())).set("blacklist.allow", "[]");
        let portward = setup.set("limits.sip_requests", "\"3/m\"").start();
        let mut browser = Browser::wss(&portward);
        browser.register("a");
        browser.message();
        let mut statuses = Vec::new();
        for _ in 0..12 {
            browser.say(request("INVITE", "a", ""));
            statuses.push(browser.message());
        }
        let sent_away: Vec<_> = statuses.iter().filter(|answer| answer.status() == 503).collect();
        assert!(sent_away.len() >= 7, "{statuses:?}");
        assert!(sent_away.iter().all(|answer| answer.header("retry-after").is_some()));
    });
}

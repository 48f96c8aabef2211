//! The end of a WebSocket: the browser vanishes, is too slow, sends too much; Portward drains; the host is disabled.

use std::thread;
use std::time::{Duration, Instant};

use super::browser::{Browser, CONTACT, request};
use super::{pbx, rules, setup};
use crate::harness::{PATIENCE, command, eventually, within};

/// A browser that has vanished answers no ping. After 75 to 90 seconds its connection to the PBX is closed, and so is
/// its own.
#[test]
fn item_1_a_browser_that_vanishes_is_gone_on_both_sides() {
    within(115, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        // Two silent browsers: one does not read its socket any more, the other answers pings.
        let (mut vanished, mut living) = (Browser::wss(&portward), Browser::wss(&portward));
        vanished.register("a");
        living.register("b");
        let begun = Instant::now();
        living.message();
        let answers = thread::spawn(move || {
            living.0.get_mut().set_patience(Duration::from_secs(40));
            for _ in 0..2 {
                assert!(living.0.read().unwrap().is_ping());
                living.0.flush().unwrap();
            }
            living
        });
        while !pbx.closed(0) {
            assert!(begun.elapsed() < Duration::from_secs(90), "the connection to the PBX is still there");
            thread::sleep(Duration::from_millis(100));
        }
        portward.line(&["sipwss:", "ended by client", "bytes up"]);
        let mut living = answers.join().unwrap();
        assert!(!pbx.closed(1));
        living.register("b");
        living.message();
        // The octets in flight are read, and then the end.
        vanished.0.get_mut().set_patience(PATIENCE);
        let mut read = 0;
        while vanished.0.read().is_ok() {
            read += 1;
        }
        assert!((2..6).contains(&read), "an INVITE, pings and a close, not {read}");
    });
}

/// Contract section 3: a request that is too long for the PBX is answered 513, first or later, and the WebSocket stays.
#[test]
fn item_1_a_message_over_max_message_is_answered_513() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).set("sip.max_message", "\"1KiB\"").start();
        for mut browser in [Browser::ws(&portward), Browser::wss(&portward)] {
            let long = |method: &str| {
                let head = request(method, "a", &format!("Contact: {CONTACT}\r\nContent-Type: x/y\r\n"));
                head + &request("REGISTER", "smuggled", "").repeat(4)
            };
            for registered in [false, true] {
                let before = pbx.bytes();
                for method in ["INVITE", "REGISTER"] {
                    browser.say(long(method));
                    let answer = browser.message();
                    assert_eq!(answer.start, "SIP/2.0 513 Message Too Large", "{registered}");
                }
                // An answer or an ACK that is too long is dropped.
                if registered {
                    browser.say(long("ACK"));
                }
                assert_eq!(pbx.bytes(), before);
                browser.register("a");
                browser.message();
            }
        }
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
    });
}

#[test]
fn item_1_the_first_request_may_take_websocket_wait_and_no_longer() {
    within(60, || {
        let pbx = pbx();
        let patient = setup(&format!("tcp = {}", pbx.port()))
            .set("limits.inspect_timeout", "\"1s\"")
            .set("limits.handshake_timeout", "\"1s\"")
            .start();
        let mut browser = Browser::wss(&patient);
        // Longer than a TCP client may take.
        thread::sleep(Duration::from_secs(3));
        browser.register("a");
        let short = rules(&format!("tcp = {}", pbx.port()))
            .replace("websocket = \"sip\"", "websocket = \"sip\", websocket_wait = \"1s\"");
        patient.write_rules(&short);
        patient.hang_up();
        patient.line(&["reloaded"]);
        let mark = patient.mark();
        for mut browser in [Browser::ws(&patient), Browser::wss(&patient)] {
            assert_eq!(browser.closed(), 1001);
        }
        // A page on which the user waits is not suspicious. Keep-alives are no requests.
        let mut browser = Browser::ws(&patient);
        browser.say("\r\n\r\n");
        assert_eq!(browser.text(), "\r\n");
        assert_eq!(browser.closed(), 1001);
        patient.line_after(mark, &["sipws:- rejected: silent"]);
    });
}

/// A browser is told that Portward stops. A page then opens a new WebSocket.
#[test]
fn item_1_a_drain_and_a_disabled_host_close_with_1001() {
    within(60, || {
        let pbx = pbx();
        let setup = setup(&format!("tcp = {}", pbx.port())).set("limits.drain_timeout", "\"2s\"");
        let portward = setup.start();
        let mut registered = Browser::wss(&portward);
        registered.register("a");
        registered.message();
        let disabled =
            command(20, portward.dir(), &["host", "disable", "pbx.example.net", "--config", "portward.toml"]);
        assert_eq!(disabled.code, 0, "{}", disabled.all());
        assert_eq!(registered.closed(), 1001, "the host is disabled");
        eventually("the PBX's connection is closed", || pbx.closed(0));
        let enabled =
            command(20, portward.dir(), &["host", "enable", "pbx.example.net", "--config", "portward.toml"]);
        assert_eq!(enabled.code, 0, "{}", enabled.all());
        let (mut registered, mut silent) = (Browser::wss(&portward), Browser::ws(&portward));
        registered.register("a");
        registered.message();
        portward.terminate();
        // Until then the call goes on.
        registered.say(request("OPTIONS", "a", ""));
        assert_eq!(registered.message().status(), 200);
        assert_eq!(silent.closed(), 1001, "nothing was asked");
        assert_eq!(registered.closed(), 1001, "drained");
        eventually("the PBX's connection is closed", || pbx.closed(1));
        portward.wait();
    });
}

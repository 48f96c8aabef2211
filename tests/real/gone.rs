//! Clients that have gone while their target says nothing, in every protocol (issue 15, B10). LDAP's tests are in
//! `ldap/gone.rs`.

use portward::demo::ras::request as registration;

use crate::harness::sip::request;
use crate::harness::{Portward, Setup, Target, Wire, eventually, within};

const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A host with every protocol, and a silent target for each.
struct Silent {
    sip: Target,
    h323: Target,
    http: Target,
    websocket: Target,
}

impl Silent {
    fn new() -> Self {
        let websocket = Target::scripted(|conn| {
            conn.head();
            conn.send(SWITCH);
            while !conn.some().is_empty() {}
            // It has seen the client's end, but does not close.
            std::thread::sleep(std::time::Duration::from_secs(45));
        });
        Self { sip: Target::recorder(), h323: Target::recorder(), http: Target::recorder(), websocket }
    }

    fn setup(&self) -> Setup {
        let [sip, h323, http, websocket] =
            [&self.sip, &self.h323, &self.http, &self.websocket].map(Target::port);
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
             sip = {{ tcp = {sip}, tls = false }}\nh323 = {{ tcp = {h323}, tls = false }}\n\
             http = [{{ path = \"/silent\", tcp = {http} }}, {{ path = \"/ws\", tcp = {websocket} }}]\n"
        );
        let setup = Portward::rules(&rules).set("log.ended", "\"all\"");
        ["sip", "sips", "h323", "h323s"].into_iter().fold(setup, Setup::listen)
    }
}

/// The first octets of a client in each protocol, and the port.
fn talks(portward: &Portward) -> Vec<(&'static str, u16, bool, Vec<u8>)> {
    let get = b"GET /silent HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
    let websocket =
        b"GET /ws HTTP/1.1\r\nHost: one.example.net\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let upload = b"POST /silent HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nwhole";
    let register = request("REGISTER", "a@one.example.net", "");
    let mut talks = Vec::new();
    for tls in [false, true] {
        let port =
            |plain: &'static str, by_tls: &'static str| portward.port(if tls { by_tls } else { plain });
        let http = if tls { portward.https } else { portward.http };
        talks.push(("sip", port("sip", "sips"), tls, register.clone().into()));
        talks.push(("h323", port("h323", "h323s"), tls, registration(7, "one.example.net", "009033410004")));
        talks.push(("http", http, tls, get.to_vec()));
        // Further requests fill the buffer.
        talks.push(("http, pipelined", http, tls, get.repeat(1000)));
        talks.push(("http, with a body", http, tls, upload.to_vec()));
        talks.push(("websocket", http, tls, websocket.to_vec()));
    }
    talks
}

/// Leaves in one of two ways: by a reset, or by ending its side in order without reading any more. In TLS the latter
/// sends close_notify. No reset answers the octets that it has not read.
pub fn leave((mut client, resets): (Wire, bool)) -> Option<Wire> {
    if resets {
        client.reset();
        return None;
    }
    client.finish();
    Some(client)
}

#[test]
fn b10_a_client_that_has_gone_leaves_no_socket_in_any_protocol() {
    within(60, || {
        let silent = Silent::new();
        let portward = silent.setup().start();
        let before = portward.sockets_at_rest();
        let mut clients = Vec::new();
        for (what, port, tls, octets) in talks(&portward) {
            for resets in [false, true] {
                let mut client = if tls { Wire::tls(port, "one.example.net") } else { Wire::plain(port) };
                client.send(&octets);
                if what == "websocket" {
                    assert_eq!(client.head().status(), 101);
                }
                clients.push((client, resets));
            }
        }
        let count = clients.len();
        eventually("all of them are connected", || portward.sockets() == before + 2 * count);
        let ended: Vec<_> = clients.into_iter().filter_map(leave).collect();
        eventually("all of them are gone", || portward.sockets() == before);
        drop(ended);
        eventually("each was ended by its client", || {
            let lines = portward.lines();
            lines.iter().filter(|line| line.contains("ended by client in relay")).count() == count
        });
        for target in [&silent.sip, &silent.h323, &silent.http] {
            eventually("the target has seen the end of each", || {
                (0..target.connections()).all(|number| target.closed(number))
            });
        }
    });
}

#[test]
fn b10_a_target_that_does_not_answer_the_first_message_has_a_time_of_its_own() {
    within(60, || {
        let silent = Silent::new();
        let portward = silent.setup().set("limits.response_timeout", "\"2s\"").start();
        for (what, port, tls, octets) in talks(&portward) {
            if !["sip", "h323"].contains(&what) {
                continue;
            }
            let mark = portward.mark();
            let mut client = if tls { Wire::tls(port, "one.example.net") } else { Wire::plain(port) };
            client.send(&octets);
            assert_eq!(client.rest(), b"", "{what}");
            portward.line_after(mark, &["ended by target in relay (target-down)"]);
        }
        assert!(portward.lines().iter().all(|line| !line.contains("blacklisted")));
    });
}

/// One answer is enough: after it the connection is a tunnel with its own idle time. An ACK owes no answer.
#[test]
fn b10_a_pbx_that_has_answered_may_be_silent_and_an_ack_is_not_answered() {
    within(60, || {
        let pbx = crate::harness::sip::pbx("one");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = false }}\n",
            pbx.port()
        );
        let setup = Portward::rules(&rules)
            .set("limits.response_timeout", "\"1s\"")
            .set("sip.methods", "[\"REGISTER\", \"INVITE\", \"ACK\"]")
            .listen("sip");
        let portward = setup.start();
        let mut registered = Wire::plain(portward.port("sip"));
        registered.send(request("REGISTER", "a@one.example.net", ""));
        assert!(crate::harness::sip::next_message(&mut registered).is_some());
        let mut acknowledges = Wire::plain(portward.port("sip"));
        acknowledges.send(request("ACK", "a@one.example.net", ""));
        std::thread::sleep(std::time::Duration::from_secs(3));
        assert!(!registered.is_closed() && !acknowledges.is_closed());
    });
}

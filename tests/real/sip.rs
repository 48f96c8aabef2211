//! SIP: the PBX that a connection reaches, and what later requests on the connection may do (contract sections 2 and
//! 3).

use std::io::Read as _;
use std::time::Duration;

use crate::harness::sip::{next_message, pbx, request, request_to};
use crate::harness::{Portward, Recorder, Setup, Target, Wire, eventually, within};

/// Two PBXs, a disabled host, and a host without SIP.
fn rules(one: u16, two: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\naliases = [\"alias.example.net\"]\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {one} }}\n\
         [[host]]\nname = \"one.example.net/branch-b\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {two} }}\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {two} }}\n\
         [[host]]\nname = \"*.wild.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {two} }}\n\
         [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {one} }}\n\
         [[host]]\nname = \"web.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {one} }}]\n"
    )
}

fn setup(one: u16, two: u16) -> Setup {
    Portward::rules(&rules(one, two)).listen("sip").listen("sips")
}

/// A client on the plain port and one on the TLS port.
fn both(portward: &Portward) -> [Wire; 2] {
    [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), "one.example.net")]
}

fn server(client: &mut Wire) -> String {
    let answer = next_message(client).expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.header("server").unwrap().to_owned()
}

#[test]
fn the_first_request_chooses_the_pbx() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = setup(one.port(), two.port()).start();
        for (method, from, expected) in [
            ("REGISTER", "a@one.example.net", "one"),
            ("REGISTER", "a@ONE.example.net.", "one"),
            ("REGISTER", "a@alias.example.net:5060;x=y", "one"),
            ("INVITE", "one.example.net", "one"),
            ("REGISTER", "a@one.example.net/branch-b", "two"),
            ("INVITE", "a@two.example.net", "two"),
            ("REGISTER", "a@x.wild.example.net", "two"),
        ] {
            for mut client in both(&portward) {
                client.send(request(method, from, ""));
                assert_eq!(server(&mut client), expected, "{method} {from}");
            }
        }
        let to = format!("-> 127.0.0.1:{}(new)", one.port());
        portward.decision(&["127.0.0.1 sip:a@one.example.net REGISTER ", &to]);
        portward.decision(&["127.0.0.1 sips:a@one.example.net REGISTER ", &to]);
    });
}

#[test]
fn what_names_no_rule_reaches_nobody() {
    within(60, || {
        let target = Recorder::recorder();
        let portward = setup(target.port(), target.port()).start();
        for (method, from, reason) in [
            ("REGISTER", "a@nobody.example.net", "unknown-host"),
            ("REGISTER", "a@one.example.net/branch-c", "unknown-host"),
            ("REGISTER", "a@203.0.113.9", "unknown-host"),
            ("INVITE", "a@off.example.net", "disabled"),
            ("REGISTER", "a@web.example.net", "no-service"),
            ("INVITE", "anonymous@anonymous.invalid", "no-name"),
            ("OPTIONS", "100@203.0.113.9", "method"),
            ("OPTIONS", "a@off.example.net", "disabled"),
            ("SUBSCRIBE", "a@web.example.net", "no-service"),
            ("ACK", "a@nobody.example.net", "method"),
            ("SUBSCRIBE", "a@nobody.example.net", "method"),
        ] {
            for mut client in both(&portward) {
                let mark = portward.mark();
                client.send(request(method, from, ""));
                assert_eq!(client.rest(), b"", "{method} {from}");
                portward
                    .decision_after(mark, &[&format!(":{from} {method}"), &format!("rejected: {reason}")]);
            }
        }
        for (text, reason) in [
            (request("REGISTER", "a@one.example.net", "").replace("sip:a@one.example.net", "tel:+49"), "no-name"),
            (request("REGISTER", "a@one.example.net", "From: <sip:a@two.example.net>\r\n"), "malformed"),
            (request("REGISTER", "a@one.example.net@two.example.net", ""), "malformed"),
            (request("REGISTER", "a@one.example.net", "").replace("Content-Length: 0\r\n", ""), "malformed"),
            (request("REGISTER", "a@one.example.net", "").replace("SIP/2.0\r\n", "SIP/3.0\r\n"), "malformed"),
            (request("REGISTER", "a@one.example.net", "").replace("7 REGISTER", "7 INVITE"), "malformed"),
            (request("REGISTER", "a@one.example.net", &"X: y\r\n".repeat(3000)), "too-large"),
            ("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@one.example.net>\r\nTo: <sip:a@x>\r\nCall-ID: 1\r\n\
              CSeq: 1 REGISTER\r\nContent-Length: 0\r\n\r\n".to_owned(), "method"),
            ("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n".to_owned(), "malformed"),
        ] {
            for mut client in both(&portward) {
                let mark = portward.mark();
                let _ = client.try_send(&text);
                assert_eq!(client.rest(), b"", "{text}");
                portward.decision_after(mark, &[&format!(" rejected: {reason}")]);
            }
        }
        assert_eq!((target.connections(), target.bytes()), (0, 0));
    });
}

#[test]
fn settings_allow_more() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = setup(one.port(), two.port())
            .set("sip.methods", "[\"REGISTER\", \"INVITE\", \"OPTIONS\"]")
            .set("sip.default_host", "\"two.example.net\"")
            .set("reject", "\"answer\"")
            .start();
        for mut client in both(&portward) {
            client.send(request("OPTIONS", "a@one.example.net", ""));
            assert_eq!(server(&mut client), "one");
        }
        for mut client in both(&portward) {
            client.send(request("INVITE", "anonymous@anonymous.invalid", ""));
            assert_eq!(server(&mut client), "two");
        }
        for mut client in both(&portward) {
            client.send(request("REGISTER", "a@nobody.example.net", ""));
            let answer = next_message(&mut client).expect("an answer");
            assert_eq!(answer.start, "SIP/2.0 403 Forbidden");
            assert_eq!(answer.header("call-id"), Some("1@10.0.0.1"));
            assert!(answer.header("to").unwrap().contains(";tag="));
            assert_eq!(client.rest(), b"");
        }
    });
}

#[test]
fn later_accounts_on_a_connection() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = setup(one.port(), two.port()).start();
        for mut client in both(&portward) {
            let reached = two.bytes();
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(server(&mut client), "one");
            // A second account at the same PBX, by another name of that PBX, a withheld number, and other requests.
            for (method, from) in [
                ("REGISTER", "b@one.example.net"),
                ("REGISTER", "c@alias.example.net"),
                ("INVITE", "anonymous@anonymous.invalid"),
                ("OPTIONS", "a@nobody.example.net"),
                ("MESSAGE", "a@two.example.net"),
            ] {
                client.send(request(method, from, ""));
                assert_eq!(server(&mut client), "one", "{method} {from}");
            }
            // An account at another PBX: 403, and the connection stays.
            for (method, from) in
                [("REGISTER", "a@two.example.net"), ("INVITE", "a@one.example.net/branch-b")]
            {
                client.send(request_to(method, from, "<sip:b@x>", "", "a body\r\n"));
                let answer = next_message(&mut client).expect("an answer");
                assert_eq!(answer.start, "SIP/2.0 403 Forbidden", "{method} {from}");
                client.send(request("REGISTER", "a@one.example.net", ""));
                assert_eq!(server(&mut client), "one");
            }
            portward.decision(&["a@two.example.net REGISTER", "rejected: other-target"]);
            assert_eq!(two.bytes(), reached);
            // A name without a host: the connection ends.
            let mark = portward.mark();
            client.send(request("REGISTER", "a@nobody.example.net", ""));
            assert_eq!(client.rest(), b"");
            portward.decision_after(mark, &["a@nobody.example.net REGISTER", "rejected: unknown-host"]);
        }
        // README shows these lines in this order.
        let readme = std::fs::read_to_string("README.md").unwrap();
        let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = "second account passes if it belongs to the same PBX, and is answered 403 if it belongs to another. \
                    An account at a domain that no rule names ends the connection, and counts toward the blacklist.";
        assert!(readme.contains(said));
        assert!(portward::reason::Reason::UnknownHost.suspicious());
    });
}

#[test]
fn a_reload_that_moves_or_disables_the_host_ends_it_at_the_next_registration() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let before = rules(one.port(), two.port());
        let portward = setup(one.port(), two.port()).set("log.ended", "[\"sip\"]").start();
        for (after, reason) in [
            (
                before.replacen(&format!("tcp = {}", one.port()), &format!("tcp = {}", two.port()), 1),
                "other-target",
            ),
            (
                before.replacen("[\"alias.example.net\"]\n", "[\"alias.example.net\"]\nenabled = false\n", 1),
                "disabled",
            ),
            (before.replacen("one.example.net\"", "other.example.net\"", 1), "other-target"),
        ] {
            let mut client = Wire::plain(portward.port("sip"));
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(server(&mut client), "one");
            let mark = portward.mark();
            portward.write_rules(&after);
            portward.hang_up();
            portward.line_after(mark, &["reloaded"]);
            // Requests that register nothing still pass.
            client.send(request("MESSAGE", "a@one.example.net", ""));
            assert_eq!(server(&mut client), "one");
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(client.rest(), b"", "{reason}");
            portward.decision_after(mark, &["a@one.example.net REGISTER", &format!("rejected: {reason}")]);
            // The reload has ended it, not the client.
            portward.line_after(mark, &[&format!("ended by policy in relay ({reason})")]);
            let mark = portward.mark();
            portward.write_rules(&before);
            portward.hang_up();
            portward.line_after(mark, &["reloaded"]);
        }
    });
}

#[test]
fn a_disabled_host_loses_its_connections_after_the_drain_time() {
    within(60, || {
        let one = pbx("one");
        let portward = setup(one.port(), one.port()).set("limits.drain_timeout", "\"1s\"").start();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(server(&mut client), "one");
        let off = rules(one.port(), one.port()).replacen(
            "example.net\"]\n",
            "example.net\"]\nenabled = false\n",
            1,
        );
        portward.write_rules(&off);
        portward.hang_up();
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn a_host_that_is_enabled_again_within_the_drain_time_keeps_its_connections() {
    within(60, || {
        let one = pbx("one");
        let portward = setup(one.port(), one.port()).set("limits.drain_timeout", "\"2s\"").start();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(server(&mut client), "one");
        let on = rules(one.port(), one.port());
        let off = on.replacen("example.net\"]\n", "example.net\"]\nenabled = false\n", 1);
        for rules in [&off, &on] {
            let mark = portward.mark();
            portward.write_rules(rules);
            portward.hang_up();
            portward.line_after(mark, &["reloaded"]);
        }
        std::thread::sleep(Duration::from_secs(3));
        client.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(server(&mut client), "one");
    });
}

/// When the drain is over both sides get a proper end, with close_notify in TLS. The log names the side that ended it.
#[test]
fn registrations_are_ended_in_order_when_the_drain_is_over() {
    within(60, || {
        let one = pbx("one");
        let setup = setup(one.port(), one.port()).set("limits.drain_timeout", "\"1s\"");
        let portward = setup.set("log.ended", "[\"sip\"]").start();
        let mut clients = both(&portward);
        for client in &mut clients {
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(server(client), "one");
        }
        portward.terminate();
        portward.line(&["draining"]);
        for client in &mut clients {
            assert_eq!(client.read(&mut [0; 16]).unwrap(), 0, "an end, not a reset, and not an end amid TLS");
        }
        assert_eq!(portward.wait(), Some(0));
        let lines = portward.lines().join("\n");
        assert_eq!(lines.matches("ended by ourselves").count(), 2, "{lines}");
        assert_eq!(lines.matches("shutdown").count(), 2, "{lines}");
        assert!(lines.ends_with("stopped: 2 connections were ended when the time was up"), "{lines}");
        assert!(!lines.contains(" 0 bytes up") && !lines.contains(" 0 bytes down"), "{lines}");
        eventually("the PBX sees the end", || one.closed(0) && one.closed(1));
    });
}

#[test]
fn every_octet_of_every_message_arrives() {
    within(60, || {
        let one = pbx("one");
        let portward = setup(one.port(), one.port()).start();
        let odd = "rOUTE :\t<sip:pbx.example.net;lr>,\r\n\t<sip:other;lr>\r\ns : \r\nX-Odd: \u{e9}\u{20ac}  a \r\n \tb\r\n\
                   authorization:Digest username=\"a\", nonce=\"n,;<>\", response=\"0123456789abcdef0123456789abcdef\"\r\n";
        let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
        let stream = [
            request("REGISTER", "a@one.example.net", odd),
            request_to("INVITE", "a@one.example.net", "<sip:b@one.example.net>", odd, sdp),
            request_to("ACK", "a@one.example.net", "<sip:b@one.example.net>;tag=pbx", "", ""),
            request_to("BYE", "a@one.example.net", "<sip:b@one.example.net>;tag=pbx", odd, ""),
        ]
        .concat();
        for (number, pause) in [(0, None), (1, Some(Duration::ZERO))] {
            let mut client = Wire::plain(portward.port("sip"));
            match pause {
                None => client.send(&stream),
                Some(pause) => client.send_pieces(stream.as_bytes().chunks(1), pause),
            }
            for _ in 0..3 {
                assert_eq!(server(&mut client), "one");
            }
            eventually("the PBX has the whole stream", || one.received(number).len() >= stream.len());
            assert_eq!(String::from_utf8_lossy(&one.received(number)), stream);
        }
    });
}

#[test]
fn what_the_pbx_sends_reaches_the_client() {
    within(60, || {
        let invite = request_to("INVITE", "b@one.example.net", "<sip:a@one.example.net>", "", "v=0\r\n");
        let notify =
            request_to("NOTIFY", "b@one.example.net", "<sip:a@one.example.net>;tag=1", "Event: x\r\n", "");
        let sent = format!("{invite}\r\n\r\n{notify}");
        let say = sent.clone();
        let target = Target::scripted(move |conn| {
            let first = next_message(conn).unwrap();
            assert_eq!(first.method(), "REGISTER");
            conn.send(&say);
            while !conn.some().is_empty() {}
        });
        let portward = setup(target.port(), target.port()).start();
        for mut client in both(&portward) {
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(String::from_utf8_lossy(&client.exactly(sent.len())), sent);
            // The client's answers, among them its pong, and its own ping, which is answered at once.
            let before = target.bytes();
            client.send("\r\n");
            client.send(format!(
                "{}\r\n\r\n",
                crate::harness::sip::answer(&message(&invite), "180 Ringing", "phone")
            ));
            assert_eq!(client.exactly(2), b"\r\n");
            eventually("the answer reaches the PBX", || target.bytes() > before + 100);
        }
    });
}

fn message(text: &str) -> crate::harness::Message {
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned()));
    crate::harness::Message { start, headers: headers.collect(), body: Vec::new(), trailers: Vec::new() }
}

#[test]
fn pings_before_the_first_request_are_answered() {
    within(60, || {
        let one = pbx("one");
        let portward = setup(one.port(), one.port()).start();
        for mut client in both(&portward) {
            client.send("\r\n\r\n\r\n\r\n");
            assert_eq!(client.exactly(4), b"\r\n\r\n");
            client.send(format!("\r\n{}", request("REGISTER", "a@one.example.net", "")));
            assert_eq!(server(&mut client), "one");
        }
    });
}

#[test]
fn pings_alone_are_no_first_request() {
    within(60, || {
        let target = Recorder::recorder();
        let portward = setup(target.port(), target.port()).set("limits.inspect_timeout", "\"1s\"").start();
        let mut client = Wire::plain(portward.port("sip"));
        client.send("\r\n\r\n");
        assert_eq!(client.rest(), b"\r\n");
        portward.decision(&["sip:- rejected: silent"]);
        let mut client = Wire::plain(portward.port("sip"));
        assert_eq!(client.rest(), b"");
        portward.decision(&["sip:- rejected: silent"]);
        assert_eq!(target.connections(), 0);
    });
}

#[test]
fn a_message_that_cannot_be_framed_ends_the_connection() {
    within(60, || {
        let one = pbx("one");
        let wild = Target::scripted(|conn| {
            let _ = next_message(conn);
            let _ = conn.try_send("SIP/2.0 200 OK\r\nFrom: x\r\n\r\n");
            while !conn.some().is_empty() {}
        });
        let portward = setup(one.port(), wild.port()).start();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(server(&mut client), "one");
        let before = one.bytes();
        let mark = portward.mark();
        client.send("NOTIFY sip:x SIP/2.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12");
        assert_eq!(client.rest(), b"");
        portward.decision_after(mark, &["sip:- rejected: malformed"]);
        assert_eq!(one.bytes(), before);

        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@two.example.net", ""));
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn a_pbx_that_is_down_or_hangs_up_closes_the_client() {
    within(60, || {
        let down = crate::harness::free_port();
        let rude = Target::scripted(|_| {});
        let portward = setup(down, rude.port()).set("log.ended", "\"all\"").start();
        for mut client in both(&portward) {
            let mark = portward.mark();
            client.send(request("REGISTER", "a@one.example.net", ""));
            assert_eq!(client.rest(), b"");
            portward.decision_after(mark, &["a@one.example.net REGISTER", "rejected: target-down"]);
        }
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@two.example.net", ""));
        assert_eq!(client.rest(), b"");
        portward.decision(&["ended by target in relay (target-down)"]);
    });
}

//! A4, `max_message`: a PBX never gets a SIP message that is longer than its limit (contract section 3). PJSIP has room
//! for 4,000 to 65,536 octets. It takes the rest of a longer body for messages, and obeys them.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::harness::sip::{next_message, pbx, request, request_to, serve};
use crate::harness::{Portward, Setup, Target, Wire, within};

const DOMAIN: &str = "one.example.net";

fn rules(port: u16, more: &str) -> String {
    format!("[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {port} }}\n{more}")
}

fn front(rules: &str) -> Setup {
    Portward::rules(rules).listen("sip").listen("sips").set("blacklist.allow", "[]")
}

fn both(portward: &Portward) -> [Wire; 2] {
    [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), DOMAIN)]
}

/// A request of that many octets. Its body is full of registrations of another user.
fn long(method: &str, octets: usize) -> String {
    let smuggled = request("REGISTER", &format!("bob@{DOMAIN}"), "").repeat(1 + octets / 200);
    let to = format!("<sip:b@{DOMAIN}>");
    let make = |body: &str| request_to(method, &format!("a@{DOMAIN}"), &to, "", body);
    let most = octets - make("").len();
    (0..10).map(|less| make(&smuggled[..most - less])).find(|text| text.len() == octets).unwrap()
}

fn register() -> String {
    request("REGISTER", &format!("a@{DOMAIN}"), "")
}

fn assert_served(client: &mut Wire, octets: &str) {
    client.send(octets);
    assert_eq!(next_message(client).expect("an answer").header("server"), Some("one"));
}

fn assert_too_large(client: &mut Wire, octets: &str) {
    client.send(octets);
    let answer = next_message(client).expect("an answer");
    assert_eq!(answer.start, "SIP/2.0 513 Message Too Large");
    assert!(answer.header("to").unwrap().contains(";tag="), "{answer:?}");
}

#[test]
fn the_rest_of_a_long_body_never_arrives_as_messages() {
    within(60, || {
        let one = pbx("one");
        let said = "[target.\"127.0.0.1\"]\nmax_message = \"4000B\"\n";
        let portward = front(&rules(one.port(), said)).start();
        for (number, mut client) in both(&portward).into_iter().enumerate() {
            assert_served(&mut client, &register());
            assert_served(&mut client, &long("MESSAGE", 4_000));
            let mark = portward.mark();
            let before = one.received(number).len();
            for octets in [4_001, 4_096, 16_000, 70_000, 1024 * 1024] {
                for method in ["MESSAGE", "INVITE", "REGISTER", "NOTIFY"] {
                    assert_too_large(&mut client, &long(method, octets));
                }
            }
            // One octet at a time, with the next request directly behind it.
            client.send_pieces(long("MESSAGE", 4_500).as_bytes().chunks(1), Duration::ZERO);
            assert_eq!(next_message(&mut client).unwrap().status(), 513);
            client.send(format!("{}{}", long("MESSAGE", 5_000), register()));
            assert_eq!(next_message(&mut client).unwrap().status(), 513);
            assert_eq!(next_message(&mut client).unwrap().header("server"), Some("one"));
            let seen = one.received(number).len() - before;
            assert_eq!(seen, register().len(), "nothing of them reaches the PBX");
            portward.line_after(mark, &["rejected: too-large"]);
            let lines = portward.lines_since(mark).join("\n");
            assert_eq!(lines.matches("rejected: too-large").count(), 1, "once a connection:\n{lines}");
            assert!(lines.contains(&format!("a@{DOMAIN} MESSAGE ")), "{lines}");
        }
        portward.assert_alive();
        assert!(!portward.lines().join("\n").contains("blacklisted"));
    });
}

#[test]
fn a_target_a_preset_and_the_configuration_say_how_long() {
    within(60, || {
        let one = pbx("one");
        let target = "[target.\"127.0.0.1\"]\nmax_message = \"2KiB\"\n";
        for (config, preset, more, limit) in [
            (None, None, "", 64 * 1024),
            (Some("8KiB"), None, "", 8 * 1024),
            (Some("8KiB"), Some("4KiB"), "", 4 * 1024),
            (Some("8KiB"), Some("16KiB"), "", 16 * 1024),
            (Some("8KiB"), Some("4KiB"), target, 2 * 1024),
            (None, None, target, 2 * 1024),
        ] {
            let host = rules(one.port(), "");
            let named = if preset.is_some() { "preset = [\"small\"]\n" } else { "" };
            let mut setup = front(&format!("{host}{named}{more}"));
            if let Some(size) = preset {
                let folder = setup.dir().join("rules/presets");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("small.toml"), format!("max_message = \"{size}\"\n")).unwrap();
            }
            if let Some(size) = config {
                setup = setup.set("sip.max_message", &format!("\"{size}\""));
            }
            let portward = setup.start();
            let mut client = Wire::plain(portward.port("sip"));
            assert_served(&mut client, &long("INVITE", limit));
            assert_served(&mut client, &long("MESSAGE", limit));
            assert_too_large(&mut client, &long("MESSAGE", limit + 1));
            let mut client = Wire::plain(portward.port("sip"));
            assert_too_large(&mut client, &long("INVITE", limit + 1));
            assert_served(&mut client, &register());
        }
    });
}

#[test]
fn a_first_request_that_is_too_long_is_answered_and_another_may_come() {
    within(60, || {
        let one = pbx("one");
        let portward = front(&rules(one.port(), "")).set("limits.inspect_timeout", "\"2s\"").start();
        for mut client in both(&portward) {
            let (connections, mark) = (one.connections(), portward.mark());
            for octets in [65_537, 1024 * 1024] {
                assert_too_large(&mut client, &long("REGISTER", octets));
                client.send("\r\n\r\n");
                assert_eq!(client.exactly(2), b"\r\n");
            }
            assert_eq!(one.connections(), connections, "nothing has been opened for them");
            assert_served(&mut client, &register());
            assert_too_large(&mut client, &long("MESSAGE", 65_537));
            assert_served(&mut client, &register());
            portward.line_after(mark, &["rejected: too-large"]);
            let lines = portward.lines_since(mark).join("\n");
            assert_eq!(lines.matches("rejected: too-large").count(), 1, "once a connection:\n{lines}");
        }
        // At most ten are answered, and none counts. A client that does not come again does not count either.
        for _ in 0..3 {
            let mut client = Wire::plain(portward.port("sip"));
            for _ in 0..10 {
                assert_too_large(&mut client, &long("REGISTER", 70_000));
            }
            assert_eq!(client.rest(), b"");
        }
        let mut clients: Vec<Wire> = (0..25).map(|_| Wire::plain(portward.port("sip"))).collect();
        for client in &mut clients {
            assert_too_large(client, &long("REGISTER", 65_537));
        }
        for client in &mut clients {
            assert_eq!(client.rest(), b"");
        }
        assert_served(&mut Wire::plain(portward.port("sip")), &register());
        // At an unknown host it is refused like any other request.
        let mark = portward.mark();
        let mut stranger = Wire::plain(portward.port("sip"));
        let _ = stranger.try_send(long("REGISTER", 70_000).replace(DOMAIN, "two.example.net"));
        let _ = stranger.rest();
        portward.decision_after(mark, &["a@two.example.net REGISTER", "rejected: unknown-host"]);
    });
}

#[test]
fn beyond_a_mebibyte_the_connection_ends_and_does_not_count() {
    within(60, || {
        let one = pbx("one");
        let portward = front(&rules(one.port(), "")).start();
        let declared =
            |length: &str| register().replace("Content-Length: 0", &format!("Content-Length: {length}"));
        for length in ["1048576", "4294967296", "99999999999999999999999"] {
            for _ in 0..6 {
                for mut client in both(&portward) {
                    assert_too_large(&mut client, &declared(length));
                    assert_eq!(client.rest(), b"");
                }
                let mut client = Wire::plain(portward.port("sip"));
                assert_served(&mut client, &register());
                let seen = one.bytes();
                // The answer arrives although more octets are on their way.
                client.send(format!("{}{}", declared(length), "x".repeat(200_000)));
                assert_eq!(next_message(&mut client).unwrap().status(), 513);
                assert_eq!(client.rest(), b"");
                assert_eq!(one.bytes(), seen);
            }
        }
        portward.decision(&[&format!("a@{DOMAIN} REGISTER rejected: too-large")]);
        assert_served(&mut Wire::plain(portward.port("sip")), &register());
    });
}

#[test]
fn an_ack_or_a_response_that_is_too_long_is_dropped() {
    within(60, || {
        let one = pbx("one");
        let portward = front(&rules(one.port(), "")).start();
        let ack = long("ACK", 70_000);
        let response = ack.replacen("ACK sip:pbx.example.net SIP/2.0", "SIP/2.0 200 OK", 1);
        for (octets, line) in [
            (&ack, format!("sip:a@{DOMAIN} ACK rejected: too-large")),
            (&response, format!("sip:a@{DOMAIN} 200 ACK rejected: too-large")),
        ] {
            let mut client = Wire::plain(portward.port("sip"));
            assert_served(&mut client, &register());
            let (seen, mark) = (one.bytes(), portward.mark());
            for _ in 0..25 {
                client.send(octets);
            }
            assert_served(&mut client, &register());
            assert_eq!(one.bytes(), seen + register().len());
            portward.decision_after(mark, &[&line]);
            assert_eq!(portward.lines_since(mark).join("\n").matches("rejected").count(), 1);
        }
    });
}

#[test]
fn what_the_pbx_sends_may_be_longer() {
    within(60, || {
        let sent = long("NOTIFY", 400_000);
        let say = sent.clone();
        let target = Target::scripted(move |conn| {
            let _ = next_message(conn);
            conn.send(&say);
            while !conn.some().is_empty() {}
        });
        let said = "[target.\"127.0.0.1\"]\nmax_message = \"1KiB\"\n";
        let portward = front(&rules(target.port(), said)).start();
        for mut client in both(&portward) {
            client.send(register());
            assert!(client.exactly(sent.len()) == sent.as_bytes());
        }
    });
}

/// The limit of the reached address counts, not that of the other addresses in the list.
#[test]
fn each_address_of_a_target_has_its_own_limit() {
    within(60, || {
        let one = Target::listen(Ipv4Addr::new(127, 0, 0, 3), None, |conn| serve(conn, "one"));
        for (said, passes) in [("2", true), ("3", false)] {
            let rules = format!(
                "[[host]]\nname = \"{DOMAIN}\"\ntarget = [\"127.0.0.2\", \"127.0.0.3\"]\nsip = {{ tcp = {} }}\n\
                 [target.\"127.0.0.{said}\"]\nmax_message = \"4KiB\"\n",
                one.port()
            );
            let portward = front(&rules).start();
            let mut client = Wire::plain(portward.port("sip"));
            let invite = long("INVITE", 5_000);
            match passes {
                true => assert_served(&mut client, &invite),
                false => assert_too_large(&mut client, &invite),
            }
            assert_served(&mut client, &register());
        }
    });
}

//! W3: faulty requests and those of scanners never reach a PBX, and are answered as RFC 3261 says (contract section 9,
//! *Sanity and rates*).

mod scanners;
mod torture;

use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Portward, Setup, Target, Wire, within};

/// The hosts of RFC 4475's senders lead to this PBX.
fn front(target: &Target) -> Setup {
    let hosts = ["example.com", "example.net", "example.org", "one.example.net"];
    let hosts = hosts.map(|name| {
        format!("[[host]]\nname = \"{name}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n", target.port())
    });
    Portward::rules(&hosts.concat()).listen("sip").listen("sips").set("sip.sanity", "true")
}

fn both(portward: &Portward) -> [Wire; 2] {
    [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), "one.example.net")]
}

fn register() -> String {
    request("REGISTER", "a@one.example.net", "")
}

/// Checks that a good registration on the same connection reaches the PBX.
fn assert_serves(client: &mut Wire) {
    client.send(register());
    let answer = next_message(client).expect("an answer");
    assert_eq!((answer.status(), answer.header("server")), (200, Some("pbx")), "{answer:?}");
}

/// Changes to a good request, and the answer to each.
const FAULTS: [(&str, &str, &str); 12] = [
    ("Max-Forwards: 70\r\n", "", "400 Missing Max-Forwards"),
    ("Max-Forwards: 70", "Max-Forwards: 0", "483 Too Many Hops"),
    ("Call-ID: 1@10.0.0.1\r\n", "", "400 Missing Call-ID"),
    ("CSeq: 7 REGISTER\r\n", "", "400 Missing CSeq"),
    ("CSeq: 7 REGISTER", "CSeq: 7 INVITE", "400 CSeq Of Another Method"),
    ("To: <sip:a@one.example.net>\r\n", "", "400 Missing To"),
    ("From: <sip:a@one.example.net>;tag=a\r\n", "", "400 Missing From"),
    (";tag=a", "", "400 Missing Tag In From"),
    ("Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n", "", "400 Missing Via"),
    ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", "505 Version Not Supported"),
    ("sip:pbx.example.net SIP", "http://pbx.example.net SIP", "416 Unsupported URI Scheme"),
    ("sip:pbx.example.net SIP", "sip:pbx.example.net  SIP", "400 Bad Request-Line"),
];

#[test]
fn w3_a_fault_is_answered_and_the_connection_stays_for_good_requests() {
    within(100, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).start();
        for is_later in [false, true] {
            for mut client in both(&portward) {
                if is_later {
                    assert_serves(&mut client);
                }
                let mark = portward.mark();
                let before = pbx.bytes();
                // Fewer than the number of our own answers on an undecided connection.
                for (from, to, answer) in &FAULTS[..if is_later { FAULTS.len() } else { 9 }] {
                    let wrong = register().replacen(from, to, 1);
                    assert_ne!(wrong, register(), "{from}");
                    client.send(&wrong);
                    let given = next_message(&mut client).expect("an answer");
                    assert_eq!(given.start, format!("SIP/2.0 {answer}"), "{is_later} {from}");
                    for name in ["Via", "From", "Call-ID", "CSeq"] {
                        let sent = wrong.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                        assert_eq!(given.header(name), sent, "{from}");
                    }
                    assert_eq!(given.header("to").is_some(), wrong.contains("\r\nTo: "));
                }
                assert_eq!(pbx.bytes(), before, "nothing reached the PBX");
                assert_serves(&mut client);
                let line = portward.line_after(mark, &[" rejected: sanity"]);
                assert!(line.contains(" REGISTER "), "{line}");
                let lines = portward.lines_since(mark).join("\n");
                assert_eq!(lines.matches("rejected: sanity").count(), 1, "one line a connection: {lines}");
            }
        }
        for (from, to, answer) in FAULTS {
            for mut client in both(&portward) {
                client.send(register().replacen(from, to, 1));
                let given = next_message(&mut client).expect("an answer");
                assert_eq!(given.start, format!("SIP/2.0 {answer}"));
            }
        }
    });
}

#[test]
fn w3_where_the_end_of_a_request_is_not_known_the_connection_ends_behind_the_answer() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).start();
        let before = |later: bool, client: &mut Wire| {
            if later {
                assert_serves(client)
            }
        };
        for (from, to, answer) in [
            ("Content-Length: 0", "Content-Length: -1", "400 Bad Content-Length"),
            ("Content-Length: 0", "Content-Length: five", "400 Bad Content-Length"),
            ("Content-Length: 0\r\n", "", "400 Missing Content-Length"),
            ("Content-Length: 0", "l: 0\r\nContent-Length: 4", "400 Repeated Content-Length"),
            ("Max-Forwards: 70\r\n", "Max-Forwards: 70\n", "400 Bad Line End Or Control Character"),
        ] {
            for later in [false, true] {
                for mut client in both(&portward) {
                    before(later, &mut client);
                    let (mark, bytes) = (portward.mark(), pbx.bytes());
                    client.send(register().replacen(from, to, 1) + &register());
                    let rest = String::from_utf8(client.rest()).unwrap();
                    assert!(rest.starts_with(&format!("SIP/2.0 {answer}\r\n")), "{later} {to}: {rest}");
                    assert_eq!(rest.matches("SIP/2.0 ").count(), 1, "{rest}");
                    portward.decision_after(mark, &[" rejected: sanity"]);
                    assert_eq!(pbx.bytes(), bytes);
                }
            }
        }
    });
}

#[test]
fn w3_faults_count_each_time_and_an_ack_gets_no_answer() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward =
            front(&pbx).set("blacklist.allow", "[]").set("blacklist.suspicious_per_minute", "5").start();
        let mut client = Wire::plain(portward.port("sip"));
        assert_serves(&mut client);
        let ack = request("ACK", "a@one.example.net", "").replacen("Max-Forwards: 70\r\n", "", 1);
        for _ in 0..5 {
            client.send(&ack);
        }
        client.send(request("INFO", "a@one.example.net", "Subject: last\r\n"));
        assert_eq!(next_message(&mut client).expect("its answer").status(), 200, "the ACKs got none");
        let mut second = Wire::plain(portward.port("sip"));
        second.send(register().replacen("70", "0", 1));
        assert_eq!(next_message(&mut second).expect("an answer").status(), 483);
        portward.line(&["blacklisted for", "6 suspicious requests"]);
        assert!(!pbx.transcript().contains("ACK "), "no ACK reached the PBX");
    });
}

#[test]
fn w3_without_sip_sanity_a_pbx_judges_what_can_be_read_in_one_way_only() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("sip.sanity", "false").start();
        for mut client in both(&portward) {
            client.send(register().replacen("Max-Forwards: 70\r\n", "", 1));
            assert_eq!(next_message(&mut client).expect("an answer").status(), 200);
        }
        for mut client in both(&portward) {
            client.send(register().replacen("7 REGISTER", "7 INVITE", 1));
            assert_eq!(client.rest(), b"", "closed without a word, as before");
        }
    });
}

//! Item 15: messages that may come first on a SIP connection and decide nothing (contract section 3): answers,
//! keep-alives, probes, requests of a softphone before its registration, and calls with a withheld number.

use std::process::Command;
use std::time::Duration;

use crate::harness::kamailio::{Kamailio, PASSWORD};
use crate::harness::sip::{next_message, pbx, request, request_to};
use crate::harness::{Child, Message, Portward, Setup, Target, Wire, eventually, program, within};

const DOMAIN: &str = "one.example.net";

fn rules(one: u16, two: u16) -> String {
    format!(
        "[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {one} }}\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {two} }}\n\
         [[host]]\nname = \"*.wild.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {two} }}\n\
         [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {one} }}\n"
    )
}

fn front(one: &Target, two: &Target) -> Setup {
    Portward::rules(&rules(one.port(), two.port())).listen("sip").listen("sips").set("blacklist.allow", "[]")
}

fn both(portward: &Portward) -> [Wire; 2] {
    [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), DOMAIN)]
}

fn register() -> String {
    request("REGISTER", &format!("a@{DOMAIN}"), "")
}

fn server(client: &mut Wire) -> String {
    let answer = next_message(client).expect("an answer");
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.header("server").expect("of a PBX").to_owned()
}

/// Checks Portward's own answer to a request of [`request`].
fn assert_answer(client: &mut Wire, method: &str) -> Message {
    let answer = next_message(client).expect("an answer");
    let expected = if method == "OPTIONS" { "200 OK" } else { "480 Temporarily Unavailable" };
    assert_eq!(answer.start, format!("SIP/2.0 {expected}"), "{method}");
    assert_eq!(answer.header("via"), Some("SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1"));
    assert_eq!(answer.header("call-id"), Some("1@10.0.0.1"));
    assert_eq!(answer.header("cseq"), Some(&*format!("7 {method}")));
    assert_eq!(answer.header("content-length"), Some("0"));
    assert!(answer.header("from").unwrap().ends_with(";tag=a"), "{answer:?}");
    assert!(answer.header("to").unwrap().contains(";tag="), "{answer:?}");
    assert_eq!(answer.header("server"), None, "not the PBX's");
    match method {
        "OPTIONS" => assert!(answer.header("allow").unwrap().contains("REGISTER"), "{answer:?}"),
        _ => assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok(), "{answer:?}"),
    }
    answer
}

/// More of these requests than would list an address. A legitimate client is served afterwards.
fn assert_not_counted(portward: &Portward, mut wrong: impl FnMut()) {
    for _ in 0..25 {
        wrong();
    }
    let mut client = Wire::plain(portward.port("sip"));
    client.send(register());
    assert_eq!(server(&mut client), "one");
    assert!(!portward.lines().join("\n").contains("blacklisted"));
}

#[test]
fn item_15_a_response_first_is_closed_without_counting() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        for reject in ["\"close\"", "\"answer\""] {
            let portward = front(&one, &two).set("reject", reject).start();
            let before = one.connections();
            let of = |status: &str, method: &str| {
                let text = request_to(method, &format!("b@{DOMAIN}"), "<sip:a@nobody.invalid>;tag=x", "", "");
                text.replacen(
                    &format!("{method} sip:pbx.example.net SIP/2.0"),
                    &format!("SIP/2.0 {status}"),
                    1,
                )
            };
            for (status, method) in [("200 OK", "INVITE"), ("180 Ringing", "INVITE"), ("481 Gone", "NOTIFY")]
            {
                for mut client in both(&portward) {
                    let mark = portward.mark();
                    client.send(of(status, method));
                    assert_eq!(client.rest(), b"");
                    portward.decision_after(mark, &[" rejected: method"]);
                }
            }
            assert_eq!(one.connections(), before);
            assert_not_counted(&portward, || {
                let mut client = Wire::plain(portward.port("sip"));
                client.send(of("200 OK", "BYE"));
                assert_eq!(client.rest(), b"");
            });
        }
    });
}

#[test]
fn item_15_keep_alives_and_no_request_are_silence() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).set("limits.inspect_timeout", "\"1s\"").start();
        for octets in ["\r\n\r\n", "\r\n", "\r", "\r\n\r", "\r\n\r\n\r\n\r\n\r\n"] {
            let mut clients: Vec<Wire> = (0..25).map(|_| Wire::plain(portward.port("sip"))).collect();
            let mark = portward.mark();
            for client in &mut clients {
                client.send(octets);
            }
            for client in &mut clients {
                assert_eq!(client.rest().len(), octets.len() / 4 * 2, "a pong each");
            }
            eventually("their lines", || {
                portward.lines_since(mark).join("\n").matches("rejected: silent").count() == 25
            });
        }
        // A client that never pauses is not kept for ever.
        let mut client = Wire::plain(portward.port("sip"));
        let flood = "\r\n\r\n".repeat(4096);
        eventually("the end of a flood", || client.try_send(&flood).is_err());
        assert_not_counted(&portward, || {});
    });
}

#[test]
fn item_15_probes_of_a_known_host_are_answered_and_the_registration_comes_after() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).start();
        let methods =
            ["OPTIONS", "SUBSCRIBE", "PUBLISH", "NOTIFY", "MESSAGE", "BYE", "REFER", "CANCEL", "X-Y"];
        for mut client in both(&portward) {
            let before = one.connections();
            for method in methods {
                let body = "a=b\r\n\r\nREGISTER sip:x SIP/2.0\r\n\r\n";
                client.send(request_to(method, &format!("a@{DOMAIN}"), "<sip:b@x>", "", body));
                assert_answer(&mut client, method);
                client.send("\r\n\r\n");
                assert_eq!(client.exactly(2), b"\r\n");
            }
            assert_eq!(one.connections(), before, "nothing has been opened for them");
            client.send(register());
            assert_eq!(server(&mut client), "one");
        }
        // In one piece, and in the smallest pieces. A tag in To is not replaced.
        let stream = [
            request_to("OPTIONS", &format!("a@{DOMAIN}"), &format!("<sip:{DOMAIN}>"), "", "body\r\n"),
            request_to("ACK", &format!("a@{DOMAIN}"), &format!("<sip:{DOMAIN}>;tag=z"), "", "body"),
            request_to("NOTIFY", &format!("a@{DOMAIN}"), &format!("<sip:{DOMAIN}>;tag=z"), "", ""),
            register(),
        ]
        .concat();
        for pieces in [false, true] {
            let mut client = Wire::plain(portward.port("sip"));
            match pieces {
                false => client.send(&stream),
                true => client.send_pieces(stream.as_bytes().chunks(1), Duration::ZERO),
            }
            assert_answer(&mut client, "OPTIONS");
            let answer = assert_answer(&mut client, "NOTIFY");
            assert_eq!(answer.header("to"), Some(&*format!("<sip:{DOMAIN}>;tag=z")));
            assert_eq!(server(&mut client), "one");
        }
        assert_not_counted(&portward, || {
            let mut client = Wire::plain(portward.port("sip"));
            client.send(request("SUBSCRIBE", &format!("a@{DOMAIN}"), ""));
            assert_answer(&mut client, "SUBSCRIBE");
        });
        assert!(!portward.lines().join("\n").contains("rejected"), "a monitor that goes has had its answer");
    });
}

#[test]
fn item_15_a_known_host_may_stand_in_the_request_uri_or_in_to() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).start();
        let probe = |uri: &str, to: &str| {
            let text = request_to("OPTIONS", "monitor@10.0.0.7", &format!("<sip:{to}>"), "", "");
            text.replacen("sip:pbx.example.net", &format!("sip:{uri}"), 1)
        };
        for (uri, to) in
            [(DOMAIN, "203.0.113.9"), ("203.0.113.9", DOMAIN), ("x@y.wild.example.net:5070", "z")]
        {
            for mut client in both(&portward) {
                client.send(probe(uri, to));
                assert_answer(&mut client, "OPTIONS");
            }
        }
        let mark = portward.mark();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(probe("203.0.113.9", "203.0.113.9"));
        assert_eq!(client.rest(), b"");
        portward.decision_after(mark, &["monitor@10.0.0.7 OPTIONS", "rejected: method"]);
        // Monitors probe with OPTIONS only.
        let mut client = Wire::plain(portward.port("sip"));
        client.send(probe(DOMAIN, DOMAIN).replace("OPTIONS", "SUBSCRIBE"));
        assert_eq!(client.rest(), b"");
        portward.decision_after(mark, &["monitor@10.0.0.7 SUBSCRIBE", "rejected: method"]);
    });
}

#[test]
fn item_15_at_most_ten_are_answered_and_within_the_limits_of_the_undecided() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).set("limits.inspect_timeout", "\"2s\"").start();
        let probe = request("OPTIONS", &format!("a@{DOMAIN}"), "");
        assert_not_counted(&portward, || {
            let mut client = Wire::plain(portward.port("sip"));
            client.send(probe.repeat(11));
            for _ in 0..10 {
                assert_answer(&mut client, "OPTIONS");
            }
            assert_eq!(client.rest(), b"");
        });
        portward.decision(&[&format!("a@{DOMAIN} OPTIONS"), "rejected: method"]);
        // The time for the decision does not begin again, and the end does not count.
        let mark = portward.mark();
        let mut clients: Vec<Wire> = (0..25).map(|_| Wire::plain(portward.port("sip"))).collect();
        for client in &mut clients {
            client.send(&probe);
            assert_answer(client, "OPTIONS");
        }
        for client in &mut clients {
            assert_eq!(client.rest(), b"");
        }
        eventually("their lines", || {
            portward.lines_since(mark).join("\n").matches("rejected: silent").count() == 25
        });
        // Portward does not wait for a body that no PBX would accept. A body that never comes has a deadline.
        let text = request("OPTIONS", &format!("a@{DOMAIN}"), "");
        let mut client = Wire::plain(portward.port("sip"));
        client.send(text.replace("Content-Length: 0", "Content-Length: 4294967296"));
        assert_eq!(next_message(&mut client).unwrap().status(), 513);
        assert_eq!(client.rest(), b"");
        let mut client = Wire::plain(portward.port("sip"));
        client.send(text.replace("Content-Length: 0", "Content-Length: 9"));
        assert_answer(&mut client, "OPTIONS");
        assert_eq!(client.rest(), b"");
        // The undecided connections of an address are bounded as well. The oldest is closed, answered or not.
        let portward = front(&one, &two).set("limits.max_undecided_per_address", "2").start();
        let mut clients: Vec<Wire> = (0..2).map(|_| Wire::plain(portward.port("sip"))).collect();
        for client in &mut clients {
            client.send(&probe);
            assert_answer(client, "OPTIONS");
        }
        let mut third = Wire::plain(portward.port("sip"));
        third.send(register());
        assert_eq!(server(&mut third), "one");
        assert_eq!(clients[0].rest(), b"");
    });
}

#[test]
fn a_probe_that_breaks_off_before_its_answer_goes_in_peace() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).set("log.ended", "\"all\"").start();
        let probe = request("OPTIONS", &format!("a@{DOMAIN}"), "");
        for _ in 0..5 {
            let mark = portward.mark();
            let mut client = Wire::plain(portward.port("sip"));
            client.send(probe.repeat(3));
            client.reset();
            drop(client);
            let line = portward.line_after(mark, &["sip:- ended"]);
            assert!(line.contains(" ended by client in ask: "), "{line}");
        }
        assert!(!portward.lines().join("\n").contains("rejected"));
    });
}

#[test]
fn item_15_probes_that_name_no_host_count() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).start();
        for _ in 0..21 {
            let mut client = Wire::plain(portward.port("sip"));
            let _ = client.try_send(request("OPTIONS", "100@203.0.113.9", ""));
            let _ = client.rest();
        }
        portward.line(&["127.0.0.1 blacklisted"]);
        assert_eq!(one.connections() + two.connections(), 0);
    });
}

/// A telephone whose connection was lost hangs up on a new one. Its PBX may use addresses instead of names in calls,
/// and a number may be withheld.
#[test]
fn item_15_calls_that_go_on_elsewhere_do_not_count() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).start();
        let withheld = ("anonymous@anonymous.invalid", "<sip:300@one.example.net>;tag=z");
        let by_address = ("200@10.0.0.44", "<sip:300@192.168.1.5>;tag=z");
        let by_ipv6 = ("200@[2001:db8::44]:5060", "<sip:300@[2001:db8::1]>;tag=z");
        for (method, (from, to)) in [
            ("BYE", withheld),
            ("UPDATE", withheld),
            ("CANCEL", ("anonymous@anonymous.invalid", "<sip:300@one.example.net>")),
            ("BYE", by_address),
            ("UPDATE", by_ipv6),
            ("INVITE", by_address),
        ] {
            assert_not_counted(&portward, || {
                let mut client = Wire::plain(portward.port("sip"));
                client.send(request_to(method, from, to, "", ""));
                assert_eq!(client.rest(), b"", "{method} {from}");
            });
        }
        // Without a call, or with a name that is tried out, the client is a scanner.
        for (method, from, to) in [
            ("INVITE", "200@10.0.0.44", "<sip:300@192.168.1.5>"),
            ("REGISTER", "200@10.0.0.44", "<sip:200@10.0.0.44>;tag=z"),
            ("BYE", "200@nobody.example.net", "<sip:300@192.168.1.5>;tag=z"),
        ] {
            let portward = front(&one, &two).start();
            for _ in 0..21 {
                let mut client = Wire::plain(portward.port("sip"));
                let _ = client.try_send(request_to(method, from, to, "", ""));
                let _ = client.rest();
            }
            portward.line(&["127.0.0.1 blacklisted"]);
        }
    });
}

#[test]
fn item_15_the_ack_to_a_refusal_of_ours_decides_nothing() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).set("sip.methods", "[\"REGISTER\"]").start();
        for mut client in both(&portward) {
            client.send(request("INVITE", &format!("a@{DOMAIN}"), ""));
            let answer = assert_answer(&mut client, "INVITE");
            let to = answer.header("to").unwrap();
            client.send(request_to("ACK", "anonymous@anonymous.invalid", to, "", ""));
            client.send(register());
            assert_eq!(server(&mut client), "one");
        }
        assert!(!one.transcript().contains("ACK"));
    });
}

#[test]
fn item_15_a_withheld_number_first_goes_by_who_is_asserted() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).start();
        let anonymous = "anonymous@anonymous.invalid";
        for (lines, expected) in [
            ("P-Asserted-Identity: <sip:a@one.example.net>\r\n", "one"),
            ("p-asserted-identity : \"A, B\" <sip:a@two.example.net:5060;user=phone>\r\n", "two"),
            ("P-Preferred-Identity: sip:a@two.example.net\r\n", "two"),
            (
                "P-Preferred-Identity: <sip:a@two.example.net>\r\nP-Asserted-Identity: <sip:a@one.example.net>\r\n",
                "one",
            ),
            ("P-Asserted-Identity: <tel:+4930>, <sips:+4930@two.example.net>\r\n", "two"),
            ("P-Asserted-Identity: <sip:a@x.wild.example.net>\r\nPrivacy: id\r\n", "two"),
        ] {
            for mut client in both(&portward) {
                client.send(request("INVITE", anonymous, lines));
                assert_eq!(server(&mut client), expected, "{lines}");
            }
        }
        for (lines, reason) in [
            ("P-Asserted-Identity: <sip:a@nobody.example.net>\r\n", "unknown-host"),
            ("P-Asserted-Identity: <sip:a@off.example.net>\r\n", "disabled"),
            ("P-Asserted-Identity: <tel:+4930>\r\n", "no-name"),
            ("Remote-Party-ID: <sip:a@one.example.net>\r\n", "no-name"),
        ] {
            let mark = portward.mark();
            let mut client = Wire::plain(portward.port("sip"));
            client.send(request("INVITE", anonymous, lines));
            assert_eq!(client.rest(), b"", "{lines}");
            portward.decision_after(mark, &[&format!(":{anonymous} INVITE"), &format!("rejected: {reason}")]);
        }
        assert_not_counted(&portward, || {
            let mut client = Wire::plain(portward.port("sip"));
            client.send(request("INVITE", anonymous, ""));
            assert_eq!(client.rest(), b"");
        });
        // A registration must have a name, and no other field can supply it.
        let mark = portward.mark();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", anonymous, "P-Asserted-Identity: <sip:a@one.example.net>\r\n"));
        assert_eq!(client.rest(), b"");
        portward.decision_after(mark, &["rejected: no-name"]);
    });
}

#[test]
fn item_15_a_withheld_number_goes_to_the_default_host_where_nobody_is_asserted() {
    within(60, || {
        let (one, two) = (pbx("one"), pbx("two"));
        let portward = front(&one, &two).set("sip.default_host", "\"two.example.net\"").start();
        for (lines, expected) in [("", "two"), ("P-Asserted-Identity: <sip:a@one.example.net>\r\n", "one")] {
            let mut client = Wire::plain(portward.port("sip"));
            client.send(request("INVITE", "anonymous@anonymous.invalid", lines));
            assert_eq!(server(&mut client), expected, "{lines}");
        }
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("OPTIONS", "anonymous@anonymous.invalid", ""));
        assert_answer(&mut client, "OPTIONS");
    });
}

/// SIPp probes with OPTIONS, wants its 200, and registers on the same connection at a real registrar.
const PROBE: &str = r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="probe">
  <send><![CDATA[
OPTIONS sip:[service]@one.example.net SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:probe@[local_ip]>;tag=[call_number]
To: <sip:[service]@one.example.net>
Call-ID: [call_id]
CSeq: 1 OPTIONS
Contact: <sip:probe@[local_ip]:[local_port];transport=[transport]>
Accept: application/sdp
Content-Length: 0

  ]]></send>
  <recv response="200"/>
  <send><![CDATA[
SUBSCRIBE sip:alice@one.example.net SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:alice@one.example.net>;tag=[call_number]
To: <sip:alice@one.example.net>
Call-ID: [call_id]
CSeq: 2 SUBSCRIBE
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
Event: message-summary
Content-Length: 0

  ]]></send>
  <recv response="480"/>
  <send><![CDATA[
REGISTER sip:one.example.net SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:alice@one.example.net>;tag=[call_number]
To: <sip:alice@one.example.net>
Call-ID: [call_id]
CSeq: 3 REGISTER
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

  ]]></send>
  <recv response="401" auth="true"/>
  <send><![CDATA[
REGISTER sip:one.example.net SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:alice@one.example.net>;tag=[call_number]
To: <sip:alice@one.example.net>
Call-ID: [call_id]
CSeq: 4 REGISTER
Contact: <sip:alice@[local_ip]:[local_port];transport=[transport]>
[authentication username=alice password=secret]
Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"#;

#[test]
fn item_15_sipp_probes_and_then_registers_at_a_kamailio() {
    within(100, || {
        assert_eq!(PASSWORD, "secret", "it stands in the scenario");
        let sipp = program("sipp", "sip-tester");
        let kamailio = Kamailio::start(DOMAIN);
        let rules = format!(
            "[[host]]\nname = \"{DOMAIN}\"\nsip = {{ target = \"127.0.0.1\", tcp = {} }}\n",
            kamailio.plain
        );
        let portward = Portward::rules(&rules).listen("sip").set("blacklist.allow", "[]").start();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("probe.xml"), PROBE).unwrap();
        let mut child = Child::start(
            Command::new(sipp)
                .current_dir(dir.path())
                .args(["-sf", "probe.xml", "-t", "tn", "-max_socket", "60", "-m", "30", "-l", "30"])
                .args(["-i", "127.0.0.1", "-nostdin", "-timeout", "60s"])
                .arg(format!("127.0.0.1:{}", portward.port("sip"))),
        );
        let status = child.wait_within(Duration::from_secs(70));
        assert!(status.success(), "{status:?}:\n{}", child.lines().join("\n"));
        kamailio.has_registered(30);
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("rejected") && !lines.contains("blacklisted"), "{lines}");
    });
}

//! W3: how many SIP requests an address and a user may send (contract section 9, *Sanity and rates*). The rates are
//! given by the minute, so that the speed of the test does not matter.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::sip::{next_message, pbx, request, request_to};
use crate::harness::{Child, Message, Portward, Setup, Target, Wire, eventually, program, within};

const HOST: &str = "one.example.net";

fn front(target: &Target) -> Setup {
    let rules =
        format!("[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n", target.port());
    Portward::rules(&rules).listen("sip").listen("sips").set("blacklist.allow", "[]")
}

fn ask(client: &mut Wire, request: impl AsRef<[u8]>) -> Message {
    client.send(request);
    next_message(client).expect("an answer")
}

fn register(user: &str) -> String {
    request("REGISTER", &format!("{user}@{HOST}"), "")
}

fn invite(user: &str) -> String {
    request("INVITE", &format!("{user}@{HOST}"), "")
}

fn assert_sent_away(answer: &Message) {
    assert_eq!(answer.start, "SIP/2.0 503 Service Unavailable");
    let pause: u32 = answer.header("retry-after").expect("a pause").parse().unwrap();
    assert!((1..=10).contains(&pause), "{pause}");
    assert_eq!(answer.header("server"), None, "it is not the PBX's");
}

/// How many of `times` requests reach the PBX. The others get 503.
fn served(client: &mut Wire, times: usize, request: &str) -> usize {
    let statuses = (0..times).map(|_| {
        let answer = ask(client, request);
        match answer.status() {
            200 => 1,
            _ => {
                assert_sent_away(&answer);
                0
            }
        }
    });
    statuses.sum()
}

/// Checks that `found` is `expected`, plus at most the requests that a rate of `a_minute` allows again while the test
/// runs.
fn assert_about(found: usize, expected: usize, a_minute: u64, since: Instant) {
    let back = usize::try_from(since.elapsed().as_secs() * a_minute / 60 + 1).unwrap();
    assert!((expected..=expected + back).contains(&found), "{found}, not {expected} to {}", expected + back);
}

#[test]
fn w3_an_address_over_its_rate_is_told_to_come_again_and_no_neighbour_notices() {
    within(100, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests", "\"20/m\"").start();
        for (number, service) in [(2, "sip"), (3, "sips")] {
            let since = Instant::now();
            let mark = portward.mark();
            let of = |last: u8, service: &str| {
                let wire =
                    Wire::plain_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), portward.port(service));
                if service == "sips" { wire.into_tls(HOST) } else { wire }
            };
            let mut busy = of(number, service);
            let count = served(&mut busy, 200, &invite("a"));
            assert_about(count, 20, 20, since);
            // The rate is that of the address, not of the connection.
            let mut again = of(number, service);
            let mut sent_away = 0;
            for _ in 0..5 {
                sent_away += usize::from(ask(&mut again, invite("a")).status() == 503);
            }
            assert!(sent_away >= 3, "{sent_away}");
            let mut neighbour = of(number + 50, service);
            assert_eq!(ask(&mut neighbour, register("b")).status(), 200);
            let rejected = || portward.lines_since(mark).join("\n").matches(" rejected: rate").count();
            eventually("each connection has a line", || rejected() >= 2);
            let lines = portward.lines_since(mark).join("\n");
            assert_eq!(lines.matches(" rejected: rate").count(), 2, "a line for each connection: {lines}");
            assert!(!lines.contains("blacklisted"), "{lines}");
            let seen = pbx.transcript();
            assert!(seen.matches("INVITE sip").count() < 70, "the PBX has not seen the others");
        }
    });
}

#[test]
fn w3_dialogs_of_this_connection_ack_and_cancel_are_exempt() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests", "\"3/m\"").start();
        for service in ["sip", "sips"] {
            let mut client = match service {
                "sip" => Wire::plain(portward.port("sip")),
                _ => Wire::plain_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), portward.port("sips"))
                    .into_tls(HOST),
            };
            assert_eq!(ask(&mut client, register("a")).status(), 200);
            assert_eq!(ask(&mut client, invite("a")).status(), 200, "its dialog has the tag pbx");
            served(&mut client, 5, &invite("a"));
            let from = format!("a@{HOST}");
            let to = |tag: &str| format!("<sip:b@{HOST}>;tag={tag}");
            let in_dialog = |method: &str| request_to(method, &from, &to("pbx"), "", "");
            for _ in 0..5 {
                for method in ["INFO", "INVITE", "UPDATE", "BYE"] {
                    assert_eq!(ask(&mut client, in_dialog(method)).status(), 200, "{method}");
                }
                assert_eq!(ask(&mut client, request("CANCEL", &from, "")).status(), 200);
                client.send(in_dialog("ACK"));
            }
            let made_up = (0..5).filter(|_| {
                ask(&mut client, request_to("BYE", &from, &to("made-up"), "", "")).status() == 503
            });
            assert!(made_up.count() >= 3, "a made-up tag is in no dialog");
        }
    });
}

#[test]
fn w3_an_office_may_send_its_rate_times_its_names() {
    within(100, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests", "\"10/m\"").start();
        let since = Instant::now();
        let mut client = Wire::plain(portward.port("sip"));
        for user in ["a", "b", "c", "d"] {
            assert_eq!(ask(&mut client, register(user)).status(), 200);
        }
        // Four names: each further request costs a quarter. The first four have cost 1, 1, 1/2 and 1/3.
        let count = served(&mut client, 100, &invite("a"));
        let least = 4 * 10 - 4 * 3;
        assert!(count >= least, "{count}");
        assert_about(count.max(least), least, 60, since);
    });
}

#[test]
fn w3_an_allowed_address_has_no_rate() {
    within(60, || {
        let pbx = pbx("pbx");
        let allow = "[\"127.0.0.0/8\"]";
        let portward =
            front(&pbx).set("blacklist.allow", allow).set("limits.sip_requests", "\"2/m\"").start();
        let mut client = Wire::plain(portward.port("sip"));
        assert_eq!(served(&mut client, 60, &invite("a")), 60);
    });
}

#[test]
fn w3_a_confirmed_user_has_a_rate_and_whoever_only_says_a_name_has_none() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests_per_user", "\"5/m\"").start();
        for service in ["sip", "sips"] {
            let since = Instant::now();
            let user = format!("user-of-{service}");
            let mut client = match service {
                "sip" => Wire::plain(portward.port("sip")),
                _ => Wire::tls(portward.port("sips"), HOST),
            };
            assert_eq!(served(&mut client, 30, &invite(&user)), 30, "nobody has confirmed the name");
            assert_eq!(ask(&mut client, register(&user)).status(), 200);
            assert_about(served(&mut client, 30, &invite(&user)), 5, 5, since);
            assert_eq!(served(&mut client, 30, &invite("somebody-else")), 30);
            // The same on another connection, even as its first request.
            let mut other = Wire::plain(portward.port("sip"));
            let status = ask(&mut other, invite(&user.to_uppercase())).status();
            assert!(status == 503 || since.elapsed() > Duration::from_secs(5), "{status}");
        }
    });
}

#[test]
fn w3_a_reload_changes_the_rates() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests", "\"2/m\"").start();
        let mut client = Wire::plain(portward.port("sip"));
        assert!(served(&mut client, 10, &invite("a")) < 10);
        let text = std::fs::read_to_string(portward.config()).unwrap();
        std::fs::write(portward.config(), text.replace("sip_requests = \"2/m\"", "sip_requests = \"\""))
            .unwrap();
        portward.hang_up();
        eventually("the reload", || ask(&mut client, invite("a")).status() == 200);
        assert_eq!(served(&mut client, 50, &invite("a")), 50);
    });
}

/// SIPp calls 200 times a second. It accepts a 200 and a 503, and counts them by the branches of its scenario.
const FLOOD: &str = r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="flood">
  <send><![CDATA[
INVITE sip:bob@one.example.net SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:flood@one.example.net>;tag=[call_number]
To: <sip:bob@one.example.net>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:flood@[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

  ]]></send>
  <recv response="200" optional="true" next="1"/>
  <recv response="503"/>
  <label id="1"/>
</scenario>
"#;

#[test]
fn w3_sipp_floods_with_200_calls_a_second_and_a_neighbour_registers() {
    within(100, || {
        let sipp = program("sipp", "sip-tester");
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("limits.sip_requests", "\"50/s\"").start();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("flood.xml"), FLOOD).unwrap();
        let mut flood = Child::start(
            Command::new(sipp)
                .current_dir(dir.path())
                .args(["-sf", "flood.xml", "-t", "t1", "-r", "200", "-m", "1000", "-l", "1000"])
                .args(["-i", "127.0.0.1", "-nostdin", "-timeout", "60s"])
                .arg(format!("127.0.0.1:{}", portward.port("sip"))),
        );
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
        let mut registered = 0;
        portward.line(&[" rejected: rate"]);
        for _ in 0..50 {
            let mut neighbour = Wire::plain_from(address, portward.port("sip"));
            registered += usize::from(ask(&mut neighbour, register("b")).status() == 200);
        }
        let status = flood.wait_within(Duration::from_secs(70));
        assert!(status.success(), "{status:?}:\n{}", flood.lines().join("\n"));
        assert_eq!(registered, 50, "every registration of the neighbour was served");
        let calls = pbx.transcript().matches("INVITE sip:bob").count();
        assert!((50..1000).contains(&calls), "{calls} of 1000");
        assert!(!portward.lines().join("\n").contains("blacklisted"));
    });
}

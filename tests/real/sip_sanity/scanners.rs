//! `sip.scanners`.

use super::{assert_serves, both, front};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Wire, within};

const AGENTS: [&str; 5] =
    ["friendly-scanner", "SIPVicious/0.3", "sipcli/v1.8", "x (SundayDDR) y", "Friendly-Scanner"];

#[test]
fn w3_a_scanner_is_refused_first_and_later_with_every_method() {
    within(150, || {
        let pbx = pbx("pbx");
        for (reject, answers) in [("\"close\"", false), ("\"answer\"", true)] {
            let portward = front(&pbx).set("sip.sanity", "false").set("reject", reject).start();
            for (number, agent) in AGENTS.iter().enumerate() {
                let methods = ["REGISTER", "INVITE", "OPTIONS", "MESSAGE", "ACK", "BYE"];
                let methods = if number == 0 { &methods[..] } else { &methods[..1] };
                for method in methods {
                    for is_later in [false, true] {
                        for mut client in both(&portward) {
                            if is_later {
                                assert_serves(&mut client);
                            }
                            let (before, mark) = (pbx.bytes(), portward.mark());
                            let agent = format!("user-agent: {agent}\r\n");
                            client.send(request(method, "a@one.example.net", &agent));
                            let rest = String::from_utf8(client.rest()).unwrap();
                            let is_answered = answers && *method != "ACK";
                            assert_eq!(rest.starts_with("SIP/2.0 403 "), is_answered, "{method} {rest}");
                            assert_eq!(rest.is_empty(), !is_answered, "{method} {rest}");
                            portward.decision_after(mark, &[" rejected: scanner"]);
                            assert_eq!(pbx.bytes(), before, "{method} reached the PBX");
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn w3_scanners_count_also_where_they_name_no_host_and_telephones_are_served() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("blacklist.allow", "[]").start();
        let mut phone = Wire::plain(portward.port("sip"));
        phone.send(request(
            "REGISTER",
            "a@one.example.net",
            "User-Agent: sip-phone/1.0 (scanner of nothing)\r\n",
        ));
        assert_eq!(next_message(&mut phone).expect("an answer").status(), 200);
        for number in 0..21 {
            let mut scanner = Wire::plain(portward.port("sip"));
            let from = format!("{number}@nobody.invalid");
            scanner.send(request("OPTIONS", &from, "User-Agent: friendly-scanner\r\n"));
            assert_eq!(scanner.rest(), b"");
        }
        portward.line(&["blacklisted for", "21 suspicious requests"]);
    });
}

#[test]
fn w3_the_list_is_the_administrator_s() {
    within(60, || {
        let pbx = pbx("pbx");
        let portward = front(&pbx).set("sip.scanners", "[\"EvilTool\"]").start();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@one.example.net", "User-Agent: friendly-scanner\r\n"));
        assert_eq!(next_message(&mut client).expect("an answer").status(), 200);
        client.send(request("REGISTER", "a@one.example.net", "User-Agent: my eviltool 2\r\n"));
        assert_eq!(client.rest(), b"");
    });
}

//! SIP messages that a PBX reads differently than they look. None of them reaches a PBX (contract section 3).

use crate::harness::kamailio::Kamailio;
use crate::harness::sip::{next_message, request, request_to};
use crate::harness::{Portward, Recorder, Wire, eventually, within};

const DOMAIN: &str = "one.example.net";

/// A registration of another user. Its answer shows that a PBX has read it.
fn hidden() -> String {
    request("REGISTER", &format!("mallory@{DOMAIN}"), "").replace("1@10.0.0.1", "hidden")
}

/// A message of an allowed kind, with [`hidden`] as its body. `more` are further lines.
fn carrier(more: &str) -> String {
    let to = format!("<sip:b@{DOMAIN}>;tag=x");
    request_to("INFO", &format!("alice@{DOMAIN}"), &to, more, &hidden())
}

/// Messages that Kamailio takes for a registration of mallory, though by the standard they are none.
fn hostile() -> Vec<(&'static str, String)> {
    let lower = hidden().replacen("REGISTER sip", "register sip", 1);
    vec![
        ("a method in lower case", lower.replace("7 REGISTER", "7 register")),
        ("a method in mixed case", hidden().replace("REGISTER", "Register")),
        ("a length at the beginning of a fold", carrier("Subject: x\r\n Content-Length: 0\r\n")),
        ("a short length at the beginning of a fold", carrier("Subject: x\r\n\t l:0\r\n")),
        ("a length with an underscore", carrier("Content_Length: 0\r\n")),
        (
            "a length in the start line",
            carrier("").replacen("INFO sip:pbx.example.net", "l :0", 1).replace("7 INFO", "7 l"),
        ),
    ]
}

/// Whether [`hidden`] is answered before the OPTIONS behind it, or before the end.
fn is_read(client: &mut Wire, octets: &str) -> bool {
    let last = request("OPTIONS", &format!("alice@{DOMAIN}"), "").replace("1@10.0.0.1", "last");
    if client.try_send(format!("{octets}{last}")).is_err() {
        return false;
    }
    while let Some(answer) = next_message(client) {
        match answer.header("call-id") {
            Some("hidden") => return true,
            Some("last") => return false,
            _ => {}
        }
    }
    false
}

#[test]
fn a1_a4_what_kamailio_reads_otherwise_never_reaches_it() {
    within(90, || {
        let kamailio = Kamailio::start(DOMAIN);
        let rules = format!(
            "[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
            kamailio.plain
        );
        let portward =
            Portward::rules(&rules).listen("sip").set("blacklist.allow", "[\"127.0.0.0/8\"]").start();
        for (what, octets) in hostile() {
            assert!(is_read(&mut Wire::plain(kamailio.plain), &octets), "Kamailio does not read {what}");
            let mut client = Wire::plain(portward.port("sip"));
            let register = request("REGISTER", &format!("alice@{DOMAIN}"), "");
            client.send(&register);
            assert_eq!(next_message(&mut client).unwrap().status(), 401, "{what}");
            let mark = portward.mark();
            assert!(!is_read(&mut client, &octets), "{what}");
            portward.decision_after(mark, &["rejected: malformed"]);
            // It is refused as the first message as well.
            let mark = portward.mark();
            assert!(!is_read(&mut Wire::plain(portward.port("sip")), &octets), "{what}");
            portward.decision_after(mark, &["rejected: malformed"]);
        }
    });
}

/// Two tags: Kamailio takes the last one, which is empty, and so takes the call for a new one.
#[test]
fn a2_a_call_with_two_tags_is_none_that_kamailio_sees() {
    within(60, || {
        let kamailio = Kamailio::start(DOMAIN);
        let rules = format!(
            "[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
            kamailio.plain
        );
        let portward = Portward::rules(&rules).listen("sip").start();
        let call = |tags: &str| {
            request_to("INVITE", &format!("ceo@{DOMAIN}"), &format!("<sip:b@{DOMAIN}>{tags}"), "", "")
        };
        let status = |port: u16, tags: &str| {
            let mut client = Wire::plain(port);
            client.send(call(tags));
            loop {
                let answer = next_message(&mut client)?;
                if answer.status() >= 200 {
                    return Some(answer.status());
                }
            }
        };
        assert_eq!(status(kamailio.plain, ""), Some(407));
        assert_eq!(status(kamailio.plain, ";tag=x"), Some(404));
        assert_eq!(status(kamailio.plain, ";tag=x;tag="), Some(407));
        assert_eq!(status(portward.port("sip"), ""), Some(407));
        assert_eq!(status(portward.port("sip"), ";tag=x;tag="), None);
        portward.decision(&["rejected: malformed"]);
    });
}

/// All refused messages, as later messages: no octet of them is passed on.
#[test]
fn a1_a2_a4_a5_not_an_octet_goes_on() {
    within(60, || {
        let pbx = Recorder::recorder();
        let rules = format!(
            "[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
            pbx.port()
        );
        let portward =
            Portward::rules(&rules).listen("sip").set("blacklist.allow", "[\"127.0.0.0/8\"]").start();
        let alice = format!("alice@{DOMAIN}");
        let first = request("REGISTER", &alice, "");
        let later = |more: &str| request("OPTIONS", &alice, more);
        let mut hostile: Vec<String> = hostile().into_iter().map(|(_, octets)| octets).collect();
        hostile.extend([
            later("Authorization: Digest nonce=\"x\", nonce=\"real\"\r\n"),
            later("Expires: 60&From: <sip:ceo@one.example.net>\r\n"),
            later("").replace("branch=z9hG4bK1", "branch=z9hG4bK1;branch=z9hG4bK2"),
            later("").replace("Content-Length: 0", "Content-Length:\r\n 0"),
            later("").replace("Content-Length: 0", "l: 010"),
            later("Subject: \\\0\r\n"),
            later("Route: <sip:a;lr;lr>\r\n"),
        ]);
        for octets in hostile {
            let (number, mark) = (pbx.connections(), portward.mark());
            let mut client = Wire::plain(portward.port("sip"));
            client.send(format!("{first}{octets}"));
            assert_eq!(client.rest(), b"", "{octets}");
            portward.decision_after(mark, &["rejected: malformed"]);
            // When the connection has ended at the PBX, all passed octets have arrived.
            eventually("the connection ends at the PBX", || pbx.closed(number));
            assert_eq!(String::from_utf8_lossy(&pbx.received(number)), first, "{octets}");
        }
    });
}

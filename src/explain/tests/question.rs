//! The question about a decision means the same as the client's request.

use super::*;
use crate::explain::question::{PastDecision, Question};
use crate::log::Subject;
use crate::rules::decide::{self, Scratch};
use crate::service::{Carrier, Service};

const CLIENT: &str = "192.0.2.9";

fn seen(service: Service, carrier: Carrier, subject: Subject<'_>) -> PastDecision<'_> {
    let client = CLIENT.parse().unwrap();
    PastDecision { service, carrier, client, subject, reason: None, websocket: false }
}

fn question(given: &Everything, seen: &PastDecision<'_>) -> Option<Question> {
    Question::of(&Grounds { table: &given.table, config: &given.config, overrides: None }, seen)
}

fn http<'a>(host: &'a [u8], target: &'a [u8]) -> Subject<'a> {
    Subject::Http { host, method: b"GET", target, version: "HTTP/1.1", user: b"" }
}

fn asked<'a>(who: &'a str, verb: &'a str, name: &'a str, certificate: &'a str) -> Subject<'a> {
    Subject::Signalling {
        who: who.as_bytes(),
        verb: verb.as_bytes(),
        name: name.as_bytes(),
        certificate,
        unproven: None,
    }
}

/// The API's answer to a question.
fn answered(given: &Everything, question: &Question) -> Explanation {
    let aliases = question.alias.iter().cloned().map(Alias::H323);
    let aliases = aliases.chain(question.number.iter().cloned().map(Alias::Digits)).collect();
    let client = Client {
        names: question.cert.as_deref().and_then(Names::parse),
        aliases,
        bind: question.bind.clone(),
        ..Client::default()
    };
    answer(given, &question.url, &client)
}

#[test]
fn issue_23_each_service_and_carrier_has_its_question() {
    let given = loaded("");
    use Carrier::{Tcp, Tls, Ws, Wss};
    use Service::{H323, Http, Ldap, Sip};
    let page = http(b"hq.dvl-ckl2.net:8443", b"/soap/a?");
    let register = asked("ckl@dvl-ckl2.net", "REGISTER", "", "");
    for (service, carrier, subject, expected) in [
        (Http, Tcp, page, r#"{"from":"192.0.2.9","url":"http://hq.dvl-ckl2.net:8443/soap/a"}"#),
        (Http, Tls, page, r#"{"from":"192.0.2.9","url":"https://hq.dvl-ckl2.net:8443/soap/a"}"#),
        (
            Http,
            Tls,
            http(b"[2001:db8::1]:443", b"/\xc3\xbc"),
            r#"{"from":"192.0.2.9","url":"https://[2001:db8::1]:443/%C3%BC"}"#,
        ),
        (Sip, Tcp, register, r#"{"from":"192.0.2.9","url":"sip:ckl@dvl-ckl2.net"}"#),
        (Sip, Ws, register, r#"{"from":"192.0.2.9","url":"sip:ckl@dvl-ckl2.net"}"#),
        (Sip, Wss, register, r#"{"from":"192.0.2.9","url":"sips:ckl@dvl-ckl2.net"}"#),
        (
            Sip,
            Tls,
            asked("ckl@dvl-ckl2.net", "INVITE", "", "ok(ckl,ckl@dvl-ckl2.net)"),
            r#"{"cert":"CN=ckl,EMAIL=ckl@dvl-ckl2.net","from":"192.0.2.9","url":"sips:ckl@dvl-ckl2.net;method=INVITE"}"#,
        ),
        (
            Sip,
            Tls,
            asked("ckl@dvl-ckl2.net", "REGISTER", "", "untrusted"),
            r#"{"from":"192.0.2.9","url":"sips:ckl@dvl-ckl2.net"}"#,
        ),
        (
            Ldap,
            Tcp,
            asked("dvl-ckl2.net", "BIND", "ckl", ""),
            r#"{"bind":"dvl-ckl2.net\\ckl","from":"192.0.2.9","url":"ldap://dvl-ckl2.net"}"#,
        ),
        (
            Ldap,
            Tls,
            asked("dvl-ckl2.net/branch", "BIND", "", ""),
            r#"{"bind":"dvl-ckl2.net/branch\\user","from":"192.0.2.9","url":"ldaps://"}"#,
        ),
        (
            Ldap,
            Tcp,
            asked("dvl-ckl2.net", "BIND", r"a=b\c", ""),
            r#"{"bind":"CN=a\\3db\\5cc,DC=dvl-ckl2,DC=net","from":"192.0.2.9","url":"ldap://dvl-ckl2.net"}"#,
        ),
        (
            H323,
            Tls,
            asked("hq@dvl-ckl2.net", "RRQ", "ckl", "ok(ckl)"),
            r#"{"alias":["ckl"],"cert":"CN=ckl","from":"192.0.2.9","url":"h323s:hq@dvl-ckl2.net"}"#,
        ),
        (
            H323,
            Tcp,
            asked("dvl-ckl2.net", "RRQ", "12", ""),
            r#"{"from":"192.0.2.9","number":["12"],"url":"h323:dvl-ckl2.net"}"#,
        ),
        (
            H323,
            Tcp,
            asked("dvl-ckl2.net", "SETUP", "12", ""),
            r#"{"from":"192.0.2.9","url":"h323:dvl-ckl2.net"}"#,
        ),
    ] {
        let question = question(&given, &seen(service, carrier, subject));
        let question = question.unwrap_or_else(|| panic!("no question: {expected}"));
        assert_eq!(question.to_json(), serde_json::from_str::<serde_json::Value>(expected).unwrap());
        let expected = if expected.contains("2001:db8") { "unknown-host" } else { ":" };
        let verdict = short(&answered(&given, &question));
        let branch = expected == ":" && question.bind.as_deref().is_some_and(|bind| bind.contains('/'));
        assert!(branch || verdict.contains(expected), "{question:?}: {verdict}");
    }
}

#[test]
fn issue_23_what_cannot_be_asked_again_has_no_question() {
    let given = loaded("");
    use Carrier::{Tcp, Tls};
    use Service::{H323, Http, Ldap, Sip};
    let refused = |reason, service, carrier, subject| PastDecision {
        reason: Some(reason),
        ..seen(service, carrier, subject)
    };
    for one in [
        refused(Reason::NotTls, Http, Tls, Subject::Unknown),
        refused(Reason::NoName, Http, Tls, http(b"", b"/")),
        refused(Reason::Malformed, Http, Tls, http(b"hq.dvl-ckl2.net", b"/")),
        seen(Http, Tls, http(b"hq.dvl-ckl2.net", b"*")),
        seen(Http, Tls, http(b"hq.dvl-ckl2.net#x", b"/")),
        seen(Http, Tls, http(b"hq.dvl-ckl2.net\r\nX: y", b"/")),
        seen(Http, Tls, http(b"hq\xff", b"/")),
        refused(Reason::Malformed, Sip, Tcp, asked("a@b", "REGISTER", "", "")),
        refused(Reason::NoName, Sip, Tcp, asked("tel:+49123", "REGISTER", "", "")),
        refused(Reason::NoName, Sip, Tcp, asked("mailto:a@b", "REGISTER", "", "")),
        refused(Reason::UnknownHost, Sip, Tcp, asked("a@b@c", "REGISTER", "", "")),
        refused(Reason::Method, Sip, Tcp, asked("a@b", "", "", "")),
        refused(Reason::Method, Sip, Tcp, asked("a@b", "X Y", "", "")),
        // A part that is not kept has decided: a dialog, an asserted identity.
        seen(Sip, Tcp, asked("ckl@192.0.2.1", "INVITE", "", "")),
        seen(Sip, Tcp, asked("ckl@dvl-ckl2.net", "BYE", "", "")),
        seen(Sip, Tcp, asked("anonymous@anonymous.invalid", "INVITE", "", "")),
        refused(Reason::Method, Ldap, Tcp, asked("", "SEARCH", "", "")),
        refused(Reason::Method, Ldap, Tcp, asked("", "BIND", "", "")),
        refused(Reason::Malformed, Ldap, Tcp, asked("", "BIND", "", "")),
        refused(Reason::NoName, H323, Tcp, asked("", "RAS", "", "")),
        seen(H323, Tcp, asked("a@b", "SETUP", "", "")),
    ] {
        assert_eq!(question(&given, &one), None, "{one:?}");
    }
}

/// Reasons that a question cannot reproduce are part of it. Other reasons are not.
#[test]
fn issue_23_a_reason_that_the_rules_do_not_give_goes_with_the_question() {
    let given = loaded("");
    for reason in Reason::ALL {
        let subject = http(b"hq.dvl-ckl2.net", b"/soap/a");
        let one = PastDecision { reason: Some(reason), ..seen(Service::Http, Carrier::Tls, subject) };
        let Some(question) = question(&given, &one) else {
            assert_eq!(reason, Reason::Malformed);
            continue;
        };
        assert_eq!(question.reason, Some(reason).filter(|reason| !reason.is_of_rules()));
    }
}

/// Names and paths of hostile clients: the question is decided like the client's request, or there is no question.
#[test]
fn issue_23_a_question_means_what_the_client_sent() {
    let given = loaded("");
    let hosts: [&[u8]; 14] = [
        b"hq.dvl-ckl2.net",
        b"HQ.dvl-ckl2.net.:8443",
        b"x.ap.net",
        b"[2001:db8::1]",
        b"[2001:db8::1]:0",
        b"[::ffff:192.0.2.1]",
        b"192.0.2.1:80",
        b"hq.dvl-ckl2.net:99999",
        b"a..b",
        b"a b",
        b"b\xc3\xbccher.example",
        b"\xff",
        b"user:pass@hq.dvl-ckl2.net",
        b"hq.dvl-ckl2.net/x",
    ];
    let pieces: [&[u8]; 24] = [
        b"soap",
        b"/",
        b"a",
        b".",
        b"..",
        b"%",
        b"%2",
        b"%2f",
        b"%2e",
        b"%25",
        b"#",
        b"\"",
        b"<",
        b"\\",
        b"\xc3\xbc",
        b"\xff",
        b"'",
        b" ",
        b";x",
        b"&",
        b"|",
        b"PBX0",
        b"APPS",
        b"%41",
    ];
    let (mut seed, mut some) = (7_u64, 0);
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let host = hosts[next(hosts.len())];
        let mut path = b"/".to_vec();
        (0..next(6)).for_each(|_| path.extend_from_slice(pieces[next(pieces.len())]));
        let decided = decide::http(&given.table, Transport::Tls, host, &path, &mut Scratch::default());
        let reason = decided.as_ref().err().map(|refusal| refusal.reason);
        let one = PastDecision { reason, ..seen(Service::Http, Carrier::Tls, http(host, &path)) };
        let Some(question) = question(&given, &one) else { continue };
        some += 1;
        let found = match answered(&given, &question).verdict {
            Verdict::Rejected { reason, .. } => Some(reason),
            _ => None,
        };
        assert_eq!(found, reason, "{} {} {question:?}", host.escape_ascii(), path.escape_ascii());
    }
    assert!(some > 5_000, "{some}");
}

/// The same for users: the SIP URI in the question has the same meaning as the client's.
#[test]
fn issue_23_a_user_of_odd_octets_stays_the_same() {
    let given = loaded("");
    for (who, url) in [
        ("a?b@dvl-ckl2.net", "sip:a?b@dvl-ckl2.net"),
        ("a;x=1@dvl-ckl2.net", "sip:a;x=1@dvl-ckl2.net"),
        ("a%20b@dvl-ckl2.net", "sip:a%20b@dvl-ckl2.net"),
        ("m\u{fc}ller@dvl-ckl2.net", "sip:m%C3%BCller@dvl-ckl2.net"),
        ("a#'|b@dvl-ckl2.net", "sip:a#'|b@dvl-ckl2.net"),
        ("dvl-ckl2.net", "sip:dvl-ckl2.net"),
    ] {
        let one = seen(Service::Sip, Carrier::Tcp, asked(who, "REGISTER", "", ""));
        let question = question(&given, &one).unwrap_or_else(|| panic!("{who}"));
        assert_eq!(question.url, url);
        assert_eq!(short(&answered(&given, &question)), "172.31.31.2:5060 Plain", "{who}");
    }
    for who in ["a@[2001:db8::1]", "a@elsewhere.example", "a@dvl-ckl2.net/branch"] {
        let one = PastDecision {
            reason: Some(Reason::UnknownHost),
            ..seen(Service::Sip, Carrier::Tls, asked(who, "REGISTER", "", "none"))
        };
        let question = question(&given, &one).unwrap_or_else(|| panic!("{who}"));
        assert_eq!((&*question.url, question.cert.as_deref()), (&*format!("sips:{who}"), None));
        assert_eq!(short(&answered(&given, &question)), "unknown-host", "{who}");
    }
}

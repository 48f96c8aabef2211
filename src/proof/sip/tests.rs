use super::*;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector};

const HOST: &str = "dvl-ckl2.net";

/// Reads a message of a client or of a PBX.
fn read(text: &str, mut inspector: Inspector) -> Message {
    match inspector.inspect(text.as_bytes()) {
        Inspect::Found { ask: Ask::Message(message), .. } => message,
        other => panic!("{other:?}\n{text}"),
    }
}

fn request_text(method: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "{method} sip:bob@{HOST} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1\r\nFrom: {from}\r\nTo: {to}\r\n\
         Call-ID: 1\r\nCSeq: 7 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn verified() -> Verified {
    Verified::new(Names::parse("CN=ckl").unwrap())
}

fn is_here(host: &[u8]) -> bool {
    host == HOST.as_bytes() || host == b"alias.example"
}

/// The first URI by which a request speaks for another user.
fn other_of(verified: &Verified, text: &str) -> Option<String> {
    let message = read(text, Inspector::of_client());
    let other = verified.other(text.as_bytes(), &message, is_here);
    other.map(|other| String::from_utf8_lossy(other).into_owned())
}

#[test]
fn every_method_is_held_to_the_name_in_from() {
    let to = format!("<sip:bob@{HOST}>");
    for method in [
        "INVITE",
        "MESSAGE",
        "SUBSCRIBE",
        "REFER",
        "PUBLISH",
        "OPTIONS",
        "NOTIFY",
        "INFO",
        "UPDATE",
        "BYE",
        "ACK",
        "CANCEL",
        "PRACK",
        "FOO",
    ] {
        for (from, good) in [
            (format!("<sip:ckl@{HOST}>;tag=a"), true),
            (format!("\"CEO\" <sips:CKL@{HOST}:5061;transport=tls>;tag=a"), true),
            ("sip:ckl@alias.example;tag=a".to_owned(), true),
            ("<sip:anonymous@anonymous.invalid>;tag=a".to_owned(), true),
            (format!("\"ckl\" <sip:ceo@{HOST}>;tag=a"), false),
            (format!("<sip:ckl:ceo@{HOST}>;tag=a"), false),
            (format!("<sip:c%6bl@{HOST}>;tag=a"), false),
            (format!("<sip:{HOST}>;tag=a"), false),
            ("<sip:ckl@other.example>;tag=a".to_owned(), false),
            ("<sip:ckl@anonymous.invalid>;tag=a".to_owned(), false),
            ("<tel:ckl>;tag=a".to_owned(), false),
        ] {
            // A To tag that the client has invented makes no dialog.
            for to in [to.clone(), format!("{to};tag=made-up")] {
                let text = request_text(method, &from, &to, "");
                assert_eq!(other_of(&verified(), &text).is_none(), good, "{text}");
            }
        }
    }
}

#[test]
fn identities_beside_from_are_held_in_every_spelling() {
    let own = format!("sip:ckl@{HOST}");
    for (good, lines) in [
        (true, format!("P-Asserted-Identity: \"Chris\" <{own}>\r\n")),
        (true, format!("P-Preferred-Identity: {own}\r\nP-Asserted-Identity: <{own}>, <sips:CKL@{HOST}>\r\n")),
        (
            true,
            format!(
                "Remote-Party-ID: \"C\" <{own}>;party=calling;id-type=subscriber;privacy=off;screen=yes\r\n"
            ),
        ),
        (
            true,
            "Remote-Party-ID: <sip:anonymous@anonymous.invalid>;party=calling;privacy=full\r\n".to_owned(),
        ),
        (true, "P-Asserted-Identity: <tel:ckl>\r\n".to_owned()),
        (true, "P-Asserted-Identity: \r\n".to_owned()),
        (false, format!("P-Asserted-Identity: <{own}>, <tel:+4970317300>\r\n")),
        (false, format!("P-Asserted-Identity: <{own}>\r\nP-Asserted-Identity: <sip:ceo@{HOST}>\r\n")),
        (false, format!("P-Asserted-Identity: \"a, b\" <{own}>,\r\n \"ckl\"\r\n <sip:ceo@{HOST}>\r\n")),
        (false, format!("p-asserted-identity :\r\n <sip:ceo@{HOST}>\r\n")),
        (false, format!("P-PREFERRED-IDENTITY:sip:ceo@{HOST}\r\n")),
        (false, format!("Remote-Party-ID\t: <sip:ceo@{HOST}>;party=calling;screen=no\r\n")),
        (false, format!("Remote-Party-Id: <sip:ceo@{HOST}>;party=called\r\n")),
        (false, "P-Preferred-Identity: <sip:ckl@other.example>\r\n".to_owned()),
        (false, "P-Asserted-Identity: <tel:ckl;phone-context=x>\r\n".to_owned()),
        (false, "P-Asserted-Identity: <urn:service:sos>\r\n".to_owned()),
        (false, format!("P-Asserted-Identity: <{own}\r\n")),
        (false, format!("P-Asserted-Identity: {own} <sip:ceo@{HOST}>\r\n")),
        (false, "P-Asserted-Identity: ckl\r\n".to_owned()),
    ] {
        for from in [format!("<{own}>;tag=a"), "<sip:anonymous@anonymous.invalid>;tag=a".to_owned()] {
            let text = request_text("MESSAGE", &from, &format!("<sip:bob@{HOST}>"), &lines);
            assert_eq!(other_of(&verified(), &text).is_none(), good, "{text}");
            let message = read(&text, Inspector::of_client());
            let names = Names::parse("CN=ckl").unwrap();
            let first = request(&names, text.as_bytes(), &message, is_here);
            assert_eq!(first, good && !from.contains("anonymous"), "the first request\n{text}");
        }
    }
}

#[test]
fn a_registration_has_a_name_and_it_is_the_same_in_to() {
    let own = format!("<sip:ckl@{HOST}>");
    let anonymous = "<sip:anonymous@anonymous.invalid>";
    for (from, to, good) in [
        (own.as_str(), own.as_str(), true),
        (&own, "<sip:ckl@alias.example>", false),
        (&own, "<sip:ceo@dvl-ckl2.net>", false),
        (anonymous, anonymous, false),
        (anonymous, &own, false),
    ] {
        let text = request_text("REGISTER", &format!("{from};tag=a"), to, "");
        assert_eq!(other_of(&verified(), &text).is_none(), good, "{text}");
    }
}

#[test]
fn a_phone_speaks_in_a_call_under_the_called_address() {
    let mut verified = verified();
    let hear = |verified: &mut Verified, method: &str, from: &str, to: &str| {
        let text = request_text(method, from, to, "");
        verified.heard(text.as_bytes(), &read(&text, Inspector::of_target()));
    };
    hear(&mut verified, "INVITE", "<sip:bob@pbx>;tag=b", "<sip:31@10.0.0.2:5061;user=phone>");
    hear(&mut verified, "OPTIONS", "<sip:bob@pbx>;tag=o", "<sip:32@10.0.0.2>");
    let number = "<sip:31@10.0.0.2>;tag=me";
    let identity = "P-Asserted-Identity: <sip:31@10.0.0.2>\r\n";
    for method in ["BYE", "INVITE", "REFER", "NOTIFY", "UPDATE", "INFO", "ACK"] {
        let text = request_text(method, number, "<sip:bob@pbx>;tag=b", identity);
        assert_eq!(other_of(&verified, &text), None, "{text}");
    }
    for (what, text) in [
        ("another tag", request_text("BYE", number, "<sip:bob@pbx>;tag=c", "")),
        ("no tag", request_text("INVITE", number, "<sip:bob@pbx>", "")),
        (
            "another Call-ID",
            request_text("BYE", number, "<sip:bob@pbx>;tag=b", "").replace("Call-ID: 1", "Call-ID: 2"),
        ),
        ("another user", request_text("BYE", "<sip:33@10.0.0.2>;tag=me", "<sip:bob@pbx>;tag=b", "")),
        ("another host", request_text("BYE", "<sip:31@10.0.0.3>;tag=me", "<sip:bob@pbx>;tag=b", "")),
        ("with a password", request_text("BYE", "<sip:31:x@10.0.0.2>;tag=me", "<sip:bob@pbx>;tag=b", "")),
        ("a probe's", request_text("MESSAGE", "<sip:32@10.0.0.2>;tag=me", "<sip:bob@pbx>;tag=o", "")),
        ("a registration", request_text("REGISTER", number, "<sip:31@10.0.0.2>;tag=b", "")),
    ] {
        assert!(other_of(&verified, &text).is_some(), "{what}\n{text}");
    }
    let response = |identity: &str| {
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS pbx\r\nFrom: <sip:bob@pbx>;tag=b\r\nTo: <sip:31@10.0.0.2>;tag=me\r\n\
             Call-ID: 1\r\nCSeq: 7 INVITE\r\n{identity}Content-Length: 0\r\n\r\n"
        )
    };
    for (identity, foreign) in [
        ("Remote-Party-ID: \"Me\" <sip:31@10.0.0.2>;party=called\r\n", 0),
        (
            "P-Asserted-Identity: <sip:ckl@dvl-ckl2.net>\r\nP-Preferred-Identity: <sip:anonymous@anonymous.invalid>\r\n",
            0,
        ),
        ("P-Asserted-Identity: <sip:ceo@dvl-ckl2.net>\r\nRemote-Party-ID: <sip:33@10.0.0.2>\r\n", 2),
    ] {
        let text = response(identity);
        let message = read(&text, Inspector::of_client());
        let found = verified.other_fields(text.as_bytes(), &message, is_here).count();
        assert_eq!(found, foreign, "{text}");
    }
}

#[test]
fn dialogs_are_bounded_and_kept_once() {
    let mut verified = verified();
    let to = "<sip:31@10.0.0.2>";
    let call = |id: usize| {
        request_text("INVITE", "<sip:bob@pbx>;tag=b", to, "")
            .replace("Call-ID: 1\r", &format!("Call-ID: {id}\r"))
    };
    let bye = |id: usize| {
        request_text("BYE", &format!("{to};tag=me"), "<sip:bob@pbx>;tag=b", "")
            .replace("Call-ID: 1\r", &format!("Call-ID: {id}\r"))
    };
    for _ in 0..2 {
        for id in 0..1024 {
            let text = call(id);
            verified.heard(text.as_bytes(), &read(&text, Inspector::of_target()));
        }
    }
    assert_eq!((other_of(&verified, &bye(0)), other_of(&verified, &bye(1023))), (None, None));
    let text = call(1024);
    verified.heard(text.as_bytes(), &read(&text, Inspector::of_target()));
    assert!(other_of(&verified, &bye(0)).is_some(), "the oldest is forgotten");
    assert_eq!((other_of(&verified, &bye(1)), other_of(&verified, &bye(1024))), (None, None));
}

use super::super::{Ask, Inspector};
use super::*;
use crate::inspect::Inspect;

const INVITE: &str = "INVITE sip:bob@pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:alice@pbx.example>;tag=1\r\nTo: <sip:bob@pbx.example>\r\nCall-ID: 1@x\r\nCSeq: 1 INVITE\r\n\
    Content-Length: 3\r\n\r\n";

fn examine(text: &[u8]) -> Inspect<Ask> {
    let mut inspector = Inspector::of_client();
    inspector.examine(true);
    inspector.inspect(text)
}

fn faulty_of(text: &str) -> Option<Faulty> {
    match examine(text.as_bytes()) {
        Inspect::Found { ask: Ask::Faulty(faulty), len } => {
            assert_eq!(len, text.len());
            Some(faulty)
        }
        Inspect::Found { ask: Ask::Message(_), .. } => None,
        other => panic!("{other:?}\n{text}"),
    }
}

fn status(text: &str) -> Option<&'static str> {
    faulty_of(text).map(|faulty| faulty.fault.status())
}

/// Each request has one fault. The test checks the answer, and whether the end of the request is known.
#[test]
fn w3_each_fault_has_its_answer() {
    assert_eq!(status(INVITE), None);
    for (from, to, answer, ends) in [
        ("Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n", "", "400 Missing Via", true),
        ("Max-Forwards: 70\r\n", "", "400 Missing Max-Forwards", true),
        ("From: <sip:alice@pbx.example>;tag=1\r\n", "", "400 Missing From", true),
        ("To: <sip:bob@pbx.example>\r\n", "", "400 Missing To", true),
        ("Call-ID: 1@x\r\n", "", "400 Missing Call-ID", true),
        ("CSeq: 1 INVITE\r\n", "", "400 Missing CSeq", true),
        ("Content-Length: 3\r\n", "", "400 Missing Content-Length", false),
        (";tag=1", "", "400 Missing Tag In From", true),
        (";branch=z9hG4bK1", ";branch=", "400 Bad Via", true),
        (";branch=z9hG4bK1", ";branch=z9HG4BK", "400 Bad Via", true),
        (";branch=z9hG4bK1", ";;branch=z9hG4bK1", "400 Bad Via", true),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1,", "400 Bad Via", true),
        ("SIP/2.0/TCP", "SIP/3.0/TCP", "400 Bad Via", true),
        ("SIP/2.0/TCP 10.0.0.1", "SIP/2.0/TCP", "400 Bad Via", true),
        ("CSeq: 1 INVITE", "CSeq: 1 REGISTER", "400 CSeq Of Another Method", true),
        ("CSeq: 1 INVITE", "CSeq: 1 invite", "400 CSeq Of Another Method", true),
        ("CSeq: 1 INVITE", "CSeq: INVITE", "400 Bad CSeq", true),
        ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", "400 Bad CSeq", true),
        ("Max-Forwards: 70", "Max-Forwards: 0", "483 Too Many Hops", true),
        ("Max-Forwards: 70", "Max-Forwards: 000", "483 Too Many Hops", true),
        ("Max-Forwards: 70", "Max-Forwards: 256", "400 Bad Max-Forwards", true),
        ("Max-Forwards: 70", "Max-Forwards: -1", "400 Bad Max-Forwards", true),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nmax-forwards: 70", "400 Repeated Max-Forwards", true),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nf: <sip:x@y>", "400 Repeated From", true),
        (" SIP/2.0\r\nVia", " SIP/1.0\r\nVia", "505 Version Not Supported", true),
        (" SIP/2.0\r\nVia", " sip/2.1\r\nVia", "505 Version Not Supported", true),
        (" SIP/2.0\r\nVia", " SIP/20\r\nVia", "505 Version Not Supported", true),
        (" SIP/2.0\r\nVia", " SIP/2.0 \r\nVia", "400 Bad Request-Line", true),
        (" sip:bob", "  sip:bob", "400 Bad Request-Line", true),
        ("sip:bob@pbx.example SIP", "http://pbx.example SIP", "416 Unsupported URI Scheme", true),
        ("sip:bob@pbx.example SIP", "isbn:2983792873 SIP", "416 Unsupported URI Scheme", true),
        ("sip:bob@pbx.example SIP", "bob@pbx.example SIP", "400 Bad Request-Line", true),
        ("sip:bob@pbx.example SIP", "sip:bob@pbx.example?Route=x SIP", "400 Bad Request-URI", true),
        ("sip:bob@pbx.example SIP", "sip:bob@a@b SIP", "400 Bad Request-URI", true),
        ("sip:bob@pbx.example SIP", "<sip:bob@pbx.example> SIP", "400 Bad Request-Line", true),
        ("Content-Length: 3", "Content-Length: -3", "400 Bad Content-Length", false),
        ("Content-Length: 3", "Content-Length: three", "400 Bad Content-Length", false),
        ("Content-Length: 3", "Content-Length: 03", "400 Bad Content-Length", false),
        ("Content-Length: 3", "Content-Length: 3\r\nl: 3", "400 Repeated Content-Length", false),
        ("Content-Length: 3", "Content-Length:\r\n 3", "400 Bad Content-Length", false),
        ("Content-Length: 3", "Content_Length: 3", "400 Bad Header Field", false),
        ("Call-ID: 1@x", "Call-ID 1@x", "400 Bad Header Field", false),
        ("Call-ID: 1@x", "Call-ID: 1 @x", "400 Bad Call-ID", true),
        ("Call-ID: 1@x\r\n", "Call-ID: 1@x\n", "400 Bad Line End Or Control Character", false),
        ("Call-ID: 1@x", "Call-ID: 1\u{0}@x", "400 Bad Line End Or Control Character", false),
        ("Call-ID: 1@x", "Call-ID: 1@x\r\nContact: <sip:a@b>;;", "400 Bad Contact", true),
        ("Call-ID: 1@x", "Call-ID: 1@x\r\nm: sip:a@b?Route=c", "400 Bad Contact", true),
        ("<sip:bob@pbx.example>\r", "\"Bob <sip:bob@pbx.example>\r", "400 Bad To", true),
        ("INVITE sip", "invite sip", "400 CSeq Of Another Method", true),
    ] {
        let text = INVITE.replacen(from, to, 1);
        assert_ne!(text, INVITE, "{from}");
        let faulty = faulty_of(&text).unwrap_or_else(|| panic!("it goes on: {to}"));
        assert_eq!((faulty.fault.status(), faulty.ends), (answer, ends), "{from} -> {to}");
        assert_eq!(faulty.message.body, if ends { 3 } else { faulty.message.body }, "{to}");
    }
}

#[test]
fn w3_what_telephones_send_goes_on() {
    for (from, to) in [
        ("Max-Forwards: 70", "max-forwards:1"),
        (";branch=z9hG4bK1", ""),
        ("sip:bob@pbx.example SIP", "sips:bob@pbx.example;user=phone SIP"),
        ("sip:bob@pbx.example SIP", "tel:+4970317300 SIP"),
        ("sip:bob@pbx.example SIP", "urn:service:sos SIP"),
        ("sip:bob@pbx.example SIP", "sip:what?@pbx.example SIP"),
        ("Call-ID: 1@x", "Call-ID: 1@x\r\nContact: *"),
        ("Call-ID: 1@x", "Call-ID: 1@x\r\nContact: \"a, b\" <sip:a@b?x=y,z>;expires=60, sip:c@d"),
        (";branch=z9hG4bK1", ";rport;branch=z9hG4bK1, SIP / 2.0 / UDP [2001:db8::1]:5060 ; branch = old"),
        ("<sip:bob@pbx.example>\r", "<tel:+4970317300>\r"),
    ] {
        let text = INVITE.replacen(from, to, 1);
        assert_ne!(text, INVITE, "{from}");
        assert_eq!(status(&text), None, "{to}");
    }
    // A registration is for a SIP address.
    let register = INVITE.replace("INVITE", "REGISTER");
    assert_eq!(status(&register), None);
    assert_eq!(status(&register.replace("<sip:bob@pbx.example>\r", "<tel:1>\r")), Some("400 Bad To"));
}

#[test]
fn w3_an_answer_can_repeat_what_the_request_says_of_itself() {
    let text = INVITE
        .replace(
            "Max-Forwards: 70\r\n",
            "Max-Forwards: 70\r\nFrom: <sip:other@x>;tag=2\r\nv: SIP/2.0/TCP y\r\n",
        )
        .replace("Call-ID: 1@x", "Call-ID: 1\u{7}@x");
    let faulty = faulty_of(&text).unwrap();
    let head = text.as_bytes();
    let lines: Vec<_> = faulty.message.fields.iter().map(|field| field.name(head)).collect();
    let expected: [&[u8]; 6] = [b"Via", b"Max-Forwards", b"From", b"v", b"To", b"CSeq"];
    assert_eq!(lines[..6], expected, "the first From, both Vias, and no control octet");
    assert_eq!(faulty.message.from.host.of_input(head), b"x");
    assert_eq!(faulty.message.method(head), Some(&b"INVITE"[..]));
    assert!(faulty.message.to_tag.is_empty());
    let tagged = faulty_of(&INVITE.replace("<sip:bob@pbx.example>\r", "\"<sip:bob@x>;tag=7\r")).unwrap();
    assert!(!tagged.message.to_tag.is_empty(), "the answer must not add a second tag");
}

#[test]
fn w3_other_protocols_and_responses_get_no_answer() {
    for text in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x\r\n\r\n",
        "SIP/3.0 200 OK\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        assert_eq!(examine(text.as_bytes()), Inspect::Reject(crate::reason::Reason::Malformed), "{text}");
    }
    let response = INVITE
        .replace("INVITE sip:bob@pbx.example SIP/2.0", "SIP/2.0 200 OK")
        .replace("Max-Forwards: 70\r\n", "");
    assert_eq!(status(&response), None, "a response has no such demands");
}

#[test]
fn w3_an_inspector_that_does_not_examine_finds_no_faults() {
    let text = INVITE.replace("Max-Forwards: 70\r\n", "").replace("sip:bob@pbx.example SIP", "isbn:1 SIP");
    assert!(matches!(
        Inspector::of_client().inspect(text.as_bytes()),
        Inspect::Found { ask: Ask::Message(_), .. }
    ));
    // The inspector begins anew when this setting changes, so that no line stays unread.
    let mut inspector = Inspector::of_client();
    inspector.examine(true);
    let wrong = INVITE.replace("Call-ID: 1@x\r\n", "Call-ID: 1@x\n");
    assert_eq!(inspector.inspect(&wrong.as_bytes()[..wrong.len() - 4]), Inspect::NeedMore);
    inspector.examine(false);
    assert_eq!(inspector.inspect(wrong.as_bytes()), Inspect::Reject(crate::reason::Reason::Malformed));
}

use super::*;

const REGISTER: &str = "REGISTER sip:dvl-ckl2.net SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\nf: \"C <sip:x@evil>\" <sip:ckl@DVL-ckl2.net/branch-b>;tag=1\r\nTo :\r\n <sip:ckl@dvl-ckl2.net>\r\n\
    Call-ID: 1@x\r\nCSeq: 1 REGISTER\r\nContact: <sip:ckl@10.0.0.1>\r\nl: 0\r\n\r\n";

fn client(input: &[u8]) -> Inspect<Ask> {
    Inspector::of_client().inspect(input)
}

fn message(text: &str) -> Message {
    match client(text.as_bytes()) {
        Inspect::Found { ask: Ask::Message(message), len } => {
            assert_eq!(len, text.find("\r\n\r\n").unwrap() + 4);
            message
        }
        other => panic!("{other:?}\n{text}"),
    }
}

/// The four laws over every prefix, one octet at a time and all at once.
pub(super) fn hold_laws(input: &[u8]) {
    let examining = || {
        let mut inspector = Inspector::of_client();
        inspector.examine(true);
        inspector
    };
    for inspector in [Inspector::of_client, Inspector::of_target, examining] {
        let mut kept = inspector();
        let mut last: Option<Inspect<Ask>> = None;
        for end in 0..=input.len() {
            let prefix = &input[..end];
            let answer = kept.inspect(prefix);
            assert_eq!(answer, inspector().inspect(prefix), "at {end}");
            assert!(answer != Inspect::NeedMore || end < kept.sender.limits().0);
            if let Some(last) = &last {
                assert_eq!(*last, answer, "changed its mind at {end}");
            }
            if answer != Inspect::NeedMore {
                last = Some(answer);
                if end > 4096 {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_register_says_who_it_is_from() {
    let found = message(REGISTER);
    let head = REGISTER.as_bytes();
    assert_eq!(found.method(head), Some(b"REGISTER".as_slice()));
    assert_eq!(found.from.host.of_input(head), b"DVL-ckl2.net/branch-b");
    assert_eq!(found.from.user.of_input(head), b"ckl");
    assert_eq!(found.to.host.of_input(head), b"dvl-ckl2.net");
    assert!(found.to_tag.is_empty());
    assert_eq!((found.cseq, found.body), (1, 0));
    assert_eq!(found.fields.len(), 8);
    assert_eq!(found.fields[3].line.of_input(head), b"To :\r\n <sip:ckl@dvl-ckl2.net>\r\n");
}

#[test]
fn the_laws_hold() {
    hold_laws(REGISTER.as_bytes());
    hold_laws(b"\r\n\r\nREGISTER");
    hold_laws(b"\rX");
    hold_laws(b"\x16\x03\x01\x02\x00\x01\x00");
    hold_laws(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    hold_laws(REGISTER.replace("l: 0", "l: 9999999").as_bytes());
    hold_laws(REGISTER.replace("Via:", "Via\n:").as_bytes());
    let many = "X: y\r\n".repeat(200);
    hold_laws(REGISTER.replace("l: 0\r\n", &many).as_bytes());
    let long = format!("X: {}\r\n", "y".repeat(HEAD_LIMIT));
    hold_laws(REGISTER.replace("l: 0\r\n", &long).as_bytes());
    hold_laws("A".repeat(HEAD_LIMIT + 2).as_bytes());
}

#[test]
fn limits_have_their_reason() {
    // The length of a client's body is limited later. A number of any length is read here.
    for (declared, body) in [
        ("262145", 262_145),
        ("16777217", 16_777_217),
        ("4294967295", u32::MAX),
        ("4294967296", u32::MAX),
        ("99999999999999999999999999", u32::MAX),
    ] {
        assert_eq!(message(&REGISTER.replace("l: 0", &format!("l: {declared}"))).body, body, "{declared}");
    }
    let target = |declared: &str| {
        Inspector::of_target().inspect(REGISTER.replace("l: 0", &format!("l: {declared}")).as_bytes())
    };
    for declared in ["16777217", "4294967295"] {
        assert!(matches!(target(declared), Inspect::Found { .. }), "{declared}");
    }
    for declared in ["4294967296", "99999999999999999999999999"] {
        assert_eq!(target(declared), Inspect::Reject(Reason::Malformed), "{declared}");
    }
    let many = format!("l: 0\r\n{}", "X: y\r\n".repeat(FIELD_LIMIT - 7));
    assert_eq!(client(REGISTER.replace("l: 0\r\n", &many).as_bytes()), Inspect::Reject(Reason::TooLarge));
    let just = format!("l: 0\r\n{}", "X: y\r\n".repeat(FIELD_LIMIT - 8));
    assert_eq!(message(&REGISTER.replace("l: 0\r\n", &just)).fields.len(), FIELD_LIMIT);
    let begun = "REGISTER sip:x SIP/2.0\r\nX: ".to_owned() + &"y".repeat(HEAD_LIMIT);
    assert_eq!(client(&begun.as_bytes()[..HEAD_LIMIT - 1]), Inspect::NeedMore);
    assert_eq!(client(&begun.as_bytes()[..HEAD_LIMIT]), Inspect::Reject(Reason::TooLarge));
}

/// Issue 15, B9: a first word without an end was examined again with every octet.
#[test]
fn a_method_has_an_end() {
    let line = |length: usize| format!("{} sip:x SIP/2.0\r\n", "A".repeat(length));
    assert_eq!(client("A".repeat(64).as_bytes()), Inspect::NeedMore);
    assert_eq!(client(line(64).as_bytes()), Inspect::NeedMore);
    assert_eq!(client("A".repeat(65).as_bytes()), Inspect::Reject(Reason::Malformed));
    assert_eq!(client(line(65).as_bytes()), Inspect::Reject(Reason::Malformed));
    hold_laws(line(65).as_bytes());
}

#[test]
fn n36_a_target_may_say_more_than_a_client() {
    let head = |fields: usize, octets: usize| {
        let text = format!("SIP/2.0 200 OK\r\nl: 0\r\n{}", "X: y\r\n".repeat(fields - 2));
        let filling = octets.saturating_sub(text.len() + "X: \r\n\r\n".len());
        format!("{text}X: {}\r\n\r\n", "y".repeat(filling))
    };
    let target = |text: &str| {
        let mut kept = Inspector::of_target();
        let ends = (1..text.len()).step_by(997).chain([text.len()]);
        for end in ends.filter(|end| *end < TARGET_HEAD_LIMIT && *end < text.len()) {
            assert_ne!(kept.inspect(&text.as_bytes()[..end]), Inspect::Found { ask: Ask::KeepAlive, len: 2 });
        }
        let answer = Inspector::of_target().inspect(text.as_bytes());
        assert_eq!(kept.inspect(text.as_bytes()), answer);
        answer
    };
    let text = head(TARGET_FIELD_LIMIT, TARGET_HEAD_LIMIT);
    assert_eq!(text.len(), 65_536);
    let Inspect::Found { ask: Ask::Message(message), len } = target(&text) else { panic!() };
    assert_eq!((message.fields.len(), len), (1024, 65_536));
    let last = message.fields.last().unwrap();
    assert_eq!(last.line.range().end, len - 2, "spans reach to the end");
    for (fields, octets) in [(TARGET_FIELD_LIMIT + 1, 0), (3, TARGET_HEAD_LIMIT + 1)] {
        assert_eq!(target(&head(fields, octets)), Inspect::Reject(Reason::TooLarge), "{fields}, {octets}");
    }
    // A text that does not begin like a message is never forwarded unread.
    assert_eq!(target(&"A".repeat(TARGET_HEAD_LIMIT)), Inspect::Reject(Reason::Malformed));
}

#[test]
fn a_stranger_is_sent_away_at_his_first_octets() {
    for text in ["\x16\x03\x01", "\0", "{\"a\"", "<xml", "GET / HTTP/1.1\r\n", "\n", "\rA", " SIP/2.0"] {
        assert_eq!(client(text.as_bytes()), Inspect::Reject(Reason::Malformed), "{text:?}");
    }
}

#[test]
fn sanity_has_a_row_for_each() {
    for (what, from, to) in [
        ("no Content-Length", "l: 0\r\n", ""),
        ("two Content-Lengths", "l: 0\r\n", "l: 0\r\nContent-Length: 0\r\n"),
        ("a sign", "l: 0", "l: +0"),
        ("no From", "f: \"C <sip:x@evil>\" <sip:ckl@DVL-ckl2.net/branch-b>;tag=1\r\n", ""),
        ("two Froms", "Call-ID", "From: <sip:x@evil>\r\nCall-ID"),
        ("two Tos", "Call-ID", "t: <sip:x@evil>\r\nCall-ID"),
        ("two Call-IDs", "Call-ID", "i: 2\r\nCall-ID"),
        ("two CSeqs", "Call-ID", "CSeq: 1 REGISTER\r\nCall-ID"),
        ("no Call-ID", "Call-ID: 1@x\r\n", ""),
        ("no CSeq", "CSeq: 1 REGISTER\r\n", ""),
        ("no Via", "Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n", ""),
        ("another protocol's Via", "Via: SIP", "Via: HTTP"),
        ("another method in CSeq", "CSeq: 1 REGISTER", "CSeq: 1 INVITE"),
        ("the method in lower case in CSeq", "CSeq: 1 REGISTER", "CSeq: 1 register"),
        ("CSeq without a number", "CSeq: 1 REGISTER", "CSeq: REGISTER"),
        ("CSeq of 2^31", "CSeq: 1 ", "CSeq: 2147483648 "),
        ("Max-Forwards beyond 255", "Forwards: 70", "Forwards: 256"),
        ("Max-Forwards that is no number", "Forwards: 70", "Forwards: many"),
        ("two Max-Forwards", "Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70"),
        ("SIP/3.0", "SIP/2.0\r\n", "SIP/3.0\r\n"),
        ("two spaces", "REGISTER sip", "REGISTER  sip"),
        ("a bare LF", "70\r\n", "70\n"),
        ("a bare CR", "70\r\n", "70\r \r\n"),
        ("NUL", "70", "7\0"),
        ("a field without a colon", "Call-ID:", "Call-ID"),
        ("a field without a name", "Call-ID:", ":"),
        ("a field with a space in its name", "Call-ID:", "Call ID:"),
        ("a list of Froms", ";tag=1\r\n", ";tag=1, <sip:x@evil>\r\n"),
    ] {
        let text = REGISTER.replacen(from, to, 1);
        assert_ne!(text, REGISTER, "{what}");
        assert_eq!(client(text.as_bytes()), Inspect::Reject(Reason::Malformed), "{what}\n{text}");
    }
    message(&REGISTER.replace("Max-Forwards: 70\r\n", ""));
    message(&REGISTER.replace("REGISTER sip:dvl-ckl2.net SIP/2.0", "REGISTER sip:dvl-ckl2.net sip/2.0"));
}

#[test]
fn a_withheld_number_and_a_telephone_number_have_no_host() {
    let text = REGISTER.replace("sip:ckl@DVL-ckl2.net/branch-b", "sip:anonymous@Anonymous.invalid");
    assert!(message(&text).from.is_anonymous(text.as_bytes()));
    let text = REGISTER.replace("sip:ckl@DVL-ckl2.net/branch-b", "tel:+4970317300");
    assert!(message(&text).from.host.is_empty());
    assert!(!message(&text).from.uri.is_empty());
}

#[test]
fn of_a_target_only_the_framing_must_be_right() {
    let text = "SIP/2.0 200\r\nX: y\r\nContent-Length: 3\r\n\r\n";
    let Inspect::Found { ask: Ask::Message(found), .. } = Inspector::of_target().inspect(text.as_bytes())
    else {
        panic!()
    };
    assert_eq!((found.kind, found.body), (Kind::Response { status: 200 }, 3));
    assert_eq!(client(text.as_bytes()), Inspect::Reject(Reason::Malformed));
    let unframed = text.replace("Content-Length: 3\r\n", "");
    assert_eq!(Inspector::of_target().inspect(unframed.as_bytes()), Inspect::Reject(Reason::Malformed));
}

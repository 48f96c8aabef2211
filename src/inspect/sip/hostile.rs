//! Messages that a PBX would read differently than Portward, and unusual messages of real phones beside them.

use super::tests::hold_laws;
use super::*;

const REGISTER: &str = "REGISTER sip:pbx.example SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\nFrom: <sip:alice@pbx.example>;tag=1\r\nTo: <sip:alice@pbx.example>\r\nCall-ID: 1@x\r\n\
    CSeq: 1 REGISTER\r\nContact: <sip:alice@10.0.0.1>\r\nContent-Length: 0\r\n\r\n";

fn read(text: &str) -> Inspect<Ask> {
    Inspector::of_client().inspect(text.as_bytes())
}

/// Each row replaces a text in [`REGISTER`] by another text.
fn with(rows: &[(&str, &str)], check: impl Fn(&str, bool)) {
    for (from, to) in rows {
        let text = REGISTER.replace(from, to);
        assert_ne!(text, REGISTER, "{to}");
        hold_laws(text.as_bytes());
        let found = matches!(read(&text), Inspect::Found { ask: Ask::Message(_), .. });
        assert!(found || read(&text) == Inspect::Reject(Reason::Malformed), "{to}: {:?}", read(&text));
        check(to, found);
    }
}

fn refused(rows: &[(&str, &str)]) {
    with(rows, |row, found| assert!(!found, "taken: {row:?}"));
}

fn taken(rows: &[(&str, &str)]) {
    with(rows, |row, found| assert!(found, "refused: {row:?}"));
}

#[test]
fn a1_a_known_method_in_another_case_is_malformed() {
    for method in
        ["register", "Register", "INVITe", "ack", "bye", "Cancel", "options", "info", "PRAck", "update"]
    {
        refused(&[("REGISTER", method)]);
    }
    for method in ["subscribe", "Notify", "PUBLISh", "refer", "message", "kdmq", "Service", "beNotify"] {
        refused(&[("REGISTER", method)]);
    }
    let answer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\n\
                  Call-ID: 1\r\nCSeq: 1 invite\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(read(answer), Inspect::Reject(Reason::Malformed));
    // These are methods of their own. No PBX takes them for another method.
    taken(&[("REGISTER", "RE%47ISTER"), ("REGISTER", "registered"), ("REGISTER", "X-register")]);
}

#[test]
fn a1_names_and_tokens_are_read_as_loosely_as_pbxs_read_them() {
    taken(&[
        ("From:", "fRoM \t:"),
        ("From:", "f:"),
        ("To:", "t\t:"),
        ("Via:", "V :"),
        ("Call-ID:", "i:"),
        ("Content-Length:", "CONTENT-LENGTH \t:"),
        ("Content-Length:", "L:"),
        (";tag=1", " ; TaG = 1"),
        (";tag=1", "\r\n ;\r\n\ttag\r\n =\r\n 1"),
        ("<sip:alice", "<SIP:alice"),
        ("SIP/2.0/TCP", "sip / 2.0 / tcp"),
        (" SIP/2.0\r\n", " sIp/2.0\r\n"),
        (";branch=", ";BRANCH = "),
    ]);
    let tagged = REGISTER.replace("<sip:alice@pbx.example>\r\n", "sip:alice@pbx.example ; TAG = x\r\n");
    let Inspect::Found { ask: Ask::Message(found), .. } = read(&tagged) else { panic!() };
    assert_eq!(found.to_tag.of_input(tagged.as_bytes()), b"x");
    refused(&[
        ("From:", "From\r\n :"),
        ("CSeq:", "CSeq \r\n\t:"),
        ("CSeq: 1", "Call_ID: 2\r\nCSeq: 1"),
        ("Max-Forwards: 70", "Content_Length: 9\r\nMax-Forwards: 70"),
        ("Content-Length:", "Content_Length:"),
        ("Max-Forwards:", "Max_Forwards:"),
        (";tag=1", ";%74ag=1"),
        (";tag=1", ";tag=1;t%61g=2"),
        (";branch=", ";br%61nch=z9hG4bK2;branch="),
        ("<sip:alice@", "<s%69p:alice@"),
        ("<sip:alice@", "<sip :alice@"),
        (" SIP/2.0\r\n", " SIP /2.0\r\n"),
    ]);
}

#[test]
fn a2_what_decides_stands_once() {
    refused(&[
        ("To: <sip:alice@pbx.example>", "To: <sip:alice@pbx.example>;tag=x;tag="),
        ("To: <sip:alice@pbx.example>", "To: <sip:alice@pbx.example>;tag=x;tag=x"),
        ("To: <sip:alice@pbx.example>", "To: <sip:alice@pbx.example>;tag=x;TAG =y"),
        ("To: <sip:alice@pbx.example>", "To: sip:alice@pbx.example;tag=x;a;tag=y"),
        (";tag=1", ";tag=1;tag=2"),
        (";tag=1", ";tag"),
        (";tag=1", ";tag="),
        (";tag=1", ";tag=\"\""),
        (";tag=1", ";tag=\"1\""),
        (";tag=1", ";tag=\"1;tag=2\""),
        (";tag=1", ";ta\r\n g=1"),
        (";tag=1", ";tag=1\r\n 2"),
        (";tag=1", ";x=\"a;tag=2\";tag=1"),
        ("From: <", "From: \"x;tag=9\" <"),
        ("To: <", "To: \"x ; tag = 9\" <"),
        ("<sip:alice@pbx.example>\r\n", "<sip:alice@pbx.example;tag=9>\r\n"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1;branch=z9hG4bK2"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1;BRANCH=z9hG4bK1"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1,SIP/2.0/UDP x;branch=a;branch=b"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1;received=1.1.1.1;received=2.2.2.2"),
        ("REGISTER sip:pbx.example", "REGISTER sip:pbx.example;transport=tcp;Transport=udp"),
        ("REGISTER sip:pbx.example", "REGISTER sip:pbx.example;maddr=a;maddr=b"),
        ("Call-ID", "Route: <sip:a;lr>, <sip:b;lr;lr>\r\nCall-ID"),
        ("Call-ID", "Route: <sip:a;lr;l%72=x>\r\nCall-ID"),
        ("Call-ID", "Route: <sip:a;transport=tcp;transport=tls;lr>\r\nCall-ID"),
        ("Call-ID", "Authorization: Digest nonce=\"x\", nonce=\"real\"\r\nCall-ID"),
        ("Call-ID", "authorization : Digest\r\n realm=\"a\",\r\n Realm=\"b\"\r\nCall-ID"),
        ("Call-ID", "Proxy-Authorization: Digest username=a, response=1, username=b\r\nCall-ID"),
        ("Call-ID", "Authorization: Digest,nonce=\"x\"\r\nCall-ID"),
    ]);
    taken(&[
        (";tag=1", ";x;y=\"a\\\"b\";tag=1;z=\"tag=2\""),
        (";tag=1", ";tag=a_1.-b:c/=="),
        (";branch=z9hG4bK1", ";rport;branch=z9hG4bK1, SIP/2.0/UDP x;branch=z9hG4bK1"),
        ("REGISTER sip:pbx.example", "REGISTER sip:pbx.example;transport=tcp;lr;x;x"),
        ("Call-ID", "Route: <sip:a;lr>,<sip:b;lr>\r\nRoute: <sip:c;lr=on>\r\nCall-ID"),
        ("Call-ID", "Authorization: Digest username=\"a\", realm=\"b, c=d\", nonce=\"e\"\r\nCall-ID"),
        ("Call-ID", "Proxy-Authorization: Digest nonce=a\r\nProxy-Authorization: Digest nonce=b\r\nCall-ID"),
    ]);
}

#[test]
fn a4_what_frames_is_read_alike() {
    refused(&[
        ("Content-Length: 0", "Content-Length\r\n : 0"),
        ("Content-Length: 0", "Content-Length:\r\n 0"),
        ("Content-Length: 0", "l:\r\n\t0"),
        ("Content-Length: 0", "l \r\n :0"),
        ("Content-Length: 0", "Content-Length: 0\r\n "),
        ("Content-Length: 0", "Content-Length: 1\r\n 0"),
        ("Content-Length: 0", "Content-Length: 1 0"),
        ("Content-Length: 0", "Content-Length: 010"),
        ("Content-Length: 0", "l: 00"),
        ("Content-Length: 0", "Content-Length: +0"),
        ("Content-Length: 0", "Content-Length: -0"),
        ("Content-Length: 0", "Content-Length: 0x0"),
        ("Content-Length: 0", "Content-Length: 0,0"),
        ("Content-Length: 0", "Content-Length: \"0\""),
        ("Content-Length: 0", "Content-Length: 0;x"),
        ("Content-Length: 0", "Content-Length:"),
        ("Content-Length: 0", "Content-Length: \u{b}0"),
        // Kamailio counts these as lengths.
        ("Max-Forwards", "Subject: x\r\n Content-Length: 9\r\nMax-Forwards"),
        ("Max-Forwards", "Subject: x\r\n\tl \t: 9\r\nMax-Forwards"),
        ("Max-Forwards", "Subject: x\r\n content_length:9\r\nMax-Forwards"),
        ("REGISTER sip:pbx.example SIP", "l :9 SIP"),
        ("Max-Forwards", "Subject: x\r\n From: <sip:bob@pbx.example>\r\nMax-Forwards"),
        ("Max-Forwards", "Subject: x\r\n \t\r\nMax-Forwards"),
        ("alice@pbx.example>;tag", "al\0ice@pbx.example>;tag"),
        ("From: <", "From: \"a\\\0b\" <"),
        ("Max-Forwards", "Subject: \0\r\nMax-Forwards"),
        ("Max-Forwards", "Subject: \\\0\r\nMax-Forwards"),
        ("CSeq: 1 ", "CSeq: +1 "),
        ("CSeq: 1 ", "CSeq: 0x1 "),
        ("CSeq: 1 ", "CSeq: 1, "),
    ]);
    taken(&[
        ("Content-Length: 0", "Content-Length:0"),
        ("Content-Length: 0", "Content-Length  : \t0 \t"),
        ("Content-Length: 0", "l:0"),
        ("Content-Length: 0", "Content-Length: 10"),
        ("CSeq: 1 ", "CSeq: 0009\r\n  "),
        ("Max-Forwards", "Subject: a\r\n b: c\r\nMax-Forwards"),
        ("Max-Forwards", "Contact:\r\n <sip:a@b>,\r\n sip:c@d\r\nMax-Forwards"),
    ]);
}

/// PJSIP ends a header field at a `&` that it does not expect, and begins the next field after it.
#[test]
fn a1_no_field_hides_behind_an_ampersand() {
    refused(&[
        ("Max-Forwards", "Expires: 60&From: <sip:bob@pbx.example>\r\nMax-Forwards"),
        ("Max-Forwards", "Expires: 60& \r\n f \t: sip:bob@pbx.example\r\nMax-Forwards"),
        ("<sip:alice@10.0.0.1>", "<sip:alice@10.0.0.1>&To: <sip:bob@pbx.example>"),
        (";branch=z9hG4bK1", ";branch=z9hG4bK1&l: 9"),
        (";tag=1", ";tag=1&From: sip:bob@pbx.example"),
        (";tag=1", ";tag=1&x"),
    ]);
    taken(&[
        ("Max-Forwards", "Subject: Q&A: terms & conditions\r\nMax-Forwards"),
        ("<sip:alice@10.0.0.1>", "<sip:a&b@10.0.0.1?from=x&to=y>"),
    ]);
}

#[test]
fn the_messages_of_a_target_are_read_kindly() {
    let text = REGISTER.replace(": 0\r\n", ":\r\n 00\r\n").replace("tag=1", "tag=1;tag=2");
    assert!(matches!(Inspector::of_target().inspect(text.as_bytes()), Inspect::Found { .. }));
}

//! What a PBX sees of a browser, and that the browser gets back what it wrote.

use proptest::prelude::*;

use super::*;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector};

/// A message with the changes of `change`.
fn changed(text: &str, of_client: bool, change: impl FnOnce(&[u8], &Message, &mut Edits)) -> String {
    let mut inspector = if of_client { Inspector::of_client() } else { Inspector::of_target() };
    let Inspect::Found { ask: Ask::Message(message), len } = inspector.inspect(text.as_bytes()) else {
        panic!("{text}")
    };
    let (head, body) = text.as_bytes().split_at(len);
    let (mut edits, mut out) = (Edits::default(), Vec::new());
    change(head, &message, &mut edits);
    edits.apply(head, &mut out);
    out.extend_from_slice(body);
    String::from_utf8(out).unwrap()
}

fn hide(disguise: &mut Disguise, text: &str) -> String {
    changed(text, true, |head, message, edits| disguise.hide(head, message, edits))
}

fn reveal(disguise: &mut Disguise, text: &str) -> String {
    changed(text, false, |head, message, edits| disguise.reveal(head, message, edits))
}

fn disguise(tls: bool) -> Disguise {
    Disguise::new("10.0.0.5:41234".parse().unwrap(), tls)
}

fn request(method: &str, via: &str, more: &str) -> String {
    format!(
        "{method} sip:pbx.example SIP/2.0\r\nVia: {via}\r\nFrom: <sip:a@pbx.example>;tag=1\r\nTo: <sip:b@pbx.example>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

fn response(method: &str, via: &str, more: &str) -> String {
    format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: <sip:a@pbx.example>;tag=1\r\nTo: <sip:b@pbx.example>;tag=2\r\nCall-ID: 1\r\n\
         CSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn item_1_the_pbx_sees_our_end_and_the_browser_gets_back_its_own_octets() {
    for (tls, word, parameter) in [(false, "TCP", "tcp"), (true, "TLS", "tls")] {
        for (via, hidden) in [
            ("SIP/2.0/WSS df7j.invalid;branch=z9hG4bK1", "SIP/2.0/T 10.0.0.5:41234;branch=z9hG4bK1"),
            (
                "SIP/2.0/WS [2001:db8::1]:5 ; branch=z9hG4bK2;rport",
                "SIP/2.0/T 10.0.0.5:41234 ; branch=z9hG4bK2;rport",
            ),
            (
                "SIP / 2.0 / wss\t x.invalid:7;x=\"a;b,c\", SIP/2.0/UDP y",
                "SIP / 2.0 / T\t 10.0.0.5:41234;x=\"a;b,c\", SIP/2.0/UDP y",
            ),
        ] {
            let hidden = hidden.replace("/T ", &format!("/{word} ")).replace("/ T\t", &format!("/ {word}\t"));
            let mut disguise = disguise(tls);
            let contact = "<sip:a@df7j.invalid;transport=ws;ob>;expires=600";
            let sent = request("REGISTER", via, &format!("Contact: {contact}\r\n"));
            let shown = format!("<sip:a@10.0.0.5:41234;transport={parameter};ob>;expires=600");
            let expected = request("REGISTER", &hidden, &format!("Contact: {shown}\r\n"));
            assert_eq!(hide(&mut disguise, &sent), expected);
            let top = via.split(", ").next().unwrap();
            let answered = |via: &str, contact: &str| {
                response("REGISTER", via, &format!("Contact: <sip:x@y>, {contact};q=1\r\nm: {contact}\r\n"))
            };
            let added = hidden.replacen(
                top.rsplit(';').next().unwrap(),
                &format!("{};received=10.0.0.5;rport=41234", top.rsplit(';').next().unwrap()),
                1,
            );
            assert_eq!(reveal(&mut disguise, &answered(&added, &shown)), answered(via, contact));
        }
    }
}

#[test]
fn item_1_contacts_in_every_form() {
    for (own, shown) in [
        ("<sip:a@x.invalid>", "<sip:a@10.0.0.5:41234;transport=tcp>"),
        ("<sip:x.invalid;transport=WSS>", "<sip:10.0.0.5:41234;transport=tcp>"),
        (
            "\"A, b\" <sip:a%40@x.invalid:99;Transport=ws?X=y>;q=1",
            "\"A, b\" <sip:a%40@10.0.0.5:41234;Transport=tcp?X=y>;q=1",
        ),
        ("<sips:a@x.invalid;transport=ws>", "<sip:a@10.0.0.5:41234;transport=tcp>"),
        ("sip:a@x.invalid", "<sip:a@10.0.0.5:41234;transport=tcp>"),
        ("sip:a@x.invalid;transport=ws;expires=5", "<sip:a@10.0.0.5:41234;transport=tcp>;expires=5"),
        ("*", "*"),
        ("<tel:+49>", "<tel:+49>"),
        ("<sip:a@pbx.example;gr=urn:uuid:1>", "<sip:a@pbx.example;gr=urn:uuid:1>"),
        ("<sip:a@pbx.example;gr>", "<sip:a@pbx.example;gr>"),
        (
            "<sip:a@x.invalid;transport=ws>, <sip:b@x.invalid>",
            "<sip:a@10.0.0.5:41234;transport=tcp>, <sip:b@10.0.0.5:41234;transport=tcp>",
        ),
    ] {
        let via = "SIP/2.0/WS x.invalid;branch=z9hG4bK1";
        let sent = request("REGISTER", via, &format!("Contact: {own}\r\n"));
        let hidden = hide(&mut disguise(false), &sent);
        assert!(hidden.contains(&format!("\r\nContact: {shown}\r\n")), "{own}: {hidden}");
    }
    let secure =
        request("REGISTER", "SIP/2.0/WSS x.invalid;branch=z9hG4bK1", "Contact: <sips:a@x.invalid>\r\n");
    assert!(
        hide(&mut disguise(true), &secure).contains("Contact: <sips:a@10.0.0.5:41234;transport=tls>\r\n")
    );
}

#[test]
fn item_1_a_request_of_the_pbx_names_the_contact_as_it_was() {
    let mut disguise = disguise(false);
    let register = |contact: &str| {
        request("REGISTER", "SIP/2.0/WS x.invalid;branch=z9hG4bK1", &format!("Contact: {contact}\r\n"))
    };
    hide(&mut disguise, &register("<sip:a@x.invalid;transport=ws>"));
    hide(&mut disguise, &register("<sip:b@y.invalid>"));
    for (target, own) in [
        ("sip:a@10.0.0.5:41234;transport=tcp", "sip:a@x.invalid;transport=ws"),
        ("sip:b@10.0.0.5:41234;transport=tcp", "sip:b@y.invalid"),
        // A PBX that changes the parameters of a Contact.
        ("sip:a@10.0.0.5:41234;ob;transport=TCP", "sip:a@x.invalid;ob;transport=ws"),
        ("sip:b@10.0.0.5:41234;transport=tcp;x=1", "sip:b@y.invalid;x=1"),
        ("sip:other@10.0.0.5:41234", "sip:other@y.invalid"),
        ("sip:a@10.0.0.5:5060", "sip:a@10.0.0.5:5060"),
        ("sip:a@pbx.example", "sip:a@pbx.example"),
        ("tel:+49", "tel:+49"),
    ] {
        let invite = |target: &str| {
            request("INVITE", "SIP/2.0/TCP pbx", "").replace("sip:pbx.example SIP", &format!("{target} SIP"))
        };
        assert_eq!(reveal(&mut disguise, &invite(target)), invite(own), "{target}");
    }
}

#[test]
fn item_1_no_more_is_remembered_than_a_browser_needs() {
    let mut disguise = disguise(false);
    for number in 0..100 {
        let via = format!("SIP/2.0/WS x.invalid;branch=z9hG4bK{number}");
        let contact = format!("Contact: <sip:a{number}@x.invalid>\r\n");
        hide(&mut disguise, &request("INVITE", &via, &contact));
    }
    assert_eq!((disguise.vias.len(), disguise.contacts.len()), (VIAS, CONTACTS));
    // A Via that was forgotten still names the browser.
    let shown = response("INVITE", "SIP/2.0/TCP 10.0.0.5:41234;branch=z9hG4bK1;received=10.0.0.5", "");
    let own = "SIP/2.0/WS x.invalid;branch=z9hG4bK1;received=10.0.0.5";
    assert_eq!(reveal(&mut disguise, &shown), response("INVITE", own, ""));
    for number in 84..100 {
        let via = format!("SIP/2.0/TCP 10.0.0.5:41234;branch=z9hG4bK{number}");
        reveal(&mut disguise, &response("MESSAGE", &via, ""));
    }
    assert!(disguise.vias.is_empty(), "what was answered is not remembered");
}

proptest! {
    /// Everything that the browser wrote comes back octet for octet, whatever the PBX adds to it.
    #[test]
    fn item_1_what_was_hidden_is_revealed(
        transport in "(WS|WSS|ws|wss)", gap in "[ \t]{1,3}", host in "[a-z0-9]{1,12}\\.invalid", port in "(:[1-9][0-9]{0,3})?",
        branch in "z9hG4bK[a-zA-Z0-9]{1,12}", more in "(;[a-z]{1,5}(=[a-z0-9]{1,5})?){0,3}", tls in any::<bool>(),
        user in "[a-z0-9%_.-]{1,10}", params in "(;(transport=(ws|WS)|ob|lr|x=[a-z]{1,4})){0,2}",
    ) {
        let via = format!("SIP/2.0/{transport}{gap}{host}{port};branch={branch}{more}");
        let contact = format!("sip:{user}@{host}{port}{params}");
        let mut disguise = disguise(tls);
        let sent = request("INVITE", &via, &format!("Contact: \"x\" <{contact}>;a=b\r\n"));
        let hidden = hide(&mut disguise, &sent);
        prop_assert!(!hidden.contains(".invalid"), "{}", hidden);
        let field = |name: &str| {
            let line = hidden.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..].to_owned()
        };
        let answer = response("INVITE", &format!("{};received=1.2.3.4", field("Via: ")), "");
        prop_assert_eq!(reveal(&mut disguise, &answer), response("INVITE", &via, ""));
        let shown = field("Contact: ");
        let shown = shown.split(['<', '>']).nth(1).unwrap();
        let call = |target: &str| request("BYE", "SIP/2.0/TCP pbx", "").replace("sip:pbx.example SIP", &format!("{target} SIP"));
        prop_assert_eq!(reveal(&mut disguise, &call(shown)), call(&contact));
        // Only the named edits are made.
        let back = hidden.replace(&field("Via: "), &via).replace(shown, &contact);
        prop_assert_eq!(back, sent);
    }
}

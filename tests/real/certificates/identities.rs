//! A7: every field that speaks for a user on a SIP connection that went out as proven must fit the certificate's name
//! (contract section 5): requests of every method, From, and the other identities.

use super::{HOST, Pbx, Spoken, by_tls, front, proven};
use crate::harness::baresip::Baresip;
use crate::harness::kamailio::Kamailio;
use crate::harness::{Identity, Portward, Target, TestCa, Wire, eventually, sip, within};

const METHODS: [&str; 12] = [
    "MESSAGE",
    "SUBSCRIBE",
    "REFER",
    "PUBLISH",
    "OPTIONS",
    "NOTIFY",
    "INFO",
    "UPDATE",
    "BYE",
    "INVITE",
    "PRACK",
    "FOO",
];

/// A request from `from`. Its To tag was invented by its sender, or there is none.
fn request(method: &str, from: &str, tag: &str, more: &str) -> String {
    sip::request_to(method, from, &format!("<sip:bob@{HOST}>{tag}"), more, "a body\r\n")
}

fn registered(portward: &Portward) -> Wire {
    let mut client = by_tls(portward, Spoken::Sip, &proven("ckl"));
    assert_eq!(Spoken::Sip.register(&mut client, "ckl", HOST).as_deref(), Some("TLS"));
    client
}

fn assert_refused(client: &mut Wire, octets: &str) {
    client.send(octets);
    let answer = sip::next_message(client).unwrap();
    assert_eq!(answer.start, "SIP/2.0 403 Forbidden", "{octets}");
}

fn assert_passes(client: &mut Wire, octets: &str) {
    client.send(octets);
    let answer = sip::next_message(client).unwrap();
    assert_eq!((answer.status(), answer.header("Server")), (200, Some("TLS")), "{octets}");
}

#[test]
fn requests_of_every_method_under_another_from_are_refused_and_do_not_count() {
    within(60, || {
        let pbx = Pbx::start();
        let portward = front(&pbx.host(HOST, "", "")).set("blacklist.allow", "[]").start();
        let mut client = registered(&portward);
        let (mark, seen) = (portward.mark(), pbx.sip[1].bytes());
        for method in METHODS {
            for from in ["ceo@dvl-ckl2.net", "ckl:ceo@dvl-ckl2.net", "c%6bl@dvl-ckl2.net"] {
                for tag in ["", ";tag=made-up"] {
                    assert_refused(&mut client, &request(method, from, tag, ""));
                }
            }
        }
        for method in METHODS.into_iter().filter(|method| *method != "INVITE") {
            assert_refused(&mut client, &request(method, "ckl@other.example", "", ""));
        }
        assert_eq!(pbx.sip[1].bytes(), seen, "{}", pbx.sip[1].transcript());
        portward.decision_after(mark, &["sips:ceo@dvl-ckl2.net MESSAGE cert=ok(ckl) rejected: other-name"]);
        for method in METHODS {
            assert_passes(&mut client, &request(method, "ckl@dvl-ckl2.net", "", ""));
            assert_passes(&mut client, &request(method, "anonymous@anonymous.invalid", ";tag=x", ""));
        }
        let said = portward.lines_since(mark).join("\n");
        assert_eq!(said.matches("rejected").count(), 1, "it is said once a connection:\n{said}");
        assert!(!said.contains("blacklisted"), "{said}");
        assert_eq!(pbx.seen(Spoken::Sip), [0, 1]);
    });
}

#[test]
fn identities_of_another_are_refused_in_every_spelling() {
    within(60, || {
        let pbx = Pbx::start();
        let portward = front(&pbx.host(HOST, "", "")).start();
        let mut client = registered(&portward);
        let (mark, seen) = (portward.mark(), pbx.sip[1].bytes());
        let identities = [
            "P-Asserted-Identity: \"ckl\" <sip:ceo@dvl-ckl2.net>\r\n",
            "P-Asserted-Identity: <sip:ckl@dvl-ckl2.net>, <tel:+4970317300>\r\n",
            "P-Asserted-Identity: <sip:ckl@dvl-ckl2.net>\r\nP-Asserted-Identity: <sip:ceo@dvl-ckl2.net>\r\n",
            "p-asserted-identity :\r\n\tsip:ceo@dvl-ckl2.net\r\n",
            "P-PREFERRED-IDENTITY:<sips:ceo@dvl-ckl2.net>\r\n",
            "P-Preferred-Identity: <sip:ckl@other.example>\r\n",
            "Remote-Party-ID: \"ckl\" <sip:ceo@dvl-ckl2.net>;party=calling;id-type=subscriber;screen=yes\r\n",
            "remote-party-id: sip:ceo@dvl-ckl2.net;party=called\r\n",
            "P-Asserted-Identity: <sip:ckl@dvl-ckl2.net\r\n",
        ];
        for identity in identities {
            for from in ["ckl@dvl-ckl2.net", "anonymous@anonymous.invalid"] {
                for method in METHODS {
                    assert_refused(&mut client, &request(method, from, "", identity));
                }
            }
            let own = format!("<sip:ckl@{HOST}>");
            assert_refused(&mut client, &sip::request_to("REGISTER", "ckl@dvl-ckl2.net", &own, identity, ""));
        }
        assert_eq!(pbx.sip[1].bytes(), seen, "{}", pbx.sip[1].transcript());
        portward.decision_after(
            mark,
            &["sips:ckl@dvl-ckl2.net MESSAGE sip:ceo@dvl-ckl2.net cert=ok(ckl) rejected: other-name"],
        );
        for identity in [
            "P-Asserted-Identity: \"CEO\" <sip:CKL@dvl-ckl2.net:5061>, <tel:ckl>\r\n",
            "P-Preferred-Identity: sip:ckl@dvl-ckl2.net\r\n",
            "Remote-Party-ID: <sip:ckl@dvl-ckl2.net>;party=calling;privacy=full\r\n",
            "Remote-Party-ID: <sip:anonymous@anonymous.invalid>;party=calling\r\n",
        ] {
            for from in ["ckl@dvl-ckl2.net", "anonymous@anonymous.invalid"] {
                assert_passes(&mut client, &request("INVITE", from, "", identity));
            }
        }
    });
}

/// The same request as the first one of its connection: then the connection is not proven.
#[test]
fn a_first_request_that_also_speaks_for_another_is_not_proven() {
    within(60, || {
        let pbx = Pbx::start();
        for (more, refused) in [("", false), (", on_failed_check = \"reject\"", true)] {
            let portward = front(&pbx.host(HOST, more, "")).start();
            for method in ["REGISTER", "INVITE"] {
                for (identity, way) in [
                    ("P-Asserted-Identity: <sip:ceo@dvl-ckl2.net>\r\n", "plain"),
                    ("P-Asserted-Identity: <sip:ckl@dvl-ckl2.net>, <tel:+49>\r\n", "plain"),
                    ("Remote-Party-ID: <sip:ceo@dvl-ckl2.net>;party=calling\r\n", "plain"),
                    ("P-Preferred-Identity: <sip:ckl@other.example>\r\n", "plain"),
                    ("P-Preferred-Identity: <sip:ckl@dvl-ckl2.net>\r\n", "TLS"),
                ] {
                    let mut client = by_tls(&portward, Spoken::Sip, &proven("ckl"));
                    client.send(sip::request(method, "ckl@dvl-ckl2.net", identity));
                    let answer = sip::next_message(&mut client);
                    let server = answer.as_ref().and_then(|answer| answer.header("Server"));
                    let expected = Some(way).filter(|way| !refused || *way == "TLS");
                    assert_eq!(server, expected, "{method} {identity}");
                }
            }
        }
    });
}

/// A PBX that calls a phone, after its registration, under an extension that no certificate has.
fn calling_pbx(identity: &Identity) -> Target {
    Target::scripted_tls(identity, |conn| {
        while let Some(message) = sip::next_message(conn) {
            if message.start.starts_with("SIP/2.0") || message.method() == "ACK" {
                continue;
            }
            let answer = sip::answer(&message, "200 OK", "TLS");
            if conn.try_send(answer).is_err() {
                return;
            }
            if message.method() == "REGISTER" {
                conn.send(
                    "INVITE sip:ckl@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS pbx;branch=z9hG4bKx\r\n\
                     From: <sip:bob@dvl-ckl2.net>;tag=bob\r\nTo: <sip:31@10.1.1.1;user=phone>\r\nCall-ID: call\r\n\
                     CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
                );
            }
        }
    })
}

#[test]
fn a_phone_that_was_called_by_its_extension_may_hang_up() {
    within(60, || {
        let pbx = calling_pbx(&TestCa::shared().issue(&[HOST]));
        let tcp = Target::recorder();
        let portward = front(&format!(
            "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = {} }}\n",
            tcp.port(),
            pbx.port()
        ))
        .start();
        let mut client = registered(&portward);
        let call = sip::next_message(&mut client).unwrap();
        assert_eq!(call.method(), "INVITE");
        // Its answers come from the extension, too. Another user's identity in an answer is removed, and no answer is
        // lost.
        let own = "Remote-Party-ID: \"Me\" <sip:31@10.1.1.1>;party=called\r\n";
        let foreign = "P-Asserted-Identity: <sip:ceo@dvl-ckl2.net>\r\n";
        let ringing = sip::answer(&call, "180 Ringing", "phone");
        client.send(ringing.replace("Server", &format!("{own}{foreign}Server")));
        eventually("the answer arrives without it", || pbx.transcript().contains("180 Ringing"));
        let seen = pbx.transcript();
        assert!(seen.contains(own) && !seen.contains("ceo"), "{seen}");

        let from_extension = |method: &str, tag: &str, call_id: &str| {
            let text = sip::request_to(method, "31@10.1.1.1", &format!("<sip:bob@{HOST}>;tag={tag}"), "", "");
            text.replace("1@10.0.0.1", call_id)
        };
        for method in ["INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE", "BYE", "BYE"] {
            assert_passes(&mut client, &from_extension(method, "bob", "call"));
        }
        let before = pbx.bytes();
        for (method, tag, call_id) in
            [("MESSAGE", "made-up", "call"), ("MESSAGE", "bob", "other"), ("INVITE", "made-up", "call")]
        {
            assert_refused(&mut client, &from_extension(method, tag, call_id));
        }
        // An ACK gets no answer. An ACK that speaks for another user is dropped.
        client.send(request("ACK", "ceo@dvl-ckl2.net", ";tag=made-up", ""));
        assert_refused(&mut client, &request("MESSAGE", "ceo@dvl-ckl2.net", "", ""));
        assert_eq!(pbx.bytes(), before);
        client.send(from_extension("ACK", "bob", "call"));
        eventually("the ACK of the call arrives", || pbx.bytes() > before);
        assert_eq!(tcp.connections(), 0);
    });
}

/// Without the check, or after it failed, nothing is proven, and names are not checked.
#[test]
fn a_connection_that_is_not_proven_is_not_held() {
    within(60, || {
        let pbx = Pbx::start();
        let portward = front(&pbx.host(HOST, "", "")).start();
        let mut client = by_tls(&portward, Spoken::Sip, &proven("somebody"));
        assert_eq!(Spoken::Sip.register(&mut client, "ckl", HOST).as_deref(), Some("plain"));
        for method in METHODS {
            client.send(request(method, "ceo@dvl-ckl2.net", "", "P-Asserted-Identity: <tel:+49>\r\n"));
            assert_eq!(sip::next_message(&mut client).unwrap().header("Server"), Some("plain"), "{method}");
        }
    });
}

/// Real phones with certificates call each other at a real proxy, and both may hang up.
#[test]
fn phones_with_certificates_call_each_other() {
    within(100, || {
        let kamailio = Kamailio::start(HOST);
        let portward = front(&format!(
            "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = {} }}\n",
            kamailio.plain, kamailio.tls
        ));
        let sips = crate::harness::free_port();
        let address = format!("\"127.0.0.1:{sips}\"");
        let portward = portward
            .set("listen.sips", &address)
            .set("sip.public_address", &address)
            .set("log.forwarded", "\"all\"")
            .start();
        let phone = |name: &str| {
            let chain = super::Authority::trusted().issue(&super::authority::Wanted::named(name));
            Baresip::with_certificate(name, HOST, sips, &format!("{}{}", chain.pem, chain.key))
        };
        let (alice, bob) = (phone("alice"), phone("bob"));
        alice.registered();
        bob.registered();
        for name in ["alice", "bob"] {
            let to = format!("-> 127.0.0.1:{}", kamailio.tls);
            portward.decision(&[&format!("{name}@{HOST} REGISTER cert=ok({name})"), &to]);
        }
        for hangs_up in [&alice, &bob] {
            alice.dial(&format!("sip:bob@{HOST}"));
            bob.answer();
            bob.event("CALL_ESTABLISHED");
            alice.event("CALL_ESTABLISHED");
            hangs_up.hang_up();
            alice.event("CALL_CLOSED");
            bob.event("CALL_CLOSED");
            alice.forget();
            bob.forget();
        }
        let said = portward.lines().join("\n");
        assert!(!said.contains("rejected"), "{said}");
    });
}

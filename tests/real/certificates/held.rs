//! The verdict holds for the connection (contract section 5): what a proven client may send next, and what it may not.

use portward::demo::ras::{discovery, request};
use portward::relay::h323::answer::tunnel;

use super::{HOST, Pbx, Spoken, by_tls, confirmed, front, proven};
use crate::harness::h323::{KEEP_ALIVE, confirmed_by, fixture, hidden, keep_alives, next_message, setup};
use crate::harness::{Portward, Wire, eventually, sip, within};

/// A registration of `ckl` that claims another name as well.
fn claim(name: &str) -> Vec<u8> {
    tunnel(&[&fixture(&format!("claims/{name}.bin"))])
}

fn started(more: &str) -> (Pbx, Portward) {
    let pbx = Pbx::start();
    let portward = front(&pbx.host(HOST, more, "")).set("log.ended", "\"all\"").start();
    (pbx, portward)
}

#[test]
fn sip_under_another_name_is_forbidden_and_the_connection_stays() {
    within(60, || {
        let (pbx, portward) = started("");
        let mut client = by_tls(&portward, Spoken::Sip, &proven("ckl"));
        assert_eq!(Spoken::Sip.register(&mut client, "ckl", HOST).as_deref(), Some("TLS"));
        let mark = portward.mark();
        let seen = pbx.sip[1].bytes();
        let to = |method: &str, from: &str, to: &str| {
            sip::request_to(method, from, &format!("<sip:{to}>"), "", "")
        };
        for refused in [
            sip::request("REGISTER", "other@dvl-ckl2.net", ""),
            sip::request("INVITE", "other@dvl-ckl2.net", ""),
            to("REGISTER", "ckl@dvl-ckl2.net", "other@dvl-ckl2.net"),
            to("REGISTER", "ckl@dvl-ckl2.net", "ckl@other.example"),
            sip::request("REGISTER", "ckl;x=1@dvl-ckl2.net", ""),
            sip::request("REGISTER", "%63kl@dvl-ckl2.net", ""),
            sip::request("REGISTER", "ckl:secret@dvl-ckl2.net", ""),
            sip::request("INVITE", "other@anonymous.invalid", ""),
            sip::request("REGISTER", "anonymous@anonymous.invalid", ""),
        ] {
            client.send(&refused);
            let answer = sip::next_message(&mut client).unwrap();
            assert_eq!(answer.status(), 403, "{refused}");
        }
        assert_eq!(pbx.sip[1].bytes(), seen, "{}", pbx.sip[1].transcript());
        portward.decision_after(mark, &["other@dvl-ckl2.net REGISTER cert=ok(ckl) rejected: other-name"]);
        for passed in [
            sip::request("REGISTER", "CKL@dvl-ckl2.net", ""),
            to("INVITE", "ckl@dvl-ckl2.net", "other@dvl-ckl2.net"),
            sip::request("INVITE", "anonymous@anonymous.invalid", ""),
            sip::request("OPTIONS", "ckl@dvl-ckl2.net", ""),
        ] {
            client.send(&passed);
            let answer = sip::next_message(&mut client).unwrap();
            assert_eq!((answer.status(), answer.header("Server")), (200, Some("TLS")), "{passed}");
        }
        assert_eq!(pbx.seen(Spoken::Sip), [0, 1]);
    });
}

#[test]
fn a_sip_name_with_two_readings_is_plain() {
    within(60, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        let to = |method: &str, from: &str, to: &str| {
            sip::request_to(method, from, &format!("<sip:{to}>"), "", "")
        };
        let expected = [
            (to("REGISTER", "ckl@dvl-ckl2.net", "other@dvl-ckl2.net"), "plain"),
            (to("REGISTER", "ckl@dvl-ckl2.net", "ckl@other.example"), "plain"),
            (sip::request("REGISTER", "ckl;x=1@dvl-ckl2.net", ""), "plain"),
            (sip::request("REGISTER", "ck%6c@dvl-ckl2.net", ""), "plain"),
            (sip::request("REGISTER", "ckl:x@dvl-ckl2.net", ""), "plain"),
            (sip::request("INVITE", "other@dvl-ckl2.net", ""), "plain"),
            (to("INVITE", "ckl:x@dvl-ckl2.net", "other@dvl-ckl2.net"), "plain"),
            (to("INVITE", "ckl@dvl-ckl2.net", "other@dvl-ckl2.net"), "TLS"),
            (to("REGISTER", "ckl@DVL-ckl2.net:5071;transport=tls", "Ckl@dvl-ckl2.net"), "TLS"),
        ];
        for (octets, way) in &expected {
            let mut client = by_tls(&portward, Spoken::Sip, &config);
            client.send(octets);
            let answer = sip::next_message(&mut client).unwrap();
            assert_eq!(answer.header("Server"), Some(*way), "{octets}");
        }
        assert_eq!(pbx.seen(Spoken::Sip), [7, 2]);
    });
}

#[test]
fn an_unproven_sip_connection_may_change_its_name() {
    within(60, || {
        let (pbx, portward) = started("");
        let mut client = by_tls(&portward, Spoken::Sip, &proven("somebody"));
        for name in ["ckl", "other", "somebody"] {
            assert_eq!(Spoken::Sip.register(&mut client, name, HOST).as_deref(), Some("plain"));
        }
        assert_eq!(pbx.seen(Spoken::Sip), [1, 0]);
    });
}

#[test]
fn h323_under_another_name_or_with_more_ends() {
    within(120, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        let mut ended = 0;
        for (later, reason) in [
            (request(2, HOST, "other"), "other-name"),
            (claim("name_number"), "other-name"),
            (claim("party"), "other-name"),
            (claim("none"), "other-name"),
            (claim("additive"), "other-name"),
            (claim("pattern"), "other-name"),
            (claim("gateway_prefix"), "other-name"),
            (vec![3, 0, 0, 8, 9, 9, 9, 9], "malformed"),
            (vec![3, 0, 0, 9, 8, 0, 0x6e, 0x28, 9], "malformed"),
            (tunnel(&[&[0x0c, 0xc0, 0]]), "malformed"),
        ] {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            assert_eq!(confirmed(&mut client, &request(1, HOST, "ckl")), "TLS");
            // Registrations with a proof, and messages without a claim, may follow.
            for fine in
                [request(2, HOST, "CKL"), claim("name"), claim("alive"), claim("gateway"), discovery(3, HOST)]
            {
                client.send(fine);
                assert!(next_message(&mut client).is_some());
            }
            client.send([setup("x@dvl-ckl2.net"), KEEP_ALIVE.to_vec()].concat());
            let mark = portward.mark();
            client.send(&later);
            assert!(next_message(&mut client).is_none(), "{reason}");
            portward.decision_after(mark, &["h323s:", &format!("rejected: {reason}")]);
            portward.line_after(mark, &["ended by client in relay", reason]);
            let received = pbx.h323[1].received(ended);
            assert!(!received.windows(later.len()).any(|part| part == later), "it was not passed on");
            ended += 1;
        }
        assert_eq!(pbx.seen(Spoken::H323), [0, ended]);
    });
}

/// Issue 15, A7: calls and RAS messages for another name, another endpoint, another number.
#[test]
fn h323_that_speaks_for_another_ends() {
    within(120, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        let mut files: Vec<_> = std::fs::read_dir("tests/fixtures/h323/speaks")
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        let (own, others): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|path| path.file_name().unwrap().to_str().unwrap().starts_with("own_"));
        let first = request(1, HOST, "ckl");
        let own: Vec<_> = own.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let mut client = by_tls(&portward, Spoken::H323, &config);
        assert_eq!(confirmed(&mut client, &first), "TLS");
        client.send(own.concat());
        let said = [&first[..], &own.concat()].concat();
        eventually("what is his own passes", || pbx.h323[1].received(0) == said);
        for (number, path) in others.iter().enumerate() {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            assert_eq!(confirmed(&mut client, &first), "TLS");
            let mark = portward.mark();
            client.send(std::fs::read(path).unwrap());
            assert!(next_message(&mut client).is_none(), "{path:?}");
            portward.decision_after(mark, &["h323s:", "rejected: other-name"]);
            assert_eq!(pbx.h323[1].received(number + 1), first, "{path:?}");
        }
        assert!(own.len() > 25 && others.len() > 25);
    });
}

/// Issue 15, A7: if nothing is proven the PBX itself decides.
#[test]
fn h323_that_speaks_for_another_passes_where_nothing_is_proven() {
    within(60, || {
        let (pbx, portward) = started("");
        let mut client = by_tls(&portward, Spoken::H323, &proven("somebody"));
        assert_eq!(confirmed(&mut client, &request(1, HOST, "ckl")), "plain");
        let said = ["other_setup", "other_arq_endpoint", "other_urq_alias", "other_drq"]
            .map(|name| fixture(&format!("speaks/{name}.bin")))
            .concat();
        client.send(&said);
        eventually("it passes", || pbx.h323[0].received(0).ends_with(&said));
    });
}

/// Issue 15, A7: numbers beside a name, where the rule allows them.
#[test]
fn h323_calls_with_numbers_as_the_rule_says() {
    within(60, || {
        let pbx = Pbx::start();
        let [tcp, tls] = pbx.h323.each_ref().map(crate::harness::Target::port);
        let rules = format!(
            "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {tcp}, tls = {tls}, numbers = \"with-name\" }}\n"
        );
        let portward = front(&rules).start();
        let mut client = by_tls(&portward, Spoken::H323, &proven("ckl"));
        assert_eq!(confirmed(&mut client, &claim("name_number")), "TLS");
        let said = ["number_arq", "number_setup", "number_setup_calling"]
            .map(|name| fixture(&format!("speaks/{name}.bin")))
            .concat();
        client.send(&said);
        eventually("it passes", || pbx.h323[1].received(0).ends_with(&said));
    });
}

/// Issue 15, A3: a registration that only another reader finds does not pass. A keep-alive does not end the connection.
#[test]
fn h323_in_forms_that_no_device_sends_ends_and_keep_alives_pass() {
    within(120, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        let first = request(1, HOST, "ckl");
        let said = [first.clone(), keep_alives().concat()].concat();
        for (number, (form, octets)) in hidden().into_iter().enumerate() {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            assert_eq!(confirmed(&mut client, &first), "TLS");
            client.send(keep_alives().concat());
            eventually("keep-alives pass", || pbx.h323[1].received(number) == said);
            let mark = portward.mark();
            client.send(&octets);
            assert!(next_message(&mut client).is_none(), "{form}");
            portward.decision_after(mark, &["h323s:", "rejected: malformed"]);
            assert_eq!(pbx.h323[1].received(number), said, "{form}");
        }
    });
}

#[test]
fn h323_goes_out_plain_where_something_is_not_proven() {
    within(120, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        let unclear = [&[3, 0, 0, 9, 8, 0, 0x6e, 0x28, 9][..], &request(1, HOST, "ckl")].concat();
        let two = [claim("name"), request(2, HOST, "other")].concat();
        let mut plain = 0;
        for octets in [
            claim("name_number"),
            claim("number"),
            claim("party"),
            claim("none"),
            claim("alive"),
            claim("additive"),
            claim("pattern"),
            claim("gateway_prefix"),
            claim("gateway_newer"),
            request(1, HOST, "ckl "),
            unclear,
        ] {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            client.send(&octets);
            assert_eq!(confirmed_by(&mut client), "plain");
            plain += 1;
        }
        // A call before a registration has no proven name.
        let mut client = by_tls(&portward, Spoken::H323, &config);
        client.send(setup("x@dvl-ckl2.net"));
        plain += 1;
        eventually("the call arrives", || pbx.seen(Spoken::H323) == [plain, 0]);
        // If two messages come at once the second one is judged as well.
        let mut client = by_tls(&portward, Spoken::H323, &config);
        client.send(two);
        while next_message(&mut client).is_some() {}
        eventually("the connection was made", || pbx.seen(Spoken::H323) == [plain, 1]);
        assert!(pbx.h323[1].received(0).len() <= claim("name").len());
    });
}

#[test]
fn numbers_beside_a_name_as_the_rule_says() {
    within(60, || {
        let pbx = Pbx::start();
        let [tcp, tls] = pbx.h323.each_ref().map(crate::harness::Target::port);
        let rules = format!(
            "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {tcp}, tls = {tls}, numbers = \"with-name\" }}\n"
        );
        let portward = front(&rules).start();
        for (octets, way) in [
            (claim("name_number"), "TLS"),
            (claim("number"), "plain"),
            (claim("party"), "plain"),
            (claim("name"), "TLS"),
        ] {
            let mut client = by_tls(&portward, Spoken::H323, &proven("ckl"));
            assert_eq!(confirmed(&mut client, &octets), way);
        }
        let mut client = by_tls(&portward, Spoken::H323, &proven("other"));
        assert_eq!(confirmed(&mut client, &claim("name_number")), "plain");
    });
}

#[test]
fn who_looks_for_a_gatekeeper_first_must_be_proven_then() {
    within(60, || {
        let (pbx, portward) = started("");
        let config = proven("ckl");
        for (number, (next, reason)) in [
            (request(2, HOST, "other"), "other-name"),
            (setup("x@dvl-ckl2.net"), "other-name"),
            (claim("alive"), "other-name"),
            (claim("none"), "other-name"),
        ]
        .into_iter()
        .enumerate()
        {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            client.send(discovery(1, HOST));
            assert!(next_message(&mut client).is_some());
            let mark = portward.mark();
            client.send(&next);
            assert!(next_message(&mut client).is_none());
            portward.decision_after(mark, &[&format!("rejected: {reason}")]);
            assert_eq!(pbx.h323[1].received(number), discovery(1, HOST));
        }
        let mut client = by_tls(&portward, Spoken::H323, &config);
        client.send(discovery(1, HOST));
        assert!(next_message(&mut client).is_some());
        assert_eq!(confirmed(&mut client, &request(2, HOST, "ckl")), "TLS");
        // A telephone without a trusted certificate looks for the gatekeeper by plain TCP. So it registers there.
        let mut client = Wire::tls(portward.port("h323s"), HOST);
        client.send(discovery(1, HOST));
        assert!(next_message(&mut client).is_some());
        assert_eq!(confirmed(&mut client, &request(2, HOST, "ckl")), "plain");
        assert_eq!(pbx.seen(Spoken::H323), [1, 5]);
    });
}

#[test]
fn a_rule_can_refuse_who_is_not_proven() {
    within(60, || {
        let (pbx, portward) = started(", on_failed_check = \"reject\"");
        for spoken in Spoken::BOTH {
            let mut good = by_tls(&portward, spoken, &proven("ckl"));
            assert_eq!(spoken.register(&mut good, "ckl", HOST).as_deref(), Some("TLS"));
            let mark = portward.mark();
            for mut bad in [
                by_tls(&portward, spoken, &proven("other")),
                Wire::tls(portward.port(spoken.key(true)), HOST),
                Wire::plain(portward.port(spoken.key(false))),
            ] {
                assert_eq!(spoken.register(&mut bad, "ckl", HOST), None);
                portward.decision_after(mark, &["rejected: certificate"]);
            }
            assert_eq!(pbx.seen(spoken), [0, 1]);
        }
    });
}

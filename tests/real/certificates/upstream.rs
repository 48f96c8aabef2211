//! Toward the PBX: our own certificate, and which targets are accepted as the PBX (contract section 4).

use super::{Spoken, by_tls, front, proven};
use crate::harness::kamailio::Kamailio;
use crate::harness::{Portward, Setup, Target, TestCa, sip, within};

const DOMAIN: &str = "dvl-ckl2.net";

fn rules(plain: u16, tls: u16, more: &str) -> String {
    format!(
        "[[host]]\nname = \"{DOMAIN}\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {plain}, tls = {tls} }}\n{more}"
    )
}

fn verifying(rules: &str) -> Setup {
    let front = front(rules).set("upstream.verify", "\"ca\"").set("upstream.trust", "\"inside\"");
    TestCa::shared().write(&front.dir().join("inside/ca.crt"));
    front
}

/// Registers as `alice`, with her certificate. Returns the status.
fn register(portward: &Portward) -> Option<u16> {
    let mut client = by_tls(portward, Spoken::Sip, &proven("alice"));
    client.send(sip::request("REGISTER", &format!("alice@{DOMAIN}"), "Contact: <sip:alice@127.0.0.1>\r\n"));
    sip::next_message(&mut client).map(|answer| answer.status())
}

#[test]
fn kamailio_demands_our_certificate_and_reports_its_name() {
    within(60, || {
        let kamailio = Kamailio::demanding(DOMAIN);
        let rules = rules(kamailio.plain, kamailio.tls, "");
        let front = verifying(&rules).set("upstream.certificate", "\"own/rp.crt\"");
        TestCa::shared().issue(&["portward.dvl-ckl2.net"]).write(&front.dir().join("own"), "rp");
        let portward = front.start();
        assert_eq!(register(&portward), Some(401), "Kamailio wants a password on top");
        kamailio.line(&["PEER portward.dvl-ckl2.net"]);
        portward.decision(&["cert=ok(alice)", &format!("-> 127.0.0.1:{}(new)", kamailio.tls)]);

        // The PBX refuses clients without a certificate.
        let portward = verifying(&rules).set("log.ended", "\"all\"").start();
        assert_eq!(register(&portward), None);
        // In TLS 1.3 it does so after the handshake has ended on our side (RFC 8446 §4.4.2.4).
        portward.line(&["sips:", "ended by target", "(target-down)"]);
    });
}

/// A target that is not verified gets no octet.
#[test]
fn a_target_that_is_not_verified_is_told_nothing() {
    within(60, || {
        let stranger = TestCa::new("Somebody").issue(&[DOMAIN]);
        let misnamed = TestCa::shared().issue(&["other.example"]);
        let good = TestCa::shared().issue(&[DOMAIN]);
        let right_name = "[target.\"127.0.0.1\"]\nserver_name = \"other.example\"\n".to_owned();
        let pinned = |identity: &crate::harness::Identity| {
            format!("[target.\"127.0.0.1\"]\npin = \"{}\"\n", identity.pin())
        };
        let unverified = "[target.\"127.0.0.1\"]\nverify = \"none\"\n".to_owned();
        for (identity, more, taken) in [
            (&good, String::new(), true),
            (&stranger, String::new(), false),
            (&misnamed, String::new(), false),
            (&misnamed, right_name, true),
            (&stranger, pinned(&stranger), true),
            (&good, pinned(&stranger), false),
            (&stranger, unverified, true),
        ] {
            let plain = Target::recorder();
            let tls = Target::scripted_tls(identity, |conn| sip::serve(conn, "TLS"));
            let portward = verifying(&rules(plain.port(), tls.port(), &more)).start();
            assert_eq!(register(&portward), taken.then_some(200), "{more}");
            if !taken {
                portward.decision(&["rejected: target-tls"]);
                assert_eq!(tls.bytes(), 0);
            }
            plain.assert_untouched("what is proven does not go out in the clear instead");
        }
    });
}

//! Telephones of an account that is disabled, by itself or by a tenant above, are told so, whatever `reject` is
//! (contract section 9).

use std::os::unix::net::UnixStream;

use super::{digest, request, server};
use crate::harness::sip::{next_message, pbx};
use crate::harness::{Portward, Target, Wire, command, eventually, within};

/// `acct.example` belongs to a tenant below a reseller. `other.example` belongs to no tenant.
fn start(acct: &Target, other: &Target) -> Portward {
    let rules = format!(
        "[tenant.reseller]\n[tenant.acct]\nparent = \"reseller\"\n\
         [[host]]\nname = \"acct.example\"\ntenant = \"acct\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n\
         [[host]]\nname = \"other.example\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
        acct.port(),
        other.port()
    );
    let setup = Portward::rules(&rules).certificate("server", &["acct.example"]).listen("sip").listen("sips");
    let setup = setup.set("sip.identify", "[\"realm\", \"from\", \"uri\"]").set("blacklist.allow", "[]");
    let portward = setup.set("limits.drain_timeout", "\"60s\"").start();
    eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

fn clients(portward: &Portward) -> [Wire; 2] {
    [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), "acct.example")]
}

/// `portward tenant disable` and `enable`.
fn switch(portward: &Portward, verb: &str, tenant: &str) {
    let config = portward.config().display().to_string();
    let run = command(20, portward.dir(), &["tenant", "--config", &config, verb, tenant]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn w4_telephones_of_a_disabled_account_are_told_so_and_never_count() {
    within(150, || {
        let (acct, other) = (pbx("acct"), pbx("other"));
        let portward = start(&acct, &other);
        let realm = digest("Authorization", "\"acct.example\"");
        let ways = [
            ("REGISTER", "10.0.0.2", "acct.example", String::new()),
            ("REGISTER", "acct.example", "10.0.0.1", String::new()),
            ("REGISTER", "10.0.0.2", "10.0.0.1", realm.clone()),
            ("INVITE", "x@10.0.0.2", "acct.example", String::new()),
            ("INVITE", "x@10.0.0.2", "anonymous.invalid", realm.replacen("Auth", "Proxy-Auth", 1)),
        ];
        for tenant in ["acct", "reseller"] {
            let mut registered = clients(&portward);
            for phone in &mut registered {
                phone.send(request("REGISTER", "acct.example", "acct.example", ""));
                assert_eq!(server(phone), "acct");
            }
            switch(&portward, "disable", tenant);
            let (before, mark) = (acct.bytes(), portward.mark());
            // New telephones: more of them than would list an address.
            for _ in 0..3 {
                for (method, uri, from, more) in &ways {
                    for mut phone in clients(&portward) {
                        phone.send(request(method, uri, from, more));
                        let rest = String::from_utf8(phone.rest()).unwrap();
                        assert!(rest.starts_with("SIP/2.0 403 "), "{tenant} {method} {uri} {from}: {rest}");
                    }
                }
            }
            // Registered telephones: every request that begins something new is refused.
            for phone in &mut registered {
                for (method, uri, from, more) in &ways {
                    phone.send(request(method, uri, from, more));
                    let answer = next_message(phone).expect("an answer");
                    assert_eq!(answer.status(), 403, "{tenant} {method} {uri} {from}");
                }
                for method in ["MESSAGE", "SUBSCRIBE", "OPTIONS", "PUBLISH"] {
                    phone.send(request(method, "x@acct.example", "acct.example", ""));
                    assert_eq!(next_message(phone).expect("an answer").status(), 403, "{tenant} {method}");
                }
            }
            assert_eq!(acct.bytes(), before, "nothing reached the PBX");
            let lines = || portward.lines_since(mark).join("\n");
            eventually("the log says why", || lines().matches(" rejected: disabled").count() >= 30);
            let lines = lines();
            assert!(!lines.contains("blacklisted"), "{lines}");
            // A running call goes on until the drain time is over.
            for phone in &mut registered {
                let bye = request("BYE", "x@acct.example", "acct.example", "");
                phone.send(bye.replacen("To: <sip:u@acct.example>", "To: <sip:u@acct.example>;tag=pbx", 1));
                assert_eq!(server(phone), "acct");
            }
            // Another account is not disturbed.
            let mut neighbour = Wire::plain(portward.port("sip"));
            neighbour.send(request("REGISTER", "other.example", "other.example", ""));
            assert_eq!(server(&mut neighbour), "other");
            switch(&portward, "enable", tenant);
            for phone in &mut registered {
                phone.send(request("REGISTER", "acct.example", "acct.example", ""));
                assert_eq!(server(phone), "acct", "it is served again on the same connection");
            }
        }
    });
}

//! W4: accounts by their realms (contract section 9, *Accounts*; `sip.identify`).

mod disabled;

use crate::harness::sip::{next_message, pbx};
use crate::harness::{Portward, Setup, Target, Wire, within};

fn host(name: &str, more: &str, target: &Target) -> String {
    format!(
        "[[host]]\nname = \"{name}\"\n{more}target = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
        target.port()
    )
}

struct Houses {
    a: Target,
    b: Target,
    portward: Portward,
}

impl Houses {
    fn start(more: impl FnOnce(Setup) -> Setup) -> Self {
        let (a, b) = (pbx("a"), pbx("b"));
        let rules = [
            host("a.example", "aliases = [\"alias.example\"]\n", &a),
            host("b.example", "", &b),
            host("off.example", "enabled = false\n", &b),
        ];
        let setup = Portward::rules(&rules.concat()).certificate("server", &["a.example"]);
        let setup = setup.listen("sip").listen("sips").set("sip.identify", "[\"realm\", \"from\", \"uri\"]");
        Self { a, b, portward: more(setup).start() }
    }

    fn clients(&self) -> [Wire; 2] {
        [Wire::plain(self.portward.port("sip")), Wire::tls(self.portward.port("sips"), "a.example")]
    }

    fn bytes(&self) -> usize {
        self.a.bytes() + self.b.bytes()
    }
}

fn request(method: &str, uri: &str, from: &str, more: &str) -> String {
    format!(
        "{method} sip:{uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:u@{from}>;tag=a\r\nTo: <sip:u@{from}>\r\nCall-ID: 1@x\r\nCSeq: 1 {method}\r\n{more}\
         Content-Length: 0\r\n\r\n"
    )
}

fn digest(field: &str, realm: &str) -> String {
    format!("{field}: Digest username=\"u\", realm={realm}, nonce=\"n\", uri=\"sip:x\", response=\"0\"\r\n")
}

/// The name of the PBX that has answered.
fn server(client: &mut Wire) -> String {
    let answer = next_message(client).expect("an answer");
    answer.header("server").unwrap_or_else(|| panic!("not of a PBX: {answer:?}")).to_owned()
}

#[test]
fn w4_a_realm_names_the_host_in_either_field_and_any_spelling() {
    within(100, || {
        let houses = Houses::start(|setup| setup);
        for realm in [
            "\"a.example\"",
            "\"A.EXAMPLE\"",
            "a.example",
            "\"a.example:5060\"",
            "\"a\\.example\"",
            "\"alias.example\"",
        ] {
            for field in ["Authorization", "Proxy-Authorization", "proxy-authorization "] {
                for method in ["REGISTER", "INVITE"] {
                    for mut client in houses.clients() {
                        client.send(request(method, "10.0.0.2", "10.0.0.1", &digest(field, realm)));
                        assert_eq!(server(&mut client), "a", "{method} {field} {realm}");
                    }
                }
            }
        }
        assert_eq!(houses.b.bytes(), 0);
    });
}

#[test]
fn w4_before_a_challenge_from_and_the_request_uri_name_the_host() {
    within(60, || {
        let houses = Houses::start(|setup| setup);
        for (uri, from, name) in [
            ("10.0.0.2", "b.example", "b"),
            ("b.example", "10.0.0.1", "b"),
            ("a.example:5061;transport=tls", "unknown.example", "a"),
            ("alias.example", "a.example", "a"),
        ] {
            for mut client in houses.clients() {
                client.send(request("REGISTER", uri, from, ""));
                assert_eq!(server(&mut client), name, "{uri} {from}");
                // The telephone logs in, on the same connection.
                let realm = format!("\"{name}.example\"");
                client.send(request("REGISTER", uri, from, &digest("Authorization", &realm)));
                assert_eq!(server(&mut client), name, "{uri} {from}");
            }
        }
    });
}

#[test]
fn w4_two_names_of_different_hosts_are_refused_first_and_answered_403_later() {
    within(100, || {
        let houses = Houses::start(|setup| setup.set("blacklist.allow", "[]"));
        let both = |one: &str, other: &str| {
            digest("Authorization", &format!("\"{one}\""))
                + &digest("Proxy-Authorization", &format!("\"{other}\""))
        };
        for (uri, from, more) in [
            ("10.0.0.2", "10.0.0.1", both("a.example", "b.example")),
            ("10.0.0.2", "a.example", both("a.example", "b.example")),
            ("10.0.0.2", "b.example", digest("Authorization", "\"a.example\"")),
            ("a.example", "b.example", String::new()),
            ("b.example", "10.0.0.1", digest("Proxy-Authorization", "\"a.example\"")),
        ] {
            for mut client in houses.clients() {
                let (before, mark) = (houses.bytes(), houses.portward.mark());
                client.send(request("REGISTER", uri, from, &more));
                assert_eq!(client.rest(), b"", "{uri} {from} {more}");
                houses.portward.decision_after(mark, &[" rejected: other-target"]);
                assert_eq!(houses.bytes(), before);
            }
            for mut client in houses.clients() {
                client.send(request("REGISTER", "a.example", "a.example", ""));
                assert_eq!(server(&mut client), "a");
                let before = houses.bytes();
                client.send(request("REGISTER", uri, from, &more));
                assert_eq!(
                    next_message(&mut client).expect("an answer").status(),
                    403,
                    "{uri} {from} {more}"
                );
                assert_eq!(houses.bytes(), before);
                client.send(request("REGISTER", "a.example", "a.example", ""));
                assert_eq!(server(&mut client), "a", "the connection stays");
            }
        }
        // The realm of another account on the same connection, also in a call with a withheld number.
        for from in ["10.0.0.1", "anonymous.invalid"] {
            for mut client in houses.clients() {
                client.send(request("REGISTER", "a.example", "a.example", ""));
                assert_eq!(server(&mut client), "a");
                client.send(request("INVITE", "x", from, &digest("Authorization", "\"b.example\"")));
                assert_eq!(next_message(&mut client).expect("an answer").status(), 403, "{from}");
            }
        }
        let lines = houses.portward.lines().join("\n");
        assert!(!lines.contains("blacklisted"), "telephones of two accounts do not count");
    });
}

#[test]
fn w4_names_that_lead_nowhere_are_refused_as_before_and_realms_do_not_matter_by_default() {
    within(60, || {
        let houses = Houses::start(|setup| setup);
        for mut client in houses.clients() {
            let mark = houses.portward.mark();
            client.send(request(
                "REGISTER",
                "10.0.0.2",
                "nobody.example",
                &digest("Authorization", "\"asterisk\""),
            ));
            assert_eq!(client.rest(), b"");
            houses.portward.decision_after(mark, &[" rejected: unknown-host"]);
        }
        let houses = Houses::start(|setup| setup.set("sip.identify", "[\"from\"]"));
        for mut client in houses.clients() {
            client.send(request(
                "REGISTER",
                "a.example",
                "b.example",
                &digest("Authorization", "\"a.example\""),
            ));
            assert_eq!(server(&mut client), "b");
        }
    });
}

#[test]
fn w4_a_realm_of_a_disabled_account_does_not_fall_back_to_from() {
    within(60, || {
        let houses = Houses::start(|setup| setup);
        for mut client in houses.clients() {
            let (before, mark) = (houses.bytes(), houses.portward.mark());
            client.send(request(
                "REGISTER",
                "10.0.0.2",
                "10.0.0.1",
                &digest("Authorization", "\"off.example\""),
            ));
            let _ = client.rest();
            houses.portward.decision_after(mark, &[" rejected: disabled"]);
            assert_eq!(houses.bytes(), before);
        }
    });
}

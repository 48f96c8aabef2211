//! The first requests of a connection: they are asked for a credential. The PBX sees nothing before a credential is
//! right.

use super::{Challenge, Credential, House, Request, SECRET, ask, at, log_in, server};
use crate::harness::sip::next_message;
use crate::harness::{Target, within};

const ALICE: &str = "alice@pbx.example";

#[test]
fn w5_a_request_is_asked_for_a_credential_and_the_pbx_sees_it_without() {
    within(60, || {
        let house = House::plain();
        for mut client in [house.tcp(), house.tls()] {
            let before = house.pbx.bytes();
            for (method, status) in [("OPTIONS", 407), ("MESSAGE", 407), ("INVITE", 407), ("REGISTER", 401)] {
                let answer = ask(&mut client, &Request::of(method, ALICE));
                assert_eq!(answer.status(), status, "{method}");
                let [challenge] = &Challenge::all(&answer)[..] else { panic!("{answer:?}") };
                assert_eq!(
                    (&*challenge.realm, &*challenge.algorithm, challenge.stale),
                    ("pbx.example", "MD5", false)
                );
            }
            assert_eq!(house.pbx.bytes(), before, "nothing has reached the PBX");
            let register =
                Request::of("REGISTER", ALICE).with("X-Tenant: made-up\r\nx_tenant :\r\n more\r\n");
            let answer = log_in(&mut client, &register, &Credential::good("alice"));
            assert_eq!((answer.status(), server(&answer)), (200, Some("pbx")));
            // Later requests pass without a challenge.
            let answer = ask(&mut client, &Request::of("MESSAGE", ALICE).to("bob@pbx.example"));
            assert_eq!(server(&answer), Some("pbx"));
        }
        let seen = house.pbx.transcript();
        assert_eq!(seen.matches("REGISTER sip:").count(), 2, "{seen}");
        for word in ["Authorization", "X-Tenant", "x_tenant", "more", "nonce"] {
            assert!(!seen.contains(word), "{word} in {seen}");
        }
    });
}

#[test]
fn w5_what_is_wrong_reaches_no_pbx_and_counts_as_it_should() {
    within(100, || {
        let house = House::plain();
        let altered = |mut credential: Credential| {
            let first = if credential.password.starts_with('A') { "B" } else { "A" };
            credential.password.replace_range(..1, first);
            credential
        };
        let of = |username: String| Credential::of(&username, SECRET);
        let good = |user: &str| format!("{}:{user}", at(300));
        for (what, credential, status, reason) in [
            ("altered", altered(Credential::good("alice")), 401, "failed-login"),
            ("other secret", Credential::of(&good("alice"), "south"), 401, "failed-login"),
            ("no timestamp", of("alice".to_owned()), 401, "failed-login"),
            ("negative", of(format!("-{}", good("alice"))), 401, "failed-login"),
            ("leading zero", of(format!("0{}", good("alice"))), 401, "failed-login"),
            ("huge", of("99999999999:alice".to_owned()), 401, "failed-login"),
            ("empty user", of(good("")), 401, "failed-login"),
            ("too long", of(format!("{}:alice", at(86_400 + 120))), 403, "failed-login"),
            ("ten digits", of("9999999999:alice".to_owned()), 403, "failed-login"),
            ("expired and altered", altered(of(format!("{}:alice", at(-5)))), 401, "failed-login"),
            ("expired", of(format!("{}:alice", at(-5))), 403, "expired"),
            ("other user", of(good("bob")), 403, "other-name"),
            ("several colons", of(good("5:alice")), 403, "other-name"),
        ] {
            for mut client in [house.tcp(), house.tls()] {
                let mark = house.portward.mark();
                let answer = log_in(&mut client, &Request::of("REGISTER", ALICE), &credential);
                assert_eq!(answer.status(), status, "{what}");
                let phrase = answer.start.contains("Credential expired");
                assert_eq!(phrase, what == "expired", "{what}: {}", answer.start);
                house.portward.decision_after(mark, &[&format!(" rejected: {reason}")]);
            }
        }
        house.pbx.assert_untouched("nothing of these goes on");
        for line in house.portward.lines() {
            assert!(!line.contains("nonce") && !line.contains("response"), "{line}");
        }
    });
}

#[test]
fn w5_nonces_are_for_one_connection_and_nc_rises() {
    within(60, || {
        let house = House::plain();
        let (alice, register) = (Credential::good("alice"), Request::of("REGISTER", ALICE));
        let (mut one, mut other) = (house.tcp(), house.tcp());
        let of_other = Challenge::first(&ask(&mut other, &register));
        let mark = house.portward.mark();
        for nonce in [of_other.nonce.clone(), "made-up".to_owned()] {
            let foreign = Challenge { nonce, ..of_other.clone() };
            let answer = ask(&mut one, &register.answered(&foreign, &alice, 1));
            assert_eq!((answer.status(), Challenge::first(&answer).stale), (401, true));
        }
        assert!(!house.portward.lines_since(mark).join("\n").contains("failed-login"), "that does not count");
        house.pbx.assert_untouched("no nonce was right");
        let challenge = Challenge::first(&ask(&mut one, &register));
        assert_eq!(server(&ask(&mut one, &register.answered(&challenge, &alice, 7))), Some("pbx"));
        let before = house.pbx.bytes();
        for nc in [7, 1] {
            let answer = ask(&mut one, &register.answered(&challenge, &alice, nc));
            assert_eq!((answer.status(), Challenge::first(&answer).stale), (401, false), "{nc}");
        }
        house.portward.decision_after(mark, &[" rejected: failed-login"]);
        assert_eq!(house.pbx.bytes(), before);
        assert_eq!(server(&ask(&mut one, &register.answered(&challenge, &alice, 8))), Some("pbx"));
    });
}

#[test]
fn w5_ack_and_cancel_are_not_asked_and_reach_nothing() {
    within(60, || {
        let house = House::plain();
        let mut client = house.tcp();
        client.send(Request::of("ACK", ALICE).text());
        let answer = ask(&mut client, &Request::of("CANCEL", ALICE));
        assert_eq!(answer.status(), 481);
        let made_up = Request::of("INVITE", ALICE).to("<sip:bob@pbx.example>;tag=made-up");
        assert_eq!(ask(&mut client, &made_up).status(), 407);
        house.pbx.assert_untouched("no request was proven");
        let answer = log_in(&mut client, &Request::of("INVITE", ALICE), &Credential::good("alice"));
        assert_eq!(server(&answer), Some("pbx"));
        client.send(Request::of("ACK", ALICE).text());
        client.send(Request::of("CANCEL", ALICE).text());
        assert_eq!(next_message(&mut client).as_ref().and_then(server), Some("pbx"));
        assert!(house.pbx.transcript().contains("ACK sip:"));
    });
}

#[test]
fn w5_algorithms_are_offered_in_their_order() {
    within(60, || {
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n";
        let house = House::start(rules, |setup| setup.set("sip.digest", "[\"SHA-256\", \"MD5\"]"));
        for number in [0, 1] {
            let mut client = house.tcp();
            let register = Request::of("REGISTER", ALICE);
            let challenges = Challenge::all(&ask(&mut client, &register));
            let names: Vec<_> = challenges.iter().map(|challenge| &*challenge.algorithm).collect();
            assert_eq!(names, ["SHA-256", "MD5"]);
            let answer =
                ask(&mut client, &register.answered(&challenges[number], &Credential::good("alice"), 1));
            assert_eq!(server(&answer), Some("pbx"));
        }
        // A nonce is for one algorithm.
        let mut client = house.tcp();
        let register = Request::of("REGISTER", ALICE);
        let mut challenge = Challenge::first(&ask(&mut client, &register));
        challenge.algorithm = "MD5".to_owned();
        let answer = ask(&mut client, &register.answered(&challenge, &Credential::good("alice"), 1));
        assert!(Challenge::first(&answer).stale);
    });
}

#[test]
fn w5_what_a_message_has_proven_holds_for_the_registration_after_it() {
    within(60, || {
        let house = House::plain();
        let mut client = house.tcp();
        let answer = log_in(&mut client, &Request::of("MESSAGE", ALICE), &Credential::good("alice"));
        assert_eq!((answer.status(), answer.header("retry-after").is_some()), (480, true), "{answer:?}");
        house.pbx.assert_untouched("a MESSAGE decides nothing");
        assert_eq!(server(&ask(&mut client, &Request::of("REGISTER", ALICE))), Some("pbx"));
    });
}

#[test]
fn w5_an_answer_of_the_pbx_to_a_proven_client_is_no_failed_login() {
    within(60, || {
        // The PBX refuses every request.
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n";
        let house = House::with(
            Target::scripted(|conn| {
                while let Some(request) = next_message(conn) {
                    if conn.try_send(crate::harness::sip::answer(&request, "403 Forbidden", "pbx")).is_err() {
                        return;
                    }
                }
            }),
            rules,
            |setup| setup.set("blacklist.allow", "[]").set("blacklist.suspicious_per_minute", "3"),
        );
        let mut client = house.tcp();
        let register = Request::of("REGISTER", ALICE);
        let challenge = Challenge::first(&ask(&mut client, &register));
        for nc in 1..9 {
            let answer = ask(&mut client, &register.answered(&challenge, &Credential::good("alice"), nc));
            assert_eq!((answer.status(), server(&answer)), (403, Some("pbx")));
        }
        let lines = house.portward.lines().join("\n");
        assert!(!lines.contains("blacklisted"), "the PBX has seen no login: {lines}");
    });
}

#[test]
fn w5_a_host_at_which_nobody_can_log_in_is_warned_of() {
    within(60, || {
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n";
        let house = House::start(rules, |setup| setup.set("sip.secrets", "[]"));
        house.portward.line(&["warning: pbx.example demands credentials, and there is no secret"]);
        let answer = log_in(
            &mut house.tcp(),
            &Request::of("REGISTER", ALICE),
            &Credential::of(&format!("{}:alice", at(300)), ""),
        );
        assert_eq!(answer.status(), 401);
    });
}

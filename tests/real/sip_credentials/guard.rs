//! Which failures count toward the blacklist.

use super::{Challenge, Credential, House, Request, SECRET, ask, at, log_in};
use crate::harness::within;

const ALICE: &str = "alice@pbx.example";

fn house() -> House {
    let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n";
    House::start(rules, |setup| {
        setup.set("blacklist.allow", "[]").set("blacklist.suspicious_per_minute", "5")
    })
}

#[test]
fn w5_forged_credentials_list_an_address() {
    within(100, || {
        let house = house();
        let forged = Credential::of(&format!("{}:alice", at(300)), "south");
        for _ in 0..3 {
            let mut client = house.tcp();
            for _ in 0..2 {
                client.send(Request::of("REGISTER", ALICE).text());
                let Some(answer) = crate::harness::sip::next_message(&mut client) else { break };
                let challenge = Challenge::first(&answer);
                client.send(Request::of("REGISTER", ALICE).answered(&challenge, &forged, 1).text());
                if crate::harness::sip::next_message(&mut client).is_none() {
                    break;
                }
            }
        }
        let line = house.portward.line(&["127.0.0.1 blacklisted for "]);
        assert!(line.contains("suspicious requests"), "{line}");
        assert_eq!(house.tcp().rest(), b"");
        house.pbx.assert_untouched("none was right");
    });
}

#[test]
fn w5_challenges_and_expired_credentials_and_old_nonces_never_list_one() {
    within(100, || {
        let house = house();
        let expired = Credential::of(&format!("{}:alice", at(-5)), SECRET);
        let register = Request::of("REGISTER", ALICE);
        for _ in 0..10 {
            let mut client = house.tcp();
            assert_eq!(ask(&mut client, &register).status(), 401);
            let challenge =
                Challenge { nonce: "old".to_owned(), ..Challenge::first(&ask(&mut client, &register)) };
            let answer = ask(&mut client, &register.answered(&challenge, &Credential::good("alice"), 1));
            assert!(Challenge::first(&answer).stale);
            assert_eq!(log_in(&mut client, &register, &expired).status(), 403);
            assert_eq!(log_in(&mut house.tcp(), &register, &Credential::good("bob")).status(), 403);
        }
        let lines = house.portward.lines().join("\n");
        assert!(!lines.contains("blacklisted"), "{lines}");
    });
}

//! Later requests on a proven connection: names, the expiry, reloads.

use std::fs;
use std::thread;
use std::time::Duration;

use super::{Challenge, Credential, House, Request, SECRET, ask, at, log_in, server};
use crate::harness::sip::next_message;
use crate::harness::{Portward, Wire, within};

const ALICE: &str = "alice@pbx.example";

/// Waits until this time is over, in seconds since 1970.
fn wait_beyond(time: i64) {
    for _ in 0..200 {
        if at(0) > time {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("the clock stands still");
}

fn reload(portward: &Portward) {
    let mark = portward.mark();
    portward.hang_up();
    portward.line_after(mark, &["reloaded"]);
}

#[test]
fn w5_every_name_in_a_request_is_the_proven_one() {
    within(100, || {
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n\
                     [[host]]\nname = \"any.example\"\nsip = { SIP, credential_user = \"any\" }\n";
        let house = House::start(rules, |setup| setup);
        for (host, any) in [("pbx.example", false), ("any.example", true)] {
            for mut client in [house.tcp(), house.tls()] {
                let (alice, bob) = (format!("alice@{host}"), format!("bob@{host}"));
                let answer =
                    log_in(&mut client, &Request::of("REGISTER", &alice), &Credential::good("alice"));
                assert_eq!(server(&answer), Some("pbx"));
                let line = |name: &str, who: &str| format!("{name}: <sip:{who}>\r\n");
                let message = Request::of("MESSAGE", &alice).to("carol@elsewhere.example");
                let mut foreign = vec![
                    (Request::of("MESSAGE", &bob), any),
                    (Request::of("INVITE", &bob).to("<sip:x@y>;tag=made-up"), any),
                    (Request::of("REGISTER", &alice).to(&bob), any),
                    (Request::of("REGISTER", &alice).to("alice@elsewhere.example"), false),
                    (message.clone(), true),
                    (message.with(&line("P-Asserted-Identity", "alice@elsewhere.example")), false),
                    (message.with("P-Asserted-Identity: <tel:+49>\r\n"), false),
                    (Request::of("SUBSCRIBE", "<sip:anonymous@anonymous.invalid>"), false),
                ];
                for name in ["P-Asserted-Identity", "p-preferred-identity", "Remote-Party-ID"] {
                    foreign.push((message.with(&line(name, &alice)), true));
                    foreign.push((message.with(&line(name, &bob)), any));
                }
                for (request, passes) in foreign {
                    let before = house.pbx.bytes();
                    let answer = ask(&mut client, &request);
                    assert_eq!(server(&answer).is_some(), passes, "{request:?}");
                    if !passes {
                        assert_eq!(answer.status(), 403, "{request:?}");
                        assert_eq!(house.pbx.bytes(), before, "{request:?}");
                    }
                }
                // An ACK for another user gets no answer, and is dropped.
                client.send(Request::of("ACK", "alice@elsewhere.example").text());
                assert_eq!(server(&ask(&mut client, &message)), Some("pbx"));
            }
        }
        house.portward.decision(&[" rejected: other-name"]);
        assert!(!house.pbx.transcript().contains("ACK "));
    });
}

#[test]
fn w5_after_its_time_only_dialogs_of_the_connection_go_on() {
    within(100, || {
        let house = House::plain();
        let mut client = house.tcp();
        let until = at(3);
        let alice = Credential::of(&format!("{until}:alice"), SECRET);
        let answer = log_in(&mut client, &Request::of("INVITE", ALICE).to("bob@pbx.example"), &alice);
        assert_eq!((answer.status(), server(&answer)), (200, Some("pbx")));
        assert!(answer.header("to").unwrap().contains("tag=pbx"), "{answer:?}");
        wait_beyond(until);
        let before = house.pbx.bytes();
        for (to, method) in [
            ("bob@pbx.example", "INVITE"),
            ("bob@pbx.example", "MESSAGE"),
            ("<sip:bob@pbx.example>;tag=made-up", "BYE"),
            ("<sip:bob@pbx.example>;tag=made-up", "INVITE"),
        ] {
            let answer = ask(&mut client, &Request::of(method, ALICE).to(to));
            assert_eq!(answer.status(), 407, "{method} {to}");
        }
        // A registration belongs to no dialog, even with the tag of one.
        let register = Request::of("REGISTER", ALICE).to("<sip:alice@pbx.example>;tag=pbx");
        assert_eq!(ask(&mut client, &register).status(), 401);
        let mark = house.portward.mark();
        let answer = log_in(&mut client, &Request::of("MESSAGE", ALICE), &alice);
        assert!(answer.start.contains("403 Credential expired"), "{answer:?}");
        house.portward.decision_after(mark, &[" rejected: expired"]);
        assert_eq!(house.pbx.bytes(), before);
        for method in ["INVITE", "BYE"] {
            let in_dialog = Request::of(method, ALICE).to("<sip:bob@pbx.example>;tag=pbx");
            assert_eq!(server(&ask(&mut client, &in_dialog)), Some("pbx"), "{method}");
        }
        // A new credential proves the connection again.
        let answer = log_in(&mut client, &Request::of("MESSAGE", ALICE), &Credential::good("alice"));
        assert_eq!(server(&answer), Some("pbx"));
        assert_eq!(server(&ask(&mut client, &Request::of("MESSAGE", ALICE))), Some("pbx"));
    });
}

#[test]
fn w5_secrets_rotate_without_a_dropped_call() {
    within(100, || {
        let house = House::start("[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n", |setup| {
            fs::write(setup.dir().join("secret"), "older\n").unwrap();
            setup.set("sip.secrets", "[\"file:secret\"]")
        });
        let credential = |secret: &str| Credential::of(&format!("{}:alice", at(300)), secret);
        let mut calling = house.tls();
        let invite = Request::of("INVITE", ALICE).to("bob@pbx.example");
        assert_eq!(server(&log_in(&mut calling, &invite, &credential("older"))), Some("pbx"));
        fs::write(house.portward.dir().join("secret"), "newest\n").unwrap();
        reload(&house.portward);
        let bye = Request::of("BYE", ALICE).to("<sip:bob@pbx.example>;tag=pbx");
        for request in [&Request::of("MESSAGE", ALICE), &invite, &bye] {
            assert_eq!(server(&ask(&mut calling, request)), Some("pbx"), "{request:?}");
        }
        let register = Request::of("REGISTER", ALICE);
        assert_eq!(log_in(&mut house.tcp(), &register, &credential("older")).status(), 401);
        assert_eq!(server(&log_in(&mut house.tcp(), &register, &credential("newest"))), Some("pbx"));
    });
}

#[test]
fn w5_credentials_that_appear_by_a_reload_are_demanded_of_connections_that_are_there() {
    within(100, || {
        let house = House::start("[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n", |setup| setup);
        let rules = |more: &str| {
            let target = format!("target = \"127.0.0.1\", tcp = {}", house.pbx.port());
            format!("[[host]]\nname = \"pbx.example\"\nsip = {{ {target}{more} }}\n")
        };
        house.portward.write_rules(&rules(""));
        reload(&house.portward);
        let mut client = house.tcp();
        assert_eq!(server(&ask(&mut client, &Request::of("REGISTER", ALICE))), Some("pbx"));
        house.portward.write_rules(&rules(", credentials = \"ephemeral\""));
        reload(&house.portward);
        let before = house.pbx.bytes();
        for (method, status) in [("REGISTER", 401), ("MESSAGE", 407), ("BYE", 407)] {
            assert_eq!(ask(&mut client, &Request::of(method, ALICE)).status(), status, "{method}");
        }
        client.send(Request::of("ACK", ALICE).text());
        assert_eq!(ask(&mut client, &Request::of("CANCEL", ALICE)).status(), 481);
        assert_eq!(house.pbx.bytes(), before);
        let answer = log_in(&mut client, &Request::of("REGISTER", ALICE), &Credential::good("alice"));
        assert_eq!(server(&answer), Some("pbx"));
        house.portward.write_rules(&rules(""));
        reload(&house.portward);
        assert_eq!(server(&ask(&mut client, &Request::of("MESSAGE", "bob@pbx.example"))), Some("pbx"));
    });
}

#[test]
fn w5_a_tenant_speaks_for_its_domains_until_it_is_disabled() {
    within(100, || {
        let rules = |enabled: bool| {
            format!(
                "[tenant.XYZ]\nenabled = {enabled}\n[tenant.sub]\nparent = \"XYZ\"\n\
                 [[host]]\nname = \"sub.example\"\ntenant = \"sub\"\nsip = {{ SIP }}\n\
                 [[host]]\nname = \"pbx.example\"\nsip = {{ SIP }}\n"
            )
        };
        let house = House::start(&rules(true), |setup| setup.set("limits.drain_timeout", "\"1s\""));
        let of = |who: &str| Credential::good(&format!("XYZ/{who}"));
        let mut client = house.tcp();
        let register = Request::of("REGISTER", "alice@sub.example");
        assert_eq!(server(&log_in(&mut client, &register, &of("alice@sub.example"))), Some("pbx"));
        assert!(house.pbx.transcript().contains("X-Tenant: XYZ\r\n"));
        // At a host of no tenant it may call, but not register.
        let mut caller = house.tcp();
        let invite = Request::of("INVITE", ALICE).to("bob@pbx.example");
        assert_eq!(server(&log_in(&mut caller, &invite, &of(ALICE))), Some("pbx"));
        assert_eq!(ask(&mut caller, &Request::of("REGISTER", ALICE)).status(), 403);
        assert_eq!(log_in(&mut house.tcp(), &Request::of("REGISTER", ALICE), &of(ALICE)).status(), 403);
        for (credential, from) in [
            (of("bob@pbx.example"), ALICE),
            (of(ALICE), "alice@sub.example"),
            (Credential::good(&format!("sub2/{ALICE}")), ALICE),
        ] {
            let answer = log_in(&mut house.tcp(), &Request::of("INVITE", from), &credential);
            assert_eq!(answer.status(), 403, "{credential:?} {from}");
        }
        let plain = Request::of("REGISTER", "alice@sub.example");
        assert_eq!(server(&log_in(&mut house.tcp(), &plain, &Credential::good("alice"))), Some("pbx"));
        let sip = format!("target = \"127.0.0.1\", tcp = {}, credentials = \"ephemeral\"", house.pbx.port());
        house.portward.write_rules(&rules(false).replace("SIP", &sip));
        reload(&house.portward);
        let before = house.pbx.bytes();
        assert_eq!(log_in(&mut house.tcp(), &invite, &of(ALICE)).status(), 403);
        assert_eq!(house.pbx.bytes(), before);
        assert_eq!(next_message(&mut caller).map(|message| message.start), None, "it ends with its tenant");
        assert_eq!(next_message(&mut client).map(|message| message.start), None);
        let lines = house.portward.lines().join("\n");
        assert!(lines.contains(" rejected: disabled"), "{lines}");
    });
}

/// A client may prove itself again on its connection, for the same tenant or another one. The last proof counts.
#[test]
fn w5_a_tenant_that_is_named_after_the_decision_ends_its_connection_too() {
    within(100, || {
        let rules = |enabled: bool| {
            let rest = "[tenant.ABC]\n[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n";
            format!("[tenant.XYZ]\nenabled = {enabled}\n{rest}")
        };
        let house = House::start(&rules(true), |setup| setup.set("limits.drain_timeout", "\"1s\""));
        let of = |who: &str| Credential::good(&format!("{who}{ALICE}"));
        let invite = Request::of("INVITE", ALICE).to("bob@pbx.example");
        let proves = |client: &mut Wire, credential: &Credential| {
            let challenge = Challenge::first(&ask(client, &invite));
            assert_eq!(server(&ask(client, &invite.answered(&challenge, credential, 1))), Some("pbx"));
            challenge
        };
        let again = |client: &mut Wire, challenge: &Challenge, credential: &Credential| {
            let answer = ask(client, &invite.answered(challenge, credential, 2));
            assert_eq!(server(&answer), Some("pbx"), "{credential:?}");
        };
        let mut last = house.tls();
        let challenge = proves(&mut last, &Credential::good("alice"));
        again(&mut last, &challenge, &of("XYZ/"));
        let mut other = house.tcp();
        let challenge = proves(&mut other, &of("ABC/"));
        again(&mut other, &challenge, &of("XYZ/"));
        let mut first = house.tcp();
        let challenge = proves(&mut first, &of("XYZ/"));
        again(&mut first, &challenge, &of("ABC/"));
        let sip = format!("target = \"127.0.0.1\", tcp = {}, credentials = \"ephemeral\"", house.pbx.port());
        house.portward.write_rules(&rules(false).replace("SIP", &sip));
        reload(&house.portward);
        for mut client in [last, other] {
            // New requests are refused at once. No other answer comes before the end.
            client.send(Request::of("MESSAGE", ALICE).text());
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(rest.is_empty() || rest.starts_with("SIP/2.0 403 "), "{rest}");
        }
        assert_eq!(
            server(&ask(&mut first, &Request::of("MESSAGE", ALICE))),
            Some("pbx"),
            "it is of another tenant now"
        );
    });
}

#[test]
fn w5_the_limit_of_a_user_is_that_of_the_proven_one() {
    within(60, || {
        let rules = "[[host]]\nname = \"pbx.example\"\nsip = { SIP, credential_user = \"any\" }\n";
        let house = House::start(rules, |setup| setup.set("limits.sip_requests_per_user", "\"2/m\""));
        let mut client = house.tcp();
        log_in(&mut client, &Request::of("REGISTER", ALICE), &Credential::good("alice"));
        let answers: Vec<_> = (0..4)
            .map(|number| {
                ask(&mut client, &Request::of("MESSAGE", &format!("user{number}@pbx.example"))).status()
            })
            .collect();
        assert!(answers.contains(&503), "whoever From names: {answers:?}");
    });
}

#[test]
fn w5_a_login_at_the_pbx_itself_stays_and_its_refusal_is_the_pbxs() {
    within(60, || {
        let house = House::plain();
        let mut client = house.tcp();
        log_in(&mut client, &Request::of("REGISTER", ALICE), &Credential::good("alice"));
        let of_pbx = Challenge {
            realm: "pbx.example".to_owned(),
            nonce: "theirs".to_owned(),
            algorithm: "MD5".to_owned(),
            stale: false,
            field: "Authorization",
        };
        let password = Credential { username: "alice".to_owned(), password: "secret".to_owned() };
        let register = Request::of("REGISTER", ALICE).answered(&of_pbx, &password, 1);
        assert_eq!(server(&ask(&mut client, &register)), Some("pbx"));
        assert!(house.pbx.transcript().contains("nonce=\"theirs\""));
    });
}

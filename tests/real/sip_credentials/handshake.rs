//! Credentials in the handshake of a WebSocket, and browsers that are challenged.

use super::browser::{Browser, By};
use super::{Challenge, Credential, House, Request, SECRET, at, server};
use crate::harness::sip::pbx;
use crate::harness::{Target, within};

const ALICE: &str = "alice@pbx.example";

const RULES: &str = "[[host]]\nname = \"web.example\"\nhttp = [{ path = \"/sip\", websocket = \"sip\" }]\n\
                     [[host]]\nname = \"pbx.example\"\nsip = { SIP }\n\
                     [[host]]\nname = \"other.example\"\nsip = { SIP }\n";

fn house() -> House {
    House::start(RULES, |setup| {
        setup.set("log.query", "true").set("log.forwarded", "\"all\"").set("log.ended", "[\"http\", \"sip\"]")
    })
}

fn browsers<'h>(house: &'h House, by: By, credential: &'h Credential) -> impl Iterator<Item = Browser> + 'h {
    ["http", "https"].into_iter().map(move |scheme| {
        let portward = &house.portward;
        let wire = if scheme == "http" { portward.plain() } else { portward.tls("web.example") };
        Browser::open(wire, scheme, by, credential)
    })
}

#[test]
fn w5_a_credential_comes_with_the_handshake_and_no_log_shows_it() {
    within(100, || {
        let house = house();
        let alice = Credential::good("alice");
        for by in [By::Query, By::Basic] {
            for mut browser in browsers(&house, by, &alice) {
                let answer = browser.ask(&Request::of("REGISTER", ALICE));
                assert_eq!((answer.status(), server(&answer)), (200, Some("pbx")), "{by:?}");
                let other = browser.ask(&Request::of("MESSAGE", "bob@pbx.example"));
                assert_eq!(other.status(), 403, "{by:?}");
                assert_eq!(server(&browser.ask(&Request::of("MESSAGE", ALICE))), Some("pbx"));
            }
        }
        let seen = house.pbx.transcript();
        let text = house.portward.lines().join("\n");
        for secret in [&*alice.username, &*alice.password, &alice.password.replace('+', "%2B"), "bob"] {
            assert!(!seen.contains(secret), "{secret} in {seen}");
            assert!(secret == "bob" || !text.contains(secret), "{secret} in {text}");
        }
        assert!(text.contains("/sip?x=y&username="), "the query is shown, but for the credential: {text}");
    });
}

#[test]
fn w5_a_wrong_credential_of_a_handshake_is_answered_403() {
    within(100, || {
        let house = house();
        for (credential, reason) in [
            (Credential::of(&format!("{}:alice", at(300)), "south"), "failed-login"),
            (Credential::of(&format!("{}:alice", at(90_000)), SECRET), "failed-login"),
            (Credential::of("alice", SECRET), "failed-login"),
            (Credential::of(&format!("{}:alice", at(-5)), SECRET), "expired"),
            (Credential::good("bob"), "other-name"),
        ] {
            for by in [By::Query, By::Basic] {
                for mut browser in browsers(&house, by, &credential) {
                    let mark = house.portward.mark();
                    let answer = browser.ask(&Request::of("REGISTER", ALICE));
                    assert_eq!(answer.status(), 403, "{credential:?} {by:?}");
                    assert_eq!(answer.start.contains("Credential expired"), reason == "expired");
                    assert_eq!(browser.closed(), 1008);
                    house.portward.decision_after(mark, &[&format!(" rejected: {reason}")]);
                }
            }
        }
        house.pbx.assert_untouched("nothing of these goes on");
    });
}

#[test]
fn w5_a_browser_without_one_is_asked_with_md5_alone() {
    within(60, || {
        let house = House::start(RULES, |setup| setup.set("sip.digest", "[\"SHA-256\"]"));
        let alice = Credential::good("alice");
        for mut browser in browsers(&house, By::Nothing, &alice) {
            let register = Request::of("REGISTER", ALICE);
            let challenges = Challenge::all(&browser.ask(&register));
            assert_eq!(challenges.len(), 1);
            assert_eq!(challenges[0].algorithm, "MD5");
            // A proof for one host is no proof for another host of the same PBX.
            let answer = browser.ask(&Request::of("REGISTER", "alice@other.example"));
            assert_eq!(Challenge::first(&answer).realm, "other.example");
            let answer = browser.ask(&register.answered(&challenges[0], &alice, 1));
            assert_eq!(server(&answer), Some("pbx"));
            assert_eq!(browser.ask(&Request::of("REGISTER", "alice@other.example")).status(), 403);
        }
    });
}

/// A rule that leads all its clients to the PBX does not bypass that PBX's credentials.
#[test]
fn w5_a_websocket_rule_with_a_target_demands_what_the_target_demands() {
    within(60, || {
        let rules = "[[host]]\nname = \"web.example\"\ntarget = \"127.0.0.1\"\n\
                     http = [{ path = \"/sip\", websocket = \"sip\", ws = PORT }]\n\
                     [[host]]\nname = \"pbx.example\"\nsip = { SIP, ws = PORT }\n\
                     [[host]]\nname = \"open.example\"\ntarget = \"127.0.0.9\"\nsip = true\n";
        let pbx = pbx("pbx");
        let rules = rules.replace("PORT", &pbx.port().to_string());
        let house = House::start(&rules, |setup| setup);
        let alice = Credential::good("alice");
        for mut browser in browsers(&house, By::Nothing, &alice) {
            for from in [ALICE, "alice@open.example"] {
                let answer = browser.ask(&Request::of("REGISTER", from));
                assert_eq!(answer.status(), 401, "{from}");
            }
        }
        pbx.assert_untouched("it was not even connected to");
    });
}

/// A PBX has one port for its pages and its WebSockets. A path that leads there must not let SIP pass uninspected.
#[test]
fn w5_a_path_to_the_same_port_of_the_pbx_is_no_way_round() {
    within(60, || {
        let web = Target::http(|request, _| {
            format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Path: {}\r\n\r\n", request.target())
        });
        let port = web.port();
        let rules = format!(
            "[[host]]\nname = \"web.example\"\nhttp = [{{ path = \"\", target = \"127.0.0.1\", tcp = {port} }}]\n\
             [[host]]\nname = \"pbx.example\"\nsip = {{ SIP, ws = {port} }}\n"
        );
        let house = House::start(&rules, |setup| setup);
        let handshake = "GET /ws HTTP/1.1\r\nHost: web.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let mark = house.portward.mark();
        let mut wire = house.portward.plain();
        assert_eq!(wire.ask(handshake).status(), 404);
        house.portward.decision_after(mark, &["GET /ws HTTP/1.1 rejected: no-path"]);
        web.assert_untouched("no WebSocket is opened there");
        let answer = house.portward.plain().get("web.example", "/page");
        assert_eq!((answer.status(), answer.header("x-path")), (200, Some("/page")));
    });
}

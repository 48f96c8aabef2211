//! The question of each decision (issue 23): `/v1/explain` answers it with the same decision.

use std::fs;

use ldap3_proto::proto::LdapResultCode::Success;
use portward::demo::ras::request as registration;
use serde_json::Value;

use super::{Inside, KNOWN, explained, get, run, started, traffic};
use crate::harness::directory::{answer, bind};
use crate::harness::h323::confirmed_by;
use crate::harness::sip::{next_message, request};
use crate::harness::{PASSWORD, Portward, Wire, eventually, within};

/// Sends octets to a service, which refuses them by hanging up.
fn refused(portward: &Portward, service: &str, octets: &[u8]) {
    let mut wire = match service {
        "sips" => Wire::tls(portward.port("sips"), "one.example.net"),
        "http" => portward.plain(),
        _ => Wire::plain(portward.port(service)),
    };
    wire.send(octets);
    eventually("it is refused", || wire.is_closed());
}

/// An explanation in the terms of a decision.
fn outcome(explanation: &Value) -> (Value, Value, Value) {
    let outcome = match explanation["decision"].as_str().unwrap() {
        "forward" => "forwarded",
        "reject" => "rejected",
        other => other,
    };
    let target = explanation["targets"].get(0).cloned().unwrap_or_default();
    (outcome.into(), explanation["reason"].clone(), target)
}

#[test]
fn issue_23_the_question_of_each_decision_is_answered_as_it_was_decided() {
    within(120, || {
        let inside = Inside::new();
        let portward = started(inside.setup().set("blacklist.suspicious_per_minute", "1000"));
        let _open = traffic(&portward);
        let mut http = portward.plain();
        for (host, path) in [
            ("one.example.net", "/open/%C3%BC/a%20b?x=1"),
            ("one.example.net:8080", "/open\"'<>"),
            ("ONE.example.net.", "/open;x/y"),
            ("two.three.example.net", "/open"),
            ("one.example.net", "/open/../x"),
            ("one.example.net", "/open/%2e%2e/x"),
            ("[2001:db8::1]", "/"),
        ] {
            http.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            eventually("it is over", || http.is_closed());
            http = portward.plain();
        }
        let mut sip = Wire::plain(portward.port("sip"));
        sip.send(request("OPTIONS", "ckl@one.example.net", ""));
        assert_eq!(next_message(&mut sip).unwrap().status(), 200);
        refused(&portward, "sip", request("SUBSCRIBE", "ckl@elsewhere.example", "").as_bytes());
        refused(&portward, "sips", request("REGISTER", "a?b%20@elsewhere.example", "").as_bytes());
        for name in ["ckl@elsewhere.example", "admin", "elsewhere.example\\m\u{fc}ller", "CN=a\\=b,DC=x"] {
            refused(&portward, "ldap", &bind(1, name, PASSWORD));
        }
        refused(&portward, "h323", &registration(7, "elsewhere.example/branch", "009033410004"));
        refused(&portward, "h323", &registration(7, "here@elsewhere.example", "hq"));
        let decisions = get(&portward, "decisions");
        let decisions = decisions["decisions"].as_array().unwrap();
        let mut asked = 0;
        for decision in decisions {
            let question = &decision["question"];
            assert!(question.is_object(), "{decision}");
            assert_eq!(question["from"], decision["client"], "{decision}");
            let explanation = explained(&portward, question);
            let decided =
                (decision["outcome"].clone(), decision["reason"].clone(), decision["target"].clone());
            assert_eq!(outcome(&explanation), decided, "{decision} {explanation}");
            asked += 1;
        }
        assert_eq!(asked, 6 + 7 + 2 + 4 + 2, "{decisions:?}");
        // A decision has no question if the request could not be read, or was not kept whole.
        refused(&portward, "http", b"GET /open HTTP/1.1\r\nHost: a@one.example.net\r\n\r\n");
        let long = format!("GET /open/{} HTTP/1.1\r\nHost: one.example.net\r\n\r\n", "x".repeat(4096));
        refused(&portward, "http", long.replace("one.", "no.one.").as_bytes());
        refused(&portward, "ldap", b"\x30\x00");
        let newest = get(&portward, "decisions?limit=3");
        for decision in newest["decisions"].as_array().unwrap() {
            assert_eq!(decision["question"], Value::Null, "{decision}");
        }
        assert_eq!(newest["decisions"][1]["cut"], true, "{newest}");
    });
}

/// Writes the text of a remedy to the place that it names.
fn follow(remedy: &Value) {
    let text = |name: &str| remedy[name].as_str().unwrap_or_else(|| panic!("{name}: {remedy}"));
    let (file, toml, words) = (text("file"), text("toml"), text("words"));
    let rules = fs::read_to_string(file).unwrap();
    let mut lines: Vec<_> = rules.lines().map(str::to_owned).collect();
    let line = usize::try_from(remedy["line"].as_u64().unwrap()).unwrap();
    match words.contains("directly behind its bracket") {
        true => lines[line - 1] = lines[line - 1].replacen('[', &format!("[{toml}"), 1),
        false => lines.insert(line, toml.to_owned()),
    }
    fs::write(file, lines.join("\n") + "\n").unwrap();
}

/// From a refused request to a rule: after the daemon's remedy is applied, the same request is accepted.
#[test]
fn issue_23_what_the_daemon_says_to_add_lets_the_same_request_in() {
    within(120, || {
        let inside = Inside::new();
        let rules = inside.rules().replace("*.example.net", "other.example.net")
            + &format!(
                "\n[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {}, tls = false }}]\n",
                inside.web.port()
            );
        let portward = started(inside.setup());
        portward.write_rules(&rules);
        assert_eq!(run(&portward, &["reload"]).code, 0);
        let register = request("REGISTER", "ckl@one.example.net", "");
        let bound = bind(1, KNOWN[0], PASSWORD);
        let registered = registration(7, "one.example.net", "009033410004");
        assert_eq!(portward.plain().get("one.example.net", "/shut/\"]x").status(), 404);
        refused(&portward, "sip", register.as_bytes());
        refused(&portward, "ldap", &bound);
        refused(&portward, "h323", &registered);
        let decisions = get(&portward, "decisions?outcome=rejected");
        let decisions = decisions["decisions"].as_array().unwrap();
        assert_eq!(decisions.len(), 4, "{decisions:?}");
        for decision in decisions {
            let explanation = explained(&portward, &decision["question"]);
            let words = explanation["remedy"]["words"].as_str().unwrap();
            assert!(
                explanation["text"].as_str().unwrap().contains(&format!("let in  {words}")),
                "{explanation}"
            );
            follow(&explanation["remedy"]);
        }
        let said = run(&portward, &["reload"]);
        assert_eq!(said.code, 0, "{said:?}");
        let mut http = portward.plain();
        assert_eq!(http.get("one.example.net", "/shut/\"]x").text(), "here");
        let mut sip = Wire::plain(portward.port("sip"));
        sip.send(register);
        assert_eq!(next_message(&mut sip).unwrap().status(), 200);
        let mut ldap = Wire::plain(portward.port("ldap"));
        ldap.send(bound);
        assert_eq!(answer(&mut ldap, 1).0, Success);
        let mut h323 = Wire::plain(portward.port("h323"));
        h323.send(registered);
        assert_eq!(confirmed_by(&mut h323), "here");
        for decision in decisions {
            let explanation = explained(&portward, &decision["question"]);
            assert!(explanation["granted"] == true && explanation["remedy"].is_null(), "{explanation}");
        }
    });
}

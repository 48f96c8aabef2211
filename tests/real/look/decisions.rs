//! `/v1/decisions` and `portward log`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStdout, Command, Stdio};

use serde_json::Value;

use super::{Inside, ask, get, run, started, traffic};
use crate::harness::{Portward, eventually, within};

/// The fields `name` of the decisions that match a query.
fn found(portward: &Portward, query: &str, name: &str) -> Vec<String> {
    let answer = get(portward, &format!("decisions?{query}"));
    let text = |one: &Value| one[name].as_str().map_or_else(|| one[name].to_string(), ToOwned::to_owned);
    answer["decisions"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn item_2_the_newest_decisions_are_shown_by_filters_and_in_pages() {
    within(90, || {
        let inside = Inside::new();
        let portward = inside.start();
        let _open = traffic(&portward);
        let services = found(&portward, "", "service");
        assert_eq!(services, ["sip", "h323", "ldap", "sip", "http", "http"], "the newest first");
        for (query, expected) in [
            ("outcome=rejected", vec!["unknown-host", "no-path"]),
            ("reason=no-path", vec!["no-path"]),
            ("host=elsewhere.example", vec!["unknown-host"]),
            ("service=http&outcome=rejected", vec!["no-path"]),
            ("client=127.0.0.2", vec![]),
        ] {
            assert_eq!(found(&portward, query, "reason"), expected, "{query}");
        }
        let to = format!("127.0.0.1:{}", inside.phone.port());
        assert_eq!(found(&portward, "service=sip&target=127.0.0.1", "target"), [to]);
        assert_eq!(found(&portward, "host=one.example.net", "host"), vec!["*.example.net"; 5]);
        assert_eq!(found(&portward, "host=*.example.net", "identity").len(), 5);
        let all = get(&portward, "decisions").to_string();
        assert!(!all.contains("s3cret") && all.contains("/open/a?…"), "{all}");
        let first = get(&portward, "decisions?limit=4");
        let next = first["next"].as_str().unwrap();
        assert_eq!(found(&portward, &format!("after={next}"), "service"), ["http", "http"]);
        for (query, part) in
            [("outcome=x", "possible: forwarded"), ("reason=x", "unknown-host"), ("x=1", "no parameter")]
        {
            let (status, json) = ask(&portward, "GET", &format!("decisions?{query}"));
            assert!(status == 400 && json["error"].as_str().unwrap().contains(part), "{query}: {json}");
        }
    });
}

#[test]
fn item_2_decisions_that_are_not_wanted_are_not_kept() {
    within(90, || {
        let inside = Inside::new();
        let portward = started(inside.setup());
        let _open = traffic(&portward);
        assert_eq!(found(&portward, "", "service").len(), 6);
        let config = fs::read_to_string(portward.config()).unwrap();
        fs::write(portward.config(), format!("{config}admin.decisions = false\n")).unwrap();
        assert_eq!(run(&portward, &["reload"]).code, 0);
        portward.plain().get("one.example.net", "/shut");
        let answer = get(&portward, "decisions");
        assert_eq!(
            (&answer["kept"], &answer["decisions"]),
            (&false.into(), &serde_json::json!([])),
            "{answer}"
        );
        assert!(answer["note"].as_str().unwrap().contains("admin.decisions"), "{answer}");
        assert_eq!(ask(&portward, "GET", "decisions?follow=1").0, 409);
        for args in [&["log"][..], &["log", "--follow"]] {
            let said = run(&portward, args);
            assert_eq!(said.code, 1, "{said:?}");
            assert!(
                said.errors.contains("admin.decisions = false") && said.errors.contains("journalctl"),
                "{said:?}"
            );
        }
        assert_eq!(
            get(&portward, "status")["counters"]["http"]["decisions"]["rejected"],
            2,
            "they are counted"
        );
    });
}

#[test]
fn item_3_log_shows_the_lines_of_the_log() {
    within(90, || {
        let inside = Inside::new();
        let portward = inside.start();
        let _open = traffic(&portward);
        let said = run(&portward, &["log"]);
        assert_eq!(said.code, 0, "{said:?}");
        let shown: Vec<_> = said.out.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(shown.len(), 6, "{said:?}");
        let logged = portward.lines();
        for line in &shown {
            assert!(logged.iter().any(|logged| logged.ends_with(line)), "{line}\n{logged:?}");
        }
        assert!(
            shown[0].contains("/open/a") && shown[5].ends_with("rejected: unknown-host"),
            "the oldest first"
        );
        assert!(!said.out.contains('\x1b'), "colours only on a terminal");
        let refused = run(&portward, &["log", "--refused", "--service", "http"]);
        assert_eq!(refused.out.lines().count(), 1, "{refused:?}");
        let json = run(&portward, &["log", "--json", "--limit", "2"]);
        let objects = objects_of(&json.out);
        assert_eq!((objects.len(), &objects[1]["reason"]), (2, &"unknown-host".into()));
        let wrong = run(&portward, &["log", "--reason", "x"]);
        assert!(wrong.code == 2 && wrong.errors.contains("possible values: "), "{wrong:?}");
        let sip = objects_of(&run(&portward, &["log", "--json", "--service", "sip", "--limit", "1000"]).out);
        let target = sip.iter().find_map(|one| one["target"].as_str()).unwrap().to_owned();
        let (address, port) = target.rsplit_once(':').unwrap();
        let port: u16 = port.parse().unwrap();
        for (asked, expected) in [
            (target.clone(), true),
            (address.to_owned(), true),
            (format!("{address}:{}", port.wrapping_add(1)), false),
        ] {
            let found = run(&portward, &["log", "--json", "--service", "sip", "--target", &asked]);
            let found = objects_of(&found.out).iter().any(|one| one["target"] == target.as_str());
            assert_eq!(found, expected, "{asked}");
            let listed = run(&portward, &["connections", "--json", "--service", "sip", "--target", &asked]);
            let listed: Value = serde_json::from_str(&listed.out).unwrap();
            assert_eq!(!listed["connections"].as_array().unwrap().is_empty(), expected, "{asked}: {listed}");
        }
        for args in [
            &["log", "--service", "smtp"][..],
            &["log", "--limit", "0"],
            &["log", "--target", "x"],
            &["connections", "--service", "smtp"],
            &["connections", "--limit", "0"],
            &["connections", "--target", "x"],
            &["blacklist", "list", "--limit", "0"],
        ] {
            assert_eq!(run(&portward, args).code, 2, "{args:?}");
        }
    });
}

/// The objects, one in each line.
fn objects_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The next line.
fn line(out: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

#[test]
fn item_3_log_follows_until_the_daemon_goes_away() {
    within(90, || {
        let inside = Inside::new();
        let portward = inside.start();
        portward.plain().get("one.example.net", "/shut/before");
        let mut child = Command::new(env!("CARGO_BIN_EXE_portward"))
            .args(["log", "--follow", "--refused", "--config"])
            .arg(portward.config())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        assert!(line(&mut out).contains("/shut/before HTTP/1.1 rejected: no-path"));
        portward.plain().get("one.example.net", "/open");
        portward.plain().get("one.example.net", "/shut/after");
        assert!(
            line(&mut out).contains("/shut/after HTTP/1.1 rejected: no-path"),
            "the other one is not refused"
        );
        portward.terminate();
        assert_eq!(line(&mut out), "", "it ends");
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(errors.contains("the daemon went away"), "{errors}");
        assert_eq!(child.wait().unwrap().code(), Some(1));
    });
}

#[test]
fn item_2_a_slow_follower_is_told_how_many_it_missed_and_holds_up_nothing() {
    within(120, || {
        use std::io::Write as _;
        let inside = Inside::new();
        let portward = started(inside.setup().set("log.rejected", "[]"));
        let mut slow = std::os::unix::net::UnixStream::connect(portward.dir().join("portward.sock")).unwrap();
        slow.write_all(b"GET /v1/decisions?follow=1 HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
        let mut reader = BufReader::new(slow);
        let mut head = String::new();
        while !head.ends_with(": portward\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        // More than are kept, and more than all buffers on the way can hold.
        let mut client = portward.plain();
        for number in 0..7_000 {
            client.get("one.example.net", &format!("/shut/{number}"));
        }
        let (mut missed, mut last) = (0, String::new());
        while !last.contains("/shut/6999") {
            last.clear();
            assert!(reader.read_line(&mut last).unwrap() > 0, "it is not cut off");
            if let Some(json) = last.strip_prefix("data: {\"missed\":") {
                missed += json.trim_end_matches("}\n").parse::<u64>().unwrap();
            }
        }
        eventually("places are free", || ask(&portward, "GET", "status").0 == 200);
        assert!(missed > 0 && missed < 7_000, "{missed}");
    });
}

//! Decision lines (contract section 8): what they contain, and what they must never contain.

use serde_json::Value;

use crate::harness::{Portward, Recorder, Setup, Target, ok, within};

fn setup(target: &Target) -> Setup {
    Portward::rules(&format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {} }}]\n",
        target.port()
    ))
}

#[test]
fn forwarded_and_refused_requests_in_the_references_manner() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).start();
        let to = format!("127.0.0.1:{}", target.port());
        let mut client = portward.plain();
        client.get("one.example.net", "/open/a");
        client.get("one.example.net", "/open/b");
        client.get("one.example.net", "/shut");
        let first = portward.decision(&["/open/a"]);
        let id: u64 = first.split(' ').nth(1).unwrap().parse().expect("a connection's number");
        let start = format!("REVERSE-PROXY {id} 127.0.0.1 http://one.example.net GET");
        assert_eq!(first, format!("{start} /open/a HTTP/1.1 -> {to}(new)"));
        assert_eq!(portward.decision(&["/open/b"]), format!("{start} /open/b HTTP/1.1 -> {to}"));
        assert_eq!(portward.decision(&["/shut"]), format!("{start} /shut HTTP/1.1 rejected: no-path"));

        let mut client = portward.tls("one.example.net");
        client.get("one.example.net", "/open/c");
        let line = portward.decision(&["/open/c"]);
        let other: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(other > id, "{line}");
        assert!(line.contains(" https://one.example.net GET /open/c HTTP/1.1 -> "), "{line}");
    });
}

#[test]
fn the_defaults_log_refusals_and_nothing_else() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).set("log.forwarded", "[]").start();
        let mut client = portward.plain();
        client.get("one.example.net", "/open");
        client.get("one.example.net", "/shut");
        portward.decision(&["/shut HTTP/1.1 rejected: no-path"]);
        assert!(!portward.lines().iter().any(|line| line.contains("/open")), "{:?}", portward.lines());
    });
}

#[test]
fn a_client_cannot_write_the_log() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).start();
        for (host, path, logged) in [
            ("one.example.net", "/open/a%20b", "/open/a%2520b"),
            ("one.example.net", "/open/%c3%a4", "/open/%25c3%25a4"),
            ("one.example.net", "/shut/a%3e%22", "/shut/a%253e%2522"),
            ("one.example.net", "/shut/\"quoted\"", "/shut/%22quoted%22"),
            ("one.example.net", "/shut/->127.0.0.1:80(new)", "/shut/-%3E127.0.0.1:80(new)"),
        ] {
            let mut client = portward.plain();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            // Some of these are invalid URIs, and are refused for that.
            let _ = client.some();
            portward.decision(&[&format!("GET {logged} ")]);
        }
        // A long path makes no long line.
        let long = format!("/shut/{}", "x".repeat(9000));
        let _ = portward.plain().get("one.example.net", &long);
        let line = portward.decision(&["/shut/xxxx"]);
        assert!(line.len() < 1500, "{} bytes: {line}", line.len());
        for line in portward.lines() {
            assert!(line.bytes().all(|byte| byte >= b' '), "{line:?}");
        }
    });
}

#[test]
fn secrets_never_appear() {
    within(60, || {
        let target = Target::http(|_, _| ok("x"));
        for format in ["text", "json"] {
            let portward = setup(&target)
                .set("log.format", &format!("\"{format}\""))
                .set("log.ended", "\"all\"")
                .start();
            for path in ["/open?token=SECRET", "/shut?token=SECRET", "/open;x?SECRET"] {
                let _ = portward.plain().ask(format!(
                    "GET {path} HTTP/1.1\r\nHost: one.example.net\r\nAuthorization: Basic SECRET\r\nCookie: SECRET\r\n\
                     Referer: http://SECRET\r\nProxy-Authorization: SECRET\r\n\r\n"
                ));
            }
            let _ = portward.plain().try_send(
                "GET /open HTTP/1.1\r\nHost: one.example.net\r\nAuthorization: SECRET\r\nA :b\r\n\r\n",
            );
            portward.line(&["/open?…"]);
            portward.line(&["/shut?…"]);
            portward.line(&["malformed"]);
            let lines = portward.lines().join("\n");
            assert!(!lines.contains("SECRET"), "{lines}");
        }
    });
}

#[test]
fn item_1_octets_of_an_answer_that_breaks_off_are_counted() {
    within(60, || {
        let target = Target::scripted(|conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour");
        });
        let portward = setup(&target).set("log.ended", "\"all\"").start();
        let mut client = portward.plain();
        client.send("GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let answer = client.rest();
        assert!(answer.ends_with(b"\r\n\r\nfour"), "{}", String::from_utf8_lossy(&answer));
        let (up, down) = (target.received(0).len(), answer.len());
        portward.line(&[
            "ended by target in relay (target-down)",
            &format!(": {up} bytes up, {down} bytes down"),
        ]);
    });
}

#[test]
fn queries_are_written_on_request() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).set("log.query", "true").start();
        portward.plain().get("one.example.net", "/open?a=b&c=d");
        portward.decision(&["GET /open?a=b&c=d HTTP/1.1 -> "]);
    });
}

#[test]
fn json_has_the_same_facts_as_fields() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).set("log.format", "\"json\"").start();
        let mut client = portward.plain();
        client.get("one.example.net", "/open/a?q");
        client.get("one.example.net", "/open/b");
        client.get("one.example.net", "/shut");
        let parsed = |part: &str| -> Value {
            serde_json::from_str(&portward.line(&[part])).expect("a JSON object a line")
        };
        let (first, second, third) = (parsed("/open/a"), parsed("/open/b"), parsed("/shut"));
        for line in [&first, &second, &third] {
            assert_eq!(line["client"], "127.0.0.1", "{line}");
            assert_eq!(line["service"], "http", "{line}");
            assert_eq!(line["host"], "one.example.net", "{line}");
            assert_eq!(line["method"], "GET", "{line}");
            assert_eq!(line["id"], first["id"], "{line}");
        }
        assert_eq!(first["path"], "/open/a?…");
        assert_eq!(first["target"], format!("127.0.0.1:{}", target.port()));
        assert_eq!((&first["new"], &second["new"]), (&Value::Bool(true), &Value::Bool(false)));
        assert_eq!((&third["reason"], &third["target"]), (&Value::from("no-path"), &Value::Null));
        // All other lines of this format are JSON, too.
        for line in portward.lines() {
            assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        }
    });
}

#[test]
fn ends_are_logged_on_request() {
    within(60, || {
        let target = Target::named("here");
        let portward = setup(&target).set("log.ended", "[\"http\"]").start();
        let mut client = portward.plain();
        client.get("one.example.net", "/open");
        let decision = portward.decision(&["/open HTTP/1.1 -> "]);
        let id = decision.split(' ').nth(1).unwrap().to_owned();
        drop(client);
        portward.line(&[&format!("REVERSE-PROXY {id} 127.0.0.1 "), "ended"]);
    });
}

/// A request to a target that is down is not logged as forwarded. The line is written once the target has accepted.
#[test]
fn forwarded_means_that_the_target_has_accepted() {
    within(60, || {
        let target: Recorder = Target::recorder();
        let setup = setup(&target);
        drop(target);
        let portward = setup.start();
        assert_eq!(portward.plain().get("one.example.net", "/open").status(), 502);
        portward.decision(&["/open HTTP/1.1 rejected: target-down"]);
        assert!(
            !portward.lines().iter().any(|line| line.contains("REVERSE-PROXY") && line.contains("->")),
            "{:?}",
            portward.lines()
        );
    });
}

/// Contract section 7, `log.ended`, and section 8: each request has an ending line with status, bytes and milliseconds.
#[test]
fn the_end_of_each_request_has_its_status_its_bytes_and_its_time() {
    within(60, || {
        let target = Target::http(|message, _| {
            let status = if message.start.contains("/gone") { "410 Gone" } else { "200 OK" };
            format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nbody").into_bytes()
        });
        let portward = setup(&target).set("log.ended", "[\"http\"]").start();
        let mut client = portward.plain();
        assert_eq!(client.get("one.example.net", "/open?t=s3cret").status(), 200);
        assert_eq!(client.get("one.example.net", "/open/gone").status(), 410);
        assert_eq!(client.get("one.example.net", "/shut").status(), 404);
        let start = |path: &str| format!("http://one.example.net GET {path} HTTP/1.1 ended ");
        for (path, status, down) in [("/open?…", 200, 42), ("/open/gone", 410, 44)] {
            let line = portward.decision(&[&start(path)]);
            let (_, rest) = line.split_once(" ended ").unwrap();
            let words: Vec<&str> = rest.split(' ').collect();
            assert_eq!(words[0], format!("{status}:"), "{line}");
            assert!(words[1].parse::<u64>().unwrap() > 40, "{line}");
            assert_eq!(words[4].parse::<u64>().unwrap(), down, "{line}");
            assert!(words[7].parse::<u64>().is_ok() && words[8] == "ms", "{line}");
            assert_eq!(words.len(), 9, "{line}");
        }
        let line = portward.decision(&[&start("/shut"), "404: 0 bytes up, "]);
        assert!(line.ends_with(" ms"), "{line}");
        assert!(!portward.lines().join("\n").contains("s3cret"));
        // If the target is down the answer is ours.
        let portward = Portward::rules(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{ path = \"\", tcp = 1 }]\n",
        )
        .set("log.ended", "[\"http\"]")
        .set("log.format", "\"json\"")
        .start();
        assert_eq!(portward.plain().get("one.example.net", "/x?t=s3cret").status(), 502);
        let line = portward.line(&["\"ended\"", "\"status\""]);
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&json["status"], &json["path"], &json["method"]),
            (&502.into(), &"/x?…".into(), &"GET".into())
        );
        assert!(
            json["milliseconds"].is_u64() && json["bytes_up"] == 0 && json["bytes_down"].is_u64(),
            "{line}"
        );
        // Services that are decided once have only the ending line of their connection.
        assert!(!line.contains("s3cret"));
    });
}

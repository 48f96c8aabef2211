//! `exchange = "sip"`: requests and answers. Nothing arrives at a target.

use serde_json::{Value, json};

use super::{Door, HOST, assert_given, brought, form, now, password};
use crate::harness::{command, within};

#[test]
fn item_2_a_tenants_credential_is_exchanged_for_one_of_sip() {
    within(120, || {
        let door = Door::open();
        let (username, secret) = (format!("{}:alice", now() + 600), "newest of XYZ");
        let sha1 = password("sha1", secret, &username);
        let sha256 = password("sha256", secret, &username);
        let older = password("sha1", "older of XYZ", &username);
        for right in [&sha1, &sha256, &older] {
            assert_given(
                &door.post("XYZ", &json!({ "username": username, "password": right })),
                600,
                "XYZ/alice@voxbone.example",
            );
        }
        // A form, encoded and not, with the draft's further parameters.
        for body in [form(&username, &sha1), format!("service=sip&username={username}&password={sha1}")] {
            let answer = door.ask(
                "POST",
                "/token/XYZ",
                "Content-Type: application/x-www-form-urlencoded\r\n",
                body.as_bytes(),
            );
            assert_given(&answer, 600, "XYZ/alice@voxbone.example");
        }
        // A charset, chunks of one octet, and a client that waits for 100.
        let body = json!({ "username": username, "password": sha1 }).to_string();
        let typed = "Content-Type: application/json;charset=UTF-8\r\n";
        let mut wire = door.wire();
        let chunks: String = body.chars().map(|one| format!("1;x=y\r\n{one}\r\n")).collect();
        for _ in 0..2 {
            wire.send(format!(
                "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\nX: y\r\n\r\n"
            ));
            assert_given(&wire.response(), 600, "XYZ/alice@voxbone.example");
        }
        wire.send(format!(
            "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        assert_eq!(wire.head().status(), 100);
        wire.send(body.as_bytes());
        assert_given(&wire.response(), 600, "XYZ/alice@voxbone.example");
        // It never lasts longer than sip.max_lifetime, even if the clocks differ.
        let late = brought(now() + 3_600 + 40, "alice", secret);
        assert_given(&door.post("XYZ", &late), 3_600, "XYZ/alice@voxbone.example");
        // The client may choose one of several domains.
        let house = brought(now() + 60, "bob", "of HOUSE");
        assert_given(&door.at("house.example.net", "/token", &house), 60, "HOUSE/bob@house.example");
        for (domain, name) in [
            ("Second.House.example", "second.house.example"),
            ("voxbone.example", "voxbone.example"),
            ("", "house.example"),
        ] {
            let mut house = house.clone();
            house["domain"] = domain.into();
            assert_given(&door.at("house.example.net", "/token", &house), 60, &format!("HOUSE/bob@{name}"));
        }
        let mut foreign = house;
        for domain in ["xyz.example", "nowhere.example", "webrtc.example.net", "a b"] {
            foreign["domain"] = domain.into();
            door.is_refused(&door.at("house.example.net", "/token", &foreign), 403, "other-name");
        }
        let xyz = brought(now() + 60, "alice", "of BELOW");
        assert_given(&door.post("BELOW", &xyz), 60, "BELOW/alice@below.example");
        door.portward.decision(&["https://webrtc.example.net POST /token/XYZ ", "user=alice -> exchange"]);
        door.says_no_secret(&sha1);
    });
}

#[test]
fn item_2_wrong_expired_and_foreign_credentials_are_refused() {
    within(120, || {
        let door = Door::open();
        let good = |secret: &str| brought(now() + 600, "alice", secret);
        let mut altered = good("newest of XYZ");
        let right = altered["password"].as_str().unwrap().to_owned();
        altered["password"] =
            (if right.starts_with('A') { "B" } else { "A" }.to_owned() + &right[1..]).into();
        let wrong = [
            ("XYZ", good("of OTHER")),
            ("XYZ", good("of sip")),
            ("OTHER", good("newest of XYZ")),
            ("BARE", good("newest of XYZ")),
            ("BELOW", good("newest of XYZ")),
            ("XYZ", altered),
            ("XYZ", brought(now() + 3_600 + 90, "alice", "newest of XYZ")),
            ("XYZ", json!({ "username": "alice", "password": password("sha1", "newest of XYZ", "alice") })),
            ("XYZ", json!({ "username": "", "password": "" })),
            ("XYZ", brought(now() - 5, "alice", "of OTHER")),
            ("XYZ", brought(now() + 60, "OTHER/bob@voxbone.example", "of OTHER")),
        ];
        let mut said = Vec::new();
        for (tenant, body) in &wrong {
            let mark = door.portward.mark();
            let answer = door.post(tenant, body);
            door.is_refused(&answer, 403, "failed-login");
            door.portward
                .decision_after(mark, &[&format!("POST /token/{tenant} "), "rejected: failed-login"]);
            said.push((
                answer.body,
                answer.headers.iter().filter(|one| one.0 != "Date").cloned().collect::<Vec<_>>(),
            ));
        }
        assert!(said.iter().all(|one| *one == said[0]), "all of them get the same answer: {said:?}");
        door.is_refused(&door.post("XYZ", &brought(now() - 5, "alice", "newest of XYZ")), 403, "expired");
        for user in ["a/b", "a@voxbone.example", "OTHER/bob@voxbone.example", "a\tb"] {
            door.is_refused(
                &door.post("XYZ", &brought(now() + 60, user, "newest of XYZ")),
                403,
                "other-name",
            );
        }
        door.is_refused(&door.post("GONE", &good("of GONE")), 403, "disabled");
        door.is_refused(&door.post("NOBODY", &good("of GONE")), 404, "unknown-tenant");
        door.says_no_secret(&right);
    });
}

#[test]
fn item_2_what_is_no_such_request_is_told_so() {
    within(120, || {
        let door = Door::open();
        let json = brought(now() + 60, "alice", "newest of XYZ").to_string();
        let typed = "Content-Type: application/json\r\n";
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "post"] {
            let mut wire = door.wire();
            wire.send(format!("{method} /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
            let answer = if method == "HEAD" { wire.head() } else { wire.response() };
            assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST, OPTIONS")), "{method}");
        }
        for fields in [
            "",
            "Content-Type: text/plain\r\n",
            "Content-Type: application/json\r\nContent-Type: application/json\r\n",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            "Content-Type: multipart/form-data; boundary=x\r\n",
        ] {
            door.is_refused(&door.ask("POST", "/token/XYZ", fields, json.as_bytes()), 415, "malformed");
        }
        let long = format!("{{\"x\":\"{}\"}}", "x".repeat(8_192));
        for (body, status, reason) in [
            ("", 400, "malformed"),
            ("{", 400, "malformed"),
            ("{\"username\":\"5:a\"}", 400, "malformed"),
            ("[]", 400, "malformed"),
            (&long, 413, "too-large"),
        ] {
            door.is_refused(&door.ask("POST", "/token/XYZ", typed, body.as_bytes()), status, reason);
        }
        // A body that is too long, one without an end, and a declared length that never comes.
        let mut wire = door.wire();
        wire.send(format!(
            "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Transfer-Encoding: chunked\r\n\r\n2001\r\n{}",
            "x".repeat(0x2001)
        ));
        assert_eq!(wire.response().status(), 413);
        let mut wire = door.wire();
        wire.send(format!(
            "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Content-Length: 99999999999\r\n\r\n"
        ));
        assert_eq!(wire.response().status(), 413);
        assert_eq!(wire.rest(), b"", "the connection ends");
        let mut wire = door.wire();
        wire.send(format!(
            "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Transfer-Encoding: chunked\r\n\r\nx\r\n"
        ));
        assert_eq!(wire.response().status(), 400);
        assert_eq!(wire.rest(), b"");
    });
}

/// The octets after a body are the next request. Octets in a body that look like a request are none.
#[test]
fn item_2_bodies_smuggle_nothing() {
    within(120, || {
        let door = Door::open();
        let typed = "Content-Type: application/json\r\n";
        let good = brought(now() + 60, "alice", "newest of XYZ").to_string();
        let inner = format!("GET /hidden HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        for (fields, body) in [
            (format!("Content-Length: {}\r\n", inner.len()), inner.clone()),
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
            ),
        ] {
            for method in ["POST", "PUT", "OPTIONS", "DELETE"] {
                let mut wire = door.wire();
                wire.send(format!(
                    "{method} /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}{fields}\r\n{body}\
                     POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Content-Length: {}\r\n\r\n{good}",
                    good.len()
                ));
                let first = if method == "OPTIONS" { wire.head() } else { wire.response() };
                assert!(matches!(first.status(), 204 | 400 | 405), "{method}: {first:?}");
                assert_given(&wire.response(), 60, "XYZ/alice@voxbone.example");
            }
        }
        // The request is cut at every place.
        let whole = format!(
            "POST /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\n{typed}Content-Length: {}\r\n\r\n{good}",
            good.len()
        );
        let mut wire = door.wire();
        for cut in (0..whole.len()).step_by(7) {
            let (before, behind) = whole.split_at(cut);
            wire.send(before);
            wire.send(behind);
            assert_given(&wire.response(), 60, "XYZ/alice@voxbone.example");
        }
    });
}

#[test]
fn item_2_a_credential_comes_by_tls_where_the_rule_demands_it() {
    within(60, || {
        let door = Door::open();
        let body = brought(now() + 60, "alice", "newest of XYZ").to_string();
        let post = |path: &str| {
            let mut wire = door.portward.plain();
            wire.send(format!(
                "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            wire.response()
        };
        let sent_on = post("/secure/XYZ");
        assert_eq!(sent_on.status(), 308);
        assert!(!sent_on.text().contains("password"), "{sent_on:?}");
        let get = door.portward.plain().get(HOST, "/secure/XYZ");
        assert_eq!(get.status(), 308);
        assert!(get.header("location").unwrap().starts_with("https://webrtc.example.net"), "{get:?}");
        assert_given(&post("/plain/XYZ"), 60, "XYZ/alice@voxbone.example");
    });
}

#[test]
fn item_2_without_secrets_of_sip_nothing_is_exchanged() {
    within(60, || {
        let door = Door::with(|setup| setup.set("sip.secrets", "[]"));
        door.is_refused(&door.post("XYZ", &brought(now() + 60, "alice", "newest of XYZ")), 503, "no-service");
        let file = door.portward.config().display().to_string();
        let said = command(60, door.portward.dir(), &["check", "--config", &file]);
        assert!(said.code == 0 && said.all().contains("no secrets under [sip]"), "{said:?}");
    });
}

#[test]
fn item_2_explain_and_the_api_show_the_exchange() {
    within(120, || {
        let door = Door::open();
        let file = door.portward.config().display().to_string();
        let explain =
            |url: &str| command(60, door.portward.dir(), &["explain", "--json", "--config", &file, url]);
        let said = explain("https://webrtc.example.net/token/XYZ");
        let json: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            (said.code, &json["decision"], &json["domain"]),
            (0, &"answer".into(), &"voxbone.example".into())
        );
        for (url, reason) in [
            ("https://webrtc.example.net/token/NOBODY", "unknown-tenant"),
            ("https://webrtc.example.net/token/GONE", "disabled"),
        ] {
            let said = explain(url);
            let json: Value = serde_json::from_str(&said.out).unwrap();
            assert_eq!((said.code, &json["reason"]), (1, &reason.into()), "{json}");
        }
        let host = door.api("GET", "hosts/webrtc.example.net", None);
        let rule =
            |path: &str| host["http"].as_array().unwrap().iter().find(|one| one["path"] == path).unwrap();
        let exchange = rule("/token/{tenant}");
        for (key, value) in [
            ("exchange", json!("sip")),
            ("origins", json!(["https://www.customer.example"])),
            ("uris", json!(["wss://webrtc.example.net/sip", "sips:voxbone.example"])),
            ("target", json!([])),
            ("tcp", Value::Null),
            ("tls", Value::Null),
            ("by_tenant", json!(false)),
            ("login_plain", json!(false)),
            ("websocket", Value::Null),
        ] {
            assert_eq!(exchange[key], value, "{key}: {exchange}");
        }
        let websocket = rule("/sip");
        for (key, value) in [
            ("websocket", json!("sip")),
            ("origins", json!(["https://www.customer.example", "none"])),
            ("websocket_wait", json!("90s")),
            ("tcp", Value::Null),
            ("exchange", Value::Null),
        ] {
            assert_eq!(websocket[key], value, "{key}: {websocket}");
        }
        // A host of the API is shown as it was put.
        let put = json!({ "target": "192.0.2.9", "http": [
            { "path": "/sip", "websocket": "sip", "ws": 8088, "wss": 8089, "ws_path": "/ws", "websocket_wait": "5m" },
            { "path": "/token/{tenant}", "exchange": "sip", "origins": ["https://a.example"], "uris": ["wss://b.example/sip"] },
        ] });
        door.api("PUT", "hosts/made.example.net", Some(&put));
        let made = door.api("GET", "hosts/made.example.net", None);
        for (shown, said) in made["http"].as_array().unwrap().iter().zip(put["http"].as_array().unwrap()) {
            for (key, value) in said.as_object().unwrap() {
                assert_eq!(&shown[key], value, "{key}: {shown}");
            }
        }
        assert_eq!(made["http"][0]["target"], json!(["192.0.2.9"]));
    });
}

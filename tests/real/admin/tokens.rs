//! Tokens: where they come from, what they allow, and what happens to a wrong one.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;

use super::{RULES, ask, bearer, json, start, usual};
use crate::harness::{Portward, Wire, within};

#[test]
fn issue_19_a_token_is_made_at_the_first_start_and_outlives_a_restart() {
    within(60, || {
        let mut admin = usual();
        let file = admin.portward.dir().join("state/admin-token");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let token = admin.token();
        assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), token);
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&token)]), 200);
        admin.portward = admin.portward.restart();
        admin.portward.line(&["administration on "]);
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&token)]), 200);
    });
}

#[test]
fn issue_19_without_a_token_nothing_is_said() {
    within(60, || {
        let admin = usual();
        let token = admin.token();
        for (method, path) in [
            ("GET", "/v1/status"),
            ("HEAD", "/v1/status"),
            ("GET", "/v1/connections"),
            ("POST", "/v1/reload"),
            ("POST", "/v1/blacklist"),
            ("GET", "/v1/nothing"),
            ("GET", "/v1/token"),
            ("DELETE", "/v1/session"),
        ] {
            let answer = admin.ask(method, path, &[], "");
            assert_eq!(answer.status(), 401, "{method} {path}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{method} {path}");
        }
        for wrong in [
            "Authorization: Basic YTpi".to_owned(),
            "Authorization: Bearer".to_owned(),
            bearer(&token[1..]),
            bearer(&format!("{token}x")),
            format!("{}\r\n{}", bearer(&token), bearer(&token)),
        ] {
            assert_eq!(admin.status("GET", "/v1/status", &[&wrong]), 401, "{wrong}");
        }
        // Only clients of the socket can get the token itself.
        assert_eq!(admin.status("GET", "/v1/token", &[&bearer(&token)]), 403);
        let front = admin.ask("GET", "/", &[], "");
        assert_eq!((front.status(), front.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(!admin.portward.lines().join("\n").contains(&token), "the log shows no token");
    });
}

#[test]
fn issue_19_the_token_that_reads_changes_nothing() {
    within(60, || {
        let admin = usual();
        let reads = admin.reading();
        let file = admin.portward.dir().join("state/admin-token");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{}\n{reads}\n", admin.token()));
        for path in ["/v1/status", "/v1/connections", "/v1/blacklist"] {
            assert_eq!(admin.status("GET", path, &[&bearer(&reads)]), 200, "{path}");
        }
        for (method, path) in [
            ("POST", "/v1/reload"),
            ("DELETE", "/v1/blacklist"),
            ("DELETE", "/v1/connections/1"),
            ("POST", "/v1/hosts/one.example.net/disable"),
        ] {
            assert_eq!(admin.status(method, path, &[&bearer(&reads)]), 403, "{method} {path}");
        }
        let disabled = admin.ask("POST", "/v1/hosts/one.example.net/disable", &[&bearer(&admin.token())], "");
        assert_eq!((disabled.status(), &json(&disabled)["enabled"]), (200, &false.into()));
        admin
            .portward
            .line(&["an administrator (token, from 127.0.0.1:", "disables the host one.example.net"]);
    });
}

#[test]
fn issue_19_a_new_token_ends_the_old_one_at_once() {
    within(60, || {
        let admin = usual();
        let (old, reads) = (admin.token(), admin.reading());
        let (status, json) = admin.socket("POST", "/v1/token");
        let new = json["token"].as_str().unwrap();
        assert!(status == 200 && new != old);
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&old)]), 401);
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(new)]), 200);
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&reads)]), 200, "Prometheus goes on");
        admin.portward.line(&["an administrator (user ", "replaces the admin token"]);
    });
}

#[test]
fn issue_19_wrong_tokens_are_throttled_by_address_and_never_lock_out_a_right_one() {
    within(60, || {
        let admin = start(Portward::rules(RULES).set("blacklist.allow", "[]"));
        let wrong = bearer(&"x".repeat(40));
        let statuses: Vec<_> = (0..12).map(|_| admin.status("GET", "/v1/status", &[&wrong])).collect();
        assert_eq!(statuses, [vec![401; 10], vec![429; 2]].concat());
        let answer = admin.ask("GET", "/v1/status", &[&wrong], "");
        assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() <= 60);
        admin.portward.line(&["too many wrong tokens within a minute from 127.0.0.1"]);
        let elsewhere = Wire::plain_from(IpAddr::from([127, 0, 0, 2]), admin.port);
        let answer = ask(elsewhere, &admin.host(), ("GET", "/v1/status"), (&[&wrong], ""));
        assert_eq!(answer.status(), 401, "another address has its own count");
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&admin.token())]), 200);
        // Wrong tokens do not count in the guard.
        assert_eq!(admin.socket("GET", "/v1/blacklist").1["count"], 0);
    });
}

#[test]
fn issue_19_with_changes_loopback_reads_four_resources_without_a_token() {
    within(60, || {
        let admin = start(Portward::rules(RULES).set("admin.token", "\"changes\""));
        for path in ["/metrics", "/v1/status", "/v1/targets", "/v1/certificates"] {
            assert_eq!(admin.status("GET", path, &[]), 200, "{path}");
        }
        assert_eq!(admin.status("HEAD", "/v1/status", &[]), 200);
        for (method, path) in [("GET", "/v1/connections"), ("GET", "/v1/blacklist"), ("POST", "/v1/reload")] {
            assert_eq!(admin.status(method, path, &[]), 401, "{method} {path}");
        }
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer("wrong")]), 401, "a wrong token is none");
        let foreign = ask(Wire::plain(admin.port), "evil.example", ("GET", "/v1/status"), (&[], ""));
        assert_eq!(foreign.status(), 421);
    });
}

//! The files of the dashboard page: which clients get them, in which form, with which header fields. An unchanged copy
//! is not sent again.

use std::fs;
use std::path::Path;

use super::{Admin, RULES, ask, bearer, start, usual};
use crate::harness::{Message, Portward, Wire, curl, within};

/// The files of the page, except the page itself.
fn files() -> Vec<String> {
    let names = fs::read_dir("src/admin/dashboard").unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: Vec<_> = names.filter(|name| !name.ends_with(".rs") && name != "index.html").collect();
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// The paths of the page and all its files, and their places in the source.
fn paths() -> Vec<(String, String)> {
    let files = files().into_iter().map(|name| (format!("/dashboard/{name}"), name));
    files.chain([("/".to_owned(), "index.html".to_owned())]).collect()
}

fn content(name: &str) -> Vec<u8> {
    fs::read(Path::new("src/admin/dashboard").join(name)).unwrap()
}

fn get(admin: &Admin, path: &str, fields: &[&str]) -> Message {
    admin.ask("GET", path, fields, "")
}

const POLICY: [&str; 10] = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
];

/// Checks the fields that protect the browser, in each answer, whole or 304.
fn is_guarded(answer: &Message, path: &str) {
    let policy: Vec<_> = answer.header("content-security-policy").unwrap().split("; ").collect();
    assert_eq!(policy, POLICY, "{path}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ] {
        assert_eq!(answer.all(name), [value], "{path}: {name}");
    }
    assert!(answer.header("permissions-policy").unwrap().contains("camera=()"), "{path}");
    assert!(answer.header("set-cookie").is_none(), "{path}");
}

#[test]
fn issue_23_item_2_the_page_and_its_files_are_there_without_a_log_in() {
    within(60, || {
        let admin = usual();
        for (path, name) in paths() {
            let answer = get(&admin, &path, &[]);
            assert_eq!((answer.status(), &answer.body), (200, &content(&name)), "{path}");
            let kind = match name.rsplit_once('.').unwrap().1 {
                "html" => "text/html; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "js" => "text/javascript; charset=utf-8",
                "svg" => "image/svg+xml",
                other => panic!("{other}"),
            };
            assert_eq!(answer.header("content-type"), Some(kind), "{path}");
            assert!(answer.header("content-encoding").is_none(), "{path}: nothing was said of gzip");
            is_guarded(&answer, &path);
            // The token or the session does not matter.
            let token = bearer("wrong");
            assert_eq!(get(&admin, &path, &[&token, "Cookie: portward=x"]).status(), 200, "{path}");
            let head = admin.ask("HEAD", &path, &[], "");
            assert_eq!((head.status(), head.body.len()), (200, 0), "{path}");
            for field in ["content-type", "content-length", "etag", "vary", "content-security-policy"] {
                assert_eq!(head.header(field), answer.header(field), "{path}: {field}");
            }
        }
        assert_eq!(get(&admin, "/?from=a-letter", &[]).status(), 200, "a page is a page with any query");
        // No other path is open.
        for path in ["/v1/status", "/v1/decisions", "/v1/history", "/v1/session", "/v1/hosts", "/metrics"] {
            let answer = get(&admin, path, &[]);
            assert_eq!(answer.status(), 401, "{path}");
            let policy = answer.header("content-security-policy");
            assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"), "{path}");
        }
    });
}

#[test]
fn issue_23_item_2_gzip_holds_what_the_plain_file_holds() {
    within(60, || {
        let admin = usual();
        for (path, name) in paths() {
            let plain = get(&admin, &path, &["Accept-Encoding: identity"]);
            let short = get(&admin, &path, &["Accept-Encoding: br, gzip"]);
            is_guarded(&short, &path);
            if short.header("content-encoding") != Some("gzip") {
                assert!(content(&name).len() < 300, "{path} would be shorter in gzip");
                assert_eq!(short.header("etag"), plain.header("etag"), "{path}");
                continue;
            }
            assert!(short.body.len() < plain.body.len(), "{path}");
            assert_ne!(short.header("etag"), plain.header("etag"), "{path}: each form has its own");
            assert_eq!(short.header("content-type"), plain.header("content-type"), "{path}");
            let url = format!("http://{}{path}", admin.host());
            assert_eq!(curl(&["--compressed", &url]).out.as_bytes(), content(&name), "{path}");
            let head = admin.ask("HEAD", &path, &["Accept-Encoding: gzip"], "");
            for field in ["content-encoding", "content-length", "etag"] {
                assert_eq!(head.header(field), short.header(field), "{path}: {field}");
            }
        }
        for (wish, is_gzip) in [
            ("gzip", true),
            ("*", true),
            ("GZIP;q=0.1", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("br", false),
            ("gzip;q=0.2, identity;q=0.8", false),
        ] {
            let answer = get(&admin, "/", &[&format!("Accept-Encoding: {wish}")]);
            assert_eq!(answer.header("content-encoding").is_some(), is_gzip, "{wish}");
            assert_eq!(answer.all("vary"), ["accept-encoding"], "{wish}");
        }
    });
}

#[test]
fn issue_23_item_2_a_copy_that_is_still_right_is_not_sent_again() {
    within(60, || {
        let mut admin = usual();
        let mut tags = Vec::new();
        for (path, _) in paths() {
            for wish in ["Accept-Encoding: identity", "Accept-Encoding: gzip"] {
                let first = get(&admin, &path, &[wish]);
                let etag = first.header("etag").unwrap().to_owned();
                assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20, "{etag}");
                for known in [
                    etag.clone(),
                    format!("W/{etag}"),
                    format!("\"x\", W/\"y\", {etag}"),
                    format!("\"x\"\r\nIf-None-Match: {etag}"),
                    "*".to_owned(),
                ] {
                    for method in ["GET", "HEAD"] {
                        let known = format!("If-None-Match: {known}");
                        let answer = admin.ask(method, &path, &[wish, &known], "");
                        assert_eq!((answer.status(), answer.body.len()), (304, 0), "{path} {known}");
                        assert_eq!(answer.header("etag"), Some(&*etag), "{path} {known}");
                        is_guarded(&answer, &path);
                        for field in ["content-type", "content-encoding"] {
                            assert!(answer.header(field).is_none(), "{path}: {field}");
                        }
                    }
                }
                for other in ["\"x\"", "x", &etag.replace('"', ""), &etag[..10], ""] {
                    let answer = get(&admin, &path, &[wish, &format!("If-None-Match: {other}")]);
                    assert_eq!((answer.status(), &answer.body), (200, &first.body), "{path} {other}");
                }
                tags.push((path.clone(), wish, etag));
            }
        }
        // A copy is still valid after a restart.
        admin.portward = admin.portward.restart();
        admin.portward.line(&["administration on "]);
        for (path, wish, etag) in &tags {
            let answer = get(&admin, path, &[wish, &format!("If-None-Match: {etag}")]);
            assert_eq!(answer.status(), 304, "{path} {wish}");
        }
        // A copy of one encoding does not answer for the other.
        let tag = |wish| tags.iter().find(|(path, with, _)| path == "/" && *with == wish).unwrap().2.clone();
        let plain = format!("If-None-Match: {}", tag("Accept-Encoding: identity"));
        assert_eq!(get(&admin, "/", &["Accept-Encoding: gzip", &plain]).status(), 200);
    });
}

#[test]
fn issue_23_item_2_other_paths_and_methods_and_hosts_are_refused() {
    within(60, || {
        let admin = usual();
        let name = &files()[0];
        for path in [
            "/dashboard",
            "/dashboard/",
            "/dashboard//",
            "/dashboard/none.js",
            "/dashboard/index.html",
            "/dashboard/mod.rs",
            "/index.html",
            "/favicon.ico",
            &format!("/dashboard//{name}"),
            &format!("//dashboard/{name}"),
            &format!("/dashboard/./{name}"),
            &format!("/dashboard/x/../{name}"),
            &format!("/dashboard/{name}/"),
            &format!("/dashboard/{name}%00"),
            &format!("/dashboard/%2e/{name}"),
            &format!("/dashboard/{}", name.to_uppercase()),
            &format!("/Dashboard/{name}"),
            "/dashboard/../v1/status",
            "/dashboard/..%2fv1%2fstatus",
            "/dashboard/%2e%2e/v1/status",
            "/dashboard/..\\..\\..\\etc\\passwd",
            "/dashboard/../../../../etc/passwd",
            "/dashboard/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/dashboard/%2Fetc%2Fpasswd",
        ] {
            // A client without a token does not learn which paths exist.
            let status = get(&admin, path, &[]).status();
            assert!([400, 401, 404].contains(&status), "{path}: {status}");
            let status = get(&admin, path, &[&bearer(&admin.token())]).status();
            assert!([400, 404].contains(&status), "{path}: {status}");
        }
        for path in ["/", &format!("/dashboard/{name}")] {
            for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
                let answer = admin.ask(method, path, &[], "");
                assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
            }
            for host in ["evil.example", "127.0.0.2", "localhost.evil.example"] {
                let answer = ask(Wire::plain(admin.port), host, ("GET", path), (&[], ""));
                assert_eq!(answer.status(), 421, "{host} {path}");
                assert!(!answer.text().contains("<html"), "{host} {path}");
            }
        }
    });
}

#[test]
fn issue_23_item_2_over_https_the_page_is_the_same() {
    within(60, || {
        let setup = Portward::rules(RULES).certificate("a", &["portward.example.net"]);
        let setup = setup.set("admin.certificate", "\"a\"").set("admin.names", "[\"portward.example.net\"]");
        let admin = start(setup);
        let host = format!("portward.example.net:{}", admin.port);
        for (path, name) in paths() {
            let wire = Wire::tls(admin.port, "portward.example.net");
            let answer = ask(wire, &host, ("GET", &path), (&[], ""));
            assert_eq!((answer.status(), &answer.body), (200, &content(&name)), "{path}");
            is_guarded(&answer, &path);
        }
    });
}

/// For people with curl, and for browsers without script.
#[test]
fn issue_23_item_2_the_page_says_what_there_is_without_script() {
    within(60, || {
        let text = get(&usual(), "/", &[]).text();
        let (_, rest) = text.split_once("<noscript>").unwrap();
        let (said, _) = rest.split_once("</noscript>").unwrap();
        for what in ["JavaScript", "/v1/", "/metrics", "portward admin token"] {
            assert!(said.contains(what), "{what}: {said}");
        }
    });
}

//! What a rule changes of an answer.

use proptest::prelude::*;

use super::rules::with_edits;
use super::*;
use crate::inspect::http::Response;
use crate::rules::{ResponseField, Treatment};

/// What the client gets of an answer to `GET PATH`. That many octets were taken off the path.
fn answer_to(path: &str, how: (usize, bool), treatment: &Treatment, said: &str, text: &str) -> String {
    let asked = format!("GET {path} HTTP/1.1\r\nHost: App.example\r\n{said}\r\n");
    let mut inspector = ResponseInspector::default();
    let Inspect::Found { ask, .. } = inspector.inspect(text.as_bytes()) else { panic!("{text}") };
    let ask: Response = ask;
    let told = treatment.host_of_target.then_some("inside.example:8080");
    let client = ForClient { version: Version::Http11, persistent: true };
    with_edits(&asked, how, treatment, |asked, edits| {
        let mut out = Vec::new();
        let edits = AnswerEdits::of(asked, edits, told, 8080);
        response_head(&mut out, text.as_bytes(), &ask, (client, edits.as_deref()));
        String::from_utf8(out).unwrap()
    })
}

fn treatment(host_of_target: bool) -> Treatment {
    Treatment { strip: true, host_of_target, ..Treatment::default() }
}

/// What the value of one field of a redirect becomes.
fn becomes(name: &str, value: &str, treatment: &Treatment, path: &str) -> String {
    let text = format!("HTTP/1.1 302 Found\r\n{name}: {value}\r\nContent-Length: 0\r\n\r\n");
    let got = answer_to(path, (6, false), treatment, "", &text);
    assert_eq!(got.matches("\r\n").count(), 4, "{got}");
    got.split("\r\n").nth(1).and_then(|line| line.strip_prefix(&format!("{name}: "))).unwrap().to_owned()
}

#[test]
fn item_2_a_location_gets_back_what_was_taken_off() {
    for (value, expected) in [
        ("/login?next=/a#f", "/t/XYZ/login?next=/a#f"),
        ("/", "/t/XYZ/"),
        ("/t/XYZ/login", "/t/XYZ/login"),
        ("/t/XYZ", "/t/XYZ"),
        ("/t/XYZ?a", "/t/XYZ?a"),
        ("/t/%58YZ/a", "/t/%58YZ/a"),
        ("/t/XYZ2/a", "/t/XYZ/t/XYZ2/a"),
        ("/t/xyz/a", "/t/XYZ/t/xyz/a"),
        ("/t/XYZ/../ABC/a", "/t/XYZ/t/ABC/a"),
        ("/../ABC/a", "/t/XYZ/ABC/a"),
        ("/a/%2e%2E/%2e/b/..", "/t/XYZ/"),
        ("http://app.example/a", "http://app.example/t/XYZ/a"),
        ("HTTPS://APP.example.:443/a?b", "HTTPS://APP.example.:443/t/XYZ/a?b"),
        // nginx appends its own port to the name in the client's Host.
        ("http://app.example:8080/a", "/t/XYZ/a"),
        ("http://app.example:/a", "http://app.example:/t/XYZ/a"),
        ("http://app.example", "http://app.example/t/XYZ/"),
        ("http://app.example?q", "http://app.example/t/XYZ/?q"),
        ("https://app.example/t/XYZ/a", "https://app.example/t/XYZ/a"),
        ("//app.example/a", "//app.example/t/XYZ/a"),
        ("https://app.example//a", "https://app.example/t/XYZ//a"),
        ("../../../x", "/t/XYZ/x"),
        ("../x?y", "/t/XYZ/x?y"),
    ] {
        for name in ["Location", "content-location"] {
            assert_eq!(becomes(name, value, &treatment(false), "/t/XYZ/a/b"), expected, "{value}");
        }
    }
}

#[test]
fn item_2_what_leads_elsewhere_or_is_malformed_stays() {
    for value in [
        "https://other.example/a",
        "https://app.example:8443/a",
        "https://app.example.evil.example/a",
        "https://app.example@evil.example/a",
        "https://user@app.example/a",
        "https://app.example\\@evil.example/a",
        "//evil.example/a",
        "/\\evil.example/a",
        "http:/a",
        "http:///a",
        "mailto:a@app.example",
        "javascript:alert(1)",
        "b",
        "./b?c",
        "?c",
        "#d",
        "",
        "..\\b",
        "http://inside.example:8080/a",
        "/a\tb",
    ] {
        assert_eq!(becomes("Location", value, &treatment(false), "/t/XYZ/a/b"), value);
    }
    // If nothing was left of the path, relative references of client and target have different folders.
    for (value, expected) in
        [("b", "/t/XYZ/b"), ("./b", "/t/XYZ/b"), ("../b", "/t/XYZ/b"), ("?c", "?c"), ("", "")]
    {
        assert_eq!(becomes("Location", value, &treatment(false), "/t/XYZ"), expected);
    }
    assert_eq!(becomes("Location", "b", &treatment(false), "/t/XYZ/"), "b");
}

#[test]
fn item_2_a_name_that_only_the_target_knows_does_not_reach_the_client() {
    for (value, expected) in [
        ("http://inside.example:8080/a?b", "/t/XYZ/a?b"),
        ("https://INSIDE.example./a", "/t/XYZ/a"),
        ("//inside.example:8080", "/t/XYZ/"),
        ("http://inside.example:8080/t/XYZ/a", "/t/XYZ/a"),
        ("http://inside.example:8080//evil.example", "http://inside.example:8080//evil.example"),
        ("http://inside.example:9/a", "http://inside.example:9/a"),
        ("https://app.example/a", "https://app.example/t/XYZ/a"),
    ] {
        assert_eq!(becomes("Location", value, &treatment(true), "/t/XYZ/a/b"), expected, "{value}");
    }
    let only_host = Treatment { strip: false, ..treatment(true) };
    let text = "HTTP/1.1 302 Found\r\nLocation: http://inside.example:8080/a\r\nLocation: /b\r\n\r\n";
    let got = answer_to("/a", (0, false), &only_host, "", text);
    assert_eq!(got, "HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n");
}

#[test]
fn item_2_cookie_paths_get_it_back() {
    for (value, expected) in [
        ("a=/; Path=/; HttpOnly", "a=/; Path=/t/XYZ; HttpOnly"),
        ("a=b;path=/api/", "a=b; Path=/t/XYZ/api/"),
        ("a=b; PATH = /t/XYZ/api ; Secure", "a=b; PATH = /t/XYZ/api ; Secure"),
        ("a=b; Path=/t/XYZ2", "a=b; Path=/t/XYZ/t/XYZ2"),
        ("a=b; Path=/x; Path=/y", "a=b; Path=/t/XYZ/x; Path=/t/XYZ/y"),
        ("a=b", "a=b"),
        ("path=/a", "path=/a"),
        ("a=b; Path=\"/\"", "a=b; Path=\"/\""),
        ("a=b; Path; Domain=app.example", "a=b; Path; Domain=app.example"),
        ("", ""),
    ] {
        assert_eq!(becomes("Set-Cookie", value, &treatment(false), "/t/XYZ/a"), expected);
    }
    // Without a path it would be a cookie of the folder `/t`, and every tenant would get it.
    for (value, expected) in [
        ("a=b", "a=b; Path=/t/XYZ"),
        ("a=b; Path=/x; Path=", "a=b; Path=/t/XYZ/x; Path=; Path=/t/XYZ"),
        ("a=b; Path=/", "a=b; Path=/t/XYZ"),
    ] {
        assert_eq!(becomes("set-cookie", value, &treatment(false), "/t/XYZ"), expected);
    }
    for (value, expected) in [
        ("a=b; Domain=inside.example; Secure", "a=b; Secure"),
        ("a=b; domain=.INSIDE.example", "a=b"),
        ("a=b; Domain=app.example", "a=b; Domain=app.example"),
        ("a=b; Domain=example", "a=b; Domain=example"),
        ("a=b; Domain=side.example", "a=b; Domain=side.example"),
    ] {
        assert_eq!(becomes("Set-Cookie", value, &treatment(true), "/t/XYZ/a"), expected);
    }
}

#[test]
fn item_2_refresh_is_a_url_behind_seconds() {
    for (value, expected) in [
        ("5; url=/a", "5; url=/t/XYZ/a"),
        ("0;URL = 'https://app.example/a'", "0;URL = 'https://app.example/t/XYZ/a'"),
        ("0, url=\"/a\" x", "0, url=\"/t/XYZ/a\" x"),
        ("5", "5"),
        ("5; url=", "5; url="),
        ("5; uri=/a", "5; uri=/a"),
        ("5; url=https://other.example/", "5; url=https://other.example/"),
    ] {
        assert_eq!(becomes("Refresh", value, &treatment(false), "/t/XYZ/b"), expected);
    }
}

#[test]
fn item_2_what_a_peer_in_front_took_off_counts_as_there_already() {
    let said = "X-Forwarded-Prefix: /app\r\nX-Forwarded-Host: public.example\r\n";
    for (value, expected) in [
        ("/app/t/XYZ/a", "/app/t/XYZ/a"),
        ("/app/a", "/t/XYZ/app/a"),
        ("https://public.example/a", "https://public.example/t/XYZ/a"),
        ("https://public.example/app/t/XYZ/a", "https://public.example/app/t/XYZ/a"),
    ] {
        let text = format!("HTTP/1.1 101 Switching Protocols\r\nLocation: {value}\r\n\r\n");
        let got = answer_to("/t/XYZ/b", (6, true), &treatment(false), said, &text);
        assert!(got.contains(&format!("\r\nLocation: {expected}\r\n")), "{got}");
    }
}

#[test]
fn item_4_a_rule_sets_fields_of_answers() {
    let field = |name: &str, value: &str| ResponseField { name: name.into(), value: value.into() };
    let response = vec![field("Strict-Transport-Security", "max-age=1"), field("X-A", "b")].into();
    let treatment = Treatment { response, ..Treatment::default() };
    for status in ["200 OK", "304 Not Modified", "404 Not Found", "204 No Content"] {
        let text =
            format!("HTTP/1.1 {status}\r\nstrict-transport-security: x\r\nB: c\r\nx-a: d\r\nX-A: e\r\n\r\n");
        let got = answer_to("/a", (0, false), &treatment, "", &text);
        let fields = "B: c\r\nStrict-Transport-Security: max-age=1\r\nX-A: b\r\n\r\n";
        assert_eq!(got, format!("HTTP/1.1 {status}\r\n{fields}"));
    }
    let text = "HTTP/1.1 103 Early Hints\r\nX-A: d\r\n\r\n";
    assert_eq!(answer_to("/a", (0, false), &treatment, "", text), text);
}

proptest! {
    #[test]
    fn item_2_no_answer_of_a_target_injects_a_field(
        name in "(Location|Set-Cookie|Refresh|Content-Location)",
        value in "[a-z0-9;=,'\"/\\\\:?#@%. \t\u{e4}-]{0,40}",
        path in "/t/XYZ(/[a-c%;:\u{e4}]{0,8})?",
        host_of_target in any::<bool>(),
    ) {
        let text = format!("HTTP/1.1 302 Found\r\n{name}: {value}\r\nContent-Length: 0\r\n\r\n");
        let got = answer_to(&path, (6, false), &treatment(host_of_target), "", &text);
        let Inspect::Found { ask, len } = ResponseInspector::default().inspect(got.as_bytes()) else { panic!("{got}") };
        prop_assert_eq!((len, ask.fields.len()), (got.len(), 2));
    }
}

//! Correct requests, and requests that try to smuggle.

use super::*;

fn inspect(text: &str) -> Inspect<Request> {
    Inspector::default().inspect(text.as_bytes())
}

fn found(text: &str) -> Request {
    match inspect(text) {
        Inspect::Found { ask, len } => {
            assert_eq!(len, text.len(), "{text:?}");
            ask
        }
        other => panic!("{text:?}: {other:?}"),
    }
}

fn get(extra: &str) -> String {
    format!("GET /a HTTP/1.1\r\nHost: h\r\n{extra}\r\n")
}

#[test]
fn a_plain_request_is_read() {
    let text = "GET /a/b?c=/d HTTP/1.1\r\nHost: hq.dvl-ckl2.net:8080 \r\nAccept: */*\r\n\r\n";
    let ask = found(text);
    let part = |span: Span| std::str::from_utf8(span.of_input(text.as_bytes())).unwrap();
    assert_eq!(part(ask.method), "GET");
    assert_eq!(part(ask.target), "/a/b?c=/d");
    assert_eq!(part(ask.path), "/a/b");
    assert_eq!(part(ask.host), "hq.dvl-ckl2.net:8080");
    assert_eq!(ask.body, Body::None);
    assert!(ask.persistent && !ask.websocket);
    assert_eq!(ask.fields.len(), 2);
}

#[test]
fn an_absolute_target_must_agree_with_host() {
    let ask = found("GET http://H:80/x?y HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(ask.target.of_input(b"GET http://H:80/x?y HTTP/1.1\r\n"), b"/x?y");
    assert!(found("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").target.is_empty());
    assert!(!found("GET http://h/ HTTP/1.0\r\n\r\n").host.is_empty());
    assert!(!found("GET / HTTP/1.1\r\nHost: [::01]\r\n\r\n").host.is_empty());
    assert!(!found("GET / HTTP/1.1\r\nHost: h:0\r\n\r\n").host.is_empty());
}

#[test]
fn item_11_empty_lines_before_a_request_are_ignored() {
    let empty = "\r\n".repeat(1_000);
    let ask = found(&format!("{empty}GET /a HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert_eq!(ask.method.range(), 2_000..2_003);
    assert_eq!(inspect(&empty), Inspect::NeedMore);
    assert_eq!(inspect(&format!("{empty}\r")), Inspect::NeedMore);
    assert_eq!(inspect(&format!("{empty}\u{16}")), Inspect::Reject(Reason::Malformed));
    assert_eq!(inspect("\r\n\nGET / HTTP/1.1\r\n"), Inspect::Reject(Reason::Malformed));
}

#[test]
fn item_19_valid_utf8_in_a_target_is_taken() {
    let text = "GET /ä?ü HTTP/1.1\r\nHost: h\r\n\r\n";
    assert_eq!(found(text).target.of_input(text.as_bytes()), "/ä?ü".as_bytes());
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xc3", b"\xed\xa0\x80"] {
        let text = [b"GET /", bad, b" HTTP/1.1\r\nHost: h\r\n\r\n"].concat();
        assert_eq!(Inspector::default().inspect(&text), Inspect::Reject(Reason::Malformed), "{bad:?}");
    }
}

#[test]
fn what_smuggles_is_refused() {
    use Reason::{Malformed, Method, NoName, TooLarge};
    let many = "A: b\r\n".repeat(FIELD_LIMIT);
    let cases: &[(&str, String, Reason)] = &[
        ("no Host", "GET / HTTP/1.1\r\n\r\n".into(), NoName),
        ("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), NoName),
        ("no Host in 1.0", "GET / HTTP/1.0\r\n\r\n".into(), NoName),
        ("two Hosts", get("Host: h\r\n"), Malformed),
        ("Host differs from the target", "GET http://x/ HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("userinfo", "GET http://h@h/ HTTP/1.1\r\nHost: h@h\r\n\r\n".into(), Malformed),
        ("other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("raw UTF-8 in an authority", "GET http://ä/ HTTP/1.1\r\nHost: ä\r\n\r\n".into(), Malformed),
        ("CONNECT", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n".into(), Method),
        ("get", "get / HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("Head", "Head / HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("connect", "connect h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n".into(), Malformed),
        ("two logins", get("Authorization: a\r\nauthorization: b\r\n"), Malformed),
        ("two logins for a proxy", get("Proxy-Authorization: a\r\nProxy-Authorization: a\r\n"), Malformed),
        ("two nonces", get("Authorization: Digest nonce=a, nonce=b\r\n"), Malformed),
        ("port in octal", "GET / HTTP/1.1\r\nHost: h:080\r\n\r\n".into(), Malformed),
        ("port in octal, IPv6", "GET / HTTP/1.1\r\nHost: [::1]:080\r\n\r\n".into(), Malformed),
        ("port in octal, absolute", "GET http://h:080/ HTTP/1.0\r\n\r\n".into(), Malformed),
        ("asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Malformed),
        ("HTTP/0.9", "GET /\r\n\r\n".into(), Malformed),
        ("CL and TE", get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), Malformed),
        ("CL twice", get("Content-Length: 1\r\nContent-Length: 1\r\n"), Malformed),
        ("CL list", get("Content-Length: 1, 1\r\n"), Malformed),
        ("CL signed", get("Content-Length: +1\r\n"), Malformed),
        ("CL empty", get("Content-Length:\r\n"), Malformed),
        ("CL hex", get("Content-Length: 0x1\r\n"), Malformed),
        ("CL too long", get("Content-Length: 18446744073709551616\r\n"), Malformed),
        ("CL of 2^63", get("Content-Length: 9223372036854775808\r\n"), Malformed),
        ("TE twice", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), Malformed),
        ("TE list", get("Transfer-Encoding: gzip, chunked\r\n"), Malformed),
        ("TE identity", get("Transfer-Encoding: identity\r\n"), Malformed),
        ("TE quoted", get("Transfer-Encoding: \"chunked\"\r\n"), Malformed),
        ("TE in 1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n".into(), Malformed),
        ("TE by underscore", get("Transfer_Encoding: chunked\r\n"), Malformed),
        ("space before colon", get("A : b\r\n"), Malformed),
        ("obs-fold", get("A: b\r\n c\r\n"), Malformed),
        ("bare LF", "GET / HTTP/1.1\nHost: h\n\n".into(), Malformed),
        ("one bare LF", "GET / HTTP/1.1\r\nA: b\nHost: h\r\n\r\n".into(), Malformed),
        ("bare CR", get("A: b\rc\r\n"), Malformed),
        ("CR before CRLF", get("A: b\r\r\n"), Malformed),
        ("NUL", get("A: b\0c\r\n"), Malformed),
        ("DEL", get("A: b\x7fc\r\n"), Malformed),
        ("control in the name", get("A\x01: b\r\n"), Malformed),
        ("empty name", get(": b\r\n"), Malformed),
        ("no colon", get("Ab\r\n"), Malformed),
        ("Connection: Host", get("Connection: Host\r\n"), Malformed),
        ("Connection: CL", get("Connection: close, content-length\r\n"), Malformed),
        ("Expect: other", get("Expect: y 100-continue\r\n"), Malformed),
        ("Expect twice", get("Expect: 100-continue\r\nExpect: 100-continue\r\n"), Malformed),
        ("two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("tab in the line", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n".into(), Malformed),
        ("too many fields", get(&many), TooLarge),
        ("long method", format!("{} / HTTP/1.1\r\n", "A".repeat(33)), Malformed),
        ("too long", get(&format!("A: {}\r\n", "b".repeat(crate::inspect::http::HEAD_LIMIT))), TooLarge),
        ("TLS", "\x16\x03\x01".into(), Malformed),
    ];
    for (name, text, reason) in cases {
        assert_eq!(inspect(text), Inspect::Reject(*reason), "{name}");
    }
}

#[test]
fn one_empty_line_before_the_request_is_skipped() {
    let text = format!("\r\n{}", get(""));
    assert_eq!(found(&text).host.of_input(text.as_bytes()), b"h");
}

#[test]
fn connection_says_what_ends_here() {
    let text = get("Connection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nCookie: c\r\n");
    let ask = found(&text);
    assert!(!ask.persistent);
    let kinds: Vec<_> = ask.fields.iter().map(|field| field.kind).collect();
    use Kind::{EndToEnd, HopByHop};
    assert_eq!(kinds, [Kind::Host, HopByHop, HopByHop, HopByHop, EndToEnd]);
}

#[test]
fn only_a_clean_websocket_request_upgrades() {
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert!(found(&get(upgrade)).websocket);
    for text in [
        get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        get("Upgrade: websocket\r\n"),
        format!("POST / HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n"),
        format!("GET / HTTP/1.0\r\nHost: h\r\n{upgrade}\r\n"),
        get(&format!("Content-Length: 4\r\n{upgrade}")),
    ] {
        let ask = found(&text);
        assert!(!ask.websocket, "{text}");
        assert!(ask.fields.iter().all(|f| {
            let name = f.name.of_input(text.as_bytes()).to_ascii_lowercase();
            f.kind == Kind::HopByHop || (name != b"upgrade" && name != b"http2-settings")
        }));
    }
}

#[test]
fn the_laws_hold_on_every_prefix() {
    let post = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n".to_owned();
    let inputs = [
        get("Cookie: a=b\r\n"),
        post,
        get("A: b\n"),
        "\r\n\r\n\u{b}".into(),
        "\x16\x03\x01\x02".into(),
        "\rx".into(),
        "GE(T / HTTP/1.1\r\nHost: h\r\n\r\n".into(),
        " / HTTP/1.1\r\n".into(),
    ];
    for text in &inputs {
        let mut kept = Inspector::default();
        let mut settled = None;
        for end in 0..=text.len() {
            let prefix = &text.as_bytes()[..end];
            let answer = kept.inspect(prefix);
            assert_eq!(answer, Inspector::default().inspect(prefix), "{text:?} at {end}");
            match &settled {
                Some(before) => assert_eq!(&answer, before, "{text:?} at {end}"),
                None if answer != Inspect::NeedMore => settled = Some(answer),
                None => {}
            }
        }
        assert!(settled.is_some(), "{text:?}");
    }
}

//! Responses that are read, that are read leniently, and that are refused.

use super::*;

fn inspect(text: &str) -> Inspect<Response> {
    ResponseInspector::default().inspect(text.as_bytes())
}

fn found(text: &str) -> Response {
    match inspect(text) {
        Inspect::Found { ask, .. } => ask,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn body_lengths_follow_rfc_9112() {
    for (text, body, persistent) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ResponseBody::Length(5), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ResponseBody::None, true),
        ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", ResponseBody::Chunked, true),
        ("HTTP/1.1 200 OK\r\n\r\n", ResponseBody::Close, false),
        ("HTTP/1.1 204 No\r\n\r\n", ResponseBody::None, true),
        ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", ResponseBody::None, true),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", ResponseBody::None, true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", ResponseBody::Length(5), false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
            ResponseBody::Length(5),
            true,
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", ResponseBody::Length(5), false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", ResponseBody::Length(5), true),
    ] {
        let response = found(text);
        assert_eq!((response.body, response.persistent), (body, persistent), "{text:?}");
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let Inspect::Found { ask, .. } = ResponseInspector::new(true).inspect(head.as_bytes()) else { panic!() };
    assert_eq!(ask.body, ResponseBody::None);
}

#[test]
fn what_splits_is_refused() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\nContent-Length : 6\n\n",
        "HTTP/1.1 200 OK\n folded\nA: b\n\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        "HTTP/1.1 99 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        assert!(matches!(inspect(text), Inspect::Reject(_)), "{text:?}");
    }
}

#[test]
fn n18_what_can_be_read_in_one_way_is_read_kindly() {
    for (text, body) in [
        ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", ResponseBody::Length(5)),
        ("HTTP/1.1 200 OK\nContent-Length: 5\r\n\n", ResponseBody::Length(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\n", ResponseBody::Length(5)),
        ("HTTP/1.1 200\nTransfer-Encoding : chunked\n\n", ResponseBody::Chunked),
        ("HTTP/1.1 200 OK\r\nContent-Length \t : 5\r\n\r\n", ResponseBody::Length(5)),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n", ResponseBody::Length(5)),
        ("HTTP/1.1 200 OK\nA: b\n \n\tc\nContent-Length: 5\n\n", ResponseBody::Length(5)),
    ] {
        let response = found(text);
        assert_eq!(response.body, body, "{text:?}");
        let mut head = text.as_bytes().to_vec();
        if response.folded {
            unfold(&mut head);
        }
        assert_eq!(head.len(), text.len());
        for field in &response.fields {
            let line = [field.name.of_input(&head), field.value.of_input(&head)].concat();
            assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | b':')), "{text:?}");
        }
    }
    let text = "HTTP/1.1 401 No\nWWW-Authenticate: Digest realm=\"a\",\n Basic realm=\"b\",\r\n\tNTLM\n\n";
    assert!(found(text).binds_connection);
}

#[test]
fn n36_a_target_may_say_more_than_a_client() {
    let head = |fields: usize, octets: usize| {
        let text = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(fields - 1));
        let filling = octets.saturating_sub(text.len() + "B: \r\n\r\n".len());
        format!("{text}B: {}\r\n\r\n", "b".repeat(filling))
    };
    let text = head(TARGET_FIELD_LIMIT, 65_536);
    let response = found(&text);
    assert_eq!((text.len(), response.fields.len()), (65_536, 1024));
    assert_eq!(response.fields.last().unwrap().value.range().end, 65_536 - 4);
    for (fields, octets) in [(TARGET_FIELD_LIMIT + 1, 0), (1, 65_537)] {
        assert_eq!(inspect(&head(fields, octets)), Inspect::Reject(Reason::TooLarge));
    }
}

#[test]
fn only_a_websocket_becomes_a_tunnel() {
    let with = |upgrade: &str| {
        found(&format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"))
    };
    assert!(with("WebSocket").websocket);
    assert!(!with("h2c").websocket);
    assert!(!with("websocket, h2c").websocket);
    // n40: two field lines are one list (RFC 9110 §5.3).
    for two in ["h2c\r\nUpgrade: websocket", "websocket\r\nUpgrade: h2c", "websocket\r\nupgrade: websocket"] {
        assert!(!with(two).websocket, "{two}");
    }
    assert!(with("websocket\r\nUpgrade:").websocket);
    assert!(!found("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n").websocket);
}

#[test]
fn logins_of_the_connection_are_seen() {
    let with = |value: &str| {
        found(&format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {value}\r\n\r\n")).binds_connection
    };
    assert!(with("NTLM"));
    assert!(with("Basic realm=\"x\", negotiate"));
    assert!(with("Nego2"));
    assert!(with("Bearer, Kerberos YII="));
    assert!(with("Basic realm=\"a, b\", Unheard-Of x=y"));
    for value in ["Digest realm=\"x\", nonce=\"NTLM\"", "Basic realm=\"a, NTLM\", charset=\"UTF-8\"", "hawk"]
    {
        assert!(!with(value), "{value}");
    }
}

#[test]
fn the_laws_hold_on_every_prefix() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\nA: b\n c\n\nb",
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let mut kept = ResponseInspector::default();
        let mut settled = None;
        for end in 0..=text.len() {
            let prefix = &text.as_bytes()[..end];
            let answer = kept.inspect(prefix);
            assert_eq!(answer, ResponseInspector::default().inspect(prefix), "{text:?} at {end}");
            match &settled {
                Some(before) => assert_eq!(&answer, before, "{text:?} at {end}"),
                None if answer != Inspect::NeedMore => settled = Some(answer),
                None => {}
            }
        }
        assert!(settled.is_some(), "{text:?}");
    }
}

//! Requests and responses of every framing (RFC 9112) arrive whole, and the next message behind them is found.

use std::thread;
use std::time::Duration;

use crate::harness::{Conn, Portward, Target, ok, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port(),
        target.port()
    )
}

/// Answers that depend on the path.
fn by_path(conn: &mut Conn) {
    while let Some(request) = conn.try_request() {
        let answer: &[u8] = match request.target() {
            "/length" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
            "/head-chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/empty" => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "/204" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5000\r\nETag: \"x\"\r\n\r\n",
            "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;ext=1\r\nlo\r\n0\r\n\r\n",
            "/trailers" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
            }
            "/hints" => {
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
            }
            "/close" => b"HTTP/1.1 200 OK\r\n\r\nhello",
            "/1.0" => b"HTTP/1.0 200 OK\r\n\r\nhello",
            "/reason" => b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello",
            "/body" => &ok(&String::from_utf8_lossy(&request.body)),
            _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        };
        conn.send(answer);
        if matches!(request.target(), "/close" | "/1.0") {
            return;
        }
    }
}

#[test]
fn every_response_framing_arrives_and_the_connection_lives_on() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        for mut client in portward.both("one.example.net") {
            for (method, path, status, body) in [
                ("GET", "/length", 200, "hello"),
                ("HEAD", "/head", 200, ""),
                ("HEAD", "/head-chunked", 200, ""),
                ("GET", "/empty", 200, ""),
                ("GET", "/204", 204, ""),
                ("GET", "/304", 304, ""),
                ("GET", "/chunked", 200, "hello"),
                ("GET", "/trailers", 200, "hello"),
                ("GET", "/hints", 200, "hello"),
                ("GET", "/reason", 200, "hello"),
                ("GET", "/length", 200, "hello"),
            ] {
                let answer = client.ask(format!("{method} {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
                assert_eq!(
                    (answer.status(), answer.text().as_str()),
                    (status, body),
                    "{method} {path}: {answer:?}"
                );
            }
        }
    });
}

#[test]
fn lengths_of_bodiless_responses_are_kept() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        let head = client.ask("HEAD /head HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(head.header("content-length"), Some("5000"), "{head:?}");
        let not_modified = client.get("one.example.net", "/304");
        assert_eq!(not_modified.header("etag"), Some("\"x\""), "{not_modified:?}");
    });
}

#[test]
fn close_delimited_responses_arrive_whole() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        for path in ["/close", "/1.0"] {
            for mut client in portward.both("one.example.net") {
                let answer = client.get("one.example.net", path);
                assert_eq!((answer.status(), answer.text().as_str()), (200, "hello"), "{path}: {answer:?}");
            }
        }
    });
}

/// A response that stops before its end must not look complete to the client.
#[test]
fn a_truncated_response_does_not_look_whole() {
    within(60, || {
        let target = Target::scripted(|conn| {
            let request = conn.request();
            conn.send(match request.target() {
                "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
                _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            });
        });
        let portward = Portward::with_rules(&rules(&target));
        for path in ["/length", "/chunked"] {
            let mut client = portward.plain();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            let all = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(all.contains("hello"), "{path}: {all}");
            assert!(!all.ends_with("0\r\n\r\n"), "{path}: {all}");
        }
    });
}

#[test]
fn request_bodies_arrive_whole() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        for mut client in portward.both("one.example.net") {
            for (framing, body) in [
                ("Content-Length: 5", "hello"),
                ("Content-Length: 005", "hello"),
                ("Transfer-Encoding: chunked", "3\r\nhel\r\n2;a=\"b\"\r\nlo\r\n0\r\n\r\n"),
                ("transfer-encoding: CHUNKED", "05\r\nhello\r\n000\r\nX-Trailer: 1\r\n\r\n"),
            ] {
                for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
                    let answer = client.ask(format!(
                        "{method} /body HTTP/1.1\r\nHost: one.example.net\r\n{framing}\r\n\r\n{body}"
                    ));
                    assert_eq!(answer.text(), "hello", "{method} {framing}: {answer:?}");
                }
            }
            let answer =
                client.ask("POST /body HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n");
            assert_eq!((answer.status(), answer.text().as_str()), (200, ""), "{answer:?}");
        }
    });
}

#[test]
fn response_trailers_reach_a_client_that_wants_them() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        let answer = portward
            .plain()
            .ask("GET /trailers HTTP/1.1\r\nHost: one.example.net\r\nTE: trailers\r\nConnection: TE\r\n\r\n");
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.trailers, [("X-Sum".to_owned(), "42".to_owned())], "{answer:?}");
    });
}

#[test]
fn early_hints_reach_a_1_1_client_only() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.send("GET /hints HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let first = client.head();
        assert_eq!((first.status(), first.header("link")), (103, Some("</a>")), "{first:?}");
        assert_eq!(client.response().text(), "hello");

        let mut client = portward.plain();
        client.send("GET /hints HTTP/1.0\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(client.head().status(), 200);
    });
}

#[test]
fn old_clients_get_what_they_understand() {
    within(60, || {
        let target = Target::scripted(by_path);
        let portward = Portward::with_rules(&rules(&target));
        for path in ["/length", "/chunked", "/trailers", "/close", "/1.0", "/hints"] {
            let mut client = portward.plain();
            client.send(format!("GET {path} HTTP/1.0\r\nHost: one.example.net\r\n\r\n"));
            let all = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(all.starts_with("HTTP/1."), "{path}: {all}");
            assert!(!all.to_ascii_lowercase().contains("transfer-encoding"), "{path}: {all}");
            assert!(all.ends_with("\r\n\r\nhello"), "{path}: {all}");
        }
        let mut client = portward.plain();
        for _ in 0..3 {
            let answer =
                client.ask("GET /length HTTP/1.0\r\nHost: one.example.net\r\nConnection: keep-alive\r\n\r\n");
            assert_eq!(answer.text(), "hello");
            assert!(answer.all("connection").join(",").eq_ignore_ascii_case("keep-alive"), "{answer:?}");
        }
    });
}

#[test]
fn connection_close_is_heeded_on_both_sides() {
    within(60, || {
        let target = Target::http(|request, number| match request.target() {
            "/bye" => b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n0".to_vec(),
            _ => ok(&number.to_string()),
        });
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.send("GET / HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
        let all = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(
            all.ends_with("\r\n\r\n0") && all.to_ascii_lowercase().contains("connection: close"),
            "{all}"
        );

        // Only the target's connection is closed. The client's connection goes on, with another target connection.
        let mut client = portward.plain();
        let bye = client.get("one.example.net", "/bye");
        assert_eq!(bye.status(), 200);
        assert_eq!(bye.header("connection"), None, "{bye:?}");
        let next = client.get("one.example.net", "/").text();
        assert_eq!(client.get("one.example.net", "/").text(), next);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    within(60, || {
        let target = Target::http(|request, _| {
            if request.target().ends_with('0') {
                thread::sleep(Duration::from_millis(100));
            }
            ok(request.target())
        });
        let portward = Portward::with_rules(&rules(&target));
        for mut client in portward.both("one.example.net") {
            let requests: String = (0..20)
                .map(|n| {
                    let host = if n % 2 == 0 { "one" } else { "two" };
                    if n % 3 == 0 {
                        format!(
                            "POST /{n} HTTP/1.1\r\nHost: {host}.example.net\r\nContent-Length: 3\r\n\r\nabc"
                        )
                    } else {
                        format!("GET /{n} HTTP/1.1\r\nHost: {host}.example.net\r\n\r\n")
                    }
                })
                .collect();
            client.send(requests);
            for n in 0..20 {
                assert_eq!(client.response().text(), format!("/{n}"));
            }
        }
        // RFC 9112 2.2 tolerates empty lines before a request line, an old mistake. If they are refused, there must be
        // no answer.
        let mut client = portward.plain();
        client.send("\r\nGET /x HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
        let all = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(all.is_empty() || all.ends_with("/x"), "{all}");
    });
}

#[test]
fn expect_100_continue_is_answered_by_the_target() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(mut request) = conn.try_head() {
                if request.target() == "/refuse" {
                    conn.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    return;
                }
                assert_eq!(request.header("expect"), Some("100-continue"));
                conn.send("HTTP/1.1 100 Continue\r\n\r\n");
                conn.body(&mut request, false);
                conn.send(ok(&request.text()));
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        for (framing, body) in
            [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
        {
            let mut client = portward.plain();
            let head = format!("Host: one.example.net\r\n{framing}\r\nExpect: 100-continue\r\n\r\n");
            client.send(format!("POST /take HTTP/1.1\r\n{head}"));
            assert_eq!(client.head().status(), 100);
            client.send(body);
            assert_eq!(client.response().text(), "hello");

            client.send(format!("POST /refuse HTTP/1.1\r\n{head}"));
            let answer = client.response();
            assert_eq!((answer.status(), answer.header("connection")), (401, Some("close")), "{answer:?}");
            assert_eq!(client.rest(), b"", "where the next request would begin is anybody's guess");
        }
        // A client that does not wait loses nothing.
        let mut client = portward.plain();
        client.send("POST /take HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
        assert_eq!(client.response().text(), "hello");
    });
}

/// A target may answer before it has the whole body (413, 401). The client gets that answer.
#[test]
fn an_early_response_arrives_before_the_body_ends() {
    within(60, || {
        let target = Target::scripted(|conn| {
            conn.head();
            conn.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
            while !conn.some().is_empty() {}
        });
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.send(
            "POST /x HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 1000000\r\n\r\nthe beginning",
        );
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (413, "big"), "{answer:?}");
    });
}

#[test]
fn a_client_that_has_said_everything_still_gets_its_answer() {
    within(60, || {
        let target = Target::http(|_, _| {
            thread::sleep(Duration::from_millis(300));
            ok("late")
        });
        let portward = Portward::with_rules(&rules(&target));
        for mut client in portward.both("one.example.net") {
            client.send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
            client.finish();
            assert_eq!(client.response().text(), "late");
        }
    });
}

/// Two responses to one request: the second one reaches no client.
#[test]
fn a_response_nobody_asked_for_reaches_nobody() {
    within(60, || {
        let target = Target::http(|request, number| {
            let mut bytes = ok(&format!("{} {number}", request.target()));
            if request.target() == "/two" {
                bytes.extend(ok("UNASKED"));
            }
            bytes
        });
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        assert_eq!(client.get("one.example.net", "/two").text(), "/two 0");
        thread::sleep(Duration::from_millis(100));
        for _ in 0..3 {
            assert!(client.get("one.example.net", "/next").text().starts_with("/next "));
            assert!(portward.plain().get("two.example.net", "/other").text().starts_with("/other "));
        }
    });
}

/// A target whose answer cannot be framed is not trusted with the connection.
#[test]
fn ambiguous_responses_are_not_passed_on() {
    within(60, || {
        let shapes: [&[u8]; 6] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
            b"nonsense\r\n\r\n",
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello",
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ];
        for shape in shapes {
            let what = String::from_utf8_lossy(shape).into_owned();
            let target = Target::scripted(move |conn| {
                if conn.try_head().is_some() {
                    let _ = conn.try_send(shape);
                }
            });
            let portward = Portward::with_rules(&rules(&target));
            let mut client = portward.plain();
            client.send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
            let answer = client.head();
            assert_eq!(answer.status(), 502, "{what:?}: {answer:?}");
        }
    });
}

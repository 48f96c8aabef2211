//! Requests that two readers could understand differently. None of them reaches a target (contract sections 2 and 3).

use std::time::Duration;

use crate::harness::{Portward, Recorder, Target, Wire, eventually, ok, within};

const SMUGGLED: &str = "GET /PBX0/APPS/smuggled HTTP/1.1\r\nHost: one.example.net\r\n\r\n";

fn rules(target: &Recorder) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/PBX0/APPS\", tcp = {0} }}]\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {0} }}]\n",
        target.port()
    )
}

/// A POST with these lines between the request line and the empty line. Host is among them or not.
fn post(lines: &str) -> String {
    format!("POST /PBX0/APPS HTTP/1.1\r\n{lines}\r\n{SMUGGLED}")
}

fn post_to_one(lines: &str) -> String {
    post(&format!("Host: one.example.net\r\n{lines}"))
}

/// The list of contract section 3, and similar cases: (description, octets).
fn ambiguous() -> Vec<(&'static str, String)> {
    vec![
        ("two equal Hosts", post_to_one("Host: one.example.net\r\n")),
        ("two different Hosts", post_to_one("Host: two.example.net\r\n")),
        ("two Hosts, other case", post_to_one("hOST: two.example.net\r\n")),
        ("no Host", post("")),
        ("an empty Host", post("Host:\r\n")),
        ("a list of Hosts", post("Host: one.example.net, two.example.net\r\n")),
        ("a Host with a user", post("Host: two.example.net@one.example.net\r\n")),
        ("a Host with a path", post("Host: one.example.net/x\r\n")),
        ("a Host with a space", post("Host: one.example.net two.example.net\r\n")),
        ("a Host with a bad port", post("Host: one.example.net:8o\r\n")),
        (
            "an absolute target with another host",
            format!(
                "GET http://one.example.net/PBX0/APPS HTTP/1.1\r\nHost: two.example.net\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "an absolute target without a Host",
            format!("GET http://one.example.net/PBX0/APPS HTTP/1.1\r\n\r\n{SMUGGLED}"),
        ),
        (
            "an absolute target with a user",
            format!(
                "GET http://u@one.example.net/PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "Content-Length and Transfer-Encoding",
            post_to_one("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "Transfer-Encoding and Content-Length",
            post_to_one("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n",
        ),
        ("Content-Length twice, equal", post_to_one("Content-Length: 5\r\nContent-Length: 5\r\n")),
        ("Content-Length twice, different", post_to_one("Content-Length: 0\r\nContent-Length: 5\r\n")),
        ("Content-Length as a list", post_to_one("Content-Length: 5, 5\r\n")),
        ("Content-Length with a sign", post_to_one("Content-Length: +5\r\n")),
        ("Content-Length below zero", post_to_one("Content-Length: -1\r\n")),
        ("Content-Length in hex", post_to_one("Content-Length: 0x5\r\n")),
        ("Content-Length with a unit", post_to_one("Content-Length: 5b\r\n")),
        ("Content-Length in two words", post_to_one("Content-Length: 5 5\r\n")),
        ("Content-Length without a number", post_to_one("Content-Length:\r\n")),
        ("Content-Length beyond 64 bits", post_to_one("Content-Length: 18446744073709551621\r\n")),
        ("Content-Length with other digits", post_to_one("Content-Length: \u{0665}\r\n")),
        ("an unknown coding", post_to_one("Transfer-Encoding: xchunked\r\n")),
        ("identity", post_to_one("Transfer-Encoding: identity\r\n")),
        ("chunked not last", post_to_one("Transfer-Encoding: chunked, identity\r\n")),
        ("chunked twice", post_to_one("Transfer-Encoding: chunked, chunked\r\n")),
        (
            "chunked in two fields",
            post_to_one("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (
            "chunked, then another field",
            post_to_one("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ),
        ("an empty coding", post_to_one("Transfer-Encoding:\r\n")),
        ("a coding in quotes", post_to_one("Transfer-Encoding: \"chunked\"\r\n")),
        ("a coding behind a vertical tab", post_to_one("Transfer-Encoding: \u{b}chunked\r\n")),
        (
            "Transfer-Encoding in HTTP/1.0",
            format!(
                "POST /PBX0/APPS HTTP/1.0\r\nHost: one.example.net\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        ("bare LF everywhere", format!("GET /PBX0/APPS HTTP/1.1\nHost: one.example.net\n\n{SMUGGLED}")),
        ("one bare LF", format!("GET /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\nX: y\r\n\r\n{SMUGGLED}")),
        ("a bare LF at the end", format!("GET /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n\n{SMUGGLED}")),
        ("a bare CR in a value", post_to_one("X: a\rContent-Length: 5\r\n")),
        ("a bare CR as line end", format!("GET /PBX0/APPS HTTP/1.1\rHost: one.example.net\r\r{SMUGGLED}")),
        ("a folded line", post_to_one("X: a\r\n Content-Length: 5\r\n")),
        ("a folded line with a tab", post_to_one("X: a\r\n\tb\r\n")),
        ("a folded Host", post("Host:\r\n one.example.net\r\n")),
        ("a folded first line", post(" Host: one.example.net\r\nHost: one.example.net\r\n")),
        ("a space before the colon", post_to_one("Content-Length : 5\r\n")),
        ("a tab before the colon", post_to_one("Transfer-Encoding\t: chunked\r\n")),
        ("a space before Host's colon", post("Host : one.example.net\r\n")),
        ("a space in a name", post_to_one("X Y: z\r\n")),
        ("a field without a colon", post_to_one("nonsense\r\n")),
        ("a field without a name", post_to_one(": value\r\n")),
        ("NUL in a value", post_to_one("X: a\0b\r\n")),
        ("NUL in a name", post_to_one("X\0: a\r\n")),
        ("a control in a value", post_to_one("X: a\u{1}b\r\n")),
        (
            "CONNECT",
            format!("CONNECT one.example.net:80 HTTP/1.1\r\nHost: one.example.net:80\r\n\r\n{SMUGGLED}"),
        ),
        (
            "CONNECT with a path",
            format!("CONNECT /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n\r\n{SMUGGLED}"),
        ),
        ("a bad method", format!("G(T /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n\r\n{SMUGGLED}")),
        ("no version", format!("GET /PBX0/APPS\r\nHost: one.example.net\r\n\r\n{SMUGGLED}")),
        ("HTTP/2.0", format!("GET /PBX0/APPS HTTP/2.0\r\nHost: one.example.net\r\n\r\n{SMUGGLED}")),
        ("a bad version", format!("GET /PBX0/APPS HTTP/1.1x\r\nHost: one.example.net\r\n\r\n{SMUGGLED}")),
        ("two spaces", format!("GET  /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n\r\n{SMUGGLED}")),
        (
            "a space in the target",
            format!("GET /PBX0/APPS /x HTTP/1.1\r\nHost: one.example.net\r\n\r\n{SMUGGLED}"),
        ),
        ("HTTP/2's preface", format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SMUGGLED}")),
        (
            "a head without end",
            format!("GET /PBX0/APPS HTTP/1.1\r\nHost: one.example.net\r\n{}", "X: y\r\n".repeat(200_000)),
        ),
        (
            "a very long line",
            format!("GET /PBX0/APPS/{} HTTP/1.1\r\nHost: one.example.net\r\n\r\n", "a".repeat(1_000_000)),
        ),
    ]
}

/// Each of them is closed without an answer. Nothing of it arrives, not even the good request behind it.
#[test]
fn ambiguous_requests_are_closed_and_reach_nobody() {
    within(120, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&rules(&recorder));
        let mut failures = Vec::new();
        for (what, request) in ambiguous() {
            for (mut client, port) in [(portward.plain(), "plain"), (portward.tls("one.example.net"), "tls")]
            {
                client.set_patience(Duration::from_secs(5));
                let before = recorder.connections();
                // The other side may close before it has read everything. That is expected here.
                let _ = client.try_send(&request);
                client.finish();
                let answer = client.rest();
                if !answer.is_empty() {
                    failures
                        .push(format!("{what} ({port}): answered {:?}", String::from_utf8_lossy(&answer)));
                }
                if recorder.connections() != before {
                    failures.push(format!("{what} ({port}): reached the target"));
                }
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        recorder.assert_untouched("all of it is ambiguous");
        portward.assert_alive();
    });
}

/// The same requests behind a good request on the same connection.
#[test]
fn ambiguous_requests_after_a_good_one_reach_nobody() {
    within(120, || {
        let target = Target::http(
            |request, _| {
                if request.target() == "/PBX0/APPS/good" { ok("good") } else { ok("BAD") }
            },
        );
        let portward = Portward::with_rules(&rules(&target));
        let good = "GET /PBX0/APPS/good HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
        for (what, request) in ambiguous() {
            let mut client = portward.plain();
            let answer = client.ask(good);
            assert_eq!(answer.text(), "good", "{what}: {answer:?}");
            let _ = client.try_send(&request);
            client.finish();
            let answer = client.rest();
            assert_eq!(answer, b"", "{what}: answered {:?}", String::from_utf8_lossy(&answer));
        }
        let seen = target.transcript();
        assert!(!seen.contains("smuggled") && !seen.contains("POST"), "{seen}");
    });
}

/// A broken chunked body ends the request. The octets behind it are never taken for a request.
#[test]
fn broken_chunks_smuggle_nothing() {
    within(120, || {
        let target = Target::scripted(|conn| while !conn.some().is_empty() {});
        let portward = Portward::with_rules(&rules(&target));
        let cases = [
            ("no size", "\r\n\r\n"),
            ("a size that is no number", "xyz\r\n"),
            ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
            ("a size below zero", "-1\r\n"),
            ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            ("a size with a space before it", " 5\r\nhello\r\n0\r\n\r\n"),
            ("a size beyond 64 bits", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
            ("a size that wraps around", "ffffffffffffffff0\r\n\r\n"),
            ("data longer than the size", "3\r\nhello\r\n0\r\n\r\n"),
            ("data without its line end", "5\r\nhello0\r\n\r\n"),
            ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
            ("a bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
            ("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
            ("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
            ("a bare LF behind the last chunk", "0\n\r\n"),
            ("a bare LF at the very end", "0\r\n\n"),
            ("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
            ("a space before a trailer's colon", "0\r\nA : b\r\n\r\n"),
            ("an extension without end", &format!("5;{}", "x".repeat(1_000_000))),
            ("trailers without end", &format!("0\r\n{}", "A: b\r\n".repeat(200_000))),
        ];
        for (what, body) in cases {
            let mut client = portward.plain();
            client.set_patience(Duration::from_secs(5));
            client.send("POST /PBX0/APPS/first HTTP/1.1\r\nHost: one.example.net\r\nTransfer-Encoding: chunked\r\n\r\n");
            let _ = client.try_send(format!("{body}{SMUGGLED}"));
            let answer = String::from_utf8_lossy(&client.rest()).into_owned();
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
            let number = target.connections().saturating_sub(1);
            eventually(&format!("{what}: the target's connection ends"), || {
                target.connections() == 0 || target.closed(number)
            });
        }
        let seen = target.transcript();
        assert!(!seen.contains("smuggled"), "{seen}");
        portward.assert_alive();
    });
}

/// Paths that a rule for `/PBX0/APPS` must not let through. The same for a host that allows all paths.
#[test]
fn unsafe_paths_reach_nobody() {
    let dots = [
        "/PBX0/APPS/../ADMIN",
        "/PBX0/APPS/..",
        "/PBX0/APPS/.",
        "/PBX0/APPS/./x",
        "/PBX0/APPS/x/../../ADMIN",
        "/PBX0/APPS/%2e%2e/ADMIN",
        "/PBX0/APPS/%2E%2E/ADMIN",
        "/PBX0/APPS/.%2e/ADMIN",
        "/PBX0/APPS/%2e./ADMIN",
        "/PBX0/APPS/%2e/x",
        "/PBX0/APPS/%2e",
        "/PBX0/APPS/..;/ADMIN",
        "/PBX0/APPS/..;a=b/ADMIN",
        "/PBX0/APPS/.;/x",
        "/PBX0/APPS/%2e%2e;/ADMIN",
        "/PBX0/APPS/..%3b/ADMIN",
        "/PBX0/APPS/..?x",
        "/PBX0/APPS/..\\ADMIN",
        "/PBX0/APPS\\..\\ADMIN",
        "/PBX0/APPS/..%5cADMIN",
        "/PBX0/APPS/..%5CADMIN",
        "/PBX0/APPS/x%5cy",
        "/PBX0/APPS/%252e%252e/ADMIN",
        "/PBX0/APPS/%25%32%65%25%32%65/ADMIN",
        "/PBX0/APPS/%252f",
        "/PBX0/APPS/x%2500",
        "/PBX0/APPS//x",
        "/PBX0//APPS",
        "//PBX0/APPS",
        "/PBX0/APPS//",
        "/PBX0/APPS/;/x/..",
        "/PBX0/APPS/x%00",
        "/PBX0/APPS/x%00.html",
        "/PBX0/APPS/%0d%0aX:%20y",
        "/PBX0/APPS/%0a",
        "/PBX0/APPS/%01",
        "/PBX0/APPS/%1f",
        "/PBX0/APPS/%7f",
        "/..",
        "/../PBX0/APPS",
        "/x/../PBX0/APPS",
    ];
    // An encoded slash may pass only if the host's one rule is the empty path.
    let slashes =
        ["/PBX0/APPS%2f..%2fADMIN", "/PBX0/APPS%2Fx", "/PBX0%2fAPPS", "/PBX0/APPS/%2f", "/PBX0/APPS/x%2Fy"];
    within(120, move || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&rules(&recorder));
        let one = dots.iter().chain(&slashes).map(|path| ("one.example.net", *path));
        let two = dots.iter().map(|path| ("two.example.net", *path));
        for (host, path) in one.chain(two) {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let answer = client.rest();
            assert_eq!(answer, b"", "{host} {path}: {:?}", String::from_utf8_lossy(&answer));
            // A target that is not even a URI may be called malformed instead.
            let line = portward.decision_after(mark, &[&format!("http://{host} GET "), "rejected: "]);
            assert!(line.ends_with("unsafe-path") || line.ends_with("malformed"), "{path}: {line}");
        }
        recorder.assert_untouched("the paths are unsafe");
    });
}

/// Unusual but unambiguous paths pass, and arrive as they were sent.
#[test]
fn unusual_paths_arrive_as_they_came() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        let one = [
            "/PBX0/APPS",
            "/PBX0/APPSTORE",
            "/PBX0/APPS/",
            "/PBX0/%41PPS/x",
            "/PBX0/APPS/%7ex",
            "/PBX0/APPS/a%20b",
            "/PBX0/APPS/..x",
            "/PBX0/APPS/x..",
            "/PBX0/APPS/x;v=1/y",
            "/PBX0/APPS/x;v=1",
            "/PBX0/APPS/100%25",
            "/PBX0/APPS/%c3%a4",
            "/PBX0/APPS?../..//\\%2f%00",
            "/PBX0/APPS/x?",
            "/PBX0/APPS/a:b@c,d+e!$&'()*=~_-.",
        ];
        let two = ["/", "/a%2fb", "/?x", "/%C3%A4"];
        let one = one.iter().map(|path| ("one.example.net", *path));
        for (host, path) in one.chain(two.iter().map(|path| ("two.example.net", *path))) {
            let answer = portward.plain().get(host, path);
            assert_eq!(answer.status(), 200, "{host} {path}: {answer:?}");
            assert!(
                answer.text().starts_with(&format!("GET {path} HTTP/1.1\n")),
                "{host} {path}: {answer:?}"
            );
        }
        // Case counts.
        for path in ["/pbx0/apps", "/PBX0/APP", "/PBX0", "/", "/PBX0/app%53"] {
            assert_eq!(portward.plain().get("one.example.net", path).status(), 404, "{path}");
        }
    });
}

/// The decision is the same, however the octets are cut.
#[test]
fn segments_do_not_change_the_decision() {
    within(120, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        let good = "GET /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\nX-A: b\r\n\r\n";
        let bad = "GET /PBX0/APPS/x HTTP/1.1\r\nHost: one.example.net\r\nHost: two.example.net\r\n\r\n";
        let ask = |mut client: Wire, text: &str, cut: usize| {
            let (first, second) = text.as_bytes().split_at(cut);
            client.send_pieces([first, second], Duration::from_millis(2));
            client
        };
        for cut in 1..good.len() {
            assert_eq!(ask(portward.plain(), good, cut).response().status(), 200, "cut at {cut}");
        }
        let arrived = target.transcript().len();
        for cut in 1..bad.len() {
            assert_eq!(ask(portward.plain(), bad, cut).rest(), b"", "cut at {cut}");
        }
        assert_eq!(target.transcript().len(), arrived, "{}", target.transcript());
    });
}

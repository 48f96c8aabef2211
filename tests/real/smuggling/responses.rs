//! Response splitting: a hostile target sends responses that two readers could understand differently, or more
//! responses than requests (RFC 9112 §6.3, §9.2, §11.1). No client gets an answer to another client's request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::{Portward, Target, Wire, ok, within};

/// A response without a request.
const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";

/// A line of the table.
struct Row {
    what: &'static str,
    rfc: &'static str,
    /// The method of the request. `ws` marks a WebSocket handshake.
    method: &'static str,
    /// The target's answer.
    answer: String,
    /// Octets that the target sends some time later, without a request.
    later: &'static str,
    /// Whether the target closes after that.
    closes: bool,
    outcome: Outcome,
}

/// What the client gets.
#[derive(Clone, Copy)]
enum Outcome {
    /// This status and body, complete.
    Gets(u16, &'static str),
    /// A 502.
    BadGateway,
    /// The beginning of a response, which cannot look complete, and the end of the connection.
    Cut,
}

use Outcome::{BadGateway, Cut, Gets};

fn get(what: &'static str, rfc: &'static str, answer: impl Into<String>, outcome: Outcome) -> Row {
    Row { what, rfc, method: "GET", answer: answer.into(), later: "", closes: false, outcome }
}

fn head(what: &'static str, rfc: &'static str, answer: impl Into<String>, outcome: Outcome) -> Row {
    Row { method: "HEAD", ..get(what, rfc, answer, outcome) }
}

fn closing(what: &'static str, rfc: &'static str, answer: impl Into<String>, outcome: Outcome) -> Row {
    Row { closes: true, ..get(what, rfc, answer, outcome) }
}

fn later(what: &'static str, rfc: &'static str, answer: &str, outcome: Outcome) -> Row {
    Row { later: POISON, ..get(what, rfc, answer, outcome) }
}

/// A 200 with these lines and this body.
fn with(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}")
}

fn chunks(body: &str) -> String {
    with("Transfer-Encoding: chunked\r\n", body)
}

fn table() -> Vec<Row> {
    let poisoned = format!("0\r\n\r\n{POISON}");
    let hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let mut rows = vec![
        get("a good one", "9112 §6.3", hello, Gets(200, "hello")),
        get(
            "CL and TE",
            "9112 §6.3",
            with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", &poisoned),
            BadGateway,
        ),
        get(
            "TE and CL",
            "9112 §6.3",
            with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", &poisoned),
            BadGateway,
        ),
        get(
            "two lengths",
            "9112 §6.3",
            with("Content-Length: 5\r\nContent-Length: 0\r\n", "hello"),
            BadGateway,
        ),
        get(
            "one length said twice",
            "9112 §6.3",
            with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            Gets(200, "hello"),
        ),
        get(
            "a length and one spelt with _",
            "9110 §16.3",
            with("Content-Length: 5\r\nContent_Length: 0\r\n", "hello"),
            BadGateway,
        ),
        get(
            "Connection would remove the length",
            "9110 §7.6.1",
            with("Connection: Content-Length\r\nContent-Length: 5\r\n", "hello"),
            Gets(200, "hello"),
        ),
        get(
            "Connection would remove the coding",
            "9110 §7.6.1",
            with(
                "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
                "5\r\nhello\r\n0\r\n\r\n",
            ),
            Gets(200, "hello"),
        ),
        get("chunked in HTTP/1.0", "9112 §6.1", chunks(&poisoned).replacen("1.1", "1.0", 1), BadGateway),
        get(
            "chunked twice",
            "9112 §7",
            with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &poisoned),
            BadGateway,
        ),
        // Octets behind the answer reach no client.
        get("a second response at once", "9112 §9.2", format!("{hello}{POISON}"), Gets(200, "hello")),
        later("a second response later", "9112 §9.2", hello, Gets(200, "hello")),
        get(
            "a second response behind chunks",
            "9112 §9.2",
            chunks("5\r\nhello\r\n0\r\n\r\n") + POISON,
            Gets(200, "hello"),
        ),
        later(
            "a second response behind chunks, later",
            "9112 §9.2",
            &chunks("5\r\nhello\r\n0\r\n\r\n"),
            Gets(200, "hello"),
        ),
        get(
            "half a second response",
            "9112 §9.2",
            format!("{hello}HTTP/1.1 200 OK\r\nX: "),
            Gets(200, "hello"),
        ),
        get("one byte too many", "9112 §9.2", format!("{hello}!"), Gets(200, "hello")),
        get("a line end too many", "9112 §9.2", format!("{hello}\r\n"), Gets(200, "hello")),
        get("a length of 0 and a body", "9112 §6.3", with("Content-Length: 0\r\n", POISON), Gets(200, "")),
        get(
            "204 with a body",
            "9112 §6.3",
            format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}"),
            Gets(204, ""),
        ),
        later("204 with a body, later", "9112 §6.3", "HTTP/1.1 204 No Content\r\n\r\n", Gets(204, "")),
        get(
            "204 with a length",
            "9110 §8.6",
            format!("HTTP/1.1 204 No Content\r\nContent-Length: 51\r\n\r\n{POISON}"),
            Gets(204, ""),
        ),
        get(
            "204 with chunks",
            "9112 §6.1",
            format!("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n{poisoned}"),
            Gets(204, ""),
        ),
        get(
            "304 with a body",
            "9112 §6.3",
            format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 51\r\n\r\n{POISON}"),
            Gets(304, ""),
        ),
        get(
            "304 with chunks",
            "9112 §6.3",
            format!("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n{poisoned}"),
            Gets(304, ""),
        ),
        head("HEAD with a body", "9112 §6.3", with("Content-Length: 51\r\n", POISON), Gets(200, "")),
        head("HEAD with a body and no length", "9112 §6.3", with("", POISON), Gets(200, "")),
        head("HEAD with chunks", "9112 §6.3", chunks(&poisoned), Gets(200, "")),
        Row {
            later: POISON,
            ..head("HEAD with a body, later", "9112 §6.3", with("Content-Length: 51\r\n", ""), Gets(200, ""))
        },
        // Interim responses.
        get("100 unasked", "9110 §15.2", format!("HTTP/1.1 100 Continue\r\n\r\n{hello}"), Gets(200, "hello")),
        get(
            "103, 102, 199",
            "9110 §15.2",
            format!("HTTP/1.1 103 A\r\nLink: x\r\n\r\nHTTP/1.1 102 B\r\n\r\nHTTP/1.1 199 C\r\n\r\n{hello}"),
            Gets(200, "hello"),
        ),
        get(
            "103 with a body",
            "9112 §6.3",
            format!("HTTP/1.1 103 A\r\nContent-Length: 5\r\n\r\nhello{hello}"),
            Cut,
        ),
        get("interim responses without end", "9110 §15.2", "HTTP/1.1 102 B\r\n\r\n".repeat(200), Cut),
        get(
            "101 unasked",
            "9110 §15.2.2",
            format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{POISON}"),
            BadGateway,
        ),
        get(
            "101 unasked, h2c",
            "9110 §15.2.2",
            format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n{POISON}"),
            BadGateway,
        ),
        Row {
            method: "ws",
            ..get(
                "101 to something else",
                "6455 §4.1",
                format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n{POISON}"),
                BadGateway,
            )
        },
        Row {
            method: "ws",
            ..get(
                "101 without Connection",
                "6455 §4.1",
                format!("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n{POISON}"),
                BadGateway,
            )
        },
        Row {
            method: "ws",
            ..get(
                "101 without Upgrade",
                "6455 §4.1",
                format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n{POISON}"),
                BadGateway,
            )
        },
        Row { method: "ws", ..get("200 to a handshake", "6455 §4.1", hello, Gets(200, "hello")) },
        // Answers that end with the connection.
        closing("until the end", "9112 §6.3", with("", "hello"), Gets(200, "hello")),
        closing(
            "until the end, with another response in it",
            "9112 §6.3",
            with("", "hello HTTP/1.1 200 OK"),
            Gets(200, "hello HTTP/1.1 200 OK"),
        ),
        closing("a length that is not reached", "9112 §8", with("Content-Length: 50\r\n", "hello"), Cut),
        closing("no last chunk", "9112 §8", chunks("5\r\nhello\r\n"), Cut),
        closing("no last line", "9112 §8", chunks("5\r\nhello\r\n0\r\n"), Cut),
        closing("half a chunk", "9112 §8", chunks("50\r\nhello"), Cut),
        closing("half a head", "9112 §8", "HTTP/1.1 200 OK\r\nContent-Le", BadGateway),
        closing("nothing", "contract section 1", "", BadGateway),
        get(
            "a very long head",
            "contract section 3",
            with(&format!("X: {}\r\n", "y".repeat(200_000)), ""),
            BadGateway,
        ),
        get("very many fields", "contract section 3", with(&"X: y\r\n".repeat(2000), ""), BadGateway),
    ];
    for value in [
        "+5",
        "-5",
        "0x5",
        "5, 5",
        "5,5",
        "5 5",
        "",
        "five",
        "5h",
        "5.0",
        "18446744073709551621",
        "５",
        "\"5\"",
    ] {
        rows.push(get(
            "a bad length",
            "9112 §6.3",
            with(&format!("Content-Length: {value}\r\n"), "hello"),
            BadGateway,
        ));
    }
    for value in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "chunked, identity",
        "xchunked",
        "chunked;x",
        "\"chunked\"",
        "",
        "chunk ed",
    ] {
        rows.push(get(
            "a bad coding",
            "9112 §6.1",
            with(&format!("Transfer-Encoding: {value}\r\n"), &poisoned),
            BadGateway,
        ));
    }
    for lines in [
        "X: a\rY: b\r\n",
        " X: a\r\n",
        "X: a\0b\r\n",
        "X\0: a\r\n",
        "X: a\u{1}\r\n",
        "X: a\u{b}\r\n",
        "X: a\u{7f}\r\n",
        "X Y: a\r\n",
        "nonsense\r\n",
        ": a\r\n",
        "Transfer-Encoding\u{b}: chunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\n: chunked\r\n",
        "X: y\r\n\u{b}Transfer-Encoding: chunked\r\n",
        "X: y\rSet-Cookie: a=b\r\n",
    ] {
        rows.push(get(
            "a bad field line",
            "9112 §5, §11.1",
            with(&format!("{lines}Content-Length: 5\r\n"), "hello"),
            BadGateway,
        ));
    }
    // An answer with only one reading is accepted (issue 17, item 18).
    for lines in [
        "X: a\nY: b\r\n",
        "X: a\r\n b\r\n",
        "X: a\r\n\tb\r\n",
        "X : a\r\n",
        "X\t: a\r\n",
        "X: y\nSet-Cookie: a=b\n",
        "Content-Length : 5\r\n",
        "Content-Length:\r\n 5\r\n",
    ] {
        let answer = with(&format!("{lines}Content-Length: 5\r\n"), "hello");
        rows.push(get("a loose field line", "contract section 3", answer, Gets(200, "hello")));
    }
    let answer = "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello";
    rows.push(get("a loose status line", "contract section 3", answer, Gets(200, "hello")));
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\nZ: z\r\n\r\n",
    ] {
        let answer = chunks(&format!("{body}{POISON}"));
        rows.push(get("a loose chunk", "contract section 3", answer, Gets(200, "hello")));
        let answer = chunks(&format!("4\r\ngood\r\n{body}{POISON}"));
        rows.push(get(
            "a loose chunk behind a good one",
            "contract section 3",
            answer,
            Gets(200, "goodhello"),
        ));
    }
    for start in [
        "HTTP/1.1 200 OK\r",
        "HTTP/1.1 200 O\0K\r\n",
        "HTTP/1.1 200 OK\rX: y\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 099 OK\r\n",
        "HTTP/1.1 abc OK\r\n",
        "HTTP/1.1 -200 OK\r\n",
        "HTTP/2 200 OK\r\n",
        "HTTP/2.0 200 OK\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/0.9 200 OK\r\n",
        "http/1.1 200 OK\r\n",
        "ICY 200 OK\r\n",
        "\r\nHTTP/1.1 200 OK\r\n",
        " HTTP/1.1 200 OK\r\n",
        "200 OK\r\n",
        "HTTP/1.1\t200 OK\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1 200OK\r\n",
    ] {
        rows.push(get(
            "a bad status line",
            "9112 §4",
            format!("{start}Content-Length: 5\r\n\r\nhello"),
            BadGateway,
        ));
    }
    for body in [
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "3\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5\0\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
        "xyz\r\n",
    ] {
        rows.push(get("a bad chunk", "9112 §7.1", chunks(&format!("{body}{POISON}")), Cut));
        // The same after the head has been sent on.
        rows.push(get(
            "a bad chunk behind a good one",
            "9112 §7.1",
            chunks(&format!("4\r\ngood\r\n{body}{POISON}")),
            Cut,
        ));
    }
    rows
}

#[derive(Default)]
struct Said {
    answer: String,
    later: &'static str,
    closes: bool,
}

#[test]
fn hostile_targets_poison_no_client() {
    within(110, || {
        let said = Arc::new(Mutex::new(Said::default()));
        let script = Arc::clone(&said);
        let target = Target::scripted(move |conn| {
            while let Some(request) = conn.try_head() {
                if request.target() != "/attack" {
                    if conn.try_send(ok(request.target())).is_err() {
                        return;
                    }
                    continue;
                }
                let (answer, later, closes) = {
                    let said = script.lock().unwrap();
                    (said.answer.clone(), said.later, said.closes)
                };
                // The other side may close before it has read everything.
                let _ = conn.try_send(answer);
                if !later.is_empty() {
                    thread::sleep(Duration::from_millis(20));
                    let _ = conn.try_send(later);
                }
                if closes {
                    return;
                }
            }
        });
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        // There is one worker, so a later client could get the octets that an earlier one left.
        let portward = Portward::rules(&rules).one_worker().start();
        let mut failures = Vec::new();
        for row in table() {
            *said.lock().unwrap() = Said { answer: row.answer.clone(), later: row.later, closes: row.closes };
            for client in [portward.plain(), portward.tls("one.example.net")] {
                let result = catch_unwind(AssertUnwindSafe(|| ask(&portward, client, &row)));
                let result = result
                    .unwrap_or_else(|panic| Err(panic.downcast_ref::<String>().cloned().unwrap_or_default()));
                if let Err(what) = result {
                    let answer: String = row.answer.chars().take(200).collect();
                    failures.push(format!("{} ({}), {answer:?}: {what}", row.what, row.rfc));
                }
            }
        }
        portward.assert_alive();
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    });
}

fn ask(portward: &Portward, mut client: Wire, row: &Row) -> Result<(), String> {
    client.set_patience(Duration::from_secs(5));
    let (method, lines) = match row.method {
        "ws" => (
            "GET",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        method => (method, ""),
    };
    client.send(format!("{method} /attack HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
    let mut goes_on = false;
    match row.outcome {
        Outcome::Cut => {
            let bytes = String::from_utf8_lossy(&client.rest()).into_owned();
            let whole = bytes.contains("\r\n0\r\n\r\n")
                || bytes.contains("POISON")
                || bytes.contains("Content-Length: 5\r\n");
            if whole {
                return Err(format!("the client got {bytes:?}"));
            }
        }
        Outcome::Gets(..) | Outcome::BadGateway => {
            let (status, body) = match row.outcome {
                Outcome::Gets(status, body) => (status, Some(body)),
                _ => (502, None),
            };
            let answer = client.response_to(method);
            let framed = answer.all("content-length").len() + answer.all("transfer-encoding").len();
            if answer.status() != status || body.is_some_and(|body| answer.text() != body) || framed > 1 {
                return Err(format!("the client got {answer:?}"));
            }
            goes_on = answer.header("connection") != Some("close");
        }
    }
    if !row.later.is_empty() {
        thread::sleep(Duration::from_millis(40));
    }
    if goes_on {
        let answer = client.get("one.example.net", "/own");
        if answer.text() != "/own" {
            return Err(format!("the client's next request got {answer:?}"));
        }
    } else {
        let rest = client.rest();
        if !rest.is_empty() {
            return Err(format!("behind it came {:?}", String::from_utf8_lossy(&rest)));
        }
    }
    for path in ["/other", "/third"] {
        let answer = portward.plain().get("one.example.net", path);
        if answer.text() != path {
            return Err(format!("a stranger got {answer:?}"));
        }
    }
    Ok(())
}

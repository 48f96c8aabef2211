//! Bodies pass as they come: in constant memory however large, with the same chunks, and each to its own client
//! (contract sections 3 and 10).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Conn, Portward, Target, Wire, eventually, ok, within};

const MIB: u64 = 1024 * 1024;
/// How much the daemon's resident memory may grow, in kB. This is enough for buffers, but not for a body.
const GROWTH: u64 = 16 * 1024;
/// The size of the blocks in which a large body is written.
const BLOCK: usize = 256 * 1024;

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// Sends a body of `size` bytes by either framing.
fn send_body(wire: &mut Wire, size: u64, chunked: bool) -> bool {
    let mut block = Vec::new();
    if chunked {
        block.extend_from_slice(format!("{BLOCK:x}\r\n").as_bytes());
    }
    block.resize(block.len() + BLOCK, b'x');
    if chunked {
        block.extend_from_slice(b"\r\n");
    }
    for _ in 0..size / BLOCK as u64 {
        if wire.try_send(&block).is_err() {
            return false;
        }
    }
    !chunked || wire.try_send("0\r\n\r\n").is_ok()
}

/// How many bytes a chunked body of `size` bytes takes on the wire, written in blocks.
fn on_the_wire(size: u64, chunked: bool) -> u64 {
    if !chunked {
        return size;
    }
    let frame = format!("{BLOCK:x}\r\n\r\n").len() as u64;
    size + size / BLOCK as u64 * frame + "0\r\n\r\n".len() as u64
}

fn framing(size: u64, chunked: bool) -> String {
    if chunked { "Transfer-Encoding: chunked".to_owned() } else { format!("Content-Length: {size}") }
}

/// `/down/SIZE` and `/up/SIZE`, with `?chunked` or without.
fn heavy(conn: &mut Conn) {
    while let Some(request) = conn.try_head() {
        let (path, chunked) = match request.target().strip_suffix("?chunked") {
            Some(path) => (path.to_owned(), true),
            None => (request.target().to_owned(), false),
        };
        let size: u64 = path.rsplit('/').next().unwrap().parse().unwrap();
        if path.starts_with("/down/") {
            conn.send(format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", framing(size, chunked)));
            if !send_body(conn, size, chunked) {
                return;
            }
        } else {
            let length = on_the_wire(size, chunked);
            let seen = conn.swallow(length);
            assert_eq!(request.header("transfer-encoding").is_some(), chunked);
            conn.send(ok(&seen.to_string()));
        }
    }
}

/// 2 GiB in each direction once, and less in the other combinations: the memory stays constant.
#[test]
fn two_gibibytes_each_way_take_no_memory() {
    within(110, || {
        let target = Target::scripted(heavy).forgetful();
        let portward = Portward::with_rules(&rules(&target));
        let connect = |tls: bool| if tls { portward.tls("one.example.net") } else { portward.plain() };
        for (tls, chunked, down, size) in [
            (false, false, true, 2048),
            (false, false, false, 2048),
            (false, true, true, 256),
            (false, true, false, 256),
            (true, false, true, 256),
            (true, false, false, 256),
            (true, true, true, 256),
            (true, true, false, 256),
        ] {
            let what = format!("TLS {tls}, chunked {chunked}, down {down}, {size} MiB");
            let mut client = connect(tls);
            let suffix = if chunked { "?chunked" } else { "" };
            let mut before = 0;
            // The first body warms up. The second is measured.
            for size in [8 * MIB, size * MIB] {
                if down {
                    client
                        .send(format!("GET /down/{size}{suffix} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
                    let head = client.head();
                    assert_eq!(head.header("transfer-encoding").is_some(), chunked, "{what}: {head:?}");
                    let length = on_the_wire(size, chunked);
                    assert_eq!(client.swallow(length), length, "{what}");
                } else {
                    let framing = framing(size, chunked);
                    client.send(format!(
                        "POST /up/{size}{suffix} HTTP/1.1\r\nHost: one.example.net\r\n{framing}\r\n\r\n"
                    ));
                    assert!(send_body(&mut client, size, chunked), "{what}");
                    assert_eq!(client.response().text(), on_the_wire(size, chunked).to_string(), "{what}");
                }
                if before == 0 {
                    before = portward.memory("VmRSS:");
                }
            }
            let peak = portward.memory("VmHWM:");
            assert!(peak < before + GROWTH, "{what}: {before} kB before, {peak} kB at most");
        }
    });
}

/// A target that does not read stops the client. The client goes on where it stopped.
#[test]
fn a_slow_target_stops_the_client() {
    within(100, || {
        let go = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&go);
        let target = Target::scripted(move |conn| {
            let Some(request) = conn.try_head() else { return };
            eventually("the client stands still", || gate.load(Ordering::SeqCst));
            let length = request.header("content-length").unwrap().parse().unwrap();
            let seen = conn.swallow(length);
            // The target says that it closes, because a POST is not sent again on another connection.
            let seen = seen.to_string();
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", seen.len());
            conn.send(head + &seen);
        })
        .forgetful();
        let portward = Portward::with_rules(&rules(&target));
        for (round, mut client) in [portward.plain(), portward.tls("one.example.net")].into_iter().enumerate()
        {
            go.store(false, Ordering::SeqCst);
            let size = 128 * MIB;
            let before = portward.memory("VmRSS:");
            client
                .send(format!("POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: {size}\r\n\r\n"));
            let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
            let counter = Arc::clone(&sent);
            let sender = thread::spawn(move || {
                let block = vec![b'y'; BLOCK];
                for _ in 0..size / BLOCK as u64 {
                    client.send(&block);
                    counter.fetch_add(BLOCK as u64, Ordering::SeqCst);
                }
                client.response().text()
            });
            let mut last = u64::MAX;
            eventually("the client stands still", || {
                thread::sleep(Duration::from_millis(300));
                let now = sent.load(Ordering::SeqCst);
                now > 0 && std::mem::replace(&mut last, now) == now
            });
            assert!(last < size / 2, "round {round}: {last} bytes went to a target that reads nothing");
            go.store(true, Ordering::SeqCst);
            assert_eq!(sender.join().unwrap(), size.to_string(), "round {round}");
            let peak = portward.memory("VmHWM:");
            assert!(peak < before + GROWTH, "round {round}: {before} kB before, {peak} kB at most");
        }
    });
}

/// Bodies octet by octet, in both directions and both framings.
#[test]
fn dribbled_bodies_arrive_whole() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(request) = conn.try_request() {
                let text = format!("{} {}", request.text(), request.trailers.len());
                let answer = if request.target() == "/chunked" {
                    let chunks: String = text.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
                    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
                } else {
                    String::from_utf8(ok(&text)).unwrap()
                };
                conn.send_pieces(answer.as_bytes().chunks(1), Duration::from_micros(200));
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        for mut client in [portward.plain(), portward.tls("one.example.net")] {
            for (path, framing, body, reads) in [
                ("/", "Content-Length: 11", "hello world", "hello world 0"),
                ("/chunked", "Content-Length: 11", "hello world", "hello world 0"),
                (
                    "/chunked",
                    "Transfer-Encoding: chunked",
                    "5;x\r\nhello\r\n06\r\n world\r\n0\r\nA: b\r\n\r\n",
                    "hello world 1",
                ),
                ("/", "Transfer-Encoding: chunked", "b\r\nhello world\r\n0\r\n\r\n", "hello world 0"),
            ] {
                let request =
                    format!("POST {path} HTTP/1.1\r\nHost: one.example.net\r\n{framing}\r\n\r\n{body}");
                client.send_pieces(request.as_bytes().chunks(1), Duration::from_micros(200));
                let answer = client.response();
                assert_eq!(answer.text(), reads, "{path} {framing}: {answer:?}");
            }
        }
    });
}

/// A 413 while the client is still sending: the client gets it whole, and the rest of the body is not taken for a
/// request.
#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    within(100, || {
        for keeps in [false, true] {
            let target = Target::scripted(move |conn| {
                while let Some(request) = conn.try_head() {
                    if request.method() != "POST" {
                        conn.send(ok("fine"));
                        continue;
                    }
                    let close = if keeps { "" } else { "Connection: close\r\n" };
                    conn.send(format!("HTTP/1.1 413 Too Large\r\n{close}Content-Length: 3\r\n\r\nbig"));
                    if !keeps {
                        // It waits for the other side to stop, as a careful server does (RFC 9112 §9.6).
                        conn.finish();
                    }
                    conn.swallow(64 * MIB);
                    if !keeps {
                        return;
                    }
                }
            })
            .forgetful();
            let portward = Portward::with_rules(&rules(&target));
            for (tls, chunked) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut client = if tls { portward.tls("one.example.net") } else { portward.plain() };
                let framing = framing(64 * MIB, chunked);
                client.send(format!("POST /up HTTP/1.1\r\nHost: one.example.net\r\n{framing}\r\n\r\n"));
                // A part of the body is sent, then the client looks: the answer is there before the body ends.
                let part = if chunked {
                    format!("{BLOCK:x}\r\n{}\r\n", "x".repeat(BLOCK))
                } else {
                    "x".repeat(BLOCK)
                };
                client.send(&part);
                let answer = client.response();
                assert_eq!(
                    (answer.status(), answer.text().as_str()),
                    (413, "big"),
                    "TLS {tls}, chunked {chunked}, keeps {keeps}: {answer:?}"
                );
                let _ = client.try_send(&part);
                drop(client);
                assert_eq!(portward.plain().get("one.example.net", "/").text(), "fine");
            }
        }
    });
}

/// A client can tell a cut response from a whole one, on both ports, whatever has cut it.
#[test]
fn truncation_is_seen() {
    within(60, || {
        let target = Target::scripted(|conn| {
            let Some(request) = conn.try_head() else { return };
            let (framing, cut) = request.target()[1..].split_once('/').unwrap();
            conn.send(match framing {
                "length" => "HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\nhello",
                "chunk" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n500\r\nhello",
                "chunks" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                "trailers" => {
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n"
                }
                other => panic!("{other}"),
            });
            thread::sleep(Duration::from_millis(30));
            if cut == "reset" {
                conn.reset();
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        for framing in ["length", "chunk", "chunks", "trailers"] {
            for cut in ["end", "reset"] {
                for mut client in [portward.plain(), portward.tls("one.example.net")] {
                    client.send(format!("GET /{framing}/{cut} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
                    let head = client.head();
                    assert_eq!(head.status(), 200);
                    let rest = String::from_utf8_lossy(&client.rest()).into_owned();
                    assert!(rest.contains("hello"), "{framing} {cut}: {rest:?}");
                    assert!(
                        !rest.ends_with("0\r\n\r\n") && !rest.contains("HTTP/1.1"),
                        "{framing} {cut}: {rest:?}"
                    );
                    assert!(rest.len() < 5000, "{framing} {cut}: {rest:?}");
                }
            }
        }
        // A body that ends with the connection was reset, so it is not complete. The client's connection must not end
        // in good order either.
        let target = Target::scripted(|conn| {
            if let Some(request) = conn.try_head() {
                conn.send("HTTP/1.1 200 OK\r\n\r\nhello");
                thread::sleep(Duration::from_millis(30));
                if request.target() == "/reset" {
                    conn.reset();
                }
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        for (path, whole) in [("/end", true), ("/reset", false)] {
            let mut client = portward.tls("one.example.net");
            client.send(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            client.head();
            let mut rest = Vec::new();
            let end = std::io::Read::read_to_end(&mut client, &mut rest);
            assert_eq!(end.is_ok(), whole, "{path}: a TLS farewell says that the body is whole: {end:?}");
        }
    });
}

/// HTTP/1.0 on either side, and pipelined HTTP/1.1 requests from the client.
#[test]
fn old_targets_and_pipelining_clients() {
    within(60, || {
        let target = Target::scripted(|conn| {
            let Some(request) = conn.try_request() else { return };
            let answer = match request.target() {
                "/none" => "HTTP/1.0 204 No Content\r\n\r\n".to_owned(),
                "/length" => "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nlength".to_owned(),
                path => format!("HTTP/1.0 200 OK\r\n\r\n{path} {}", request.text()),
            };
            conn.send(answer);
        });
        let portward = Portward::with_rules(&rules(&target));
        for mut client in [portward.plain(), portward.tls("one.example.net")] {
            let host = "Host: one.example.net\r\n";
            client.send(format!(
                "GET /length HTTP/1.1\r\n{host}\r\nHEAD /length HTTP/1.1\r\n{host}\r\nGET /none HTTP/1.1\r\n{host}\r\n\
                 POST /length HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\
                 POST /last HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello"
            ));
            assert_eq!(client.response().text(), "length");
            assert_eq!(client.response_to("HEAD").status(), 200);
            assert_eq!(client.response().status(), 204);
            assert_eq!(client.response().text(), "length");
            // This body ends with the target's connection. So the client's connection ends, too.
            assert_eq!(client.response().text(), "/last hello");
        }
        for version in ["1.0", "1.1"] {
            let mut client = portward.plain();
            client
                .send(format!("GET /x HTTP/{version}\r\nHost: one.example.net\r\nConnection: close\r\n\r\n"));
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (200, "/x "), "{version}");
            assert_eq!(answer.header("transfer-encoding"), None, "{version}");
        }
    });
}

/// A target that authenticates the connection: every request on it counts as sent by the logged-in user. A stranger's
/// requests never come on that connection. The logged-in client keeps it for all its requests.
#[test]
fn a_login_on_a_connection_is_for_one_client_alone() {
    within(60, || {
        let target = Target::scripted(|conn| {
            let mut user: Option<String> = None;
            while let Some(request) = conn.try_request() {
                let said = request.header("authorization").unwrap_or_default().to_owned();
                match said.split_once(' ') {
                    Some(("NTLM" | "Negotiate", "hello")) => {
                        let scheme = said.split(' ').next().unwrap();
                        conn.send(format!(
                            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {scheme} challenge\r\nContent-Length: 0\r\n\r\n"
                        ));
                        continue;
                    }
                    Some(("NTLM" | "Negotiate", name)) => user = Some(name.to_owned()),
                    _ => {}
                }
                match &user {
                    Some(user) => conn.send(ok(user)),
                    None => conn.send(
                        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 6\r\n\r\nnobody",
                    ),
                }
            }
        });
        let portward = Portward::rules(&rules(&target)).one_worker().start();
        let ask = |client: &mut Wire, login: &str| {
            let lines = if login.is_empty() { String::new() } else { format!("Authorization: {login}\r\n") };
            client.ask(format!("GET / HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n")).text()
        };
        let mut clients: Vec<(Wire, String)> = Vec::new();
        for (number, scheme) in ["NTLM", "Negotiate", "NTLM", "Negotiate"].into_iter().enumerate() {
            let name = format!("user{number}");
            let mut client = if number % 2 == 0 { portward.plain() } else { portward.tls("one.example.net") };
            assert_eq!(ask(&mut client, ""), "nobody", "{name} before the login");
            assert_eq!(ask(&mut client, &format!("{scheme} hello")), "");
            // Strangers send requests in the middle of the login, and after it.
            assert_eq!(ask(&mut portward.plain(), ""), "nobody", "a stranger in the middle");
            assert_eq!(ask(&mut client, &format!("{scheme} {name}")), name);
            assert_eq!(ask(&mut portward.plain(), ""), "nobody", "a stranger behind {name}");
            clients.push((client, name));
        }
        for _ in 0..3 {
            for (client, name) in &mut clients {
                assert_eq!(ask(client, ""), *name, "the login stays");
                assert_eq!(ask(&mut portward.plain(), ""), "nobody", "a stranger");
            }
        }
        let first = clients.remove(0);
        drop(first);
        for _ in 0..5 {
            assert_eq!(ask(&mut portward.plain(), ""), "nobody", "a stranger after the client has gone");
        }
    });
}

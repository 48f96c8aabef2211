//! Many changes at once do not disturb other traffic.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::House;
use crate::harness::{Target, WebSocketEcho, web_socket, within};

/// The number of tenants at the beginning.
const TENANTS: usize = 2_000;
/// The number of changes during the other traffic.
const CHANGES: usize = 3_000;
/// The number of programs that make changes.
const PROGRAMS: usize = 32;
/// The length of the download, in octets.
const LENGTH: usize = 64 * 1024 * 1024;

fn byte(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap()
}

/// One connection to the socket, on which requests follow each other.
struct Program(UnixStream, Vec<u8>);

impl Program {
    fn new(house: &House) -> Self {
        Self(UnixStream::connect(house.portward.dir().join("portward.sock")).unwrap(), Vec::new())
    }

    fn status(&mut self, method: &str, path: &str, body: &str) -> u16 {
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nHost: portward\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).unwrap();
        self.1.clear();
        loop {
            let mut some = [0; 4096];
            let count = self.0.read(&mut some).unwrap();
            assert!(count > 0, "the answer is not dropped: {}", String::from_utf8_lossy(&self.1));
            self.1.extend(&some[..count]);
            let text = String::from_utf8_lossy(&self.1).into_owned();
            let Some((head, content)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if content.len() >= length.unwrap().parse::<usize>().unwrap() {
                return head.split(' ').nth(1).unwrap().parse().unwrap();
            }
        }
    }
}

#[test]
fn item_5_changes_touch_no_other_tenants_connection() {
    within(240, || {
        let house = House::start(|setup| setup.set("limits.drain_timeout", "\"1s\""));
        // Unrelated traffic: a WebSocket and a download of a tenant, and requests for its host.
        let echo = WebSocketEcho::plain();
        let large = Target::scripted(|conn| {
            while conn.try_request().is_some() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
                if conn.try_send(head).is_err() {
                    return;
                }
                let octets: Vec<u8> = (0..LENGTH).map(byte).collect();
                if conn.try_send(octets).is_err() {
                    return;
                }
            }
        });
        assert_eq!(house.put("still", &json!({ "target": "127.0.0.1" })).0, 201);
        for (name, port) in
            [("ws.example", echo.port()), ("large.example", large.port()), ("web.example", house.web.port())]
        {
            let body = json!({ "tenant": "still", "http": [{ "path": "/", "tcp": port }] });
            assert_eq!(house.ask("PUT", &format!("hosts/{name}"), Some(&body)).0, 201);
        }
        let mut program = Program::new(&house);
        for chunk in (0..TENANTS).collect::<Vec<_>>().chunks(500) {
            let one =
                |at: &usize| format!("\"t{at}\":{{\"target\":\"192.0.2.1\",\"realms\":[\"t{at}.example\"]}}");
            let body = format!("{{\"tenants\":{{{}}}}}", chunk.iter().map(one).collect::<Vec<_>>().join(","));
            assert_eq!(program.status("POST", "tenants", &body), 200);
        }

        let (is_over, asked, next) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
        let (mut socket, _) = web_socket(house.portward.plain(), "ws.example", "/x").unwrap();
        let mut download = house.portward.plain();
        download.send("GET /x HTTP/1.1\r\nHost: large.example\r\n\r\n");
        assert_eq!(download.head().status(), 200);
        let mark = house.portward.mark();
        thread::scope(|scope| {
            let programs: Vec<_> = (0..PROGRAMS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut program = Program::new(&house);
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            if number >= CHANGES {
                                return;
                            }
                            let at = number % TENANTS;
                            let status = match number % 4 {
                                0 => program.status("POST", &format!("tenants/t{at}/disable"), ""),
                                1 => program.status("DELETE", &format!("tenants/t{at}"), ""),
                                2 => program.status(
                                    "PUT",
                                    &format!("tenants/new{number}"),
                                    "{\"target\":\"192.0.2.3\"}",
                                ),
                                _ => program.status(
                                    "PUT",
                                    &format!("tenants/t{at}"),
                                    "{\"target\":\"192.0.2.2\"}",
                                ),
                            };
                            assert!(matches!(status, 200 | 201 | 404), "{number}: {status}");
                        }
                    })
                })
                .collect();
            let begun = Instant::now();
            scope.spawn(|| {
                let mut at = 0;
                while at < LENGTH {
                    let some = download.exactly(64 * 1024);
                    assert!(
                        some.iter().enumerate().all(|(offset, octet)| *octet == byte(at + offset)),
                        "at {at}"
                    );
                    at += some.len();
                }
            });
            scope.spawn(|| {
                let mut number = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let message = Message::text(format!("message {number}"));
                    socket.send(message.clone()).unwrap();
                    assert_eq!(socket.read().unwrap(), message);
                    number += 1;
                }
            });
            scope.spawn(|| {
                let mut kept = house.portward.plain();
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(kept.get("web.example", "/x").text(), "here");
                    assert_eq!(house.status("web.example"), 200);
                    asked.fetch_add(2, Ordering::Relaxed);
                }
            });
            programs.into_iter().for_each(|program| program.join().unwrap());
            println!(
                "{CHANGES} changes in {:?}, {} requests meanwhile",
                begun.elapsed(),
                asked.load(Ordering::Relaxed)
            );
            is_over.store(true, Ordering::Relaxed);
        });
        assert!(asked.load(Ordering::Relaxed) > 0);
        let refused = house.portward.lines_since(mark);
        assert!(!refused.iter().any(|line| line.contains("rejected:")), "{refused:?}");

        // All changes are durable.
        let count = |house: &House| house.ask("GET", "tenants?limit=1", None).1["count"].clone();
        let before = count(&house);
        let house = house.restart();
        assert_eq!(count(&house), before);
        assert_eq!(house.tenant("new2")["own_target"], json!(["192.0.2.3"]));
        assert_eq!(house.tenant("t3")["own_target"], json!(["192.0.2.2"]));
        assert_eq!(house.tenant("t4")["enabled"], false);
        assert_eq!(house.status("web.example"), 200);
    });
}

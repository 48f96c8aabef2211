//! Clients that break the rules in all ways at once. A phone still registers, and the socket still answers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Admin, bearer, start, usual};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Portward, Wire, command, eventually, within};

/// Registers on an open connection, and on a new one.
fn registers(old: &mut Wire, portward: &Portward) {
    old.send(request("REGISTER", "ckl@one.example.net", ""));
    assert_eq!(next_message(old).unwrap().status(), 200);
    let mut new = Wire::tls(portward.port("sips"), "one.example.net");
    new.send(request("REGISTER", "ckl@one.example.net", ""));
    assert_eq!(next_message(&mut new).unwrap().status(), 200);
}

fn answers(admin: &Admin) {
    let config = admin.portward.config().display().to_string();
    let said = command(20, admin.portward.dir(), &["status", "--config", &config]);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn issue_19_slow_and_silent_clients_disturb_neither_a_phone_nor_the_socket() {
    within(120, || {
        let phone = pbx("one");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = false }}\n",
            phone.port()
        );
        let admin = start(Portward::rules(&rules).listen("sips"));
        let mut sip = Wire::tls(admin.portward.port("sips"), "one.example.net");
        registers(&mut sip, &admin.portward);
        let path = admin.portward.dir().join("portward.sock");
        let head = format!("POST /v1/reload HTTP/1.1\r\nHost: {}\r\nContent-Length: 60000\r\n", admin.host());
        let (token, head) = (bearer(&admin.token()), head.as_bytes());
        let mut kept = Vec::new();
        // Some are silent, some are slow in the head, some are slow in the body, and some ask and do not read.
        for number in 0..400 {
            let mut client = TcpStream::connect(("127.0.0.1", admin.port)).unwrap();
            let _ = match number % 4 {
                0 => Ok(()),
                1 => client.write_all(&head[..20]),
                2 => client.write_all(&[head, token.as_bytes(), b"\r\n\r\nx"].concat()),
                _ => client.write_all(
                    &[b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n", token.as_bytes(), b"\r\n\r\n"]
                        .concat(),
                ),
            };
            kept.push(client);
        }
        let sockets: Vec<_> = (0..64).map(|_| UnixStream::connect(&path).unwrap()).collect();
        registers(&mut sip, &admin.portward);
        answers(&admin);
        eventually("an honest client gets a place", || admin.status("GET", "/v1/status", &[&token]) == 200);
        registers(&mut sip, &admin.portward);
        drop((kept, sockets));
        admin.portward.assert_alive();
    });
}

/// Sends requests on kept connections, one after the other, until `enough`.
fn keeps_asking(admin: &Admin, request: &str, enough: &AtomicBool) {
    while !enough.load(Ordering::Relaxed) {
        let Ok(mut client) = TcpStream::connect(("127.0.0.1", admin.port)) else { continue };
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = [0; 4096];
        while !enough.load(Ordering::Relaxed) {
            let asked = client.write_all(request.as_bytes());
            if asked.is_err() || client.read(&mut answer).is_ok_and(|count| count == 0) {
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
    }
}

/// Asks on a new connection, after all others. Returns whether the answer is 200.
fn is_served(admin: &Admin, token: &str) -> bool {
    let mut client = TcpStream::connect(("127.0.0.1", admin.port)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let request = format!("GET /v1/status HTTP/1.1\r\nHost: {}\r\n{token}\r\n\r\n", admin.host());
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    client.read_exact(&mut answer).is_ok() && answer == *b"HTTP/1.1 200"
}

#[test]
fn issue_19_quick_clients_on_all_places_keep_nobody_out() {
    within(120, || {
        let admin = usual();
        let token = bearer(&admin.token());
        let front = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", admin.host());
        // HEAD for a stream gets only the head, so that such a client follows nothing.
        let head =
            format!("HEAD /v1/decisions?follow=1 HTTP/1.1\r\nHost: {}\r\n{token}\r\n\r\n", admin.host());
        for request in [front, head] {
            let enough = AtomicBool::new(false);
            let served = thread::scope(|scope| {
                for _ in 0..140 {
                    scope.spawn(|| keeps_asking(&admin, &request, &enough));
                }
                thread::sleep(Duration::from_secs(2));
                let served = is_served(&admin, &token);
                enough.store(true, Ordering::Relaxed);
                served
            });
            assert!(served, "{request}");
        }
        answers(&admin);
    });
}

#[test]
fn issue_19_a_thousand_clients_at_once_are_all_answered() {
    within(120, || {
        let admin = usual();
        let token = bearer(&admin.token());
        let request = format!(
            "GET /v1/status HTTP/1.1\r\nHost: {}\r\n{token}\r\nConnection: close\r\n\r\n",
            admin.host()
        );
        let ask = |from: usize| -> usize {
            // A client that stays silent while others wait would lose its place after a quarter of a second.
            let connected = |_| {
                let mut client = TcpStream::connect(("127.0.0.1", admin.port)).unwrap();
                client.write_all(request.as_bytes()).unwrap();
                client
            };
            let mut open: Vec<_> = (from..from + 125).map(connected).collect();
            let answered = |client: &mut TcpStream| {
                client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.1 200 ")
            };
            open.iter_mut().filter_map(|client| answered(client).then_some(())).count()
        };
        let answered: usize = thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|part| scope.spawn(move || ask(part * 125))).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(answered, 1000);
        answers(&admin);
    });
}

#[test]
fn issue_19_what_is_malformed_or_too_large_is_refused_and_the_next_is_served() {
    within(120, || {
        let admin = usual();
        let (host, token) = (admin.host(), bearer(&admin.token()));
        let large = "x".repeat(100_000);
        for (request, status) in [
            (format!("GET /v1/status HTTP/1.1\r\nHost: {host}\r\nX: {large}\r\n\r\n"), "431"),
            (format!("GET /{large} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "4"),
            ("\0\x01\x02\r\n\r\n".to_owned(), "400"),
            ("GET\r\n\r\n".to_owned(), "400"),
            (
                format!(
                    "POST /v1/blacklist HTTP/1.1\r\nHost: {host}\r\n{token}\r\nContent-Length: x\r\n\r\n"
                ),
                "400",
            ),
            (
                format!(
                    "POST /v1/blacklist HTTP/1.1\r\nHost: {host}\r\n{token}\r\nContent-Length: 99999999999\r\n\r\n"
                ),
                "413",
            ),
            (
                format!(
                    "POST /v1/blacklist HTTP/1.1\r\nHost: {host}\r\n{token}\r\nTransfer-Encoding: chunked\r\n\r\n\
                     186A0\r\n{large}\r\n0\r\n\r\n"
                ),
                "413",
            ),
            (
                format!("POST /v1/blacklist HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999\r\n\r\n"),
                "401",
            ),
        ] {
            let mut wire = Wire::plain(admin.port);
            // The request may be refused before all of it was sent.
            let _ = wire.try_send(&request);
            let said = String::from_utf8_lossy(&wire.some()).into_owned();
            let shown = &request[..request.len().min(60)];
            assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {said:?}");
        }
        assert_eq!(admin.status("GET", "/v1/status", &[&token]), 200);
        answers(&admin);
    });
}

#[test]
fn issue_19_thirty_two_may_follow_and_a_new_token_ends_them() {
    within(120, || {
        let admin = usual();
        let token = bearer(&admin.token());
        let follow = || {
            let mut wire = Wire::plain(admin.port);
            let host = admin.host();
            wire.send(format!("GET /v1/decisions?follow=1 HTTP/1.1\r\nHost: {host}\r\n{token}\r\n\r\n"));
            let status = wire.head().status();
            (wire, status)
        };
        let mut followers: Vec<_> = (0..32).map(|_| follow()).collect();
        assert!(followers.iter().all(|(_, status)| *status == 200));
        assert_eq!(follow().1, 503);
        let gone = followers.pop();
        drop(gone);
        eventually("its place is free", || follow().1 == 200);
        admin.socket("POST", "/v1/token");
        for (mut wire, _) in followers {
            assert!(String::from_utf8_lossy(&wire.rest()).ends_with("0\r\n\r\n"), "the stream has ended");
        }
    });
}

/// A program with the read-only token cannot keep the live decisions from administrators who may change something.
#[test]
fn issue_23_item_3_those_who_only_read_cannot_take_all_places_of_followers() {
    within(120, || {
        let admin = usual();
        let (changes, reads) = (bearer(&admin.token()), bearer(&admin.reading()));
        let follow = |token: &str| {
            let mut wire = Wire::plain(admin.port);
            let host = admin.host();
            wire.send(format!("GET /v1/decisions?follow=1 HTTP/1.1\r\nHost: {host}\r\n{token}\r\n\r\n"));
            let status = wire.head().status();
            (wire, status)
        };
        let readers: Vec<_> = (0..32).map(|_| follow(&reads)).collect();
        let let_in = readers.iter().filter(|(_, status)| *status == 200).count();
        assert_eq!(let_in, 24);
        assert!(readers.iter().all(|(_, status)| [200, 503].contains(status)));
        let changers: Vec<_> = (0..9).map(|_| follow(&changes)).collect();
        let statuses: Vec<_> = changers.iter().map(|(_, status)| *status).collect();
        assert_eq!(statuses, [vec![200; 8], vec![503]].concat(), "thirty-two in all");
    });
}

#[test]
fn issue_19_the_commands_show_the_token_and_a_link() {
    within(60, || {
        let admin = usual();
        let config = admin.portward.config().display().to_string();
        let said = |args: &[&str]| {
            let said = command(20, admin.portward.dir(), &[args, &["--config", &config]].concat());
            assert_eq!(said.code, 0, "{said:?}");
            said.out.trim_end().to_owned()
        };
        let token = said(&["admin", "token"]);
        assert_eq!(token, admin.token());
        assert_eq!(said(&["admin", "token", "--read"]), admin.reading());
        let new = said(&["admin", "token", "--new"]);
        assert!(new != token && admin.status("GET", "/v1/status", &[&bearer(&new)]) == 200);
        let link = said(&["dashboard"]);
        let path = link.strip_prefix(&format!("http://{}", admin.host())).unwrap().to_owned();
        assert_eq!(admin.status("GET", &path, &[]), 200);
    });
}

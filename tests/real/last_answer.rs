//! The end of an HTTP connection after its last answer (RFC 9112 §9.6; issue 25).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::harness::{Portward, Target, Wire, eventually, within};

const NAME: &str = "one.example.net";
/// More than the kernel keeps for a client that does not read.
const LONG: usize = 16 * 1024 * 1024;

fn start(target: &Target) -> Portward {
    let path = format!("[{{ path = \"/a\", tcp = {} }}]", target.port());
    Portward::rules(&format!("[[host]]\nname = \"{NAME}\"\ntarget = \"127.0.0.1\"\nhttp = {path}\n")).start()
}

/// Answers each request with `length` octets.
fn target(length: usize) -> Target {
    Target::scripted(move |conn| {
        while let Some(request) = conn.try_head() {
            let body = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            conn.exactly(body);
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
            conn.send(vec![b'x'; length]);
        }
    })
}

/// Portward would read further octets of a client that it waits for. On a closed connection they cause a reset.
#[test]
fn item_25_a_client_that_has_said_that_it_sends_no_more_is_not_waited_for() {
    within(60, || {
        let target = target(5);
        let portward = start(&target);
        for (request, status) in [
            ("GET /a HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n", "200"),
            ("GET /a HTTP/1.0\r\nHost: one.example.net\r\n\r\n", "200"),
            ("POST /a HTTP/1.0\r\nHost: one.example.net\r\nContent-Length: 4\r\n\r\nbody", "200"),
            ("GET /missing HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n", "404"),
        ] {
            let mut client = TcpStream::connect(("127.0.0.1", portward.http)).unwrap();
            client.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).unwrap();
            assert_eq!(answer.split(' ').nth(1), Some(status), "{request}: {answer}");
            client.write_all(b"x").unwrap();
            eventually("a reset", || client.take_error().unwrap().is_some());
        }
    });
}

/// A reset would destroy octets of the answer that are on their way.
#[test]
fn item_25_octets_behind_the_last_request_do_not_cost_the_answer() {
    within(60, || {
        let target = target(LONG);
        let portward = start(&target);
        let request = format!("GET /a HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
        for tls in [false, true] {
            for behind in ["\r\n".to_owned(), request.clone(), "x".repeat(100 * 1024)] {
                let mut client = if tls { Wire::tls(portward.https, NAME) } else { portward.plain() };
                client.send(&request);
                let begun = client.head();
                assert_eq!(begun.status(), 200);
                client.send(&behind);
                assert_eq!(client.rest().len(), LONG, "TLS: {tls}, {} octets behind", behind.len());
            }
        }
    });
}

/// A client of TLS may end its own side alone, with close_notify (RFC 8446 section 6.1). These octets come after its last
/// request, and it still waits for the answer.
#[test]
fn item_25_a_late_close_notify_does_not_cost_the_answer() {
    const LENGTH: usize = 1_500_000;
    within(60, || {
        let target = target(LENGTH);
        let portward = start(&target);
        let request = format!("GET /a HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n");
        let mut client = Wire::tls(portward.https, NAME);
        client.send(&request);
        // The whole answer is in the kernel's memory by now, and nothing of it was read.
        std::thread::sleep(std::time::Duration::from_millis(500));
        client.finish();
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.rest().len(), LENGTH);
    });
}

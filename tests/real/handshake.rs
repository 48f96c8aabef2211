//! TLS handshakes that begin and do not end (contract section 8, `tls-failed`), and how much of a handshake is read.

use std::thread;
use std::time::Duration;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use crate::harness::directory::{answer, start_tls};
use crate::harness::{Portward, Setup, Wire, client_config, eventually, within};

const NAME: &str = "one.example.net";

/// All services, and an address that can be listed.
fn front() -> Setup {
    Portward::rules(&format!("[[host]]\nname = \"{NAME}\"\ntarget = \"127.0.0.1\"\nhttp = [\"\"]\n"))
        .listen("sips")
        .listen("ldap")
        .listen("ldaps")
        .listen("h323s")
        .set("limits.handshake_timeout", "\"1s\"")
        .set("blacklist.allow", "[]")
        .set("blacklist.suspicious_per_minute", "2")
}

/// A ClientHello, in the octets on the wire.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from(NAME).unwrap();
    let mut client = ClientConnection::new(client_config(rustls::DEFAULT_VERSIONS), name).unwrap();
    let mut octets = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut octets).unwrap();
    }
    octets
}

/// The ways in which a client ends a handshake that it has begun.
#[derive(Debug, Clone, Copy)]
enum End {
    Silence,
    Close,
    HalfClose,
    Reset,
}

impl End {
    const ALL: [Self; 4] = [Self::Silence, Self::Close, Self::HalfClose, Self::Reset];

    /// Ends it. Returns the connection, which must be kept until it has ended.
    fn of(self, mut client: Wire) -> Option<Wire> {
        match self {
            Self::Silence => return Some(client),
            Self::Close => {}
            Self::HalfClose => {
                client.finish();
                return Some(client);
            }
            Self::Reset => client.reset(),
        }
        // The sent octets must arrive before the end.
        thread::sleep(Duration::from_millis(50));
        None
    }
}

/// A connection to a service on which TLS must begin now.
fn connect(portward: &Portward, service: &str) -> Wire {
    match service {
        "https" => portward.plain_to_tls(),
        "ldap" => {
            let mut client = Wire::plain(portward.port("ldap"));
            client.send(start_tls(1));
            answer(&mut client, 1);
            client
        }
        service => Wire::plain(portward.port(service)),
    }
}

/// Item 12: path-MTU black holes end handshakes in the middle, and so do telephones that restart.
#[test]
fn tls_that_was_begun_and_does_not_end_is_tls_failed_and_never_counts() {
    within(110, || {
        let portward = front().start();
        let hello = hello();
        let mut half = hello.clone();
        half.truncate(hello.len() / 2);
        for (what, octets) in [("an octet", &hello[..1]), ("half a hello", &half), ("a hello", &hello)] {
            for service in ["https", "sips", "ldaps", "h323s", "ldap"] {
                for end in End::ALL {
                    let mark = portward.mark();
                    let mut client = connect(&portward, service);
                    client.send(octets);
                    let client = end.of(client);
                    let line = portward.line_after(mark, &["rejected: "]);
                    assert!(line.contains("rejected: tls-failed"), "{what}, {service}, {end:?}: {line}");
                    drop(client);
                }
            }
        }
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("blacklisted"), "{lines}");
    });
}

/// Item 12: octets that are not TLS count as before. Silence before any octet is `silent`, except after StartTLS.
#[test]
fn what_was_never_begun_is_something_else() {
    within(60, || {
        let portward = front().set("blacklist.suspicious_per_minute", "100").start();
        for service in ["https", "sips", "ldaps", "h323s"] {
            for (octets, end, reason) in [
                (&b""[..], End::Silence, "silent"),
                (b"", End::Close, "aborted"),
                (b"GET / HTTP/1.1\r\n", End::Silence, "not-tls"),
                (b"\x16\x04\x00\x00", End::Silence, "not-tls"),
                (b"\x15\x03\x01\x00\x02\x01\x00", End::Silence, "not-tls"),
            ] {
                let mark = portward.mark();
                let mut client = connect(&portward, service);
                client.send(octets);
                let client = end.of(client);
                let line = portward.line_after(mark, &["rejected: "]);
                assert!(line.contains(&format!("rejected: {reason}")), "{octets:?}, {service}: {line}");
                drop(client);
            }
        }
        for end in End::ALL {
            let mark = portward.mark();
            let client = end.of(connect(&portward, "ldap"));
            portward.line_after(mark, &["rejected: tls-failed"]);
            drop(client);
        }
    });
}

/// A ClientHello of this length, by its padding (RFC 7685).
fn padded(length: usize) -> Vec<u8> {
    let mut message = hello().split_off(5);
    let missing = length - message.len();
    // The extensions are the last field. Their length stands before them, after the session id and the lists.
    let session = 38 + 1 + usize::from(message[38]);
    let suites = session + 2 + usize::from(u16::from_be_bytes([message[session], message[session + 1]]));
    let at = suites + 1 + usize::from(message[suites]);
    let extensions = u16::from_be_bytes([message[at], message[at + 1]]) + u16::try_from(missing).unwrap();
    message[at..at + 2].copy_from_slice(&extensions.to_be_bytes());
    message.extend(21_u16.to_be_bytes());
    message.extend(u16::try_from(missing - 4).unwrap().to_be_bytes());
    message.resize(length, 0);
    let body = u32::try_from(length - 4).unwrap().to_be_bytes();
    message[1..4].copy_from_slice(&body[1..]);
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[0x16, 3, 1, length[0], length[1]], part].concat()
    };
    message.chunks(16_000).flat_map(record).collect()
}

/// Item 39: at most 16 KiB of a ClientHello are read.
#[test]
fn a_client_hello_has_16_kib() {
    within(60, || {
        let portward = front().start();
        for service in ["https", "sips", "ldaps", "h323s"] {
            let mut client = connect(&portward, service);
            client.send(padded(16 * 1024));
            let answer = client.exactly(6);
            assert_eq!((answer[0], answer[5]), (0x16, 2), "{service}: a ServerHello");
        }
        for service in ["https", "ldaps", "ldap"] {
            for octets in [
                padded(18 * 1024),
                padded(60 * 1024),
                [b"\x16\x03\x01\x3f\xff\x01\xff\xff\xff".to_vec(), vec![0; 40_000]].concat(),
            ] {
                let mark = portward.mark();
                let mut client = connect(&portward, service);
                let _ = client.try_send(octets);
                portward.line_after(mark, &["rejected: tls-failed"]);
                assert!(client.rest().is_empty(), "{service}");
            }
        }
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("blacklisted"), "{lines}");
    });
}

/// Item 39: a stalled handshake takes the memory that docs/guard.md states.
#[test]
fn a_handshake_that_stands_still_takes_the_memory_that_is_documented() {
    within(110, || {
        const COUNT: usize = 400;
        for (service, octets, limit) in [("https", 17 * 1024, 36), ("sips", 48 * 1024, 84)] {
            let portward = front()
                .set("limits.handshake_timeout", "\"60s\"")
                .set("blacklist.allow", "[\"127.0.0.0/8\"]")
                .start();
            // A message that claims a huge length, in records of the usual length.
            let mut message = vec![1, 0, 0xff, 0xf0];
            message.resize(octets - 64, 0);
            let records: Vec<u8> = message
                .chunks(16_000)
                .flat_map(|part| {
                    [&b"\x16\x03\x01"[..], &u16::try_from(part.len()).unwrap().to_be_bytes(), part].concat()
                })
                .collect();
            let before = portward.memory("VmRSS:");
            let mut held: Vec<Wire> = (0..COUNT).map(|_| connect(&portward, service)).collect();
            held.iter_mut().for_each(|client| client.send(&records));
            // All of it has been read when the memory stops growing.
            let mut last = 0;
            eventually("the memory stays", || {
                thread::sleep(Duration::from_millis(300));
                let now = portward.memory("VmRSS:");
                std::mem::replace(&mut last, now) == now
            });
            let each = (last - before) / u64::try_from(COUNT).unwrap();
            println!("{service}: {each} KiB a handshake");
            assert!(each <= limit, "{each} KiB");
            assert!(held.iter_mut().all(|client| !client.is_closed()));
        }
    });
}

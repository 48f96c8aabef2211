//! Item 39: the memory of connections that stand still is what docs/guard.md says.

use std::thread;
use std::time::Duration;

use crate::harness::{Portward, Target, Wire, eventually, within};

const COUNT: usize = 200;

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    )
}

/// The memory in KiB of each of `COUNT` connections on which `begin` sends something and then stalls.
fn each(portward: &Portward, open: impl Fn() -> Wire, begin: &[u8]) -> u64 {
    let before = portward.memory("VmRSS:");
    let mut held: Vec<Wire> = (0..COUNT).map(|_| open()).collect();
    held.iter_mut().for_each(|client| client.send(begin));
    let mut last = 0;
    eventually("the memory stays", || {
        thread::sleep(Duration::from_millis(500));
        let now = portward.memory("VmRSS:");
        std::mem::replace(&mut last, now) == now
    });
    drop(held);
    last.saturating_sub(before) / u64::try_from(COUNT).unwrap()
}

fn client(portward: &Portward, tls: bool) -> Wire {
    if tls { portward.tls("one.example.net") } else { portward.plain() }
}

fn portward(target: &Target) -> Portward {
    Portward::rules(&rules(target.port())).set("limits.inspect_timeout", "\"60s\"").start()
}

#[test]
fn item_39_an_undecided_head_takes_the_memory_that_is_documented() {
    within(60, || {
        let target = Target::recorder();
        let head = format!("GET / HTTP/1.1\r\nHost: one.example.net\r\nX: {}", "a".repeat(32_600));
        for tls in [false, true] {
            let portward = portward(&target);
            let each = each(&portward, || client(&portward, tls), head.as_bytes());
            println!("head, TLS {tls}: {each} KiB");
            assert!(each <= if tls { 52 } else { 40 }, "TLS {tls}: {each} KiB");
        }
        target.assert_untouched("no head was whole");
    });
}

/// The first octets of a handshake message that is longer than what is read. A SIP port asks for a certificate, so it
/// reads more.
#[test]
fn item_39_an_unfinished_handshake_takes_the_memory_that_is_documented() {
    within(60, || {
        let rules = "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = true\n";
        let record =
            [b"\x16\x03\x01\x3f\xf0".as_slice(), &[1, 0, 0xEA, 0x60, 3, 3], &[b'x'; 0x3FEA]].concat();
        let more = [b"\x16\x03\x01\x3f\xf0".as_slice(), &[b'x'; 0x3FF0]].concat();
        let begin = [record, more.clone(), more].concat();
        for (service, octets, limit) in [("https", 16_900, 40), ("sips", 48_000, 72)] {
            let portward =
                Portward::rules(rules).listen(service).set("limits.handshake_timeout", "\"60s\"").start();
            let begin = &begin[..octets];
            let each = each(&portward, || Wire::plain(portward.port(service)), begin);
            println!("handshake, {service}: {each} KiB");
            assert!(each > octets as u64 / 1400, "{service}: it was not read");
            assert!(each <= limit, "{service}: {each} KiB");
        }
    });
}

#[test]
fn item_39_a_stalled_download_takes_the_memory_that_is_documented() {
    within(110, || {
        let body = vec![b'a'; 8 << 20];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let target = Target::http(move |_, _| [head.as_bytes(), &body].concat());
        for tls in [false, true] {
            let portward = portward(&target);
            let request = b"GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
            let each = each(&portward, || client(&portward, tls), request);
            println!("download, TLS {tls}: {each} KiB");
            assert!(each <= if tls { 80 } else { 160 }, "TLS {tls}: {each} KiB");
        }
    });
}

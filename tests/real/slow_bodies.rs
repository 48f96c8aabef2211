//! Bodies that come too slowly (item 32, `limits.min_rate`).

use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::Duration;

use crate::harness::{Portward, Target, Wire, within};

fn post(host: &str) -> String {
    format!("POST /upload HTTP/1.1\r\nHost: {host}.example.net\r\nContent-Length: 100000\r\n\r\n")
}

/// Slow bodies, and one that stops, on both transports: they get 408, the target's connection is closed, and no client
/// is listed. Toward a target with `min_rate = 0` they go on, and so does a fast body.
#[test]
fn item_32_slow_bodies_end() {
    within(110, || {
        let record = |ip: Ipv4Addr| Target::listen(ip, None, |conn| while !conn.some().is_empty() {});
        let (judged, free) = (record(Ipv4Addr::LOCALHOST), record(Ipv4Addr::new(127, 0, 0, 2)));
        let host = |name: &str, target: &str, port: u16| {
            format!(
                "[[host]]\nname = \"{name}.example.net\"\ntarget = \"{target}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
            )
        };
        let rules = host("one", "127.0.0.1", judged.port())
            + &host("free", "127.0.0.2", free.port())
            + "[target.\"127.0.0.2\"]\nmin_rate = 0\n";
        let portward = Portward::rules(&rules)
            .certificate("server", &["one.example.net"])
            .set("blacklist.allow", "[]")
            .start();
        let begin = |mut client: Wire, host: &str| {
            client.send(post(host));
            client
        };
        let mut slow: Vec<_> = (0..22).map(|_| begin(portward.plain(), "one")).collect();
        slow.push(begin(portward.tls("one.example.net"), "one"));
        let mut stopped = begin(portward.plain(), "one");
        let mut fast = begin(portward.plain(), "one");
        let mut allowed = begin(portward.plain(), "free");
        for second in 0..35 {
            for client in &mut slow {
                // Octets before a reset are kept only if they were read before it.
                if !client.is_closed() {
                    let _ = client.try_send("x");
                }
            }
            let _ = stopped.is_closed();
            fast.send([b'x'; 700]);
            allowed.send("x");
            sleep(Duration::from_secs(1));
            assert!(second > 15 || !slow[0].is_closed(), "not before its time: {second}");
        }
        slow.push(stopped);
        for client in &mut slow {
            let answer = client.response();
            assert_eq!(answer.status(), 408);
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(client.rest(), b"");
        }
        portward.line(&["one.example.net", "POST /upload", "rejected: timeout"]);
        assert!(!fast.is_closed() && !allowed.is_closed());
        let closed = (0..25).filter(|number| judged.closed(*number)).count();
        assert_eq!(closed, 24, "the target hears of all ends");
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
        assert!(!free.closed(0));
    });
}

//! Large bodies pass in constant memory, and a slow reader slows the sender (contract sections 3 and 10).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Nginx, Portward, Target, ok, within};

const MIB: u64 = 1024 * 1024;
/// How much the daemon's resident memory may grow, in kB. This is enough for buffers and allocator, but not for a body.
const GROWTH: u64 = 24 * 1024;

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// `/down/N` sends N octets, chunked if the path ends with `c`. Other paths read a body and tell its length.
fn heavy() -> Target {
    Target::scripted(|conn| {
        while let Some(request) = conn.try_head() {
            if let Some(size) = request.target().strip_prefix("/down/") {
                let chunked = size.ends_with('c');
                let size: u64 = size.trim_end_matches('c').parse().unwrap();
                let block = vec![b'x'; 64 * 1024];
                if chunked {
                    conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                } else {
                    conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"));
                }
                for _ in 0..size / block.len() as u64 {
                    let sent = if chunked {
                        conn.try_send("10000\r\n")
                            .and_then(|()| conn.try_send(&block))
                            .and_then(|()| conn.try_send("\r\n"))
                    } else {
                        conn.try_send(&block)
                    };
                    if sent.is_err() {
                        return;
                    }
                }
                if chunked {
                    conn.send("0\r\n\r\n");
                }
            } else {
                let length: u64 = request.header("content-length").unwrap().parse().unwrap();
                let seen = conn.swallow(length);
                conn.send(ok(&seen.to_string()));
            }
        }
    })
}

#[test]
fn downloads_and_uploads_take_no_memory() {
    within(240, || {
        let target = heavy().forgetful();
        let portward = Portward::with_rules(&rules(&target));
        for (tls, size) in [(false, 200 * MIB), (true, 48 * MIB)] {
            let connect = || if tls { portward.tls("one.example.net") } else { portward.plain() };
            let mut client = connect();
            // Warm up, then measure.
            client.send(format!("GET /down/{MIB} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            client.head();
            assert_eq!(client.swallow(MIB), MIB);
            let before = portward.memory("VmRSS:");

            client.send(format!("GET /down/{size} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            client.head();
            assert_eq!(client.swallow(size), size);

            client.send(format!(
                "POST /up HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: {size}\r\n\r\n"
            ));
            let block = vec![b'y'; 256 * 1024];
            for _ in 0..size / block.len() as u64 {
                client.send(&block);
            }
            assert_eq!(client.response().text(), size.to_string());

            let peak = portward.memory("VmHWM:");
            assert!(peak < before + GROWTH, "TLS {tls}: {before} kB before, {peak} kB at most");
        }
    });
}

#[test]
fn chunked_downloads_take_no_memory() {
    within(120, || {
        let target = heavy().forgetful();
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.get("one.example.net", "/down/1048576c");
        let before = portward.memory("VmRSS:");
        client.send("GET /down/67108864c HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
        let head = client.head();
        assert_eq!(head.header("transfer-encoding"), Some("chunked"), "{head:?}");
        assert!(client.swallow(u64::MAX) >= 64 * MIB);
        let peak = portward.memory("VmHWM:");
        assert!(peak < before + GROWTH, "{before} kB before, {peak} kB at most");
    });
}

/// A client that does not read stops the target, not the daemon's memory.
#[test]
fn a_slow_reader_stops_the_sender() {
    within(120, || {
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let target = Target::scripted(move |conn| {
            if conn.try_head().is_none() {
                return;
            }
            conn.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 256 * MIB));
            let block = vec![b'x'; 64 * 1024];
            for _ in 0..256 * MIB / block.len() as u64 {
                if conn.try_send(&block).is_err() {
                    return;
                }
                counter.fetch_add(block.len() as u64, Ordering::SeqCst);
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        client.head();
        let before = portward.memory("VmRSS:");
        // The client does not read. The sender stops once the kernel's buffers are full.
        let mut last = u64::MAX;
        crate::harness::eventually("the sender stands still", || {
            thread::sleep(Duration::from_millis(500));
            let now = sent.load(Ordering::SeqCst);
            std::mem::replace(&mut last, now) == now
        });
        assert!(last < 64 * MIB, "{last} bytes went out to a client that reads nothing");
        assert!(portward.memory("VmHWM:") < before + GROWTH);
        assert!(client.swallow(32 * MIB) >= 32 * MIB, "and goes on when it is read");
    });
}

#[test]
fn nginx_serves_a_file_to_curl_over_tls() {
    within(120, || {
        let nginx = Nginx::start("one.example.net");
        let content: Vec<u8> =
            (0..8 * 1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(nginx.files().join("firmware.bin"), &content).unwrap();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/files/\", tcp = {}, tls = {} }}]\n",
            nginx.plain, nginx.tls
        );
        let portward = Portward::with_rules(&rules);
        let (ca, file) = (portward.dir().join("ca.crt"), portward.dir().join("download"));
        for (scheme, port) in [("http", portward.http), ("https", portward.https)] {
            let seen = crate::harness::curl(&[
                "--resolve",
                &format!("one.example.net:{port}:127.0.0.1"),
                "--cacert",
                ca.to_str().unwrap(),
                "--output",
                file.to_str().unwrap(),
                &format!("{scheme}://one.example.net:{port}/files/firmware.bin"),
            ]);
            assert_eq!(seen.code, 0, "{seen:?}");
            assert!(std::fs::read(&file).unwrap() == content, "{scheme}: the file came out otherwise");
        }
    });
}

//! SIGHUP and SIGTERM under traffic (contract sections 7 and 8).

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Portward, Target, TestCa, Wire, eventually, ok, within};

/// One host that stays, and one whose path comes and goes.
fn rules(target: &Target, open: bool) -> String {
    let path = if open { "/open" } else { "/closed" };
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {port} }}]\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"{path}\", tcp = {port} }}]\n",
        port = target.port(),
    )
}

/// Asks for `one.example.net` until told to stop. Returns how many answers came, or the error.
fn traffic(
    stop: Arc<AtomicBool>,
    kept: bool,
    connect: impl Fn() -> Wire + Send + 'static,
) -> thread::JoinHandle<u32> {
    thread::spawn(move || {
        let mut client = connect();
        let mut count = 0;
        while !stop.load(Ordering::SeqCst) {
            if !kept && count > 0 {
                client = connect();
            }
            let answer = client.get("one.example.net", "/x");
            assert_eq!((answer.status(), answer.text().as_str()), (200, "here"), "after {count}: {answer:?}");
            count += 1;
            thread::sleep(Duration::from_millis(2));
        }
        count
    })
}

#[test]
fn reloads_under_traffic_fail_no_request() {
    within(120, || {
        let target = Target::named("here");
        let portward = Arc::new(Portward::with_rules(&rules(&target, false)));
        let stop = Arc::new(AtomicBool::new(false));
        let (http, https) = (portward.http, portward.https);
        let clients = [
            traffic(Arc::clone(&stop), true, move || Wire::plain(http)),
            traffic(Arc::clone(&stop), true, move || Wire::tls(https, "one.example.net")),
            traffic(Arc::clone(&stop), false, move || Wire::plain(http)),
            traffic(Arc::clone(&stop), false, move || Wire::tls(https, "one.example.net")),
        ];
        let mut watcher = portward.plain();
        for round in 0..10 {
            let open = round % 2 == 0;
            portward.write_rules(&rules(&target, open));
            // Certificates are read again, too.
            TestCa::shared().issue(&["*.example.net"]).write(&portward.dir().join("certs"), "server");
            portward.hang_up();
            let expected = if open { 200 } else { 404 };
            eventually(&format!("reload {round} takes effect on a kept connection"), || {
                watcher.get("two.example.net", "/open").status() == expected
            });
        }
        // On a busy machine the reloads may be over before the clients have made many requests.
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            let count = client.join().expect("no request fails");
            assert!(count > 3, "only {count} requests were made");
        }
        portward.assert_alive();
    });
}

#[test]
fn a_bad_reload_changes_nothing_and_says_where() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(&target, true));
        assert_eq!(portward.plain().get("two.example.net", "/open").status(), 200);
        // Column 1 of line 5 is the unknown key. The other file would remove the path.
        let mark = portward.mark();
        let bad = rules(&target, false) + "colour = \"red\"\n";
        let line = bad.lines().count();
        portward.write_rules(&bad);
        portward.hang_up();
        portward.line_after(mark, &["test.toml", &format!("{line}:1")]);
        portward.assert_alive();
        for _ in 0..5 {
            assert_eq!(portward.plain().get("two.example.net", "/open").status(), 200);
            assert_eq!(portward.tls("one.example.net").get("one.example.net", "/").status(), 200);
        }
        // The next valid configuration is put in force.
        portward.write_rules(&rules(&target, false));
        portward.hang_up();
        eventually("the good rules are taken", || {
            portward.plain().get("two.example.net", "/open").status() == 404
        });
    });
}

#[test]
fn a_certificate_with_the_wrong_key_changes_nothing() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(&target, true));
        let before = portward.tls("one.example.net").server_certificate();
        let mark = portward.mark();
        let other = TestCa::shared().issue(&["*.example.net"]);
        std::fs::write(portward.dir().join("certs/server.crt"), &other.certificate).unwrap();
        portward.write_rules(&rules(&target, false));
        portward.hang_up();
        portward.line_after(mark, &["server."]);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(portward.tls("one.example.net").server_certificate(), before);
        assert_eq!(portward.plain().get("two.example.net", "/open").status(), 200, "all or nothing");
    });
}

#[test]
fn disabling_a_host_refuses_its_next_request() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(&target, true));
        let mut client = portward.plain();
        assert_eq!(client.get("two.example.net", "/open").status(), 200);
        portward.write_rules(
            &rules(&target, true)
                .replace("name = \"two.example.net\"", "name = \"two.example.net\"\nenabled = false"),
        );
        portward.hang_up();
        eventually("the host is disabled", || {
            let mut fresh = portward.plain();
            fresh.send("GET /open HTTP/1.1\r\nHost: two.example.net\r\nConnection: close\r\n\r\n");
            fresh.rest().is_empty()
        });
        client.send("GET /open HTTP/1.1\r\nHost: two.example.net\r\n\r\n");
        assert_eq!(client.rest(), b"");
        portward.decision(&["http://two.example.net GET /open HTTP/1.1 rejected: disabled"]);
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 200);
    });
}

#[test]
fn sigterm_lets_a_download_finish_and_takes_nobody_new() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(request) = conn.try_head() {
                if request.target() == "/quick" {
                    conn.send(ok("quick"));
                    continue;
                }
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
                for _ in 0..20 {
                    conn.send("x");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        let portward = Portward::with_rules(&rules(&target, true));
        let mut idle = portward.plain();
        assert_eq!(idle.get("one.example.net", "/quick").text(), "quick");
        let mut idle_tls = portward.tls("one.example.net");
        assert_eq!(idle_tls.get("one.example.net", "/quick").text(), "quick");
        let mut slow = portward.plain();
        slow.send("GET /slow HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let mut answer = slow.head();
        slow.exactly(1);
        portward.terminate();
        assert_eq!(idle.rest(), b"", "an idle connection is closed");
        assert_eq!(idle_tls.rest(), b"", "an idle TLS connection is closed");
        eventually("new connections are refused", || {
            TcpStream::connect(("127.0.0.1", portward.http)).is_err()
        });
        eventually("new TLS connections are refused", || {
            TcpStream::connect(("127.0.0.1", portward.https)).is_err()
        });
        answer.body = slow.exactly(19);
        assert_eq!(answer.text(), "x".repeat(19));
        assert_eq!(slow.rest(), b"");
        assert_eq!(portward.wait(), Some(0));
    });
}

/// A request may be on its way when Portward stops. A client that has just connected gets a second to send it. A client
/// that sends nothing is told apart from a scanner.
#[test]
fn a_client_that_has_just_connected_may_still_ask() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(&target, true));
        let (mut speaks, mut is_silent) = (portward.plain(), portward.plain());
        // Both have been accepted, because a later connection has been served.
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
        portward.terminate();
        portward.line(&["draining: no new connections"]);
        assert_eq!(speaks.get("one.example.net", "/late").text(), "here");
        assert_eq!(is_silent.rest(), b"");
        portward.decision(&[" http://- rejected: shutdown"]);
        assert_eq!(portward.wait(), Some(0));
    });
}

#[test]
fn draining_ends_when_its_time_is_up() {
    within(60, || {
        let target = Target::scripted(|conn| {
            if conn.try_head().is_some() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nx");
                conn.rest();
            }
        });
        let portward = Portward::rules(&rules(&target, true)).set("limits.drain_timeout", "\"1s\"").start();
        let mut stuck = portward.plain();
        stuck.send("GET /stuck HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        stuck.head();
        portward.terminate();
        assert_eq!(portward.wait(), Some(0));
        stuck.rest();
    });
}

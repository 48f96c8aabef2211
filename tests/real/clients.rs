//! Clients that are slow, silent, or use another protocol (contract sections 1 and 8).

use std::thread;
use std::time::Duration;

use crate::harness::{Portward, Target, curl, eventually, ok, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

#[test]
fn a_client_that_sends_byte_by_byte_is_served() {
    within(60, || {
        let target = Target::http(|request, _| ok(&request.text()));
        let portward = Portward::with_rules(&rules(&target));
        let request = b"POST /slow HTTP/1.1\r\nHost: one.example.net\r\nTransfer-Encoding: chunked\r\n\r\n\
                        5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        for mut client in portward.both("one.example.net") {
            for _ in 0..2 {
                client.send_pieces(request.chunks(1), Duration::from_millis(2));
                assert_eq!(client.response().text(), "hello world");
            }
        }
    });
}

#[test]
fn a_silent_client_is_closed_as_silent() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder))
            .set("limits.inspect_timeout", "\"4s\"")
            .set("limits.handshake_timeout", "\"4s\"")
            .start();
        // One after the other, so that each has its own line.
        for connect in [Portward::plain, Portward::plain_to_tls] {
            let mark = portward.mark();
            assert_eq!(connect(&portward).rest(), b"");
            portward.line_after(mark, &["rejected: silent"]);
        }
        // A TLS handshake, and then nothing.
        let mark = portward.mark();
        assert_eq!(portward.tls("one.example.net").rest(), b"");
        portward.line_after(mark, &["rejected: silent"]);
        recorder.assert_untouched("nobody asked for anything");
    });
}

#[test]
fn a_client_that_does_not_finish_is_closed_as_timeout() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder))
            .set("limits.inspect_timeout", "\"4s\"")
            .set("limits.handshake_timeout", "\"4s\"")
            .start();
        let half = "GET / HTTP/1.1\r\nHost: one.example.net\r\n";
        for tls in [false, true] {
            let mark = portward.mark();
            let mut client = if tls { portward.tls("one.example.net") } else { portward.plain() };
            client.send(half);
            assert_eq!(client.rest(), b"");
            portward.line_after(mark, &["rejected: timeout"]);
        }
        // The deadline is for the whole request. Single octets do not prolong it.
        let mark = portward.mark();
        let mut client = portward.plain();
        let endless: Vec<u8> = format!("{half}X: {}", "x".repeat(300)).into_bytes();
        client.send_pieces(endless.chunks(4), Duration::from_millis(100));
        assert_eq!(client.rest(), b"");
        portward.line_after(mark, &["rejected: timeout"]);

        // A ClientHello that never ends.
        let mark = portward.mark();
        let mut client = portward.plain_to_tls();
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        assert_eq!(client.rest(), b"");
        portward.line_after(mark, &["rejected: tls-failed"]);
        recorder.assert_untouched("nobody asked for anything");
    });
}

#[test]
fn something_else_on_the_tls_port_is_not_tls() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&rules(&recorder));
        for bytes in
            ["GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n", "SSH-2.0-x\r\n", "\0\0\0\0\0\0\0\0\0\0\0\0"]
        {
            let mark = portward.mark();
            let mut client = portward.plain_to_tls();
            client.send(bytes);
            assert_eq!(client.rest(), b"", "{bytes:?}");
            portward.line_after(mark, &["rejected: not-tls"]);
        }
        recorder.assert_untouched("nobody asked for anything");
    });
}

#[test]
fn a_client_that_leaves_before_asking_is_aborted() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&rules(&recorder));
        let mark = portward.mark();
        let mut client = portward.plain();
        client.send("GET / HT");
        drop(client);
        portward.line_after(mark, &["rejected: aborted"]);
        recorder.assert_untouched("nobody asked for anything");
    });
}

#[test]
fn an_idle_connection_is_closed_without_a_line() {
    within(60, || {
        let target = Target::named("here");
        let portward =
            Portward::rules(&rules(&target)).set("limits.idle_timeout", "{ http = \"1s\" }").start();
        for mut client in portward.both("one.example.net") {
            assert_eq!(client.get("one.example.net", "/").text(), "here");
            let mark = portward.mark();
            assert_eq!(client.rest(), b"");
            thread::sleep(Duration::from_millis(200));
            let lines = portward.lines();
            assert!(!lines[mark..].iter().any(|line| line.contains("rejected")), "{lines:?}");
        }
    });
}

/// The limits of undecided connections displace undecided ones only. A served phone stays served.
#[test]
fn silent_clients_do_not_crowd_out_others() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(&target))
            .set("limits.max_undecided", "10")
            .set("limits.inspect_timeout", "\"60s\"")
            .start();
        let mut served = portward.plain();
        assert_eq!(served.get("one.example.net", "/").text(), "here");
        let mut silent: Vec<_> = (0..30).map(|_| portward.plain()).collect();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here", "a new client gets in");
        assert_eq!(served.get("one.example.net", "/").text(), "here", "an old one stays");
        // The oldest undecided connection was closed.
        assert_eq!(silent[0].rest(), b"");
    });
}

#[test]
fn connections_in_all_are_bounded() {
    within(60, || {
        let target = Target::recorder();
        let setup = Portward::rules(&rules(&target));
        let portward = setup.set("limits.max_connections", "5").set("limits.reserved", "0").start();
        let request = "GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
        let mut held: Vec<_> = (0..5).map(|_| portward.plain()).collect();
        held.iter_mut().for_each(|client| client.send(request));
        eventually("all are under way", || target.connections() == 5);
        let mut more = portward.plain();
        let _ = more.try_send(request);
        assert_eq!(more.rest(), b"");
        held.remove(0).reset();
        eventually("a place is free again", || {
            held.push(portward.plain());
            let last = held.last_mut().expect("just pushed");
            let _ = last.try_send(request);
            target.connections() == 6
        });
    });
}

/// A blocked network is refused before a byte is read.
#[test]
fn blocked_networks_are_refused() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(&target))
            .set("blacklist.allow", "[]")
            .set("blacklist.block", "[\"127.0.0.66/32\"]")
            .start();
        let mut blocked = crate::harness::Wire::plain_from("127.0.0.66".parse().unwrap(), portward.http);
        let _ = blocked.try_send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(blocked.rest(), b"");
        assert_eq!(target.connections(), 0);
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
    });
}

/// How curl sees a refusal: an empty reply, not an error page.
#[test]
fn curl_is_told_nothing() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&rules(&recorder));
        let seen = curl(&[&format!("http://127.0.0.1:{}/boaform/admin", portward.http)]);
        assert_eq!((seen.code, seen.out.as_str()), (52, ""), "{seen:?}");
        portward
            .decision(&["127.0.0.1 http://127.0.0.1", "GET /boaform/admin HTTP/1.1 rejected: unknown-host"]);
        recorder.assert_untouched("unknown host");
    });
}

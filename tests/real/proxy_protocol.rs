//! The PROXY protocol, inward and outward (contract sections 1, 3 and 7).

use crate::harness::{Portward, Recorder, Target, Wire, ok, within};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn rules(target: &Target, options: &str) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n\
         [target.\"127.0.0.1\"]\n{options}\n",
        target.port()
    )
}

/// A version 2 header: command, family, and the addresses.
fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([0x20 | command, family]);
    header.extend((addresses.len() as u16).to_be_bytes());
    header.extend(addresses);
    header
}

#[test]
fn a_load_balancer_in_front_conveys_the_clients_address() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::rules(&rules(&target, ""))
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .start();
        let v4 = [203, 0, 113, 9, 192, 0, 2, 1, 0x30, 0x39, 0x01, 0xbb];
        let mut v6 = Vec::new();
        v6.extend("2001:db8::9".parse::<std::net::Ipv6Addr>().unwrap().octets());
        v6.extend("2001:db8::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
        v6.extend([0x30, 0x39, 0x01, 0xbb]);
        let mut with_extras = v4.to_vec();
        with_extras.extend([0x04, 0, 3, 0, 0, 0]);
        for (header, address) in [
            (b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 80\r\n".to_vec(), "203.0.113.7"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 12345 80\r\n".to_vec(), "2001:db8::7"),
            (v2(1, 0x11, &v4), "203.0.113.9"),
            (v2(1, 0x11, &with_extras), "203.0.113.9"),
            (v2(1, 0x21, &v6), "2001:db8::9"),
            // The balancer's own health check: no address is conveyed.
            (v2(0, 0x00, &[]), "127.0.0.1"),
            (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        ] {
            for tls in [false, true] {
                let mark = portward.mark();
                let mut client = if tls { portward.plain_to_tls() } else { portward.plain() };
                client.send(&header);
                let mut client = if tls { client.into_tls("one.example.net") } else { client };
                let answer = client.get("one.example.net", "/");
                let text = answer.text();
                assert!(text.contains(&format!("\nx-forwarded-for: {address}\n")), "{header:?}: {text}");
                portward.decision_after(mark, &[&format!(" {address} "), "GET / HTTP/1.1"]);
            }
        }
        // In one segment with the request, and octet by octet.
        let all = b"PROXY TCP4 203.0.113.7 192.0.2.1 1 80\r\nGET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
        let mut client = portward.plain();
        client.send(all);
        assert!(client.response().text().contains("\nx-forwarded-for: 203.0.113.7\n"));
        let mut client = portward.plain();
        client.send_pieces(all.chunks(1), std::time::Duration::from_millis(1));
        assert!(client.response().text().contains("\nx-forwarded-for: 203.0.113.7\n"));
    });
}

#[test]
fn a_listed_network_must_send_a_header() {
    within(60, || {
        let recorder: Recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder, ""))
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .start();
        let request = "GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
        for bad in [
            request.to_owned(),
            format!("PROXY TCP4 203.0.113.7\r\n{request}"),
            format!("PROXY TCP4 nonsense 192.0.2.1 1 80\r\n{request}"),
            format!("PROXY TCP4 203.0.113.7 192.0.2.1 1 99999\r\n{request}"),
            format!("PROXY {}\r\n{request}", "x".repeat(300)),
            format!("\r\n\r\n\0\r\nQUIT\n\u{7f}\u{7f}\u{7f}\u{7f}{request}"),
        ] {
            let mut client = portward.plain();
            client.send(&bad);
            assert_eq!(client.rest(), b"", "{bad:?}");
        }
        let mut silent_tls = portward.plain_to_tls();
        silent_tls.send(request);
        assert_eq!(silent_tls.rest(), b"");
        recorder.assert_untouched("no header, no entry");
    });
}

/// A balancer that only looks whether Portward is there is `silent`, which never counts. Half a header is `timeout`.
#[test]
fn a_header_that_does_not_come_is_told_from_half_a_header() {
    within(60, || {
        let recorder: Recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder, ""))
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .set("limits.handshake_timeout", "\"2s\"")
            .start();
        for (sent, reason) in [("", "rejected: silent"), ("PROXY TCP4 203.0", "rejected: timeout")] {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(sent);
            assert_eq!(client.rest(), b"", "{sent:?}");
            portward.line_after(mark, &[reason]);
        }
        recorder.assert_untouched("no header, no entry");
    });
}

#[test]
fn a_stranger_cannot_convey_an_address() {
    within(60, || {
        let recorder: Recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder, ""))
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .start();
        for header in [b"PROXY TCP4 203.0.113.7 192.0.2.1 1 80\r\n".to_vec(), v2(0, 0, &[])] {
            let mut client = Wire::plain_from("127.0.0.5".parse().unwrap(), portward.http);
            client.send(header);
            let _ = client.try_send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
            assert_eq!(client.rest(), b"");
            portward.decision(&[" 127.0.0.5 ", "rejected: malformed"]);
        }
        recorder.assert_untouched("no balancer");
    });
}

/// A blocked address is refused, whether it is the peer's or the conveyed one.
#[test]
fn the_conveyed_address_is_judged() {
    within(60, || {
        let recorder: Recorder = Target::recorder();
        let portward = Portward::rules(&rules(&recorder, ""))
            .set("listen.proxy_protocol_from", "[\"127.0.0.1/32\"]")
            .set("blacklist.allow", "[]")
            .set("blacklist.block", "[\"203.0.113.0/24\"]")
            .start();
        let mut client = portward.plain();
        client.send("PROXY TCP4 203.0.113.7 192.0.2.1 1 80\r\n");
        let _ = client.try_send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(client.rest(), b"");
        recorder.assert_untouched("blocked");
    });
}

#[test]
fn targets_are_told_the_clients_address() {
    within(60, || {
        for (version, tls) in [("v1", false), ("v2", false), ("v1", true), ("v2", true)] {
            let target = Target::scripted(move |conn| {
                let source = if version == "v1" {
                    let mut line = Vec::new();
                    while !line.ends_with(b"\r\n") {
                        line.extend(conn.exactly(1));
                    }
                    let line = String::from_utf8_lossy(&line).into_owned();
                    assert!(line.starts_with("PROXY TCP4 "), "{line}");
                    line.split(' ').nth(2).unwrap().to_owned()
                } else {
                    assert_eq!(conn.exactly(12), SIGNATURE);
                    assert_eq!(conn.exactly(2), [0x21, 0x11]);
                    let length = u16::from_be_bytes(conn.exactly(2).try_into().unwrap());
                    let body = conn.exactly(length.into());
                    body[..4].iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
                };
                while conn.try_request().is_some() {
                    let answer = ok(&format!("{source} on {}", conn.number));
                    conn.send(answer);
                }
            });
            let portward = Portward::with_rules(&rules(&target, &format!("proxy_protocol = \"{version}\"")));
            let port = if tls { portward.https } else { portward.http };
            let connect = |source: &str| {
                let wire = Wire::plain_from(source.parse().unwrap(), port);
                if tls { wire.into_tls("one.example.net") } else { wire }
            };
            // Clients share no connection. Otherwise one would speak in the other's name.
            let (mut first, mut second) = (connect("127.0.0.3"), connect("127.0.0.4"));
            for _ in 0..2 {
                assert_eq!(first.get("one.example.net", "/").text(), "127.0.0.3 on 0", "{version}");
                assert_eq!(second.get("one.example.net", "/").text(), "127.0.0.4 on 1", "{version}");
            }
            drop(first);
            assert_eq!(
                connect("127.0.0.5").get("one.example.net", "/").text(),
                "127.0.0.5 on 2",
                "{version}"
            );
        }
    });
}

#[test]
fn targets_by_tls_get_the_header_before_the_handshake() {
    within(60, || {
        let identity = crate::harness::TestCa::shared().issue(&["one.example.net"]);
        let config = identity.server_config();
        let target = Target::scripted(move |conn| {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.extend(conn.exactly(1));
            }
            let source = String::from_utf8_lossy(&line).split(' ').nth(2).unwrap_or_default().to_owned();
            conn.speak_tls(rustls::ServerConnection::new(config.clone()).unwrap());
            while conn.try_request().is_some() {
                conn.send(ok(&source));
            }
        });
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tls = {} }}]\n\
             [target.\"127.0.0.1\"]\nproxy_protocol = \"v1\"\n",
            target.port()
        );
        let portward = Portward::with_rules(&rules);
        let answer = portward.plain().get("one.example.net", "/");
        assert_eq!(answer.text(), "127.0.0.1", "{answer:?}");
    });
}

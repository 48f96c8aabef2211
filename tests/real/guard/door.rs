//! Twenty offences are tolerated, and twenty-one are not. These tests also show which refusals count.

use std::thread::sleep;
use std::time::Duration;

use super::{OTHERS, address, is_served, judged, rules, scan};
use crate::harness::{Portward, Recorder, Target, Wire, eventually, within};

#[test]
fn twenty_one_are_listed_on_every_service_and_others_are_served() {
    within(90, || {
        let target = Target::named("here");
        let portward = judged(&rules(target.port(), 9, 9, 9)).set("blacklist.expiration", "\"4s\"").start();
        (0..20).for_each(|_| scan(&portward, address(1)));
        assert!(is_served(&portward, address(1)), "twenty are tolerated");
        // The missing path above was the twenty-first offence.
        let line = portward.line(&["127.0.9.1 blacklisted"]);
        assert!(
            line.ends_with(" 127.0.9.1 blacklisted for 4s: 21 suspicious requests in a minute"),
            "{line}"
        );
        assert!(line.contains("REVERSE-PROXY "), "{line}");
        portward.line(&["GET /missing HTTP/1.1 rejected: no-path"]);
        let mark = portward.mark();
        assert!(!is_served(&portward, address(1)));
        for service in OTHERS {
            let mut client = Wire::plain_from(address(1), portward.port(service));
            let _ = client.try_send([0x16, 3, 1]);
            assert_eq!(client.rest(), b"", "{service}");
        }
        assert_eq!(Wire::plain_from(address(1), portward.https).rest(), b"");
        let said = portward.lines_since(mark);
        assert!(
            !said.iter().any(|line| line.contains("rejected:")),
            "refused before a byte is read: {said:?}"
        );
        assert!(is_served(&portward, address(2)), "another address");
        eventually("it expires", || is_served(&portward, address(1)));
        assert_eq!(
            portward.lines().iter().filter(|line| line.contains("blacklisted")).count(),
            1,
            "said once"
        );
    });
}

/// The reasons that count and those that do not, each row 25 times from an address of its own.
#[test]
fn the_table_of_reasons_says_what_counts() {
    within(110, || {
        let target = Target::named("here");
        let portward =
            judged(&rules(target.port(), 9, 9, 9)).set("limits.inspect_timeout", "\"300ms\"").start();
        let http = |text: &'static str| ("http", text.as_bytes().to_vec());
        let rows: Vec<((&str, Vec<u8>), bool)> = vec![
            (http("GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n"), true),
            (http("GET /%2e%2e/ HTTP/1.1\r\nHost: one.example.net\r\n\r\n"), true),
            (http("CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"), true),
            (http("GET /  HTTP/1.1\r\nHost: x y\r\n\r\n"), true),
            (("sip", b"OPTIONS sip:x SIP/2.0\r\n\r\n".to_vec()), true),
            (("https", b"GET / HTTP/1.1\r\n\r\n".to_vec()), true),
            (("ldap", b"\x30\x05\x02\x01\x01\x4a\x00".to_vec()), true),
            (("h323", b"\x03\x00\x00\x08\x08\x02\x00\x00".to_vec()), true),
            (http("GET / HT"), true),
            (http(""), false),
            (http("GET /favicon.ico HTTP/1.1\r\nHost: one.example.net\r\n\r\n"), false),
            (http("GET /apple-touch-icon-120x120.png HTTP/1.1\r\nHost: one.example.net\r\n\r\n"), false),
            (http("GET /robots.txt?x HTTP/1.1\r\nHost: one.example.net\r\n\r\n"), false),
            (http("GET /the/same HTTP/1.1\r\nHost: one.example.net\r\n\r\n"), false),
            // The PBX does not answer. That is the PBX's fault.
            (("sip", crate::harness::sip::request("REGISTER", "a@one.example.net", "").into_bytes()), false),
            (("sips", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00".to_vec()), false),
        ];
        for (number, ((service, octets), counts)) in rows.into_iter().enumerate() {
            let from = address(u8::try_from(number + 10).unwrap());
            let port = match service {
                "http" => portward.http,
                "https" => portward.https,
                other => portward.port(other),
            };
            // All clients at once, so that those which wait for the deadline wait together.
            let mut clients: Vec<_> = (0..25).map(|_| Wire::plain_from(from, port)).collect();
            for client in &mut clients {
                let _ = client.try_send(&octets);
                if octets.is_empty() {
                    client.finish();
                }
            }
            let shown = String::from_utf8_lossy(&octets).into_owned();
            match counts {
                true => drop(portward.line(&[&format!("{from} blacklisted for 5m: 21")])),
                false => {
                    sleep(Duration::from_millis(500));
                    drop(clients);
                    assert!(is_served(&portward, from), "{service}: {shown}");
                    let listed = format!("{from} blacklisted");
                    assert!(
                        !portward.lines().iter().any(|line| line.contains(&listed)),
                        "{service}: {shown}"
                    );
                }
            }
        }
    });
}

#[test]
fn who_is_allowed_and_who_speaks_for_others_is_never_listed_and_who_is_blocked_is_never_served() {
    within(60, || {
        let target: Recorder = Target::recorder();
        let portward = judged(&rules(target.port(), 9, 9, 9))
            .set("blacklist.allow", "[\"127.0.9.1\"]")
            .set("blacklist.block", "[\"127.0.9.2/32\"]")
            .set("listen.forwarded_from", "[\"127.0.9.3\"]")
            .start();
        (0..30).for_each(|_| scan(&portward, address(1)));
        // A balancer is always answered.
        let mut balancer = Wire::plain_from(address(3), portward.http);
        (0..30).for_each(|_| assert_eq!(balancer.get("203.0.113.9", "/boaform/admin").status(), 421));
        [1, 3].into_iter().for_each(|number| assert!(is_served(&portward, address(number)), "{number}"));
        assert_eq!(Wire::plain_from(address(2), portward.http).rest(), b"");
        // A client behind a balancer is judged and refused by its own address.
        let through = |client: &str, path: &str| {
            let mut wire = Wire::plain_from(address(3), portward.http);
            wire.send(format!(
                "GET {path} HTTP/1.1\r\nHost: one.example.net\r\nX-Forwarded-For: {client}\r\nConnection: close\r\n\r\n"
            ));
            wire.rest()
        };
        for number in 0..21 {
            assert!(through("192.0.2.7", &format!("/{number}")).starts_with(b"HTTP/1.1 404"));
        }
        portward.line(&["192.0.2.7 blacklisted for 5m"]);
        assert!(through("192.0.2.7", "/x").starts_with(b"HTTP/1.1 403"));
        assert!(through("192.0.2.8", "/x").starts_with(b"HTTP/1.1 404"));
        target.assert_untouched("nobody asked for anything that there is");
    });
}

#[test]
fn proxied_clients_are_judged_by_their_own_address() {
    within(60, || {
        let target = Target::named("here");
        let portward = judged(&rules(target.port(), 9, 9, 9))
            .set("listen.proxy_protocol_from", "[\"127.0.9.5\"]")
            .start();
        let through = |client: &str| {
            let mut wire = Wire::plain_from(address(5), portward.http);
            let _ = wire.try_send(format!(
                "PROXY TCP4 {client} 192.0.2.200 4000 80\r\nGET /open HTTP/1.1\r\nHost: nobody.example\r\n\r\n"
            ));
            assert_eq!(wire.rest(), b"");
        };
        (0..21).for_each(|_| through("192.0.2.9"));
        portward.line(&["192.0.2.9 blacklisted for 5m"]);
        let mark = portward.mark();
        through("192.0.2.9");
        through("192.0.2.10");
        portward.decision_after(mark, &["192.0.2.10 http://nobody.example", "unknown-host"]);
        assert!(
            !portward.lines_since(mark).iter().any(|line| line.contains(" 192.0.2.9 http")),
            "not a byte was read"
        );
    });
}

/// Listed addresses keep connecting. There is one log line an address a minute, not one a connection.
#[test]
fn refused_connections_are_counted_not_written() {
    within(60, || {
        let portward: Portward = judged(&rules(9, 9, 9, 9)).start();
        (0..21).for_each(|_| scan(&portward, address(1)));
        portward.line(&["127.0.9.1 blacklisted"]);
        let mark = portward.mark();
        (0..200).for_each(|_| drop(Wire::plain_from(address(1), portward.http).rest()));
        assert_eq!(portward.lines_since(mark), Vec::<String>::new());
    });
}

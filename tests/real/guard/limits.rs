//! Limits: a client that reaches one is refused, but not listed. Other clients are not disturbed.

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{address, is_served, judged, rules};
use crate::harness::sip::{pbx, request};
use crate::harness::{Child, Target, Wire, eventually, program, sip, within};

#[test]
fn an_address_at_its_limit_is_refused_and_not_listed() {
    within(60, || {
        let target = Target::recorder();
        let portward =
            judged(&rules(target.port(), 9, 9, 9)).set("limits.max_connections_per_address", "5").start();
        let mut open: Vec<_> = (0..5).map(|_| Wire::plain_from(address(1), portward.http)).collect();
        open.iter_mut().for_each(|client| client.send("GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
        eventually("all are under way", || target.connections() == 5);
        for _ in 0..50 {
            assert_eq!(Wire::plain_from(address(1), portward.http).rest(), b"");
        }
        assert!(is_served(&portward, address(2)));
        drop(open);
        eventually("there is room again", || is_served(&portward, address(1)));
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
    });
}

#[test]
fn new_connections_a_second_are_limited() {
    within(60, || {
        let portward = judged(&rules(9, 9, 9, 9)).set("limits.new_connections_per_second", "20").start();
        let served = |number: u8| (0..200).filter(|_| is_served(&portward, address(number))).count();
        let start = Instant::now();
        let count = served(1);
        let seconds = usize::try_from(start.elapsed().as_secs()).unwrap() + 1;
        assert!((20..=20 + 20 * seconds).contains(&count) && count < 200, "{count} in {seconds} s");
        assert!(is_served(&portward, address(2)));
        eventually("a second later it may again", || is_served(&portward, address(1)));
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
    });
}

/// Clients that send a little and then nothing, on every service, more than there are places.
#[test]
fn slow_clients_crowd_out_nobody() {
    within(110, || {
        let (web, phones) = (Target::named("here"), pbx("pbx"));
        let portward = judged(&rules(web.port(), phones.port(), 9, 9))
            .set("limits.max_undecided", "100")
            .set("limits.max_undecided_per_address", "40")
            .start();
        let mut phone = Wire::plain_from(address(200), portward.port("sip"));
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
        let services = [
            ("http", &b"GET / HTTP/1.1\r\nX-a: "[..]),
            ("https", b"\x16\x03\x01"),
            ("sip", b"REGISTER sip:a SIP/2.0\r\n"),
            ("sips", b"\x16\x03"),
            ("ldap", b"\x30\x84"),
            ("ldaps", b"\x16"),
            ("h323", b"\x03\x00\x10\x00"),
            ("h323s", b""),
        ];
        let port = |service: &str| match service {
            "http" => portward.http,
            "https" => portward.https,
            other => portward.port(other),
        };
        let mut slow = Vec::new();
        for (number, (service, octets)) in services.iter().enumerate() {
            for _ in 0..60 {
                let mut wire = Wire::plain_from(address(u8::try_from(number + 1).unwrap()), port(service));
                let _ = wire.try_send(octets);
                slow.push(wire);
            }
            // Quick clients are served meanwhile, and registered ones stay.
            assert!(is_served(&portward, address(100)), "{service}");
            phone.send(request("OPTIONS", "a@one.example.net", ""));
            assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200, "{service}");
        }
        let closed = slow.iter_mut().filter_map(|wire| wire.is_closed().then_some(())).count();
        assert!(closed >= slow.len() - 110, "{closed} of {}", slow.len());
    });
}

#[test]
fn slowhttptest_finds_the_service_available() {
    within(110, || {
        let web = Target::named("here");
        let portward =
            judged(&rules(web.port(), 9, 9, 9)).set("blacklist.suspicious_per_minute", "100000").start();
        for mode in [&["-H"][..], &["-B"], &["-X", "-w", "10", "-y", "20"]] {
            let url = format!("http://127.0.0.1:{}/open", portward.http);
            let mut child = Child::start(
                Command::new(program("slowhttptest", "slowhttptest"))
                    .args(mode)
                    .args(["-c", "400", "-r", "200", "-i", "2", "-l", "8", "-p", "2", "-u", &url]),
            );
            let end = Instant::now() + Duration::from_secs(7);
            let mut asked = 0;
            while Instant::now() < end {
                assert_eq!(
                    Wire::plain_from(address(1), portward.http).get("one.example.net", "/open").text(),
                    "here",
                    "{mode:?}"
                );
                asked += 1;
                sleep(Duration::from_millis(50));
            }
            assert!(asked > 20);
            child.wait();
        }
    });
}

/// A flood of new connections from thousands of addresses, while a phone stays registered and its signalling passes.
/// The times of its messages are printed (`--no-capture`), not asserted.
#[test]
fn a_flood_disturbs_no_phone() {
    within(110, || {
        let phones = pbx("pbx");
        let portward = judged(&rules(9, phones.port(), 9, 9)).start();
        let mut phone = Wire::plain_from(address(200), portward.port("sip"));
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
        let (http, sip_port) = (portward.http, portward.port("sip"));
        let flood: Vec<_> = (0..4_u8)
            .map(|part| {
                std::thread::spawn(move || {
                    let mut count = 0;
                    for number in (0..4).flat_map(|_| 0..1_250_u32) {
                        let [_, _, c, d] = number.to_be_bytes();
                        let from = std::net::Ipv4Addr::new(127, 10 + part, c, d.max(1)).into();
                        for port in [http, sip_port] {
                            let mut wire = Wire::plain_from(from, port);
                            let _ = wire.try_send("GET / HTTP/1.1\r\nHost: 203.0.113.9\r\n\r\n");
                            wire.reset();
                            count += 1;
                        }
                    }
                    count
                })
            })
            .collect();
        let mut times = Vec::new();
        while flood.iter().any(|thread| !thread.is_finished()) || times.len() < 100 {
            let start = Instant::now();
            phone.send(request("OPTIONS", "a@one.example.net", ""));
            assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
            times.push(start.elapsed());
            sleep(Duration::from_millis(2));
        }
        let count: u32 = flood.into_iter().map(|thread| thread.join().unwrap()).sum();
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        println!(
            "{count} connections from 5,000 addresses, {} messages: median {:?}, 99 % {:?}, longest {:?}",
            times.len(),
            at(50),
            at(99),
            at(100)
        );
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
    });
}

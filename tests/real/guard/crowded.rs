//! New connections when a limit is reached (item 32): the idle HTTP connection that has waited longest is closed for a
//! new one. Some places are reserved for SIP and H.323.

use std::net::{IpAddr, Ipv4Addr};

use super::{address, is_served, judged, rules};
use crate::harness::sip::{pbx, request};
use crate::harness::{Portward, Target, Wire, eventually, sip, within};

const REQUEST: &str = "GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n";

fn registers(portward: &Portward, from: IpAddr) -> Option<Wire> {
    let mut phone = Wire::plain_from(from, portward.port("sip"));
    let _ = phone.try_send(request("REGISTER", "a@one.example.net", ""));
    (sip::next_message(&mut phone)?.status() == 200).then_some(phone)
}

/// A connection that has had an answer and waits for its next request.
fn waits(portward: &Portward, from: IpAddr) -> Wire {
    let mut client = Wire::plain_from(from, portward.http);
    assert_eq!(client.get("one.example.net", "/open").text(), "here");
    rests();
    client
}

/// Waits a moment. A worker notes that a connection is idle after the client has its answer. Two workers would note two
/// clients in any order.
fn rests() {
    std::thread::sleep(std::time::Duration::from_millis(50));
}

#[test]
fn item_32_idle_connections_of_21_addresses_keep_nobody_out() {
    within(100, || {
        let (web, phones) = (Target::named("here"), pbx("pbx"));
        let portward = judged(&rules(web.port(), phones.port(), 9, 9))
            .set("limits.max_connections", "100")
            .set("limits.reserved", "0")
            .set("limits.max_connections_per_address", "10")
            .start();
        let mut tunnel = registers(&portward, address(200)).expect("a phone");
        let mut idle = Vec::new();
        for number in 1..=21 {
            idle.extend((0..10).map(|_| waits(&portward, address(number))));
        }
        assert!(is_served(&portward, address(100)), "a browser gets in");
        let mut late = registers(&portward, address(101)).expect("a phone gets in");
        // Of 210 connections the newest 99 stayed. Two of these were closed for the browser and the phone.
        let closed: Vec<_> = idle.iter_mut().map(Wire::is_closed).collect();
        let count = closed.iter().filter(|closed| **closed).count();
        assert!((111..=113).contains(&count), "{count}");
        assert!(closed.is_sorted_by(|earlier, later| earlier >= later), "the longest idle went: {closed:?}");
        let last = idle.last_mut().expect("the last one");
        assert_eq!(last.get("one.example.net", "/open").text(), "here");
        for phone in [&mut tunnel, &mut late] {
            phone.send(request("OPTIONS", "a@one.example.net", ""));
            assert_eq!(sip::next_message(phone).expect("an answer").status(), 200);
        }
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
    });
}

#[test]
fn item_32_at_the_limit_of_an_address_its_own_longest_idle_goes() {
    within(60, || {
        let (web, phones, silent) = (Target::named("here"), pbx("pbx"), Target::recorder());
        let more = format!(
            "[[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {} }}]\n",
            silent.port()
        );
        let portward = judged(&(rules(web.port(), phones.port(), 9, 9) + &more))
            .set("limits.max_connections_per_address", "5")
            .start();
        let mut stranger = waits(&portward, address(9));
        let mut phone = registers(&portward, address(1)).expect("a phone");
        let mut busy = Wire::plain_from(address(1), portward.http);
        busy.send("GET /open HTTP/1.1\r\nHost: two.example.net\r\n\r\n");
        eventually("the request is under way", || silent.connections() == 1);
        let mut idle: Vec<_> = (0..3).map(|_| waits(&portward, address(1))).collect();
        // The first one is not the longest idle any more.
        assert_eq!(idle[0].get("one.example.net", "/open").text(), "here");
        rests();
        let mut new = waits(&portward, address(1));
        assert_eq!(idle[1].rest(), b"", "the longest idle went");
        let mut another = waits(&portward, address(1));
        assert_eq!(idle[2].rest(), b"", "the next one");
        for client in [&mut idle[0], &mut new, &mut another, &mut stranger] {
            assert_eq!(client.get("one.example.net", "/open").text(), "here");
        }
        rests();
        phone.send(request("OPTIONS", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).expect("an answer").status(), 200);
        assert!(!busy.is_closed(), "a request under way stays");
        // The new client has no idle connection, so it is refused. The others are not disturbed.
        for client in [&mut idle[0], &mut new, &mut another] {
            client.send("GET /open HTTP/1.1\r\nHost: two.example.net\r\n\r\n");
        }
        eventually("these are under way", || silent.connections() == 4);
        for _ in 0..20 {
            assert_eq!(Wire::plain_from(address(1), portward.http).rest(), b"");
        }
        assert_eq!(stranger.get("one.example.net", "/open").text(), "here");
    });
}

#[test]
fn item_32_some_places_are_kept_for_phones() {
    within(100, || {
        let (silent, phones) = (Target::recorder(), pbx("pbx"));
        let portward = judged(&rules(silent.port(), phones.port(), 9, 9))
            .set("limits.max_connections", "40")
            .set("limits.reserved", "8")
            .start();
        let from = |number: u8| IpAddr::from(Ipv4Addr::new(127, 0, 8, number));
        // 32 running requests, which is all that HTTP may have.
        let mut busy: Vec<_> = (0..32).map(|_| Wire::plain_from(address(1), portward.http)).collect();
        busy.iter_mut().for_each(|client| client.send(REQUEST));
        eventually("they are under way", || silent.connections() == 32);
        let mut refused = Wire::plain_from(address(2), portward.http);
        let _ = refused.try_send(REQUEST);
        assert_eq!(refused.rest(), b"", "no place is left for HTTP");
        assert_eq!(Wire::plain_from(address(2), portward.port("ldap")).rest(), b"", "nor for LDAP");
        // Silent connections on the phones' ports, from many addresses: the oldest one is closed.
        let ports = ["sip", "sips", "h323", "h323s"].map(|service| portward.port(service));
        let mut mute: Vec<_> =
            (1..=40).map(|number| Wire::plain_from(from(number), ports[usize::from(number) % 4])).collect();
        eventually("half of the places at most are left to them", || {
            mute.iter_mut().filter_map(|wire| (!wire.is_closed()).then_some(())).count() <= 4
        });
        let mut registered: Vec<_> =
            (0..6).map(|_| registers(&portward, address(3)).expect("a phone gets in")).collect();
        for phone in &mut registered {
            phone.send(request("OPTIONS", "a@one.example.net", ""));
            assert_eq!(sip::next_message(phone).expect("an answer").status(), 200);
        }
        assert!(busy.iter_mut().all(|client| !client.is_closed()));
        drop(registered);
        busy.drain(..16).for_each(|mut client| client.reset());
        eventually("HTTP has a place again", || is_served(&portward, address(2)));
    });
}

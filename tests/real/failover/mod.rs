//! Two machines with one address: the shipped keepalived example, with the real Portward and the real keepalived.
//!
//! A client, two machines and a PBX have network namespaces of their own. A bridge in another one joins them. Of the
//! shipped `keepalived.conf` only the folder of the check is changed. The PBX answers with the address that a request
//! came from, so every answer shows which machine served it. The machines' own decision lines must agree. The time of
//! the move is printed, not asserted. Every wait is bounded by a number of tries.

mod network;

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::sip::{next_message, pbx, request, request_to};
use crate::harness::{Portward, Wire, eventually, free_port, within};
use network::{A, B, FLOATING, FLOATING_IPV6, Network, portward, replaced, shipped, stands_by};

/// Both listen on the floating address before they have it, which needs IP_FREEBIND, and on loopback for the check.
#[test]
fn the_address_leaves_a_portward_that_died_and_one_that_hangs() {
    within(110, || {
        let mut network = Network::start(&format!("[\"{FLOATING}\", \"127.0.0.1:90\"]"));
        for machine in [&network.a, &network.b] {
            machine.portward().line(&["listening on 192.0.2.20:90 (http)"]);
        }
        network.is_served_by(A, FLOATING, "/start");
        assert!(network.a.has_the_address() && !network.b.has_the_address());
        let mut call = network.call(A);

        network.a.portward().signal(Signal::KILL);
        network.a.portward().wait();
        network.is_served_by(B, FLOATING, "/killed");
        assert!(
            call.try_send("GET /lost HTTP/1.1\r\nHost: one.example.net\r\n\r\n").is_err()
                || call.rest().is_empty()
        );

        let mut call = network.call(B);
        let mark = network.a.keepalived.mark();
        network.a.restart();
        stands_by(&network.a, mark);
        network.stays_with(B, &mut call);

        let (mark, mut call) = (network.b.keepalived.mark(), network.call(B));
        network.b.portward().signal(Signal::STOP);
        network.is_served_by(A, FLOATING, "/hung");
        // The other machine does not know the connection, and closes it.
        assert!(
            call.try_send("GET /lost HTTP/1.1\r\nHost: one.example.net\r\n\r\n").is_err()
                || call.rest().is_empty()
        );
        let mut call = network.call(A);
        network.b.portward().signal(Signal::CONT);
        stands_by(&network.b, mark);
        assert_eq!(call.get("one.example.net", "/stays").text(), A);
        assert!(network.a.has_the_address() && !network.b.has_the_address());
        for machine in [&network.a, &network.b] {
            let lines = machine.portward().lines().join("\n");
            assert!(!lines.contains("rejected") && !lines.contains("blacklisted"), "{lines}");
        }
    });
}

/// Both listen on a port without an address. An IPv6 address moves, too. At the end the address is moved by hand,
/// without a gap in the advertisements.
#[test]
fn the_address_leaves_a_box_whose_cable_is_cut() {
    within(110, || {
        let network = Network::start("90");
        network.is_served_by(A, FLOATING, "/start");
        network.is_served_by(A, FLOATING_IPV6, "/start-ipv6");
        network.switch.run("ip link set port-a down");
        network.is_served_by(B, FLOATING, "/cut");
        network.is_served_by(B, FLOATING_IPV6, "/cut-ipv6");
        let (mark, mut call) = (network.a.keepalived.mark(), network.call(B));
        network.switch.run("ip link set port-a up");
        stands_by(&network.a, mark);
        network.stays_with(B, &mut call);
        assert!(network.b.has_the_address() && !network.a.has_the_address());
        network.b.keepalived.signal(Signal::TERM);
        network.is_served_by(A, FLOATING, "/handed-over");
    });
}

/// Runs the check against a port of loopback.
fn check(port: u16) -> bool {
    check_by(port, &[])
}

/// The same with further words.
fn check_by(port: u16, more: &[&str]) -> bool {
    let port = port.to_string();
    Command::new(shipped("check-portward")).args(["127.0.0.1", &port]).args(more).status().unwrap().success()
}

#[test]
fn the_check_sees_who_answers_and_leaves_no_trace() {
    within(60, || {
        let hung = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!check(hung.local_addr().unwrap().port()), "the kernel alone takes the connection");
        let nobody = free_port();
        assert!(!check(nobody), "nobody listens");
        let portward = portward("127.0.0.1", 9).set("log.forwarded", "[]").start();
        for _ in 0..30 {
            assert!(check(portward.http));
        }
        // Under another name.
        let rules = portward.dir().join("rules/health.toml");
        let other = replaced(
            &fs::read_to_string(&rules).unwrap(),
            "name = \"health.invalid\"",
            "name = \"health.example.net\"",
        );
        fs::write(&rules, other).unwrap();
        portward.hang_up();
        portward.line(&["reloaded: 2 hosts"]);
        assert!(check_by(portward.http, &["health.example.net"]));
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("REVERSE-PROXY"), "{lines}");
        // Without the rule the check's request is refused, and its address is listed. The check passes all the same.
        for _ in 0..30 {
            assert!(check(portward.http));
        }
        portward.line(&["127.0.0.1 blacklisted for 5m"]);
        // The check also works on its TLS port, where plain text is refused.
        assert!(check(portward.https));
        portward.signal(Signal::STOP);
        // One of its threads may still be able to answer.
        eventually("it hangs", || !check(portward.http));
        portward.signal(Signal::CONT);
        assert!(check(portward.http));
    });
}

/// If the key of one machine is copied to the other, calls find their PBX through either.
#[test]
fn a_call_is_hung_up_through_the_other_box() {
    within(60, || {
        let pbx = pbx("pbx");
        let start = |key: Option<&[u8]>| {
            let rules = format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
                pbx.port()
            );
            let setup = Portward::rules(&rules).listen("sip").set("sip.public_address", "\"rp.example.net\"");
            if let Some(key) = key {
                fs::create_dir(setup.dir().join("state")).unwrap();
                fs::write(setup.dir().join("state/sip-route.key"), key).unwrap();
            }
            setup.start()
        };
        let a = start(None);
        let mut phone = Wire::plain(a.port("sip"));
        phone.send(request_to("INVITE", "a@one.example.net", "<sip:b@one.example.net>", "", ""));
        let token = next_message(&mut phone).unwrap().header("record-route").unwrap().to_owned();
        let bye = |box_: &Portward| {
            let mut phone = Wire::plain(box_.port("sip"));
            let route = format!("Route: {token}\r\n");
            phone.send(request_to(
                "BYE",
                "a@elsewhere.example",
                "<sip:b@one.example.net>;tag=pbx",
                &route,
                "",
            ));
            next_message(&mut phone).map(|answer| answer.status())
        };
        let key = fs::read(a.dir().join("state/sip-route.key")).unwrap();
        assert_eq!(bye(&start(Some(&key))), Some(200));
        // With a key of its own the machine does not know the token. A registration still works.
        let other = start(None);
        assert_eq!(bye(&other), None);
        other.decision(&["BYE rejected: method"]);
        let mut phone = Wire::plain(other.port("sip"));
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(next_message(&mut phone).unwrap().status(), 200);
    });
}

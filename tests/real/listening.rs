//! Sockets: families, lists, addresses that are not there (contract section 7, last paragraph), and limits an address.

use std::net::{TcpListener, TcpStream};

use crate::harness::{Portward, Target, Wire, eventually, free_port, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// Whether this machine speaks IPv6 at all: containers often do not.
fn has_ipv6() -> bool {
    TcpListener::bind("[::1]:0").is_ok()
}

#[test]
fn a_port_alone_opens_both_families() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::rules(&rules(&target)).set("listen.http", "HTTP_PORT").start();
        let answer = portward.plain().get("one.example.net", "/");
        assert!(
            answer.text().contains("\nx-forwarded-for: 127.0.0.1\n"),
            "a mapped address is IPv4: {answer:?}"
        );
        if has_ipv6() {
            let tcp = TcpStream::connect(("::1", portward.http)).unwrap();
            let answer = Wire::over(tcp).get("one.example.net", "/");
            assert!(answer.text().contains("\nx-forwarded-for: ::1\n"), "{answer:?}");
            assert!(answer.text().contains("for=\"[::1]\""), "RFC 7239 section 6: {answer:?}");
            portward.decision(&[" ::1 http://one.example.net GET / HTTP/1.1"]);
        }
    });
}

#[test]
fn a_family_can_be_switched_off() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(&target))
            .set("listen.http", "HTTP_PORT")
            .set("listen.ipv6", "false")
            .start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
        assert!(TcpStream::connect(("::1", portward.http)).is_err());
    });
}

#[test]
fn several_addresses_serve_one_service() {
    within(60, || {
        let target = Target::named("here");
        let other = free_port();
        let list = format!("[\"127.0.0.1:HTTP_PORT\", \"127.0.0.1:{other}\"]");
        let portward = Portward::rules(&rules(&target)).set("listen.http", &list).start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
        assert_eq!(Wire::plain(other).get("one.example.net", "/").text(), "here");
    });
}

/// IP_FREEBIND: an address that comes later (a failover address, DHCP) does not prevent the start.
#[test]
fn an_address_that_is_not_there_prevents_nothing() {
    within(60, || {
        let target = Target::named("here");
        let list = format!("[\"127.0.0.1:HTTP_PORT\", \"192.0.2.77:{}\"]", free_port());
        let portward = Portward::rules(&rules(&target)).set("listen.http", &list).start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
    });
}

#[test]
fn a_port_in_use_is_named() {
    within(60, || {
        let target = Target::named("here");
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let setup = Portward::rules(&rules(&target)).set("listen.http", &format!("\"127.0.0.1:{port}\""));
        let config = setup.write();
        let (code, lines) = setup.fails_to_start(&config);
        assert_eq!(code, Some(1), "{lines}");
        assert!(lines.contains(&port.to_string()) && !lines.contains("panicked"), "{lines}");
    });
}

/// Issue 18, item 24: ports that one program has taken are named in one line.
#[test]
fn item_24_ports_in_use_by_one_program_are_one_line() {
    within(60, || {
        let target = Target::named("here");
        let taken: Vec<TcpListener> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = taken.iter().map(|one| one.local_addr().unwrap().port());
        let list: Vec<String> = ports.map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let setup = Portward::rules(&rules(&target))
            .set("listen.http", &format!("[{}]", list[..5].join(", ")))
            .set("listen.sip", &format!("[{}]", list[5..].join(", ")));
        let config = setup.write();
        let (code, lines) = setup.fails_to_start(&config);
        assert_eq!(code, Some(1), "{lines}");
        assert_eq!(lines.matches("error:").count(), 1, "{lines}");
        assert!(lines.contains("Address already in use") && lines.contains("`ss -ltnp` as root"), "{lines}");
        assert!(list.iter().all(|one| lines.contains(one.trim_matches('"'))), "{lines}");
        assert!(lines.contains(" (http), ") && lines.contains(" (sip): "), "{lines}");
    });
}

/// Nothing outside can prevent a start: a target's name that does not resolve, a missing trust folder, a wrong clock.
/// Here everything that can be missing is missing.
#[test]
fn missing_surroundings_prevent_no_start() {
    within(60, || {
        let target = Target::named("here");
        let rules = rules(&target)
            + "[[host]]\nname = \"two.example.net\"\ntarget = \"pbx.invalid\"\nhttp = [\"/\"]\n";
        let portward = Portward::rules(&rules)
            .set("state", "\"not/there\"")
            .set("tls.client_trust", "\"not/there\"")
            .set("upstream.trust", "\"not/there\"")
            .set("upstream.verify", "\"ca\"")
            .start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
    });
}

/// One address cannot take all places of undecided connections.
#[test]
fn silent_connections_of_one_address_are_bounded() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(&target))
            .set("blacklist.allow", "[]")
            .set("limits.max_undecided_per_address", "5")
            .set("limits.inspect_timeout", "\"60s\"")
            .start();
        let from = |address: &str| Wire::plain_from(address.parse().unwrap(), portward.http);
        let mut silent: Vec<Wire> = (0..20).map(|_| from("127.0.0.7")).collect();
        assert_eq!(from("127.0.0.8").get("one.example.net", "/").text(), "here", "others are served");
        // At most five of the twenty are still open.
        let mut open = silent.len();
        eventually("the others are closed", || {
            open = silent.iter_mut().map(|wire| usize::from(!wire.is_closed())).sum();
            open <= 5
        });
        assert!(open > 0, "not all of them had to go");
        assert_eq!(
            from("127.0.0.7").get("one.example.net", "/").text(),
            "here",
            "the newest gets its chance"
        );
    });
}

#[test]
fn connections_of_one_address_are_bounded() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(&target))
            .set("blacklist.allow", "[]")
            .set("limits.max_connections_per_address", "3")
            .start();
        let from = |address: &str| Wire::plain_from(address.parse().unwrap(), portward.http);
        let mut held = Vec::new();
        for _ in 0..3 {
            let mut wire = from("127.0.0.7");
            assert_eq!(wire.get("one.example.net", "/").text(), "here");
            held.push(wire);
        }
        let mut fourth = from("127.0.0.7");
        assert_eq!(fourth.get("one.example.net", "/").text(), "here", "the longest idle goes for it");
        let mut idle = held.remove(0);
        // Another worker may close it.
        let is_closed = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            idle.is_closed()
        });
        assert!(is_closed);
        assert_eq!(from("127.0.0.8").get("one.example.net", "/").text(), "here", "others are served");
        for wire in &mut held {
            assert_eq!(wire.get("one.example.net", "/").text(), "here", "the others stay");
        }
    });
}

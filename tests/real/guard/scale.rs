//! Many connections at a time, exhausted descriptors, and IPv6 in a network namespace.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{address, is_served, judged, rules};
use crate::harness::{Child, Portward, Target, Wire, eventually, program, within};

const IDLE: u32 = 20_000;

/// As many as the machine allows. root may raise the limit of descriptors, other users have a given one. The daemon
/// inherits it.
fn connections() -> u32 {
    const SPARE: u64 = 1_000;
    // The daemon expects two descriptors for each connection.
    let wanted = 2 * u64::from(IDLE) + SPARE;
    let limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|hard| hard < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: Some(wanted) });
    }
    let hard = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard });
    let count = (hard.unwrap_or(wanted).saturating_sub(SPARE) / 2).min(u64::from(IDLE));
    assert!(
        count >= 1_000,
        "the hard limit of file descriptors is {hard:?}: that is no machine for tests (ulimit -Hn)"
    );
    println!("{count} connections");
    u32::try_from(count).unwrap()
}

#[test]
fn twenty_thousand_idle_connections() {
    within(115, || {
        let count = connections();
        let web = Target::named("here").forgetful();
        let portward = Portward::rules(&rules(web.port(), 9, 9, 9))
            .set("limits.idle_timeout", "{ http = \"300s\" }")
            .set("limits.reserved", "0")
            .set("log.forwarded", "[]")
            .start();
        let before = portward.memory("VmRSS:");
        let mut idle = Vec::new();
        for number in 0..count {
            let [_, _, c, d] = number.to_be_bytes();
            let mut wire =
                Wire::plain_from(std::net::Ipv4Addr::new(127, 20, c, d.max(1)).into(), portward.http);
            wire.send("GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
            assert_eq!(wire.response().text(), "here", "{number}");
            idle.push(wire);
        }
        let after = portward.memory("VmRSS:");
        println!("{} KiB an idle connection", (after - before) / u64::from(count));
        assert!(is_served(&portward, address(1)), "somebody new is served");
        // All of them still work. Every hundredth is tried.
        for wire in idle.iter_mut().step_by(100) {
            assert_eq!(wire.get("one.example.net", "/open").text(), "here");
        }
    });
}

/// The daemon with few file descriptors: it warns at the start, waits when they are exhausted, and does not spin.
#[test]
fn without_descriptors_it_waits_and_does_not_spin() {
    within(60, || {
        let web = Target::named("here");
        let portward = judged(&rules(web.port(), 9, 9, 9)).descriptors(120).start();
        portward.line(&[
            "limits.max_connections is 50000, which takes 100256 file descriptors, but there are 120",
        ]);
        let mut waiting: Vec<_> =
            (1..=200).map(|number| Wire::plain_from(address(number), portward.http)).collect();
        std::thread::sleep(Duration::from_millis(500));
        let before = portward.processor_ticks();
        std::thread::sleep(Duration::from_secs(1));
        let used = portward.processor_ticks() - before;
        assert!(used < 50, "{used} hundredths of a second in one second of waiting");
        waiting.clear();
        eventually("it goes on", || is_served(&portward, address(250)));
    });
}

/// IPv6 counts by /64, in a namespace of its own: another address within the /64 is the same client.
#[test]
fn ipv6_counts_by_its_64_bits() {
    within(90, || {
        let setup = Portward::rules(&rules(9, 9, 9, 9)).set("listen.http", "[\"[2001:db8:1::1]:8090\"]");
        let config = setup.write();
        let script = format!(
            "set -e\nip link set lo up\nip -6 address add 2001:db8:1::1/128 dev lo\n\
             for n in 1 2 3 4 5; do ip -6 address add 2001:db8:2::$n/128 dev lo; ip -6 address add 2001:db8:3::$n/128 dev lo; done\n\
             {program} run --config {config} & daemon=$!\n\
             ask() {{ curl -s -g -o /dev/null -w '%{{http_code}}' --interface $1 -H \"Host: $2\" 'http://[2001:db8:1::1]:8090/missing' || true; }}\n\
             for try in $(seq 100); do [ \"$(ask 2001:db8:3::1 one.example.net)\" = 404 ] && break; sleep 0.1; done\n\
             for n in $(seq 21); do ask 2001:db8:2::$((n % 4 + 1)) 203.0.113.9 >/dev/null; done\n\
             echo \"same /64: $(ask 2001:db8:2::5 one.example.net)\" >&2\n\
             echo \"another /64: $(ask 2001:db8:3::2 one.example.net)\" >&2\n\
             kill $daemon; wait $daemon || true; echo done >&2\n",
            program = env!("CARGO_BIN_EXE_portward"),
            config = config.display()
        );
        // A user who is not root becomes root in a user namespace.
        let mut child = Child::start(Command::new(program("unshare", "util-linux")).args([
            "--net",
            "--map-root-user",
            "sh",
            "-c",
            &script,
        ]));
        program("ip", "iproute2");
        program("curl", "curl");
        child.wait_within(Duration::from_secs(60));
        let said = child.lines().join("\n");
        assert!(said.contains("2001:db8:2::/64 blacklisted for 5m: 21 suspicious"), "{said}");
        assert!(said.contains("same /64: 000") && said.contains("another /64: 404"), "{said}");
    });
}

//! The memory of statistics at their largest: the table of live connections, the newest decisions, the sketches of the
//! busiest, and the figures about targets.
#![allow(clippy::expect_used, reason = "a failed expectation is the point")]

mod counting;

use counting::{calls, live};
use portward::log::Subject;
use portward::reason::Reason;
use portward::service::{Carrier, Service};
use portward::stats::{
    About, BOX, Decision, Fate, Filter, KEPT, MEMORY, Opening, Stats, TARGET_MEMORY, TOP_MEMORY,
};
use std::net::SocketAddr;
use std::sync::Arc;

const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5061);

#[test]
fn a_live_connection_costs_a_stated_maximum() {
    let stats = Arc::new(Stats::of_workers(2));
    let opening = |id| Opening { id, client: CLIENT, service: Service::Sip, carrier: Carrier::Tls };
    let start = live();
    let mut open = Vec::with_capacity(10_000);
    let own = live() - start;
    for id in 0..10_000_u64 {
        let one = stats.register(u16::try_from(id % 2).expect("fits"), opening(id));
        one.set_route([b"", b"someone@branch.example.net"], "branch.example.net", "ok(someone)", CLIENT);
        open.push(one);
    }
    let each = (live() - start - own) / open.len();
    assert!(each <= MEMORY, "a connection takes {each} bytes");

    // Every request of a browser sets the route again.
    let before = calls();
    for one in &open {
        one.set_route([b"", b"someone@branch.example.net"], "branch.example.net", "ok(someone)", CLIENT);
    }
    assert_eq!(calls() - before, 0, "nothing is allocated for the same route");

    // A reader holds one page, whatever the number of connections is.
    let page =
        counting::most(|| assert_eq!(stats.connections(&Filter::default(), 0, 100).connections.len(), 100));
    assert!(page <= 64 * 1024, "a page takes {page} bytes");
    open.clear();
    let left = live() - start - own;
    assert!(left <= 64 * 1024, "{left} bytes are left of a flood");
}

#[test]
fn decisions_cost_a_stated_maximum() {
    let workers = 4_u16;
    let start = live();
    let stats = Stats::of_workers(workers);
    let about =
        |id| About { id, client: CLIENT.ip(), port: 1, service: Service::Http, carrier: Carrier::Tls };
    let subject = Subject::Http {
        host: b"one.example.net",
        method: b"GET",
        target: &[b'x'; 400],
        version: "HTTP/1.1",
        user: b"",
    };
    let decide = |id: u64| {
        let fate = match id % 2 {
            0 => Fate::Forwarded { to: CLIENT, new: false },
            _ => Fate::Rejected { reason: Reason::NoPath, cause: None },
        };
        stats.decide(
            u16::try_from(id / 2 % u64::from(workers)).expect("fits"),
            about(id),
            subject,
            (fate, stats.now()),
        );
    };
    (0..40_000).for_each(decide);
    let taken = live() - start;
    let most = (2 * KEPT + usize::from(workers) * BOX) * size_of::<Decision>() + 64 * 1024;
    assert!(taken <= most, "{taken} bytes are taken, {most} allowed");
    assert!(size_of::<Decision>() <= 384, "a decision takes {} bytes", size_of::<Decision>());
    let before = calls();
    (40_000..80_000).for_each(decide);
    assert_eq!(calls() - before, 0, "nothing is allocated for a decision");
}

/// In a flood of clients and hosts the sketches take no more than the stated memory, and a decision allocates nothing.
#[test]
fn the_busiest_cost_a_stated_maximum() {
    let workers = 2_u16;
    let hosts: Vec<String> = (0..2_000).map(|number| format!("{number:0>255}")).collect();
    let start = live();
    let stats = Stats::of_workers(workers);
    let own = live() - start;
    let decide = |number: u32| {
        let client = std::net::IpAddr::from(number.to_be_bytes());
        let host = hosts.get(number as usize % hosts.len()).map(String::as_str);
        let refused = number.is_multiple_of(2).then_some(Reason::NoPath);
        stats.busy(u16::try_from(number % 2).expect("fits"), client, host, refused);
    };
    (0..20_000).for_each(decide);
    let taken = live() - start - own;
    assert!(taken <= usize::from(workers) * TOP_MEMORY, "{taken} bytes are taken");
    let before = calls();
    (20_000..40_000).for_each(decide);
    assert_eq!(calls() - before, 0, "nothing is allocated for a decision");
    let read = counting::most(|| assert_eq!(stats.top(10).hosts.len(), 10));
    assert!(read <= usize::from(workers) * 2 * TOP_MEMORY, "a reader takes {read} bytes");
}

/// The memory of an address of a target. It is freed when the address is forgotten.
#[test]
fn an_address_of_a_target_costs_a_stated_maximum() {
    let stats = Stats::of_workers(1);
    let start = live();
    let dialled = stats.dialled_by(0);
    let address = |number: u32| SocketAddr::new(std::net::IpAddr::from(number.to_be_bytes()), 443);
    let time = std::time::Duration::from_millis(1);
    (0..10_000).for_each(|number| drop(dialled.reached(address(number), time)));
    let each = (live() - start) / 10_000;
    assert!(each <= TARGET_MEMORY, "an address takes {each} bytes");
    let before = calls();
    let open: Vec<_> = std::iter::once(dialled.reached(address(0), time)).collect();
    assert!(calls() - before <= 1, "nothing is allocated for a known address but the list here");
    stats.forget_targets(|one| one == address(1));
    assert_eq!(stats.target(address(0)).open, 1);
    drop(open);
    stats.forget_targets(|one| one == address(1));
    assert_eq!([0, 1, 2].map(|number| stats.target(address(number)).opened), [0, 1, 0]);
}

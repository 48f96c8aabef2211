//! The memory that a million hostile addresses take: the blacklist and the count of offences, at their largest.
#![allow(clippy::expect_used, reason = "a failed expectation is the point")]

mod counting;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use counting::live;
use portward::config::Config;
use portward::guard::{Change, Guard, Offence, Origin, Why, blacklist, unix_now};
use portward::reason::Reason;
use portward::reason::Weight;

const MIB: usize = 1024 * 1024;

fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x1000_0000 + number).into()
}

#[test]
fn a_million_hostile_addresses_cost_a_stated_maximum() {
    let policy = Config::defaults(Path::new("portward.toml")).guard;
    let start = live();
    let guard = Guard::default();
    // Twenty-one offences for each would take too long. So twice as many addresses as there is room for are listed
    // directly.
    let many = u32::try_from(2 * blacklist::AUTOMATIC).expect("fits");
    for number in 0..many {
        let why = Why::Automatic { reason: Reason::UnknownHost, count: 21 };
        let change = Change::List { who: address(number).into(), why, expiration: None };
        let _ = guard.apply(change, Origin::Guard);
    }
    assert_eq!(guard.blacklist().len(), blacklist::AUTOMATIC);
    let listed = live() - start;
    assert!(listed <= 96 * MIB, "the blacklist takes {} KiB", listed / 1024);
    assert!(guard.blacklist().lists(address(many - 1).into(), unix_now()));

    // More other addresses than are remembered, each with twenty offences: one fewer than lists an address.
    let start = live();
    let offence = Offence { reason: Reason::UnknownHost, weight: Weight::Whole, path: b"" };
    for number in 0..200_000 {
        for _ in 0..20 {
            assert_eq!(
                guard.suspect(Ipv4Addr::from_bits(0x6000_0000 + number).into(), offence, &policy),
                None
            );
        }
    }
    let suspected = live().saturating_sub(start);
    assert!(suspected <= 48 * MIB, "the suspects take {} KiB", suspected / 1024);

    // Nonces: first for a few greedy addresses, then for more other addresses than are remembered.
    let start = live();
    for number in 0..260 {
        for nonce in 0..8_192 {
            guard.note_nonce(address(number), &[1], nonce, &policy);
        }
    }
    let greedy = live().saturating_sub(start);
    for number in 0..140_000 {
        for nonce in 0..12 {
            guard.note_nonce(address(0x0010_0000 + number), &[1], nonce, &policy);
        }
    }
    let many = live().saturating_sub(start);
    assert!(greedy.max(many) <= 48 * MIB, "the nonces take {} and {} KiB", greedy / 1024, many / 1024);
    println!("nonces {} and {} KiB", greedy / 1024, many / 1024);
    println!("blacklist {} KiB, suspects {} KiB", listed / 1024, suspected / 1024);
}

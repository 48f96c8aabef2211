//! The cost of the guard's first decision, and of an offence, with no address and with a million addresses listed.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portward::accounts::Administrator;
use portward::config::Config;
use portward::guard::{Change, Guard, Network, Offence, Origin, Why};
use portward::reason::Reason;
use portward::reason::Weight;
use portward::service::Service;

/// Addresses in an order that no cache can guess.
fn address(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x1000_0000 | (number.wrapping_mul(2_654_435_761) >> 4)).into()
}

fn door(c: &mut Criterion) {
    let mut policy = Config::defaults(Path::new("portward.toml")).guard;
    policy.connections.new_connections_per_second = 1_000_000;
    let mut group = c.benchmark_group("guard");
    for listed in [0_u32, 1_000_000] {
        let guard = Guard::default();
        for number in 0..listed {
            let why = Why::Automatic { reason: Reason::UnknownHost, count: 21 };
            let change = Change::List { who: address(number).into(), why, expiration: None };
            let _ = guard.apply(change, Origin::Guard);
        }
        let mut number = 0_u32;
        group.bench_function(BenchmarkId::new("refused at accept", listed), |b| {
            b.iter(|| {
                number = number.wrapping_add(7);
                black_box(guard.refuses(address(number % listed.max(1)), &policy))
            });
        });
        group.bench_function(BenchmarkId::new("admitted at accept", listed), |b| {
            b.iter(|| {
                number = number.wrapping_add(7);
                // An address that is not listed.
                let stranger = Ipv4Addr::from_bits(0x4000_0000 | (number % 50_000)).into();
                black_box(guard.admit(stranger, Service::Http, &policy).is_ok())
            });
        });
    }
    // Networks of five lengths, as in published lists: five look-ups in a sorted map.
    let guard = Guard::default();
    for number in 0..10_000_u32 {
        let length = 16 + 4 * u8::try_from(number % 5).unwrap_or_default();
        let first = Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into();
        let Ok(network) = ipnet::IpNet::new(first, length) else { continue };
        let Some(who) = Network::parse(&network.trunc().to_string()) else { continue };
        let change = Change::List { who, why: Why::Manual { note: "".into() }, expiration: None };
        let _ = guard.apply(change, Origin::Administrator(Administrator::User { user: None }));
    }
    let mut number = 0_u32;
    group.bench_function("looked for among 10,000 networks", |b| {
        b.iter(|| {
            number = number.wrapping_add(7);
            black_box(guard.refuses(address(number), &policy))
        });
    });
    let guard = Guard::default();
    let mut number = 0_u32;
    group.bench_function("offence", |b| {
        b.iter(|| {
            number = number.wrapping_add(1);
            let offence = Offence { reason: Reason::UnknownHost, weight: Weight::Whole, path: b"" };
            black_box(guard.suspect(address(number % 100_000), offence, &policy))
        });
    });
    group.finish();
}

criterion_group!(benches, door);
criterion_main!(benches);

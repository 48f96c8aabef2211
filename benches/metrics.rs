//! The cost of a scrape of `/metrics`, with few and with many hosts and connections. The limit is 50 ms of processor
//! time with 10,000 hosts and 5,000 connections.
#![allow(missing_docs)]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portward::admin::metrics;
use portward::config::Config;
use portward::log::Log;
use portward::rules::name::normalise;
use portward::rules::{Address, Builder, Endpoint, HostDef, NameDef, Source, Table, TargetOptions};
use portward::service::{Carrier, PerService, Service};
use portward::state::{Shared, Snapshot};
use portward::stats::Opening;

fn table(count: u32) -> Table {
    let mut builder = Builder::new();
    let options = Arc::new(TargetOptions::default());
    for number in 0..count {
        let source = Source { file: 0, line: number, column: 1 };
        let name = normalise(&format!("pbx-{number:06}.customers.example.net")).unwrap_or_default();
        let address = Address::Ip(Ipv4Addr::from_bits(0x0a00_0000 | number).into());
        let _ = builder.add(HostDef {
            name: NameDef { name, source },
            aliases: Vec::new(),
            enabled: true,
            tenant: None,
            client_trust: None,
            endpoints: Some(Arc::new([Endpoint { address, options: Arc::clone(&options) }])),
            rules: PerService::default(),
            http: Vec::new(),
            presets: Vec::new(),
        });
    }
    builder.build(Vec::new())
}

fn scrape(c: &mut Criterion) {
    let mut group = c.benchmark_group("metrics");
    for (hosts, connections) in [(10, 10), (10_000, 5_000)] {
        let config = Config::defaults(Path::new("portward.toml"));
        let (snapshot, _) = Snapshot::new(config, table(hosts), None);
        let (log, _written) = Log::new(std::io::sink(), false);
        let shared = Shared::new(snapshot, log, 2);
        let open: Vec<_> = (0..connections)
            .map(|id| {
                let client = SocketAddr::from((Ipv4Addr::from_bits(0x4000_0000 | id), 40_000));
                let service = Service::ALL.into_iter().nth(id as usize % 4).unwrap_or(Service::Http);
                let opening = Opening { id: u64::from(id), client, service, carrier: Carrier::Tls };
                shared.stats.register(u16::from(id % 2 == 1), opening)
            })
            .collect();
        let what = format!("{hosts} hosts, {connections} connections");
        group.bench_function(BenchmarkId::new("scrape", what), |b| {
            b.iter(|| black_box(metrics::render(&shared)).len());
        });
        drop(open);
    }
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);

//! The cost of a decision: by number of hosts, by number of a host's paths, and by its parts. The cost of loading rules.
//!
//! The hosts are asked for in an order that no cache can guess, as with many busy tenants.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portward::config::{Config, load_rules};
use portward::rules::decide::{self, Scratch};
use portward::rules::name::{NameBuf, from_wire};
use portward::rules::path::request_path;
use portward::rules::{Builder, HttpRule, PathPattern, Segment, Source, Target, TenantDef, Tenants};
use portward::service::Transport;

#[path = "shared/hosts.rs"]
mod hosts;

use hosts::{PORTS, hosts, name, table};

fn decisions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decision, by hosts");
    for count in [10, 1_000, 100_000, 1_000_000] {
        let table = table(hosts(count));
        let mut scratch = Scratch::default();
        let wanted: Vec<String> =
            (0..4096_u32).map(|n| name(n.wrapping_mul(2_654_435_761) % count)).collect();
        let mut asked = wanted.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                let host = asked.next().map(String::as_bytes).unwrap_or_default();
                let path = b"/PBX0/APPS/app_manager/137758/websocket";
                let found = decide::http(&table, Transport::Tls, host, black_box(path), &mut scratch);
                found.is_ok_and(|found| found.rule.endpoints.len() == 1)
            });
        });
    }
    group.finish();
}

/// The look-up of a tenant by its id, as for a captured path, and of the target that it inherits from its parent.
fn tenants(c: &mut Criterion) {
    let mut group = c.benchmark_group("tenant, by tenants");
    for count in [10, 1_000, 100_000] {
        let id = |n: u32| format!("customer-{n:06}");
        let definition = |n: u32| TenantDef {
            id: id(n).into(),
            name: None,
            enabled: true,
            parent: (n > 0).then(|| id(n / 10).into()),
            endpoints: (n == 0).then(|| hosts(1).into_iter().find_map(|host| host.endpoints)).flatten(),
            users: None,
            secrets: Arc::default(),
            source: Source::default(),
        };
        let tenants = Tenants::new((0..count).map(definition).collect());
        let wanted: Vec<String> = (0..4096_u32).map(|n| id(n.wrapping_mul(2_654_435_761) % count)).collect();
        let mut asked = wanted.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                let id = asked.next().map(String::as_str).unwrap_or_default();
                tenants.by_id(black_box(id)).is_some_and(|t| t.is_alive() && t.target().is_some())
            });
        });
    }
    group.finish();
}

fn paths(c: &mut Criterion) {
    let mut group = c.benchmark_group("path of a host, by paths");
    for count in [7_u32, 10_000] {
        let Some(mut host) = hosts(1).pop() else { return };
        let Some(endpoints) = host.endpoints.take() else { return };
        let path = |n: u32| format!("/tenants/{:05}/application", n.wrapping_mul(7919) % 100_000);
        host.http = (0..count)
            .map(|n| HttpRule {
                path: PathPattern::Head(path(n).into()),
                target: Target { endpoints: Arc::clone(&endpoints), ports: PORTS },
                redirect_https: false,
                treatment: None,
                source: Source::default(),
            })
            .collect();
        let table = table(vec![host]);
        let wanted: Vec<String> = (0..4096_u32).map(|n| path(n * 31 % count) + "/index.htm").collect();
        let mut asked = wanted.iter().cycle();
        let mut buf = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| {
                let path = asked.next().map(String::as_bytes).unwrap_or_default();
                let path = request_path(path, &mut buf);
                path.is_ok_and(|path| table.iter().all(|host| host.http(&path).is_ok()))
            });
        });
    }
    group.finish();
}

/// Paths that name one of many tenants (contract section 9), with one rule or a thousand rules on the host.
fn captured(c: &mut Criterion) {
    let mut group = c.benchmark_group("captured path, by tenants and rules");
    for (tenants, rules) in [(10_u32, 1_u32), (10_000, 1), (10, 1_000)] {
        let Some(mut host) = hosts(1).pop() else { return };
        let Some(endpoints) = host.endpoints.take() else { return };
        let define = |n: u32| TenantDef {
            id: format!("tenant-{n}").into(),
            name: None,
            enabled: true,
            parent: None,
            endpoints: Some(Arc::clone(&endpoints)),
            secrets: Arc::new([]),
            users: None,
            source: Source::default(),
        };
        host.http = (0..rules)
            .map(|n| HttpRule {
                path: PathPattern::Captured(Box::new([
                    Segment::Literal(format!("app-{n}").into()),
                    Segment::TenantId,
                ])),
                target: Target { endpoints: Arc::new([]), ports: PORTS },
                redirect_https: false,
                treatment: None,
                source: Source::default(),
            })
            .collect();
        let mut builder = Builder::new();
        builder.set_tenants(Arc::new(Tenants::new((0..tenants).map(define).collect())));
        let _ = builder.add(host);
        let table = builder.build(Vec::new());
        let mut scratch = Scratch::default();
        let path = |n: u32| format!("/app-{}/tenant-{}/api/v1/session", n % rules, n * 31 % tenants);
        let wanted: Vec<String> = (0..4096).map(path).collect();
        let mut asked = wanted.iter().cycle();
        group.bench_function(BenchmarkId::new(format!("{tenants} tenants"), rules), |b| {
            b.iter(|| {
                let path = asked.next().map(String::as_bytes).unwrap_or_default();
                let found = decide::http(&table, Transport::Tls, name(0).as_bytes(), path, &mut scratch);
                found.is_ok_and(|found| found.rule.captured.is_some())
            });
        });
    }
    group.finish();
}

fn parts(c: &mut Criterion) {
    let mut buf = Vec::new();
    for (what, path) in [
        ("path check, ordinary", "/PBX0/APPS/app_manager/137758/websocket"),
        ("path check, with escapes", "/PBX0/APPS/app_manager/%31;x=y/m%C3%BCnchen"),
    ] {
        c.bench_function(what, |b| {
            b.iter(|| {
                request_path(black_box(path.as_bytes()), &mut buf).is_ok_and(|p| p.as_bytes().len() > 1)
            });
        });
    }
    let mut name = NameBuf::default();
    c.bench_function("name from the wire", |b| {
        b.iter(|| from_wire(black_box(b"PBX-000123.customers.example.net"), &mut name).map(str::len));
    });
}

fn building(c: &mut Criterion) {
    let mut group = c.benchmark_group("build");
    group.sample_size(10);
    group.bench_function("100000 hosts", |b| {
        b.iter_batched(|| hosts(100_000), table, criterion::BatchSize::LargeInput);
    });
    group.finish();
}

/// Reading and compiling a rules file, as at a start and at a reload. "Plain" has only what the reader of plain TOML
/// takes. In the other file every host has an escape, so the crate toml reads it.
fn loading(c: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let config = Config::defaults(&folder.path().join("portward.toml"));
    let mut group = c.benchmark_group("load 100000 hosts");
    group.sample_size(10);
    for (form, preset) in [("plain", "innovaphone-pbx"), ("with escapes", "innovaphone\\u002Dpbx")] {
        let host = |n: u32| {
            let target = Ipv4Addr::from_bits(0x0a00_0001 + n);
            format!("[[host]]\nname = \"{}\"\ntarget = \"{target}\"\npreset = [\"{preset}\"]\n", name(n))
        };
        let file = folder.path().join("rules.toml");
        if std::fs::write(&file, (0..100_000).map(host).collect::<String>()).is_err() {
            return;
        }
        group.bench_function(form, |b| {
            b.iter(|| load_rules(&file, &config).table.map(|table| table.len()));
        });
    }
    group.finish();
}

criterion_group!(benches, parts, paths, captured, decisions, tenants, building, loading);
criterion_main!(benches);

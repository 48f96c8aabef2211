//! Hosts with equal HTTP rules share them in the table. No decision and no place in the files may differ from those of a
//! table that has the host alone.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

mod counting;
mod rules_support;

use std::sync::Arc;

use counting::live;
use portward::rules::path::request_path;
use portward::rules::{Builder, Host, HostDef, HttpMatch, HttpRule, Ports, Preset, Table, Treatment};
use proptest::prelude::*;
use rules_support::{at, captured, default_rule, endpoints, host, port, ports, preset, rule, treated};

const PATHS: [&str; 8] = ["/", "/a", "/a/", "/a/x", "/b", "/b/x/y", "/api/ABC/x", "*"];

fn table(hosts: impl IntoIterator<Item = HostDef>) -> Table {
    let mut builder = Builder::new();
    for host in hosts {
        builder.add(host).expect("no conflict");
    }
    builder.build(vec!["rules.toml".into()])
}

/// Everything that a rule says.
fn described(rule: &HttpMatch<'_>) -> String {
    let HttpMatch { endpoints, ports, redirect_https, path, default, preset, treatment, .. } = rule;
    let HttpMatch { by_tenant, naming, segments, .. } = rule;
    let (target, source) = (&endpoints[..], rule.source());
    format!(
        "{target:?} {ports:?} {redirect_https} {path} {default} {preset:?} {treatment:?} {by_tenant} {naming:?} \
         {segments} {source:?}"
    )
}

/// All rules of a host, and its decision about each path.
fn all(host: Host<'_>) -> Vec<String> {
    let mut lines: Vec<_> = host.http_rules().map(|rule| described(&rule)).collect();
    for path in PATHS {
        let mut buf = Vec::new();
        let path = request_path(path.as_bytes(), &mut buf).expect("a safe path");
        lines.push(host.http(&path).map_or_else(|reason| format!("{reason:?}"), |rule| described(&rule)));
    }
    lines.push(format!("{:?}", host.source()));
    lines
}

/// A rule of few that there are, so that hosts are often equal, or differ in one thing.
fn any_rule() -> impl Strategy<Value = HttpRule> {
    let path = prop_oneof![
        6 => prop::sample::select(vec!["", "/", "/a", "/a/", "/b", "/%61"]).prop_map(rule),
        2 => Just(default_rule()),
        1 => prop::sample::select(vec!["/api/{tenant}", "/api/{tenant.name}"]).prop_map(captured),
    ];
    let changed = prop_oneof![8 => Just(0_u8), 1 => 1..6_u8];
    (path, changed).prop_map(|(mut rule, changed)| {
        let target = |address: &str| match rule.target.endpoints.is_empty() {
            true => Arc::clone(&rule.target.endpoints),
            false => endpoints(address),
        };
        match changed {
            1 => rule.target.endpoints = target("192.0.2.1"),
            2 => rule.target.ports = Ports { tcp: port(81), ..ports() },
            3 => rule.target.ports = Ports { tls: None, ..ports() },
            4 => rule.redirect_https = true,
            5 => rule = treated(rule, Treatment { host_of_target: true, ..Treatment::default() }),
            _ => {}
        }
        rule
    })
}

proptest! {
    #[test]
    fn each_host_is_as_if_it_was_alone(
        hosts in prop::collection::vec(
            (
                prop::option::of(prop::sample::select(vec!["192.0.2.1", "192.0.2.9"])),
                prop::collection::vec(any_rule(), 0..4),
                any::<bool>(),
            ),
            1..12,
        ),
    ) {
        let presets: Vec<Arc<Preset>> = vec![preset("p", &["/a", "/b/x"])];
        let hosts = hosts.into_iter().zip(1_u32..).map(|((target, mut http, has_preset), number)| {
            for (rule, line) in http.iter_mut().zip(number * 100..) {
                rule.source = at(line);
            }
            let mut def = HostDef { http, endpoints: target.map(endpoints), ..host(&format!("h{number}")) };
            def.presets = if has_preset { presets.clone() } else { Vec::new() };
            def.name.source = at(number * 1000);
            def
        });
        let hosts: Vec<_> = hosts.collect();
        let together = table(hosts.clone());
        // A copy without the hosts of the API is the same, and so is a table in which half of them are from the API.
        let (half, rest) = hosts.split_at(hosts.len() / 2);
        let mut builder = Builder::on(table(half.to_vec()).without_made());
        for host in rest {
            builder.add(host.clone()).expect("no conflict");
        }
        let in_two = builder.extended(vec!["rules.toml".into()]);
        let without = in_two.without_made();
        for def in &hosts {
            let name = &*def.name.name;
            let alone = table([def.clone()]);
            let expected = all(alone.host(name).expect("it is there"));
            prop_assert_eq!(all(together.host(name).expect("it is there")), &expected[..]);
            prop_assert_eq!(all(in_two.host(name).expect("it is there")), &expected[..]);
            let is_of_rules = half.iter().any(|host| host.name == def.name);
            prop_assert_eq!(without.host(name).map(all), is_of_rules.then_some(expected));
        }
    }
}

/// A rule that captures a tenant and has a target of its own leads to that target, also if the host has the same.
#[test]
fn a_target_that_a_rule_names_is_not_the_tenants() {
    let target = endpoints("192.0.2.1");
    let mut with_target = captured("/a/{tenant}");
    with_target.target.endpoints = Arc::clone(&target);
    let http = vec![with_target, captured("/b/{tenant}")];
    let table = table([HostDef { http, endpoints: Some(target), ..host("h") }]);
    let by_tenant = |rule: HttpMatch<'_>| (rule.path.starts_with("/b"), rule.by_tenant);
    let rules: Vec<_> = table.host("h").expect("it is there").http_rules().map(by_tenant).collect();
    assert_eq!(rules, [(false, false), (true, true)]);
}

/// 10,000 hosts that were made by one template, each with a target of its own. Their 20 rules are in the table once.
#[test]
fn hosts_of_one_template_share_their_rules() {
    let measured = |count: u32, paths: usize| {
        let before = live();
        let table = table((0..count).map(|n| {
            let target = endpoints(&format!("10.0.{}.{}", n / 256, n % 256));
            let http = (0..paths).map(|path| {
                let mut rule = rule(&format!("/customer/path/{path}"));
                rule.target.endpoints = Arc::clone(&target);
                rule.source = at(n * 30 + u32::try_from(path).expect("it fits"));
                rule
            });
            HostDef {
                http: http.collect(),
                endpoints: Some(Arc::clone(&target)),
                ..host(&format!("h{n}.example"))
            }
        }));
        let last = table.host(&format!("h{}.example", count - 1)).expect("it is there");
        assert_eq!(last.http_rules().count(), paths);
        assert!(last.http_rules().all(|rule| rule.source().line / 30 == count - 1));
        live() - before
    };
    let (few, many) = (measured(10_000, 1), measured(10_000, 20));
    let for_each = (many - few) / 10_000;
    println!("a host with 20 rules takes {for_each} octets more than one with one rule");
    // The place of each rule in the files takes 12 octets.
    assert!(for_each <= 19 * 16, "{for_each}");
}

//! Features of the table that concern more than one host.

use std::sync::Arc;

use super::*;
use crate::rules::{
    Address, Builder, HostDef, HttpRule, NameDef, PathPattern, Ports, SetField, Target, TargetOptions,
    ValuePart,
};
use crate::service::PerService;

/// A host with one rule, which sets these fields.
fn host(name: &str, set: &[&str]) -> HostDef {
    let address = Address::Ip([172, 31, 31, 2].into());
    let endpoints: Arc<[Endpoint]> =
        Arc::new([Endpoint { address, options: Arc::new(TargetOptions::default()) }]);
    let value = || Box::new([ValuePart::Tenant]) as Box<[ValuePart]>;
    let set: Box<[SetField]> =
        set.iter().map(|name| SetField { name: (*name).into(), value: value() }).collect();
    let treatment = (!set.is_empty()).then(|| Arc::new(Treatment { set, ..Treatment::default() }));
    let ports = Ports { tcp: std::num::NonZeroU16::new(80), tls: None };
    HostDef {
        name: NameDef { name: name.into(), source: Source::default() },
        aliases: Vec::new(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: None,
        rules: PerService::default(),
        http: vec![HttpRule {
            path: PathPattern::Head("".into()),
            target: Target { endpoints, ports },
            redirect_https: false,
            treatment,
            source: Source::default(),
        }],
        presets: Vec::new(),
    }
}

#[test]
fn item_2_the_table_knows_the_fields_that_any_rule_sets() {
    let mut builder = Builder::new();
    builder.add(host("a.example", &[])).unwrap();
    let table = builder.build(Vec::new());
    assert!(table.protected().is_none(), "a table that sets nothing costs nothing");

    let mut builder = Builder::new();
    builder.add(host("a.example", &["X-Tenant"])).unwrap();
    builder.add(host("b.example", &["x_tenant", "X-User"])).unwrap();
    let table = builder.build(Vec::new());
    let protects = |table: &Table, name: &str| table.protected().unwrap().contains(name.as_bytes());
    assert_eq!(table.protected().unwrap().len(), 2);
    assert!(protects(&table, "X.TENANT") && protects(&table, "x-user"));

    let mut builder = Builder::on(table.without_made());
    builder.add(host("made.example", &["X-Made", "X-User"])).unwrap();
    let made = builder.extended(Vec::new());
    assert!(protects(&made, "x-made") && protects(&made, "x-user") && !protects(&table, "x-made"));
    let without = made.without_made();
    assert!(!protects(&without, "x-made") && protects(&without, "x-user"));
}

#[test]
fn places_in_the_files_leave_with_the_hosts_that_were_made() {
    let mut builder = Builder::new();
    builder.add(host("a.example", &["X-Tenant"])).unwrap();
    let table = builder.build(Vec::new());
    let mut builder = Builder::on(table.without_made());
    builder.add(host("made.example", &["X-Made"])).unwrap();
    let made = builder.extended(Vec::new());
    assert!(made.sources.len() > table.sources.len());
    assert_eq!(made.without_made().sources, table.sources);
}

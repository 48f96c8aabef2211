//! The memory of a table: bytes for each host, with every allocation rounded as the C library rounds it. A decision
//! allocates nothing.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

mod counting;
mod rules_support;

use counting::{calls, live, most};
use portward::rules::decide::{self, Scratch};
use portward::rules::{Builder, CheckedPorts, HostDef, Numbers, OnFailedCheck, ServiceRule, Table, Target};
use portward::service::{PerService, Transport};
use rules_support::{at, host, port, ports, preset, rule};

const HOSTS: u32 = 100_000;

/// A table of hosts, and the bytes for each host.
fn measured(mut define: impl FnMut(u32) -> HostDef) -> (Table, usize) {
    let before = live();
    let mut builder = Builder::new();
    for n in 0..HOSTS {
        builder.add(define(n)).expect("no conflict");
    }
    let table = builder.build(Vec::new());
    let bytes = live() - before;
    (table, bytes / usize::try_from(HOSTS).expect("fits"))
}

/// This is one test, because the counters belong to the process.
#[test]
fn a_host_costs_little_and_a_decision_nothing() {
    let options = std::sync::Arc::new(portward::rules::TargetOptions::default());
    let endpoints = |n: u32| {
        let address = portward::rules::Address::Ip(std::net::Ipv4Addr::from_bits(0x0a00_0000 | n).into());
        std::sync::Arc::<[_]>::from([portward::rules::Endpoint { address, options: options.clone() }])
    };
    let named = |n: u32| host(&format!("pbx-{n:06}.customers.example.net"));
    let preset = preset("pbx", &["/PBX0/APPCLIENT/appclient.htm", "/PBX0/APPS", "/PBX0/session"]);
    let with_preset =
        |n: u32| HostDef { endpoints: Some(endpoints(n)), presets: vec![preset.clone()], ..named(n) };

    let (_, bytes) = measured(with_preset);
    println!("a host with its own target and a preset: {bytes} bytes");
    assert!(bytes <= 400, "{bytes}");

    let (_, bytes) = measured(|n| {
        let endpoints = endpoints(n);
        let (tcp, tls) = (port(5060).unwrap(), port(5061).unwrap());
        let checked = CheckedPorts::Checked {
            tcp,
            tls,
            on_failed: OnFailedCheck::default(),
            numbers: Numbers::default(),
        };
        let rule = |ports| {
            let endpoints = endpoints.clone();
            Some(ServiceRule {
                endpoints,
                ports,
                rewrite_transport: false,
                max_message: None,
                websocket: None,
                credentials: None,
                source: at(n),
            })
        };
        let ldap = rule(CheckedPorts::Unchecked(ports()));
        let rules = PerService { http: None, sip: rule(checked), ldap, h323: rule(checked) };
        HostDef { rules, endpoints: Some(endpoints), ..with_preset(n) }
    });
    println!("the same with SIP, H.323 and LDAP: {bytes} bytes");
    assert!(bytes <= 400, "{bytes}");

    switching_costs_no_memory(with_preset);

    let (table, bytes) = measured(|n| {
        let paths = ["user.soap", "APPCLIENT/appclient.htm", "APPS", "session", "ADMIN", "MY", "WEBSOCKET"];
        let target = Target { endpoints: endpoints(n), ports: ports() };
        let http = paths.iter().map(|path| portward::rules::HttpRule {
            target: target.clone(),
            ..rule(&format!("/PBX0/{path}"))
        });
        HostDef { http: http.collect(), ..named(n) }
    });
    println!("a host with seven paths of its own: {bytes} bytes");
    assert!(bytes <= 1024, "{bytes}");

    let mut scratch = Scratch::default();
    let mut decide = |host: &[u8], path: &[u8]| {
        decide::http(&table, Transport::Tls, host, path, &mut scratch).map(|d| d.action).map_err(|r| r.reason)
    };
    let requests: [(&[u8], &[u8]); 5] = [
        (b"PBX-000007.customers.example.net:443", b"/PBX0/APPS/app/1/x"),
        (b"pbx-099999.customers.example.net", b"/PBX0/%41PPS/app/%C3%BC;x/y"),
        (b"pbx-099999.customers.example.net", b"/PBX0/APPS/../ADMIN"),
        (b"pbx-099999.customers.example.net", b"/other"),
        (b"[::ffff:192.0.2.1]:443", b"/"),
    ];
    let first = requests.map(|(host, path)| decide(host, path));
    let before = calls();
    for _ in 0..1000 {
        assert_eq!(requests.map(|(host, path)| decide(host, path)), first);
    }
    assert_eq!(calls(), before, "a decision allocates nothing");
}

/// Issue 21, item 1: 10,000 tenants with a host each, a target of their own, a name, a parent and a realm, as in a
/// file. The time is only shown: the build is not optimised, and other tests run at the same time.
#[test]
fn item_1_ten_thousand_tenants_cost_little_and_a_look_up_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::from("[tenant.operator]\n");
    for n in 0..10_000 {
        let above = if n == 0 { "operator".to_owned() } else { format!("customer-{}", n / 10) };
        text += &format!(
            "[tenant.customer-{n}]\nname = \"Customer {n} Ltd\"\nparent = \"{above}\"\ntarget = \"10.0.{}.{}\"\n\
             realms = [\"c{n}.example\"]\n[[host]]\nname = \"pbx-{n}.example\"\ntenant = \"customer-{n}\"\n\
             preset = [\"innovaphone-pbx\"]\n",
            n / 256,
            n % 256
        )
        .replace("customer-0\"\ntarget", "operator\"\ntarget");
    }
    let file = folder.path().join("rules.toml");
    std::fs::write(&file, text).expect("it can be written");
    let config = portward::config::Config::defaults(&folder.path().join("portward.toml"));
    let before = live();
    let mut loaded = None;
    let begin = std::time::Instant::now();
    let peak = most(|| loaded = Some(portward::config::load_rules(&file, &config)));
    let took = begin.elapsed();
    let rules = loaded.expect("it was loaded");
    let table = rules.table.unwrap_or_else(|| panic!("{}", rules.diagnostics.render(false)));
    println!("10,000 tenants: {} bytes, at most {peak}, {took:?}", live() - before);
    assert_eq!((table.tenants().len(), table.len()), (10_001, 20_000));
    assert!(peak <= 60 << 20, "{peak} bytes at most while they are loaded");
    let before = calls();
    for id in ["customer-1", "customer-9999", "Customer-1", "nobody"] {
        let tenant = table.tenants().by_id(id);
        assert_eq!(
            tenant.is_some_and(|tenant| tenant.is_alive() && tenant.target().is_some()),
            id.starts_with('c')
        );
    }
    assert!(table.tenants().by_name("Customer 77 Ltd").is_some());
    assert_eq!(calls(), before, "a look-up allocates nothing");
}

/// Item 6: an administrator disables and enables hosts of a large table. While one table replaces the other there are
/// two. Afterwards there is one.
fn switching_costs_no_memory(define: impl Fn(u32) -> HostDef) {
    let begin = live();
    let (table, _) = measured(define);
    let one = live() - begin;
    let mut table = std::sync::Arc::new(table);
    let before = live();
    for n in 0..10_u32 {
        let name = format!("pbx-{:06}.customers.example.net", n / 2);
        let more = most(|| {
            let mut copy = Table::clone(&table);
            assert!(copy.set_enabled(&name, n % 4 == 3));
            table = std::sync::Arc::new(copy);
        });
        assert!(more <= one, "{more} bytes more than the table of {one}");
    }
    let after = live();
    assert!(after <= before, "{before} -> {after}");
    let disabled = table.iter().filter(|host| !host.enabled()).count();
    assert_eq!(disabled, 3);
}

//! Names in the rules (contract section 2): one normal form, look-up, wildcards, registration locations, aliases.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

use std::path::PathBuf;

use portward::rules::name::{BadName, MAX_NAME, NameBuf, from_wire, normalise, split_host_port};
use portward::rules::{Builder, Conflict, HostDef, NameDef, Source, Table};
use portward::service::PerService;
use proptest::prelude::*;

fn at(line: u32) -> Source {
    Source { file: 0, line, column: 1 }
}

fn named(name: &str, line: u32) -> NameDef {
    NameDef { name: normalise(name).expect("a good name"), source: at(line) }
}

fn host(line: u32, name: &str, aliases: &[&str]) -> HostDef {
    HostDef {
        name: named(name, line),
        aliases: (1..).zip(aliases).map(|(n, alias)| named(alias, line + n)).collect(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: None,
        rules: PerService::default(),
        http: Vec::new(),
        presets: Vec::new(),
    }
}

fn table(names: &[&str]) -> Table {
    let mut builder = Builder::new();
    for (line, name) in (1..).zip(names) {
        builder.add(host(line, name, &[])).expect("no conflict");
    }
    builder.build(vec![PathBuf::from("rules.toml")])
}

/// The name of the host that is found for what a client sent.
fn found<'t>(table: &'t Table, sent: &str) -> Option<&'t str> {
    let mut buf = NameBuf::default();
    table.host(from_wire(sent.as_bytes(), &mut buf).ok()?).map(|host| host.name())
}

#[test]
fn names_compare_without_case_trailing_dot_and_in_ascii() {
    let table = table(&["HQ.dvl-ckl2.NET.", "bücher.example", "straße_1.example"]);
    assert_eq!(found(&table, "hq.dvl-ckl2.net"), Some("hq.dvl-ckl2.net"));
    assert_eq!(found(&table, "hq.DVL-ckl2.net."), Some("hq.dvl-ckl2.net"));
    assert_eq!(found(&table, "xn--bcher-kva.example"), Some("xn--bcher-kva.example"));
    assert_eq!(found(&table, "XN--BCHER-KVA.example"), Some("xn--bcher-kva.example"));
    assert_eq!(found(&table, "xq.dvl-ckl2.net"), None);
    assert_eq!(found(&table, ""), None);
}

#[test]
fn an_ip_literal_is_a_name() {
    let table = table(&["192.0.2.1", "[2001:DB8::1]", "::ffff:198.51.100.7", "[::1]/loc"]);
    assert_eq!(found(&table, "192.0.2.1"), Some("192.0.2.1"));
    assert_eq!(found(&table, "[::ffff:192.0.2.1]"), Some("192.0.2.1"));
    assert_eq!(found(&table, "2001:db8:0:0:0:0:0:1"), Some("2001:db8::1"));
    assert_eq!(found(&table, "[2001:db8::1]"), Some("2001:db8::1"));
    assert_eq!(found(&table, "198.51.100.7"), Some("198.51.100.7"));
    assert_eq!(found(&table, "::1/LOC"), Some("::1/loc"));
    assert_eq!(found(&table, "192.0.2.2"), None);
}

#[test]
fn a_wildcard_matches_one_label_and_an_exact_name_beats_it() {
    let table = table(&["*.example.net", "a.example.net", "*.b.example.net", "*.example.net/loc"]);
    assert_eq!(found(&table, "x.example.net"), Some("*.example.net"));
    assert_eq!(found(&table, "b.example.net"), Some("*.example.net"));
    assert_eq!(found(&table, "a.example.net"), Some("a.example.net"));
    assert_eq!(found(&table, "x.b.example.net"), Some("*.b.example.net"));
    assert_eq!(found(&table, "x.y.example.net"), None);
    assert_eq!(found(&table, "example.net"), None);
    assert_eq!(found(&table, "*.example.net"), None);
    assert_eq!(found(&table, ".example.net"), None);
    assert!(table.host(".example.net").is_none(), "not even by its own key");
    assert_eq!(found(&table, "x.example.net/loc"), Some("*.example.net/loc"));
    assert_eq!(found(&table, "x.example.net/other"), None);
    assert_eq!(
        found(&table, "a.example.net/loc"),
        Some("*.example.net/loc"),
        "another name than a.example.net"
    );
    assert_eq!(found(&table, "example.net/loc"), None);
}

#[test]
fn a_location_makes_another_host() {
    let table = table(&["dvl-ckl2.net", "dvl-ckl2.net/branch-b", "dvl-ckl2.net/hq.example.net"]);
    assert_eq!(found(&table, "dvl-ckl2.net"), Some("dvl-ckl2.net"));
    assert_eq!(found(&table, "DVL-ckl2.net./Branch-B"), Some("dvl-ckl2.net/branch-b"));
    assert_eq!(found(&table, "dvl-ckl2.net/branch-c"), None);
    assert_eq!(found(&table, "dvl-ckl2.net/"), None);
    assert_eq!(found(&table, "dvl-ckl2.net/branch-b/x"), None);
    assert_eq!(found(&table, "hq.example.net"), None);
}

#[test]
fn aliases_are_names() {
    let mut builder = Builder::new();
    builder.add(host(1, "hq.example.net", &["pbx.example.net", "*.hq.example.net"])).unwrap();
    builder.add(host(10, "other.example.net", &["second.example.net"])).unwrap();
    let table = builder.build(Vec::new());
    for name in ["hq.example.net", "PBX.example.net", "x.hq.example.net"] {
        assert_eq!(found(&table, name), Some("hq.example.net"));
    }
    assert_eq!(found(&table, "second.example.net"), Some("other.example.net"));
    let names: Vec<_> = table.names().map(|(name, host)| (name, host.name())).collect();
    let hq = |name| (name, "hq.example.net");
    let other = |name| (name, "other.example.net");
    let hqs = ["hq.example.net", "pbx.example.net", "*.hq.example.net"].map(hq);
    assert_eq!(names, [&hqs[..], &["other.example.net", "second.example.net"].map(other)].concat());
    let aliases: Vec<_> = table.iter().flat_map(|host| host.aliases()).collect();
    assert_eq!(
        aliases,
        [("pbx.example.net", at(2)), ("*.hq.example.net", at(3)), ("second.example.net", at(11))]
    );
}

#[test]
fn a_name_or_alias_is_defined_once_in_the_whole_table() {
    let mut builder = Builder::new();
    let conflict = |name: &str, here, first| Conflict { name: name.into(), here: at(here), first: at(first) };
    builder.add(host(10, "a.net", &["b.net"])).unwrap();
    builder.add(host(20, "c.net", &[])).unwrap();
    let again = builder.add(host(30, "A.net.", &["x.net", "B.NET", "c.net"])).unwrap_err();
    assert_eq!(again, [conflict("a.net", 30, 10), conflict("b.net", 32, 11), conflict("c.net", 33, 20)]);
    assert_eq!(
        builder.add(host(40, "d.net", &["d.net", "e.net", "e.net"])).unwrap_err(),
        [conflict("d.net", 41, 40), conflict("e.net", 43, 42)]
    );
    builder.add(host(50, "x.net", &["d.net", "e.net"])).expect("a refused host leaves no name behind");
    builder.add(host(60, "a.net/loc", &["*.a.net", "*.a.net/loc"])).expect("other names");
    assert_eq!(builder.add(host(70, "*.A.net", &[])).unwrap_err(), [conflict("*.a.net", 70, 61)]);
    let table = builder.build(Vec::new());
    assert_eq!(table.len(), 4);
    assert_eq!(found(&table, "e.net"), Some("x.net"));
    assert_eq!(found(&table, "b.net"), Some("a.net"));
}

#[test]
fn the_default_table_is_empty() {
    let table = Table::default();
    assert!(table.is_empty() && table.host("a").is_none() && table.iter().len() == 0);
    assert_eq!(table.file(Source::default()), std::path::Path::new(""));
}

#[test]
fn what_is_no_name_is_refused_and_said() {
    let long = "x".repeat(64);
    let longer = ["x".repeat(60).as_str(); 5].join(".");
    for (text, bad) in [
        ("", BadName::Empty),
        (".", BadName::Empty),
        ("/loc", BadName::Empty),
        ("a..b", BadName::EmptyLabel),
        (".a", BadName::EmptyLabel),
        ("a.b..", BadName::EmptyLabel),
        ("a b", BadName::Character(' ')),
        ("a:5060", BadName::Address),
        ("[::1]:80", BadName::Address),
        ("[::1", BadName::Address),
        ("[192.0.2.1]", BadName::Address),
        ("fe80::1%eth0", BadName::Address),
        ("300.1.2.3", BadName::Address),
        ("192.168.001.1", BadName::Address),
        ("*", BadName::Wildcard),
        ("*.", BadName::Empty),
        ("*x.net", BadName::Wildcard),
        ("a.*.net", BadName::Wildcard),
        ("*.*.net", BadName::Wildcard),
        ("*.1.2.3.4", BadName::Wildcard),
        ("*.2.3.4", BadName::Wildcard),
        ("*.[::1]", BadName::Wildcard),
        ("*.::1", BadName::Wildcard),
        ("a/", BadName::Location),
        ("a/b/c", BadName::Location),
        ("a/b@c", BadName::Character('@')),
        ("user@a", BadName::Character('@')),
        ("a%2eb", BadName::Character('%')),
        ("\u{ad}", BadName::Empty),
        ("a\u{ff0f}b.net", BadName::Idn),
        ("\u{2024}.net", BadName::Idn),
        // Soft hyphens are dropped, so the name would be short. But it would cost too much to look at them.
        (&format!("a{}b.net", "\u{ad}".repeat(MAX_NAME)), BadName::TooLong),
        (&long, BadName::LongLabel),
        (&longer, BadName::TooLong),
    ] {
        assert_eq!(normalise(text), Err(bad), "{text}");
        assert!(!bad.to_string().is_empty());
    }
    assert_eq!(from_wire("bücher.example".as_bytes(), &mut NameBuf::default()), Err(BadName::Character('Ã')));
}

#[test]
fn a_host_value_splits_into_host_and_port() {
    let split = |raw: &'static str| {
        split_host_port(raw.as_bytes()).map(|(host, port)| (str::from_utf8(host).unwrap(), port))
    };
    assert_eq!(split("hq.example.net"), Ok(("hq.example.net", None)));
    assert_eq!(split("hq.example.net:443"), Ok(("hq.example.net", Some(443))));
    assert_eq!(split("hq.example.net:"), Ok(("hq.example.net", None)));
    assert_eq!(split("a:00080"), Ok(("a", Some(80))));
    assert_eq!(split("[2001:db8::1]:8443"), Ok(("[2001:db8::1]", Some(8443))));
    assert_eq!(split("[::1]"), Ok(("[::1]", None)));
    assert_eq!(split("[::1]:"), Ok(("[::1]", None)));
    for (raw, bad) in [
        ("", BadName::Empty),
        (":80", BadName::Empty),
        ("::1", BadName::Empty),
        ("2001:db8::1", BadName::Brackets),
        ("a:80:90", BadName::Brackets),
        ("a:65536", BadName::Port),
        ("a:99999999999999999999", BadName::Port),
        ("a:-1", BadName::Port),
        ("a:+80", BadName::Port),
        ("a:8o", BadName::Port),
        ("a:80 ", BadName::Port),
        ("[::1", BadName::Address),
        ("[::1]x", BadName::Character('x')),
        ("[::1]x:80", BadName::Character('x')),
        ("u@a", BadName::Character('@')),
        ("a/b", BadName::Character('/')),
        ("a\\b", BadName::Character('\\')),
        ("a?b", BadName::Character('?')),
        ("a#b", BadName::Character('#')),
        ("a b", BadName::Character(' ')),
        ("a\t", BadName::Character('\t')),
        ("a\0", BadName::Character('\0')),
        ("ü", BadName::Character('Ã')),
    ] {
        assert_eq!(split(raw), Err(bad), "{raw:?}");
    }
    assert_eq!(split("u:pw@a"), Err(BadName::Port), "user information never passes for a port");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn wire_and_configuration_agree(text in "[a-zA-Z0-9._:/\\[\\]~@-]{0,40}|([A-Za-z0-9_-]{1,9}[.]){1,4}[a-z]{2,5}[.]?(/[a-zA-Z0-9.-]{1,9})?") {
        let mut buf = NameBuf::default();
        let wire = from_wire(text.as_bytes(), &mut buf);
        let said = normalise(&text);
        prop_assert_eq!(wire.map(Box::from), said);
    }

    #[test]
    fn addresses_have_one_form(address: std::net::Ipv6Addr, upper: bool) {
        let canonical = address.to_canonical().to_string();
        let long = address.segments().map(|s| format!("{s:04x}")).join(":");
        let long = if upper { long.to_uppercase() } else { long };
        for text in [long.clone(), format!("[{long}]"), address.to_string(), format!("[{address}]")] {
            prop_assert_eq!(&*normalise(&text).unwrap(), canonical.as_str());
        }
    }

    #[test]
    fn normal_names_stay_as_they_are(text in "\\PC{0,30}|[a-zäöüß*.。/A-Z]{0,30}") {
        if let Ok(name) = normalise(&text) {
            prop_assert!(name.len() <= MAX_NAME);
            prop_assert!(name.is_ascii() && !name.bytes().any(|b| b.is_ascii_uppercase()));
            prop_assert_eq!(normalise(&name), Ok(name.clone()));
            if !name.starts_with('*') {
                let mut buf = NameBuf::default();
                prop_assert_eq!(from_wire(name.as_bytes(), &mut buf), Ok(&*name));
            }
        }
    }

    #[test]
    fn what_comes_by_wire_is_never_a_wildcard(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut buf = NameBuf::default();
        if let Ok(name) = from_wire(&raw, &mut buf) {
            prop_assert!(!name.contains('*') && !name.starts_with('.') && name.len() <= MAX_NAME);
        }
        if let Ok((host, _)) = split_host_port(&raw) {
            prop_assert!(raw.starts_with(host) && !host.is_empty());
        }
    }
}

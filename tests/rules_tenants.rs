//! Captured paths (contract section 9): which rule matches, which tenant it captures, and where it leads.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed expectation is the point"
)]

mod rules_support;

use std::net::IpAddr;
use std::sync::Arc;

use portward::reason::Reason;
use portward::route::http::{Ask, Connection, Forwarding, Rules, Then, route};
use portward::rules::decide::Scratch;
use portward::rules::path::request_path;
use portward::rules::{Builder, HostDef, HttpRule, Login, Table, Tenants, Treatment};
use portward::service::Transport;
use proptest::prelude::*;
use rules_support::{captured, endpoints, host, rule, tenant, treated};

fn tenants() -> Tenants {
    Tenants::new(vec![
        tenant("XYZ", None, true, Some("192.0.2.10")),
        tenant("below", Some("XYZ"), true, None),
        tenant("other", None, true, Some("192.0.2.11")),
        tenant("off", None, false, Some("192.0.2.12")),
        tenant("under-off", Some("off"), true, None),
        tenant("bare", None, true, None),
    ])
}

fn table(hosts: Vec<HostDef>) -> Table {
    let mut builder = Builder::new();
    builder.set_tenants(tenants().into());
    for host in hosts {
        builder.add(host).expect("no conflict");
    }
    builder.build(vec!["rules.toml".into()])
}

fn hq(http: Vec<HttpRule>) -> HostDef {
    HostDef { http, ..host("hq") }
}

fn strip() -> Treatment {
    Treatment { strip: true, ..Treatment::default() }
}

fn login() -> Treatment {
    Treatment { login: Some(Login::File(std::path::Path::new("users").into())), ..Treatment::default() }
}

/// The decision in words: the reason, or the address, the tenant and the stripped part.
fn asked(table: &Table, path: &str) -> String {
    let client: IpAddr = [203, 0, 113, 9].into();
    let forwarding = Forwarding { peer: client, transport: Transport::Tls, trusted: false };
    let (bare, target) = (path.split('?').next().unwrap_or_default(), path.as_bytes());
    let connection = Connection::GoesOn;
    let ask = Ask {
        forwarding,
        host: b"hq",
        path: bare.as_bytes(),
        target,
        connection,
        client,
        is_secure: true,
        only_reads: true,
    };
    let rules = Rules { table, https_port: 443 };
    match route(&rules, &ask, &mut Scratch::default()).then {
        Then::Refuse(refused) => refused.refusal.reason.to_string(),
        Then::Forward { to, edits } => {
            let address = to.endpoints.first().and_then(|e| match &e.address {
                portward::rules::Address::Ip(ip) => Some(ip.to_string()),
                portward::rules::Address::Name(_) => None,
            });
            let edits = edits.by_rule.map(|edits| {
                let name = edits.tenant_name.as_deref().unwrap_or("-").to_owned();
                format!(" {} ({name}) {}", edits.tenant, &path[edits.stripped..])
            });
            format!("{}{}", address.unwrap_or_default(), edits.unwrap_or_default())
        }
        other => format!("{other:?}"),
    }
}

/// The rules of WebTrit, from the contract's example.
fn webtrit(otherwise: bool) -> Table {
    let otherwise = otherwise.then(|| endpoints("192.0.2.20"));
    let by_id = treated(captured("/tenant/{tenant}"), Treatment { otherwise, ..strip() });
    table(vec![hq(vec![by_id, rule("")])])
}

#[test]
fn item_2_a_path_leads_to_its_tenants_target_and_is_stripped() {
    let table = webtrit(true);
    for (path, outcome) in [
        ("/tenant/XYZ/api/v1/session?a=/b", "192.0.2.10 XYZ (XYZ Ltd) /api/v1/session?a=/b"),
        ("/tenant/XYZ", "192.0.2.10 XYZ (XYZ Ltd) "),
        ("/tenant/XYZ?q", "192.0.2.10 XYZ (XYZ Ltd) ?q"),
        ("/tenant/XYZ/", "192.0.2.10 XYZ (XYZ Ltd) /"),
        ("/tenant/below/x", "192.0.2.10 below (below Ltd) /x"),
        ("/tenant/nobody/x", "192.0.2.20 nobody (-) /x"),
        ("/tenant/off/x", "disabled"),
        ("/tenant/under-off/x", "disabled"),
        ("/tenants/XYZ", "192.0.2.9"),
        ("/tenant", "192.0.2.9"),
        ("/x?/tenant/XYZ", "192.0.2.9"),
    ] {
        assert_eq!(asked(&table, path), outcome, "{path}");
    }
    assert_eq!(asked(&webtrit(false), "/tenant/nobody/x"), "unknown-tenant");
}

/// The table of docs/tenants.md, row by row.
#[test]
fn item_2_each_odd_segment_has_one_outcome_and_never_another_tenant() {
    let (with, without) = (webtrit(true), table(vec![hq(vec![captured("/tenant/{tenant}")])]));
    let id = |length: usize| format!("/tenant/{}/x", "a".repeat(length));
    for (path, outcome, alone) in [
        ("/tenant//x", "unsafe-path", "unsafe-path"),
        ("/tenant/", "192.0.2.9", "no-path"),
        ("/tenant/%58YZ/x", "192.0.2.10 XYZ (XYZ Ltd) /x", "192.0.2.10"),
        ("/tenant/%2558YZ/x", "unsafe-path", "unsafe-path"),
        ("/tenant/./x", "unsafe-path", "unsafe-path"),
        ("/tenant/../x", "unsafe-path", "unsafe-path"),
        ("/tenant/%2e%2e/x", "unsafe-path", "unsafe-path"),
        ("/tenant/.../x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ./x", "192.0.2.20 XYZ. (-) /x", "unknown-tenant"),
        (&id(64), &format!("192.0.2.20 {} (-) /x", "a".repeat(64)), "unknown-tenant"),
        (&id(65), "192.0.2.9", "no-path"),
        ("/tenant/XYZ;a=b/x", "192.0.2.9", "no-path"),
        ("/tenant/XYZ%3Ba/x", "192.0.2.9", "no-path"),
        ("/tenant/;XYZ/x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ%00/x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ%2fx", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ%0d%0aX-A:%20b/x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ%20/x", "192.0.2.9", "no-path"),
        ("/tenant/%EF%BC%B8YZ/x", "192.0.2.9", "no-path"),
        ("/tenant/\u{ff38}YZ/x", "192.0.2.9", "no-path"),
        ("/tenant/xyz/x", "192.0.2.20 xyz (-) /x", "unknown-tenant"),
        ("/tenant/XYZ//x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ/../other/x", "unsafe-path", "unsafe-path"),
        ("/tenant/XYZ\\x", "unsafe-path", "unsafe-path"),
        ("*", "192.0.2.9", "no-path"),
    ] {
        assert_eq!(asked(&with, path), outcome, "{path}");
        assert_eq!(asked(&without, path), alone, "{path}");
    }
}

#[test]
fn item_2_friendly_names_are_decoded_once() {
    let otherwise = Some(endpoints("192.0.2.20"));
    let by_name = treated(captured("/t/{tenant.name}"), Treatment { otherwise, ..strip() });
    let table = table(vec![hq(vec![by_name])]);
    for (path, outcome) in [
        ("/t/XYZ%20Ltd/x", "192.0.2.10 XYZ (XYZ Ltd) /x"),
        ("/t/%58YZ%20Ltd/x", "192.0.2.10 XYZ (XYZ Ltd) /x"),
        ("/t/XYZ%2520Ltd/x", "unsafe-path"),
        ("/t/XYZ+Ltd", "192.0.2.20 XYZ+Ltd (XYZ+Ltd) "),
        ("/t/xyz%20ltd", "192.0.2.20 xyz%20ltd (xyz ltd) "),
        ("/t/XYZ%20Ltd;x", "no-path"),
        ("/t/off%20Ltd", "disabled"),
    ] {
        assert_eq!(asked(&table, path), outcome, "{path}");
    }
}

#[test]
fn item_2_a_host_of_a_tenant_captures_it_and_what_is_below_it() {
    let tenant = Some("XYZ".into());
    let own =
        HostDef { tenant, ..hq(vec![captured("/{tenant}"), treated(rule("/own/"), Treatment::default())]) };
    let table = table(vec![own]);
    for (path, outcome) in [
        ("/XYZ", "192.0.2.10"),
        ("/below", "192.0.2.10"),
        ("/other", "unknown-tenant"),
        ("/off", "unknown-tenant"),
        ("/own/x", "192.0.2.9 XYZ (XYZ Ltd) /own/x"),
    ] {
        assert_eq!(asked(&table, path), outcome, "{path}");
    }
}

#[test]
fn item_2_the_target_is_the_rules_then_the_tenants_then_the_hosts() {
    let own = HttpRule { target: rule("").target, ..captured("/own/{tenant}") };
    let home = HostDef { endpoints: Some(endpoints("192.0.2.30")), ..hq(vec![own, captured("/t/{tenant}")]) };
    let table = table(vec![home]);
    assert_eq!(asked(&table, "/own/XYZ"), "192.0.2.9");
    assert_eq!(asked(&table, "/t/XYZ"), "192.0.2.10");
    assert_eq!(asked(&table, "/t/bare"), "192.0.2.30");
}

#[test]
fn item_3_no_reading_of_a_path_slips_past_a_login() {
    let rules =
        vec![rule("/a"), treated(rule("/a/admin"), login()), rule("/a/admin/open"), rule("/a/long-enough")];
    let table = table(vec![hq(rules)]);
    let host = table.iter().next().unwrap();
    let mut buf = Vec::new();
    let mut found = |path: &str| {
        host.http(&request_path(path.as_bytes(), &mut buf).map_err(|_| Reason::UnsafePath)?)
            .map(|found| found.path)
    };
    for (path, rule) in [
        ("/a/admin", Ok("/a/admin")),
        ("/a/admin/x", Ok("/a/admin")),
        ("/a/admin/open/x", Ok("/a/admin/open")),
        ("/a/admin/opened", Ok("/a/admin")),
        ("/a/administrator", Ok("/a")),
        ("/a/long-enough-x", Ok("/a")),
        ("/a/x;y", Ok("/a")),
        ("/a/M%C3%BCnchen", Ok("/a")),
        ("/a/admin;x", Err(Reason::UnsafePath)),
        ("/a/admin%3Bx/y", Err(Reason::UnsafePath)),
        ("/a/admin%3Fx", Err(Reason::UnsafePath)),
        ("/a/admin.", Err(Reason::UnsafePath)),
        ("/a/admin%20", Err(Reason::UnsafePath)),
        ("/a/admin%EF%BC%8Fx", Err(Reason::UnsafePath)),
        ("/a/%EF%BD%81dmin", Err(Reason::UnsafePath)),
        ("/a/admin/open;x", Ok("/a/admin")),
    ] {
        assert_eq!(found(path), rule, "{path}");
    }
}

/// The definition of contract section 9 in its simplest form, for paths without escapes. A rule has its text, and
/// whether it strips or demands a login.
fn naive<'r>(rules: &'r [(String, bool, bool)], path: &str) -> Option<&'r str> {
    let length = |rule: &str| rule.replace("{tenant}", "x").len();
    let login = rules.iter().filter(|(_, _, login)| *login).map(|(rule, ..)| length(rule)).min();
    let segments = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
    let asked = segments(path);
    let in_whole = rules.iter().any(|(rule, strip, login)| rule.contains('{') || *strip || *login);
    let matches = |(rule, strip, login_here): &&(String, bool, bool)| {
        let is_whole = rule.contains('{')
            || *strip
            || *login_here
            || (in_whole && login.is_some_and(|login| length(rule) > login));
        if rule.contains('{') || (is_whole && !rule.ends_with('/')) {
            let wanted = segments(rule.strip_suffix('/').unwrap_or(rule));
            let rest = asked.get(wanted.len()..);
            return rest.is_some_and(|rest| !rule.ends_with('/') || rest.len() == 1)
                && wanted.iter().zip(&asked).all(|(wanted, asked)| match wanted.as_str() {
                    "{tenant}" => !asked.is_empty(),
                    text => text == asked,
                });
        }
        path.strip_prefix(rule.as_str()).is_some_and(|rest| !rule.ends_with('/') || !rest.contains('/'))
    };
    // The rank of each segment: matched by name, captured, matched in part, none.
    let rank = |rule: &str| {
        let own = segments(rule);
        asked
            .iter()
            .enumerate()
            .map(move |(at, asked)| match own.get(at).map(String::as_str) {
                Some("{tenant}") => (2, 0),
                Some(text) if text == asked && !text.is_empty() => (3, 0),
                Some(text) => (1, text.len()),
                None => (0, 0),
            })
            .collect::<Vec<_>>()
    };
    rules.iter().filter(matches).max_by_key(|(rule, ..)| rank(rule)).map(|(rule, ..)| rule.as_str())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn item_2_the_tree_equals_a_naive_search(
        rules in prop::collection::btree_map(
            "(/[ab]{1,2}){0,2}(/\\{tenant\\})?(/[ab]{1,2}){0,2}/?", (any::<bool>(), prop::bool::weighted(0.2)), 1..9,
        ),
        paths in prop::collection::vec("(/[abc]{1,2}){1,5}/?", 1..30),
    ) {
        let rules: Vec<_> = rules.into_iter().map(|(path, (strip, login))| (path, strip, login)).collect();
        let http = rules.iter().map(|(path, strips, logs_in)| {
            let bare = if path.contains('{') { captured(path) } else { rule(path) };
            treated(bare, Treatment { strip: *strips, ..if *logs_in { login() } else { Treatment::default() } })
        });
        let table = table(vec![hq(http.collect())]);
        let host = table.iter().next().unwrap();
        let mut buf = Vec::new();
        for path in &paths {
            let found = host.http(&request_path(path.as_bytes(), &mut buf).unwrap()).ok().map(|found| found.path);
            prop_assert_eq!(found, naive(&rules, path), "{} {:?}", path, rules);
        }
    }
}

#[test]
fn item_2_ten_thousand_tenants_and_captured_rules_are_all_found() {
    let many = (0..10_000).map(|n| tenant(&format!("t{n}"), None, true, Some("192.0.2.10"))).collect();
    let mut builder = Builder::new();
    builder.set_tenants(Arc::new(Tenants::new(many)));
    builder.add(hq((0..1000).map(|n| captured(&format!("/app{n}/{{tenant}}/x"))).collect())).unwrap();
    let table = builder.build(Vec::new());
    for n in (0..10_000).step_by(97) {
        let text = format!("/app{}/t{n}/x/y", n % 1000);
        let mut buf = Vec::new();
        let found =
            table.iter().next().unwrap().http(&request_path(text.as_bytes(), &mut buf).unwrap()).unwrap();
        assert_eq!(found.captured.unwrap().tenant.unwrap().id(), format!("t{n}"));
        assert_eq!(found.segments, 3);
    }
}

/// Paths that section 2 refuses stay refused where rules capture, strip or demand a login. A stripped path never begins
/// with two slashes.
#[test]
fn item_2_unsafe_paths_stay_unsafe_beside_captured_rules() {
    let strips = treated(captured("/tenant/{tenant}"), strip());
    let table = table(vec![hq(vec![strips, treated(rule("/app"), strip()), rule("")])]);
    for head in ["/tenant/XYZ", "/app", "/x"] {
        for tail in [
            "/../x",
            "/%2e%2e/x",
            "/.%2e",
            "/..;/x",
            "/..;a=b/x",
            "//x",
            "/%2fx",
            "/%2Fx",
            "/\\x",
            "/%5cx",
            "/%00",
            "/%0a",
            "/%252e%252e",
            "/%u002e",
            "/;/x",
            "/\u{2025}/x",
            "/%c0%ae",
            "/...",
            "/%2e",
            "/.",
            "/..",
        ] {
            assert_eq!(asked(&table, &format!("{head}{tail}")), "unsafe-path", "{head}{tail}");
        }
    }
    for (path, outcome) in [
        ("/app", "192.0.2.9  (-) "),
        ("/app/", "192.0.2.9  (-) /"),
        ("/app?//x", "192.0.2.9  (-) ?//x"),
        ("/app/x/?a", "192.0.2.9  (-) /x/?a"),
        ("/apps", "192.0.2.9"),
        ("/app;x/y", "192.0.2.9"),
    ] {
        assert_eq!(asked(&table, path), outcome, "{path}");
    }
}

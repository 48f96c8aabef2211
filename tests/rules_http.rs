//! HTTP paths in the rules (contract section 2), from the definition to the decision.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

mod rules_support;

use std::sync::Arc;

use portward::reason::Reason;
use portward::rules::decide::{self, Cause, HttpAction, Scratch};
use portward::rules::path::{Unsafe, request_path};
use portward::rules::{Builder, Host, HttpMatch, PathPattern, Ports, Table};
use portward::service::{Service, Transport};
use proptest::prelude::*;
use rules_support::{at, default_rule, endpoints, host, port, preset, rule};

/// A table of one host, `hq`, with these paths.
fn hq(paths: &[&str]) -> Table {
    let mut hq = host("hq");
    hq.http = paths.iter().map(|path| rule(path)).collect();
    table(hq)
}

fn table(host: portward::rules::HostDef) -> Table {
    let mut builder = Builder::new();
    builder.add(host).expect("no conflict");
    builder.build(vec!["rules.toml".into()])
}

fn only(table: &Table) -> Host<'_> {
    table.iter().next().expect("one host")
}

/// The path of the rule that matches, `default` for a default.
fn matched<'t>(table: &'t Table, path: &str) -> Result<&'t str, Reason> {
    let mut buf = Vec::new();
    let path = request_path(path.as_bytes(), &mut buf).map_err(|_| Reason::UnsafePath)?;
    only(table).http(&path).map(|found| if found.default { "default" } else { found.path })
}

#[test]
fn a_rule_is_the_initial_part_of_the_path() {
    for rule in ["/somepath", "/some", "/", ""] {
        assert_eq!(matched(&hq(&[rule]), "/somepath"), Ok(rule));
    }
    let apps = hq(&["/PBX0/APPS"]);
    assert_eq!(matched(&apps, "/PBX0/APPS"), Ok("/PBX0/APPS"));
    assert_eq!(matched(&apps, "/PBX0/APPS/x/y"), Ok("/PBX0/APPS"));
    assert_eq!(matched(&apps, "/PBX0/APPSx"), Ok("/PBX0/APPS"));
    for path in ["/PBX0/APP", "/PBX0/ADMIN", "/", "", "*", "/x/PBX0/APPS"] {
        assert_eq!(matched(&apps, path), Err(Reason::NoPath), "{path}");
    }
}

#[test]
fn case_counts() {
    assert_eq!(matched(&hq(&["/PBX0"]), "/pbx0/x"), Err(Reason::NoPath));
}

#[test]
fn after_a_rule_that_ends_with_a_slash_no_slash_may_follow() {
    let table = hq(&["/a/"]);
    assert_eq!(matched(&table, "/a/"), Ok("/a/"));
    assert_eq!(matched(&table, "/a/x"), Ok("/a/"));
    assert_eq!(matched(&table, "/a/x.htm;v=1"), Ok("/a/"));
    for path in ["/a/x/", "/a/x/y", "/a", "/ab"] {
        assert_eq!(matched(&table, path), Err(Reason::NoPath), "{path}");
    }
    let root = hq(&["/"]);
    assert_eq!(matched(&root, "/"), Ok("/"));
    assert_eq!(matched(&root, "/x"), Ok("/"));
    assert_eq!(matched(&root, "/x/"), Err(Reason::NoPath));
}

#[test]
fn an_empty_rule_matches_every_path() {
    let table = hq(&[""]);
    for path in ["", "/", "*", "/x", "/x/y/", "/a%2Fb", "/%C3%BC"] {
        assert_eq!(matched(&table, path), Ok(""), "{path}");
    }
    assert_eq!(matched(&hq(&["/"]), "*"), Err(Reason::NoPath));
}

#[test]
fn a_default_matches_the_empty_path_only() {
    let mut def = host("hq");
    def.http = vec![default_rule()];
    let table = table(def);
    assert_eq!(matched(&table, "/"), Ok("default"));
    assert_eq!(matched(&table, ""), Ok("default"));
    for path in ["/x", "*", "/;x", "/."] {
        assert!(matched(&table, path).is_err(), "{path}");
    }
}

#[test]
fn the_longest_wins_and_for_the_empty_path_default_slash_empty() {
    let longest = hq(&["", "/", "/a", "/a/", "/a/b", "/a/bc/", "/a/b/c/"]);
    for (path, rule) in [
        ("/", "/"),
        ("/x", "/"),
        ("/x/y", ""),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a/x", "/a/"),
        ("/a/x/y", "/a"),
        ("/a/bc", "/a/b"),
        ("/a/bc/", "/a/bc/"),
        ("/a/bc/d/e", "/a/b"),
        ("/a/b/c/d", "/a/b/c/"),
        ("/a/b/c/d/e", "/a/b"),
        ("/ab", "/a"),
        ("*", ""),
    ] {
        assert_eq!(matched(&longest, path), Ok(rule), "{path}");
    }
    let mut def = host("hq");
    for (rules, wins) in [
        (vec![rule(""), rule("/"), default_rule()], "default"),
        (vec![rule(""), rule("/")], "/"),
        (vec![rule("")], ""),
        (vec![default_rule(), rule("")], "default"),
    ] {
        def.http = rules;
        assert_eq!(matched(&table(def.clone()), "/"), Ok(wins));
    }
}

#[test]
fn paths_compare_as_the_target_understands_them() {
    let table = hq(&["/%7euser/M\u{fc}nchen", "/a!b", "/q%2Cr"]);
    for path in ["/~user/M%c3%bcnchen", "/%7Euser/%4d\u{fc}nchen", "/%7e%75ser/M%C3%BCnchen/x"] {
        assert_eq!(matched(&table, path), Ok("/~user/M%C3%BCnchen"), "{path}");
    }
    assert_eq!(matched(&table, "/q%2cr"), Ok("/q%2Cr"));
    assert_eq!(matched(&table, "/a%21b"), Err(Reason::NoPath), "reserved characters are not equivalent");
}

#[test]
fn a_path_of_the_hosts_own_wins_over_the_same_of_a_preset() {
    let mut def = host("hq");
    def.endpoints = Some(endpoints("192.0.2.1"));
    def.presets = vec![preset("one", &["/a", "/b", "/c/d"]), preset("two", &["/b", "/e", "/c/d/e"])];
    def.http = vec![rule("/%62"), rule("/c"), rule("/e/f")];
    let table = table(def);
    let from = |path: &str| {
        let mut buf = Vec::new();
        let found = only(&table).http(&request_path(path.as_bytes(), &mut buf).unwrap()).unwrap();
        (found.path, found.preset, found.endpoints[0].address.clone())
    };
    let own = endpoints("192.0.2.9")[0].address.clone();
    let hosts = endpoints("192.0.2.1")[0].address.clone();
    assert_eq!(from("/a/x"), ("/a", Some("one"), hosts.clone()));
    assert_eq!(from("/b/x"), ("/b", None, own.clone()));
    assert_eq!(from("/c/x"), ("/c", None, own.clone()));
    assert_eq!(from("/c/d"), ("/c/d", Some("one"), hosts.clone()), "the longest, wherever it is from");
    assert_eq!(from("/c/d/e"), ("/c/d/e", Some("two"), hosts.clone()));
    assert_eq!(from("/e"), ("/e", Some("two"), hosts));
    assert_eq!(from("/e/f"), ("/e/f", None, own));
    let in_force: Vec<_> = only(&table).http_rules().map(|rule| (rule.path, rule.preset)).collect();
    let (one, two) = (Some("one"), Some("two"));
    let presets = [("/a", one), ("/c/d", one), ("/c/d/e", two), ("/e", two)];
    assert_eq!(in_force, [&[("/b", None), ("/c", None), ("/e/f", None)][..], &presets].concat());
}

#[test]
fn of_two_presets_the_first_that_has_a_path_wins_it() {
    let (one, two) = (preset("one", &["/a"]), preset("two", &["/a", "/b"]));
    for (presets, winner) in [([&one, &two], "one"), ([&two, &one], "two")] {
        let mut def = host("hq");
        def.endpoints = Some(endpoints("192.0.2.1"));
        def.presets = presets.map(Arc::clone).to_vec();
        let table = table(def);
        let found = only(&table).http_rules().map(|rule| (rule.path, rule.preset)).collect::<Vec<_>>();
        assert_eq!(found, [("/a", Some(winner)), ("/b", Some("two"))]);
    }
}

#[test]
fn presets_need_the_hosts_target_and_each_host_has_its_own() {
    let shared = preset("one", &["/a"]);
    let mut builder = Builder::new();
    for (name, target) in
        [("x", Some("192.0.2.1")), ("y", Some("192.0.2.2")), ("z", None), ("w", Some("192.0.2.1"))]
    {
        let mut def = host(name);
        def.endpoints = target.map(endpoints);
        def.presets = vec![Arc::clone(&shared)];
        builder.add(def).unwrap();
    }
    let table = builder.build(Vec::new());
    let mut buf = Vec::new();
    let path = request_path(b"/a", &mut buf).unwrap();
    let target = |name| table.host(name).unwrap().http(&path).map(|found| Arc::clone(found.endpoints));
    assert_eq!(target("x").unwrap(), endpoints("192.0.2.1"));
    assert_eq!(target("y").unwrap(), endpoints("192.0.2.2"));
    assert_eq!(target("z"), Err(Reason::NoService));
    assert!(Arc::ptr_eq(&target("w").unwrap(), &target("x").unwrap()), "equal lists are one");
    assert_eq!(table.endpoints().len(), 2);
}

#[test]
fn encoded_slashes_pass_only_where_the_empty_path_is_the_only_rule() {
    assert_eq!(matched(&hq(&[""]), "/a%2fb"), Ok(""));
    assert_eq!(matched(&hq(&["/a"]), "/a%2fb"), Err(Reason::UnsafePath));
    assert_eq!(matched(&hq(&["", "/x"]), "/a%2fb"), Err(Reason::UnsafePath));
    let mut def = host("hq");
    def.http = vec![rule(""), default_rule()];
    assert_eq!(matched(&table(def.clone()), "/a%2fb"), Err(Reason::UnsafePath));
    def.endpoints = Some(endpoints("192.0.2.1"));
    for (own, presets, expected) in [
        (vec![rule("")], vec![preset("p", &["/x"])], Err(Reason::UnsafePath)),
        (vec![rule("")], vec![preset("p", &[""])], Ok("")),
        (vec![rule("/x")], vec![preset("p", &[""])], Err(Reason::UnsafePath)),
        (vec![], vec![preset("p", &[""])], Ok("")),
        (vec![], vec![preset("p", &["", "/x"])], Err(Reason::UnsafePath)),
    ] {
        (def.http, def.presets) = (own, presets);
        assert_eq!(matched(&table(def.clone()), "/a%2fb"), expected);
    }
}

#[test]
fn what_a_host_does_not_define_is_not_forwarded() {
    let nothing = table(host("hq"));
    assert_eq!(matched(&nothing, "/"), Err(Reason::NoService));
    let hq = only(&nothing);
    assert!(Service::ALL.into_iter().all(|service| !hq.serves(service)));
    let mut def = host("hq");
    def.http = vec![rule("/a/../b"), rule("b"), rule("/x;y"), rule("/x%2fy")];
    def.http.push(portward::rules::HttpRule {
        target: portward::rules::Target { ports: Ports { tcp: None, tls: None }, ..rule("").target },
        ..rule("")
    });
    assert_eq!(matched(&table(def), "/"), Err(Reason::NoService), "what cannot be matched safely is no rule");
}

fn decided(
    table: &Table,
    came_by: Transport,
    host: &str,
    path: &str,
) -> Result<(String, HttpAction), (Reason, bool)> {
    let decision = decide::http(table, came_by, host.as_bytes(), path.as_bytes(), &mut Scratch::default());
    decision
        .map(|d| (d.rule.path.to_owned(), d.action))
        .map_err(|refusal| (refusal.reason, refusal.host.is_some()))
}

#[test]
fn the_decision_is_host_service_path_and_port() {
    let (tcp, tls) = (port(8080), port(8443));
    let mut builder = Builder::new();
    let mut hq = host("hq.example.net");
    let mut plain_only = rule("/plain");
    plain_only.target.ports = Ports { tcp, tls: None };
    let mut tls_only = rule("/tls");
    tls_only.target.ports = Ports { tcp: None, tls };
    let mut redirect = default_rule();
    redirect.redirect_https = true;
    hq.http = vec![plain_only, tls_only, rule("/both"), redirect];
    builder.add(hq).unwrap();
    let mut off = host("off.example.net");
    off.enabled = false;
    off.http = vec![rule("")];
    builder.add(off).unwrap();
    builder.add(host("none.example.net")).unwrap();
    let table = builder.build(Vec::new());

    use Transport::{Plain, Tls};
    let forward = |path: &str, transport, port| {
        Ok((
            path.to_owned(),
            HttpAction::Forward { transport, port: std::num::NonZeroU16::new(port).unwrap() },
        ))
    };
    let hq = |came_by, path| decided(&table, came_by, "HQ.example.net.:443", path);
    assert_eq!(hq(Tls, "/plain"), forward("/plain", Plain, 8080));
    assert_eq!(hq(Plain, "/plain"), forward("/plain", Plain, 8080));
    assert_eq!(hq(Plain, "/tls"), forward("/tls", Tls, 8443));
    assert_eq!(hq(Plain, "/both"), forward("/both", Plain, 80));
    assert_eq!(hq(Tls, "/both"), forward("/both", Tls, 443));
    assert_eq!(hq(Plain, ""), Ok(("/".to_owned(), HttpAction::RedirectHttps)));
    assert_eq!(hq(Tls, "/"), forward("/", Tls, 443));
    assert_eq!(hq(Tls, "/x"), Err((Reason::NoPath, true)));
    assert_eq!(hq(Tls, "/both/.."), Err((Reason::UnsafePath, true)));
    assert_eq!(hq(Tls, "/both%2f"), Err((Reason::UnsafePath, true)));
    for (host, reason, known) in [
        ("", Reason::NoName, false),
        (":443", Reason::NoName, false),
        ("a b", Reason::Malformed, false),
        ("user@hq.example.net", Reason::Malformed, false),
        ("hq.example.net/loc", Reason::Malformed, false),
        ("*.example.net", Reason::Malformed, false),
        ("192.0.2.1", Reason::UnknownHost, false),
        ("off.example.net", Reason::Disabled, true),
        ("none.example.net", Reason::NoService, true),
    ] {
        assert_eq!(decided(&table, Tls, host, "/both/.."), Err((reason, known)), "{host}");
    }
    let mut scratch = Scratch::default();
    let refusal = decide::http(&table, Tls, b"hq.example.net", b"/%2f", &mut scratch).unwrap_err();
    assert_eq!(refusal.cause, Some(Cause::Path(Unsafe::EncodedSlash)));
}

#[test]
fn ten_thousand_paths_on_one_host() {
    let paths: Vec<_> =
        (0..10_000).map(|n| format!("/tenant/{n}/app{}", if n % 3 == 0 { "/" } else { "" })).collect();
    let table = hq(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, path) in paths.iter().enumerate() {
        assert_eq!(matched(&table, &format!("{path}x")), Ok(path.as_str()));
        let deeper = if n % 3 == 0 { Err(Reason::NoPath) } else { Ok(path.as_str()) };
        assert_eq!(matched(&table, &format!("{path}/y/z").replace("//", "/")), deeper);
    }
    assert_eq!(matched(&table, "/tenant/10000/app"), Err(Reason::NoPath));
}

#[test]
fn ten_thousand_paths_that_are_heads_of_each_other() {
    let longest = format!("/{}", "a".repeat(10_000));
    let paths: Vec<_> = (1..=10_000).map(|len| &longest[..len]).collect();
    let table = hq(&paths);
    assert_eq!(matched(&table, "/aaab"), Ok("/aaa"));
    assert_eq!(matched(&table, "/b"), Ok("/"));
    assert_eq!(matched(&table, "/b/"), Err(Reason::NoPath));
}

/// The definition of contract section 2, in its simplest form.
fn naive<'r>(rules: &'r [PathPattern], path: &str) -> Option<&'r str> {
    let heads = rules.iter().filter_map(|rule| match rule {
        PathPattern::Head(head) => Some(&**head),
        PathPattern::Default | PathPattern::Captured(_) => None,
    });
    if path == "/" && rules.contains(&PathPattern::Default) {
        return Some("default");
    }
    heads
        .filter(|head| {
            path.strip_prefix(head).is_some_and(|rest| !head.ends_with('/') || !rest.contains('/'))
        })
        .max_by_key(|head| head.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_index_equals_a_naive_search(
        own in prop::collection::btree_set("(/[ab]{1,2}){0,3}/?", 0..9),
        inherited in prop::collection::btree_set("(/[ab]{1,2}){0,3}/?", 0..9),
        default: bool,
        paths in prop::collection::vec("(/[abc]{1,2}){0,4}/?|[*]", 1..30),
    ) {
        let mut def = host("hq");
        def.endpoints = Some(endpoints("192.0.2.1"));
        def.http = own.iter().map(|path| rule(path)).collect();
        if default {
            def.http.push(default_rule());
        }
        let mut rules: Vec<_> = def.http.iter().map(|rule| rule.path.clone()).collect();
        rules.extend(inherited.iter().map(|path| PathPattern::Head(path.as_str().into())));
        def.presets = vec![preset("p", &inherited.iter().map(String::as_str).collect::<Vec<_>>())];
        let nothing = rules.is_empty();
        let table = table(def);
        for path in paths {
            let path = if path.is_empty() { "/".to_owned() } else { path };
            let expected = naive(&rules, &path).ok_or(if nothing { Reason::NoService } else { Reason::NoPath });
            prop_assert_eq!(matched(&table, &path), expected);
        }
    }
}

#[test]
fn sources_and_files_stay_with_the_rules() {
    let mut def = host("hq");
    def.endpoints = Some(endpoints("192.0.2.1"));
    def.presets = vec![preset("p", &["/p"])];
    def.http = vec![rule("/x"), default_rule(), rule("/a")];
    for (rule, line) in def.http.iter_mut().zip(7..) {
        rule.source = at(line);
    }
    let of_preset = def.presets[0].paths[0].source;
    let table = table(def);
    let rules: Vec<_> = only(&table).http_rules().collect();
    assert_eq!(rules.iter().map(|rule| rule.path).collect::<Vec<_>>(), ["/", "/a", "/x", "/p"]);
    let sources: Vec<_> = rules.iter().map(HttpMatch::source).collect();
    assert_eq!(sources, [at(8), at(9), at(7), of_preset]);
    assert_eq!(table.file(sources[0]).to_str(), Some("rules.toml"));
    assert_eq!(only(&table).source(), at(1));
}

//! `/v1/tenants`: what it shows, accepts and refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::House;
use crate::harness::within;

/// A line as `htpasswd -B` writes it.
const LINE: &str = "key:$2y$05$Gz6MGzmb8vVZY6oTzGwBqeqR9RSmlfDvkoUlXyoRkT9FI0IOqIxWi";

#[test]
fn item_5_a_tenant_is_made_changed_and_removed() {
    within(120, || {
        let house = House::start(|setup| setup);
        let body = json!({ "name": "One Ltd", "target": "127.0.0.1" });
        let (status, tag, made) = house.tagged("PUT", "tenants/one", Some(&body), "If-None-Match: *");
        assert_eq!((status, &made["changed"], &made["alive"]), (201, &true.into(), &true.into()), "{made}");
        assert_eq!((&made["made_by"], &made["target"]), (&"api".into(), &json!(["127.0.0.1"])));
        house.portward.line(&["an administrator (user ", " makes the tenant one"]);
        house.host("one.example", "one");
        assert_eq!((house.status("one.example"), house.registered("one.example").0), (200, 200));
        let shown = house.tenant("one");
        assert_eq!(shown["hosts"], json!({ "count": 1, "names": ["one.example"] }));

        // A tenant as it is shown can be put back. The same definition again changes nothing.
        let (status, same) = house.put("one", &shown["definition"]);
        assert_eq!((status, &same["changed"]), (200, &false.into()));
        let other = json!({ "name": "Other Ltd", "target": "127.0.0.1" });
        for field in ["If-Match: \"other\"", "If-None-Match: *"] {
            assert_eq!(house.tagged("PUT", "tenants/one", Some(&other), field).0, 412, "{field}");
        }
        let (status, new_tag, _) =
            house.tagged("PUT", "tenants/one", Some(&other), &format!("If-Match: {tag}"));
        assert!(status == 200 && new_tag != tag);
        assert_eq!(house.tenant("one")["name"], "Other Ltd");

        // It survives a reload and a restart, and the commands that read files know it.
        assert_eq!(house.ask("POST", "reload", None).0, 200);
        assert_eq!(
            (house.status("one.example"), house.tenant("one")["name"].as_str()),
            (200, Some("Other Ltd"))
        );
        let house = house.restart();
        assert_eq!(
            (house.status("one.example"), house.tenant("one")["name"].as_str()),
            (200, Some("Other Ltd"))
        );
        let file = house.portward.dir().join("state/tenants.toml");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        // The answer names the tenants and hosts that need it.
        assert_eq!(house.put("two", &json!({ "parent": "one" })).0, 201);
        let (status, needed) = house.ask("DELETE", "tenants/one", None);
        assert_eq!(status, 409, "{needed}");
        assert_eq!(needed["needed_by"]["tenants"], json!({ "count": 1, "names": ["two"] }));
        assert_eq!(needed["needed_by"]["hosts"], json!({ "count": 1, "names": ["one.example"] }));
        assert_eq!(house.ask("DELETE", "tenants/two", None), (200, json!({ "removed": 1 })));
        assert_eq!(house.ask("DELETE", "hosts/one.example", None).0, 200);
        assert_eq!(house.ask("DELETE", "tenants/one", None).0, 200);
        assert_eq!(house.ask("DELETE", "tenants/one", None).0, 404);
        assert!(!fs::read_to_string(&file).unwrap().contains("[tenant"));
    });
}

#[test]
fn item_5_a_tenant_of_the_rules_is_enabled_and_disabled_and_otherwise_left_alone() {
    within(120, || {
        let house = House::start(|setup| setup);
        for (method, body) in [("PUT", Some(json!({}))), ("DELETE", None)] {
            let (status, said) = house.ask(method, "tenants/rules", body.as_ref());
            assert_eq!((status, &said["line"]), (409, &1.into()), "{said}");
        }
        assert_eq!(house.status("rules.example"), 200);
        let said = house.switch("rules", "disable");
        assert_eq!((&said["enabled"], &said["enabled_by_rules"]), (&false.into(), &true.into()));
        assert_eq!(house.switch("rules", "disable")["changed"], false);
        assert_eq!(house.status("rules.example"), 403);
        assert_eq!(
            (&house.tenant("below")["enabled"], &house.tenant("below")["alive"]),
            (&true.into(), &false.into())
        );
        // A tenant of the API may stand below one of the rules.
        assert_eq!(house.put("api", &json!({ "parent": "below", "target": "127.0.0.1" })).1["alive"], false);
        assert_eq!(house.ask("POST", "reload", None).0, 200);
        assert_eq!(house.status("rules.example"), 403);
        let house = house.restart();
        assert_eq!(house.status("rules.example"), 403);
        house.switch("rules", "enable");
        assert_eq!((house.status("rules.example"), &house.tenant("api")["alive"]), (200, &true.into()));
        let overrides = fs::read_to_string(house.portward.dir().join("state/overrides.toml")).unwrap();
        assert!(!overrides.contains("[[tenant]]"), "what the rules say is not repeated: {overrides}");
        assert_eq!(house.ask("POST", "tenants/nobody/disable", None).0, 404);
    });
}

#[test]
fn item_5_what_is_wrong_is_told_and_nothing_changes() {
    within(120, || {
        let house = House::start(|setup| setup);
        assert_eq!(
            house.put("a", &json!({ "name": "A", "target": "127.0.0.1", "realms": ["a.example"] })).0,
            201
        );
        assert_eq!(house.put("b", &json!({ "parent": "a" })).0, 201);
        house.host("taken.example", "a");
        let file = house.portward.dir().join("state/tenants.toml");
        let before = fs::read_to_string(&file).unwrap();
        for (id, body, part) in [
            ("c", json!({ "parent": "nobody" }), "there is no tenant nobody"),
            ("a", json!({ "parent": "b", "target": "127.0.0.1" }), "it would stand above itself"),
            (
                "b",
                json!({ "parent": ["x", "a"] }),
                "`parent` is not the line from the root to a, which is a: say that, or \"a\" alone",
            ),
            ("A", json!({}), "in case only"),
            ("c", json!({ "name": "A" }), "its name is that of the tenant a"),
            ("c", json!({ "name": "Of the rules" }), "its name is that of the tenant rules"),
            (
                "c",
                json!({ "realms": ["a.example"], "target": "127.0.0.1" }),
                "the realm a.example is a name of",
            ),
            (
                "c",
                json!({ "realms": ["rules.example"], "target": "127.0.0.1" }),
                "the realm rules.example is a name of",
            ),
            (
                "c",
                json!({ "realms": ["taken.example"], "target": "127.0.0.1" }),
                "the name taken.example is defined twice",
            ),
            ("c", json!({ "realms": ["c.example"] }), "there is no target for the realm c.example"),
            ("c", json!({ "target": "a b" }), "neither an IP address nor a DNS name"),
            ("c", json!({ "targt": "192.0.2.1" }), "`targt` is unknown"),
            ("c", json!({ "enabled": 1 }), "true or false"),
            ("c", json!([]), "not a JSON object"),
        ] {
            let (status, said) = house.put(id, &body);
            assert_eq!(status, 422, "{body}: {said}");
            assert!(said["error"].as_str().unwrap().contains(part), "{body}: {said}");
        }
        // The target of a tenant cannot be removed if others use it.
        assert_eq!(house.put("d", &json!({ "parent": "a", "realms": ["d.example"] })).0, 201);
        assert_eq!(house.put("a", &json!({ "name": "A" })).0, 422);
        assert_eq!(house.ask("DELETE", "tenants/d", None).0, 200);
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!(house.status("taken.example"), 200);
        for id in ["x%2fy", "%00", "a%20b"] {
            assert_eq!(house.put(id, &json!({})).0, 400, "{id}");
        }
        // A realm is not a host of the API.
        let (status, said) = house.ask("DELETE", "hosts/a.example", None);
        assert!(
            status == 409 && said["error"].as_str().unwrap().contains("a realm of the tenant a"),
            "{said}"
        );
    });
}

/// A path that names a tenant also finds those of the API, and follows their changes.
#[test]
fn item_5_paths_that_name_a_tenant_lead_to_tenants_of_the_api() {
    within(90, || {
        let house = House::start(|setup| setup);
        let body = json!({ "http": [{ "path": "/t/{tenant}", "tcp": house.web.port() }] });
        let (status, said) = house.ask("PUT", "hosts/paths.example", Some(&body));
        assert_eq!(status, 201, "{said}");
        let status = |path: &str| house.portward.plain().get("paths.example", path).status();
        assert_eq!(status("/t/one/x"), 404);
        // An import may make tenants without a target.
        assert_eq!(house.put("empty", &json!({})).0, 201);
        assert_eq!(status("/t/empty/x"), 502);
        assert_eq!(house.put("one", &json!({ "parent": "empty", "target": "127.0.0.1" })).0, 201);
        assert_eq!(status("/t/one/x"), 200);
        house.switch("empty", "disable");
        assert_eq!(status("/t/one/x"), 403);
        house.switch("empty", "enable");
        assert_eq!(status("/t/one/x"), 200);
        assert_eq!(house.ask("DELETE", "tenants/one", None).0, 200);
        assert_eq!(status("/t/one/x"), 404);
    });
}

/// A tenant's target cannot lead a path to Portward itself.
#[test]
fn item_5_a_target_that_leads_back_is_refused() {
    within(90, || {
        let house = House::start(|setup| setup);
        let http = house.portward.http;
        let body = json!({ "target": "192.0.2.1", "http": [{ "path": "/t/{tenant}", "tcp": http }] });
        assert_eq!(
            house.ask("PUT", "hosts/paths.example", Some(&body)).0,
            422,
            "the tenant of the rules is here"
        );
        let free = json!({ "target": "192.0.2.1", "tenant": "far", "http": [{ "path": "/t/{tenant}", "tcp": http }] });
        assert_eq!(house.put("far", &json!({ "target": "192.0.2.1" })).0, 201);
        let (status, said) = house.ask("PUT", "hosts/paths.example", Some(&free));
        assert_eq!(status, 201, "{said}");
        let (status, said) = house.put("near", &json!({ "parent": "far", "target": "127.0.0.1" }));
        assert!(
            status == 422 && said["error"].as_str().unwrap().contains("leads back to Portward itself"),
            "{said}"
        );
    });
}

#[test]
fn item_5_several_tenants_are_changed_together_or_not_at_all() {
    within(90, || {
        let house = House::start(|setup| setup);
        let post = |tenants: Value| house.ask("POST", "tenants", Some(&json!({ "tenants": tenants })));
        let (status, said) = post(json!({ "b": { "parent": "a" }, "a": { "target": "127.0.0.1" } }));
        assert_eq!((status, said["new"].as_array().unwrap().len()), (200, 2), "{said}");
        // A tenant may be removed if the same request removes those that need it.
        let (status, said) = post(json!({ "a": null, "c": { "parent": "b" } }));
        assert_eq!(status, 409, "{said}");
        assert_eq!(house.ask("GET", "tenants/c", None).0, 404);
        assert_eq!(post(json!({ "c": {}, "d": { "parent": "nobody" } })).0, 422);
        assert_eq!(house.ask("GET", "tenants/c", None).0, 404);
        let (status, said) = post(json!({ "a": null, "b": null }));
        assert_eq!((status, said["changed"].as_array().unwrap().len()), (200, 2), "{said}");
        assert_eq!(post(json!({ "a b": {} })).0, 422);
    });
}

/// Each tenant is checked once, however many are above it.
#[test]
fn item_5_a_line_of_thousands_is_judged_at_once_and_a_circle_of_it_is_told_in_short() {
    within(90, || {
        let house = House::start(|setup| setup);
        for first in [0, 2000] {
            let tenants: serde_json::Map<_, _> = (first..first + 2000)
                .map(|at: u32| {
                    let above = at.checked_sub(1).map_or("rules".to_owned(), |above| format!("t{above}"));
                    (format!("t{at}"), json!({ "parent": above }))
                })
                .collect();
            let (status, said) = house.ask("POST", "tenants", Some(&json!({ "tenants": tenants })));
            assert_eq!((status, said["new"].as_array().unwrap().len()), (200, 2000));
        }
        let (status, said) = house.put("t0", &json!({ "parent": "t3999" }));
        let first = said["diagnostics"][0]["message"].as_str().unwrap();
        let way =
            "t0 -> t3999 -> t3998 -> t3997 -> t3996 -> t3995 -> t3994 -> t3993 -> t3992 -> \u{2026} -> t0";
        assert_eq!((status, first), (422, &*format!("the tenant t0: it would stand above itself: {way}")));
        let (status, said) = house.put("t9", &json!({ "parent": ["rules", "t8"] }));
        let first = said["diagnostics"][0]["message"].as_str().unwrap();
        let line = "the line from the root to t8, which is \u{2026}, t1, t2, t3, t4, t5, t6, t7, t8: say that, or \"t8\" alone";
        assert_eq!((status, first), (422, &*format!("the tenant t9: `parent` is not {line}")));
        assert_eq!(house.tenant("t3999")["alive"], true);
    });
}

#[test]
fn item_5_the_list_has_filters_and_pages() {
    within(90, || {
        let house = House::start(|setup| setup);
        for (id, parent) in [("a", "rules"), ("b", "a"), ("c", "b")] {
            assert_eq!(house.put(id, &json!({ "parent": parent, "name": format!("Company {id}") })).0, 201);
        }
        house.switch("b", "disable");
        let ids = |query: &str| {
            let (status, said) = house.ask("GET", &format!("tenants{query}"), None);
            assert_eq!(status, 200, "{said}");
            let list = said["tenants"].as_array().unwrap();
            list.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        for (query, found) in [
            ("", "rules below a b c"),
            ("?search=COMPANY", "a b c"),
            ("?parent=rules", "below a"),
            ("?above=a", "b c"),
            ("?enabled=false", "b"),
            ("?alive=false", "b c"),
            ("?made_by=rules", "rules below"),
            ("?limit=2", "rules below"),
            ("?limit=2&after=below", "a b"),
        ] {
            assert_eq!(ids(query), found, "{query}");
        }
        assert_eq!(house.ask("GET", "tenants?limit=1", None).1["next"], "rules");
        for wrong in ["?parent=x", "?alive=maybe", "?after=x", "?x=1"] {
            assert_eq!(house.ask("GET", &format!("tenants{wrong}"), None).0, 400, "{wrong}");
        }
    });
}

/// An administrator must not be able to read files or reach this machine by that right.
#[test]
fn item_5_a_tenant_of_the_api_names_no_file_and_no_target_here() {
    within(90, || {
        let house = House::start(|setup| setup.set("admin.hosts", "\"safe\""));
        for body in [
            json!({ "target": "127.0.0.1" }),
            json!({ "target": ["192.0.2.1", "localhost"] }),
            json!({ "login": "/etc/shadow" }),
            json!({ "login": "tenant" }),
            json!({ "secrets": ["file:/etc/shadow"] }),
        ] {
            let (status, said) = house.put("x", &body);
            assert_eq!(status, 403, "{body}: {said}");
        }
        assert_eq!(house.put("x", &json!({ "target": "192.0.2.1" })).0, 201);
    });
}

#[test]
fn item_5_hashes_and_secrets_are_never_shown_and_stay() {
    within(90, || {
        let house = House::start(|setup| setup);
        let secret = "a secret of at least some length";
        let body = json!({ "name": "A", "login": [LINE], "secrets": [secret] });
        let (status, made) = house.put("a", &body);
        assert_eq!(status, 201, "{made}");
        assert_eq!((&made["login"]["users"], &made["secrets"]), (&json!(["key"]), &1.into()));
        let (_, changed) = house.put("a", &json!({ "name": "B" }));
        assert_eq!(
            (&changed["name"], &changed["login"]["count"], &changed["secrets"]),
            (&"B".into(), &1.into(), &1.into())
        );
        let (_, tag, _) = house.tagged("GET", "tenants/a", None, "");
        let post = |part: &str, body: Value| house.ask("POST", &format!("tenants/a/{part}"), Some(&body));
        for number in 0..5 {
            assert_eq!(post("secrets", json!({ "secret": format!("{secret} {number}") })).0, 200);
        }
        assert_ne!(house.tagged("GET", "tenants/a", None, "").1, tag, "it is another one");
        let shown = house.tenant("a");
        assert_eq!(shown["secrets"], 4);
        let kept = fs::read_to_string(house.portward.dir().join("state/tenants.toml")).unwrap();
        assert!(kept.contains(&format!("{secret} 4")) && !kept.contains(&format!("{secret} 0")), "{kept}");
        assert_eq!(post("login", json!({ "user": "key", "hash": null })).1["changed"], true);
        assert_eq!(post("login", json!({ "user": "key", "hash": "no hash" })).0, 422);
        assert_eq!(house.tenant("a")["login"]["count"], 0);
        // An error message shows no secret either, nor does any output or file.
        let wrong = house
            .put("a", &json!({ "login": [LINE, 7], "secrets": [secret, "x", "y", "z", "v"], "oops": 1 }));
        assert_eq!(wrong.0, 422);
        let list = house.ask("GET", "tenants", None).1;
        let all =
            [wrong.1, shown, list].map(|json| json.to_string()).concat() + &house.portward.lines().concat();
        assert!(!all.contains("$2y$") && !all.contains(secret), "{all}");
    });
}

/// The file may be mended by hand. A fault in it does not prevent a start.
#[test]
fn item_5_a_damaged_file_is_told_and_left_as_it_is() {
    within(120, || {
        let house = House::start(|setup| setup);
        assert_eq!(house.put("a", &json!({ "target": "127.0.0.1" })).0, 201);
        house.host("one.example", "a");
        let file = house.portward.dir().join("state/tenants.toml");
        let good = fs::read_to_string(&file).unwrap();
        for wrong in ["[tenant.a\n", "[tenant.a]\nparent = \"nobody\"\n", "[tenant.a]\nx = 1\n", "[host]\n"] {
            fs::write(&file, wrong).unwrap();
            let (status, said) = house.ask("POST", "reload", None);
            assert_eq!(status, 422, "{wrong}: {said}");
            assert!(said["error"].as_str().unwrap().contains("tenants.toml"), "{said}");
            assert_eq!(house.status("one.example"), 200, "{wrong}");
        }
        fs::write(&file, "[tenant.a]\nparent = \"nobody\"\n[tenant.b]\n").unwrap();
        let house = house.restart();
        house.portward.line(&["the tenant a: there is no tenant nobody"]);
        assert_eq!(house.ask("GET", "tenants/b", None).0, 200);
        assert_eq!(house.status("rules.example"), 200);
        fs::write(&file, good).unwrap();
        assert_eq!(house.ask("POST", "reload", None).0, 200);
        assert_eq!(house.status("one.example"), 200);
    });
}

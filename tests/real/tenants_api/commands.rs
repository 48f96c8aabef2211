//! `portward tenant`, each command with traffic.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::House;
use crate::harness::{Output, within};

fn good(said: &Output) -> &str {
    assert_eq!(said.code, 0, "{said:?}");
    &said.out
}

/// Runs a command with an input.
fn with_input(house: &House, args: &[&str], input: &str) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portward"))
        .args(["tenant", "--config"])
        .arg(house.portward.config())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

#[test]
fn item_5_tenants_are_added_set_moved_switched_and_removed() {
    within(180, || {
        let house = House::start(|setup| setup);
        good(&house.run(&["add", "top", "--target", "192.0.2.1"]));
        good(&house.run(&["add", "xyz", "--name", "XYZ Ltd", "--parent", "top"]));
        let again = house.run(&["add", "xyz"]);
        assert!(again.code == 1 && again.errors.contains("there is a tenant xyz already"), "{again:?}");
        house.host("xyz.example", "xyz");
        assert_ne!(house.status("xyz.example"), 200);
        // The tenant moves to the working platform.
        assert_eq!(good(&house.run(&["move", "xyz", "--target", "127.0.0.1"])), "xyz is moved\n");
        assert_eq!(house.status("xyz.example"), 200);
        assert_eq!(good(&house.run(&["move", "xyz", "--target", "127.0.0.1"])), "xyz is moved already\n");
        good(&house.run(&["set", "xyz", "--name", "XYZ & Sons"]));
        let shown = house.run(&["show", "xyz"]);
        for part in ["XYZ & Sons", "127.0.0.1", "xyz.example", "top"] {
            assert!(good(&shown).contains(part), "{part}: {shown:?}");
        }
        good(&house.run(&["disable", "top"]));
        assert_eq!(house.status("xyz.example"), 403);
        let list = house.run(&["list"]);
        assert!(
            good(&list).contains("no, by a tenant above") && list.out.contains("no, by an administrator"),
            "{list:?}"
        );
        assert_eq!(good(&house.run(&["enable", "xyz"])), "xyz is enabled already\n");
        good(&house.run(&["enable", "top"]));
        assert_eq!(house.status("xyz.example"), 200);
        let needed = house.run(&["remove", "top"]);
        assert!(needed.code == 1 && needed.errors.contains("is needed by the tenant xyz"), "{needed:?}");
        good(&house.run(&["move", "xyz", "--no-parent"]));
        let json: Value = serde_json::from_str(good(&house.run(&["remove", "top", "--json"]))).unwrap();
        assert_eq!(json, json!({ "tenant": "top", "did": "removed", "changed": true }));
        let json: Value = serde_json::from_str(good(&house.run(&["list", "--json"]))).unwrap();
        assert_eq!(json["count"], 3, "{json}");

        // A tenant of the rules files must be changed there.
        for args in
            [&["set", "rules", "--no-name"][..], &["move", "rules", "--no-parent"], &["remove", "rules"]]
        {
            let said = house.run(args);
            assert!(said.code == 1 && said.errors.contains("from the rules"), "{said:?}");
        }
        for (args, code) in [
            (&["show", "nobody"][..], 1),
            (&["show", "a/b"], 2),
            (&["set", "xyz"], 2),
            (&["move", "xyz"], 2),
            (&["add"], 2),
        ] {
            assert_eq!(house.run(args).code, code, "{args:?}");
        }
        // The daemon's findings are shown in the form of `check`.
        let said = house.run(&["add", "alone", "--realm", "alone.example"]);
        let found = "error: the tenant alone: there is no target for the realm alone.example\n";
        assert!(said.code == 1 && said.errors.starts_with(found), "{said:?}");
        assert!(said.errors.contains("give the tenant a `target`, or a `parent` that has one"), "{said:?}");

        // Without the daemon the files are shown, and changes are not possible.
        house.portward.terminate();
        house.portward.wait();
        let listed = house.run(&["list"]);
        assert!(
            good(&listed).contains("XYZ & Sons") && listed.errors.contains("this is what the files say"),
            "{listed:?}"
        );
        assert!(good(&house.run(&["show", "xyz"])).contains("127.0.0.1"));
        assert_eq!(house.run(&["disable", "xyz"]).code, 1);
    });
}

#[test]
fn item_5_passwords_and_secrets_are_read_and_never_shown() {
    within(120, || {
        let house = House::start(|setup| setup);
        good(&house.run(&["add", "a"]));
        let (code, said) = with_input(&house, &["password", "a", "key", "--stdin"], "correct horse\n");
        assert_eq!(code, 0, "{said}");
        assert!(good(&house.run(&["show", "a"])).contains("key"));
        let kept = || fs::read_to_string(house.portward.dir().join("state/tenants.toml")).unwrap();
        assert!(kept().contains("\"key:$2y$10$") && !kept().contains("horse"), "{}", kept());
        // A new one replaces the old one.
        assert_eq!(with_input(&house, &["password", "a", "key", "--stdin"], "another\r\n").0, 0);
        assert_eq!(kept().matches("key:").count(), 1);
        let (code, line) = with_input(&house, &["password", "rules", "key", "--stdin", "--print"], "x\n");
        assert!(code == 0 && line.starts_with("key:$2y$"), "{line}");
        for (args, input, code) in [
            (&["password", "a", "key", "--stdin"][..], "\n", 1),
            (&["password", "a", "key", "--stdin"], &*"x".repeat(73), 1),
            (&["password", "a", "k:y", "--stdin"], "x\n", 2),
            (&["password", "a", "key"], "x\n", 2),
            (&["password", "rules", "key", "--stdin"], "x\n", 1),
            (&["password", "nobody", "key", "--stdin"], "x\n", 1),
        ] {
            assert_eq!(with_input(&house, args, input).0, code, "{args:?}");
        }
        good(&house.run(&["password", "a", "key", "--remove"]));
        assert!(!kept().contains("key:"));

        let made = house.run(&["secret", "a"]);
        let secret = good(&made).trim().to_owned();
        assert!(secret.len() == 64 && kept().contains(&secret), "{made:?}");
        assert_eq!(
            with_input(&house, &["secret", "a", "--stdin", "--keep", "0"], "of their own making\n").0,
            0
        );
        assert!(kept().contains("of their own making") && !kept().contains(&secret));
        assert!(!good(&house.run(&["show", "a", "--json"])).contains("making"));
        good(&house.run(&["secret", "a", "--remove"]));
        assert!(!kept().contains("secrets"), "{}", kept());
    });
}

#[test]
fn item_5_accounts_of_kazoo_are_imported() {
    within(180, || {
        let house = House::start(|setup| setup);
        let seed = fs::read_to_string("tests/fixtures/kazoo-account.json").unwrap();
        let file = house.portward.dir().join("accounts.json");
        let path = file.display().to_string();
        let import = |text: &str, more: &[&str]| {
            fs::write(&file, text).unwrap();
            house.run(&[&["import", "kazoo", &path, "--target", "127.0.0.1"], more].concat())
        };
        const ID: &str = "12341234123412341234123412341234";
        let dry = import(&seed, &["--dry-run"]);
        assert!(good(&dry).contains(&format!("+ {ID} (2600hz Master)")), "{dry:?}");
        assert!(dry.errors.contains("an empty tenant is made"), "{dry:?}");
        assert_eq!(house.ask("GET", &format!("tenants/{ID}"), None).0, 404);
        let first = import(&seed, &[]);
        assert!(good(&first).contains("2 new, 0 changed, 0 removed"), "{first:?}");
        let shown = house.tenant(ID);
        assert_eq!(
            (&shown["name"], &shown["parent"]),
            (&"2600hz Master".into(), &"99999999999999999999999".into())
        );
        assert_eq!(
            (&shown["realms"], &shown["imported"]),
            (&json!(["2600hz.s.2600hz.com"]), &"kazoo".into())
        );
        assert_eq!((&shown["target"], &shown["alive"]), (&json!(["127.0.0.1"]), &true.into()));
        let kept = fs::read_to_string(house.portward.dir().join("state/tenants.toml")).unwrap();
        assert!(!kept.contains("12345678904236634ba8"), "the key is not read");
        let again = import(&seed, &[]);
        assert!(good(&again).contains("0 new, 0 changed, 0 removed, 2 as they were"), "{again:?}");

        // The import follows Kazoo's data, and keeps settings that Kazoo does not know.
        good(&house.run(&["move", ID, "--target", "192.0.2.7"]));
        let other = seed
            .replace("\"pvt_enabled\" : true", "\"pvt_enabled\" : false")
            .replace("2600hz Master", "Other");
        let changed = import(&other, &[]);
        assert!(good(&changed).contains("name 2600hz Master -> Other; disabled"), "{changed:?}");
        let shown = house.tenant(ID);
        assert_eq!((&shown["enabled"], &shown["own_target"]), (&false.into(), &json!(["192.0.2.7"])));
        assert_eq!(house.registered("2600hz.s.2600hz.com").0, 403);

        // Only --prune removes tenants, and never those that were made by hand.
        good(&house.run(&["add", "hand"]));
        let left = import("[]", &[]);
        assert!(good(&left).contains("0 removed") && left.errors.contains("--prune"), "{left:?}");
        let gone = import("[]", &["--prune", "--json"]);
        let json: Value = serde_json::from_str(good(&gone)).unwrap();
        assert_eq!(json["removed"], json!([ID, "99999999999999999999999"]));
        assert_eq!(house.ask("GET", "tenants/hand", None).0, 200);
        assert_eq!(house.ask("GET", &format!("tenants/{ID}"), None).0, 404);

        // An error names its place, and nothing changes.
        let wrong = import("[\n  {\"_id\": \"a b\", \"name\": \"x\"}\n]", &[]);
        assert!(
            wrong.code == 1 && wrong.errors.contains("accounts.json:2:11: this cannot be the id"),
            "{wrong:?}"
        );
        let wrong = import("{\n  \"_id\": x}", &[]);
        assert!(
            wrong.code == 1 && wrong.errors.contains("accounts.json:2:10: this is not JSON"),
            "{wrong:?}"
        );
        assert_eq!(house.run(&["import", "kazoo", "/nowhere", "--target", "192.0.2.1"]).code, 1);
        let without = house.run(&["import", "kazoo", "-"]);
        assert_eq!(without.code, 1, "an empty file is no document: {without:?}");
    });
}

/// As many accounts as a large operator has. The daemon gets them in requests of the usual size.
#[test]
fn item_5_thousands_of_accounts_are_imported_at_once() {
    within(240, || {
        let house = House::start(|setup| setup);
        let rows = (0..3_000).map(|at| {
            let tree = if at % 10 == 0 { String::new() } else { format!("\"a{}\"", at / 10 * 10) };
            format!(
                "{{\"id\":\"a{at}\",\"doc\":{{\"_id\":\"a{at}\",\"name\":\"Account {at}\",\"realm\":\"a{at}.example\",\
                 \"pvt_type\":\"account\",\"pvt_tree\":[{tree}]}}}}"
            )
        });
        let text = format!("{{\"rows\":[{}]}}", rows.collect::<Vec<_>>().join(",\n"));
        let args = ["import", "kazoo", "-", "--target", "127.0.0.1"];
        let (code, said) = with_input(&house, &args, &text);
        assert!(
            code == 0 && said.contains("3000 new, 0 changed"),
            "{code}: {}",
            said.lines().last().unwrap()
        );
        assert_eq!(house.tenant("a2999")["target"], json!(["127.0.0.1"]));
        let (_, said) = with_input(&house, &args, &text);
        assert!(said.contains("0 new, 0 changed, 0 removed, 3000 as they were"), "{said}");
    });
}

//! `portward token`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{now, password};
use crate::harness::{Output, Portward, Setup, command, within};

const RULES: &str = "[tenant.XYZ]\nsecrets = [\"newest of XYZ\", \"older\"]\n\
    [tenant.below]\nparent = \"XYZ\"\nrealms = [\"below.example\"]\ntarget = \"192.0.2.1\"\n\
    [tenant.bare]\n\
    [tenant.other]\nenabled = false\nsecrets = [\"file:secret-of-other\"]\nrealms = [\"other.example\"]\ntarget = \"192.0.2.1\"\n\
    [[host]]\nname = \"calls.example\"\nsip = { target = \"192.0.2.2\", tcp = 5060, tls = false }\n\
    [[host]]\nname = \"web.example\"\ntarget = \"192.0.2.3\"\nhttp = [\"/\"]\n";

struct Desk {
    setup: Setup,
    file: PathBuf,
}

impl Desk {
    fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let setup = change(Portward::rules(RULES));
        fs::write(setup.dir().join("rules/secret-of-other"), "kept in a file\n").unwrap();
        let file = setup.write();
        Self { setup, file }
    }

    fn token(&self, args: &[&str]) -> Output {
        let file = self.file.display().to_string();
        command(60, self.setup.dir(), &[&["token", "--config", &file], args].concat())
    }

    fn json(&self, args: &[&str]) -> Value {
        let said = self.token(&[args, &["--json"]].concat());
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }
}

/// Asserts that `made` is for `name`, valid for `ttl` seconds, and made with `secret`.
fn assert_made(made: &Value, name: &str, ttl: u64, secret: &str) {
    let username = made["username"].as_str().unwrap();
    let (expires, said) = username.split_once(':').unwrap();
    assert_eq!(said, name, "{made}");
    let left = expires.parse::<u64>().unwrap() - now();
    assert!((ttl - 30..=ttl).contains(&left), "{made}");
    assert_eq!(made["password"], password("sha1", secret, username), "{made}");
    assert_eq!(made["ttl"], ttl, "{made}");
}

#[test]
fn item_2_a_token_is_made_under_the_newest_secret() {
    within(120, || {
        let desk = Desk::with(|setup| setup.set("sip.secrets", "[\"newest of sip\", \"older of sip\"]"));
        let made = desk.json(&["XYZ", "--user", "alice", "--ttl", "30m"]);
        assert_made(&made, "alice", 1_800, "newest of XYZ");
        assert_eq!(made["tenant"], "XYZ");
        assert_made(&desk.json(&["XYZ", "--user", "al:ice/5"]), "al:ice/5", 3_600, "newest of XYZ");
        assert_made(&desk.json(&["other", "--user", "a"]), "a", 3_600, "kept in a file");

        // Made with the secrets of [sip]: for a tenant at a domain, or for a user alone.
        let made = desk.json(&["XYZ", "--sip", "--user", "alice@Calls.example"]);
        assert_made(&made, "XYZ/alice@calls.example", 3_600, "newest of sip");
        let made = desk.json(&["XYZ", "--sip", "--user", "alice@below.example", "--ttl", "1d"]);
        assert_made(&made, "XYZ/alice@below.example", 86_400, "newest of sip");
        let made = desk.json(&["--sip", "--user", "alice"]);
        assert_made(&made, "alice", 3_600, "newest of sip");
        assert_eq!(made["tenant"], Value::Null);

        let text = desk.token(&["XYZ", "--user", "alice"]);
        let lines: Vec<_> = text.out.lines().map(|line| line.split_once("  ").unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), ["username", "password", "expires"]);
        let username = lines[0].1.trim();
        assert_eq!(lines[1].1.trim(), password("sha1", "newest of XYZ", username), "{text:?}");
        assert!(lines[2].1.ends_with('Z'), "{text:?}");
        let disabled = desk.token(&["other", "--user", "a"]);
        assert!(
            disabled.code == 0 && disabled.errors.contains("the tenant other is disabled"),
            "{disabled:?}"
        );
    });
}

#[test]
fn item_2_what_no_token_is_made_for_is_said() {
    within(180, || {
        let desk = Desk::with(|setup| setup.set("sip.max_lifetime", "\"2h\""));
        for (args, code, words) in [
            (&["XYZ", "--user", "a", "--ttl", "2h1s"][..], 2, "unit"),
            (&["XYZ", "--user", "a", "--ttl", "121m"], 1, "sip.max_lifetime is 2h"),
            (&["XYZ", "--user", "a", "--ttl", "1500ms"], 2, "whole seconds"),
            (&["XYZ", "--user", "a", "--ttl", "0s"], 2, "longer than nothing"),
            (&["XYZ", "--user", "a", "--ttl", "never"], 2, "not a duration"),
            (&["XYZ"], 2, "--user"),
            (&["--user", "a"], 2, "TENANT"),
            (&["XYZ", "--user", ""], 2, "empty"),
            (&["XYZ", "--user", "a\nb"], 2, "control character"),
            (&["XYZ", "--user", "a@calls.example"], 2, "--sip"),
            (&["--sip", "--user", "a@calls.example"], 2, "USER@DOMAIN"),
            (&["XYZ", "--sip", "--user", "a"], 2, "USER@DOMAIN"),
            (&["XYZ", "--sip", "--user", "a/b@calls.example"], 2, "USER@DOMAIN"),
            (&["a b", "--user", "a"], 2, "not the id of a tenant"),
            (&["xyz", "--user", "a"], 1, "there is no tenant xyz; there is XYZ"),
            (&["bare", "--user", "a"], 1, "the tenant bare has no secrets of its own"),
            (&["below", "--user", "a"], 1, "the tenant below has no secrets of its own"),
            (&["--sip", "--user", "a"], 1, "no secrets under [sip]"),
        ] {
            let said = desk.token(args);
            assert!(said.code == code && said.errors.contains(words), "{args:?}: {said:?}");
            assert_eq!(said.out, "", "{args:?}");
        }
        let desk = Desk::with(|setup| setup.set("sip.secrets", "[\"of sip\"]"));
        for (domain, words) in [
            ("other.example", "another tenant"),
            ("web.example", "no sip rule"),
            ("nowhere.example", "there is no host nowhere.example"),
            ("", "not a host name"),
        ] {
            let said = desk.token(&["XYZ", "--sip", "--user", &format!("a@{domain}")]);
            assert!(
                said.code != 0 && said.errors.contains(words) && said.out.is_empty(),
                "{domain}: {said:?}"
            );
        }
        fs::write(&desk.file, "rules = 5\n").unwrap();
        let broken = desk.token(&["XYZ", "--user", "a"]);
        assert!(broken.code == 1 && broken.errors.contains("portward.toml:1:9"), "{broken:?}");
    });
}

#[test]
fn item_2_tenants_of_the_api_have_tokens_too() {
    within(120, || {
        let desk = Desk::with(|setup| setup);
        let state = desk.setup.dir().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("tenants.toml"), "[tenant.made]\nsecrets = [\"of the API\"]\n[tenant.empty]\n")
            .unwrap();
        assert_made(&desk.json(&["made", "--user", "bob"]), "bob", 3_600, "of the API");
        let empty = desk.token(&["empty", "--user", "bob"]);
        assert!(
            empty.code == 1 && empty.errors.contains("`portward tenant secret empty` makes one"),
            "{empty:?}"
        );
        assert_eq!(json!(empty.out), json!(""));
    });
}

use serde_json::{Value, json};

use super::*;
use crate::explain::tests::{answer, loaded};
use crate::explain::{Client, From, Listing};

/// The text and the JSON. The folder of the rules is removed from each place.
fn said(url: &str) -> (String, Value) {
    let given = loaded("[outside]\nports = { https = 8443 }\n");
    let explanation = answer(&given, url, &Client::default());
    let folder = format!("{}/", given.config.file.parent().unwrap().display());
    let json = explanation.to_json().to_string().replace(&folder, "");
    (Text(&explanation).to_string().replace(&folder, ""), serde_json::from_str(&json).unwrap())
}

#[test]
fn a_forwarded_request_names_target_rule_and_host() {
    let (text, json) = said("https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w");
    assert_eq!(
        text,
        "https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w -> 172.31.31.2:443 (TLS)\n  \
         rule    /PBX0/APPS (preset apps)\n  \
         at      rules/presets/apps.toml:2:3\n  \
         host    hq.dvl-ckl2.net at rules/a.toml:2:9"
    );
    let expected = json!({
        "url": "https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w",
        "decision": "forward",
        "targets": ["172.31.31.2:443"],
        "tls": true,
        "rule": {
            "path": "/PBX0/APPS",
            "default": false,
            "preset": "apps",
            "at": "rules/presets/apps.toml:2:3",
        },
        "host": { "name": "hq.dvl-ckl2.net", "tenant": null, "at": "rules/a.toml:2:9" },
    });
    assert_eq!(json, expected);
    let (text, _) = said("HTTP://x.ap.net:80");
    assert!(text.starts_with("HTTP://x.ap.net:80 -> [2001:db8::1]:80, ap.inside:80 (plain)\n"), "{text}");
    assert!(text.contains("rule    the empty path"), "{text}");
}

#[test]
fn a_redirect_names_the_location() {
    let (text, json) = said("http://hq.dvl-ckl2.net:80?a=b");
    let line = "http://hq.dvl-ckl2.net:80?a=b -> 308 https://hq.dvl-ckl2.net:8443/?a=b\n";
    assert!(text.starts_with(line), "{text}");
    assert!(text.contains("\n  rule    default\n  at      rules/a.toml:7:"), "{text}");
    assert_eq!(json["status"], 308);
    assert!(said("https://hq.dvl-ckl2.net/").0.contains("-> [2001:db8::1]:443"));
}

#[test]
fn a_refusal_says_why_and_what_is_near() {
    for (url, reason, why) in [
        ("https://hq.dvl-ckl2.net/PBX0/ADMIN", "no-path", "the nearest is /PBX0/APPS of preset apps"),
        (
            "https://hq.dvl-ckl2.net/soap/a/b",
            "no-path",
            "/soap/ at rules/a.toml:6:3, after which no further slash",
        ),
        ("https://hq.dvl-ckl2.net/x", "no-path", "none of the 3 HTTP paths of hq.dvl-ckl2.net matches"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS/../ADMIN", "unsafe-path", "read as '.' or '..'"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS%2fx", "unsafe-path", "encoded slash"),
        ("https://hq.dvl-ckl.net/", "unknown-host", "there is hq.dvl-ckl2.net"),
        ("https://a.b.ap.net/", "unknown-host", "*.ap.net stands for exactly one label"),
        ("https://ap.net/", "unknown-host", "*.ap.net stands for exactly one label"),
        ("https://192.0.2.1/", "unknown-host", "none of the 6 hosts has the name 192.0.2.1"),
        ("https://off.net/", "disabled", "off.net is disabled"),
        ("https://b\u{fc}cher.example:443/", "no-service", "xn--bcher-kva.example has no HTTP path"),
        ("https:///x", "no-name", "the name is empty"),
        ("https://a b/", "malformed", "' '"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS/a b", "malformed", "a space is written %20"),
        ("https://u:p@hq.dvl-ckl2.net/", "malformed", "port"),
        ("sip:a@x.example;method=OPTIONS", "method", "may not come first, and no known host is named"),
        ("sip:a@dvl-ckl2.net;method=invite", "malformed", "servers could read it in several ways"),
        ("sip:a@hq.dvl-ckl2.net", "no-service", "hq.dvl-ckl2.net has no sip rule"),
        ("sip:a@anonymous.invalid", "no-name", "it names no domain, and [sip] default_host is not set"),
        ("h323:", "no-name", "it names no domain, and [h323] default_host is not set"),
        ("sips:a@strict.example", "certificate", "strict.example refuses clients without a certificate"),
        ("ldap://x/y/z", "malformed", "one location may follow after one slash"),
    ] {
        let (text, json) = said(url);
        assert!(text.starts_with(&format!("{url} rejected: {reason}\n  why     ")), "{text}");
        assert!(text.contains(why), "{text}");
        assert_eq!((&json["reason"], &json["decision"]), (&reason.into(), &"reject".into()));
    }
}

/// Item 6: the explanation distinguishes the rules from an administrator's override.
#[test]
fn item_6_a_host_that_an_administrator_has_disabled_is_told_as_such() {
    let mut given = loaded("");
    given.table.set_enabled("hq.dvl-ckl2.net", false);
    given.table.set_enabled("off.net", true);
    let said = |url: &str| Text(&answer(&given, url, &Client::default())).to_string();
    let text = said("https://hq.dvl-ckl2.net/PBX0/APPS");
    assert!(
        text.contains(" rejected: disabled\n  why     hq.dvl-ckl2.net is disabled by an administrator"),
        "{text}"
    );
    assert!(said("https://off.net/").contains(" -> 172.31.31.2:443"));
}

/// Issue 21, item 1: the explanation names the host's tenant, and the tenant that disables it.
#[test]
fn item_1_a_host_of_a_disabled_tenant_says_which_tenant() {
    let rules = "[tenant.operator]\n[tenant.reseller]\nparent = \"operator\"\ntarget = \"172.31.31.2\"\n\
                 [tenant.XYZ]\nparent = \"reseller\"\n\
                 [[host]]\nname = \"xyz.example\"\ntenant = \"XYZ\"\nhttp = [\"/\"]\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    let config = crate::config::Config::defaults(&folder.path().join("portward.toml"));
    let mut given = loaded("");
    given.table = crate::config::load_rules(&folder.path().join("rules.toml"), &config).table.unwrap();
    let said = |given: &_| {
        let answer = answer(given, "https://xyz.example/x", &Client::default());
        (Text(&answer).to_string(), answer.to_json())
    };
    let (text, json) = said(&given);
    assert!(text.contains(" -> 172.31.31.2:443") && text.contains("\n  tenant  XYZ"), "{text}");
    assert_eq!(json["host"]["tenant"], "XYZ");
    given.table.set_tenants_enabled([("operator", false)]);
    let why = "\n  why     xyz.example belongs to the tenant XYZ, and operator above that is disabled by an administrator";
    assert!(said(&given).0.contains(why), "{}", said(&given).0);
    given.table.set_tenants_enabled([("XYZ", false)]);
    let why = "\n  why     xyz.example belongs to the tenant XYZ, which is disabled by an administrator";
    assert!(said(&given).0.contains(why), "{}", said(&given).0);
}

#[test]
fn item_23_the_nearest_path_is_named_and_why_it_does_not_match() {
    for (path, near) in [
        (
            "/pbx0/apps/x",
            "the nearest is /PBX0/APPS of preset apps at rules/presets/apps.toml:2:3, and case counts",
        ),
        ("/PBX0/APSP/x", "the nearest is /PBX0/APPS of preset apps"),
        ("/PBXO/APPS", "the nearest is /PBX0/APPS of preset apps"),
        ("/PBX0", "the nearest is /PBX0/APPS of preset apps"),
        ("/soap", "the nearest is /soap/ at rules/a.toml:6:3, with the slash at its end"),
        ("/SOAP/x", "the nearest is /soap/ at rules/a.toml:6:3, and case counts"),
        ("/soap/a/b", "the nearest is /soap/ at rules/a.toml:6:3, after which no further slash may come"),
        ("/index.htm", "the nearest is /"),
    ] {
        let (text, json) = said(&format!("https://hq.dvl-ckl2.net{path}"));
        assert!(text.contains(near), "{path}: {text}");
        assert!(json["why"].as_str().unwrap().contains(near), "{path}: {json}");
    }
}

#[test]
fn item_23_what_is_not_known_is_said_with_what_it_would_be() {
    let given = loaded("");
    let said = |url: &str| {
        let listing = Listing::Unknown("no Portward answers on /run/x.sock".to_owned());
        let from = Some(From { address: [203, 0, 113, 9].into(), listing });
        let explanation = answer(&given, url, &Client { from, ..Client::default() });
        (Text(&explanation).to_string(), explanation.to_json())
    };
    let (text, json) = said("https://hq.dvl-ckl2.net/PBX0/APPS");
    let unknown =
        "whether 203.0.113.9 is on the blacklist cannot be told: no Portward answers on /run/x.sock";
    let line =
        format!("https://hq.dvl-ckl2.net/PBX0/APPS unknown: {unknown}\n  else    -> 172.31.31.2:443 (TLS)\n");
    assert!(text.starts_with(&line), "{text}");
    assert_eq!(json["decision"], "unknown");
    assert_eq!((&json["otherwise"], &json["why"]), (&"forward".into(), &unknown.into()));
    assert_eq!(json["targets"], json!(["172.31.31.2:443"]));
    let (text, json) = said("https://hq.dvl-ckl2.net/x");
    assert!(
        text.contains(" rejected: no-path\n") && text.contains(&format!("\n  and     {unknown}\n")),
        "{text}"
    );
    assert_eq!((&json["decision"], &json["unknown"]), (&"reject".into(), &unknown.into()));
}

/// The explanation of a request by the rules of docs/tenants.md.
fn of_tenants(url: &str) -> (String, Value) {
    let given = crate::explain::tests::loaded_with(
        "",
        r#"
[tenant.XYZ]
name = "XYZ Ltd"
target = "asterisk-adapter.example"
[tenant.off]
enabled = false
[tenant.below]
parent = "off"
[[host]]
name = "demo.webtrit.example"
target = "192.0.2.1"
http = [
  { path = "/tenant/{tenant}", strip = true, set = { X-Tenant = "{tenant}", X-Name = "{tenant.name}", X-Client = "{client}" }, host = "target", otherwise = "other.example", response = { X-Own = "1" } },
  { path = "/plain/{tenant}" },
  { path = "/in/{tenant}", login = "tenant" },
]
"#,
    );
    let explanation = answer(&given, url, &Client::default());
    (Text(&explanation).to_string(), explanation.to_json())
}

#[test]
fn item_6_a_tenant_and_what_is_forwarded_are_said() {
    let (text, json) = of_tenants("https://demo.webtrit.example/tenant/XYZ/api/v1/session?a=b");
    for line in [
        "-> asterisk-adapter.example:443 (TLS)",
        "\n  tenant  XYZ (XYZ Ltd) at ",
        "\n  path    /api/v1/session?a=b is what the target gets",
        "\n  sends   Host: asterisk-adapter.example",
        "\n  sends   X-Tenant: XYZ",
        "\n  sends   X-Name: XYZ%20Ltd",
        "\n  sends   X-Client: {client}",
        "\n  answers X-Own: 1",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!((&json["tenant"]["id"], &json["tenant"]["enabled"]), (&json!("XYZ"), &json!(true)));
    assert_eq!(json["path"], "/api/v1/session?a=b");
    assert_eq!(json["sent_host"], "asterisk-adapter.example");
    assert_eq!(json["set"]["X-Name"], "XYZ%20Ltd");
    let (text, json) = of_tenants("https://demo.webtrit.example/tenant/nobody");
    assert!(
        text.contains("-> other.example:443") && text.contains("tenant  nobody: there is none"),
        "{text}"
    );
    assert_eq!((&json["tenant"]["at"], &json["path"]), (&Value::Null, &json!("/")));
}

#[test]
fn item_6_why_a_tenant_is_refused_is_said() {
    for (path, reason, why) in [
        ("/plain/nobody", "unknown-tenant", "no tenant has this id or name"),
        ("/in/nobody", "failed-login", "so every login for it is refused"),
        ("/in/off", "disabled", "the tenant off is disabled"),
        ("/plain/off", "disabled", "the tenant off is disabled"),
        ("/plain/below/x", "disabled", "the tenant off is disabled"),
        ("/plain/a%20b", "no-path", "names a tenant by a whole segment"),
        ("/plain", "no-path", "names a tenant by a whole segment"),
    ] {
        let (text, json) = of_tenants(&format!("https://demo.webtrit.example{path}"));
        assert!(text.contains(&format!("rejected: {reason}")) && text.contains(why), "{text}");
        assert_eq!(json["reason"], reason, "{path}");
    }
}

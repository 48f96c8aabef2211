use std::num::NonZeroU16;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::rules::{
    Address, Builder, Endpoint, HostDef, HttpRule, NameDef, PathPattern, Ports, Preset, PresetPath, Target,
    TargetOptions,
};
use crate::service::PerService;

fn at(file: u16, line: u32) -> Source {
    Source { file, line, column: 3 }
}

fn endpoints(addresses: &[&str]) -> Arc<[Endpoint]> {
    let endpoint = |text: &&str| Endpoint {
        address: text.parse().map_or_else(|_| Address::Name((*text).into()), Address::Ip),
        options: Arc::new(TargetOptions::default()),
    };
    addresses.iter().map(endpoint).collect()
}

fn host(name: &str, line: u32) -> HostDef {
    HostDef {
        name: NameDef { name: name.into(), source: at(0, line) },
        aliases: Vec::new(),
        enabled: true,
        client_trust: None,
        endpoints: Some(endpoints(&["172.31.31.2"])),
        rules: PerService::default(),
        http: Vec::new(),
        presets: Vec::new(),
    }
}

fn table() -> Table {
    let ports = Ports { tcp: NonZeroU16::new(80), tls: NonZeroU16::new(443) };
    let rule = |path, line| HttpRule {
        path,
        target: Target { endpoints: endpoints(&["2001:db8::1", "ap.inside"]), ports },
        redirect_https: false,
        source: at(0, line),
    };
    let apps = PresetPath { path: "/PBX0/APPS".into(), ports, source: at(1, 2) };
    let preset = Arc::new(Preset { name: "innovaphone-pbx".into(), paths: vec![apps], max_message: None });
    let hq = HostDef {
        http: vec![
            rule(PathPattern::Head("/soap/".into()), 5),
            HttpRule { redirect_https: true, ..rule(PathPattern::Default, 6) },
        ],
        presets: vec![preset],
        ..host("hq.dvl-ckl2.net", 3)
    };
    let any = HostDef { http: vec![rule(PathPattern::Head("".into()), 11)], ..host("*.ap.net", 10) };
    let off = HostDef { enabled: false, ..host("off.net", 20) };
    let mut builder = Builder::new();
    for host in [hq, any, off, host("xn--bcher-kva.example", 30)] {
        builder.add(host).expect("no conflict");
    }
    builder.build(vec!["rules/dvl.toml".into(), "presets/innovaphone-pbx.toml".into()])
}

fn explained(url: &str) -> Explanation {
    let url = Url::parse(url).expect("a URL");
    Explanation::of(&table(), &url, 8443, &mut Scratch::default())
}

#[test]
fn a_forwarded_request_names_target_rule_and_host() {
    let explanation = explained("https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w");
    assert!(explanation.granted());
    assert_eq!(
        explanation.to_string(),
        "https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w -> 172.31.31.2:443 (TLS)\n  \
         rule    /PBX0/APPS (preset innovaphone-pbx)\n  \
         at      presets/innovaphone-pbx.toml:2:3\n  \
         host    hq.dvl-ckl2.net at rules/dvl.toml:3:3"
    );
    assert_eq!(
        explanation.to_json(),
        json!({
            "url": "https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w",
            "decision": "forward",
            "targets": ["172.31.31.2:443"],
            "tls": true,
            "rule": {
                "path": "/PBX0/APPS",
                "default": false,
                "preset": "innovaphone-pbx",
                "at": "presets/innovaphone-pbx.toml:2:3",
            },
            "host": { "name": "hq.dvl-ckl2.net", "at": "rules/dvl.toml:3:3" },
        })
    );
    let text = explained("HTTP://x.ap.net:80").to_string();
    assert!(text.starts_with("HTTP://x.ap.net:80 -> [2001:db8::1]:80, ap.inside:80 (plain)\n"), "{text}");
    assert!(text.contains("rule    the empty path"), "{text}");
}

#[test]
fn a_redirect_names_the_location() {
    let explanation = explained("http://hq.dvl-ckl2.net:80?a=b");
    assert!(explanation.granted());
    let text = explanation.to_string();
    assert!(
        text.starts_with("http://hq.dvl-ckl2.net:80?a=b -> 308 https://hq.dvl-ckl2.net:8443/?a=b\n"),
        "{text}"
    );
    assert!(text.contains("\n  rule    default\n  at      rules/dvl.toml:6:3\n"), "{text}");
    assert_eq!(explanation.to_json()["status"], 308);
    // The same as a client gets, which is in ASCII.
    let text = explained("http://hq.dvl-ckl2.net?a=\u{e4}").to_string();
    assert!(text.contains(" -> 308 https://hq.dvl-ckl2.net:8443/?a=%C3%A4\n"), "{text}");
    assert!(explained("https://hq.dvl-ckl2.net/").to_string().contains("-> [2001:db8::1]:443"));
}

#[test]
fn a_refusal_says_why_and_what_is_near() {
    for (url, reason, why) in [
        (
            "https://hq.dvl-ckl2.net/PBX0/ADMIN",
            "no-path",
            "the nearest is /PBX0/APPS of preset innovaphone-pbx",
        ),
        (
            "https://hq.dvl-ckl2.net/soap/a/b",
            "no-path",
            "/soap/ at rules/dvl.toml:5:3, after which no further slash",
        ),
        ("https://hq.dvl-ckl2.net/x", "no-path", "none of the 3 HTTP paths of hq.dvl-ckl2.net matches"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS/../ADMIN", "unsafe-path", "read as '.' or '..'"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS%2fx", "unsafe-path", "encoded slash"),
        ("https://hq.dvl-ckl.net/", "unknown-host", "there is hq.dvl-ckl2.net"),
        ("https://a.b.ap.net/", "unknown-host", "*.ap.net stands for exactly one label"),
        ("https://ap.net/", "unknown-host", "*.ap.net stands for exactly one label"),
        ("https://192.0.2.1/", "unknown-host", "none of the 4 hosts has the name 192.0.2.1"),
        ("https://off.net/", "disabled", "off.net is disabled"),
        ("https://b\u{fc}cher.example:443/", "no-service", "xn--bcher-kva.example has no HTTP path"),
        ("https:///x", "no-name", "the name is empty"),
        ("https://a b/", "malformed", "' '"),
        ("https://u:p@hq.dvl-ckl2.net/", "malformed", "port"),
    ] {
        let explanation = explained(url);
        assert!(!explanation.granted());
        let text = explanation.to_string();
        assert!(text.starts_with(&format!("{url} rejected: {reason}\n  why     ")), "{text}");
        assert!(text.contains(why), "{text}");
        let json = explanation.to_json();
        assert_eq!(json["reason"], reason);
        assert_eq!(json["decision"], "reject");
    }
}

#[test]
fn what_is_no_http_url() {
    for text in ["", "hq.dvl-ckl2.net/x", "ftp://a/", "://a", "https:/a", "https:a", "https"] {
        assert_eq!(Url::parse(text), Err(BadUrl::Unknown), "{text}");
    }
    assert_eq!(Url::parse("sips:a@b"), Err(BadUrl::Unknown));
    assert_eq!(Url::parse("h323s:a@b"), Err(BadUrl::Unknown));
    assert_eq!(Url::parse("ldaps://a"), Err(BadUrl::Unknown));
}

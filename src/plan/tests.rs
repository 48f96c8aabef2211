//! Plans for the seed's network, and for other configurations.

mod seed;

use std::path::Path;

use time::OffsetDateTime;

use super::*;
use crate::config::load_all;
use crate::tls::{DevCa, Validity};

fn of_file(path: &Path, certificates: &Certificates) -> Plan {
    let loaded = load_all(path).unwrap_or_else(|found| panic!("{}", found.render(false)));
    Plan::new(&loaded.config, &loaded.table, certificates, OffsetDateTime::now_utc())
}

/// A `[listen]` with all ports, and the seed's `[outside]`.
const LISTEN: &str = "[listen]\nhttp = 90\nhttps = 453\nsip = 5070\nsips = 5071\nldap = 399\nldaps = 646\nh323 = 1730\nh323s = 1310\n";
const OUTSIDE: &str =
    "[outside]\naddress = \"78.54.23.241\"\nown_address = \"172.31.31.20\"\nname = \"router.example.net\"\n";

fn with(config: &str, rules: &str, certificates: &Certificates) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portward.toml");
    std::fs::write(&path, format!("rules = \"rules.toml\"\nstate = \"state\"\n{config}")).unwrap();
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    of_file(&path, certificates)
}

fn plan(config: &str, rules: &str) -> Plan {
    with(config, rules, &Certificates::default())
}

fn forwards(plan: &Plan) -> Vec<String> {
    let line = |one: &Forward| {
        format!("{} {} {} -> {} {}", one.label(), one.protocol.name(), one.outside, one.to, one.port)
    };
    plan.forwards.list.iter().map(line).collect()
}

fn records(records: &[Record]) -> Vec<String> {
    records.iter().map(|one| format!("{} {} {}", one.kind.name(), one.name, one.value)).collect()
}

fn openings(plan: &Plan) -> Vec<String> {
    let line = |one: &Opening| {
        let ports: Vec<String> = one.ports.iter().map(u16::to_string).collect();
        format!("{} -> {} {} {}", one.from, one.to, one.protocol.name(), ports.join(","))
    };
    plan.firewall.openings.iter().map(line).collect()
}

fn noted(notes: &[String], text: &str) -> bool {
    notes.iter().any(|note| note.contains(text))
}

#[test]
fn what_portward_toml_does_not_say_is_a_placeholder_with_its_key() {
    let rules = "[[host]]\nname = \"pbx.example.net\"\ntarget = \"10.0.0.2\"\nhttp = [\"/\"]\nsip = true\n";
    let plan = plan(LISTEN, rules);
    assert_eq!(plan.missing, [ADDRESS, OWN_ADDRESS]);
    assert_eq!(forwards(&plan)[0], "HTTP TCP 80 -> <outside.own_address> 90");
    assert_eq!(records(&plan.names.official), ["A pbx.example.net <outside.address>"]);
    assert_eq!(openings(&plan)[1], "<outside.own_address> -> 10.0.0.2 TCP 80,443,5060,5061");
    assert!(noted(&plan.forwards.notes, "outside.turn is not set"));
    assert_eq!(plan.to_json()["port_forwards"][0]["address"], serde_json::Value::Null);
    assert_eq!(plan.to_json()["missing"][1]["key"], "outside.own_address");
    // Nothing is forwarded for a service without a rule.
    assert!(noted(&plan.forwards.notes, "[listen] opens LDAP, but no enabled host"));
    assert_eq!(plan.forwards.list.len(), 4);
}

#[test]
fn dynamic_dns_and_ipv6_outside() {
    let rules = "[[host]]\nname = \"a.example.net\"\ntarget = \"2001:db8::2\"\nhttp = [\"/\"]\n";
    let of = |outside: &str| plan(&format!("[listen]\nhttp = 90\n[outside]\n{outside}"), rules);
    let dynamic = of("address = \"home.dyndns.example\"\nname = \"router.example.net\"\n");
    assert_eq!(
        records(&dynamic.names.official),
        ["CNAME router.example.net home.dyndns.example", "CNAME a.example.net router.example.net"]
    );
    let alone = of("address = \"home.dyndns.example\"\n");
    assert_eq!(records(&alone.names.official), ["CNAME a.example.net home.dyndns.example"]);
    let ipv6 = of("address = \"2001:db8:1::1\"\nown_address = \"2001:db8::1\"\n");
    assert_eq!(records(&ipv6.names.official), ["AAAA a.example.net 2001:db8:1::1"]);
    assert_eq!(records(&ipv6.names.internal), ["AAAA a.example.net 2001:db8::2"]);
    assert!(noted(&ipv6.forwards.notes, "let [listen] have the outside ports for HTTP"));
    assert_eq!(forwards(&ipv6), ["HTTP TCP 80 -> 2001:db8::1 90"]);
}

#[test]
fn sockets_that_the_router_reaches_and_others() {
    let rules = "[[host]]\nname = \"a.example.net\"\ntarget = \"10.0.0.2\"\nhttp = [\"/\"]\nsip = true\n";
    let listen = "[listen]\nhttp = \"127.0.0.1:90\"\nhttps = [\"192.0.2.20:443\", 8443]\nsip = 5060\nsips = 5443\nipv6 = false\n";
    let plan = plan(
        &format!(
            "{listen}[outside]\nown_address = \"172.31.31.20\"\nports = {{ sips = 443 }}\n[admin]\nlisten = \"172.31.31.20:9400\"\nplain = true\n"
        ),
        rules,
    );
    // A port without an address is open on our own configured address.
    assert_eq!(
        forwards(&plan),
        [
            "HTTPS TCP 443 -> 172.31.31.20 8443",
            "SIP TCP 5060 -> 172.31.31.20 5060",
            "SIPS TCP 443 -> 172.31.31.20 5443",
        ]
    );
    assert!(plan.forwards.list[1].is_standard() && !plan.forwards.list[0].is_standard());
    for text in [
        "HTTP listens on 127.0.0.1:90 alone",
        "HTTPS listens on the ports 443, 8443",
        "HTTPS and SIPS both have the outside port 443",
    ] {
        assert!(noted(&plan.forwards.notes, text), "{text}: {:?}", plan.forwards.notes);
    }
    assert!(openings(&plan).contains(&"administrators -> 172.31.31.20 TCP 9400".to_owned()));
    let own = "[listen]\nhttp = \"192.0.2.20:90\"\n[outside]\nown_address = \"172.31.31.20\"\n";
    assert_eq!(forwards(&super::tests::plan(own, rules)), ["HTTP TCP 80 -> 192.0.2.20 90"]);
}

#[test]
fn names_of_every_kind() {
    let rules = r#"
[[host]]
name = "example.net"
aliases = ["www.example.net", "192.0.2.7", "router.example.net"]
target = "10.0.0.2"
http = ["/"]
[[host]]
name = "*.wild.example.net"
target = ["10.0.0.3", "10.0.0.4"]
http = ["/"]
[[host]]
name = "split.example.net"
target = "split.example.net"
http = [{ path = "", tcp = 8080, tls = false }]
[[host]]
name = "named.example.net"
target = "srv.inside.example"
http = ["/a", { path = "/b", target = "10.0.0.9" }]
[[host]]
name = "here.example.net"
target = "127.0.0.1"
http = ["/"]
[[host]]
name = "phones.example.net"
target = "10.0.0.77"
sip = { tls = false, tcp = 5060 }
[[host]]
name = "phones.example.net/there"
target = "10.0.0.78"
sip = { tls = false, tcp = 5060 }
[[host]]
name = "off.example.net"
enabled = false
target = "10.0.0.99"
http = ["/"]
ldap = true
"#;
    let plan = plan(&format!("{LISTEN}{OUTSIDE}turn = \"10.0.0.50\"\n"), rules);
    assert_eq!(
        records(&plan.names.official),
        [
            "A router.example.net 78.54.23.241",
            "CNAME example.net router.example.net",
            "CNAME www.example.net router.example.net",
            "CNAME *.wild.example.net router.example.net",
            "CNAME split.example.net router.example.net",
            "CNAME named.example.net router.example.net",
            "CNAME here.example.net router.example.net",
        ]
    );
    assert_eq!(
        records(&plan.names.internal),
        [
            "A example.net 10.0.0.2",
            "A www.example.net 10.0.0.2",
            "A router.example.net 10.0.0.2",
            "A *.wild.example.net 10.0.0.3",
            "A *.wild.example.net 10.0.0.4",
            "A split.example.net <the target's address inside>",
            "CNAME named.example.net srv.inside.example",
            "A here.example.net 172.31.31.20",
        ]
    );
    for text in [
        "cannot stand at the top of a zone (RFC 1034 section 3.6.2): if that is so for example.net",
        "*.wild.example.net has several targets",
        "split.example.net is its own target",
        "split.example.net: clients inside must name the port 8080 where clients outside use 80",
        "named.example.net: clients inside ask srv.inside.example for /b",
        "here.example.net: the target 127.0.0.1 is on this machine",
        "no name leads to the TURN server 10.0.0.50 yet",
    ] {
        assert!(noted(&plan.names.notes, text), "{text}: {:#?}", plan.names.notes);
    }
    let others = &plan.names.others;
    assert_eq!(others[0].name, "192.0.2.7");
    assert_eq!(records(&others[1].records), ["CNAME phones.example.net router.example.net"]);
    assert!(others[1].dial.is_empty() && others[2].records.is_empty());
    assert_eq!(plan.disabled, ["off.example.net"]);
    // No opening leads to the disabled host's target or to the machine itself. The targets with names need DNS.
    let openings = openings(&plan);
    assert!(
        !openings.iter().any(|line| line.contains("10.0.0.99") || line.contains("127.0.0.1")),
        "{openings:?}"
    );
    assert!(openings.contains(&"172.31.31.20 -> its name servers UDP 53".to_owned()));
    assert!(openings.contains(&"172.31.31.20 -> split.example.net TCP 8080".to_owned()));
    let ldap = forwards(&plan).iter().any(|line| line.starts_with("LDAP"));
    assert!(!ldap, "the only host with LDAP is disabled");
}

/// Contract section 5: no opening is planned for a port of a rule that no client can reach.
#[test]
fn only_ports_that_are_used_are_opened() {
    let rules = r#"
[[host]]
name = "a.example.net"
target = "10.0.0.2"
http = [{ path = "", redirect = "https" }]
sip = { on_failed_check = "reject" }
ldap = true
[[host]]
name = "b.example.net"
target = "10.0.0.3"
sip = { tcp = false, tls = 5061, check_certificate = false }
[[host]]
name = "c.example.net"
target = "10.0.0.4"
sip = { tcp = 5060, tls = false }
[[host]]
name = "d.example.net"
target = "2001:db8::4"
sip = true
"#;
    let plan = plan(
        &format!("[listen]\nhttp = 90\nhttps = 453\nsip = 5070\nsips = 5071\nldaps = 646\n{OUTSIDE}"),
        rules,
    );
    let opened = openings(&plan);
    assert_eq!(
        opened[1..],
        [
            "172.31.31.20 -> 10.0.0.2 TCP 443,636,5061",
            "172.31.31.20 -> 10.0.0.3 TCP 5061",
            "172.31.31.20 -> 10.0.0.4 TCP 5060",
            "172.31.31.20 -> 2001:db8::4 TCP 5060,5061",
        ]
    );
    let ticked = |plan: &Plan| plan.pbxs.list.iter().map(|pbx| pbx.assume_tls.name()).collect::<Vec<_>>();
    assert_eq!(ticked(&plan), ["tick", "leave_empty", "no_matter", "tick"]);
    assert_eq!(plan.pbxs.list[3].reverse_proxy_address, Said::Missing("Portward's IPv6 address inside"));
}

/// What is asked for of an innovaphone PBX is not asked for of one that has no Assume TLS.
#[test]
fn item_5_of_a_pbx_without_assume_tls_nothing_is_to_be_ticked() {
    let rule =
        "[[host]]\nname = \"a.example.net\"\ntarget = \"10.0.0.2\"\nsip = { check_certificate = false }\n";
    let config = format!("[listen]\nsip = 5070\nsips = 5071\n{OUTSIDE}");
    let said = |rules: &str| {
        let plan = plan(&config, rules);
        let json = plan.to_json();
        let asked = ["tick Reverse Proxy in the Device entry", "upstream.certificate is not set"];
        let asked = asked.map(|text| noted(&plan.pbxs.notes, text));
        (json["pbxs"][0]["assume_tls"].clone(), json["pbxs"][0]["without_check"].clone(), asked)
    };
    let host = serde_json::json!(["a.example.net"]);
    assert_eq!(said(rule), ("leave_empty".into(), host.clone(), [true, true]));
    let answered = format!("{rule}[target.\"10.0.0.2\"]\nassume_tls = false\n");
    assert_eq!(said(&answered), ("absent".into(), host, [false, false]));
    // The check may be on all the same.
    let checked = answered.replace("check_certificate = false", "check_certificate = true");
    assert_eq!(said(&checked), ("absent".into(), serde_json::json!([]), [false, false]));
}

#[test]
fn the_certificate_of_today() {
    let ca = DevCa::new().unwrap();
    let facts = |names: &[&str], until| {
        Facts::of(ca.server_valid(names, Validity::days(-9, until)).unwrap().der()).unwrap()
    };
    let certificates = Certificates {
        server: vec![
            ("old".to_owned(), facts(&["*.example.net", "example.org"], -1)),
            ("new".to_owned(), facts(&["a.example.net"], 90)),
        ],
        unread: None,
        presented: Some("rp.example.net".to_owned()),
    };
    let host = |name: &str, service: &str| {
        format!("[[host]]\nname = \"{name}\"\ntarget = \"10.0.0.2\"\n{service}\n")
    };
    let rules = [
        host("a.example.net", "http = [\"\"]"),
        host("b.example.net", "http = [\"\"]"),
        host("c.b.example.net/x", "h323 = true"),
        host("plain.example.net", "ldap = true"),
    ]
    .concat();
    let plan = with("[listen]\nhttps = 453\nh323s = 1310\nldap = 399\n", &rules, &certificates);
    let names = plan
        .certificate
        .list
        .iter()
        .map(|one| (one.name.as_str(), one.covered_by.as_deref(), one.expired.is_some()));
    assert!(
        names.eq([
            ("a.example.net", Some("new"), false),
            ("b.example.net", Some("old"), true),
            ("c.b.example.net", None, false),
        ]),
        "{:?}",
        plan.certificate.list
    );
    assert_eq!(plan.certificate.shortest, ["*.example.net", "c.b.example.net"]);
    assert_eq!(plan.pbxs.list[0].reverse_proxy_name.as_deref(), Some("rp.example.net"));
    assert_eq!(plan.to_json()["certificate"]["names"][2]["covered"], false);
}

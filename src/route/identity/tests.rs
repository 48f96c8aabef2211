use super::*;
use crate::config::{Config, load_rules};
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector};

fn table() -> Table {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.toml");
    let hosts = ["a.example", "b.example", "*.wild.example"].map(|name| {
        let aliases = if name == "a.example" { "aliases = [\"alias.example\"]\n" } else { "" };
        format!("[[host]]\nname = \"{name}\"\n{aliases}target = \"192.0.2.1\"\nsip = true\n")
    });
    std::fs::write(&file, hosts.concat()).unwrap();
    load_rules(&file, &Config::defaults(std::path::Path::new("portward.toml"))).table.unwrap()
}

/// The name that identifies the request's host. Two names are shown as such.
fn named(identify: &[Identity], request: &str) -> String {
    let input = request.as_bytes();
    let Inspect::Found { ask: Ask::Message(message), len } = Inspector::of_client().inspect(input) else {
        panic!("{request}")
    };
    let head = &input[..len];
    let from = Some(message.from.host.of_input(head)).filter(|host| !host.is_empty());
    let identify: Identify = identify.iter().copied().collect();
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    match identify.name(&table(), (head, &message), from) {
        Identified::Nothing => String::new(),
        Identified::One(name) => text(&name),
        Identified::Split(name) => format!("split {}", text(&name)),
    }
}

fn request(method: &str, uri: &str, from: &str, more: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <{from}>;tag=1\r\nTo: <{from}>\r\n\
         Call-ID: 1\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

const ALL: [Identity; 3] = Identity::ALL;

#[test]
fn w4_a_realm_that_names_a_host_comes_first() {
    for (credentials, name) in [
        ("Authorization: Digest username=\"u\", realm=\"a.example\", nonce=\"n\"", "a.example"),
        ("Proxy-Authorization: Digest realm=\"a.example\"", "a.example"),
        ("authorization : digest\r\n REALM = \"A.Example\" , nonce=n", "A.Example"),
        ("Authorization: Digest realm=\"a.example:5060\"", "a.example"),
        ("Authorization: Digest realm=a.example", "a.example"),
        ("Authorization: Digest realm=\"a\\.exam\\ple\"", "a.example"),
        ("Authorization: Digest realm=\"a.example.\"", "a.example."),
        ("Authorization: Digest realm=\"alias.example\"", "alias.example"),
        ("Authorization: Digest realm=\"x.wild.example\"", "x.wild.example"),
        // These realms name no host.
        ("Authorization: Digest realm=\"asterisk\"", "10.0.0.1"),
        ("Authorization: Digest realm=\"\"", "10.0.0.1"),
        ("Authorization: Digest username=\"realm=a.example\", realm=\"x\"", "10.0.0.1"),
        ("Authorization: Bearer realm=\"a.example\"", "10.0.0.1"),
        ("X-Authorization: Digest realm=\"a.example\"", "10.0.0.1"),
        // Several realms.
        (
            "Authorization: Digest realm=\"a.example\"\r\nProxy-Authorization: Digest realm=\"alias.example\"",
            "a.example",
        ),
        (
            "Authorization: Digest realm=\"asterisk\"\r\nAuthorization: Digest realm=\"a.example\"",
            "a.example",
        ),
        (
            "Authorization: Digest realm=\"a.example\"\r\nAuthorization: Digest realm=\"b.example\"",
            "split a.example",
        ),
        (
            "Authorization: Digest realm=\"b.example\"\r\nProxy-Authorization: Digest realm=\"a.example\"",
            "split b.example",
        ),
        (
            "Authorization: Digest realm=\"x.wild.example\"\r\nProxy-Authorization: Digest realm=\"y.wild.example\"",
            "x.wild.example",
        ),
    ] {
        for method in ["REGISTER", "INVITE"] {
            let request = request(method, "sip:10.0.0.2", "sip:u@10.0.0.1", &format!("{credentials}\r\n"));
            assert_eq!(named(&ALL, &request), name, "{method} {credentials}");
            assert_eq!(named(&[Identity::From], &request), "10.0.0.1", "realms do not matter by default");
        }
    }
}

#[test]
fn w4_from_and_then_the_request_uri_name_the_host_where_no_realm_does() {
    for (identities, method, uri, from, name) in [
        (&ALL[..], "REGISTER", "sip:a.example", "sip:u@10.0.0.1", "a.example"),
        (&ALL, "REGISTER", "sip:a.example:5061;transport=tls", "tel:+49", "a.example"),
        (&ALL, "REGISTER", "sip:10.0.0.2", "sip:u@a.example", "a.example"),
        (&ALL, "REGISTER", "sip:10.0.0.2", "sip:u@10.0.0.1", "10.0.0.1"),
        (&ALL, "REGISTER", "sip:10.0.0.2", "tel:+49", "10.0.0.2"),
        (&ALL, "REGISTER", "sip:alias.example", "sip:u@a.example", "a.example"),
        (&ALL, "REGISTER", "sip:b.example", "sip:u@a.example", "split a.example"),
        // The Request-URI of a call names the called party, not the host.
        (&ALL, "INVITE", "sip:x@b.example", "sip:u@a.example", "a.example"),
        (&ALL, "INVITE", "sip:x@b.example", "tel:+49", ""),
        (&[Identity::Realm, Identity::From], "REGISTER", "sip:b.example", "sip:u@a.example", "a.example"),
        (&[Identity::Uri], "REGISTER", "sip:b.example", "sip:u@a.example", "b.example"),
        (&[Identity::Realm], "REGISTER", "sip:b.example", "sip:u@a.example", ""),
    ] {
        assert_eq!(named(identities, &request(method, uri, from, "")), name, "{method} {uri} {from}");
    }
}

#[test]
fn w4_a_realm_and_from_that_name_different_hosts_are_two() {
    let with =
        |from: &str| request("INVITE", "sip:x@y", from, "Authorization: Digest realm=\"a.example\"\r\n");
    assert_eq!(named(&ALL, &with("sip:u@b.example")), "split a.example");
    assert_eq!(named(&ALL, &with("sip:u@alias.example")), "a.example");
    assert_eq!(named(&[Identity::Realm], &with("sip:u@b.example")), "a.example", "From is not asked");
}

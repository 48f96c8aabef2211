//! The decision about a request, as a value: where it goes, how it is changed, or how it is answered.

use std::sync::Arc;

use super::*;
use crate::reason::Reason;
use crate::rules::{
    Address, Builder, HostDef, HttpRule, NameDef, PathPattern, Source, Target, TargetOptions,
};
use crate::service::PerService;

fn table() -> Table {
    let ports = Ports { tcp: NonZeroU16::new(80), tls: NonZeroU16::new(443) };
    let address = Address::Ip([172, 31, 31, 2].into());
    let endpoints: Arc<[Endpoint]> =
        Arc::new([Endpoint { address, options: Arc::new(TargetOptions::default()) }]);
    let mut builder = Builder::new();
    for (name, redirect_https) in [("hq.example.net", true), ("*.example.org", false)] {
        let rule = HttpRule {
            path: PathPattern::Head("/a".into()),
            target: Target { endpoints: Arc::clone(&endpoints), ports },
            redirect_https,
            treatment: None,
            source: Source::default(),
        };
        builder
            .add(HostDef {
                name: NameDef { name: name.into(), source: Source::default() },
                aliases: Vec::new(),
                enabled: true,
                tenant: None,
                client_trust: None,
                endpoints: None,
                rules: PerService::default(),
                http: vec![rule],
                presets: Vec::new(),
            })
            .expect("no conflict");
    }
    builder.build(Vec::new())
}

fn ask<'a>(transport: Transport, host: &'a str, target: &'a str) -> Ask<'a> {
    let forwarding = Forwarding { peer: [192, 0, 2, 1].into(), transport, trusted: false };
    let path = target.split('?').next().unwrap_or_default();
    let (host, path, target) = (host.as_bytes(), path.as_bytes(), target.as_bytes());
    Ask {
        forwarding,
        host,
        path,
        target,
        connection: Connection::GoesOn,
        client: forwarding.peer,
        is_secure: forwarding.transport.is_tls(),
        only_reads: true,
    }
}

fn then<'t>(table: &'t Table, https_port: u16, ask: &Ask<'_>) -> Then<'t> {
    route(&Rules { table, https_port }, ask, &mut Scratch::default()).then
}

#[test]
fn item_4_what_is_forwarded_has_a_target_and_edits() {
    let table = table();
    let ask = Ask { connection: Connection::Ends, ..ask(Transport::Tls, "HQ.example.NET.:8443", "/a/b?c") };
    let Then::Forward { to, edits } = then(&table, 443, &ask) else { panic!() };
    assert_eq!((&*to.name, to.transport, to.port.get()), ("hq.example.net", Transport::Tls, 443));
    assert_eq!(
        edits,
        Edits {
            forwarding: ask.forwarding,
            connection: Connection::Ends,
            protected: None,
            takes_login: false,
            by_rule: None
        }
    );
}

#[test]
fn a_wildcard_does_not_say_the_name_and_the_request_does() {
    let table = table();
    for host in ["PBX.example.org", "pbx.example.org.:80"] {
        let Then::Forward { to, .. } = then(&table, 443, &ask(Transport::Plain, host, "/a")) else {
            panic!()
        };
        assert_eq!((&*to.name, to.port.get()), ("pbx.example.org", 80));
    }
}

#[test]
fn item_4_a_redirect_speaks_of_what_was_asked() {
    let table = table();
    for (https_port, host, target, location) in [
        (443, "hq.example.net", "/a?b=%C3%A4", "https://hq.example.net/a?b=%C3%A4"),
        (8443, "HQ.example.net:80", "/a/", "https://HQ.example.net:8443/a/"),
    ] {
        match then(&table, https_port, &ask(Transport::Plain, host, target)) {
            Then::Redirect { location: to } => assert_eq!(to, location),
            other => panic!("{other:?}"),
        }
    }
    let star = Rules { table: &table, https_port: 443 };
    assert_eq!(https_url(&star, &ask(Transport::Plain, "[::1]", "*")), "https://[::1]");
}

#[test]
fn a_refusal_knows_the_host() {
    let table = table();
    for (host, target, reason) in [
        ("hq.example.net", "/b", Reason::NoPath),
        ("hq.example.net", "/a/../b", Reason::UnsafePath),
        ("example.com", "/a", Reason::UnknownHost),
        ("a b", "/a", Reason::Malformed),
    ] {
        let rules = Rules { table: &table, https_port: 443 };
        let routed = route(&rules, &ask(Transport::Tls, host, target), &mut Scratch::default());
        let Then::Refuse(refused) = routed.then else { panic!("{host}{target}") };
        assert_eq!((refused.refusal.reason, refused.weight), (reason, reason.weight()));
        assert_eq!(routed.host.is_some(), host == "hq.example.net");
        assert!(routed.rule.is_none());
    }
}

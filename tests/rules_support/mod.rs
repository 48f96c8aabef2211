//! Hosts and rules for the tests of the rules.
#![allow(dead_code, reason = "every test file uses some of it")]

use std::num::NonZeroU16;
use std::sync::Arc;

use portward::rules::{
    Address, Endpoint, HostDef, HttpRule, NameDef, PathPattern, Ports, Preset, PresetPath, Segment, Source,
    Target, TargetOptions, TenantDef, Treatment, name,
};
use portward::service::PerService;

pub(crate) fn at(line: u32) -> Source {
    Source { file: 0, line, column: 1 }
}

pub(crate) fn port(number: u16) -> Option<NonZeroU16> {
    NonZeroU16::new(number)
}

pub(crate) fn ports() -> Ports {
    Ports { tcp: port(80), tls: port(443) }
}

pub(crate) fn endpoints(address: &str) -> Arc<[Endpoint]> {
    let address = match address.parse() {
        Ok(ip) => Address::Ip(ip),
        Err(_) => Address::Name(address.into()),
    };
    Arc::new([Endpoint { address, options: Arc::new(TargetOptions::default()) }])
}

/// A host without anything.
pub(crate) fn host(name: &str) -> HostDef {
    HostDef {
        name: NameDef { name: name::normalise(name).expect("a good name"), source: at(1) },
        aliases: Vec::new(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: None,
        rules: PerService::default(),
        http: Vec::new(),
        presets: Vec::new(),
    }
}

/// A rule to 192.0.2.9.
pub(crate) fn rule(path: &str) -> HttpRule {
    HttpRule {
        path: PathPattern::Head(path.into()),
        target: Target { endpoints: endpoints("192.0.2.9"), ports: ports() },
        redirect_https: false,
        treatment: None,
        source: at(2),
    }
}

pub(crate) fn default_rule() -> HttpRule {
    HttpRule { path: PathPattern::Default, ..rule("") }
}

pub(crate) fn preset(name: &str, paths: &[&str]) -> Arc<Preset> {
    let path = |path: &&str| PresetPath {
        path: (*path).into(),
        ports: ports(),
        redirect_https: false,
        source: at(3),
    };
    Arc::new(Preset { name: name.into(), paths: paths.iter().map(path).collect(), max_message: None })
}

/// A rule as the configuration reads it: `{tenant}` and `{tenant.name}` are whole segments. A rule that captures has no
/// target.
pub(crate) fn captured(path: &str) -> HttpRule {
    let segments = path.split('/').skip(1).map(|segment| match segment {
        "{tenant}" => Segment::TenantId,
        "{tenant.name}" => Segment::TenantName,
        text => Segment::Literal(text.into()),
    });
    let target = Target { endpoints: Arc::new([]), ports: ports() };
    HttpRule { path: PathPattern::Captured(segments.collect()), target, ..rule("") }
}

/// The same rule with a treatment.
pub(crate) fn treated(rule: HttpRule, treatment: Treatment) -> HttpRule {
    HttpRule { treatment: Some(Arc::new(treatment)), ..rule }
}

pub(crate) fn tenant(id: &str, parent: Option<&str>, enabled: bool, target: Option<&str>) -> TenantDef {
    TenantDef {
        id: id.into(),
        name: Some(format!("{id} Ltd").into()),
        enabled,
        parent: parent.map(Box::from),
        endpoints: target.map(endpoints),
        secrets: Arc::default(),
        users: None,
        source: at(4),
    }
}

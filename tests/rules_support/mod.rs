//! Hosts and rules for the tests of the rules.
#![allow(dead_code, reason = "every test file uses some of it")]

use std::num::NonZeroU16;
use std::sync::Arc;

use portward::rules::{
    Address, Endpoint, HostDef, HttpRule, NameDef, PathPattern, Ports, Preset, PresetPath, Source, Target,
    TargetOptions, name,
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
    let path = |path: &&str| PresetPath { path: (*path).into(), ports: ports(), source: at(3) };
    Arc::new(Preset { name: name.into(), paths: paths.iter().map(path).collect(), max_message: None })
}

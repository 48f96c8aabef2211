//! Tables with many hosts, for the benches that look names up.
#![allow(dead_code, reason = "not every bench needs all of it")]

use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::sync::Arc;

use portward::rules::name::normalise;
use portward::rules::{
    Address, Builder, Endpoint, HostDef, NameDef, Ports, Preset, PresetPath, Source, Table, TargetOptions,
};
use portward::service::PerService;

pub(crate) const PORTS: Ports = Ports { tcp: NonZeroU16::new(80), tls: NonZeroU16::new(443) };

pub(crate) fn name(n: u32) -> String {
    format!("pbx-{n:06}.customers.example.net")
}

fn host(n: u32, options: &Arc<TargetOptions>, preset: &Arc<Preset>) -> HostDef {
    let source = Source { file: 0, line: n, column: 1 };
    let address = Address::Ip(Ipv4Addr::from_bits(0x0a00_0000 | n).into());
    HostDef {
        name: NameDef { name: normalise(&name(n)).unwrap_or_default(), source },
        aliases: Vec::new(),
        enabled: true,
        tenant: None,
        client_trust: None,
        endpoints: Some(Arc::new([Endpoint { address, options: Arc::clone(options) }])),
        rules: PerService::default(),
        http: Vec::new(),
        presets: vec![Arc::clone(preset)],
    }
}

pub(crate) fn hosts(count: u32) -> Vec<HostDef> {
    let paths = ["/PBX0/APPCLIENT/appclient.htm", "/PBX0/APPS", "/PBX0/session"];
    let source = Source::default();
    let paths = paths
        .map(|path| PresetPath { path: path.into(), ports: PORTS, redirect_https: false, source })
        .to_vec();
    let preset = Arc::new(Preset { name: "innovaphone-pbx".into(), paths, max_message: None });
    let options = Arc::new(TargetOptions::default());
    (0..count).map(|n| host(n, &options, &preset)).collect()
}

pub(crate) fn table(hosts: Vec<HostDef>) -> Table {
    let mut builder = Builder::new();
    for host in hosts {
        let _ = builder.add(host);
    }
    builder.build(Vec::new())
}

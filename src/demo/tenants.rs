//! The tenants of the demonstration: the shipped rules for WebTrit, Maestrano, Kazoo and Voxbone, moved to loopback.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use super::network::moved;
use super::standin::StandIn;
use crate::service::Service;

const WEBTRIT: &str = include_str!("../../rules/examples/webtrit.toml");
const MAESTRANO: &str = include_str!("../../rules/examples/maestrano.toml");
const KAZOO: &str = include_str!("../../rules/examples/kazoo.toml");
const VOXBONE: &str = include_str!("../../rules/examples/voxbone.toml");

/// The names that visitors ask for over TLS.
pub(super) const NAMES: [&str; 3] = ["demo.webtrit.example", "app.example", "webrtc.example"];

/// The secret of the credentials of browsers.
pub(super) const SIP_SECRET: &str = "secret of the demonstration";

/// The tenant whose credentials are exchanged, and its secret.
pub(super) const CUSTOMER: (&str, &str) = ("customer", "replace this by a long random text");

/// The machines behind Portward: address, role, name in the rules, service. Both adapters have the same ports, because
/// one entry of the rules leads to either.
pub(super) const MACHINES: [(Ipv4Addr, &str, &str, Service); 5] = [
    (Ipv4Addr::new(172, 31, 31, 21), "Asterisk adapter", "asterisk-adapter.example", Service::Http),
    (Ipv4Addr::new(172, 31, 31, 22), "PortaSwitch adapter", "portaswitch-adapter.example", Service::Http),
    (Ipv4Addr::new(172, 31, 31, 40), "application", "172.31.31.40", Service::Http),
    (Ipv4Addr::new(172, 31, 31, 50), "Kazoo", "172.31.31.50", Service::Sip),
    (Ipv4Addr::new(172, 31, 31, 7), "PBX for browsers", "172.31.31.7", Service::Sip),
];

/// The rules, each with the name of its file, and with the addresses and ports of `inside`.
pub(super) fn rules(inside: &[StandIn]) -> [(&'static str, String); 4] {
    let ports = |machine: usize| {
        let original = MACHINES.get(machine).map(|(address, ..)| *address);
        let found = inside.iter().find(|one| Some(one.original) == original);
        found.map_or([0, 0], |one| [one.plain.port(), one.tls.port()])
    };
    [
        ("webtrit.toml", with_ports(WEBTRIT, ports(0))),
        ("maestrano.toml", with_ports(MAESTRANO, ports(2))),
        ("kazoo.toml", realms(KAZOO, ports(3))),
        ("voxbone.toml", signalling(VOXBONE, ports(4))),
    ]
}

/// The text with loopback addresses, and with these ports in each entry of `http`.
fn with_ports(text: &str, [tcp, tls]: [u16; 2]) -> String {
    on_loopback(text).replace("{ path = ", &format!("{{ tcp = {tcp}, tls = {tls}, path = "))
}

/// The text with loopback addresses, and with these ports in place of SIP's standard ports.
fn signalling(text: &str, [tcp, tls]: [u16; 2]) -> String {
    on_loopback(text).replace("tcp = 5060, tls = 5061", &format!("tcp = {tcp}, tls = {tls}"))
}

/// The accounts without their web pages. Each realm becomes a host of its own, because it needs ports.
fn realms(text: &str, [tcp, tls]: [u16; 2]) -> String {
    let (mut rules, mut hosts, mut id) = (String::new(), String::new(), "");
    for line in on_loopback(text).lines().take_while(|line| *line != "[[host]]") {
        if let Some(named) = line.strip_prefix("[tenant.").and_then(|rest| rest.strip_suffix(']')) {
            id = named;
        }
        match line.strip_prefix("realms = [").and_then(|rest| rest.strip_suffix(']')) {
            Some(realm) => {
                let _ = writeln!(
                    hosts,
                    "\n[[host]]\nname = {realm}\ntenant = \"{id}\"\nsip = {{ tcp = {tcp}, tls = {tls} }}"
                );
            }
            None => {
                let _ = writeln!(rules, "{line}");
            }
        }
    }
    rules + &hosts
}

fn on_loopback(text: &str) -> String {
    MACHINES.iter().fold(text.to_owned(), |text, (address, _, name, _)| {
        text.replace(&format!("\"{name}\""), &format!("\"{}\"", moved(*address)))
    })
}

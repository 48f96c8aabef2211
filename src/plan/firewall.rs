//! The connections that firewalls must let through, in both directions, and those that they must block.

use super::inside::{Inside, is_loopback};
use super::{Forwards, Protocol, Said, own_address, title};
use crate::config::{Acme, Config};
use crate::rules::Address;

/// One kind of connection that a firewall must let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The side that connects.
    pub from: Said,
    /// The side that is connected to.
    pub to: Said,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The destination ports.
    pub ports: Vec<u16>,
    /// The purpose.
    pub what_for: String,
}

/// All openings.
#[derive(Debug)]
pub struct Firewall {
    /// Connections to Portward first, then connections from it.
    pub openings: Vec<Opening>,
    /// Which ports must stay closed, and which traffic needs no opening.
    pub notes: Vec<String>,
}

const ANYWHERE: &str = "anywhere";
const ADMINISTRATORS: &str = "administrators";
const NAME_SERVERS: &str = "its name servers";

impl Firewall {
    pub(super) fn new(config: &Config, forwards: &Forwards, inside: &Inside) -> Self {
        let mut openings = toward(config, forwards);
        openings.extend(from_portward(config, inside));
        let turn = &config.outside.turn;
        let mut notes = vec![
            "Portward to everything else, inside and outside: closed. It connects to its targets only".to_owned(),
            "PBX to Portward: nothing. Calls for telephones outside take the connections that the telephones opened"
                .to_owned(),
            "PBX to outside (a SIP provider, STUN, push messages): by connections of its own, not through Portward"
                .to_owned(),
        ];
        if !turn.is_empty() {
            notes.push(format!(
                "voice and video pass the TURN server {turn}, not Portward: it must exchange UDP with the world and with the \
                 telephones inside; its own documentation names the ports"
            ));
        }
        if let Some(Acme::Webroot(_)) = &config.tls.acme {
            notes.push(
                "the ACME client on Portward's machine connects to its authority outside: TCP 443, and DNS"
                    .to_owned(),
            );
        }
        if inside.targets.iter().any(|target| is_here(config, &target.address)) {
            notes.push("targets on Portward's own machine need no opening".to_owned());
        }
        Self { openings, notes }
    }
}

/// The openings for connections to Portward and to the TURN server.
fn toward(config: &Config, forwards: &Forwards) -> Vec<Opening> {
    let mut openings: Vec<Opening> = Vec::new();
    let anywhere = || Said::Is(ANYWHERE.to_owned());
    let mut open = |to: &Said, protocol, port, what: &str| match openings
        .iter_mut()
        .find(|one| one.to == *to && one.protocol == protocol && one.what_for == what)
    {
        Some(known) => known.ports.push(port),
        None => openings.push(Opening {
            from: anywhere(),
            to: to.clone(),
            protocol,
            ports: vec![port],
            what_for: what.to_owned(),
        }),
    };
    for one in forwards.to_portward() {
        open(&one.to, one.protocol, one.port, "Portward: what the router forwards");
    }
    for one in forwards.to_turn() {
        open(&one.to, one.protocol, one.port, "TURN");
    }
    if let Some(listen) = config.admin.listen.filter(|listen| !listen.ip().is_loopback()) {
        let to = if listen.ip().is_unspecified() {
            own_address(config)
        } else {
            Said::Is(listen.ip().to_string())
        };
        openings.push(Opening {
            from: Said::Is(ADMINISTRATORS.to_owned()),
            to,
            protocol: Protocol::Tcp,
            ports: vec![listen.port()],
            what_for: "admin.listen: never from outside".to_owned(),
        });
    }
    openings
}

/// The openings for connections that Portward makes.
fn from_portward(config: &Config, inside: &Inside) -> Vec<Opening> {
    let mut openings = Vec::new();
    let opening = |to: String, protocol, ports, what_for: String| Opening {
        from: own_address(config),
        to: Said::Is(to),
        protocol,
        ports,
        what_for,
    };
    for target in inside.targets.iter().filter(|target| !is_here(config, &target.address)) {
        let services: Vec<&str> = target.services().map(title).collect();
        let (to, ports) = (target.address.to_string(), target.all_ports());
        if !ports.is_empty() {
            openings.push(opening(to, Protocol::Tcp, ports, services.join(", ")));
        }
    }
    let mut names: Vec<&Address> = inside.targets.iter().map(|target| &target.address).collect();
    if let Some(Acme::Target { endpoints, port }) = &config.tls.acme {
        for endpoint in endpoints.iter().filter(|endpoint| !is_here(config, &endpoint.address)) {
            let what_for = "challenges of an ACME client (tls.acme_target)".to_owned();
            openings.push(opening(endpoint.address.to_string(), Protocol::Tcp, vec![port.get()], what_for));
        }
        names.extend(endpoints.iter().map(|endpoint| &endpoint.address));
    }
    if names.iter().any(|address| address.name().is_some() && !is_loopback(address)) {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let what_for = "DNS: targets that are names (/etc/resolv.conf says which servers)".to_owned();
            openings.push(opening(NAME_SERVERS.to_owned(), protocol, vec![53], what_for));
        }
    }
    openings
}

/// Whether the address is Portward's own machine.
fn is_here(config: &Config, address: &Address) -> bool {
    is_loopback(address) || address.to_string() == config.outside.own_address
}

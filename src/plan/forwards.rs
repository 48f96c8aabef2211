//! The router's port forwards, and the ports on which Portward listens.

use std::net::IpAddr;

use super::{ORDER, Protocol, Said, label, own_address, title};
use crate::config::{Config, Listener};
use crate::rules::Table;
use crate::service::{Service, Transport};

/// The port of a TURN server, outside and inside (RFC 8656 section 18.7).
const TURN_PORT: u16 = 3478;

/// One port forward of the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The service that uses it. `None`: TURN.
    pub service: Option<(Service, Transport)>,
    /// The transport protocol: TCP, and for TURN also UDP.
    pub protocol: Protocol,
    /// The port that the router opens to the outside.
    pub outside: u16,
    /// The address to which the router forwards.
    pub to: Said,
    /// The port at that address.
    pub port: u16,
}

impl Forward {
    /// The name that people use for the service.
    pub fn label(&self) -> &'static str {
        self.service.map_or("TURN", |(service, transport)| label(service, transport))
    }

    /// Whether it leads to the standard port of the service.
    pub fn is_standard(&self) -> bool {
        let standard =
            self.service.map_or(TURN_PORT, |(service, transport)| service.standard_port(transport));
        self.port == standard
    }
}

/// All port forwards.
#[derive(Debug)]
pub struct Forwards {
    /// The port forwards, in the order of the reference.
    pub list: Vec<Forward>,
    /// Further notes for the administrator.
    pub notes: Vec<String>,
}

impl Forwards {
    pub(super) fn new(config: &Config, table: &Table) -> Self {
        let (mut list, mut notes) = (turn(config), Vec::new());
        if list.is_empty() {
            notes.push(
                "outside.turn is not set: nothing is forwarded for TURN (UDP and TCP 3478). Calls with telephones \
                 outside are silent without a TURN server or a media relay"
                    .to_owned(),
            );
        }
        for service in ORDER {
            let listens = config.listen.listeners.iter().any(|one| one.service == service);
            if listens && !is_served(config, table, service) {
                notes.push(format!(
                    "[listen] opens {}, but no enabled host of the rules has it: nothing needs to be forwarded",
                    title(service)
                ));
                continue;
            }
            for transport in Transport::ALL {
                list.extend(forward(config, service, transport, &mut notes));
            }
        }
        conflicts(&list, &mut notes);
        of_ipv6(config, &list, &mut notes);
        Self { list, notes }
    }

    /// Whether a port forward leads to Portward's own address, which portward.toml does not give.
    pub(super) fn needs_own_address(&self) -> bool {
        self.list.iter().any(|one| one.service.is_some() && one.to.known().is_none())
    }

    /// The port forwards that lead to Portward.
    pub(super) fn to_portward(&self) -> impl Iterator<Item = &Forward> {
        self.list.iter().filter(|one| one.service.is_some())
    }

    /// The port forwards that lead to the TURN server.
    pub(super) fn to_turn(&self) -> impl Iterator<Item = &Forward> {
        self.list.iter().filter(|one| one.service.is_none())
    }
}

fn turn(config: &Config) -> Vec<Forward> {
    let turn = &config.outside.turn;
    if turn.is_empty() {
        return Vec::new();
    }
    let forward = |protocol| Forward {
        service: None,
        protocol,
        outside: TURN_PORT,
        to: Said::Is(turn.clone()),
        port: TURN_PORT,
    };
    [Protocol::Udp, Protocol::Tcp].map(forward).into()
}

/// Whether a rule can serve a connection for `service`.
pub(super) fn is_served(config: &Config, table: &Table, service: Service) -> bool {
    let challenges = service == Service::Http && config.tls.acme.is_some();
    challenges || table.iter().any(|host| host.enabled() && host.serves(service))
}

fn forward(
    config: &Config,
    service: Service,
    transport: Transport,
    notes: &mut Vec<String>,
) -> Option<Forward> {
    let all = sockets(config, service, transport);
    let own: Option<IpAddr> = config.outside.own_address.parse().ok();
    let mut reached: Vec<&Listener> =
        all.iter().copied().filter(|one| !one.address.ip().is_loopback()).collect();
    let what = label(service, transport);
    if reached.is_empty() {
        if let Some(one) = all.first() {
            notes.push(format!(
                "{what} listens on {} alone, which no router can reach: nothing is forwarded",
                one.address
            ));
        }
        return None;
    }
    // The router forwards to one socket. The socket on our own configured address is best, then one of the same family.
    reached.sort_by_key(|one| {
        let ip = one.address.ip();
        let family = own.map_or(ip.is_ipv6(), |own| own.is_ipv4() != ip.is_ipv4());
        (own.is_some_and(|own| own != ip && !ip.is_unspecified()), family)
    });
    let listener = reached.first()?;
    let ip = listener.address.ip();
    let mut ports: Vec<u16> = reached.iter().map(|one| one.address.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.len() > 1 {
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        notes.push(format!("{what} listens on the ports {}; the router needs one of them", ports.join(", ")));
    }
    let to = if ip.is_unspecified() { own_address(config) } else { Said::Is(ip.to_string()) };
    let outside = config.outside.port(service, transport);
    Some(Forward {
        service: Some((service, transport)),
        protocol: Protocol::Tcp,
        outside,
        to,
        port: listener.address.port(),
    })
}

fn sockets(config: &Config, service: Service, transport: Transport) -> Vec<&Listener> {
    let is_its = |one: &&Listener| one.service == service && one.transport == transport;
    config.listen.listeners.iter().filter(is_its).collect()
}

/// Notes which port forwards have the same outside port. Two of them cannot share one.
fn conflicts(list: &[Forward], notes: &mut Vec<String>) {
    for (at, one) in list.iter().enumerate() {
        let same = |other: &&Forward| (other.protocol, other.outside) == (one.protocol, one.outside);
        if let Some(first) = list.iter().take(at).find(same) {
            notes.push(format!(
                "{} and {} both have the outside port {}: the router can forward it once. Change outside.ports",
                first.label(),
                one.label(),
                one.outside
            ));
        }
    }
}

/// Notes for IPv6. With IPv6 a router opens ports and seldom translates them.
fn of_ipv6(config: &Config, list: &[Forward], notes: &mut Vec<String>) {
    let is_ipv6 = |text: &str| text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
    let translated = list.iter().filter(|one| one.service.is_some() && one.outside != one.port);
    let translated = translated.map(Forward::label).collect::<Vec<_>>();
    let outside = &config.outside;
    if !translated.is_empty() && (is_ipv6(&outside.address) || is_ipv6(&outside.own_address)) {
        notes.push(format!(
            "most routers open an IPv6 port and cannot change its number. Where yours cannot, let [listen] have the \
             outside ports for {}",
            translated.join(", ")
        ));
    }
}

/// The ports on which Portward listens for one service: a row of the reference's table of service ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePorts {
    /// The service.
    pub service: Service,
    /// The plain ports.
    pub tcp: Vec<u16>,
    /// The TLS ports.
    pub tls: Vec<u16>,
}

impl ServicePorts {
    /// A row for every service that `[listen]` names, in the order of the reference.
    pub(super) fn all(config: &Config) -> Vec<Self> {
        let ports = |service, transport| {
            let sockets = sockets(config, service, transport);
            let mut ports: Vec<u16> = sockets.iter().map(|one| one.address.port()).collect();
            ports.sort_unstable();
            ports.dedup();
            ports
        };
        let of = |service| Self {
            service,
            tcp: ports(service, Transport::Plain),
            tls: ports(service, Transport::Tls),
        };
        let services = [Service::H323, Service::Sip, Service::Ldap, Service::Http];
        services.map(of).into_iter().filter(|one| !one.tcp.is_empty() || !one.tls.is_empty()).collect()
    }
}

//! `[listen]`: the sockets to open.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::keys::elsewhere;
use super::report::Fault;
use super::scalar;
use super::tree::Node;
use super::values::networks;
use super::walk::{Section, Value};
use super::{Listen, Listener};
use crate::service::Service;

/// A listener and the value that asked for it.
pub(super) type Placed<'w> = (Listener, Value<'w>);

/// Reads the section. The second value has the sockets with their places, for [`check_admin`].
pub(super) fn read<'w>(mut section: Section<'w>) -> (Listen, Vec<Placed<'w>>) {
    let families = Families::read(&mut section);
    let mut placed = Vec::new();
    let mut named = false;
    for (service, transport) in Service::by_transport() {
        let Some(value) = section.get(service.scheme(transport)) else { continue };
        named = true;
        for element in value.one_or_more() {
            for address in families.addresses(&element) {
                add(&mut placed, Listener { service, transport, address }, &element);
            }
        }
    }
    if !named {
        section.warn_here(
            Fault::new("no service is configured in [listen]: no port is opened")
                .help("the recommended ports are http = 90, https = 453")
                .absence(),
        );
    }
    let listen = Listen {
        listeners: placed.iter().map(|(listener, _)| *listener).collect(),
        proxy_protocol_from: section.setting("proxy_protocol_from", Vec::new(), networks),
        forwarded_from: section.setting("forwarded_from", Vec::new(), networks),
    };
    section.finish(elsewhere);
    (listen, placed)
}

fn add<'w>(placed: &mut Vec<Placed<'w>>, listener: Listener, value: &Value<'w>) {
    if let Some((other, first)) = placed.iter().find(|(other, _)| collide(other.address, listener.address)) {
        value.error(collision(listener.address, other.address).related(first.place(), "first used here"));
    } else {
        placed.push((listener, value.clone()));
    }
}

fn collision(address: SocketAddr, other: SocketAddr) -> Fault {
    if address == other {
        Fault::new(format!("{address} is used twice")).label("used again")
    } else {
        Fault::new(format!("{address} and {other} cannot be open at the same time"))
            .help("an unspecified address covers every address of its family; give each service its own port")
    }
}

/// Whether two sockets exclude each other.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port()
        && a.is_ipv4() == b.is_ipv4()
        && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// Checks `admin.listen` against the sockets of the services.
pub(super) fn check_admin(placed: &[Placed<'_>], address: SocketAddr, value: &Value<'_>) {
    if let Some((other, first)) = placed.iter().find(|(other, _)| collide(other.address, address)) {
        value.error(collision(address, other.address).related(first.place(), "first used here"));
    }
}

/// `ipv4` and `ipv6`.
#[derive(Debug, Clone, Copy)]
struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    fn read(section: &mut Section<'_>) -> Self {
        let ipv4 = section.read("ipv4", true, Value::boolean);
        let Some(value) = section.get("ipv6") else { return Self { ipv4, ipv6: true } };
        let ipv6 = value.boolean().unwrap_or(true);
        if !ipv4 && !ipv6 {
            value.error(Fault::new("with ipv4 and ipv6 both false there is no address to listen on"));
        }
        Self { ipv4, ipv6 }
    }

    fn addresses(self, value: &Value<'_>) -> Vec<SocketAddr> {
        if let Node::Integer(_) = value.node {
            let port = value.integer(1..=65535).and_then(|port| u16::try_from(port).ok());
            return port.map_or_else(Vec::new, |port| self.every_address(port));
        }
        let wanted = "a port, \"ADDRESS:PORT\", or a list of them";
        let Some(address) = value.parsed(wanted, scalar::socket_address) else { return Vec::new() };
        let (on, family) = match address.ip() {
            IpAddr::V4(_) => (self.ipv4, "ipv4"),
            IpAddr::V6(_) => (self.ipv6, "ipv6"),
        };
        if !on {
            value.error(
                Fault::new(format!("{address} cannot be used because {family} is false"))
                    .help(format!("remove it, or set {family} = true")),
            );
            return Vec::new();
        }
        vec![address]
    }

    fn every_address(self, port: u16) -> Vec<SocketAddr> {
        let v4 = self.ipv4.then_some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let v6 = self.ipv6.then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        v4.into_iter().chain(v6).map(|ip| SocketAddr::new(ip, port)).collect()
    }
}

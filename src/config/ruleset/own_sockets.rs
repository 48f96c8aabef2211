//! Portward's own sockets. A rule that leads to one of them would be a loop.

use std::net::{IpAddr, SocketAddr};

use super::super::report::Fault;
use super::super::walk::Value;
use super::super::{Config, Listener};
use crate::rules::{Address, Endpoint, Ports};

/// The sockets that Portward itself listens on.
pub(super) struct OwnSockets {
    listeners: Vec<Listener>,
    /// `admin.listen`.
    admin: Option<SocketAddr>,
    own_address: Option<IpAddr>,
    /// The router's public address or name.
    outside: Option<Address>,
    /// The router's ports that lead to a socket of Portward, if the router forwards as `outside.ports` says.
    forwarded: Vec<u16>,
}

impl OwnSockets {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            listeners: config.listen.listeners.clone(),
            admin: config.admin.listen,
            own_address: config.outside.own_address.parse().ok(),
            outside: outside(&config.outside.address),
            forwarded: config
                .listen
                .listeners
                .iter()
                .map(|one| config.outside.port(one.service, one.transport))
                .collect(),
        }
    }

    /// Whether a rule with these addresses could lead back to Portward. Its ports decide.
    pub(super) fn is_near(&self, endpoints: &[Endpoint]) -> bool {
        let own = || self.listeners.iter().map(|listener| listener.address).chain(self.admin);
        endpoints.iter().any(|endpoint| {
            let address = &endpoint.address;
            Some(address) == self.outside.as_ref() || own().any(|socket| self.is_reached(socket, address))
        })
    }

    /// Reports a rule that leads back to Portward.
    pub(super) fn refuse_loop(&self, value: &Value<'_>, endpoints: &[Endpoint], ports: Ports) {
        if let Some((port, scheme)) = self.find(endpoints, ports) {
            value.error(
                Fault::new(format!(
                    "this leads back to Portward itself, which listens on port {port} for {scheme}"
                ))
                .help("a target is a PBX or another server inside, not Portward"),
            );
        } else if endpoints.iter().any(|endpoint| Some(&endpoint.address) == self.outside.as_ref()) {
            let help = "write the address that the PBX has inside";
            match [ports.tcp, ports.tls].iter().flatten().find(|port| self.forwarded.contains(&port.get())) {
                Some(port) => value.error(
                    Fault::new(format!(
                        "this is outside.address: its port {port} is forwarded to Portward itself"
                    ))
                    .help(help),
                ),
                None => value.warn(
                    Fault::new("this is outside.address, the address of the router: no PBX is there")
                        .help(help),
                ),
            }
        }
    }

    /// The first of Portward's own sockets to which the endpoints with these ports lead: its port, and its service.
    pub(super) fn find(&self, endpoints: &[Endpoint], ports: Ports) -> Option<(u16, &'static str)> {
        let used = [ports.tcp, ports.tls];
        let services = self.listeners.iter().map(|l| (l.address, l.service.scheme(l.transport)));
        services
            .chain(self.admin.map(|address| (address, "administration")))
            .filter(|(own, _)| used.iter().flatten().any(|port| port.get() == own.port()))
            .find(|(own, _)| endpoints.iter().any(|e| self.is_reached(*own, &e.address)))
            .map(|(own, what)| (own.port(), what))
    }

    fn is_reached(&self, socket: SocketAddr, target: &Address) -> bool {
        let ip = match target {
            Address::Ip(ip) => *ip,
            // Only this DNS name has an address that is known without a query (RFC 6761 section 6.3).
            Address::Name(name) => {
                let local = &**name == "localhost" || name.ends_with(".localhost");
                return local && (socket.ip().is_loopback() || socket.ip().is_unspecified());
            }
        };
        if !socket.ip().is_unspecified() {
            return socket.ip() == ip;
        }
        socket.is_ipv4() == ip.is_ipv4() && (ip.is_loopback() || self.own_address == Some(ip))
    }
}

/// `outside.address` in the form of a target.
fn outside(address: &str) -> Option<Address> {
    let name = || (!address.is_empty()).then(|| Address::Name(address.into()));
    address.parse().ok().map(Address::Ip).or_else(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{Service, Transport};
    use std::num::NonZeroU16;
    use std::sync::Arc;

    #[test]
    fn knows_its_own_and_nothing_else() {
        let listener = |address: &str| Listener {
            service: Service::Http,
            transport: Transport::Plain,
            address: address.parse().unwrap(),
        };
        let own = OwnSockets {
            listeners: vec![listener("0.0.0.0:90"), listener("[::]:91"), listener("192.0.2.1:92")],
            admin: "127.0.0.1:9400".parse().ok(),
            own_address: "172.31.31.2".parse().ok(),
            outside: None,
            forwarded: Vec::new(),
        };
        let leads_home = |target: &str, port| {
            let address =
                target.parse().map_or_else(|_| Address::Name(target.into()), |ip: IpAddr| Address::Ip(ip));
            let endpoints = [Endpoint { address, options: Arc::default() }];
            let found = own.find(&endpoints, Ports { tcp: NonZeroU16::new(port), tls: None }).is_some();
            assert!(own.is_near(&endpoints) || !found, "{target}:{port}");
            found
        };
        for (target, port) in [
            ("127.0.0.1", 90),
            ("127.1.2.3", 90),
            ("172.31.31.2", 90),
            ("::1", 91),
            ("192.0.2.1", 92),
            ("localhost", 90),
            ("127.0.0.1", 9400),
            ("localhost", 9400),
        ] {
            assert!(leads_home(target, port), "{target}:{port}");
        }
        for (target, port) in [
            ("127.0.0.1", 80),
            ("172.31.31.2", 80),
            ("172.31.31.3", 90),
            ("127.0.0.1", 91),
            ("127.0.0.1", 92),
            ("pbx.example.net", 90),
            ("localhost", 92),
            ("172.31.31.2", 9400),
        ] {
            assert!(!leads_home(target, port), "{target}:{port}");
        }
    }
}

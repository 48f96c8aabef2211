//! Tries whether every target can be used, without a client, for `portward check --connect`.
//!
//! An address is dialled as for a client, and its certificate is verified in the same way. Only the octets that open
//! the connection are sent. Unlike for a client, every address is tried, even if an earlier one works.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt as _;

use super::Dialer;
use super::dial::{Opening, open};
use crate::cause::{Cause, FailedAt};
use crate::io::Stream;
use crate::rules::{Address, Endpoint, Host, HostService, Table, TargetOptions, Verify};
use crate::service::{Service, Transport};
use crate::tls;

/// How many addresses are tried at once.
const AT_ONCE: usize = 64;

/// How long a connection is watched after its handshake. In TLS 1.3 a target that refuses Portward's certificate ends
/// the connection only then (RFC 8446 section 4.4.2.4).
const AFTERTHOUGHT: Duration = Duration::from_millis(250);

/// One port of one address of a target, for all hosts that would be tried there in the same way.
#[derive(Debug, Clone)]
pub struct Port {
    /// The address and its settings.
    pub endpoint: Endpoint,
    /// The port.
    pub port: NonZeroU16,
    /// Plain or TLS.
    pub transport: Transport,
    /// The service.
    pub service: Service,
    /// The first host that leads there.
    pub host: Box<str>,
    /// How many more hosts lead there.
    pub more_hosts: usize,
}

/// The results for one port: one for each address of its name.
#[derive(Debug)]
pub struct Tried {
    /// The port.
    pub port: Port,
    /// The result for each address. If the name has no address, there is one result for the name.
    pub results: Vec<(FailedAt, Result<(), Cause>)>,
}

/// Every port to which the enabled hosts of `table` lead, in the order of the rules. A port comes once for each certificate
/// name that is verified there. `verify` is `upstream.verify`.
pub fn ports_of(table: &Table, verify: Verify) -> Vec<Port> {
    let mut collected = Collected { ports: Vec::new(), known: HashMap::new(), verify };
    for host in table.iter().filter(|host| host.enabled()) {
        host.ways().for_each(|way| collected.add(host, way));
    }
    collected.ports
}

/// The properties in which trials differ.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    address: Address,
    options: Arc<TargetOptions>,
    port: NonZeroU16,
    /// For TLS only. The service decides the presented certificate, and the name is verified.
    tls: Option<(Service, Option<ServerName<'static>>)>,
}

struct Collected<'t> {
    ports: Vec<Port>,
    /// For each key the index in `ports`, and the last host that was counted there.
    known: HashMap<Key, (usize, &'t str)>,
    verify: Verify,
}

impl<'t> Collected<'t> {
    fn add(&mut self, host: Host<'t>, HostService { service, endpoints, ports }: HostService<'t>) {
        for endpoint in endpoints.iter() {
            for (transport, port) in ports.each() {
                let key = Key {
                    address: endpoint.address.clone(),
                    options: Arc::clone(&endpoint.options),
                    port,
                    tls: transport.is_tls().then(|| (service, self.verified(endpoint, host.name()))),
                };
                if let Some((at, last)) = self.known.get_mut(&key) {
                    let is_new = std::mem::replace(last, host.name()) != host.name();
                    let known = self.ports.get_mut(*at).filter(|_| is_new);
                    known.into_iter().for_each(|known| known.more_hosts += 1);
                    continue;
                }
                self.known.insert(key, (self.ports.len(), host.name()));
                let endpoint = endpoint.clone();
                self.ports.push(Port {
                    endpoint,
                    port,
                    transport,
                    service,
                    host: host.name().into(),
                    more_hosts: 0,
                });
            }
        }
    }

    /// The name that is verified there for `host`. `None`: no name is verified.
    fn verified(&self, endpoint: &Endpoint, host: &str) -> Option<ServerName<'static>> {
        let options = &endpoint.options;
        let by_name = options.pin.is_none() && options.verify.unwrap_or(self.verify) == Verify::Ca;
        if by_name { tls::server_name(options, &endpoint.address, host) } else { None }
    }
}

impl Dialer<'_> {
    /// Tries every port, 64 at once, each address within `timeout`. The results are in the order of `ports`.
    pub async fn try_all(&self, ports: Vec<Port>) -> Vec<Tried> {
        let trials = ports.into_iter().map(|port| async {
            let results = self.try_port(&port).await;
            Tried { port, results }
        });
        stream::iter(trials).buffered(AT_ONCE).collect().await
    }

    async fn try_port(&self, port: &Port) -> Vec<(FailedAt, Result<(), Cause>)> {
        let addresses = match self.resolve(&port.endpoint.address).await {
            Ok(addresses) => addresses,
            Err(cause) => return vec![(super::dial::named(&port.endpoint, port.port), Err(cause))],
        };
        let mut results = Vec::new();
        for ip in addresses.as_slice() {
            let address = SocketAddr::new(*ip, port.port.get());
            results.push((FailedAt::Address(address), self.try_address(port, address).await));
        }
        results
    }

    async fn try_address(&self, port: &Port, address: SocketAddr) -> Result<(), Cause> {
        let profile =
            port.transport.is_tls().then(|| self.tls.client_config(port.service, &port.endpoint.options));
        let opening = Opening {
            tls: self.tls,
            listeners: self.listeners,
            tcp_timeout: self.timeout,
            timeout: self.timeout,
            service: port.service,
            endpoint: &port.endpoint,
            host: &port.host,
            profile: profile.as_ref(),
            speaks_for: None,
        };
        let stream = open(opening, address).await?;
        if port.transport.is_tls() { refused_afterwards(stream).await } else { Ok(()) }
    }
}

/// Whether the target ends a connection after a successful handshake.
async fn refused_afterwards(mut stream: Stream) -> Result<(), Cause> {
    let mut octet = [0];
    match tokio::time::timeout(AFTERTHOUGHT, stream.read(&mut octet)).await {
        Ok(Err(error)) => Err(tls::of_alert_after(&error).unwrap_or_else(|| tls::of_handshake(&error))),
        Ok(Ok(0)) => Err(Cause::Closed),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

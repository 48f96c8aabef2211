//! Whether every target can be used, tried without a client: for `portward check --connect`.
//!
//! An address is dialled as for a client, with the same judgement of its certificate. Nothing is sent but what opens the
//! connection. Other than for a client, every address is tried, whatever has become of the others.

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

/// So many are tried at once.
const AT_ONCE: usize = 64;

/// How long a connection is watched after its handshake. In TLS 1.3 a target that does not accept Portward's certificate ends
/// the connection only then (RFC 8446 section 4.4.2.4).
const AFTERTHOUGHT: Duration = Duration::from_millis(250);

/// One port of one address of a target, for all hosts to which the same applies there.
#[derive(Debug, Clone)]
pub struct Port {
    /// The address, and what is true of it.
    pub endpoint: Endpoint,
    /// The port.
    pub port: NonZeroU16,
    /// Plain or TLS.
    pub transport: Transport,
    /// What is spoken there.
    pub service: Service,
    /// The first host that leads there.
    pub host: Box<str>,
    /// How many more hosts do.
    pub more_hosts: usize,
}

/// What came of one port: of each address that its name has.
#[derive(Debug)]
pub struct Tried {
    /// Which.
    pub port: Port,
    /// Each address, or the name if it has none.
    pub results: Vec<(FailedAt, Result<(), Cause>)>,
}

/// Every port to which the enabled hosts of `table` lead, each once for each certificate name that is verified there, in the
/// order of the rules. `verify` is `upstream.verify`.
pub fn ports_of(table: &Table, verify: Verify) -> Vec<Port> {
    let mut collected = Collected { ports: Vec::new(), known: HashMap::new(), verify };
    for host in table.iter().filter(|host| host.enabled()) {
        host.ways().for_each(|way| collected.add(host, way));
    }
    collected.ports
}

/// All that tells one trial from another.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    address: Address,
    options: Arc<TargetOptions>,
    port: NonZeroU16,
    /// Only of TLS: what is presented depends on the service, and what is verified on the name.
    tls: Option<(Service, Option<ServerName<'static>>)>,
}

struct Collected<'t> {
    ports: Vec<Port>,
    /// Which of `ports`, and the last host that was counted there.
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

    /// The name that is verified there for `host`; `None`: none is.
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

/// Whether the target ends a connection of which the handshake was good.
async fn refused_afterwards(mut stream: Stream) -> Result<(), Cause> {
    let mut octet = [0];
    match tokio::time::timeout(AFTERTHOUGHT, stream.read(&mut octet)).await {
        Ok(Err(error)) => Err(tls::of_alert_after(&error).unwrap_or_else(|| tls::of_handshake(&error))),
        Ok(Ok(0)) => Err(Cause::Closed),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

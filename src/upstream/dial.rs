//! Opens connections: one address after the other, TCP, PROXY header, TLS, all under one deadline an address.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::{Connection, Health, KeyRef, Pool, Resolver, unreached};
use crate::cause::{At, Cause, Failure, Failures};
use crate::inspect::proxy;
use crate::io::{Leg, Stream};
use crate::rules::{Address, Endpoint, ProxyVersion, Reuse, is_of_this_machine};
use crate::service::{Service, Transport};
use crate::stats::{Counters, Dialled, Side};
use crate::tls::{self, Profile, UpstreamTls};

/// What a connection to a target is wanted for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What will be spoken.
    pub service: Service,
    /// The addresses of the target, in order.
    pub endpoints: &'a [Endpoint],
    /// Plain or TLS.
    pub transport: Transport,
    /// The port for it.
    pub port: NonZeroU16,
    /// The host that was asked for, for the server's name.
    pub host: &'a str,
    /// The client's address, for the PROXY header.
    pub client: SocketAddr,
    /// The client's address, as far as that is believed. A login of the connection belongs to it.
    pub owner: IpAddr,
    /// The address that the client has connected to, for the PROXY header.
    pub local: SocketAddr,
}

/// What has been tried for one request, which may need several connections until one of them answers.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Addresses that are not dialled again.
    dialled: Vec<SocketAddr>,
    /// An address that does not answer the kernel any more on a kept connection. It is dialled after the others.
    vanished: Option<SocketAddr>,
    /// Kept connections do not count any more.
    new_only: bool,
    /// A connection has failed.
    failed: bool,
    /// What has failed for good, and why.
    failures: Failures,
}

impl Attempts {
    /// For what needs a connection of its own.
    pub fn with_new_connections() -> Self {
        Self { new_only: true, ..Self::default() }
    }

    /// Whether no connection has failed yet.
    pub fn is_first(&self) -> bool {
        !self.failed
    }

    /// Notes that `connection` has ended without an answer. After a kept one its address is tried with a new one, because
    /// targets close kept connections at any time; first of all, unless the host has `vanished`. After a new one another
    /// address must do.
    pub fn failed(&mut self, connection: &Connection, vanished: bool) {
        (self.new_only, self.failed) = (true, true);
        let address = connection.key.address;
        if connection.fresh {
            self.dialled.push(address);
        } else if vanished {
            self.vanished = Some(address);
        } else {
            return;
        }
        let cause = if vanished { Cause::TimedOut } else { Cause::Closed };
        self.failures.note(Failure { at: At::Address(address), cause });
    }

    /// Everything that has failed, with what has failed last.
    pub fn failures(self, last: Failures) -> Failures {
        let mut failures = self.failures;
        last.into_iter().for_each(|failure| failures.note(failure));
        failures
    }
}

/// Everything that it takes to open a connection.
#[derive(Debug)]
pub struct Dialer<'a> {
    /// TLS toward targets.
    pub tls: &'a UpstreamTls,
    /// DNS.
    pub resolver: &'a Resolver,
    /// What failed lately.
    pub health: &'a Health,
    /// Our own listening sockets: a target that is one of them is a loop.
    pub listeners: &'a [SocketAddr],
    /// For TCP, PROXY header and TLS together, an address.
    pub timeout: Duration,
    /// What is counted of it.
    pub counters: &'a Counters,
    /// What is known of each address.
    pub targets: Dialled<'a>,
}

impl Dialer<'_> {
    /// A connection for `wanted`: one that `own` has, one that waits in `pool`, or a new one. Every address is dialled
    /// once in all `attempts`.
    ///
    /// # Errors
    /// Every address that has failed, and why. Not empty.
    pub async fn connect(
        &self,
        wanted: Wanted<'_>,
        own: &mut Vec<Connection>,
        pool: &Pool,
        attempts: &mut Attempts,
    ) -> Result<Connection, Failures> {
        // First those that are not known to be down, then those that are.
        for doubtful in [false, true] {
            for endpoint in wanted.endpoints {
                let resolved = match self.resolve(&endpoint.address).await {
                    Ok(resolved) => resolved,
                    Err(cause) => {
                        if !doubtful {
                            self.counters.failed(wanted.service, cause);
                            attempts.failures.note(Failure { at: named(endpoint, wanted.port), cause });
                        }
                        continue;
                    }
                };
                for ip in resolved.as_slice().iter().copied() {
                    // Whoever may make hosts over the API may not thereby reach this machine, whatever a name resolves to.
                    if endpoint.options.elsewhere_only && is_of_this_machine(ip) {
                        if !doubtful {
                            let at = At::Address(SocketAddr::new(ip, wanted.port.get()));
                            self.counters.failed(wanted.service, Cause::Loop);
                            attempts.failures.note(Failure { at, cause: Cause::Loop });
                        }
                        continue;
                    }
                    let address = SocketAddr::new(ip, wanted.port.get());
                    let is_doubtful = self.health.is_doubtful(address) || attempts.vanished == Some(address);
                    if is_doubtful != doubtful || attempts.dialled.contains(&address) {
                        continue;
                    }
                    let shares = Shares::of(endpoint);
                    let profile = (wanted.transport == Transport::Tls)
                        .then(|| self.tls.client_config(wanted.service, &endpoint.options));
                    let name = server_name(endpoint, wanted.host);
                    let key = KeyRef { address, tls: profile.as_ref().map(|profile| (profile.id, name)) };
                    if !attempts.new_only {
                        if let Some(connection) = take_own(own, key, wanted.owner) {
                            return Ok(connection);
                        }
                        if shares == Shares::WithAll
                            && let Some(connection) = pool.take(key)
                        {
                            return Ok(connection);
                        }
                    }
                    let begun = Instant::now();
                    let opened = self.open(wanted, endpoint, address, profile.as_ref()).await;
                    let time = begun.elapsed();
                    self.count(wanted, time, opened.as_ref().err().copied());
                    match opened {
                        Ok(stream) => {
                            self.health.succeeded(address);
                            let bound = shares != Shares::WithAll;
                            let mut connection =
                                Connection::new(Leg::new(stream), key.to_key(), bound, wanted.owner);
                            connection.max_message = endpoint.options.max_message;
                            connection.min_rate = endpoint.options.min_rate;
                            connection.reached = Some(self.targets.reached(address, time));
                            return Ok(connection);
                        }
                        Err(cause) => {
                            if cause.casts_doubt() {
                                self.health.failed(address, cause);
                            }
                            self.targets.missed(address, cause);
                            attempts.dialled.push(address);
                            attempts.failures.note(Failure { at: At::Address(address), cause });
                        }
                    }
                }
            }
            if self.health.is_quiet() && attempts.vanished.is_none() {
                break;
            }
        }
        Err(std::mem::take(&mut attempts.failures))
    }

    fn count(&self, wanted: Wanted<'_>, time: Duration, failed: Option<Cause>) {
        let in_tls = failed.is_some_and(Cause::is_in_tls);
        match failed {
            None => self.counters.connected(wanted.service, time),
            Some(cause) => self.counters.failed(wanted.service, cause),
        }
        if wanted.transport == Transport::Tls && (failed.is_none() || in_tls) {
            self.counters.handshake(Side::Target, failed.is_none());
        }
    }

    pub(super) async fn resolve(&self, address: &Address) -> Result<Resolved, Cause> {
        match address {
            Address::Ip(ip) => Ok(Resolved::Given([*ip])),
            Address::Name(name) => self.resolver.addresses(name, self.timeout).await.map(Resolved::Found),
        }
    }

    pub(super) async fn open(
        &self,
        wanted: Wanted<'_>,
        endpoint: &Endpoint,
        address: SocketAddr,
        profile: Option<&Profile>,
    ) -> Result<Stream, Cause> {
        let mut too_late = Cause::TimedOut;
        let opening = async {
            let tcp = TcpStream::connect(address).await.map_err(|error| unreached::cause(&error))?;
            let is_here = || tcp.local_addr().is_ok_and(|local| local.ip() == address.ip());
            if self.is_own(&tcp, address) || endpoint.options.elsewhere_only && is_here() {
                return Err(Cause::Loop);
            }
            let _ = tcp.set_nodelay(true);
            let stream = Stream::Plain(tcp);
            if wanted.service == Service::Http {
                stream.watch_requests();
            }
            let mut leg = Leg::new(stream);
            if let Some(version) = endpoint.options.proxy_protocol {
                let header = proxy::encode(version == ProxyVersion::V2, wanted.client, wanted.local);
                leg.write_all(&header).await.map_err(|error| unreached::cause(&error))?;
            }
            let (profile, tcp) = match (profile, leg.stream) {
                (Some(profile), Stream::Plain(tcp)) => (profile, tcp),
                (_, stream) => return Ok(stream),
            };
            too_late = Cause::TlsTimedOut;
            let name = self.tls.server_name(&endpoint.options, &endpoint.address, wanted.host);
            let name = name.ok_or(Cause::NoName)?;
            let connector = TlsConnector::from(profile.config.clone());
            let connecting = Box::pin(connector.connect(name, tcp.into()));
            let tls = connecting.await.map_err(|error| tls::of_handshake(&error))?;
            Ok(Stream::Tls(Box::new(TlsStream::Client(tls))))
        };
        tokio::time::timeout(self.timeout, opening).await.unwrap_or(Err(too_late))
    }

    /// Whether we have reached ourselves (SPEC section 7, split-DNS loops).
    fn is_own(&self, tcp: &TcpStream, address: SocketAddr) -> bool {
        self.listeners.iter().filter(|own| own.port() == address.port()).any(|own| {
            let here =
                address.ip().is_loopback() || tcp.local_addr().is_ok_and(|local| local.ip() == address.ip());
            own.ip() == address.ip() || (own.ip().is_unspecified() && here)
        })
    }
}

/// What is said of a target whose name has no address.
pub(super) fn named(endpoint: &Endpoint, port: NonZeroU16) -> At {
    match &endpoint.address {
        Address::Ip(ip) => At::Address(SocketAddr::new(*ip, port.get())),
        Address::Name(name) => At::Name((&**name).into(), port.get()),
    }
}

/// The IP addresses of a target's address.
pub(super) enum Resolved {
    Given([IpAddr; 1]),
    Found(Arc<[IpAddr]>),
}

impl Resolved {
    pub(super) fn as_slice(&self) -> &[IpAddr] {
        match self {
            Self::Given(ip) => ip,
            Self::Found(ips) => ips,
        }
    }
}

/// Who may use a kept connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shares {
    WithAll,
    WithClient,
}

impl Shares {
    /// With the PROXY protocol outward a connection speaks for one client (SPEC section 3).
    fn of(endpoint: &Endpoint) -> Self {
        let alone = endpoint.options.reuse == Reuse::Client || endpoint.options.proxy_protocol.is_some();
        if alone { Self::WithClient } else { Self::WithAll }
    }
}

/// The name by which the server is called (SPEC section 4), as part of the pool's key.
fn server_name<'a>(endpoint: &'a Endpoint, host: &'a str) -> &'a str {
    match (&endpoint.options.server_name, &endpoint.address) {
        (Some(name), _) | (None, Address::Name(name)) => name,
        (None, Address::Ip(_)) => host.split('/').next().unwrap_or(host),
    }
}

fn take_own(own: &mut Vec<Connection>, key: KeyRef<'_>, owner: IpAddr) -> Option<Connection> {
    let fits = |connection: &Connection| connection.owner == owner && connection.key.as_ref() == key;
    while let Some(at) = own.iter().position(fits) {
        let mut connection = own.swap_remove(at);
        if connection.is_alive() {
            connection.fresh = false;
            return Some(connection);
        }
    }
    None
}

#[cfg(test)]
mod tests;

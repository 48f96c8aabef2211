//! Connections to a target: kept or new, one address after the other. `turns` has the order of the addresses,
//! `attempts` remembers which of them were tried, and `opening` opens a connection.

mod attempts;
mod opening;
mod turns;

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::health::Turn;
use super::{Connection, Health, KeyRef, Pool, Resolver};
use crate::cause::{Cause, FailedAt, Failure, Failures};
use crate::io::{Leg, Stream};
use crate::rules::{Address, Endpoint, Reuse};
use crate::service::{Service, Transport};
use crate::stats::{Counters, Dialled, OpenAtTarget, Side};
use crate::tls::{Profile, UpstreamTls};
pub use attempts::Attempts;
pub(in crate::upstream) use opening::{Opening, open};
use turns::Turns;

/// The properties of a wanted connection to a target.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionWanted<'a> {
    /// The service.
    pub service: Service,
    /// The addresses of the target, in order.
    pub endpoints: &'a [Endpoint],
    /// Plain or TLS.
    pub transport: Transport,
    /// The target's port for it.
    pub port: NonZeroU16,
    /// The host that was asked for. It may become the server's name.
    pub host: &'a str,
    /// The client's address, for the PROXY header.
    pub client: SocketAddr,
    /// The client's address, as far as it is believed. A login that holds for the whole connection belongs to it.
    pub owner: IpAddr,
    /// The address that the client has connected to, for the PROXY header.
    pub local: SocketAddr,
    /// A wildcard rule matched, so the client has chosen the host's name.
    pub is_chosen: bool,
    /// The only address that will do, because it knows the dialog of the request.
    pub only: Option<IpAddr>,
}

impl ConnectionWanted<'_> {
    fn may_be(&self, ip: IpAddr) -> bool {
        self.only.is_none_or(|only| only == ip)
    }

    /// Whether a failure shows nothing about the address. That is so in three cases. TLS failed for a name that the
    /// client has chosen. Or the PROXY header told the target which client it was for, and the target may refuse that
    /// client only. Or the host may not lead to this machine, but other hosts may.
    fn says_nothing_of_address(&self, cause: Cause, endpoint: &Endpoint) -> bool {
        if cause == Cause::Loop {
            return endpoint.options.elsewhere_only;
        }
        if cause.is_in_tls() && endpoint.options.proxy_protocol.is_some() {
            return true;
        }
        let has_own_name =
            endpoint.options.server_name.is_some() || matches!(endpoint.address, Address::Name(_));
        self.is_chosen && cause.is_in_tls() && !has_own_name
    }
}

/// An address to try.
struct Candidate<'a> {
    wanted: &'a ConnectionWanted<'a>,
    endpoint: &'a Endpoint,
    /// The index of the endpoint among the wanted ones.
    number: usize,
    address: SocketAddr,
    /// Other requests may wait for the same address. Only the first of them waits for the whole timeout.
    is_shared: bool,
    /// The TLS profile. `None`: the connection is plain.
    profile: Option<Profile>,
}

impl Candidate<'_> {
    /// The key of its connections in the pool.
    fn key(&self) -> KeyRef<'_> {
        let Self { wanted, endpoint, address, .. } = *self;
        let tls = self.profile.as_ref().map(|profile| (profile.id, server_name(endpoint, wanted.host)));
        KeyRef { address, tls, elsewhere_only: endpoint.options.elsewhere_only }
    }

    /// A kept connection to it that is alive.
    fn reused(&self, own: &mut Vec<Connection>, pool: &Pool) -> Option<Connection> {
        let key = self.key();
        let mut kept = take_own(own, key, self.wanted.owner).or_else(|| match Shares::of(self.endpoint) {
            Shares::WithAll => pool.take(key),
            Shares::WithClient => None,
        })?;
        kept.endpoint = self.number;
        Some(kept)
    }
}

/// Why there is no connection to an address.
enum Missed {
    /// The wait was shortened, because another request already waits for this address.
    CutShort,
    /// The attempt failed.
    Failed,
}

/// Everything that is needed to open a connection.
#[derive(Debug)]
pub struct Dialer<'a> {
    /// TLS toward targets.
    pub tls: &'a UpstreamTls,
    /// Resolves DNS names.
    pub resolver: &'a Resolver,
    /// Knows which addresses failed lately.
    pub health: &'a Health,
    /// Our own listening sockets. A target with one of these addresses is a loop.
    pub listeners: &'a [SocketAddr],
    /// The time for TCP, PROXY header and TLS together, for each address.
    pub timeout: Duration,
    /// Counts connections and failures.
    pub counters: &'a Counters,
    /// Figures about each address.
    pub targets: Dialled<'a>,
}

impl Dialer<'_> {
    /// A connection for `wanted`: one from `own`, one that waits in `pool`, or a new one. Over all `attempts` every
    /// address is dialled once.
    ///
    /// # Errors
    /// Every address that has failed, and why. The list is not empty.
    pub async fn connect(
        &self,
        wanted: &ConnectionWanted<'_>,
        own: &mut Vec<Connection>,
        pool: &Pool,
        attempts: &mut Attempts,
    ) -> Result<Connection, Failures> {
        let mut turns = Turns::new(self.health, wanted, attempts.vanished);
        let mut cut_short: SmallVec<[Candidate<'_>; 1]> = SmallVec::new();
        let mut is_done = false;
        for turn in Turn::ALL {
            if turn == Turn::Silent {
                // No quick address has worked. Now each address gets the whole timeout.
                for candidate in cut_short.drain(..) {
                    let candidate = Candidate { is_shared: false, ..candidate };
                    if let Ok(connection) = Box::pin(self.reach(&candidate, attempts)).await {
                        return Ok(connection);
                    }
                }
            }
            if is_done {
                continue;
            }
            for (number, endpoint) in wanted.endpoints.iter().enumerate() {
                let resolved = match self.resolve(&endpoint.address).await {
                    Ok(resolved) => resolved,
                    Err(cause) => {
                        if turn == Turn::InOrder {
                            self.counters.failed(wanted.service, cause);
                            attempts.failures.note(Failure { at: named(endpoint, wanted.port), cause });
                        }
                        continue;
                    }
                };
                turns.resolved(resolved.as_slice().len());
                for ip in resolved.as_slice().iter().copied().filter(|ip| wanted.may_be(*ip)) {
                    let address = SocketAddr::new(ip, wanted.port.get());
                    if attempts.dialled.contains(&address) || turns.of(address, endpoint) != turn {
                        continue;
                    }
                    // After an address of the last turns hardly another one follows. So a shorter wait would gain
                    // nothing.
                    let is_shared = turns.has_several && matches!(turn, Turn::InOrder | Turn::Later);
                    let profile = (wanted.transport == Transport::Tls)
                        .then(|| self.tls.client_config(wanted.service, &endpoint.options));
                    let candidate = Candidate { wanted, endpoint, number, address, is_shared, profile };
                    if !attempts.new_only
                        && let Some(kept) = candidate.reused(own, pool)
                    {
                        return Ok(kept);
                    }
                    match Box::pin(self.reach(&candidate, attempts)).await {
                        Ok(connection) => return Ok(connection),
                        Err(Missed::CutShort) => cut_short.push(candidate),
                        Err(Missed::Failed) => {}
                    }
                }
            }
            is_done = turns.are_all_in_order();
        }
        let mut failures = std::mem::take(&mut attempts.failures);
        if let Some(ip) = wanted.only.filter(|_| failures.as_slice().is_empty()) {
            let at = FailedAt::Address(SocketAddr::new(ip, wanted.port.get()));
            failures.note(Failure { at, cause: Cause::NoTarget });
        }
        Err(failures)
    }

    /// Opens a new connection to one address. A failure is noted in `attempts`. The future must be boxed: most requests
    /// take a kept connection, and their futures need no room for this.
    async fn reach(&self, candidate: &Candidate<'_>, attempts: &mut Attempts) -> Result<Connection, Missed> {
        let Candidate { wanted, endpoint, number, address, .. } = *candidate;
        match self.dial(candidate).await {
            Ok((stream, reached)) => {
                let bound = Shares::of(endpoint) != Shares::WithAll;
                let key = candidate.key().to_key();
                let mut connection = Connection::new(Leg::new(stream), key, bound, wanted.owner);
                connection.endpoint = number;
                connection.max_message = endpoint.options.max_message;
                connection.min_rate = endpoint.options.min_rate;
                connection.reached = Some(reached);
                Ok(connection)
            }
            Err((cause, is_cut_short)) => {
                attempts.dialled.push(address);
                attempts.failures.note(Failure { at: FailedAt::Address(address), cause });
                Err(if is_cut_short { Missed::CutShort } else { Missed::Failed })
            }
        }
    }

    /// Opens a connection to one address, counts it, and notes what it shows about the address. An error has the cause,
    /// and whether the wait was shortened.
    async fn dial(&self, candidate: &Candidate<'_>) -> Result<(Stream, OpenAtTarget), (Cause, bool)> {
        let Candidate { wanted, endpoint, number: _, address, is_shared, ref profile } = *candidate;
        let attempt = is_shared.then(|| self.health.begin(address));
        let tcp_timeout = attempt.as_ref().map_or(self.timeout, |attempt| attempt.patience(self.timeout));
        let opening = Opening {
            tls: self.tls,
            listeners: self.listeners,
            tcp_timeout,
            timeout: self.timeout,
            service: wanted.service,
            endpoint,
            host: wanted.host,
            profile: profile.as_ref(),
            speaks_for: Some((wanted.client, wanted.local)),
        };
        let begun = Instant::now();
        let opened = open(opening, address).await;
        let time = begun.elapsed();
        self.count(wanted, time, opened.as_ref().err().copied());
        let cause = match opened {
            Ok(stream) => {
                self.health.reached(address);
                return Ok((stream, self.targets.reached(address, time)));
            }
            Err(cause) => cause,
        };
        self.targets.missed(address, cause);
        // Another attempt waits for longer and will find out.
        let is_cut_short = cause == Cause::TimedOut && tcp_timeout < self.timeout;
        if !is_cut_short && cause.casts_doubt() && !wanted.says_nothing_of_address(cause, endpoint) {
            self.health.missed(address, cause, begun);
        }
        Err((cause, is_cut_short))
    }

    fn count(&self, wanted: &ConnectionWanted<'_>, time: Duration, failed: Option<Cause>) {
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
}

/// The place to name in a failure if the target's name has no address.
pub(super) fn named(endpoint: &Endpoint, port: NonZeroU16) -> FailedAt {
    match &endpoint.address {
        Address::Ip(ip) => FailedAt::Address(SocketAddr::new(*ip, port.get())),
        Address::Name(name) => FailedAt::Name((&**name).into(), port.get()),
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

/// The clients that may use a kept connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shares {
    WithAll,
    WithClient,
}

impl Shares {
    /// With the PROXY protocol toward the target a connection speaks for one client (contract section 3).
    fn of(endpoint: &Endpoint) -> Self {
        let alone = endpoint.options.reuse == Reuse::Client || endpoint.options.proxy_protocol.is_some();
        if alone { Self::WithClient } else { Self::WithAll }
    }
}

/// The server's name (contract section 4), as a part of the pool's key.
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

//! The guard at the door. It decides which addresses may connect at all, before a byte is read, and which addresses
//! have lost that right (contract section 1, steps 1 and 7; section 6).
//!
//! | file | content |
//! |---|---|
//! | `policy` | what the guard needs of the configuration; pure |
//! | `counted_address` | addresses as they are counted |
//! | `network` | addresses and networks as administrators list them |
//! | `permit` | the right to a connection; the live connections by address |
//! | `rates` | new connections a second |
//! | `requests` | SIP requests a second of addresses and users |
//! | `undecided` | limits of connections without a decision |
//! | `idle` | HTTP connections that wait for their next request: they are closed for new ones when a limit is reached |
//! | `refused` | a summary of connections that were refused at the door |
//! | `scoring` | the weight of an offence, and the threshold; pure |
//! | `suspects` | an exact sliding count of offences |
//! | `confirmed`, `name` | names that a PBX has confirmed, in normal form: they raise an office's threshold |
//! | `nonces` | nonces that a target has given to an address: they show which refused logins are guesses |
//! | `exemption` | which connections stay when their address is listed |
//! | `blacklist` | the listed addresses: entries, pages, changes and their subscribers, traces of removals |
//! | `blacklist_file` | the blacklist on disk |
//!
//! This file is the door: it admits connections, and takes notes of their clients' offences and logins.

pub mod blacklist;
pub mod blacklist_file;
mod confirmed;
mod counted_address;
mod exemption;
mod idle;
mod name;
mod network;
mod nonces;
mod permit;
pub mod policy;
mod rates;
mod refused;
mod requests;
pub mod scoring;
mod suspects;
mod undecided;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::reason::{Reason, Weight};
use crate::service::Service;
pub use blacklist::Blacklist;
pub use blacklist::change::{Change, Full};
pub use blacklist::entry::{Origin, Why};
use confirmed::Confirmed;
pub use counted_address::CountedAddress;
pub use exemption::Exemption;
pub use network::Network;
use nonces::Nonces;
use permit::Connections;
pub use permit::{Listing, Permit};
use policy::RESERVED_PART;
pub use policy::{ConnectionLimits, Policy};
use rates::Rates;
use refused::RefusalSummary;
use requests::Requests;
pub use requests::{HIGHEST as HIGHEST_REQUEST_RATE, RequestRate};
pub use scoring::Offence;
use suspects::Suspects;
pub use undecided::UndecidedSlot;
use undecided::{Entering, Undecided};

/// The guard.
#[derive(Debug)]
pub struct Guard {
    connections: Arc<Connections>,
    undecided: Arc<Undecided>,
    rates: Rates,
    requests: Requests,
    refused: RefusalSummary,
    suspects: Suspects,
    confirmed: Confirmed,
    nonces: Nonces,
    blacklist: Blacklist,
    start: Instant,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            connections: Arc::default(),
            undecided: Arc::default(),
            rates: Rates::default(),
            requests: Requests::default(),
            refused: RefusalSummary::default(),
            suspects: Suspects::default(),
            confirmed: Confirmed::default(),
            nonces: Nonces::default(),
            blacklist: Blacklist::default(),
            start: Instant::now(),
        }
    }
}

/// An address that was listed just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The address.
    pub who: CountedAddress,
    /// For how long it is listed. `None`: until it is removed.
    pub expiration: Option<Duration>,
    /// How many offences there were within a minute.
    pub count: u32,
}

/// The sender of a SIP request.
#[derive(Debug, Clone, Copy)]
pub struct User<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The number that identifies the PBX, as in [`Guard::confirm`].
    pub pbx: u64,
    /// The user alone, without a domain.
    pub name: &'a [u8],
    /// Whether a certificate or a credential proves the name.
    pub is_proven: bool,
}

/// The time in seconds since 1970. The blacklist uses it, because it survives a restart.
pub fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX - 1)
}

impl Guard {
    /// Whether `address` may have one more connection. The limit of the address is checked first. A connection that
    /// this limit forbids displaces no connection of another address.
    ///
    /// # Errors
    /// `Blocked`, `Blacklisted` or `Limit`.
    pub fn admit(&self, address: IpAddr, service: Service, policy: &Policy) -> Result<Permit, Reason> {
        let (permit, before) = self.connections.begin();
        let (mut permit, displaced) = self.admit_address(permit, address, policy)?;
        // A connection of the same address is closed for it.
        let before = if displaced { before.saturating_sub(1) } else { before };
        permit.in_reserve = self.make_room(before, service, &policy.connections)?;
        Ok(permit)
    }

    /// Admits one more connection of any address. It is for peers that send the client's address in a PROXY header.
    ///
    /// # Errors
    /// `Limit`.
    pub fn admit_any(&self, service: Service, policy: &Policy) -> Result<Permit, Reason> {
        let (mut permit, before) = self.connections.begin();
        permit.in_reserve = self.make_room(before, service, &policy.connections)?;
        Ok(permit)
    }

    /// Checks a permit from [`Self::admit_any`] against the address in the PROXY header.
    ///
    /// # Errors
    /// `Blocked`, `Blacklisted` or `Limit`.
    pub fn readmit(&self, permit: Permit, address: IpAddr, policy: &Policy) -> Result<Permit, Reason> {
        self.admit_address(permit, address, policy).map(|(permit, _)| permit)
    }

    /// Whether the address may have one more connection, and whether another of its connections is closed for it.
    fn admit_address(
        &self,
        permit: Permit,
        address: IpAddr,
        policy: &Policy,
    ) -> Result<(Permit, bool), Reason> {
        let limits = &policy.connections;
        self.refuses(address, policy).map_or(Ok(()), Err)?;
        if policy.allows(address) {
            return self.connections.count_address(permit, address, u32::MAX);
        }
        self.rates.keep(address, limits.new_connections_per_second)?;
        self.connections.count_address(permit, address, limits.max_connections_per_address)
    }

    /// Makes room for one more connection if there are `before`. The last `limits.reserved` places are only for SIP and
    /// H.323 (contract section 7). Before one of them is used, the HTTP connection that has waited longest for its next
    /// request is closed. Returns `true` if the new connection takes a reserved place.
    fn make_room(&self, before: u32, service: Service, limits: &ConnectionLimits) -> Result<bool, Reason> {
        let possible = self.connections.possible();
        // If there are too few file descriptors, the reserved places are kept and the others become fewer.
        let shared = limits.max_connections.min(possible);
        let shared = shared - limits.reserved.min(shared / RESERVED_PART);
        if before < shared || self.connections.displace().is_some() {
            return Ok(false);
        }
        if service.is_for_phones() && (before < limits.max_connections || self.undecided.give_way()) {
            return Ok(true);
        }
        Err(Reason::Limit)
    }

    /// Sets how many connections there are file descriptors for. A connection may take two.
    pub fn set_possible(&self, connections: u32) {
        self.connections.set_possible(connections);
    }

    /// Whether `address` is refused whatever it asks for: `Blocked` or `Blacklisted`.
    pub fn refuses(&self, address: IpAddr, policy: &Policy) -> Option<Reason> {
        policy.refuses(address, || {
            !self.blacklist.is_empty() && self.blacklist.lists(address.into(), unix_now())
        })
    }

    /// Takes a place among the connections without a decision. The oldest of them may be closed for it. A peer that
    /// sends PROXY headers has no limit of its own.
    pub fn enter_undecided(
        &self,
        id: u64,
        address: IpAddr,
        permit: &Permit,
        speaks_for_others: bool,
        policy: &Policy,
    ) -> UndecidedSlot {
        let bounded = !speaks_for_others && !policy.allows(address);
        let who =
            Entering { id, address: CountedAddress::from(address), bounded, in_reserve: permit.in_reserve };
        Undecided::enter(&self.undecided, who, &policy.connections)
    }

    /// Notes an offence, as far as it counts (`scoring`). If the address has too many now, it is listed, its
    /// connections are told, and the new entry is returned.
    pub fn suspect(&self, address: IpAddr, offence: Offence<'_>, policy: &Policy) -> Option<Listed> {
        let score = scoring::score(policy, address, &offence);
        if score.weight == Weight::Nothing {
            return None;
        }
        let who = CountedAddress::from(address);
        let threshold = scoring::threshold(policy, self.confirmed.names(who, unix_now()));
        let count = self.suspects.note(who, score, threshold, self.millis())?;
        let expiration = policy.expiration;
        let why = Why::Automatic { reason: offence.reason, count };
        let replaced = self.apply(Change::List { who: who.into(), why, expiration }, Origin::Guard);
        // The line is written once. An address that is already listed may still have connections that are being closed.
        (replaced == Ok(0)).then_some(Listed { who, expiration, count })
    }

    /// A PBX has confirmed a registration or a bind of `name` for `address`, on the connection with this exemption.
    /// `name` is the user alone. `pbx` identifies the PBX, because clients may know one PBX by several host names.
    pub fn confirm(&self, address: IpAddr, exemption: &Exemption, pbx: u64, name: &[u8]) {
        exemption.confirm();
        self.confirmed.note(address.into(), pbx, name, unix_now());
    }

    /// How many names PBXs have confirmed for `address` within the last hour.
    pub fn confirmed_names(&self, address: IpAddr) -> u32 {
        self.confirmed.names(address.into(), unix_now())
    }

    /// Counts a SIP request of `address` (`limits.sip_requests`). `false`: the rate is exceeded. Networks in `allow`
    /// have no such limit. Balancers have none either, because they pass on requests of others.
    pub fn takes_request(&self, address: IpAddr, policy: &Policy) -> bool {
        let Some(rate) = policy.connections.sip_requests.filter(|_| policy.judges(address)) else {
            return true;
        };
        let who = CountedAddress::from(address);
        let factor = scoring::factor(self.confirmed.names(who, unix_now()));
        self.requests.of_address(who, factor, rate)
    }

    /// Counts a SIP request of the user called `name` at `pbx` (`limits.sip_requests_per_user`), if the user is
    /// proven or a PBX has confirmed the name for `address` within the last hour. `false`: the rate is exceeded.
    pub fn takes_request_of(&self, user: User<'_>, policy: &Policy) -> bool {
        let Some(rate) = policy.connections.sip_requests_per_user else { return true };
        let User { address, pbx, name, is_proven } = user;
        let Some(digest) = self.confirmed.digest(pbx, name) else { return true };
        let is_known = is_proven || self.confirmed.knows(address.into(), digest, unix_now());
        !is_known || self.requests.of_user(digest, rate)
    }

    /// A login has failed on the connection with this exemption. The caller calls [`Guard::suspect`] as well.
    pub fn note_failed_login(&self, exemption: &Exemption, policy: &Policy) {
        if policy.failed_logins {
            exemption.fail(self.millis());
        }
    }

    /// A target has given a nonce to `address`. `doors`: one number for each address and port of the target.
    pub fn note_nonce(&self, address: IpAddr, doors: &[u64], nonce: u64, policy: &Policy) {
        if policy.failed_logins && policy.judges(address) {
            self.nonces.note(address.into(), doors, nonce, self.seconds());
        }
    }

    /// Whether `address` was given this nonce at one of these doors within five minutes.
    pub fn knows_nonce(&self, address: IpAddr, doors: &[u64], nonce: u64) -> bool {
        self.nonces.knows(address.into(), doors, nonce, self.seconds())
    }

    fn millis(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_millis() & u128::from(u32::MAX)).unwrap_or_default()
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// The blacklist, read only. [`Self::apply`] changes it.
    pub fn blacklist(&self) -> &Blacklist {
        &self.blacklist
    }

    /// Changes the blacklist. This is the only way to do it. If an address is listed, or is found in the file while
    /// Portward runs, its open connections are told. An entry of an administrator closes all of them. Returns how many
    /// entries in force the change has replaced or removed.
    ///
    /// # Errors
    /// [`Full`]: an administrator's entry for which there is no room.
    pub fn apply(&self, change: Change, origin: Origin) -> Result<usize, Full> {
        let listed = match &change {
            Change::List { who, why, .. } => Some((*who, matches!(why, Why::Manual { .. }))),
            _ => None,
        };
        let restored: Vec<Network> = match &change {
            // At the start there are no connections yet.
            Change::Restore(kept) if self.connections() > 0 => {
                kept.entries.iter().map(|entry| entry.who).collect()
            }
            _ => Vec::new(),
        };
        let now = unix_now();
        let replaced = self.blacklist.apply(change, origin, now)?;
        let restored = restored.into_iter().filter_map(|who| self.blacklist.exact(who, now));
        let restored = restored.map(|entry| (entry.who, matches!(entry.why, Why::Manual { .. })));
        for (who, by_hand) in listed.into_iter().chain(restored) {
            self.connections.tell(who, by_hand, self.millis());
        }
        Ok(replaced)
    }

    /// Notes a connection that was refused at the door, for the summary.
    pub fn note_refused(&self, address: IpAddr, reason: Reason) {
        self.refused.note(address.into(), reason);
    }

    /// The summary of refusals at the door since the last summary: one line for each address and reason.
    pub fn summary(&self) -> Vec<String> {
        self.refused.summary()
    }

    /// Forgets what no longer matters. It should be called regularly.
    pub fn sweep(&self) {
        let now = unix_now();
        self.suspects.sweep(self.millis());
        self.confirmed.sweep(now);
        self.nonces.sweep(self.seconds());
        let _ = self.apply(Change::FollowClock, Origin::Guard);
        self.blacklist.sweep(now);
    }

    /// Forgets addresses and users whose connections or requests were a while ago, if there are many.
    pub fn sweep_rates(&self) {
        self.rates.sweep();
        self.requests.sweep();
    }

    /// The number of live connections.
    pub fn connections(&self) -> u32 {
        self.connections.in_all()
    }

    /// The number of undecided connections.
    pub fn undecided(&self) -> usize {
        self.undecided.count()
    }
}

//! The guard at the door: which addresses may connect at all, before a byte is read, and which have lost that right (SPEC
//! section 1, steps 1 and 7; section 6).
//!
//! | room | what is in it |
//! |---|---|
//! | `counted` | addresses as they are counted |
//! | `undecided` | connections without a decision have limits of their own |
//! | `idle` | HTTP connections that wait for their next request: they go for new ones when a limit is reached |
//! | `suspects` | an exact sliding count of offences |
//! | `confirmed`, `name` | names that a PBX has confirmed, in their normal form: fairness to offices |
//! | `nonces` | nonces that a target has given to an address: which refused logins are guesses |
//! | `exemption` | which connections stay when their address is listed |
//! | `blacklist`, `blacklist::page`, `order` | which addresses are listed; the list in pages; the order in which they came |
//! | `kept` | the list on disk |
//!
//! Which reasons count is one table, [`Reason::suspicious`]. New connections a second are a rate, and `governor` counts
//! them; offences are not, so `suspects` does.

pub mod blacklist;
mod confirmed;
mod counted;
mod exemption;
mod idle;
pub mod kept;
mod name;
mod nonces;
pub mod policy;
mod suspects;
mod undecided;

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Notify;

use crate::reason::Reason;
use crate::service::Service;
pub use blacklist::Blacklist;
pub use blacklist::change::{Change, Full};
pub use blacklist::entry::{Origin, Why};
use confirmed::Confirmed;
pub use counted::Counted;
pub use exemption::Exemption;
use idle::{Displaced, Idle, Idlers, Oldest};
use nonces::Nonces;
use policy::RESERVED_PART;
pub use policy::{ConnectionLimits, Policy};
use suspects::Suspects;
pub use undecided::Place;
use undecided::{Entering, Undecided};

/// How many refused addresses are remembered by name until their summary is written; the rest are summed up as one.
const SUMMARY: usize = 1024;
/// So many addresses may have connected lately before those of a second ago are forgotten.
const RATES: usize = 10_000;

/// Live connections of one address.
#[derive(Debug, Default)]
struct Address {
    count: AtomicU32,
    /// Told when the address was listed.
    listed: Notify,
    /// How often it was.
    listings: AtomicU32,
    /// When it was, the last time, in milliseconds.
    listed_at: AtomicU32,
    /// By an administrator: nobody stays.
    by_hand: AtomicBool,
    /// HTTP connections that may wait for their next request.
    idlers: Idlers,
}

impl Address {
    /// Whether a listing of it closes a connection.
    fn sends_away(&self, exemption: &Exemption) -> bool {
        self.by_hand.load(Ordering::Relaxed) || !exemption.holds(self.listed_at.load(Ordering::Relaxed))
    }
}

/// Counts of live connections.
#[derive(Debug)]
struct Counts {
    in_all: AtomicU32,
    /// So many connections can have the two file descriptors that each may take.
    possible: AtomicU32,
    /// HTTP connections of all addresses that have waited for the longest.
    oldest: Mutex<Oldest>,
    /// Only addresses with a live connection are in it, so `max_connections` bounds it.
    by_address: DashMap<Counted, Arc<Address>, foldhash::quality::RandomState>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            in_all: AtomicU32::new(0),
            possible: AtomicU32::new(u32::MAX),
            oldest: Mutex::default(),
            by_address: DashMap::default(),
        }
    }
}

/// New connections a second an address.
#[derive(Debug)]
struct Rate {
    limit: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<Counted>,
}

/// The guard.
#[derive(Debug)]
pub struct Guard {
    counts: Arc<Counts>,
    undecided: Arc<Undecided>,
    refused: Mutex<HashMap<(Counted, Reason), u64>>,
    refused_beyond: Mutex<u64>,
    rate: ArcSwapOption<Rate>,
    suspects: Suspects,
    confirmed: Confirmed,
    nonces: Nonces,
    blacklist: Blacklist,
    start: Instant,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            counts: Arc::default(),
            undecided: Arc::default(),
            refused: Mutex::default(),
            refused_beyond: Mutex::default(),
            rate: ArcSwapOption::default(),
            suspects: Suspects::default(),
            confirmed: Confirmed::default(),
            nonces: Nonces::default(),
            blacklist: Blacklist::default(),
            start: Instant::now(),
        }
    }
}

/// The right to a connection; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Counts>,
    address: Option<(Counted, Arc<Address>)>,
    /// How often the address had been listed when the connection came.
    seen: u32,
    /// It came when only the places that are kept for SIP and H.323 were left.
    in_reserve: bool,
    /// Made when it waits for its second request.
    idle: Option<Idle>,
    exemption: Arc<Exemption>,
}

/// What an address did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence<'a> {
    /// Why it was refused.
    pub reason: Reason,
    /// The missing path, which counts once a minute; empty: there is none.
    pub path: &'a [u8],
    /// Another site's page made a browser ask: five of these count as one.
    pub fifth: bool,
}

/// An address that was listed just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub who: Counted,
    /// For how long; `None`: until it is removed.
    pub expiration: Option<Duration>,
    /// How many offences there were in a minute.
    pub count: u32,
}

/// Seconds since 1970: what the blacklist counts in, because it survives a restart.
pub fn unix_now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX - 1)
}

impl Guard {
    /// Whether `address` may have one more connection. The limit of the address comes first: a new connection that it
    /// forbids displaces nobody else's.
    ///
    /// # Errors
    /// `Blocked`, `Blacklisted` or `Limit`.
    pub fn admit(&self, address: IpAddr, service: Service, policy: &Policy) -> Result<Permit, Reason> {
        let (permit, before) = self.count();
        let (mut permit, displaced) = self.admit_address(permit, address, policy)?;
        // One of its own goes for it.
        let before = if displaced { before.saturating_sub(1) } else { before };
        permit.in_reserve = self.make_room(before, service, &policy.connections)?;
        Ok(permit)
    }

    /// Room for one more connection, whoever it is: for peers that will say by a PROXY header for whom they speak.
    ///
    /// # Errors
    /// `Limit`.
    pub fn admit_any(&self, service: Service, policy: &Policy) -> Result<Permit, Reason> {
        let (mut permit, before) = self.count();
        permit.in_reserve = self.make_room(before, service, &policy.connections)?;
        Ok(permit)
    }

    /// Holds a permit that was given to anybody against the address that the PROXY header conveyed.
    ///
    /// # Errors
    /// `Blocked`, `Blacklisted` or `Limit`.
    pub fn readmit(&self, permit: Permit, address: IpAddr, policy: &Policy) -> Result<Permit, Reason> {
        self.admit_address(permit, address, policy).map(|(permit, _)| permit)
    }

    /// A permit, and how many there were before.
    fn count(&self) -> (Permit, u32) {
        let before = self.counts.in_all.fetch_add(1, Ordering::Relaxed);
        let counts = Arc::clone(&self.counts);
        let exemption = Arc::default();
        (Permit { counts, address: None, seen: 0, in_reserve: false, idle: None, exemption }, before)
    }

    /// Whether the address may have one more, and whether one of its own goes for it.
    fn admit_address(
        &self,
        permit: Permit,
        address: IpAddr,
        policy: &Policy,
    ) -> Result<(Permit, bool), Reason> {
        self.refuses(address, policy).map_or(Ok(()), Err)?;
        if policy.allows(address) {
            return self.count_address(permit, address, u32::MAX);
        }
        self.keep_rate(address, policy)?;
        self.count_address(permit, address, policy.connections.max_connections_per_address)
    }

    /// Whether there is room for one more where there are `before`. The last `limits.reserved` places are for SIP and
    /// H.323 alone (SPEC section 7). Before they are touched, the HTTP connection goes that has waited for its next request
    /// for the longest. True: the new connection takes one of the kept places.
    fn make_room(&self, before: u32, service: Service, limits: &ConnectionLimits) -> Result<bool, Reason> {
        let possible = self.counts.possible.load(Ordering::Relaxed);
        // Where descriptors are too few, it is they that are kept.
        let shared = limits.max_connections.min(possible);
        let shared = shared - limits.reserved.min(shared / RESERVED_PART);
        if before < shared || self.displace().is_some() {
            return Ok(false);
        }
        if service.is_for_phones() && (before < limits.max_connections || self.undecided.give_way()) {
            return Ok(true);
        }
        Err(Reason::Limit)
    }

    /// The HTTP connection that has waited for its next request for the longest is told to go.
    fn displace(&self) -> Option<Displaced> {
        let mut oldest = self.counts.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.displace(|waiting| {
            self.counts.by_address.iter().for_each(|address| address.idlers.gather(waiting));
        })
    }

    /// So many connections can have the two file descriptors that each may take.
    pub fn set_possible(&self, connections: u32) {
        self.counts.possible.store(connections, Ordering::Relaxed);
    }

    /// Whether `address` is refused whatever it asks for: `Blocked` or `Blacklisted`.
    pub fn refuses(&self, address: IpAddr, policy: &Policy) -> Option<Reason> {
        if policy.blocks(address) {
            return Some(Reason::Blocked);
        }
        let listed = !self.blacklist.is_empty() && self.blacklist.lists(address.into(), unix_now());
        (listed && !policy.allows(address)).then_some(Reason::Blacklisted)
    }

    fn keep_rate(&self, address: IpAddr, policy: &Policy) -> Result<(), Reason> {
        let Some(limit) = NonZeroU32::new(policy.connections.new_connections_per_second) else {
            return Ok(());
        };
        let mut rate = self.rate.load_full();
        if rate.as_ref().is_none_or(|rate| rate.limit != limit) {
            let limiter = RateLimiter::keyed(Quota::per_second(limit));
            rate = Some(Arc::new(Rate { limit, limiter }));
            self.rate.store(rate.clone());
        }
        match rate.map(|rate| rate.limiter.check_key(&address.into())) {
            Some(Err(_)) => Err(Reason::Limit),
            _ => Ok(()),
        }
    }

    /// Counts a connection of `address`; true: an idle one of the same address goes for it.
    fn count_address(
        &self,
        mut permit: Permit,
        address: IpAddr,
        limit: u32,
    ) -> Result<(Permit, bool), Reason> {
        let counted = Counted::from(address);
        let entry = self.counts.by_address.entry(counted).or_default();
        let is_full = entry.count.load(Ordering::Relaxed) >= limit;
        let displaced = if is_full { entry.idlers.displace() } else { None };
        if is_full && displaced.is_none() {
            return Err(Reason::Limit);
        }
        entry.count.fetch_add(1, Ordering::Relaxed);
        permit.seen = entry.listings.load(Ordering::Relaxed);
        permit.address = Some((counted, Arc::clone(&entry)));
        // It is told when nothing is locked any more.
        drop(entry);
        Ok((permit, displaced.is_some()))
    }

    /// A place among the connections without a decision; the oldest of them may have to go for it. A peer that speaks
    /// for others by a PROXY header has no limit of its own.
    pub fn enter_undecided(
        &self,
        id: u64,
        address: IpAddr,
        permit: &Permit,
        speaks_for_others: bool,
        policy: &Policy,
    ) -> Place {
        let bounded = !speaks_for_others && !policy.allows(address);
        let who = Entering { id, address: Counted::from(address), bounded, in_reserve: permit.in_reserve };
        Undecided::enter(&self.undecided, who, &policy.connections)
    }

    /// Notes an offence. If it is one too many the address is listed, its open connections are told, and what there is to
    /// say about it comes back.
    pub fn suspect(&self, address: IpAddr, offence: Offence<'_>, policy: &Policy) -> Option<Listed> {
        if !policy.judges(address) || is_harmless(offence.path) {
            return None;
        }
        let who = Counted::from(address);
        let now = unix_now();
        let names = self.confirmed.names(who, now).max(1);
        let threshold = policy.suspicious_per_minute.saturating_mul(names);
        let once = if offence.path.is_empty() { 0 } else { digest(offence.path) };
        let millis = self.millis();
        if offence.fifth && !self.suspects.note_fifth(who, millis) {
            return None;
        }
        let count = self.suspects.note(who, once, threshold, millis)?;
        let expiration = policy.expiration;
        let why = Why::Automatic { reason: offence.reason, count };
        let replaced = self.apply(Change::List { who, why, expiration }, Origin::Guard);
        // The line is written once: an address that is listed already may still have connections that are being closed.
        (replaced == Ok(0)).then_some(Listed { who, expiration, count })
    }

    /// A PBX has confirmed a registration or a bind of `name` for `address`, on the connection with this exemption.
    /// `name` is the user alone. `place` stands for the PBX, because clients may know one PBX by several host names.
    pub fn confirm(&self, address: IpAddr, exemption: &Exemption, place: u64, name: &[u8]) {
        exemption.confirm();
        self.confirmed.note(address.into(), place, name, unix_now());
    }

    /// A login has failed on the connection with this exemption. The caller calls [`Guard::suspect`] as well.
    pub fn fail(&self, exemption: &Exemption) {
        exemption.fail(self.millis());
    }

    /// A target has given a nonce to `address`, at each of its doors: its addresses and ports, a number for each.
    pub fn gave(&self, address: IpAddr, doors: &[u64], nonce: u64, policy: &Policy) {
        let is_judged = policy.judges(address);
        if policy.failed_logins && is_judged {
            self.nonces.note(address.into(), doors, nonce, self.seconds());
        }
    }

    /// Whether `address` was given this nonce at one of these doors within five minutes.
    pub fn has_given(&self, address: IpAddr, doors: &[u64], nonce: u64) -> bool {
        self.nonces.knows(address.into(), doors, nonce, self.seconds())
    }

    fn millis(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_millis() & u128::from(u32::MAX)).unwrap_or_default()
    }

    fn seconds(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// Whom the guard and administrators have listed, to be read. [`Self::apply`] changes it.
    pub fn blacklist(&self) -> &Blacklist {
        &self.blacklist
    }

    /// Changes the blacklist: the only way to do it. If an address is listed, its open connections are told; what an
    /// administrator lists closes all of them. Returns how many entries in force the change has replaced or taken off.
    ///
    /// # Errors
    /// [`Full`]: an administrator's entry for which there is no room.
    pub fn apply(&self, change: Change, origin: Origin) -> Result<usize, Full> {
        let listed = match &change {
            Change::List { who, why, .. } => Some((*who, matches!(why, Why::Manual { .. }))),
            _ => None,
        };
        let replaced = self.blacklist.apply(change, origin, unix_now())?;
        if let Some((who, by_hand)) = listed {
            self.tell(who, by_hand);
        }
        Ok(replaced)
    }

    fn tell(&self, who: Counted, by_hand: bool) {
        if let Some(address) = self.counts.by_address.get(&who) {
            address.by_hand.store(by_hand, Ordering::Relaxed);
            address.listed_at.store(self.millis(), Ordering::Relaxed);
            address.listings.fetch_add(1, Ordering::Relaxed);
            address.listed.notify_waiters();
        }
    }

    /// Notes a connection that was refused at the door, for the summary.
    pub fn note_refused(&self, address: IpAddr, reason: Reason) {
        let key = (Counted::from(address), reason);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < SUMMARY || refused.contains_key(&key) {
            *refused.entry(key).or_insert(0) += 1;
        } else {
            *self.refused_beyond.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    /// One line an address and reason for what was refused at the door since the last summary.
    pub fn summary(&self) -> Vec<String> {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let beyond = std::mem::take(&mut *self.refused_beyond.lock().unwrap_or_else(PoisonError::into_inner));
        let line =
            |((address, reason), count)| format!("{address} refused {count} times in a minute: {reason}");
        let mut lines: Vec<String> = refused.into_iter().map(line).collect();
        if beyond > 0 {
            lines.push(format!("other addresses refused {beyond} times in a minute"));
        }
        lines
    }

    /// Forgets what has lost its meaning; to be called now and then.
    pub fn sweep(&self) {
        let now = unix_now();
        self.suspects.sweep(self.millis());
        self.confirmed.sweep(now);
        self.nonces.sweep(self.seconds());
        let _ = self.apply(Change::FollowClock, Origin::Guard);
        self.blacklist.sweep(now);
    }

    /// Forgets who connected more than a second ago, if there are many.
    pub fn sweep_rates(&self) {
        if let Some(rate) = self.rate.load_full().filter(|rate| rate.limiter.len() > RATES) {
            rate.limiter.retain_recent();
        }
    }

    /// How many connections live.
    pub fn connections(&self) -> u32 {
        self.counts.in_all.load(Ordering::Relaxed)
    }
}

/// What browsers ask for by themselves (SPEC section 6).
fn is_harmless(path: &[u8]) -> bool {
    path == b"/favicon.ico" || path == b"/robots.txt" || path.starts_with(b"/apple-touch-icon")
}

/// Never 0.
fn digest(path: &[u8]) -> u32 {
    use std::hash::BuildHasher as _;
    use std::sync::LazyLock;
    static HASHER: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);
    u32::try_from(HASHER.hash_one(path) >> 32).unwrap_or_default() | 1
}

/// Waits for the listing of a connection's address.
#[derive(Debug)]
pub struct Listing {
    address: Option<Arc<Address>>,
    seen: u32,
    exemption: Arc<Exemption>,
}

impl Permit {
    /// What the connection waits for, beside all else.
    pub fn listing(&self) -> Listing {
        let address = self.address.as_ref().map(|(_, address)| Arc::clone(address));
        Listing { address, seen: self.seen, exemption: Arc::clone(&self.exemption) }
    }

    /// Whether the connection has to go, as [`Listing::closes`] says: for who must not begin anything more until then.
    pub fn must_go(&self) -> bool {
        self.address.as_ref().is_some_and(|(_, address)| {
            address.listings.load(Ordering::Relaxed) != self.seen && address.sends_away(&self.exemption)
        })
    }

    /// An HTTP connection waits for its next request from now on: it may have to go for another one.
    pub fn rest(&mut self) {
        if self.idle.is_none() {
            self.idle = self.address.as_ref().map(|(_, address)| Idle::new(address));
        }
        if let Some(idle) = &self.idle {
            idle.rest();
        }
    }

    /// The next request has come. False: the connection has had to go meanwhile.
    pub fn resume(&self) -> bool {
        self.idle.as_ref().is_none_or(Idle::resume)
    }

    /// Ready when the connection has to go for another one, which it never has while a request is under way.
    pub fn poll_displaced(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.idle.as_ref().map_or(Poll::Pending, |idle| idle.poll_displaced(cx))
    }

    /// Whether the connection stays when its address is listed: what PBXs say of its logins decides that.
    pub fn exemption(&self) -> &Arc<Exemption> {
        &self.exemption
    }
}

impl Listing {
    /// Ready when the connection has to go: its address was listed, and the connection has no exemption, or the
    /// administrator wants it so.
    pub async fn closes(mut self) {
        let Some(address) = self.address else { return std::future::pending().await };
        loop {
            // `next` hears of every listing from here on. The number tells whether there was one before.
            let next = address.listed.notified();
            let listings = address.listings.load(Ordering::Relaxed);
            if std::mem::replace(&mut self.seen, listings) == listings {
                next.await;
            } else if address.sends_away(&self.exemption) {
                return;
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.in_all.fetch_sub(1, Ordering::Relaxed);
        if let Some((counted, _)) = &self.address {
            self.counts
                .by_address
                .remove_if(counted, |_, address| address.count.fetch_sub(1, Ordering::Relaxed) == 1);
        }
    }
}

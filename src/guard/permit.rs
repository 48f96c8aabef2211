//! The right to a connection, and the live connections by address (contract section 1, step 1; section 6): how many there are,
//! which of them go for a new one, and which are told to go when their address is listed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use dashmap::DashMap;
use tokio::sync::Notify;

use super::counted::CountedAddress;
use super::exemption::Exemption;
use super::idle::{Displaced, Idle, Idlers, Oldest};
use super::network::Network;
use crate::reason::Reason;

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
    /// It was listed by an administrator, so no connection stays.
    by_hand: AtomicBool,
    /// HTTP connections that may wait for their next request.
    idlers: Idlers,
}

impl Address {
    /// It was listed at `now` (milliseconds).
    fn tell(&self, by_hand: bool, now: u32) {
        self.by_hand.store(by_hand, Ordering::Relaxed);
        self.listed_at.store(now, Ordering::Relaxed);
        self.listings.fetch_add(1, Ordering::Relaxed);
        self.listed.notify_waiters();
    }

    /// Whether its listing closes a connection.
    fn sends_away(&self, exemption: &Exemption) -> bool {
        self.by_hand.load(Ordering::Relaxed) || !exemption.holds(self.listed_at.load(Ordering::Relaxed))
    }
}

impl AsRef<Idlers> for Address {
    fn as_ref(&self) -> &Idlers {
        &self.idlers
    }
}

/// The live connections, in all and by address.
#[derive(Debug)]
pub(super) struct Connections {
    in_all: AtomicU32,
    /// For how many connections there are file descriptors: each may take two.
    possible: AtomicU32,
    /// HTTP connections of all addresses that have waited for the longest.
    oldest: Mutex<Oldest>,
    /// Only addresses with a live connection are in it, so `max_connections` bounds it.
    by_address: DashMap<CountedAddress, Arc<Address>, foldhash::quality::RandomState>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            in_all: AtomicU32::new(0),
            possible: AtomicU32::new(u32::MAX),
            oldest: Mutex::default(),
            by_address: DashMap::default(),
        }
    }
}

impl Connections {
    /// A permit for one more, and how many there were before.
    pub(super) fn begin(self: &Arc<Self>) -> (Permit, u32) {
        let before = self.in_all.fetch_add(1, Ordering::Relaxed);
        let connections = Arc::clone(self);
        let exemption = Arc::default();
        (Permit { connections, address: None, seen: 0, in_reserve: false, idle: None, exemption }, before)
    }

    /// How many there are.
    pub(super) fn in_all(&self) -> u32 {
        self.in_all.load(Ordering::Relaxed)
    }

    /// For how many connections there are file descriptors: each may take two.
    pub(super) fn possible(&self) -> u32 {
        self.possible.load(Ordering::Relaxed)
    }

    /// See [`Self::possible`].
    pub(super) fn set_possible(&self, connections: u32) {
        self.possible.store(connections, Ordering::Relaxed);
    }

    /// Counts a connection of `address`; true: an idle one of the same address goes for it.
    pub(super) fn count_address(
        &self,
        mut permit: Permit,
        address: IpAddr,
        limit: u32,
    ) -> Result<(Permit, bool), Reason> {
        let counted = CountedAddress::from(address);
        let entry = self.by_address.entry(counted).or_default();
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

    /// The HTTP connection that has waited for its next request for the longest is told to go.
    pub(super) fn displace(&self) -> Option<Displaced> {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.displace(|waiting| {
            self.by_address.iter().for_each(|address| address.idlers.gather(waiting));
        })
    }

    /// `who` was listed at `now` (milliseconds): its connections are told.
    pub(super) fn tell(&self, who: Network, by_hand: bool, now: u32) {
        match who.address() {
            Some(address) => {
                if let Some(address) = self.by_address.get(&address) {
                    address.tell(by_hand, now);
                }
            }
            None => {
                let within = self.by_address.iter().filter(|address| who.contains(*address.key()));
                within.for_each(|address| address.tell(by_hand, now));
            }
        }
    }
}

/// The right to a connection; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    address: Option<(CountedAddress, Arc<Address>)>,
    /// How often the address had been listed when the connection came.
    seen: u32,
    /// It came when only the places that are kept for SIP and H.323 were left.
    pub(super) in_reserve: bool,
    /// Made when it waits for its second request.
    idle: Option<Idle<Address>>,
    exemption: Arc<Exemption>,
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
        self.connections.in_all.fetch_sub(1, Ordering::Relaxed);
        if let Some((counted, _)) = &self.address {
            self.connections
                .by_address
                .remove_if(counted, |_, address| address.count.fetch_sub(1, Ordering::Relaxed) == 1);
        }
    }
}

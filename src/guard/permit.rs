//! The right to a connection, and the live connections by address (contract section 1, step 1; section 6). It counts
//! connections, chooses a connection that is closed for a new one, and tells connections when their address is listed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use dashmap::DashMap;
use tokio::sync::Notify;

use super::counted_address::CountedAddress;
use super::exemption::Exemption;
use super::idle::{Displaced, Idle, Idlers, Oldest};
use super::network::Network;
use crate::reason::Reason;

/// The live connections of one address.
#[derive(Debug, Default)]
struct Address {
    count: AtomicU32,
    /// Notified when the address is listed.
    listed: Notify,
    /// How often the address was listed.
    listings: AtomicU32,
    /// When the address was last listed, in milliseconds.
    listed_at: AtomicU32,
    /// An administrator has listed the address, so no connection stays.
    by_hand: AtomicBool,
    /// HTTP connections that may wait for their next request.
    idlers: Idlers,
}

impl Address {
    /// The address was listed at `now` (milliseconds).
    fn tell(&self, by_hand: bool, now: u32) {
        self.by_hand.store(by_hand, Ordering::Relaxed);
        self.listed_at.store(now, Ordering::Relaxed);
        self.listings.fetch_add(1, Ordering::Relaxed);
        self.listed.notify_waiters();
    }

    /// Whether the listing closes a connection with this exemption.
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
    /// For how many connections there are file descriptors. A connection may take two.
    possible: AtomicU32,
    /// The HTTP connections of all addresses that have waited longest.
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
    /// A permit for one more connection, and the number of connections before it.
    pub(super) fn begin(self: &Arc<Self>) -> (Permit, u32) {
        let before = self.in_all.fetch_add(1, Ordering::Relaxed);
        let connections = Arc::clone(self);
        let exemption = Arc::default();
        (Permit { connections, address: None, seen: 0, in_reserve: false, idle: None, exemption }, before)
    }

    /// The number of live connections.
    pub(super) fn in_all(&self) -> u32 {
        self.in_all.load(Ordering::Relaxed)
    }

    /// For how many connections there are file descriptors. A connection may take two.
    pub(super) fn possible(&self) -> u32 {
        self.possible.load(Ordering::Relaxed)
    }

    /// See [`Self::possible`].
    pub(super) fn set_possible(&self, connections: u32) {
        self.possible.store(connections, Ordering::Relaxed);
    }

    /// Counts a connection of `address`. `true`: an idle connection of the same address is closed for it.
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
        // The displaced connection is told after all locks have been released.
        drop(entry);
        Ok((permit, displaced.is_some()))
    }

    /// Displaces the HTTP connection that has waited longest for its next request.
    pub(super) fn displace(&self) -> Option<Displaced> {
        let mut oldest = self.oldest.lock().unwrap_or_else(PoisonError::into_inner);
        oldest.displace(|waiting| {
            self.by_address.iter().for_each(|address| address.idlers.gather(waiting));
        })
    }

    /// `who` was listed at `now` (milliseconds), so its connections are told.
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

/// The right to a connection. Dropping it gives the right back.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    address: Option<(CountedAddress, Arc<Address>)>,
    /// How often the address had been listed when the connection came.
    seen: u32,
    /// The connection came when only the places for SIP and H.323 were left.
    pub(super) in_reserve: bool,
    /// The connection's entry among the idle ones. It is made when the connection waits for its second request.
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
    /// The wait for a listing, for the connection's task.
    pub fn listing(&self) -> Listing {
        let address = self.address.as_ref().map(|(_, address)| Arc::clone(address));
        Listing { address, seen: self.seen, exemption: Arc::clone(&self.exemption) }
    }

    /// Whether the connection has to close, as [`Listing::closes`] says. A task that must not begin anything more asks
    /// this.
    pub fn must_go(&self) -> bool {
        self.address.as_ref().is_some_and(|(_, address)| {
            address.listings.load(Ordering::Relaxed) != self.seen && address.sends_away(&self.exemption)
        })
    }

    /// An HTTP connection waits for its next request from now on, and may be closed for another connection.
    pub fn rest(&mut self) {
        if self.idle.is_none() {
            self.idle = self.address.as_ref().map(|(_, address)| Idle::new(address));
        }
        if let Some(idle) = &self.idle {
            idle.rest();
        }
    }

    /// The next request has come. `false`: the connection was displaced meanwhile.
    pub fn resume(&self) -> bool {
        self.idle.as_ref().is_none_or(Idle::resume)
    }

    /// Ready when the connection is displaced by another one. That never happens while a request is under way.
    pub fn poll_displaced(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.idle.as_ref().map_or(Poll::Pending, |idle| idle.poll_displaced(cx))
    }

    /// Decides whether the connection stays when its address is listed. It depends on the PBX's answers to its logins.
    pub fn exemption(&self) -> &Arc<Exemption> {
        &self.exemption
    }
}

impl Listing {
    /// Ready when the connection has to close: its address was listed, and either the connection has no exemption or an
    /// administrator has listed the address.
    pub async fn closes(&mut self) {
        let Some(address) = &self.address else { return std::future::pending().await };
        loop {
            // `next` is notified of every listing from here on. The number shows whether there was one before.
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

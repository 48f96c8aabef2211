//! The table itself: a part for each worker, and the way in which a reader goes through all parts.

use std::collections::BinaryHeap;
use std::fmt;
use std::net::{AddrParseError, IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use super::{Connection, Entry};
use crate::service::Service;
use crate::stats::Stats;

/// How many places of a part are read while it is locked.
const PIECE: usize = 512;

/// The places of one part.
#[derive(Debug, Default)]
pub(in crate::stats) struct Shard {
    pub(super) places: Vec<Option<Arc<Entry>>>,
    /// The free places.
    free: Vec<u32>,
}

/// A target in a filter: an address on any port, or on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtTarget {
    address: IpAddr,
    port: Option<u16>,
}

impl AtTarget {
    /// Whether `target` matches.
    pub fn is(self, target: SocketAddr) -> bool {
        self.address == target.ip().to_canonical() && self.port.is_none_or(|port| port == target.port())
    }
}

impl FromStr for AtTarget {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        let alone = text.trim_matches(['[', ']']).parse::<IpAddr>();
        let (address, port) = match text.parse::<SocketAddr>() {
            Ok(both) => (both.ip(), Some(both.port())),
            Err(_) => (alone?, None),
        };
        Ok(Self { address: address.to_canonical(), port })
    }
}

impl fmt::Display for AtTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// Selects connections. A field that is `None` does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The host of the rules, or the name that was asked for.
    pub host: Option<String>,
    /// The service.
    pub service: Option<Service>,
    /// The address of the target, on one port or on any.
    pub target: Option<AtTarget>,
}

/// A page of connections, in the order of their numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The connections.
    pub connections: Vec<Connection>,
    /// The number after which the next page begins, if there are more.
    pub next: Option<u64>,
}

impl Filter {
    fn passes(&self, entry: &Entry) -> bool {
        if self.service.is_some_and(|service| service != entry.service) {
            return false;
        }
        if self.client.is_none() && self.host.is_none() && self.target.is_none() {
            return true;
        }
        let rest = entry.rest();
        self.client.is_none_or(|client| client.to_canonical() == rest.client.address)
            && self.host.as_ref().is_none_or(|host| rest.route.is_about(host))
            && self.target.is_none_or(|target| rest.route.target().is_some_and(|to| target.is(to)))
    }
}

impl Shard {
    /// Finds a place and puts the entry there that `make` makes for it.
    pub(super) fn put(&mut self, make: impl FnOnce(u32) -> Arc<Entry>) -> Arc<Entry> {
        if self.free.is_empty() {
            self.free.push(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
            self.places.push(None);
        }
        let at = self.free.pop().unwrap_or(u32::MAX);
        let entry = make(at);
        if let Some(place) = self.places.get_mut(at as usize) {
            *place = Some(entry.clone());
        }
        entry
    }

    pub(super) fn remove(&mut self, at: u32) {
        if let Some(place) = self.places.get_mut(at as usize) {
            *place = None;
            self.free.push(at);
        }
        // After a flood the memory is freed.
        if self.free.len() == self.places.len() && self.places.len() > PIECE {
            *self = Self::default();
        }
    }
}

impl Stats {
    /// At most `limit` connections that `filter` accepts, in the order of their numbers, beginning after the number
    /// `after`.
    pub fn connections(&self, filter: &Filter, after: u64, limit: usize) -> Page {
        /// An entry, ordered by its number.
        struct Numbered(Arc<Entry>);
        impl PartialEq for Numbered {
            fn eq(&self, other: &Self) -> bool {
                self.0.id == other.0.id
            }
        }
        impl Eq for Numbered {}
        impl PartialOrd for Numbered {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for Numbered {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.id.cmp(&other.0.id)
            }
        }
        let mut least = BinaryHeap::with_capacity(limit.min(PIECE));
        let mut has_more = false;
        self.for_each(|entry| {
            if entry.id <= after || !filter.passes(entry) {
                return;
            }
            least.push(Numbered(entry.clone()));
            if least.len() > limit {
                has_more = true;
                least.pop();
            }
        });
        let connections: Vec<_> =
            least.into_sorted_vec().into_iter().map(|Numbered(entry)| entry.shown()).collect();
        let next = connections.last().map(|last| last.opening.id).filter(|_| has_more);
        Page { connections, next }
    }

    /// The connection with that number.
    pub fn connection(&self, id: u64) -> Option<Connection> {
        self.find(id).map(|entry| entry.shown())
    }

    /// Ends the connection with that number by telling its task. False: there is none, or its task was told before.
    pub fn end(&self, id: u64) -> bool {
        self.find(id).is_some_and(|entry| entry.end())
    }

    /// How many connections are in the table.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.for_each(|_| count += 1);
        count
    }

    fn find(&self, id: u64) -> Option<Arc<Entry>> {
        let mut found = None;
        self.for_each(|entry| {
            if entry.id == id {
                found = Some(entry.clone());
            }
        });
        found
    }

    /// Lets the tasks of all connections be polled, because something has changed for all of them.
    pub fn wake_all(&self) {
        self.for_each(|entry| entry.wake());
    }

    /// Calls `see` for the entries of the table. An entry that stays all the time is seen exactly once, because places
    /// do not move.
    fn for_each(&self, mut see: impl FnMut(&Arc<Entry>)) {
        for worker in self.workers() {
            for piece in 0.. {
                let part = self.shard(worker);
                let Some(places) = part.places.get(piece * PIECE..).filter(|places| !places.is_empty())
                else {
                    break;
                };
                places.iter().take(PIECE).flatten().for_each(&mut see);
            }
        }
    }
}

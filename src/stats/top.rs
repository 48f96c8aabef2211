//! The busiest hosts and clients, and the clients that are refused most, over the last minutes (contract section 8,
//! `/v1/top`).
//!
//! Each worker keeps sketches of its own ([`sketch`]). Only a reader shares them with it, so workers never wait for
//! each other. A reader adds the sketches of all workers up. The busiest keys are always found. Rare keys may be
//! missing, and a count may be too large by at most `over`.
//!
//! Memory is bounded, whatever clients do: each of a worker's three sketches has [`ENTRIES`] places. Only hosts of the
//! rules are entered, under their names there. Clients are counted as the blacklist counts them: IPv6 by /64.

mod sketch;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Stats;
use crate::guard::CountedAddress;
use crate::reason::Reason;
use crate::service::Service;
pub use sketch::ENTRIES;
use sketch::{SLOT, SLOTS, Sketch};

/// The most memory that the sketches of one worker take, in octets, with names of 255 octets (tested in
/// tests/stats_memory.rs).
pub const MEMORY: usize = 96 * 1024;

/// The sketches of one worker.
#[derive(Debug, Default)]
pub(super) struct Busy(Mutex<Sketches>);

#[derive(Debug, Default)]
struct Sketches {
    hasher: RandomState,
    hosts: Sketch<String>,
    clients: Sketch<CountedAddress>,
    refused: Sketch<CountedAddress>,
}

/// One of the busiest hosts or clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked<K> {
    /// The key: a host's name or a client's address.
    pub key: K,
    /// How often it was counted within [`Top::seconds`].
    pub count: u64,
    /// By how much the count may be too large.
    pub over: u64,
    /// The reason of its last refusal, if there was one.
    pub reason: Option<Reason>,
}

/// The busiest hosts and clients, the busiest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Top {
    /// How many seconds the counts cover.
    pub seconds: u32,
    /// Hosts of the rules, by requests (HTTP) and connections (others) to their targets.
    pub hosts: Vec<Ranked<String>>,
    /// Clients, by decisions.
    pub clients: Vec<Ranked<CountedAddress>>,
    /// Clients, by refusals.
    pub refused: Vec<Ranked<CountedAddress>>,
}

impl Sketches {
    fn client(&mut self, client: IpAddr, refused: Option<Reason>, slot: u32) {
        let client = CountedAddress::from(client);
        let hash = || self.hasher.hash_one(client);
        self.clients.count((hash, slot), |key| *key == client, |key| *key = Some(client), refused);
        if refused.is_some() {
            self.refused.count((hash, slot), |key| *key == client, |key| *key = Some(client), refused);
        }
    }

    fn host(&mut self, host: &str, slot: u32) {
        let hash = || self.hasher.hash_one(host);
        // The allocation of the earlier name is used again.
        let write = |key: &mut Option<String>| {
            let key = key.get_or_insert_default();
            key.clear();
            key.push_str(host);
        };
        self.hosts.count((hash, slot), |key| key == host, write, None);
    }
}

impl Stats {
    /// Counts a decision about this client. `host` is the host of the rules, if the request went to its target. Only
    /// the worker with this number may call it.
    #[inline]
    pub fn busy(&self, worker: u16, client: IpAddr, host: Option<&str>, refused: Option<Reason>) {
        let slot = self.seconds() / SLOT;
        let mut sketches = self.at(worker).busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        sketches.client(client, refused, slot);
        if let Some(host) = host {
            sketches.host(host, slot);
        }
    }

    /// Counts a client that was refused before anything was read of it. Only the worker with this number may call it.
    pub fn turned_away(&self, worker: u16, service: Service, (client, reason): (IpAddr, Reason)) {
        self.worker(worker).rejected(service, reason);
        self.busy(worker, client, None, Some(reason));
    }

    /// The busiest keys, at most `limit` of each kind.
    pub fn top(&self, limit: usize) -> Top {
        let seconds = self.seconds();
        let slot = seconds / SLOT;
        let (mut hosts, mut clients, mut refused) = (Merged::default(), Merged::default(), Merged::default());
        for worker in self.workers() {
            let mut sketches = self.at(worker).busy.0.lock().unwrap_or_else(PoisonError::into_inner);
            hosts.add(&mut sketches.hosts, slot);
            clients.add(&mut sketches.clients, slot);
            refused.add(&mut sketches.refused, slot);
        }
        let covered = seconds - slot.saturating_sub(SLOTS as u32 - 1) * SLOT;
        Top {
            seconds: covered.max(1),
            hosts: hosts.busiest(limit),
            clients: clients.busiest(limit),
            refused: refused.busiest(limit),
        }
    }
}

/// The time that the counts cover, once Portward has run that long. They may cover up to a minute more.
pub const WINDOW: Duration = Duration::from_secs(SLOT as u64 * (SLOTS as u64 - 1));

/// The counts of several workers for each key.
#[derive(Debug)]
struct Merged<K>(HashMap<K, Ranked<K>, RandomState>);

impl<K> Default for Merged<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Clone + Ord + Hash> Merged<K> {
    fn add(&mut self, sketch: &mut Sketch<K>, slot: u32) {
        for one in sketch.read(slot) {
            let key = one.key.clone();
            let sum = self.0.entry(key.clone()).or_insert(Ranked { key, count: 0, over: 0, reason: None });
            sum.count += one.count;
            sum.over += one.over;
            sum.reason = one.reason.or(sum.reason);
        }
    }

    fn busiest(self, limit: usize) -> Vec<Ranked<K>> {
        let mut all: Vec<_> = self.0.into_values().collect();
        all.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        all.truncate(limit);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    #[test]
    fn the_workers_numbers_are_added_up_and_the_busiest_come_first() {
        let stats = Stats::of_workers(2);
        for number in 0..30 {
            stats.busy(0, client(1), Some("one.example"), None);
            stats.busy(1, client(2), Some("one.example"), None);
            if number % 3 == 0 {
                stats.busy(1, client(2), Some("two.example"), None);
                stats.busy(0, client(3), None, Some(Reason::UnknownHost));
                stats.turned_away(1, Service::Sip, (client(3), Reason::Blacklisted));
            }
        }
        let top = stats.top(10);
        let hosts: Vec<_> = top.hosts.iter().map(|one| (&*one.key, one.count, one.over)).collect();
        assert_eq!(hosts, [("one.example", 60, 0), ("two.example", 10, 0)]);
        let clients: Vec<_> = top.clients.iter().map(|one| (one.key, one.count)).collect();
        let expected = [(2, 40), (1, 30), (3, 20)].map(|(number, count)| (client(number).into(), count));
        assert_eq!(clients, expected);
        assert_eq!((top.refused.len(), top.refused[0].count), (1, 20));
        assert_eq!(top.refused[0].reason, Some(Reason::Blacklisted));
        assert_eq!(stats.totals().rejected(Service::Sip, Reason::Blacklisted), 10);
        assert_eq!(stats.top(1).clients.len(), 1);
    }

    /// The addresses of one IPv6 subscriber are one client. Otherwise a client with 2^64 addresses could hide.
    #[test]
    fn ipv6_counts_by_its_network() {
        let stats = Stats::of_workers(1);
        for number in 0..1_000_u32 {
            let address = format!("2001:db8:0:1::{number:x}").parse().unwrap();
            stats.busy(0, address, None, Some(Reason::NoPath));
        }
        let top = stats.top(10);
        assert_eq!((top.refused.len(), top.refused[0].count), (1, 1_000));
        assert_eq!(top.refused[0].key.to_string(), "2001:db8:0:1::/64");
    }
}

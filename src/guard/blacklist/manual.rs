//! The entries of administrators, for addresses and networks. A look-up takes one step for each length of prefix that
//! is listed. If only single addresses are listed, it is one look into a sorted map.

use std::collections::BTreeMap;

use super::entry::{Entry, NEVER, Why};
use crate::guard::counted_address::CountedAddress;
use crate::guard::network::Network;

/// An administrator's entry.
#[derive(Debug)]
pub(super) struct Manual {
    pub(super) since: u32,
    pub(super) until: u32,
    pub(super) note: Box<str>,
}

impl Manual {
    pub(super) fn show(&self, who: Network) -> Entry {
        let why = Why::Manual { note: self.note.clone() };
        Entry { who, since: self.since, until: (self.until != NEVER).then_some(self.until), why }
    }
}

/// The entries of administrators, by their network.
#[derive(Debug, Default)]
pub(super) struct Manuals {
    pub(super) entries: BTreeMap<Network, Manual>,
    /// The lengths of the listed prefixes and the number of entries of each length, the longest first.
    lengths: Vec<(u8, usize)>,
}

impl Manuals {
    /// The entry in force at `now` for the smallest network that contains `address`.
    pub(super) fn around(&self, address: CountedAddress, now: u32) -> Option<(Network, &Manual)> {
        self.candidates(address).find(|(_, entry)| entry.until > now)
    }

    /// The entry in force at `now` for the smallest network that contains all of `who`.
    pub(super) fn covering(&self, who: Network, now: u32) -> Option<(Network, &Manual)> {
        self.candidates(who.first()).find(|(network, entry)| network.covers(who) && entry.until > now)
    }

    /// The entries for networks that contain `address`, the smallest network first.
    fn candidates(&self, address: CountedAddress) -> impl Iterator<Item = (Network, &Manual)> {
        let possible = self.lengths.iter().filter(move |(length, _)| Network::can_have(address, *length));
        let networks = possible.map(move |(length, _)| Network::around(address, *length));
        networks.filter_map(|network| Some((network, self.entries.get(&network)?)))
    }

    pub(super) fn insert(&mut self, who: Network, entry: Manual) {
        if self.entries.insert(who, entry).is_some() {
            return;
        }
        match self.lengths.iter().position(|(length, _)| *length <= who.length()) {
            Some(at) => match self.lengths.get_mut(at).filter(|(length, _)| *length == who.length()) {
                Some((_, count)) => *count += 1,
                None => self.lengths.insert(at, (who.length(), 1)),
            },
            None => self.lengths.push((who.length(), 1)),
        }
    }

    pub(super) fn remove(&mut self, who: Network) {
        if self.entries.remove(&who).is_some() {
            self.forget(who.length());
        }
    }

    fn forget(&mut self, gone: u8) {
        self.lengths.iter_mut().filter(|(length, _)| *length == gone).for_each(|(_, count)| *count -= 1);
        self.lengths.retain(|(_, count)| *count > 0);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.lengths.clear();
    }

    /// Removes entries that have expired at `now`.
    pub(super) fn sweep(&mut self, now: u32) {
        let expired = self.entries.iter().filter(|(_, entry)| entry.until <= now).map(|(who, _)| *who);
        let expired: Vec<_> = expired.collect();
        expired.into_iter().for_each(|who| self.remove(who));
    }
}

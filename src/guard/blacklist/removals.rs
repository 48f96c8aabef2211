//! Traces of removals: when an address was removed from the list, and by whom. Traces show an administrator who has
//! removed an address. They also matter when two lists are merged: they tell an entry that was removed from an entry
//! that the other list does not know.
//!
//! A trace cancels entries that are older than it. If an address is listed again within the second of its removal, the
//! trace is deleted. So the remaining times always show which event was later.
//!
//! Traces are bounded: the latest [`REMOVALS`] of the last week, at most 192 KiB. Clearing the list leaves one trace.

use std::collections::{HashMap, VecDeque};

use super::entry::{Entry, Origin};
use crate::guard::network::Network;

/// The most traces.
pub const REMOVALS: usize = 4096;
/// How long a trace is kept, in seconds: a week.
const KEPT: u32 = 7 * 24 * 3_600;

/// The trace of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The address or network. `None`: all entries were removed.
    pub who: Option<Network>,
    /// Since when it had been listed, in seconds since 1970.
    pub since: u32,
    /// When it was removed, in seconds since 1970.
    pub at: u32,
    /// Who has removed it.
    pub by: Origin,
}

/// The traces of removals.
#[derive(Debug, Default)]
pub(super) struct Removals(VecDeque<Removal>);

impl Removals {
    pub(super) fn push(&mut self, removal: Removal) {
        if self.0.len() >= REMOVALS {
            self.0.pop_front();
        }
        self.0.push_back(removal);
    }

    /// Adds the traces of another list.
    pub(super) fn add(&mut self, more: Vec<Removal>) {
        self.0.extend(more);
        // They are sorted by time. Of two equal traces only one is kept.
        self.0.make_contiguous().sort_by_key(|removal| (removal.at, removal.who));
        let mut all: Vec<Removal> = self.0.drain(..).collect();
        all.dedup();
        let surplus = all.len().saturating_sub(REMOVALS);
        self.0.extend(all.into_iter().skip(surplus));
    }

    /// `who` is listed again at `now`, so a trace of the same second is deleted.
    pub(super) fn give_way(&mut self, who: Network, now: u32) {
        let earlier = self.0.iter().rev().position(|removal| removal.at < now).unwrap_or(self.0.len());
        let begin = self.0.len() - earlier;
        if self.0.range(begin..).any(|removal| removal.who == Some(who)) {
            self.0.retain(|removal| removal.at < now || removal.who != Some(who));
        }
    }

    /// The traces that are kept at `now`, the latest first.
    pub(super) fn latest(&self, now: u32) -> Vec<Removal> {
        self.0.iter().rev().filter(|removal| is_kept(removal, now)).copied().collect()
    }

    /// Deletes traces that are too old.
    pub(super) fn sweep(&mut self, now: u32) {
        while self.0.front().is_some_and(|removal| !is_kept(removal, now)) {
            self.0.pop_front();
        }
    }

    /// The clock was set back to `now`. Traces in the future get the time `now`.
    pub(super) fn follow_clock(&mut self, now: u32) {
        for removal in &mut self.0 {
            removal.at = removal.at.min(now);
            removal.since = removal.since.min(now);
        }
    }
}

fn is_kept(removal: &Removal, now: u32) -> bool {
    removal.at.saturating_add(KEPT) > now
}

/// The entries of a list that the traces cancel.
#[derive(Debug, Default)]
pub(super) struct Undone {
    by_address: HashMap<Network, u32>,
    /// When all entries were removed. 0: they were not.
    cleared: u32,
}

impl Undone {
    pub(super) fn by(removals: &Removals) -> Self {
        let mut undone = Self::default();
        for removal in &removals.0 {
            match removal.who {
                Some(who) => {
                    let at = undone.by_address.entry(who).or_default();
                    *at = removal.at.max(*at);
                }
                None => undone.cleared = removal.at.max(undone.cleared),
            }
        }
        undone
    }

    /// Whether `entry` was removed after it had been made. An entry that was made in the very second in which the list
    /// was cleared stays, because it is unknown which came first.
    pub(super) fn undoes(&self, entry: &Entry) -> bool {
        entry.since < self.cleared || self.by_address.get(&entry.who).is_some_and(|at| entry.since <= *at)
    }
}

//! Traces of removals: when an address was taken off the list, and by whom. They show who has removed what; and where two
//! lists are put together, they tell an entry that was removed from one that the other list has not heard of.
//!
//! A trace undoes entries that are older than it. When an address is listed again within the second of its removal, the
//! trace goes, so that the times of what is left say which was the later.
//!
//! Bounded: the latest [`REMOVALS`] of the last week, at most 192 KiB. Clearing the list leaves one.

use std::collections::{HashMap, VecDeque};

use super::entry::{Entry, Origin};
use crate::guard::network::Network;

/// The most traces.
pub const REMOVALS: usize = 4096;
/// For so many seconds a trace is kept: a week.
const KEPT: u32 = 7 * 24 * 3_600;

/// What is left of something that was taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// The address or network; `None`: all that were listed.
    pub who: Option<Network>,
    /// Since when it had been listed, in seconds since 1970.
    pub since: u32,
    /// When it was taken off.
    pub at: u32,
    /// By whom.
    pub by: Origin,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Removals(VecDeque<Removal>);

impl Removals {
    pub(super) fn push(&mut self, removal: Removal) {
        if self.0.len() >= REMOVALS {
            self.0.pop_front();
        }
        self.0.push_back(removal);
    }

    /// Adds those of another list.
    pub(super) fn add(&mut self, more: Vec<Removal>) {
        self.0.extend(more);
        // In the order of their times; of two that are the same, one.
        self.0.make_contiguous().sort_by_key(|removal| (removal.at, removal.who));
        let mut all: Vec<Removal> = self.0.drain(..).collect();
        all.dedup();
        let surplus = all.len().saturating_sub(REMOVALS);
        self.0.extend(all.into_iter().skip(surplus));
    }

    /// `who` is listed again at `now`.
    pub(super) fn give_way(&mut self, who: Network, now: u32) {
        let earlier = self.0.iter().rev().position(|removal| removal.at < now).unwrap_or(self.0.len());
        let begin = self.0.len() - earlier;
        if self.0.range(begin..).any(|removal| removal.who == Some(who)) {
            self.0.retain(|removal| removal.at < now || removal.who != Some(who));
        }
    }

    /// Those that are kept at `now`, the latest first.
    pub(super) fn latest(&self, now: u32) -> Vec<Removal> {
        self.0.iter().rev().filter(|removal| is_kept(removal, now)).copied().collect()
    }

    /// Forgets those that are old.
    pub(super) fn sweep(&mut self, now: u32) {
        while self.0.front().is_some_and(|removal| !is_kept(removal, now)) {
            self.0.pop_front();
        }
    }

    /// The clock was set back to `now`: what lies in the future has happened now.
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

/// Which entries of a list the traces undo.
#[derive(Debug, Default)]
pub(super) struct Undone {
    by_address: HashMap<Network, u32>,
    /// When everything was taken off; 0: it was not.
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

    /// Whether `entry` was taken off after it had been made. Whoever was listed in the very second in which the list was
    /// cleared stays: nothing says which came first.
    pub(super) fn undoes(&self, entry: &Entry) -> bool {
        entry.since < self.cleared || self.by_address.get(&entry.who).is_some_and(|at| entry.since <= *at)
    }
}

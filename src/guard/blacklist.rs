//! The blacklist (SPEC section 6): whom the guard has listed, and whom an administrator has.
//!
//! Automatic entries are bounded by [`AUTOMATIC`]: the oldest go first. With a million of them it takes at most 96 MiB. A
//! look-up is one hash; what has expired is not listed any more, and is taken out in the background.
//!
//! The list is read in pages, each with a [`Cursor`] for the next: nothing ever holds all of it at once. Automatic
//! entries have numbers in the order in which they came, so a page goes on where the last one ended whatever was added
//! or removed meanwhile.
//!
//! Times are those of the system's clock, because the list outlives the process. Where the clock is set back an entry
//! begins again at once and lasts as long as it was meant to: [`Blacklist::follow_clock`].

mod page;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use foldhash::quality::RandomState;

use super::Counted;
use super::order::Order;
use crate::reason::Reason;
pub use page::{Cursor, Page};

/// The most entries that the guard makes by itself.
pub const AUTOMATIC: usize = 1 << 20;
/// The most that an administrator makes.
pub const MANUAL: usize = 100_000;
/// Never.
const NEVER: u32 = u32::MAX;
/// An entry, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub who: Counted,
    /// Since when, in seconds since 1970.
    pub since: u32,
    /// Until when; `None`: until it is removed.
    pub until: Option<u32>,
    /// By whom, and why.
    pub why: Why,
}

/// Why somebody is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The guard's doing.
    Automatic {
        /// The last offence.
        reason: Reason,
        /// How many there were in a minute.
        count: u32,
    },
    /// An administrator's.
    Manual {
        /// What he has to say about it.
        note: Box<str>,
    },
}

#[derive(Debug, Clone, Copy)]
struct Automatic {
    since: u32,
    until: u32,
    count: u32,
    /// The low bits of its number in the order: an older place for the same address does not stand for it.
    number: u32,
    reason: Reason,
}

#[derive(Debug)]
struct Manual {
    since: u32,
    until: u32,
    note: Box<str>,
}

/// See the module. Times are seconds since 1970.
#[derive(Debug, Default)]
pub struct Blacklist {
    automatic: DashMap<Counted, Automatic, RandomState>,
    /// In the order in which they were listed.
    order: Mutex<Order>,
    manual: RwLock<BTreeMap<Counted, Manual>>,
    /// So that the lock is not taken for nothing.
    manuals: AtomicUsize,
    changed: AtomicBool,
    /// The latest time that was seen.
    latest: AtomicU32,
}

impl Blacklist {
    /// Whether `who` is listed at `now`.
    pub fn lists(&self, who: Counted, now: u32) -> bool {
        let automatic = self.automatic.get(&who).is_some_and(|entry| entry.until > now);
        automatic || self.lists_manually(who, now)
    }

    fn lists_manually(&self, who: Counted, now: u32) -> bool {
        self.manuals.load(Ordering::Relaxed) > 0
            && self
                .manual
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&who)
                .is_some_and(|entry| entry.until > now)
    }

    /// What there is about `who` at `now`; a manual entry before an automatic one.
    pub fn entry(&self, who: Counted, now: u32) -> Option<Entry> {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        let manual = manual.get(&who).filter(|entry| entry.until > now).map(|entry| entry.show(who));
        manual.or_else(|| {
            self.automatic.get(&who).filter(|entry| entry.until > now).map(|entry| entry.show(who))
        })
    }

    /// How many entries there are, expired ones that were not taken out yet among them.
    pub fn len(&self) -> usize {
        self.automatic.len() + self.manuals.load(Ordering::Relaxed)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lists `who` for what it has done; `expiration`: for how long, `None`: until it is removed.
    pub fn list(&self, who: Counted, reason: Reason, count: u32, now: u32, expiration: Option<Duration>) {
        self.latest.fetch_max(now, Ordering::Relaxed);
        self.put(who, Automatic { since: now, until: end(now, expiration), count, number: 0, reason });
        self.note_changed();
    }

    fn put(&self, who: Counted, entry: Automatic) {
        let mut order = self.order();
        let number = low(order.push(who));
        self.automatic.insert(who, Automatic { number, ..entry });
        while order.len() > AUTOMATIC {
            let Some((number, oldest)) = order.pop() else { break };
            self.automatic.remove_if(&oldest, |_, entry| entry.number == low(number));
        }
    }

    /// Lists `who` by an administrator's will. False: there are [`MANUAL`] of them.
    pub fn add(&self, who: Counted, note: &str, now: u32, expiration: Option<Duration>) -> bool {
        self.latest.fetch_max(now, Ordering::Relaxed);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        if manual.len() >= MANUAL && !manual.contains_key(&who) {
            return false;
        }
        manual.insert(who, Manual { since: now, until: end(now, expiration), note: note.into() });
        self.manuals.store(manual.len(), Ordering::Relaxed);
        self.note_changed();
        true
    }

    /// Takes `who` off, whoever has listed it; whether it was listed.
    pub fn remove(&self, who: Counted, now: u32) -> bool {
        let listed = self.lists(who, now);
        self.automatic.remove(&who);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.remove(&who);
        self.manuals.store(manual.len(), Ordering::Relaxed);
        self.note_changed();
        listed
    }

    /// Takes everybody off; how many there were.
    pub fn clear(&self) -> usize {
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        let mut order = self.order();
        let count = self.automatic.len() + manual.len();
        self.automatic.clear();
        order.clear();
        manual.clear();
        self.manuals.store(0, Ordering::Relaxed);
        self.note_changed();
        count
    }

    /// Takes out what has expired. Automatic entries are in the order of their ends, unless the expiration was changed.
    pub fn sweep(&self, now: u32) {
        self.follow_clock(now);
        let mut order = self.order();
        while let Some((number, who)) = order.first() {
            let is_its = |entry: &Automatic| entry.number == low(number);
            let in_force = self.automatic.get(&who).is_some_and(|entry| is_its(&entry) && entry.until > now);
            if in_force {
                break;
            }
            order.pop();
            self.automatic.remove_if(&who, |_, entry| is_its(entry));
        }
        drop(order);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.retain(|_, entry| entry.until > now);
        self.manuals.store(manual.len(), Ordering::Relaxed);
    }

    /// Notices that the clock was set back. An entry whose beginning lies in the future begins at `now` and lasts as long
    /// as it was meant to, instead of that and the hours or years by which the clock was wrong.
    pub fn follow_clock(&self, now: u32) {
        if self.latest.swap(now, Ordering::Relaxed) <= now {
            return;
        }
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        let by_hand = manual.values_mut().map(|entry| (&mut entry.since, &mut entry.until));
        let mut changed = false;
        by_hand.for_each(|(since, until)| changed |= begin_by(now, since, until));
        drop(manual);
        for mut entry in self.automatic.iter_mut() {
            let Automatic { since, until, .. } = entry.value_mut();
            changed |= begin_by(now, since, until);
        }
        if changed {
            self.note_changed();
        }
    }

    /// Whether something has changed since this was last asked.
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// Something has changed, or what has changed could not be kept.
    pub fn note_changed(&self) {
        self.changed.store(true, Ordering::Relaxed);
    }

    /// Puts back what was kept, in the order of [`Self::page`], at `now`.
    pub fn restore(&self, entries: Vec<Entry>, now: u32) {
        // The latest come first there, and are put last here.
        for Entry { who, mut since, until, why } in entries.into_iter().rev() {
            let mut until = until.unwrap_or(NEVER);
            if begin_by(now, &mut since, &mut until) {
                self.note_changed();
            }
            match why {
                Why::Automatic { reason, count } => {
                    self.put(who, Automatic { since, until, count, number: 0, reason });
                }
                Why::Manual { note } => {
                    let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
                    manual.insert(who, Manual { since, until, note });
                    self.manuals.store(manual.len(), Ordering::Relaxed);
                }
            }
        }
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has an entry that begins after `now` begin then, for as long as it was meant to last; whether it did.
fn begin_by(now: u32, since: &mut u32, until: &mut u32) -> bool {
    let is_ahead = *since > now;
    if is_ahead {
        if *until != NEVER {
            *until = now.saturating_add(until.saturating_sub(*since)).min(NEVER - 1);
        }
        *since = now;
    }
    is_ahead
}

fn end(now: u32, expiration: Option<Duration>) -> u32 {
    expiration.map_or(NEVER, |time| {
        // Whole seconds, rounded up: nobody is let in too early.
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        now.saturating_add(u32::try_from(seconds).unwrap_or(NEVER)).min(NEVER - 1)
    })
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

impl Automatic {
    fn show(&self, who: Counted) -> Entry {
        let why = Why::Automatic { reason: self.reason, count: self.count };
        Entry { who, since: self.since, until: (self.until != NEVER).then_some(self.until), why }
    }
}

impl Manual {
    fn show(&self, who: Counted) -> Entry {
        let why = Why::Manual { note: self.note.clone() };
        Entry { who, since: self.since, until: (self.until != NEVER).then_some(self.until), why }
    }
}

#[cfg(test)]
mod tests;

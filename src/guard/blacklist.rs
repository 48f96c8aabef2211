//! The blacklist (SPEC section 6): whom the guard has listed, and whom an administrator has.
//!
//! Automatic entries are bounded by [`AUTOMATIC`]: the oldest go first. With a million of them it takes at most 96 MiB. A
//! look-up is one hash; what has expired is not listed any more, and is taken out in the background.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use foldhash::quality::RandomState;

use super::Counted;
use crate::reason::Reason;

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
    /// Whom, since when: in the order in which they were listed.
    order: Mutex<VecDeque<(Counted, u32)>>,
    manual: RwLock<BTreeMap<Counted, Manual>>,
    /// So that the lock is not taken for nothing.
    manuals: AtomicUsize,
    changed: AtomicBool,
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

    /// Everything that is in force at `now`: manual entries, then automatic ones, the latest first, `limit` at most.
    pub fn entries(&self, now: u32, limit: usize) -> Vec<Entry> {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<Entry> = manual
            .iter()
            .filter(|(_, entry)| entry.until > now)
            .map(|(who, entry)| entry.show(*who))
            .take(limit)
            .collect();
        drop(manual);
        let order: Vec<_> = {
            let order = self.order();
            order.iter().rev().take(limit.saturating_mul(2)).copied().collect()
        };
        for (who, since) in order {
            if entries.len() >= limit {
                break;
            }
            let entry = self.automatic.get(&who).filter(|entry| entry.since == since && entry.until > now);
            entries.extend(entry.map(|entry| entry.show(who)));
        }
        entries
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
        self.put(who, Automatic { since: now, until: end(now, expiration), count, reason });
        self.changed.store(true, Ordering::Relaxed);
    }

    fn put(&self, who: Counted, entry: Automatic) {
        let mut order = self.order();
        order.push_back((who, entry.since));
        self.automatic.insert(who, entry);
        while order.len() > AUTOMATIC {
            let Some((oldest, since)) = order.pop_front() else { break };
            self.automatic.remove_if(&oldest, |_, entry| entry.since == since);
        }
    }

    /// Lists `who` by an administrator's will. False: there are [`MANUAL`] of them.
    pub fn add(&self, who: Counted, note: &str, now: u32, expiration: Option<Duration>) -> bool {
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        if manual.len() >= MANUAL && !manual.contains_key(&who) {
            return false;
        }
        manual.insert(who, Manual { since: now, until: end(now, expiration), note: note.into() });
        self.manuals.store(manual.len(), Ordering::Relaxed);
        self.changed.store(true, Ordering::Relaxed);
        true
    }

    /// Takes `who` off, whoever has listed it; whether it was listed.
    pub fn remove(&self, who: Counted, now: u32) -> bool {
        let listed = self.lists(who, now);
        self.automatic.remove(&who);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.remove(&who);
        self.manuals.store(manual.len(), Ordering::Relaxed);
        self.changed.store(true, Ordering::Relaxed);
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
        self.changed.store(true, Ordering::Relaxed);
        count
    }

    /// Takes out what has expired. Automatic entries are in the order of their ends, unless the expiration was changed.
    pub fn sweep(&self, now: u32) {
        let mut order = self.order();
        while let Some(&(who, since)) = order.front() {
            let current =
                self.automatic.get(&who).filter(|entry| entry.since == since).map(|entry| entry.until);
            if current.is_some_and(|until| until > now) {
                break;
            }
            order.pop_front();
            self.automatic.remove_if(&who, |_, entry| entry.since == since);
        }
        drop(order);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.retain(|_, entry| entry.until > now);
        self.manuals.store(manual.len(), Ordering::Relaxed);
    }

    /// Whether something has changed since this was last asked.
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::Relaxed)
    }

    /// Puts back what was kept.
    pub fn restore(&self, entries: Vec<Entry>) {
        for Entry { who, since, until, why } in entries {
            let until = until.unwrap_or(NEVER);
            match why {
                Why::Automatic { reason, count } => self.put(who, Automatic { since, until, count, reason }),
                Why::Manual { note } => {
                    let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
                    manual.insert(who, Manual { since, until, note });
                    self.manuals.store(manual.len(), Ordering::Relaxed);
                }
            }
        }
    }

    fn order(&self) -> MutexGuard<'_, VecDeque<(Counted, u32)>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(now: u32, expiration: Option<Duration>) -> u32 {
    expiration.map_or(NEVER, |time| {
        // Whole seconds, rounded up: nobody is let in too early.
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        now.saturating_add(u32::try_from(seconds).unwrap_or(NEVER)).min(NEVER - 1)
    })
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
mod tests {
    use super::*;

    fn who(number: u32) -> Counted {
        std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
    }

    const FIVE: Option<Duration> = Some(Duration::from_secs(300));

    #[test]
    fn entries_come_and_go() {
        let list = Blacklist::default();
        list.list(who(1), Reason::UnknownHost, 21, 1_000, FIVE);
        list.list(who(2), Reason::NotTls, 21, 1_001, None);
        assert!(list.add(who(3), "a note", 1_002, Some(Duration::from_millis(1_500))));
        assert!(list.add(who(2), "for good", 1_002, None));
        for (number, now, listed) in [
            (1, 1_299, true),
            (1, 1_300, false),
            (2, u32::MAX - 1, true),
            (3, 1_003, true),
            (3, 1_004, false),
            (4, 1_003, false),
        ] {
            assert_eq!(list.lists(who(number), now), listed, "{number} at {now}");
        }
        assert!(matches!(list.entry(who(2), 1_003).unwrap().why, Why::Manual { .. }));
        assert_eq!(
            list.entries(1_003, 10).iter().map(|entry| entry.who).collect::<Vec<_>>(),
            [who(2), who(3), who(2), who(1)]
        );
        list.sweep(1_300);
        assert_eq!(list.len(), 2);
        assert!(list.take_changed() && !list.take_changed());
        assert!(list.remove(who(2), 1_300) && !list.remove(who(2), 1_300) && !list.lists(who(2), 1_300));
        // Listed again, longer: the first entry's end does not take the second one out.
        list.list(who(5), Reason::NoPath, 21, 2_000, FIVE);
        list.list(who(5), Reason::NoPath, 21, 2_100, FIVE);
        list.sweep(2_300);
        assert!(list.lists(who(5), 2_399));
        assert_eq!(list.clear(), 1);
        assert!(list.is_empty() && !list.lists(who(5), 2_301));
    }

    #[test]
    fn the_oldest_automatic_entries_go_first_and_manual_ones_never() {
        let list = Blacklist::default();
        list.add(who(0), "", 0, None);
        let more = 1_000;
        for number in 1..=u32::try_from(AUTOMATIC).unwrap() + more {
            list.list(who(number), Reason::UnknownHost, 21, 1_000, None);
        }
        assert_eq!(list.len(), AUTOMATIC + 1);
        assert!(list.lists(who(0), 1_001));
        assert!(!list.lists(who(more), 1_001) && list.lists(who(more + 1), 1_001));
    }
}

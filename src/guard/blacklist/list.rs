//! The list itself: look-ups and changes, one change after the other.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use dashmap::DashMap;
use foldhash::quality::RandomState;

use super::change::{Change, Done, Full, StoredList, Subscribers, Subscription};
use super::entry::{Entry, MANUAL, NEVER, Origin, Why, begin_by, end};
use super::manual::{Manual, Manuals};
use super::order::Order;
use super::removals::{Removal, Removals, Undone};
use crate::guard::counted_address::CountedAddress;
use crate::guard::network::Network;
use crate::reason::Reason;

/// The most entries that the guard makes by itself.
pub const AUTOMATIC: usize = 1 << 20;

/// The part of the list that only one change at a time may touch.
#[derive(Debug, Default)]
pub(super) struct Changing {
    /// Automatic entries in the order in which they were listed.
    pub(super) order: Order,
    pub(super) removals: Removals,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Automatic {
    since: u32,
    pub(super) until: u32,
    count: u32,
    /// The low bits of the entry's number in the order. They tell the entry's place from an older place of the same
    /// address.
    pub(super) number: u32,
    reason: Reason,
}

/// The blacklist. Times are seconds since 1970.
#[derive(Debug, Default)]
pub struct Blacklist {
    pub(super) automatic: DashMap<CountedAddress, Automatic, RandomState>,
    pub(super) manual: RwLock<Manuals>,
    /// The number of manual entries. If it is 0, the lock need not be taken.
    manuals: AtomicUsize,
    /// This lock is taken before all others, so that changes have one order.
    changing: Mutex<Changing>,
    subscribers: Subscribers,
    /// The latest time that was seen, in seconds since 1970.
    latest: AtomicU32,
}

impl Blacklist {
    /// Whether `who` is listed at `now`.
    pub fn lists(&self, who: CountedAddress, now: u32) -> bool {
        let automatic = self.automatic.get(&who).is_some_and(|entry| entry.until > now);
        automatic || self.lists_manually(who, now)
    }

    fn lists_manually(&self, who: CountedAddress, now: u32) -> bool {
        self.manuals.load(Ordering::Relaxed) > 0
            && self.manual.read().unwrap_or_else(PoisonError::into_inner).around(who, now).is_some()
    }

    /// The entry for which `who` is refused at `now`. An entry for `who` itself comes first, an administrator's before
    /// the guard's. Otherwise it is the entry of the smallest network around `who`.
    pub fn entry(&self, who: Network, now: u32) -> Option<Entry> {
        self.exact(who, now).or_else(|| {
            let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
            manual.covering(who, now).map(|(network, entry)| entry.show(network))
        })
    }

    /// The entry for exactly this address or network at `now`. An administrator's entry comes before the guard's.
    pub fn exact(&self, who: Network, now: u32) -> Option<Entry> {
        self.exact_manual(who, now).or_else(|| {
            let automatic = self.automatic.get(&who.address()?)?;
            (automatic.until > now).then(|| automatic.show(who.first()))
        })
    }

    fn exact_manual(&self, who: Network, now: u32) -> Option<Entry> {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        manual.entries.get(&who).filter(|entry| entry.until > now).map(|entry| entry.show(who))
    }

    /// How many entries of administrators that are in force at `now` are for parts of `who`.
    pub fn within(&self, who: Network, now: u32) -> usize {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        let parts = manual.entries.range(who..).take_while(|(other, _)| who.contains(other.first()));
        parts.filter(|(other, entry)| **other != who && who.covers(**other) && entry.until > now).count()
    }

    /// The number of entries. Expired entries that were not removed yet are included.
    pub fn len(&self) -> usize {
        self.automatic.len() + self.manuals.load(Ordering::Relaxed)
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A subscription to all changes from now on.
    pub fn subscribe(&self) -> Subscription {
        self.subscribers.subscribe()
    }

    /// The removals of the last week, the latest first.
    pub fn removals(&self, now: u32) -> Vec<Removal> {
        self.changing().removals.latest(now)
    }

    /// Makes a change at `now`. Returns how many entries in force it has replaced or removed.
    ///
    /// # Errors
    /// [`Full`]: an administrator's entry for which there is no room.
    pub(in crate::guard) fn apply(&self, change: Change, origin: Origin, now: u32) -> Result<usize, Full> {
        let changing = &mut *self.changing();
        match change {
            Change::List { who, why, expiration } => {
                let entry = Entry { who, since: now, until: end(now, expiration), why };
                self.list(changing, entry, origin)
            }
            Change::Remove { who } => Ok(self.remove(changing, who, origin, now)),
            Change::Clear => Ok(self.clear(changing, origin, now)),
            Change::Restore(kept) => {
                self.restore(changing, kept, origin, now);
                Ok(0)
            }
            Change::FollowClock => {
                self.follow_clock(changing, origin, now);
                Ok(0)
            }
        }
    }

    fn list(&self, changing: &mut Changing, entry: Entry, origin: Origin) -> Result<usize, Full> {
        let (who, now) = (entry.who, entry.since);
        let was_listed = self.exact(who, now).is_some();
        if matches!(entry.why, Why::Manual { .. }) && !self.has_room(who) {
            return Err(Full);
        }
        self.latest.fetch_max(now, Ordering::Relaxed);
        self.put(changing, entry.clone());
        changing.removals.give_way(who, now);
        self.subscribers.tell(Done::Listed(entry), origin);
        Ok(was_listed.into())
    }

    /// Whether there is room for an administrator's entry.
    fn has_room(&self, who: Network) -> bool {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        manual.entries.len() < MANUAL || manual.entries.contains_key(&who)
    }

    fn put(&self, changing: &mut Changing, entry: Entry) {
        let Entry { who, since, until, why } = entry;
        let until = until.unwrap_or(NEVER);
        match why {
            Why::Automatic { reason, count } => {
                // The guard lists only addresses. An IPv6 entry is a /64.
                let who = who.first();
                let order = &mut changing.order;
                let number = low(order.push(who));
                self.automatic.insert(who, Automatic { since, until, count, number, reason });
                while order.len() > AUTOMATIC {
                    let Some((number, oldest)) = order.pop() else { break };
                    self.automatic.remove_if(&oldest, |_, entry| entry.number == low(number));
                }
            }
            Why::Manual { note } => {
                let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
                manual.insert(who, Manual { since, until, note });
                self.manuals.store(manual.entries.len(), Ordering::Relaxed);
            }
        }
    }

    /// Removes `who` from the list. It may be an entry of the guard or of an administrator.
    fn remove(&self, changing: &mut Changing, who: Network, origin: Origin, now: u32) -> usize {
        let listed = self.exact(who, now);
        if let Some(address) = who.address() {
            self.automatic.remove(&address);
        }
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.remove(who);
        self.manuals.store(manual.entries.len(), Ordering::Relaxed);
        drop(manual);
        let Some(Entry { since, .. }) = listed else { return 0 };
        self.leave_trace(changing, Removal { who: Some(who), since, at: now, by: origin });
        1
    }

    /// Removes all entries.
    fn clear(&self, changing: &mut Changing, origin: Origin, now: u32) -> usize {
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        let count = self.automatic.len() + manual.entries.len();
        self.automatic.clear();
        changing.order.clear();
        manual.clear();
        self.manuals.store(0, Ordering::Relaxed);
        drop(manual);
        if count > 0 {
            self.leave_trace(changing, Removal { who: None, since: now, at: now, by: origin });
        }
        count
    }

    fn leave_trace(&self, changing: &mut Changing, removal: Removal) {
        changing.removals.push(removal);
        self.subscribers.tell(Done::Removed(removal), removal.by);
    }

    /// Removes expired entries. Automatic entries are in the order of their ends, unless the expiration was changed.
    pub(in crate::guard) fn sweep(&self, now: u32) {
        let changing = &mut *self.changing();
        while let Some((number, who)) = changing.order.first() {
            let is_its = |entry: &Automatic| entry.number == low(number);
            let in_force = self.automatic.get(&who).is_some_and(|entry| is_its(&entry) && entry.until > now);
            if in_force {
                break;
            }
            changing.order.pop();
            self.automatic.remove_if(&who, |_, entry| is_its(entry));
        }
        changing.removals.sweep(now);
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        manual.sweep(now);
        self.manuals.store(manual.entries.len(), Ordering::Relaxed);
    }

    /// See [`Change::FollowClock`].
    fn follow_clock(&self, changing: &mut Changing, origin: Origin, now: u32) {
        if self.latest.swap(now, Ordering::Relaxed) <= now {
            return;
        }
        let mut manual = self.manual.write().unwrap_or_else(PoisonError::into_inner);
        let by_hand = manual.entries.values_mut().map(|entry| (&mut entry.since, &mut entry.until));
        let mut changed = false;
        by_hand.for_each(|(since, until)| changed |= begin_by(now, since, until));
        drop(manual);
        for mut entry in self.automatic.iter_mut() {
            let Automatic { since, until, .. } = entry.value_mut();
            changed |= begin_by(now, since, until);
        }
        changing.removals.follow_clock(now);
        if changed {
            self.subscribers.tell(Done::Rewritten, origin);
        }
    }

    /// Puts back the kept entries, except those that were removed after they had been listed. Entries that are already
    /// in the list stay as they are.
    fn restore(&self, changing: &mut Changing, kept: StoredList, origin: Origin, now: u32) {
        let StoredList { entries, removals } = kept;
        let is_first = self.is_empty();
        changing.removals.add(removals);
        let undone = Undone::by(&changing.removals);
        changing.removals.follow_clock(now);
        let mut changed = false;
        for mut entry in entries.into_iter().rev().filter(|entry| !undone.undoes(entry)) {
            if !is_first && self.has_its_like(&entry, now) {
                continue;
            }
            let mut until = entry.until.unwrap_or(NEVER);
            changed |= begin_by(now, &mut entry.since, &mut until);
            entry.until = (until != NEVER).then_some(until);
            self.put(changing, entry);
        }
        self.subscribers.tell(Done::Rewritten, origin);
        if changed {
            // The file still has the old times, so the list must be written.
            self.subscribers.tell(Done::Rewritten, Origin::Guard);
        }
    }

    /// Whether the list already has an entry of the same kind (automatic or manual) for the same address, or has no
    /// room for another manual entry.
    fn has_its_like(&self, entry: &Entry, now: u32) -> bool {
        let who = entry.who;
        match entry.why {
            Why::Automatic { .. } => self.automatic.get(&who.first()).is_some_and(|entry| entry.until > now),
            Why::Manual { .. } => self.exact_manual(who, now).is_some() || !self.has_room(who),
        }
    }

    pub(super) fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The low bits of a number in the order.
pub(super) fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

impl Automatic {
    pub(super) fn show(&self, who: CountedAddress) -> Entry {
        let why = Why::Automatic { reason: self.reason, count: self.count };
        Entry { who: who.into(), since: self.since, until: (self.until != NEVER).then_some(self.until), why }
    }
}

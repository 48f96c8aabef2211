//! The most frequent keys, in bounded memory: Space-Saving (Metwally, Agrawal, El Abbadi, "Efficient computation of
//! frequent and top-k elements in data streams", 2005) over a window that advances by minutes.
//!
//! There are [`ENTRIES`] places. A new key that finds no free place takes the place of the key with the least count. It
//! inherits that count, because it may have been counted that often before. So a count is never too small, and `over`
//! says by how much it may be too large. A key has a place if more than one part in [`ENTRIES`] of all counts is its
//! own.

use hashbrown::HashTable;

use crate::reason::Reason;

/// The number of places.
pub const ENTRIES: usize = 128;
/// The length of a slot, in seconds. The window advances by slots.
pub(super) const SLOT: u32 = 60;
/// How many slots the window has: the running one and five whole ones.
pub(super) const SLOTS: usize = 6;

/// The counts of keys. Its memory is allocated as keys come.
#[derive(Debug)]
pub(super) struct Sketch<K> {
    /// The places, by the hashes of their keys.
    index: HashTable<u16>,
    /// The count of each place in the window. It is apart from the entries, so that the least one is found quickly.
    totals: Vec<u32>,
    entries: Vec<Entry<K>>,
    /// The number of the running slot.
    slot: u32,
    /// The place that was counted last. The next request often comes from the same client, for the same host.
    last: usize,
    /// Where the search for a place with the least count goes on.
    least: Least,
}

/// How far the search for places with the least count has come. Within a slot counts only grow, so a place that the search
/// has passed stays above that count. In a flood of new keys one pass over the counts serves up to [`ENTRIES`] keys.
#[derive(Debug, Default)]
struct Least {
    count: u32,
    /// Every place before this one is above `count`, and no place is below it.
    from: usize,
}

#[derive(Debug)]
struct Entry<K> {
    hash: u64,
    key: Option<K>,
    /// The counts by slot, modulo [`SLOTS`].
    counts: [u32; SLOTS],
    /// The count that the key has inherited. It becomes 0 when the slot of the inheritance leaves the window.
    over: u32,
    /// The slot in which the key got its place.
    born: u32,
    reason: Option<Reason>,
}

/// One entry, for a reader.
#[derive(Debug)]
pub(super) struct Read<'a, K> {
    pub(super) key: &'a K,
    pub(super) count: u64,
    pub(super) over: u64,
    pub(super) reason: Option<Reason>,
}

impl<K> Default for Sketch<K> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            totals: Vec::new(),
            entries: Vec::new(),
            slot: 0,
            last: 0,
            least: Least::default(),
        }
    }
}

impl Least {
    /// A place with the least count, and that count. The caller raises the count of the place.
    fn take(&mut self, totals: &[u32]) -> (usize, u32) {
        let find = |this: &Self| {
            let rest = totals.get(this.from..).unwrap_or_default();
            rest.iter().position(|total| *total == this.count).map(|at| this.from + at)
        };
        let at = find(self).unwrap_or_else(|| {
            *self = Self { count: totals.iter().copied().min().unwrap_or_default(), from: 0 };
            find(self).unwrap_or_default()
        });
        self.from = at + 1;
        (at, self.count)
    }
}

const fn place(slot: u32) -> usize {
    slot as usize % SLOTS
}

impl<K> Sketch<K> {
    /// Counts a key once in this slot. `is` recognises the key, and `write` writes it if it is new. `hash` is only
    /// called if the key is not the last one that was counted.
    #[inline]
    pub(super) fn count(
        &mut self,
        (hash, slot): (impl FnOnce() -> u64, u32),
        is: impl Fn(&K) -> bool,
        write: impl FnOnce(&mut Option<K>),
        reason: Option<Reason>,
    ) {
        // A reader may have advanced the window already.
        if slot > self.slot {
            self.move_on(slot);
        }
        let slot = self.slot;
        let is_last = self.entries.get(self.last).is_some_and(|one| one.key.as_ref().is_some_and(&is));
        if !is_last {
            self.last = self.find(hash(), is, write);
        }
        let at = self.last;
        if let (Some(entry), Some(total)) = (self.entries.get_mut(at), self.totals.get_mut(at)) {
            if let Some(count) = entry.counts.get_mut(place(slot)) {
                *count = count.saturating_add(1);
            }
            *total = total.saturating_add(1);
            entry.reason = reason.or(entry.reason);
        }
    }

    /// The place of the key with this hash.
    fn find(&mut self, hash: u64, is: impl Fn(&K) -> bool, write: impl FnOnce(&mut Option<K>)) -> usize {
        let Self { index, entries, .. } = self;
        let same = |at: &u16| {
            entries
                .get(usize::from(*at))
                .is_some_and(|one| one.hash == hash && one.key.as_ref().is_some_and(&is))
        };
        match index.find(hash, same) {
            Some(at) => usize::from(*at),
            None => self.admit(hash, write),
        }
    }

    /// A place for a new key: a free one, or that of the key with the least count.
    #[cold]
    fn admit(&mut self, hash: u64, write: impl FnOnce(&mut Option<K>)) -> usize {
        let at = if self.entries.len() < ENTRIES {
            let counts = [0; SLOTS];
            self.entries.push(Entry { hash, key: None, counts, over: 0, born: self.slot, reason: None });
            self.totals.push(0);
            if self.entries.len() == ENTRIES {
                // Removed places leave marks in the table. With room for twice as many entries the table is cleared of
                // them in place. With less room it would grow once more, in the middle of a flood.
                let entries = &self.entries;
                let rehash = |known: &u16| entries.get(usize::from(*known)).map_or(0, |entry| entry.hash);
                self.index.reserve(ENTRIES + 1, rehash);
            }
            self.entries.len() - 1
        } else {
            let (at, least) = self.least.take(&self.totals);
            if let Some(entry) = self.entries.get_mut(at) {
                let number = |known: &u16| usize::from(*known) == at;
                if let Ok(known) = self.index.find_entry(entry.hash, number) {
                    known.remove();
                }
                (entry.hash, entry.counts, entry.reason) = (hash, [0; SLOTS], None);
                (entry.over, entry.born) = (least, self.slot);
                if let Some(count) = entry.counts.get_mut(place(self.slot)) {
                    *count = least;
                }
            }
            at
        };
        if let (Some(entry), Ok(number)) = (self.entries.get_mut(at), u16::try_from(at)) {
            write(&mut entry.key);
            let entries = &self.entries;
            let rehash = |known: &u16| entries.get(usize::from(*known)).map_or(0, |entry| entry.hash);
            self.index.insert_unique(hash, number, rehash);
        }
        at
    }

    /// Advances the window. Slots that have left it no longer count.
    #[cold]
    fn move_on(&mut self, slot: u32) {
        // After a long time all slots have left the window. Each is cleared once.
        let passed = (slot - self.slot).min(SLOTS as u32);
        for (entry, total) in self.entries.iter_mut().zip(&mut self.totals) {
            for left in 0..passed {
                if let Some(count) = entry.counts.get_mut(place(slot - left)) {
                    *total = total.saturating_sub(std::mem::take(count));
                }
            }
            if slot - entry.born >= SLOTS as u32 {
                entry.over = 0;
            }
        }
        self.slot = slot;
        self.least = Least::default();
    }

    /// The counts of the window that ends with this slot.
    pub(super) fn read(&mut self, slot: u32) -> impl Iterator<Item = Read<'_, K>> {
        if slot > self.slot {
            self.move_on(slot);
        }
        let all = self.entries.iter().zip(&self.totals);
        all.filter(|(_, total)| **total > 0).filter_map(|(entry, total)| {
            let (count, over) = (u64::from(*total), u64::from(entry.over));
            Some(Read { key: entry.key.as_ref()?, count, over, reason: entry.reason })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(sketch: &mut Sketch<u32>, key: u32, slot: u32) {
        // The number is mixed twice, so that neighbours get hashes as different as those of a real hash function.
        let mix = |number: u64| (number ^ (number >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = mix(mix(u64::from(key) + 1));
        sketch.count((|| hash, slot), |known| *known == key, |into| *into = Some(key), None);
    }

    fn counted(sketch: &mut Sketch<u32>, key: u32, slot: u32) -> Option<(u64, u64)> {
        sketch.read(slot).find(|one| *one.key == key).map(|one| (one.count, one.over))
    }

    /// Many names that each come once hide no frequent key, and take no memory.
    #[test]
    fn what_comes_often_is_found_in_a_flood() {
        let mut sketch = Sketch::default();
        for number in 0..200_000_u32 {
            count(&mut sketch, 1_000 + number, 0);
            if number % 20 == 0 {
                count(&mut sketch, 1, 0);
            }
            if number % 40 == 0 {
                count(&mut sketch, 2, 0);
            }
        }
        assert_eq!((sketch.entries.len(), sketch.index.len()), (ENTRIES, ENTRIES));
        assert!(sketch.entries.capacity() <= 2 * ENTRIES);
        for (key, truth) in [(1, 10_000), (2, 5_000)] {
            let (count, over) = counted(&mut sketch, key, 0).expect("it is there");
            assert!(count >= truth && count - over <= truth, "{key}: {count} - {over}");
        }
        let sum: u64 = sketch.read(0).map(|one| one.count).sum();
        assert_eq!(sum, 215_000, "nothing is counted twice");
    }

    /// Keys that come and go leave marks in the index, which is cleared in place. The index does not grow once every
    /// place is taken.
    #[test]
    fn the_index_takes_no_more_memory_once_every_place_is_taken() {
        for first in (0..50).map(|seed: u32| seed * 1_000_003) {
            let mut sketch = Sketch::default();
            (0..ENTRIES as u32).for_each(|number| count(&mut sketch, first + number, 0));
            let taken = sketch.index.allocation_size();
            (0..5_000).for_each(|number| count(&mut sketch, first + 1_000 + number, 0));
            assert_eq!(sketch.index.allocation_size(), taken, "keys from {first} on");
        }
    }

    /// A new key takes a place with the least count, whatever was counted before, also after the window has advanced.
    #[test]
    fn a_new_key_takes_a_place_with_the_least_count() {
        let mut sketch = Sketch::default();
        let mut random = 1_u64;
        for number in 0..60_000_u32 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let slot = number / 2_500;
            if slot > sketch.slot {
                sketch.move_on(slot);
            }
            let key = (random >> 40) as u32 % 400;
            let key = if random >> 63 == 0 { key % 100 } else { key };
            let before: Vec<_> = sketch.totals.clone();
            let is_known = sketch.entries.iter().any(|entry| entry.key == Some(key));
            count(&mut sketch, key, slot);
            if !is_known && before.len() == ENTRIES {
                let least = before.iter().copied().min();
                assert_eq!(before.get(sketch.last).copied(), least, "key {key}, number {number}");
                assert_eq!(sketch.totals.get(sketch.last).copied(), least.map(|least| least + 1));
            }
        }
    }

    #[test]
    fn the_window_moves_on() {
        let mut sketch = Sketch::default();
        (0..7).for_each(|_| count(&mut sketch, 1, 0));
        (0..3).for_each(|_| count(&mut sketch, 1, 2));
        count(&mut sketch, 2, 2);
        assert_eq!(counted(&mut sketch, 1, 5), Some((10, 0)));
        assert_eq!(counted(&mut sketch, 1, 6), Some((3, 0)), "the first slot has left");
        count(&mut sketch, 1, 7);
        assert_eq!(counted(&mut sketch, 1, 7), Some((4, 0)));
        assert_eq!(counted(&mut sketch, 1, 8), Some((1, 0)));
        assert_eq!(counted(&mut sketch, 2, 8), None);
        assert_eq!(sketch.read(1_000_000).count(), 0);
        count(&mut sketch, 3, 1_000_000);
        assert_eq!(counted(&mut sketch, 3, 1_000_000), Some((1, 0)));
    }

    #[test]
    fn what_was_inherited_leaves_with_its_slot() {
        let mut sketch = Sketch::default();
        for key in 0..ENTRIES as u32 {
            (0..4).for_each(|_| count(&mut sketch, key, 0));
        }
        count(&mut sketch, 5_000, 1);
        assert_eq!(counted(&mut sketch, 5_000, 1), Some((5, 4)));
        count(&mut sketch, 5_000, 3);
        assert_eq!(counted(&mut sketch, 5_000, 6), Some((6, 4)));
        assert_eq!(counted(&mut sketch, 5_000, 7), Some((1, 0)));
    }
}

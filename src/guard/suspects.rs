//! What each address has done in the last minute (SPEC section 6): an exact sliding count, the times of the last offences an
//! address. A leaky bucket would let 21 offences spread over 59 seconds pass.
//!
//! Bounded: at most [`SHARDS`] × [`ADDRESSES`] addresses, of each the offences up to the threshold at eight octets; with
//! the usual threshold 48 MiB if every one of them stands just below it. Addresses that have
//! been quiet for a minute are forgotten first, then any others.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::counted::Counted;

/// What is counted within it is held together.
pub(super) const MINUTE: u32 = 60_000;
const SHARDS: usize = 64;
const ADDRESSES: usize = 2048;

/// An offence.
#[derive(Debug, Clone, Copy)]
struct Offence {
    /// When, in milliseconds; it wraps after weeks.
    at: u32,
    /// What is counted once a minute, however often it is done; 0: every time.
    once: u32,
}

/// How many of what another site's page made a browser ask for count as one offence (contract section 6).
const FIFTHS: u32 = 5;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    whole: Tally,
    /// At most four times of each address at eight octets: a tenth of the memory of the others.
    fifths: Tally,
}

/// Times by address.
#[derive(Debug)]
struct Tally {
    shards: Vec<Mutex<HashMap<Counted, VecDeque<Offence>, RandomState>>>,
    hasher: RandomState,
}

impl Default for Tally {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }
}

impl Suspects {
    /// Notes a fifth of an offence at `now`: whether it is the fifth one within a minute, which makes an offence.
    pub(super) fn note_fifth(&self, who: Counted, now: u32) -> bool {
        self.fifths.note(who, 0, FIFTHS - 1, now).is_some()
    }

    /// Notes an offence at `now` (milliseconds, which may wrap). If it is one more than `threshold` within a minute, how
    /// many there were is returned, and they are forgotten.
    pub(super) fn note(&self, who: Counted, once: u32, threshold: u32, now: u32) -> Option<u32> {
        self.whole.note(who, once, threshold, now)
    }

    /// Forgets the addresses that have been quiet for a minute.
    pub(super) fn sweep(&self, now: u32) {
        self.whole.sweep(now);
        self.fifths.sweep(now);
    }
}

impl Tally {
    /// As [`Suspects::note`].
    fn note(&self, who: Counted, once: u32, threshold: u32, now: u32) -> Option<u32> {
        let shard = usize::try_from(self.hasher.hash_one(who)).unwrap_or_default() % SHARDS;
        let mut shard = self.shards.get(shard)?.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() >= ADDRESSES && !shard.contains_key(&who) {
            make_room(&mut shard, now);
        }
        let offences = shard.entry(who).or_default();
        while offences.front().is_some_and(|offence| now.wrapping_sub(offence.at) >= MINUTE) {
            offences.pop_front();
        }
        if once != 0 && offences.iter().any(|offence| offence.once == once) {
            return None;
        }
        offences.push_back(Offence { at: now, once });
        let count = u32::try_from(offences.len()).unwrap_or(u32::MAX);
        (count > threshold).then(|| {
            shard.remove(&who);
            count
        })
    }

    /// As [`Suspects::sweep`].
    fn sweep(&self, now: u32) {
        for shard in &self.shards {
            shard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|_, offences| is_recent(offences, now));
        }
    }
}

fn is_recent(offences: &VecDeque<Offence>, now: u32) -> bool {
    offences.back().is_some_and(|offence| now.wrapping_sub(offence.at) < MINUTE)
}

/// An eighth at least, so that it does not have to be done again at once.
fn make_room(shard: &mut HashMap<Counted, VecDeque<Offence>, RandomState>, now: u32) {
    shard.retain(|_, offences| is_recent(offences, now));
    let mut surplus = (shard.len() + ADDRESSES / 8).saturating_sub(ADDRESSES);
    shard.retain(|_, _| {
        let stays = surplus == 0;
        surplus = surplus.saturating_sub(1);
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u32) -> Counted {
        std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn twenty_a_minute_are_not_listed_twenty_one_are() {
        for start in [0, u32::MAX - 30_000] {
            let suspects = Suspects::default();
            for number in 0..20 {
                assert_eq!(suspects.note(who(1), 0, 20, u32::wrapping_add(start, number * 2_950)), None);
            }
            // The 21st after 59 seconds lists, after 60 it does not.
            assert_eq!(suspects.note(who(1), 0, 20, start.wrapping_add(59_000)), Some(21));
            assert_eq!(suspects.note(who(1), 0, 20, start.wrapping_add(59_001)), None, "it begins anew");
        }
        let suspects = Suspects::default();
        for number in 0..1_000 {
            assert_eq!(suspects.note(who(1), 0, 20, number * 3_000), None, "20 a minute, for ever");
        }
    }

    #[test]
    fn what_counts_once_a_minute_counts_once_a_minute() {
        let suspects = Suspects::default();
        for number in 0..1_000 {
            assert_eq!(suspects.note(who(1), 7, 20, number), None);
        }
        for once in 8..27 {
            assert_eq!(suspects.note(who(1), once, 20, 1_000), None);
        }
        assert_eq!(suspects.note(who(1), 100, 20, 1_000), Some(21));
    }

    #[test]
    fn memory_is_bounded_and_the_quiet_go_first() {
        let suspects = Suspects::default();
        for number in 0..200_000 {
            suspects.note(who(number), 0, 20, 0);
        }
        let count = || suspects.whole.shards.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>();
        assert!((SHARDS * ADDRESSES / 2..=SHARDS * ADDRESSES).contains(&count()), "{}", count());
        suspects.note(who(1), 0, 20, MINUTE);
        suspects.sweep(MINUTE);
        assert_eq!(count(), 1);
    }

    #[test]
    fn item_21_five_of_another_sites_pictures_count_as_one() {
        let suspects = Suspects::default();
        let listed = |numbers: std::ops::RangeInclusive<u32>| {
            let whole = numbers.filter(|number| suspects.note_fifth(who(1), number * 100));
            whole.filter(|number| suspects.note(who(1), number + 1, 20, number * 100).is_some()).count()
        };
        assert_eq!(listed(1..=104), 0);
        assert_eq!(listed(105..=105), 1);
        // Four that are older than a minute are forgotten.
        assert!((0..4).all(|number| !suspects.note_fifth(who(2), number)));
        assert!(!suspects.note_fifth(who(2), MINUTE + 10));
    }
}

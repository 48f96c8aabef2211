//! The offences of each address in the last minute (contract section 6). It is an exact sliding count: the times of the
//! last offences are kept for each address. A leaky bucket would let 21 offences spread over 59 seconds pass.
//!
//! The memory is bounded: at most [`SHARDS`] × [`ADDRESSES`] addresses. For each address the offences up to the
//! threshold are kept, with eight octets each. With the default threshold that is 48 MiB if every address is just below
//! it. Addresses without an offence for a minute are forgotten first, then any others. `scoring` gives the weight of an
//! offence.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::counted_address::CountedAddress;
use super::scoring::{FIFTHS, MINUTE, Score, is_too_many};
use crate::reason::Weight;

const SHARDS: usize = 64;
const ADDRESSES: usize = 2048;

/// An offence that is remembered.
#[derive(Debug, Clone, Copy)]
struct Noted {
    /// The time in milliseconds. It wraps after weeks.
    at: u32,
    /// A digest of the text that counts once a minute, however often it is repeated. 0: every time counts.
    once: u32,
}

/// The offences by address.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    whole: Tally,
    /// At most four times for each address, with eight octets each. That is a tenth of the memory of the whole
    /// offences.
    fifths: Tally,
    hasher: RandomState,
}

/// Offences by address.
#[derive(Debug)]
struct Tally {
    shards: Vec<Mutex<HashMap<CountedAddress, VecDeque<Noted>, RandomState>>>,
    hasher: RandomState,
}

impl Default for Tally {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }
}

impl Suspects {
    /// Notes what `who` has done at `now` (milliseconds, which may wrap). If there are more than `threshold` offences
    /// within a minute, their number is returned and they are forgotten. Five fifths within a minute are one offence,
    /// at the time of the fifth.
    pub(super) fn note(
        &self,
        who: CountedAddress,
        score: Score<'_>,
        threshold: u32,
        now: u32,
    ) -> Option<u32> {
        match score.weight {
            Weight::Nothing => return None,
            Weight::Fifth => {
                self.fifths.note(who, 0, FIFTHS - 1, now)?;
            }
            Weight::Whole => {}
        }
        self.whole.note(who, self.digest(score.once_a_minute), threshold, now)
    }

    /// The digest. It is 0 for an empty text, and for no other.
    fn digest(&self, once: &[u8]) -> u32 {
        match once {
            [] => 0,
            once => u32::try_from(self.hasher.hash_one(once) >> 32).unwrap_or_default() | 1,
        }
    }

    /// Forgets addresses without an offence for a minute.
    pub(super) fn sweep(&self, now: u32) {
        self.whole.sweep(now);
        self.fifths.sweep(now);
    }
}

impl Tally {
    /// As [`Suspects::note`].
    fn note(&self, who: CountedAddress, once: u32, threshold: u32, now: u32) -> Option<u32> {
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
        offences.push_back(Noted { at: now, once });
        let count = u32::try_from(offences.len()).unwrap_or(u32::MAX);
        is_too_many(count, threshold).then(|| {
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

fn is_recent(offences: &VecDeque<Noted>, now: u32) -> bool {
    offences.back().is_some_and(|offence| now.wrapping_sub(offence.at) < MINUTE)
}

/// Removes at least an eighth, so that this is not needed again at once.
fn make_room(shard: &mut HashMap<CountedAddress, VecDeque<Noted>, RandomState>, now: u32) {
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

    /// An offence that counts every time.
    const WHOLE: Score<'static> = Score { weight: Weight::Whole, once_a_minute: b"" };

    /// An offence that counts once a minute.
    fn once(path: &[u8]) -> Score<'_> {
        Score { weight: Weight::Whole, once_a_minute: path }
    }

    fn who(number: u32) -> CountedAddress {
        std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn twenty_a_minute_are_not_listed_twenty_one_are() {
        for start in [0, u32::MAX - 30_000] {
            let suspects = Suspects::default();
            for number in 0..20 {
                assert_eq!(suspects.note(who(1), WHOLE, 20, u32::wrapping_add(start, number * 2_950)), None);
            }
            // The 21st offence lists the address after 59 seconds. After 60 seconds it does not.
            assert_eq!(suspects.note(who(1), WHOLE, 20, start.wrapping_add(59_000)), Some(21));
            assert_eq!(suspects.note(who(1), WHOLE, 20, start.wrapping_add(59_001)), None, "it begins anew");
        }
        let suspects = Suspects::default();
        for number in 0..1_000 {
            assert_eq!(suspects.note(who(1), WHOLE, 20, number * 3_000), None, "20 a minute, for ever");
        }
    }

    #[test]
    fn what_counts_once_a_minute_counts_once_a_minute() {
        let suspects = Suspects::default();
        for number in 0..1_000 {
            assert_eq!(suspects.note(who(1), once(b"/missing"), 20, number), None);
        }
        for path in 8..27_u8 {
            assert_eq!(suspects.note(who(1), once(&[b'/', path]), 20, 1_000), None);
        }
        assert_eq!(suspects.note(who(1), once(b"/other"), 20, 1_000), Some(21));
    }

    #[test]
    fn memory_is_bounded_and_the_quiet_go_first() {
        let suspects = Suspects::default();
        for number in 0..200_000 {
            suspects.note(who(number), WHOLE, 20, 0);
        }
        let count = || suspects.whole.shards.iter().map(|shard| shard.lock().unwrap().len()).sum::<usize>();
        assert!((SHARDS * ADDRESSES / 2..=SHARDS * ADDRESSES).contains(&count()), "{}", count());
        suspects.note(who(1), WHOLE, 20, MINUTE);
        suspects.sweep(MINUTE);
        assert_eq!(count(), 1);
    }

    #[test]
    fn item_21_five_of_another_sites_pictures_count_as_one() {
        let suspects = Suspects::default();
        let fifth = |who, path: &[u8], now| {
            suspects.note(who, Score { weight: Weight::Fifth, once_a_minute: path }, 20, now)
        };
        let listed = |numbers: std::ops::RangeInclusive<u32>| {
            numbers.filter(|number| fifth(who(1), &number.to_be_bytes(), number * 100).is_some()).count()
        };
        assert_eq!(listed(1..=104), 0);
        assert_eq!(listed(105..=105), 1);
        // Four fifths that are older than a minute are forgotten. With twenty offences one more lists the address.
        let offences = |who, now| (0..20).all(|_| suspects.note(who, WHOLE, 20, now).is_none());
        assert!((0..4).all(|number| fifth(who(2), b"", number).is_none()));
        assert!(offences(who(2), MINUTE + 10) && fifth(who(2), b"", MINUTE + 10).is_none());
        assert!((0..4).all(|number| fifth(who(3), b"", number).is_none()));
        assert!(offences(who(3), 10) && fifth(who(3), b"", 10) == Some(21));
    }

    #[test]
    fn what_weighs_nothing_leaves_nothing() {
        let suspects = Suspects::default();
        let nothing = Score { weight: Weight::Nothing, once_a_minute: b"" };
        assert!((0..1_000).all(|_| suspects.note(who(1), nothing, 0, 0).is_none()));
        assert_eq!(suspects.note(who(1), WHOLE, 0, 0), Some(1));
    }
}

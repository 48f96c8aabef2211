//! Nonces that a target has given to an address within five minutes (contract section 6): a refused login counts if its
//! credentials used one of them. The nonce may have been given on any connection and by any worker.
//!
//! The memory is bounded: at most [`SHARDS`] × [`ADDRESSES`] addresses, [`EACH`] nonces of one address, and [`SHARDS`]
//! × [`NONCES`] nonces in all, with eight octets each. That is 48 MiB at most. A guesser gains nothing by filling it:
//! - An address that gets more than [`EACH`] nonces within five minutes could push out the nonce that it then uses. As
//!   long as a forgotten nonce could still be in use, every nonce of such an address counts as given. An office is far
//!   from that: one address may have 500 connections, each of which may ask once a minute.
//! - When a shard is full, the nonces of the address with the most nonces are forgotten, with the same effect. So other
//!   addresses lose nothing.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::counted_address::CountedAddress;

/// How long a nonce is remembered, in seconds.
const KEPT: u32 = 300;
/// The most nonces of one address.
const EACH: usize = 8192;
/// How many of the last nonces of an address are searched for a nonce that is given again.
const LAST: usize = 16;
const SHARDS: usize = 64;
/// The most addresses of a shard.
const ADDRESSES: usize = 2048;
/// The most nonces of a shard.
const NONCES: usize = 32_768;

/// The nonces that targets have given, by address. Times are seconds since a fixed moment.
#[derive(Debug)]
pub(super) struct Nonces {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    by_address: HashMap<CountedAddress, Given, RandomState>,
    /// The number of nonces of all addresses.
    count: usize,
}

/// The nonces that one address was given, the oldest first.
#[derive(Debug, Default)]
struct Given {
    nonces: VecDeque<Nonce>,
    /// Until this time an unknown nonce counts as given, because a nonce was forgotten that could still be in use.
    forgotten_until: u32,
}

#[derive(Debug, Clone, Copy)]
struct Nonce {
    /// A digest of the door and the nonce.
    digest: u32,
    at: u32,
}

impl Default for Nonces {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::default() }
    }
}

impl Nonces {
    /// Notes that `who` was given `nonce` at each of these doors.
    pub(super) fn note(&self, who: CountedAddress, doors: &[u64], nonce: u64, now: u32) {
        let Some(mut shard) = self.shard(who) else { return };
        if shard.by_address.len() >= ADDRESSES && !shard.by_address.contains_key(&who) {
            shard.make_room_for_an_address(now);
        }
        for door in doors {
            if shard.count >= NONCES {
                shard.make_room_for_a_nonce(now);
            }
            let digest = self.digest(*door, nonce);
            let given = shard.by_address.entry(who).or_default();
            let before = given.nonces.len();
            given.note(digest, now);
            let after = given.nonces.len();
            shard.count = (shard.count + after).saturating_sub(before);
        }
    }

    /// Whether `who` was given `nonce` at one of these doors within five minutes.
    pub(super) fn knows(&self, who: CountedAddress, doors: &[u64], nonce: u64, now: u32) -> bool {
        let Some(shard) = self.shard(who) else { return false };
        let Some(given) = shard.by_address.get(&who) else { return false };
        given.forgotten_until > now || doors.iter().any(|door| given.knows(self.digest(*door, nonce), now))
    }

    /// Forgets nonces that were given more than five minutes ago.
    pub(super) fn sweep(&self, now: u32) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).sweep(now);
        }
    }

    fn shard(&self, who: CountedAddress) -> Option<MutexGuard<'_, Shard>> {
        let shard = usize::try_from(self.hasher.hash_one(who)).unwrap_or_default() % SHARDS;
        self.shards.get(shard).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn digest(&self, door: u64, nonce: u64) -> u32 {
        u32::try_from(self.hasher.hash_one((door, nonce)) >> 32).unwrap_or_default()
    }
}

impl Given {
    fn note(&mut self, digest: u32, now: u32) {
        self.forget(now);
        // Some targets give the same nonce again and again.
        let again = self.nonces.iter().rev().take(LAST).position(|nonce| nonce.digest == digest);
        if let Some(at) = again {
            self.nonces.remove(self.nonces.len() - 1 - at);
        }
        if self.nonces.len() >= EACH
            && let Some(oldest) = self.nonces.pop_front()
        {
            self.forgotten_until = oldest.at.saturating_add(KEPT);
        }
        self.nonces.push_back(Nonce { digest, at: now });
    }

    fn knows(&self, digest: u32, now: u32) -> bool {
        self.nonces.iter().any(|nonce| nonce.digest == digest && is_fresh(*nonce, now))
    }

    fn forget(&mut self, now: u32) {
        while self.nonces.front().is_some_and(|nonce| !is_fresh(*nonce, now)) {
            self.nonces.pop_front();
        }
    }

    /// Whether nothing is left that could still matter.
    fn is_over(&mut self, now: u32) -> bool {
        self.forget(now);
        if self.nonces.capacity() > 4 * self.nonces.len() {
            self.nonces.shrink_to_fit();
        }
        self.nonces.is_empty() && self.forgotten_until <= now
    }
}

impl Shard {
    fn sweep(&mut self, now: u32) {
        self.by_address.retain(|_, given| !given.is_over(now));
        self.count = self.by_address.values().map(|given| given.nonces.len()).sum();
    }

    /// Forgets the nonces of the address with the most nonces.
    fn make_room_for_a_nonce(&mut self, now: u32) {
        self.sweep(now);
        if self.count < NONCES {
            return;
        }
        let most = self.by_address.values_mut().max_by_key(|given| given.nonces.len());
        if let Some(given) = most
            && let Some(latest) = given.nonces.back()
        {
            given.forgotten_until = latest.at.saturating_add(KEPT);
            self.count = self.count.saturating_sub(given.nonces.len());
            given.nonces = VecDeque::new();
        }
    }

    /// Removes at least an eighth, so that this is not needed again at once.
    fn make_room_for_an_address(&mut self, now: u32) {
        self.sweep(now);
        let mut surplus = (self.by_address.len() + ADDRESSES / 8).saturating_sub(ADDRESSES);
        self.by_address.retain(|_, _| {
            let stays = surplus == 0;
            surplus = surplus.saturating_sub(1);
            stays
        });
        self.count = self.by_address.values().map(|given| given.nonces.len()).sum();
    }
}

fn is_fresh(nonce: Nonce, now: u32) -> bool {
    now.saturating_sub(nonce.at) < KEPT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u32) -> CountedAddress {
        std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn a_nonce_is_of_an_address_and_a_door_for_five_minutes() {
        let nonces = Nonces::default();
        nonces.note(who(1), &[7, 8], 100, 1_000);
        for (address, door, nonce, now, known) in [
            (1, 7, 100, 1_000, true),
            (1, 8, 100, 1_299, true),
            (1, 8, 100, 1_300, false),
            (1, 9, 100, 1_000, false),
            (1, 7, 101, 1_000, false),
            (2, 7, 100, 1_000, false),
        ] {
            assert_eq!(
                nonces.knows(who(address), &[door], nonce, now),
                known,
                "{address} {door} {nonce} {now}"
            );
        }
        // A nonce that is given again is remembered anew.
        nonces.note(who(1), &[7], 100, 1_200);
        assert!(nonces.knows(who(1), &[9, 7], 100, 1_499));
        nonces.sweep(1_500);
        assert!(nonces.shards.iter().all(|shard| shard.lock().unwrap().by_address.is_empty()));
    }

    #[test]
    fn an_address_cannot_push_out_the_nonce_that_it_goes_on_with() {
        let nonces = Nonces::default();
        nonces.note(who(1), &[7], 1, 1_000);
        for nonce in 2..10_000 {
            nonces.note(who(1), &[7], nonce, 1_010);
        }
        assert!(nonces.knows(who(1), &[7], 1, 1_299), "as long as it could be in use");
        assert!(!nonces.knows(who(1), &[7], 1, 1_310));
        assert!(!nonces.knows(who(2), &[7], 1, 1_020));
    }

    #[test]
    fn memory_is_bounded_and_the_greediest_pays() {
        let nonces = Nonces::default();
        nonces.note(who(0), &[7], 5, 1_000);
        for address in 1..450 {
            for nonce in 0..5_000 {
                nonces.note(who(address), &[7], nonce, 1_000);
            }
        }
        let count = || nonces.shards.iter().map(|shard| shard.lock().unwrap().count).sum::<usize>();
        assert!((SHARDS * NONCES / 2..=SHARDS * NONCES).contains(&count()), "{}", count());
        assert!(nonces.knows(who(0), &[7], 5, 1_000) && !nonces.knows(who(0), &[7], 6, 1_000));
        assert!((1..450).all(|address| nonces.knows(who(address), &[7], 1, 1_000)), "known or forgotten");
        for address in 0..200_000 {
            nonces.note(who(address), &[7], 1, 1_001);
        }
        let addresses: usize = nonces.shards.iter().map(|shard| shard.lock().unwrap().by_address.len()).sum();
        assert!(addresses <= SHARDS * ADDRESSES, "{addresses}");
        nonces.sweep(1_400);
        assert_eq!(count(), 0);
    }
}

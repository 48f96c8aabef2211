//! Names that a PBX has confirmed for an address within the last hour (contract section 6): the confirmed names of an
//! address show how many phones an office has behind it, and its threshold grows with them. Failed logins and requests
//! without a login are never counted here.
//!
//! Only logins that a PBX has accepted take memory: at most [`ADDRESSES`] addresses with [`NAMES`] names each, 50 MiB.

use dashmap::DashMap;
use foldhash::quality::RandomState;
use std::hash::BuildHasher as _;

use smallvec::SmallVec;

use super::counted_address::CountedAddress;
use super::name;
use super::scoring::LARGEST_FACTOR;

/// The most names that are remembered for an address. More names would not raise its threshold.
const NAMES: usize = LARGEST_FACTOR as usize;
const ADDRESSES: usize = 65_536;
/// An hour in seconds.
const HOUR: u32 = 3_600;

/// The confirmed names by address. Times are in seconds.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    by_address: DashMap<CountedAddress, SmallVec<[Name; 2]>, RandomState>,
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy)]
struct Name {
    digest: u64,
    at: u32,
}

impl Confirmed {
    /// A PBX has confirmed `name` at `pbx` for `who`. Names that differ only in their spelling count as one name. A
    /// text without letters and digits is no name.
    pub(super) fn note(&self, who: CountedAddress, pbx: u64, name: &[u8], now: u32) {
        let Some(digest) = self.digest(pbx, name) else { return };
        if self.by_address.len() >= ADDRESSES {
            self.sweep(now);
            if self.by_address.len() >= ADDRESSES {
                return;
            }
        }
        let mut names = self.by_address.entry(who).or_default();
        if let Some(known) = names.iter_mut().find(|known| known.digest == digest) {
            known.at = now;
            return;
        }
        let new = Name { digest, at: now };
        let stale = names.iter().position(|known| !is_fresh(known, now));
        if let Some(stale) = stale.and_then(|at| names.get_mut(at)) {
            *stale = new;
        } else if names.len() < NAMES {
            names.push(new);
        }
    }

    /// The digest of `name` at `pbx`. `None`: it has no letters or digits.
    pub(super) fn digest(&self, pbx: u64, name: &[u8]) -> Option<u64> {
        let name = name::normal(name);
        (!name.is_empty()).then(|| self.hasher.hash_one((pbx, name)))
    }

    /// Whether the name with this digest was confirmed for `who` within the last hour.
    pub(super) fn knows(&self, who: CountedAddress, digest: u64, now: u32) -> bool {
        let names = self.by_address.get(&who);
        names.is_some_and(|names| names.iter().any(|name| name.digest == digest && is_fresh(name, now)))
    }

    /// How many distinct names were confirmed for `who` within the last hour, up to [`NAMES`].
    pub(super) fn names(&self, who: CountedAddress, now: u32) -> u32 {
        let count = self
            .by_address
            .get(&who)
            .map_or(0, |names| names.iter().filter(|name| is_fresh(name, now)).count());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Forgets names that were confirmed more than an hour ago.
    pub(super) fn sweep(&self, now: u32) {
        self.by_address.retain(|_, names| {
            names.retain(|name| is_fresh(name, now));
            !names.is_empty()
        });
    }
}

fn is_fresh(name: &Name, now: u32) -> bool {
    now.saturating_sub(name.at) < HOUR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_for_an_hour() {
        let confirmed = Confirmed::default();
        let who: CountedAddress = "192.0.2.1".parse::<std::net::IpAddr>().unwrap().into();
        assert_eq!(confirmed.names(who, 0), 0);
        for name in ["a", " A", "b", "", "-"] {
            confirmed.note(who, 7, name.as_bytes(), 10);
        }
        assert_eq!(confirmed.names(who, 10), 2);
        let digest = |pbx, name: &str| confirmed.digest(pbx, name.as_bytes()).unwrap();
        assert!(confirmed.knows(who, digest(7, "A"), 3_609) && !confirmed.knows(who, digest(7, "A"), 3_610));
        assert!(!confirmed.knows(who, digest(8, "a"), 10) && !confirmed.knows(who, digest(7, "c"), 10));
        assert_eq!(confirmed.digest(7, b"-"), None);
        confirmed.note(who, 7, b"a", 3_000);
        assert_eq!((confirmed.names(who, 3_609), confirmed.names(who, 3_610)), (2, 1));
        for number in 0..100 {
            confirmed.note(who, 7, format!("{number}").as_bytes(), 4_000);
        }
        assert_eq!(confirmed.names(who, 4_000), 50);
        confirmed.sweep(8_000);
        assert_eq!(confirmed.by_address.len(), 0);
    }
}

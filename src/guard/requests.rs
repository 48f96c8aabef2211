//! SIP requests a second of each address and of each user (contract section 9, *Sanity and rates*). `governor` counts
//! them. Nothing is counted unless it is configured.
//!
//! The rate of an office grows like its threshold: it is multiplied by the number of names that were confirmed for the
//! address. All addresses share one quota, so each request of an office costs a fraction instead.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::counted_address::CountedAddress;

/// The cost of a request of an address without a confirmed name. It can be divided by every factor up to ten without a
/// remainder. For greater factors the remainder is two per cent at most, and the client gains it.
const COST: u32 = 2_520;

/// How many addresses or users may be remembered before those whose last requests no longer matter are forgotten.
const REMEMBERED: usize = 10_000;

/// The greatest count of a [`RequestRate`]. With it a cell of the limiter still lasts several nanoseconds.
pub const HIGHEST: u32 = 10_000;

/// So many requests within so much time. All of them may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestRate {
    /// The number of requests: 1 to [`HIGHEST`].
    pub count: u32,
    /// The time.
    pub within: Duration,
}

/// The counts of requests, by address and by user.
#[derive(Debug, Default)]
pub(super) struct Requests {
    addresses: Counts<CountedAddress>,
    users: Counts<u64>,
}

impl Requests {
    /// Counts a request of an address whose rate is multiplied by `factor`. `false`: the rate is exceeded.
    pub(super) fn of_address(&self, who: CountedAddress, factor: u32, rate: RequestRate) -> bool {
        self.addresses.take(&who, factor, rate)
    }

    /// Counts a request of a user, by the digest of PBX and name. `false`: the rate is exceeded.
    pub(super) fn of_user(&self, user: u64, rate: RequestRate) -> bool {
        self.users.take(&user, 1, rate)
    }

    /// Forgets addresses and users whose last requests no longer matter, if there are many.
    pub(super) fn sweep(&self) {
        self.addresses.sweep();
        self.users.sweep();
    }
}

/// The counts under one rate. The rate may change with a reload, and then counting begins anew.
#[derive(Debug)]
struct Counts<K: Hash + Eq + Clone>(ArcSwapOption<Count<K>>);

#[derive(Debug)]
struct Count<K: Hash + Eq + Clone> {
    rate: RequestRate,
    limiter: DefaultKeyedRateLimiter<K>,
}

impl<K: Hash + Eq + Clone> Default for Counts<K> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    fn take(&self, who: &K, factor: u32, rate: RequestRate) -> bool {
        let now = self.0.load();
        let cost = NonZeroU32::new(COST / factor.max(1)).unwrap_or(NonZeroU32::MIN);
        let within = |count: &Count<K>| matches!(count.limiter.check_key_n(who, cost), Ok(Ok(())));
        match now.as_ref().filter(|count| count.rate == rate) {
            Some(count) => within(count),
            None => {
                let Some(quota) = quota(rate) else { return true };
                let count = Arc::new(Count { rate, limiter: RateLimiter::keyed(quota) });
                self.0.store(Some(count.clone()));
                within(&count)
            }
        }
    }

    fn sweep(&self) {
        if let Some(count) = self.0.load_full().filter(|count| count.limiter.len() > REMEMBERED) {
            count.limiter.retain_recent();
            count.limiter.shrink_to_fit();
        }
    }
}

/// The rate in cells. A request takes up to [`COST`] cells.
fn quota(rate: RequestRate) -> Option<Quota> {
    let cells = NonZeroU32::new(rate.count.min(HIGHEST).checked_mul(COST)?)?;
    let each = rate.within.checked_div(cells.get())?;
    Some(Quota::with_period(each)?.allow_burst(cells))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(count: u32) -> RequestRate {
        // The time is long, so that no cells come back while the test runs.
        RequestRate { count, within: Duration::from_secs(3_600) }
    }

    fn taken(count: impl Fn() -> bool) -> usize {
        (0..1_000).filter(|_| count()).count()
    }

    #[test]
    fn w3_an_address_may_send_its_rate_times_the_factor_of_its_office() {
        for (factor, most) in [(1, 7), (2, 14), (7, 49), (11, 77), (50, 350)] {
            let requests = Requests::default();
            let who = CountedAddress::parse("192.0.2.1").unwrap();
            let found = taken(|| requests.of_address(who, factor, rate(7)));
            assert!((most..=most + most / 50).contains(&found), "{factor}: {found}");
            let neighbour = CountedAddress::parse("192.0.2.2").unwrap();
            assert!(requests.of_address(neighbour, 1, rate(7)), "another address is not touched");
        }
    }

    #[test]
    fn w3_users_are_counted_apart_and_a_new_rate_begins_anew() {
        let requests = Requests::default();
        assert_eq!(taken(|| requests.of_user(1, rate(3))), 3);
        assert_eq!(taken(|| requests.of_user(2, rate(3))), 3);
        assert_eq!(taken(|| requests.of_user(1, rate(4))), 4);
    }

    #[test]
    fn w3_every_rate_that_can_be_configured_has_a_quota() {
        for count in [1, 2, 50, 9_999, HIGHEST] {
            for seconds in [1, 60] {
                assert!(quota(RequestRate { count, within: Duration::from_secs(seconds) }).is_some());
            }
        }
    }

    #[test]
    fn w3_what_no_longer_matters_is_forgotten() {
        let requests = Requests::default();
        let short = RequestRate { count: 1, within: Duration::from_millis(1) };
        for user in 0..2 * REMEMBERED as u64 {
            assert!(requests.of_user(user, short));
        }
        std::thread::sleep(Duration::from_millis(2));
        requests.sweep();
        let kept = requests.users.0.load_full().unwrap().limiter.len();
        assert!(kept < REMEMBERED, "{kept}");
    }
}

//! New connections a second of each address (contract section 7). They are a rate, and `governor` counts them. Offences
//! are no rate, so `suspects` counts them.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::counted_address::CountedAddress;
use crate::reason::Reason;

/// How many addresses may be remembered before those that connected more than a second ago are forgotten.
const ADDRESSES: usize = 10_000;

/// The rate of each address. The limit may change with a reload, and then counting begins anew.
#[derive(Debug, Default)]
pub(super) struct Rates(ArcSwapOption<Rate>);

/// The count under one limit.
#[derive(Debug)]
struct Rate {
    limit: NonZeroU32,
    limiter: DefaultKeyedRateLimiter<CountedAddress>,
}

impl Rates {
    /// Counts a new connection of `address`, which may have `limit` of them in a second. A `limit` of 0 allows any
    /// number.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn keep(&self, address: IpAddr, limit: u32) -> Result<(), Reason> {
        let Some(limit) = NonZeroU32::new(limit) else { return Ok(()) };
        let mut rate = self.0.load_full();
        if rate.as_ref().is_none_or(|rate| rate.limit != limit) {
            let limiter = RateLimiter::keyed(Quota::per_second(limit));
            rate = Some(Arc::new(Rate { limit, limiter }));
            self.0.store(rate.clone());
        }
        match rate.map(|rate| rate.limiter.check_key(&address.into())) {
            Some(Err(_)) => Err(Reason::Limit),
            _ => Ok(()),
        }
    }

    /// Forgets addresses that connected more than a second ago, if there are many.
    pub(super) fn sweep(&self) {
        if let Some(rate) = self.0.load_full().filter(|rate| rate.limiter.len() > ADDRESSES) {
            rate.limiter.retain_recent();
        }
    }
}

//! Counts wrong tokens by address, so that guessing is slow and is noticed. A right token is accepted from every
//! address: on loopback all programs share an address, and one of them must not lock out the others. A token has 256
//! bits, so it cannot be guessed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::CountedAddress;

/// How many wrong tokens within [`WINDOW`] are answered as wrong.
const WRONG: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// How many addresses are remembered.
const ADDRESSES: usize = 1024;

/// How a wrong token is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is answered as wrong.
    Answered,
    /// There were too many. The next one is answered as wrong only after this time. `is_first`: this is the first one over the
    /// limit.
    TooMany { wait: Duration, is_first: bool },
}

/// The start of the window, and the number of wrong tokens in it.
#[derive(Debug, Clone, Copy)]
struct Count {
    since: Instant,
    wrong: u32,
}

/// The counts by address.
#[derive(Debug, Default)]
pub(super) struct Throttle(Mutex<HashMap<CountedAddress, Count>>);

impl Throttle {
    /// Counts a wrong token.
    pub(super) fn count(&self, from: IpAddr) -> Wrong {
        let (from, now) = (CountedAddress::from(from), Instant::now());
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES && !counts.contains_key(&from) {
            counts.retain(|_, count| now.duration_since(count.since) < WINDOW);
            if counts.len() >= ADDRESSES
                && let Some(oldest) =
                    counts.iter().min_by_key(|(_, count)| count.since).map(|(from, _)| *from)
            {
                counts.remove(&oldest);
            }
        }
        let count = counts.entry(from).or_insert(Count { since: now, wrong: 0 });
        if now.duration_since(count.since) >= WINDOW {
            *count = Count { since: now, wrong: 0 };
        }
        count.wrong = count.wrong.saturating_add(1);
        if count.wrong <= WRONG {
            return Wrong::Answered;
        }
        let wait = WINDOW.saturating_sub(now.duration_since(count.since));
        Wrong::TooMany { wait, is_first: count.wrong == WRONG + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn ip(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    #[tokio::test(start_paused = true)]
    async fn the_eleventh_wrong_token_within_a_minute_is_too_many() {
        let throttle = Throttle::default();
        for _ in 0..WRONG {
            assert_eq!(throttle.count(ip(1)), Wrong::Answered);
        }
        assert_eq!(throttle.count(ip(1)), Wrong::TooMany { wait: WINDOW, is_first: true });
        assert!(matches!(throttle.count(ip(1)), Wrong::TooMany { is_first: false, .. }));
        assert_eq!(throttle.count(ip(2)), Wrong::Answered, "other addresses are not affected");
        tokio::time::advance(WINDOW).await;
        assert_eq!(throttle.count(ip(1)), Wrong::Answered);
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded() {
        let throttle = Throttle::default();
        for number in 0..5_000 {
            throttle.count(ip(number));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let counts = throttle.0.lock().unwrap();
        assert_eq!(counts.len(), ADDRESSES);
        assert!(counts.contains_key(&ip(4_999).into()) && !counts.contains_key(&ip(0).into()));
    }
}

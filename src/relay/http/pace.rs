//! How fast a client sends the body of its request (contract section 7, `limits.min_rate`).
//!
//! Only the time counts in which Portward waits for nothing but the client: everything that came has been sent on. So a
//! slow target costs the client nothing. The first ten seconds of waiting are free. After that every ten seconds are
//! judged.

use std::time::Duration;

use tokio::time::Instant;

use crate::io::Timer;

/// How much waiting is judged at once. The first span is free.
const SPAN: Duration = Duration::from_secs(10);
/// How often Portward looks at a client that sends nothing.
const LOOK: Duration = Duration::from_secs(1);

/// The pace of one request.
#[derive(Debug)]
pub(super) struct Pace {
    /// The least octets in one [`SPAN`]. 0: any number.
    least: u64,
    /// Since when Portward waits for the client.
    since: Option<Instant>,
    /// How long Portward has waited for the client since the last judgement.
    waited: Duration,
    /// How many octets had come at the last judgement. `None`: there was none yet.
    before: Option<u64>,
}

impl Pace {
    /// The pace of at least `rate` octets a second. 0: any rate.
    pub(super) fn new(rate: u32) -> Self {
        Self { least: u64::from(rate) * SPAN.as_secs(), since: None, waited: Duration::ZERO, before: None }
    }

    /// Whether the client is too slow. `waits`: Portward waits for the client alone. `octets`: how many octets have
    /// come and were sent on. Poll the timer afterwards: it wakes the task for the next look.
    pub(super) fn is_too_slow(&mut self, waits: bool, octets: u64, timer: &mut Timer) -> bool {
        if self.least == 0 || !(waits || self.since.is_some()) {
            return false;
        }
        let now = Instant::now();
        if let Some(since) = self.since.take() {
            self.waited += now - since;
        }
        if waits {
            self.since = Some(now);
            timer.looks(LOOK);
        }
        if self.waited < SPAN {
            return false;
        }
        self.waited = Duration::ZERO;
        let before = self.before.replace(octets);
        before.is_some_and(|before| octets - before < self.least)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::time::advance;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timer() -> Timer {
        Timer::new(600 * SECOND, CancellationToken::new())
    }

    /// The second in which a client is found too slow. `octets` says how many octets it sends in each second.
    async fn ends(rate: u32, mut octets: impl FnMut(u64) -> u64, waits: impl Fn(u64) -> bool) -> Option<u64> {
        let (mut pace, mut timer, mut sum) = (Pace::new(rate), timer(), 0);
        for second in 0..100 {
            if pace.is_too_slow(waits(second), sum, &mut timer) {
                return Some(second);
            }
            advance(SECOND).await;
            sum += octets(second);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn item_32_ten_seconds_are_free_and_ten_are_judged() {
        assert_eq!(ends(500, |_| 0, |_| true).await, Some(20));
        assert_eq!(ends(500, |_| 499, |_| true).await, Some(20));
        assert_eq!(ends(500, |_| 500, |_| true).await, None);
        assert_eq!(ends(0, |_| 0, |_| true).await, None);
        assert_eq!(ends(500, |second| if second < 10 { 0 } else { 500 }, |_| true).await, None);
        assert_eq!(ends(500, |second| if second % 10 == 3 { 5000 } else { 0 }, |_| true).await, None);
        assert_eq!(ends(500, |second| if second < 25 { 1_000_000 } else { 0 }, |_| true).await, Some(40));
    }

    #[tokio::test(start_paused = true)]
    async fn item_32_time_in_which_the_target_is_waited_for_does_not_count() {
        assert_eq!(ends(500, |_| 0, |_| false).await, None);
        assert_eq!(ends(500, |_| 250, |second| second % 2 == 0).await, None);
        assert_eq!(ends(500, |_| 0, |second| second % 2 == 0).await, Some(39));
    }

    #[tokio::test(start_paused = true)]
    async fn item_32_a_client_that_sends_nothing_is_noticed() {
        let (mut pace, mut timer, begin) = (Pace::new(500), timer(), Instant::now());
        poll_fn(|cx| {
            if pace.is_too_slow(true, 100, &mut timer) {
                return Poll::Ready(());
            }
            timer.poll_expired(cx)
        })
        .await;
        assert!((20..=22).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }
}

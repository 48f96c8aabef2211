//! The deadline of a connection, which moves often and is armed seldom, and the signal that Portward is stopping.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::clock;

/// The clock of one connection. Moving the deadline to a later time costs nothing: the timer below fires at its old
/// time, notices that it is early, and is armed again.
#[derive(Debug)]
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
    /// When to look next at something that does not wake the task by itself.
    look: Option<Instant>,
    token: CancellationToken,
    stopping: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Timer {
    /// A timer that fires `after` from now. `token` is cancelled when Portward begins to drain.
    pub fn new(after: Duration, token: CancellationToken) -> Self {
        let deadline = now() + after;
        Self { sleep: Box::pin(sleep_until(deadline)), deadline, look: None, token, stopping: None }
    }

    /// Moves the deadline to `after` from now.
    pub fn set(&mut self, after: Duration) {
        self.deadline = now() + after;
        if self.deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(self.deadline);
        }
    }

    /// Moves the deadline to `after` from now, if it is later than that.
    pub fn hasten(&mut self, after: Duration) {
        if self.deadline > now() + after {
            self.set(after);
        }
    }

    /// Ready when the deadline has passed.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sleep.as_mut().poll(cx).is_ready() {
            // The time of the turn stands still, and the timer would fire again and again.
            let now = Instant::now();
            if now >= self.deadline {
                return Poll::Ready(());
            }
            let look = self.look.filter(|look| *look > now);
            self.sleep.as_mut().reset(look.map_or(self.deadline, |look| look.min(self.deadline)));
        }
        Poll::Pending
    }

    /// Whether to look at something that does not wake the task by itself. The answer is yes at the first call, and
    /// then once in `every`. A task that polls [`poll_expired`](Self::poll_expired) afterwards is woken for the next
    /// look.
    pub fn looks(&mut self, every: Duration) -> bool {
        let now = now();
        if self.look.is_some_and(|look| now < look) {
            return false;
        }
        let next = now + every;
        self.look = Some(next);
        if next < self.sleep.deadline() {
            self.sleep.as_mut().reset(next);
        }
        true
    }

    /// Whether Portward is draining. Then no connection is kept alive.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ready when Portward begins to drain.
    pub fn poll_stopping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let token = &self.token;
        self.stopping.get_or_insert_with(|| Box::pin(token.clone().cancelled_owned())).as_mut().poll(cx)
    }
}

/// The time of the turn, as timers count it.
fn now() -> Instant {
    Instant::from_std(clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn the_deadline_moves_both_ways() {
        let begin = Instant::now();
        let mut timer = Timer::new(Duration::from_secs(5), CancellationToken::new());
        timer.set(Duration::from_secs(60));
        poll_fn(|cx| timer.poll_expired(cx)).await;
        assert!(begin.elapsed() >= Duration::from_secs(60));
        timer.set(Duration::from_secs(600));
        timer.set(Duration::from_secs(1));
        poll_fn(|cx| timer.poll_expired(cx)).await;
        assert!(begin.elapsed() < Duration::from_secs(62));
    }

    #[tokio::test(start_paused = true)]
    async fn looks_come_in_their_time_and_the_deadline_in_its_own() {
        let begin = Instant::now();
        let mut timer = Timer::new(Duration::from_secs(60), CancellationToken::new());
        let mut looks = Vec::new();
        poll_fn(|cx| {
            if begin.elapsed() < Duration::from_secs(5) && timer.looks(Duration::from_secs(2)) {
                looks.push(begin.elapsed().as_secs());
                assert!(!timer.looks(Duration::from_secs(2)));
            }
            timer.poll_expired(cx)
        })
        .await;
        assert_eq!((looks, begin.elapsed().as_secs()), (vec![0, 2, 4], 60));
    }
}

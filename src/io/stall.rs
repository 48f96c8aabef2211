//! Notices writes without progress. A timer is needed only while a write is held up.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Watches whether writes make progress.
#[derive(Debug, Default)]
pub struct Stall {
    /// The timer, and how many bytes were written when it was set.
    watched: Option<(Pin<Box<Sleep>>, u64)>,
}

impl Stall {
    /// Ready when there was no progress for `patience`, or at the latest for twice that time. `written`: how many bytes
    /// were written so far. `held_up`: whether there are more bytes to write and the peer does not take them.
    pub fn poll(
        &mut self,
        cx: &mut Context<'_>,
        patience: Duration,
        written: u64,
        held_up: bool,
    ) -> Poll<()> {
        if self.watched.is_none() && held_up {
            self.watched = Some((Box::pin(sleep(patience)), written));
        }
        while let Some((timer, before)) = &mut self.watched {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let stands_still = *before == written;
            if !held_up || stands_still {
                self.watched = None;
                return if held_up { Poll::Ready(()) } else { Poll::Pending };
            }
            timer.as_mut().reset(Instant::now() + patience);
            *before = written;
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const FIVE: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn only_what_stands_still_is_a_stall() {
        let (mut stall, begin) = (Stall::default(), Instant::now());
        assert!(poll_fn(|cx| Poll::Ready(stall.poll(cx, FIVE, 0, false))).await.is_pending());
        assert!(stall.watched.is_none(), "nothing is held up, nothing is watched");
        // Bytes in every second are no stall.
        for written in 0..20 {
            assert!(poll_fn(|cx| Poll::Ready(stall.poll(cx, FIVE, written, true))).await.is_pending());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        poll_fn(|cx| stall.poll(cx, FIVE, 20, true)).await;
        let waited = begin.elapsed() - Duration::from_secs(20);
        assert!(FIVE <= waited && waited <= 2 * FIVE, "{waited:?}");
    }
}

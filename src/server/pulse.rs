//! The liveness of the workers: each worker counts beats. The manager's watchdog is fed only while all workers count.
//!
//! A worker that hangs in a loop or in a system call stops counting, whatever the other threads do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many beats a worker counts within the watchdog's time, and how many times they are checked.
const BEATS: u32 = 8;
const LOOKS: u32 = 4;

/// When each worker was last alive.
#[derive(Debug)]
pub(super) struct Pulse {
    watchdog: Option<Duration>,
    born: Instant,
    /// Milliseconds since `born`, one for each worker.
    last: Box<[AtomicU64]>,
}

impl Pulse {
    /// For `workers` threads that have just started. Without a watchdog nothing is counted.
    pub(super) fn new(workers: usize, watchdog: Option<Duration>) -> Self {
        Self { watchdog, born: Instant::now(), last: (0..workers).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Counts beats for the worker `number` for as long as its runtime runs.
    pub(super) async fn beat(&self, number: usize) {
        let Some(watchdog) = self.watchdog else { return std::future::pending().await };
        loop {
            self.mark(number);
            tokio::time::sleep(watchdog / BEATS).await;
        }
    }

    /// The time between two checks. `None`: the manager wants no watchdog.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / LOOKS)
    }

    /// The first worker that has not counted a beat for half of the watchdog's time.
    pub(super) fn stalled(&self) -> Option<usize> {
        let limit = self.watchdog? / 2;
        let now = self.born.elapsed();
        self.last
            .iter()
            .position(|last| now.saturating_sub(Duration::from_millis(last.load(Ordering::Relaxed))) > limit)
    }

    fn mark(&self, number: usize) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(last) = self.last.get(number) {
            last.store(now, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_worker_that_hangs_is_found() {
        let pulse = Pulse::new(2, Some(Duration::from_millis(200)));
        // Worker 0 runs, worker 1 does not.
        let looked = async {
            for _ in 0..500 {
                if let Some(number) = pulse.stalled() {
                    return Some(number);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            None
        };
        tokio::select! {
            () = pulse.beat(0) => unreachable!(),
            found = looked => assert_eq!(found, Some(1)),
        }
        pulse.mark(1);
        assert_ne!(pulse.stalled(), Some(1));
    }

    #[tokio::test]
    async fn without_a_watchdog_nobody_is_stalled() {
        let pulse = Pulse::new(1, None);
        assert_eq!((pulse.interval(), pulse.stalled()), (None, None));
    }
}

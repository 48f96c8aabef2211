//! One number of one worker.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows. One thread writes it, any thread reads it.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to it. Only the thread that the counter belongs to may do this: another one's addition could be lost.
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// What it is.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

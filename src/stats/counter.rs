//! One number that one worker counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows. One thread writes it, any thread reads it.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number. Only the thread that owns the counter may do this. An addition by another thread could be
    /// lost.
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// The number.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

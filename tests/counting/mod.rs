//! An allocator that counts the allocations of the calling thread. Allocations of the test runner's threads do not
//! matter.
#![allow(unsafe_code, reason = "an allocator")]
#![allow(dead_code, reason = "not every test counts everything")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[derive(Clone, Copy)]
struct Counts {
    /// Bytes in use, rounded as in the C library. A thread may free memory of another thread, so the count does not
    /// begin at 0.
    live: usize,
    /// The most bytes in use since [`most`] began.
    most: usize,
    /// The sum of the requested bytes.
    bytes: usize,
    /// The number of allocations.
    calls: usize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { live: 1 << 40, most: 1 << 40, bytes: 0, calls: 0 }) };
}

fn count(change: impl FnOnce(&mut Counts)) {
    // At the end of a thread its counters are gone.
    let _ = COUNTS.try_with(|counts| {
        let mut new = counts.get();
        change(&mut new);
        counts.set(new);
    });
}

/// A chunk of glibc's malloc: eight bytes of its own, in steps of 16, at least 32.
fn chunk(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|counts| {
            counts.live += chunk(layout.size());
            counts.most = counts.most.max(counts.live);
            counts.bytes += layout.size();
            counts.calls += 1;
        });
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|counts| counts.live -= chunk(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes in use. Only differences have a meaning.
pub(crate) fn live() -> usize {
    COUNTS.get().live
}

/// The number of allocations so far.
pub(crate) fn calls() -> usize {
    COUNTS.get().calls
}

/// The bytes that `work` requested.
pub(crate) fn cost<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNTS.get().bytes;
    let done = work();
    (done, COUNTS.get().bytes - before)
}

/// The most bytes in use at a time during `work`, above those before.
pub(crate) fn most(work: impl FnOnce()) -> usize {
    let before = live();
    count(|counts| counts.most = before);
    work();
    COUNTS.get().most - before
}

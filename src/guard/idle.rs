//! HTTP connections that wait for their next request. When a limit is reached, the connection that has waited longest
//! is closed for the new one (contract section 1). A connection with a request under way stays, and so does a tunnel.
//!
//! A request costs two writes to memory of its own connection. Nothing is sorted until a limit is reached. Then all
//! connections are searched, and the oldest eighth of the waiting ones is remembered. A remembered connection that has
//! not moved since has waited longer than all others. So most new connections find the connection to close among the
//! remembered ones.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::io::clock;

/// The state: a request is under way.
const BUSY: u64 = 0;
/// The state: the connection has to close.
const DISPLACED: u64 = u64::MAX;

/// How many connections are remembered at least, and which part of the waiting ones.
const REMEMBERED: usize = 64;
const PART: usize = 8;

/// After a search that found nothing, the next search waits for so many times the duration of that search. So searching
/// takes at most a twentieth of the processor.
const REST: u64 = 20;

/// The state of one connection.
#[derive(Debug)]
struct Slot {
    /// [`BUSY`], [`DISPLACED`], or the time since which it waits, in nanoseconds.
    state: AtomicU64,
    waker: Mutex<Option<Waker>>,
    /// Its index in the list of its address.
    index: AtomicUsize,
}

/// The connections of one address that have waited for a request at least once.
#[derive(Debug, Default)]
pub(super) struct Idlers(Mutex<Option<Box<List>>>);

#[derive(Debug, Default)]
struct List {
    slots: Vec<Arc<Slot>>,
    oldest: Oldest,
}

/// The connections that have waited longest, as far as a search has found them.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    /// The remembered connections. The last one has waited longest.
    remembered: Vec<Waiting>,
    /// When the next search may begin, in nanoseconds.
    again: u64,
}

/// A connection that was waiting when it was looked at, and since when.
#[derive(Debug)]
pub(super) struct Waiting {
    since: u64,
    slot: Arc<Slot>,
}

/// A connection that is closed for another one. It learns this when the value is dropped.
#[derive(Debug)]
pub(super) struct Displaced(Arc<Slot>);

/// The entry of a connection in the list of its address `A`. It leaves the list when it is dropped.
#[derive(Debug)]
pub(super) struct Idle<A: AsRef<Idlers>> {
    address: Arc<A>,
    slot: Arc<Slot>,
}

/// The time in nanoseconds, never 0.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(clock::now().saturating_duration_since(*START).as_nanos()).unwrap_or(DISPLACED - 2) + 1
}

impl Idlers {
    /// Displaces the connection of this address that has waited longest.
    pub(super) fn displace(&self) -> Option<Displaced> {
        let mut list = self.lock();
        let List { slots, oldest } = &mut **list.as_mut()?;
        oldest.displace(|waiting| gather(slots, waiting))
    }

    /// Adds the connections of this address that wait.
    pub(super) fn gather(&self, waiting: &mut Vec<Waiting>) {
        if let Some(list) = &*self.lock() {
            gather(&list.slots, waiting);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<List>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gather(slots: &[Arc<Slot>], waiting: &mut Vec<Waiting>) {
    for slot in slots {
        let since = slot.state.load(Ordering::Relaxed);
        if since != BUSY && since != DISPLACED {
            waiting.push(Waiting { since, slot: Arc::clone(slot) });
        }
    }
}

impl Oldest {
    /// Displaces the connection that has waited longest. `gather` finds all that wait.
    pub(super) fn displace(&mut self, gather: impl FnOnce(&mut Vec<Waiting>)) -> Option<Displaced> {
        if let Some(displaced) = self.next() {
            return Some(displaced);
        }
        let begin = now();
        if begin < self.again {
            return None;
        }
        let mut waiting = std::mem::take(&mut self.remembered);
        gather(&mut waiting);
        let count = REMEMBERED.max(waiting.len() / PART);
        if count < waiting.len() {
            waiting.select_nth_unstable_by_key(count, |waiting| waiting.since);
            waiting.truncate(count);
        }
        waiting.sort_unstable_by_key(|waiting| std::cmp::Reverse(waiting.since));
        waiting.shrink_to_fit();
        self.remembered = waiting;
        let displaced = self.next();
        if displaced.is_none() {
            let end = now();
            self.again = end.saturating_add(REST.saturating_mul(end.saturating_sub(begin)));
        }
        displaced
    }

    /// Displaces the oldest remembered connection that has not moved since.
    fn next(&mut self) -> Option<Displaced> {
        while let Some(Waiting { since, slot }) = self.remembered.pop() {
            let taken =
                slot.state.compare_exchange(since, DISPLACED, Ordering::AcqRel, Ordering::Relaxed).is_ok();
            if taken {
                return Some(Displaced(slot));
            }
        }
        None
    }
}

impl Drop for Displaced {
    fn drop(&mut self) {
        let waker = self.0.waker();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Slot {
    /// Takes the waker of the connection's task.
    fn waker(&self) -> Option<Waker> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<A: AsRef<Idlers>> Idle<A> {
    /// The entry of a new connection of this address, with a request under way.
    pub(super) fn new(address: &Arc<A>) -> Self {
        let mut list = (**address).as_ref().lock();
        let slots = &mut list.get_or_insert_default().slots;
        let index = AtomicUsize::new(slots.len());
        let slot = Arc::new(Slot { state: AtomicU64::new(BUSY), waker: Mutex::default(), index });
        slots.push(Arc::clone(&slot));
        drop(list);
        Self { address: Arc::clone(address), slot }
    }

    /// The connection waits for its next request from now on.
    pub(super) fn rest(&self) {
        self.slot.state.store(now(), Ordering::Release);
    }

    /// A request has come. `false`: the connection was displaced meanwhile.
    pub(super) fn resume(&self) -> bool {
        self.slot.state.swap(BUSY, Ordering::AcqRel) != DISPLACED
    }

    /// Ready when the connection was displaced.
    pub(super) fn poll_displaced(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut waker = self.slot.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        if self.slot.state.load(Ordering::Acquire) == DISPLACED { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<A: AsRef<Idlers>> Drop for Idle<A> {
    fn drop(&mut self) {
        self.slot.state.store(BUSY, Ordering::Release);
        let mut list = (*self.address).as_ref().lock();
        let Some(List { slots, .. }) = list.as_deref_mut() else { return };
        let index = self.slot.index.load(Ordering::Relaxed);
        if slots.get(index).is_some_and(|slot| Arc::ptr_eq(slot, &self.slot)) {
            slots.swap_remove(index);
            if let Some(moved) = slots.get(index) {
                moved.index.store(index, Ordering::Relaxed);
            }
        }
        if slots.is_empty() {
            *list = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl AsRef<Idlers> for Idlers {
        fn as_ref(&self) -> &Idlers {
            self
        }
    }

    #[test]
    fn the_longest_idle_goes_and_one_with_a_request_stays() {
        let address = Arc::new(Idlers::default());
        let idle: Vec<_> = (0..5).map(|_| Idle::new(&address)).collect();
        assert!(address.displace().is_none(), "a request is under way on each");
        for number in [3, 1, 0, 4, 2] {
            idle[number].rest();
        }
        assert!(idle[3].resume());
        assert!(address.lock().as_mut().is_some_and(|list| {
            list.oldest.again = 0;
            true
        }));
        drop(address.displace().expect("1 has waited for the longest"));
        assert!(!idle[1].resume());
        // A remembered connection has moved, and waits again from now on.
        assert!(idle[0].resume());
        idle[0].rest();
        drop(address.displace());
        drop(address.displace());
        assert!(!idle[4].resume() && !idle[2].resume() && idle[0].resume());
        idle[0].rest();
        drop(address.displace());
        assert!(!idle[0].resume());
        assert!(address.displace().is_none());
    }

    #[test]
    fn a_displaced_one_is_woken_and_nothing_is_left_behind() {
        let address = Arc::new(Idlers::default());
        let mut idle: Vec<_> = (0..1000).map(|_| Idle::new(&address)).collect();
        idle.iter().for_each(Idle::rest);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(idle[0].poll_displaced(&mut cx).is_pending());
        let mut all = Oldest::default();
        for number in 0..999 {
            drop(all.displace(|waiting| address.gather(waiting)));
            assert!(idle[number].poll_displaced(&mut cx).is_ready(), "{number}");
            assert!(idle[number + 1].poll_displaced(&mut cx).is_pending(), "{number}");
        }
        while !idle.is_empty() {
            idle.swap_remove(idle.len() / 2);
        }
        assert!(address.lock().is_none());
    }
}

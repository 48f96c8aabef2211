//! Figures about each address and port of a target (contract section 8, `/v1/targets`): connections, failures by cause,
//! and the times to connect and to answer.
//!
//! Each worker has tallies of its own that only this worker writes. It looks up a tally when it opens a connection. The
//! connection keeps a handle on the tally ([`OpenAtTarget`]), so a request on a kept connection needs no look-up. A reader
//! adds the tallies of all workers up.
//!
//! There is a tally for each address that a worker has dialled. Only addresses of the rules are dialled. Addresses that
//! belong to no target any more are forgotten ([`Stats::forget_targets`]). A tally takes at most [`MEMORY`] octets.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use foldhash::fast::RandomState;

use super::Stats;
use super::counter::Counter;
use crate::cause::Cause;

/// The memory of a tally and its place, in octets, if nothing has failed (tested in tests/stats_memory.rs).
pub const MEMORY: usize = 288;

/// The length of a window, in seconds. The longest time is that of the running window or of the one before it.
const WINDOW: u32 = 300;
/// The weight of a new time in the recent average: one part of so many, as in RFC 6298 §2.3.
const SHARE: u32 = 8;

type Key = (IpAddr, u16);

fn key(address: SocketAddr) -> Key {
    (address.ip(), address.port())
}

/// One worker's tallies of all addresses.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<HashMap<Key, Arc<Tally>, RandomState>>);

/// One worker's tally of an address.
#[derive(Debug, Default)]
struct Tally {
    opened: Counter,
    closed: Counter,
    connect: Times,
    first_byte: Times,
    failures: Mutex<Failures>,
}

/// It takes no memory of its own while nothing has failed.
#[derive(Debug, Default)]
struct Failures {
    by_cause: Vec<(Cause, u32)>,
    /// The last failure, and when it happened, in seconds since the start.
    last: Option<(Cause, u32)>,
}

/// Durations of one kind.
#[derive(Debug, Default)]
struct Times {
    count: Counter,
    /// The sum, in microseconds. All durations here are in microseconds.
    sum: Counter,
    recent: AtomicU32,
    /// The longest time of the running window, and of the one before it.
    longest: [AtomicU32; 2],
    window: AtomicU32,
}

/// Durations of one kind, for a reader.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timing {
    /// The number of durations.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// An average in which the newest durations weigh most.
    pub recent: Option<Duration>,
    /// The longest duration of the last five to ten minutes.
    pub longest: Option<Duration>,
}

impl Times {
    /// Counts a duration. Only the worker that owns it may call this.
    fn add(&self, time: Duration, seconds: u32) {
        let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let before = self.recent.load(Ordering::Relaxed);
        let recent = if self.count.get() == 0 { micros } else { before - before / SHARE + micros / SHARE };
        self.recent.store(recent, Ordering::Relaxed);
        self.count.add(1);
        self.sum.add(micros.into());
        self.move_on(seconds / WINDOW);
        let [longest, _] = &self.longest;
        if micros > longest.load(Ordering::Relaxed) {
            longest.store(micros, Ordering::Relaxed);
        }
    }

    fn move_on(&self, window: u32) {
        let passed = window.wrapping_sub(self.window.load(Ordering::Relaxed));
        if passed == 0 {
            return;
        }
        let [now, before] = &self.longest;
        let longest = if passed == 1 { now.load(Ordering::Relaxed) } else { 0 };
        before.store(longest, Ordering::Relaxed);
        now.store(0, Ordering::Relaxed);
        self.window.store(window, Ordering::Relaxed);
    }

    fn read(&self, into: &mut Timing, seconds: u32) {
        let count = self.count.get();
        if count == 0 {
            return;
        }
        let micros = |number: u32| Duration::from_micros(number.into());
        // Each worker's average is weighted by the number of its durations.
        let recent = micros(self.recent.load(Ordering::Relaxed)).as_secs_f64() * count as f64;
        let known = into.recent.map_or(0.0, |known| known.as_secs_f64() * into.count as f64);
        into.count += count;
        into.sum += Duration::from_micros(self.sum.get());
        into.recent = Some(Duration::from_secs_f64((recent + known) / into.count as f64));
        let passed = (seconds / WINDOW).saturating_sub(self.window.load(Ordering::Relaxed));
        let [now, before] = self.longest.each_ref().map(|one| one.load(Ordering::Relaxed));
        let longest = match passed {
            0 => now.max(before),
            1 => now,
            _ => 0,
        };
        into.longest = into.longest.max((longest > 0).then(|| micros(longest)));
    }
}

/// A connection's handle on its worker's tally of the address. The connection counts as open until the handle is
/// dropped.
#[derive(Debug)]
pub struct OpenAtTarget(Arc<Tally>);

impl OpenAtTarget {
    /// Counts an answer of the target, with its time. `seconds`: [`Stats::seconds`].
    pub(super) fn answered(&self, time: Duration, seconds: u32) {
        self.0.first_byte.add(time, seconds);
    }
}

impl Drop for OpenAtTarget {
    fn drop(&mut self) {
        self.0.closed.add(1);
    }
}

/// The figures about an address and port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetFigures {
    /// Connections that were opened.
    pub opened: u64,
    /// Opened connections that are still open.
    pub open: u64,
    /// How often no connection could be opened, by cause, in the order of [`Cause::ALL`].
    pub failures: Vec<(Cause, u64)>,
    /// The last failure, and when it happened.
    pub last_failure: Option<(Cause, SystemTime)>,
    /// How long it took to open a connection: TCP, PROXY header and TLS.
    pub connect: Timing,
    /// The time until the first byte of an answer, from the moment at which the target could be asked.
    pub first_byte: Timing,
}

impl Tallies {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Tally>, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, address: SocketAddr) -> Arc<Tally> {
        self.lock().entry(key(address)).or_default().clone()
    }
}

impl Tally {
    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, cause: Cause, seconds: u32) {
        let mut failures = self.failures();
        failures.last = Some((cause, seconds));
        match failures.by_cause.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => failures.by_cause.push((cause, 1)),
        }
    }
}

/// One worker's tallies of the addresses that it dials. Only this worker may use them.
#[derive(Debug, Clone, Copy)]
pub struct Dialled<'a> {
    stats: &'a Stats,
    worker: u16,
}

impl Dialled<'_> {
    /// Counts a connection that was opened in this time.
    pub fn reached(&self, address: SocketAddr, time: Duration) -> OpenAtTarget {
        let Self { stats, worker } = *self;
        let tally = stats.at(worker).targets.of(address);
        tally.opened.add(1);
        tally.connect.add(time, stats.seconds());
        OpenAtTarget(tally)
    }

    /// Counts a connection that could not be opened.
    pub fn missed(&self, address: SocketAddr, cause: Cause) {
        let Self { stats, worker } = *self;
        stats.at(worker).targets.of(address).failed(cause, stats.seconds());
    }
}

impl Stats {
    /// The tallies of the worker with this number.
    pub fn dialled_by(&self, worker: u16) -> Dialled<'_> {
        Dialled { stats: self, worker }
    }

    /// The figures about an address.
    pub fn target(&self, address: SocketAddr) -> TargetFigures {
        let (mut target, seconds) = (TargetFigures::default(), self.seconds());
        let (mut by_cause, mut last) = (HashMap::<Cause, u64>::new(), None::<(Cause, u32)>);
        for worker in self.workers() {
            let Some(tally) = self.at(worker).targets.lock().get(&key(address)).cloned() else { continue };
            // The ended connections are read first, so that their number never exceeds that of the opened ones.
            let closed = tally.closed.get();
            let opened = tally.opened.get();
            target.opened += opened;
            target.open += opened.saturating_sub(closed);
            tally.connect.read(&mut target.connect, seconds);
            tally.first_byte.read(&mut target.first_byte, seconds);
            let failures = tally.failures();
            for (cause, count) in &failures.by_cause {
                *by_cause.entry(*cause).or_default() += u64::from(*count);
            }
            last = last.into_iter().chain(failures.last).max_by_key(|(_, at)| *at);
        }
        target.failures = by_cause.into_iter().collect();
        target.failures.sort_unstable();
        target.last_failure = last.map(|(cause, at)| (cause, self.moment(at)));
        target
    }

    /// The time at `seconds` after the start, by the present clock.
    fn moment(&self, seconds: u32) -> SystemTime {
        SystemTime::now() - self.uptime().saturating_sub(Duration::from_secs(seconds.into()))
    }

    /// Forgets addresses that belong to no target any more and have no open connection.
    pub fn forget_targets(&self, is_target: impl Fn(SocketAddr) -> bool) {
        for worker in self.workers() {
            let tallies = &self.at(worker).targets;
            // A worker waits only while the addresses are copied.
            let known: Vec<Key> = tallies.lock().keys().copied().collect();
            let gone = known.into_iter().filter(|(ip, port)| !is_target(SocketAddr::new(*ip, *port)));
            for key in gone {
                let mut all = tallies.lock();
                let is_open = |tally: &Arc<Tally>| tally.opened.get() != tally.closed.get();
                if all.get(&key).is_some_and(|tally| !is_open(tally)) {
                    all.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 443);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_workers_numbers_are_added_up() {
        let stats = Stats::of_workers(2);
        let kept = stats.dialled_by(0).reached(ONE, 4 * MS);
        drop(stats.dialled_by(1).reached(ONE, 8 * MS));
        stats.dialled_by(0).missed(ONE, Cause::TimedOut);
        stats.dialled_by(1).missed(ONE, Cause::Refused);
        stats.dialled_by(1).missed(ONE, Cause::Refused);
        kept.answered(2 * MS, 0);
        let target = stats.target(ONE);
        assert_eq!((target.opened, target.open), (2, 1));
        assert_eq!(target.failures, [(Cause::Refused, 2), (Cause::TimedOut, 1)]);
        assert!(target.last_failure.is_some());
        let Timing { count, sum, recent, longest } = target.connect;
        assert_eq!((count, sum, longest), (2, 12 * MS, Some(8 * MS)));
        assert_eq!(recent, Some(6 * MS));
        assert_eq!((target.first_byte.count, target.first_byte.sum), (1, 2 * MS));
        let other = SocketAddr::new(ONE.ip(), 80);
        assert_eq!(stats.target(other), TargetFigures::default(), "another port is another target");
    }

    #[test]
    fn times_of_long_ago_do_not_count_as_recent() {
        let times = Times::default();
        let read = |seconds| {
            let mut timing = Timing::default();
            times.read(&mut timing, seconds);
            timing
        };
        times.add(900 * MS, 0);
        times.add(100 * MS, 10);
        assert_eq!(read(10).recent, Some(800 * MS));
        assert_eq!(read(599).longest, Some(900 * MS));
        assert_eq!(read(600).longest, None);
        times.add(50 * MS, 310);
        assert_eq!(read(310).longest, Some(900 * MS));
        times.add(60 * MS, 620);
        assert_eq!(read(620).longest, Some(60 * MS));
        for _ in 0..100 {
            times.add(60 * MS, 620);
        }
        let recent = read(620).recent.unwrap();
        assert!((59 * MS..62 * MS).contains(&recent), "{recent:?}");
        times.add(Duration::MAX, 700);
        times.add(Duration::MAX, 700);
    }

    #[test]
    fn what_is_no_target_any_more_is_forgotten_once_its_connections_have_ended() {
        let stats = Stats::of_workers(1);
        let other = SocketAddr::new(ONE.ip(), 80);
        let (open, _) = (stats.dialled_by(0).reached(ONE, MS), stats.dialled_by(0).reached(other, MS));
        stats.forget_targets(|address| address == other);
        assert_eq!((stats.target(ONE).opened, stats.target(other).opened), (1, 1));
        drop(open);
        stats.forget_targets(|address| address == other);
        assert_eq!((stats.target(ONE).opened, stats.target(other).opened), (0, 1));
    }
}

//! Statistics about Portward's own work (contract section 8): counters, live connections, the newest decisions.
//!
//! | file | what is in it |
//! |---|---|
//! | `counter`, `counters` | one number of a worker, and the block of all its numbers, which a reader adds up |
//! | `histogram` | durations in fixed buckets |
//! | `live`, `route` | the table of live connections, and the route of each |
//! | `decisions` | the newest decisions, and followers of them |
//! | `history` | an hour of the counters in steps |
//! | `targets` | figures about each address of a target |
//! | `top` | the busiest hosts and clients of the last minutes |
//!
//! Two places feed the statistics: `conn`, where endings and decisions are written, and `upstream`, which opens
//! connections to targets. The statistics decide nothing. No worker waits for a reader longer than it takes to copy a
//! few entries.

mod counter;
mod counters;
mod decisions;
mod histogram;
mod history;
mod live;
mod route;
mod targets;
mod top;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use counters::{Counters, DecisionKind, Direction, Side, Totals};
pub use decisions::{About, BOX, Cursor, Decision, Fate, GLANCE, KEPT, News, Page as Newest, TEXT};
pub use histogram::{BOUNDS, Durations};
pub use history::{MEMORY as HISTORY_MEMORY, STEP, STEPS, Step, Steps};
pub use live::{AtTarget, Connection, Filter, MEMORY, Opening, Page, Registered, Relayed, TICK};
pub use route::Route;
pub use targets::{Dialled, MEMORY as TARGET_MEMORY, OpenAtTarget, TargetFigures, Timing};
pub use top::{ENTRIES, MEMORY as TOP_MEMORY, Ranked, Top, WINDOW};

use crate::cause::Failure;
use crate::io::clock;
use crate::log::Subject;
use crate::reason::Reason;
use decisions::{Decisions, Made, Outbox};
use live::Shard;

/// Nanoseconds in a step of the clock that times answers, as a power of two.
const TICK_BITS: u32 = 13;

/// A moment: nanoseconds since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// The statistics of one worker, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker {
    counters: Counters,
    outbox: Mutex<Outbox>,
    live: Mutex<Shard>,
    busy: top::Busy,
    targets: targets::Tallies,
}

/// All statistics.
#[derive(Debug)]
pub struct Stats {
    workers: Box<[Worker]>,
    /// Used for a number that belongs to no worker.
    unknown: Worker,
    decisions: Decisions,
    /// Held while decisions are moved from all boxes into the rings. So only one thread does it at a time.
    gathering: Mutex<()>,
    /// Whether decisions are kept (`admin.decisions`).
    keeps: AtomicBool,
    history: history::History,
    /// How many addresses were listed, by the last reason. Workers share it, because it changes seldom.
    listed: [AtomicU64; Reason::ALL.len()],
    started: Instant,
    /// The time of the start, for people.
    since: SystemTime,
    /// The time of the start, in nanoseconds since 1970.
    began: u64,
    /// Seconds since the start, as of the last [`Stats::tick`].
    seconds: AtomicU32,
}

impl Stats {
    /// Statistics for `count` workers.
    pub fn of_workers(count: u16) -> Self {
        let since = SystemTime::now();
        let began = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        Self {
            workers: (0..count).map(|_| Worker::default()).collect(),
            unknown: Worker::default(),
            decisions: Decisions::default(),
            gathering: Mutex::default(),
            keeps: AtomicBool::new(true),
            history: history::History::default(),
            listed: std::array::from_fn(|_| AtomicU64::new(0)),
            started: Instant::now(),
            since,
            began,
            seconds: AtomicU32::new(0),
        }
    }

    fn at(&self, worker: u16) -> &Worker {
        self.workers.get(usize::from(worker)).unwrap_or(&self.unknown)
    }

    fn workers(&self) -> impl Iterator<Item = u16> {
        (0..=u16::MAX).take(self.workers.len() + 1)
    }

    fn shard(&self, worker: u16) -> MutexGuard<'_, Shard> {
        self.at(worker).live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outbox(&self, worker: u16) -> MutexGuard<'_, Outbox> {
        self.at(worker).outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters of the worker with this number. Only this worker may write them.
    pub fn worker(&self, number: u16) -> &Counters {
        &self.at(number).counters
    }

    /// The sum of the counters of all workers.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers().for_each(|worker| totals.add(self.worker(worker)));
        totals
    }

    /// Counts an address that was listed. `reason` is the last of its reasons.
    pub fn listed(&self, reason: Reason) {
        if let Some(count) = self.listed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many addresses were listed for this reason.
    pub fn count_listed(&self, reason: Reason) -> u64 {
        self.listed.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Counts and keeps a decision, which was made at `now`. Only the worker with this number may call it.
    #[inline]
    pub fn decide(&self, worker: u16, about: About, subject: Subject<'_>, made: (Fate, Moment)) {
        self.decide_over(worker, about, subject, (made.0, made.1, &[]));
    }

    /// The same, with the failures of a target.
    #[inline]
    pub fn decide_over(
        &self,
        worker: u16,
        about: About,
        subject: Subject<'_>,
        (fate, now, failures): (Fate, Moment, &[Failure]),
    ) {
        let counters = self.worker(worker);
        match fate {
            Fate::Rejected { reason, .. } => counters.rejected(about.service, reason),
            _ => counters.decided(about.service, fate.kind()),
        }
        if !self.keeps_decisions() {
            return;
        }
        let at = self.began + now.0;
        let mut outbox = self.outbox(worker);
        // This is asked again, because boxes are emptied after the setting has changed.
        if self.keeps_decisions() && outbox.write(about, subject, Made { fate, at, failures }) {
            self.decisions.take(&mut outbox);
        }
    }

    /// Whether decisions are kept. Otherwise they are only counted.
    pub fn keeps_decisions(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// Sets whether decisions are kept. If they are not, the kept ones are forgotten.
    pub fn keep_decisions(&self, wanted: bool) {
        let before = self.keeps.swap(wanted, Ordering::Relaxed);
        if before && !wanted {
            self.workers().for_each(|worker| self.outbox(worker).clear());
            self.decisions.clear();
        }
    }

    /// Lets readers see all decisions that were made until now.
    ///
    /// Decisions in the boxes of several workers are put in the order of time. [`Stats::tick`] does this every second.
    /// So no decision is out of order by more than that.
    pub fn gather(&self) {
        // Another reader must not see the boxes empty before their contents are in the rings.
        let _one_at_a_time = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = Vec::new();
        self.workers().for_each(|worker| self.outbox(worker).move_to(&mut waiting));
        waiting.sort_by_key(|decision| decision.at);
        self.decisions.put(&waiting);
    }

    /// The newest decisions that `wanted` accepts and that are older than `before`, at most `limit`.
    pub fn newest(&self, wanted: impl Fn(&Decision) -> bool, before: Option<Cursor>, limit: usize) -> Newest {
        self.gather();
        self.decisions.newest(wanted, before, limit)
    }

    /// The start of a new follower: it gets the decisions from now on.
    pub fn follow(&self) -> Cursor {
        self.gather();
        self.decisions.now()
    }

    /// At most `limit` decisions that the follower has not seen yet. It comes again after [`GLANCE`], or at once if
    /// there are more.
    pub fn news(&self, follower: &mut Cursor, limit: usize) -> News {
        self.gather();
        self.decisions.news(follower, limit)
    }

    /// Advances the clock of the table. One thread must call this every [`TICK`].
    pub fn tick(&self) {
        let seconds = u32::try_from(self.uptime().as_secs()).unwrap_or(u32::MAX);
        self.seconds.store(seconds, Ordering::Relaxed);
        self.gather();
    }

    /// Seconds since the start, as of the last tick.
    fn seconds(&self) -> u32 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// The time since the start in steps of 8.192 microseconds. It wraps around after ten hours.
    fn ticks(now: Moment) -> u32 {
        (now.0 >> TICK_BITS) as u32
    }

    /// The present moment.
    #[inline]
    pub fn now(&self) -> Moment {
        Moment(clock::now().saturating_duration_since(self.started).as_nanos() as u64)
    }

    /// How long ago Portward was started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// When Portward was started.
    pub fn since(&self) -> SystemTime {
        self.since
    }
}

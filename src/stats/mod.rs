//! What Portward knows of its own work (contract section 8): counters, live connections, the newest decisions.
//!
//! | room | what is in it |
//! |---|---|
//! | `counters` | a block of numbers a worker, which a reader adds up |
//! | `histogram` | durations in fixed buckets |
//! | `live`, `route` | the table of live connections, and where each leads |
//! | `decisions` | the newest decisions, and followers of them |
//! | `history` | an hour of the counters in steps |
//! | `targets` | what is known of each address of a target |
//! | `top` | the busiest hosts and clients of the last minutes |
//!
//! Everything is fed from one place in `conn`, where endings and decisions are written, and from `upstream`, which opens
//! connections to targets. It decides nothing, and no worker waits for a reader for longer than it takes to copy a few
//! entries.

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
use crate::log::Subject;
use crate::reason::Reason;
use decisions::{Decisions, Made, Outbox};
use live::Shard;

/// Nanoseconds in a step of the clock that times answers, as a power of two.
const TICK_BITS: u32 = 13;

/// A moment: nanoseconds since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// What belongs to one worker: on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Worker {
    counters: Counters,
    outbox: Mutex<Outbox>,
    live: Mutex<Shard>,
    busy: top::Busy,
    targets: targets::Tallies,
}

/// All of it.
#[derive(Debug)]
pub struct Stats {
    workers: Box<[Worker]>,
    /// Used when a number names no worker.
    unknown: Worker,
    decisions: Decisions,
    /// Held while decisions are moved from all boxes into the rings, so that one thread does it at a time.
    gathering: Mutex<()>,
    /// Whether decisions are kept (`admin.decisions`).
    keeps: AtomicBool,
    history: history::History,
    /// Addresses that were listed, by the last reason. Seldom, so that workers may share it.
    listed: [AtomicU64; Reason::ALL.len()],
    started: Instant,
    /// When, for people.
    since: SystemTime,
    /// The same in nanoseconds since 1970.
    began: u64,
    /// Seconds since then, as [`Stats::tick`] has last found them.
    seconds: AtomicU32,
}

impl Stats {
    /// For so many workers.
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

    /// The counters of the worker of this number, for this worker alone.
    pub fn worker(&self, number: u16) -> &Counters {
        &self.at(number).counters
    }

    /// What all workers have counted.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.workers().for_each(|worker| totals.add(self.worker(worker)));
        totals
    }

    /// An address was listed, for this reason at the last.
    pub fn listed(&self, reason: Reason) {
        if let Some(count) = self.listed.get(reason as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many addresses were listed for this reason.
    pub fn count_listed(&self, reason: Reason) -> u64 {
        self.listed.get(reason as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// A decision of the worker of this number, by this worker alone: counts it, and keeps it. It fell at `now`.
    #[inline]
    pub fn decide(&self, worker: u16, about: About, subject: Subject<'_>, made: (Fate, Moment)) {
        self.decide_over(worker, about, subject, (made.0, made.1, &[]));
    }

    /// The same, with what of a target has failed.
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
            _ => counters.decided(about.service, fate.verdict()),
        }
        if !self.keeps_decisions() {
            return;
        }
        let at = self.began + now.0;
        let mut outbox = self.outbox(worker);
        // Again, because boxes are emptied after this has changed.
        if self.keeps_decisions() && outbox.write(about, subject, Made { fate, at, failures }) {
            self.decisions.take(&mut outbox);
        }
    }

    /// Whether decisions are kept. Otherwise they are counted alone.
    pub fn keeps_decisions(&self) -> bool {
        self.keeps.load(Ordering::Relaxed)
    }

    /// Whether decisions are kept from now on. If not, those that were kept are forgotten.
    pub fn keep_decisions(&self, wanted: bool) {
        let before = self.keeps.swap(wanted, Ordering::Relaxed);
        if before && !wanted {
            self.workers().for_each(|worker| self.outbox(worker).clear());
            self.decisions.clear();
        }
    }

    /// Has readers see everything that was decided until now.
    ///
    /// What waits in the boxes of several workers is put in the order of time. [`Stats::tick`] does this each second, so that
    /// no decision is out of this order by more.
    pub fn gather(&self) {
        // Another reader must not find the boxes empty and the rings without what was in them.
        let _one_at_a_time = self.gathering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting = Vec::new();
        self.workers().for_each(|worker| self.outbox(worker).move_to(&mut waiting));
        waiting.sort_by_key(|decision| decision.at);
        self.decisions.put(&waiting);
    }

    /// The newest decisions that `wanted` lets through, those that are older than `before`; at most `limit`.
    pub fn newest(&self, wanted: impl Fn(&Decision) -> bool, before: Option<Cursor>, limit: usize) -> Newest {
        self.gather();
        self.decisions.newest(wanted, before, limit)
    }

    /// Where a follower of decisions begins: with what comes from now on.
    pub fn follow(&self) -> Cursor {
        self.gather();
        self.decisions.now()
    }

    /// What a follower has not seen yet, at most `limit`. It comes again after [`GLANCE`], or at once if there is more.
    pub fn news(&self, follower: &mut Cursor, limit: usize) -> News {
        self.gather();
        self.decisions.news(follower, limit)
    }

    /// Moves the clock of the table on. To be called every [`TICK`], by one thread.
    pub fn tick(&self) {
        let seconds = u32::try_from(self.uptime().as_secs()).unwrap_or(u32::MAX);
        self.seconds.store(seconds, Ordering::Relaxed);
        self.gather();
    }

    /// Seconds since the start, to the last tick.
    fn seconds(&self) -> u32 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// The time since the start in steps of 8.192 microseconds; it begins anew after ten hours.
    fn ticks(now: Moment) -> u32 {
        (now.0 >> TICK_BITS) as u32
    }

    /// The moment.
    #[inline]
    pub fn now(&self) -> Moment {
        Moment(self.started.elapsed().as_nanos() as u64)
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

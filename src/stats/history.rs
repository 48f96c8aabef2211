//! An hour of the counters, in steps of ten seconds, by service and outcome (contract section 8, `/v1/history`).
//!
//! One thread samples the counters of all workers ([`Stats::sample`]) and keeps the differences. Workers and requests
//! know nothing of it. If no sample falls into a step, because the machine slept, the step is empty. Its counts are
//! then in the step of the next sample.
//!
//! The steps take at most [`MEMORY`] octets. The memory is allocated as the hour passes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{DecisionKind, Direction, Stats, Totals};
use crate::reason::Reason;
use crate::service::{Carrier, PerService, Service};

/// The length of a step.
pub const STEP: Duration = Duration::from_secs(10);
/// How many steps are kept: an hour.
pub const STEPS: usize = 360;
/// The most memory that the steps take, in octets.
pub const MEMORY: usize = STEPS * size_of::<Step>();

const _: () = assert!(MEMORY <= 128 * 1024);

/// The events of one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Step {
    services: PerService<OfService>,
    rejected: [u32; Reason::ALL.len()],
}

/// The events of one service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OfService {
    opened: u32,
    open: u32,
    decisions: [u32; DecisionKind::ALL.len()],
    bytes: [u64; 2],
}

fn difference(now: u64, before: u64) -> u32 {
    u32::try_from(now.saturating_sub(before)).unwrap_or(u32::MAX)
}

impl Step {
    fn between(before: &Totals, now: &Totals) -> Self {
        let mut step = Self::default();
        for service in Service::ALL {
            let carriers = |of: &dyn Fn(Carrier) -> u64| Carrier::ALL.into_iter().map(of).sum::<u64>();
            let into = &mut step.services[service];
            into.opened = difference(
                carriers(&|carrier| now.connections(service, carrier)),
                carriers(&|carrier| before.connections(service, carrier)),
            );
            into.open = difference(carriers(&|carrier| now.open(service, carrier)), 0);
            into.decisions = DecisionKind::ALL
                .map(|kind| difference(now.decisions(service, kind), before.decisions(service, kind)));
            into.bytes = Direction::ALL.map(|direction| {
                now.bytes(service, direction).saturating_sub(before.bytes(service, direction))
            });
        }
        let all = |totals: &Totals, reason| {
            Service::ALL.into_iter().map(|service| totals.rejected(service, reason)).sum()
        };
        step.rejected = Reason::ALL.map(|reason| difference(all(now, reason), all(before, reason)));
        step
    }

    /// Connections that were accepted.
    pub fn opened(&self, service: Service) -> u32 {
        self.services[service].opened
    }

    /// Connections that were open at the end of the step.
    pub fn open(&self, service: Service) -> u32 {
        self.services[service].open
    }

    /// Decisions.
    pub fn decisions(&self, service: Service, kind: DecisionKind) -> u32 {
        self.services[service].decisions.get(kind as usize).copied().unwrap_or_default()
    }

    /// Octets that were sent to one side.
    pub fn bytes(&self, service: Service, direction: Direction) -> u64 {
        self.services[service].bytes.get(direction as usize).copied().unwrap_or_default()
    }

    /// Refusals of all services.
    pub fn rejected(&self, reason: Reason) -> u32 {
        self.rejected.get(reason as usize).copied().unwrap_or_default()
    }
}

/// The steps, and the counters at the end of the last one.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    steps: VecDeque<Step>,
    /// The number of the running step, counted from the start.
    current: u64,
    totals: Totals,
}

/// Consecutive steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// The steps, the oldest first.
    pub steps: Vec<Step>,
    /// The number of the first step. Numbers count from the start of Portward.
    pub first: u64,
    /// When the first step began.
    pub start: SystemTime,
}

impl Kept {
    fn sample(&mut self, uptime: Duration, totals: Totals) {
        let now = uptime.as_secs() / STEP.as_secs();
        if now <= self.current {
            return;
        }
        // Missed steps from before the last hour are not made.
        let missed = (now - self.current - 1).min(STEPS as u64);
        for _ in 0..missed {
            let empty = Step::between(&self.totals, &self.totals);
            self.put(empty);
        }
        let step = Step::between(&self.totals, &totals);
        self.put(step);
        (self.current, self.totals) = (now, totals);
    }

    fn put(&mut self, step: Step) {
        if self.steps.len() >= STEPS {
            self.steps.pop_front();
        }
        if self.steps.len() == self.steps.capacity() {
            // A queue that grows by itself would allocate more than its limit.
            self.steps.reserve_exact(STEPS / 12);
        }
        self.steps.push_back(step);
    }
}

impl History {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stats {
    /// Ends the running step if its time is over. One thread must call this at least every second.
    pub fn sample(&self) {
        let uptime = self.uptime();
        if uptime.as_secs() / STEP.as_secs() > self.history.lock().current {
            let totals = self.totals();
            self.history.lock().sample(uptime, totals);
        }
    }

    /// At most `limit` ended steps, from the number `from` on. Their times are computed from the present clock, so it
    /// does not matter if the clock was set in between.
    pub fn steps(&self, from: u64, limit: usize) -> Steps {
        let kept = self.history.lock();
        let oldest = kept.current - kept.steps.len() as u64;
        let first = from.clamp(oldest, kept.current);
        let skipped = usize::try_from(first - oldest).unwrap_or(usize::MAX);
        let steps = kept.steps.iter().skip(skipped).take(limit).copied().collect();
        drop(kept);
        let begun = Duration::from_secs(first * STEP.as_secs());
        let start = SystemTime::now() - self.uptime().saturating_sub(begun);
        Steps { steps, first, start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(requests: u64) -> Totals {
        let stats = Stats::of_workers(1);
        let counters = stats.worker(0);
        for _ in 0..requests {
            counters.opened(Service::Http, Carrier::Tls);
            counters.decided(Service::Http, DecisionKind::Forwarded);
            counters.rejected(Service::Sip, Reason::NoPath);
            counters.moved(Service::Http, Direction::Down, 1_000);
        }
        stats.totals()
    }

    #[test]
    fn a_step_has_what_was_counted_since_the_one_before() {
        let mut kept = Kept::default();
        kept.sample(Duration::from_secs(9), totals(1));
        assert!(kept.steps.is_empty(), "the first step is not over");
        kept.sample(Duration::from_secs(10), totals(2));
        kept.sample(Duration::from_secs(21), totals(5));
        kept.sample(Duration::from_secs(29), totals(9));
        let opened: Vec<_> = kept.steps.iter().map(|step| step.opened(Service::Http)).collect();
        assert_eq!(opened, [2, 3]);
        let step = kept.steps[1];
        assert_eq!(step.decisions(Service::Http, DecisionKind::Forwarded), 3);
        assert_eq!(step.decisions(Service::Sip, DecisionKind::Rejected), 3);
        assert_eq!(step.decisions(Service::Http, DecisionKind::Rejected), 0);
        assert_eq!((step.rejected(Reason::NoPath), step.rejected(Reason::Limit)), (3, 0));
        assert_eq!(step.bytes(Service::Http, Direction::Down), 3_000);
        assert_eq!((step.open(Service::Http), step.open(Service::Ldap)), (5, 0));
    }

    #[test]
    fn an_hour_is_kept_and_steps_without_a_sample_are_empty() {
        let mut kept = Kept::default();
        kept.sample(Duration::from_secs(40), totals(7));
        let opened: Vec<_> = kept.steps.iter().map(|step| step.opened(Service::Http)).collect();
        assert_eq!((kept.current, opened), (4, vec![0, 0, 0, 7]));
        for number in 5..1_000 {
            kept.sample(Duration::from_secs(number * 10), totals(7));
        }
        assert_eq!((kept.steps.len(), kept.steps.capacity()), (STEPS, STEPS));
        // The machine slept for a year.
        kept.sample(Duration::from_secs(31_536_000), totals(8));
        assert_eq!(kept.steps.len(), STEPS);
        assert_eq!(kept.steps.back().map(|step| step.opened(Service::Http)), Some(1));
    }

    #[test]
    fn a_reader_gets_the_steps_that_it_has_not_seen() {
        let stats = Stats::of_workers(1);
        for number in 1..=5 {
            stats.history.lock().sample(Duration::from_secs(number * 10), totals(number));
        }
        let all = stats.steps(0, STEPS);
        assert_eq!((all.first, all.steps.len()), (0, 5));
        assert_eq!(stats.steps(3, STEPS).steps, all.steps[3..]);
        assert_eq!((stats.steps(3, 1).first, stats.steps(3, 1).steps.len()), (3, 1));
        for beyond in [5, 6, u64::MAX] {
            assert_eq!((stats.steps(beyond, STEPS).first, stats.steps(beyond, STEPS).steps.len()), (5, 0));
        }
    }
}

//! The two rings, and those who read them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Decision, KEPT, Outbox};

/// How many are looked at while the rings are locked.
const PIECE: u64 = 64;
/// By how many places a ring grows.
const STEP: usize = 250;

/// The newest decisions of one kind. Each has a number; those that are gone are known by their numbers.
#[derive(Debug, Default)]
struct Ring {
    kept: Vec<Decision>,
    /// The number of the next one.
    next: u64,
}

impl Ring {
    fn put(&mut self, decision: &Decision) {
        let at = usize::try_from(self.next % KEPT as u64).unwrap_or_default();
        match self.kept.get_mut(at) {
            Some(place) => *place = *decision,
            None => {
                if self.kept.len() == self.kept.capacity() {
                    self.kept.reserve_exact(STEP);
                }
                self.kept.push(*decision);
            }
        }
        self.next += 1;
    }

    /// The number of the oldest one.
    fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Decision> {
        let is_there = (self.first()..self.next).contains(&number);
        self.kept.get(usize::try_from(number % KEPT as u64).ok()?).filter(|_| is_there)
    }
}

/// Refused ones, and others.
#[derive(Debug, Default)]
struct Rings([Ring; 2]);

/// The newest decisions of all workers.
#[derive(Debug, Default)]
pub(in crate::stats) struct Decisions(Mutex<Rings>);

/// A place in both rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor([u64; 2]);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([refused, others]) = self;
        write!(f, "{refused}-{others}")
    }
}

impl Cursor {
    /// The cursor that was shown so.
    pub fn parse(text: &str) -> Option<Self> {
        let (refused, others) = text.split_once('-')?;
        Some(Self([refused.parse().ok()?, others.parse().ok()?]))
    }
}

/// Some decisions.
#[derive(Debug, Default)]
pub struct Page {
    /// These, the newest first.
    pub decisions: Vec<Decision>,
    /// Where older ones begin, if there may be some.
    pub next: Option<Cursor>,
}

/// What has come since a follower read last.
#[derive(Debug, Default)]
pub struct News {
    /// These, the oldest first.
    pub decisions: Vec<Decision>,
    /// So many before them are gone.
    pub missed: u64,
    /// There are more already.
    pub more: bool,
}

impl Decisions {
    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what is in a worker's box into the rings.
    pub(in crate::stats) fn take(&self, outbox: &mut Outbox) {
        self.put(outbox.waiting.get(..outbox.count).unwrap_or_default());
        outbox.count = 0;
    }

    /// Puts decisions into the rings, the oldest first.
    pub(in crate::stats) fn put(&self, decisions: &[Decision]) {
        if decisions.is_empty() {
            return;
        }
        let mut rings = self.lock();
        let Rings([refused, others]) = &mut *rings;
        for decision in decisions {
            if decision.is_refusal() { &mut *refused } else { &mut *others }.put(decision);
        }
    }

    /// Forgets everything, and gives its memory back.
    pub(in crate::stats) fn clear(&self) {
        for ring in &mut self.lock().0 {
            ring.kept = Vec::new();
            // No number comes again, and the next one has the first place.
            ring.next = ring.next.next_multiple_of(KEPT as u64);
        }
    }

    /// Where a follower begins: with what comes from now on.
    pub(in crate::stats) fn now(&self) -> Cursor {
        Cursor(self.lock().0.each_ref().map(|ring| ring.next))
    }

    /// What has come since `cursor`, at most `limit`.
    pub(in crate::stats) fn news(&self, cursor: &mut Cursor, limit: usize) -> News {
        let mut news = News::default();
        let mut left = limit as u64;
        for (kind, at) in cursor.0.iter_mut().enumerate() {
            loop {
                let rings = self.lock();
                let Some(ring) = rings.0.get(kind) else { break };
                // A cursor of another run may be beyond what there is.
                *at = (*at).min(ring.next);
                let first = ring.first().max(*at);
                news.missed += first - *at;
                let end = ring.next.min(first + PIECE.min(left));
                news.decisions.extend((first..end).filter_map(|number| ring.get(number)));
                (*at, left) = (end, left - (end - first));
                if end == ring.next || left == 0 {
                    news.more |= end < ring.next;
                    break;
                }
            }
        }
        news.decisions.sort_by_key(|decision| decision.at);
        news
    }

    /// The newest ones that `wanted` lets through, those that are older than `before`; at most `limit`.
    pub(in crate::stats) fn newest(
        &self,
        wanted: impl Fn(&Decision) -> bool,
        before: Option<Cursor>,
        limit: usize,
    ) -> Page {
        let mut page = Page::default();
        let Cursor(mut at) = before.unwrap_or_else(|| self.now());
        'pieces: loop {
            let rings = self.lock();
            let Rings([refused, others]) = &*rings;
            for _ in 0..PIECE {
                let [r, o] = at.map(|number| number.checked_sub(1));
                let [r, o] = [r.and_then(|at| refused.get(at)), o.and_then(|at| others.get(at))];
                let (decision, kind) = match (r, o) {
                    (Some(r), Some(o)) if r.at > o.at => (r, &mut at[0]),
                    (_, Some(o)) => (o, &mut at[1]),
                    (Some(r), None) => (r, &mut at[0]),
                    (None, None) => break 'pieces,
                };
                if wanted(decision) {
                    if page.decisions.len() >= limit {
                        page.next = Some(Cursor(at));
                        break 'pieces;
                    }
                    page.decisions.push(*decision);
                }
                *kind -= 1;
            }
        }
        page.decisions.sort_by_key(|decision| std::cmp::Reverse(decision.at));
        page
    }
}

//! The two rings of decisions, and their readers.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Decision, KEPT, Outbox};

/// How many decisions are read while the rings are locked.
const PIECE: u64 = 64;
/// By how many places a ring grows.
const STEP: usize = 250;

/// The newest decisions of one kind. Each has a number. A number below the oldest one's shows that its decision is
/// gone.
#[derive(Debug, Default)]
struct Ring {
    kept: Vec<Decision>,
    /// The number of the next decision.
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

    /// The number of the oldest decision.
    fn first(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    fn get(&self, number: u64) -> Option<&Decision> {
        let is_there = (self.first()..self.next).contains(&number);
        self.kept.get(usize::try_from(number % KEPT as u64).ok()?).filter(|_| is_there)
    }
}

/// The ring of refusals, and the ring of others.
#[derive(Debug, Default)]
struct Rings([Ring; 2]);

/// The newest decisions of all workers.
#[derive(Debug, Default)]
pub(in crate::stats) struct Decisions(Mutex<Rings>);

/// A position in both rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor([u64; 2]);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([refused, others]) = self;
        write!(f, "{refused}-{others}")
    }
}

impl Cursor {
    /// The cursor from its text form.
    pub fn parse(text: &str) -> Option<Self> {
        let (refused, others) = text.split_once('-')?;
        Some(Self([refused.parse().ok()?, others.parse().ok()?]))
    }
}

/// A page of decisions.
#[derive(Debug, Default)]
pub struct Page {
    /// The decisions, the newest first.
    pub decisions: Vec<Decision>,
    /// Where older decisions begin, if there may be any.
    pub next: Option<Cursor>,
}

/// The decisions since a follower's last read.
#[derive(Debug, Default)]
pub struct News {
    /// The decisions, the oldest first.
    pub decisions: Vec<Decision>,
    /// How many decisions before them are gone.
    pub missed: u64,
    /// More decisions are waiting.
    pub more: bool,
}

impl Decisions {
    fn lock(&self) -> MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the contents of a worker's box into the rings.
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

    /// Forgets all decisions and frees their memory.
    pub(in crate::stats) fn clear(&self) {
        for ring in &mut self.lock().0 {
            ring.kept = Vec::new();
            // No number is used twice. The next one takes the first place of the ring.
            ring.next = ring.next.next_multiple_of(KEPT as u64);
        }
    }

    /// The start of a new follower: it gets the decisions from now on.
    pub(in crate::stats) fn now(&self) -> Cursor {
        Cursor(self.lock().0.each_ref().map(|ring| ring.next))
    }

    /// At most `limit` decisions since `cursor`.
    pub(in crate::stats) fn news(&self, cursor: &mut Cursor, limit: usize) -> News {
        let mut news = News::default();
        let mut left = limit as u64;
        for (kind, at) in cursor.0.iter_mut().enumerate() {
            loop {
                let rings = self.lock();
                let Some(ring) = rings.0.get(kind) else { break };
                // A cursor from an earlier run may be ahead of the rings.
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

    /// The newest decisions that `wanted` accepts and that are older than `before`, at most `limit`.
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

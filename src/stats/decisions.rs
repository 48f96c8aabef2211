//! The newest decisions (SPEC section 8, `/v1/decisions`): so many refused ones, and so many others.
//!
//! A worker writes a decision into a box of its own, and moves what is in the box into the rings when it is full. So it
//! meets other workers once in [`BOX`] decisions. A reader empties all boxes first. Followers are readers that come again:
//! a worker knows nothing of them, and one that reads too seldom misses decisions and is told how many.
//!
//! All memory is bounded by [`KEPT`] and [`BOX`], and taken as it is needed. What clients have sent is kept as it came, so it
//! is to be escaped where it is shown; queries and what stands before an `@` in a Host are not kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::log::{Line, Outcome, Subject};
use crate::reason::Reason;
use crate::service::{Carrier, Service};

/// How many decisions of each kind are kept.
pub const KEPT: usize = 5_000;
/// How many bytes of text are kept of each (SPEC section 8).
pub const TEXT: usize = 256;
/// How many decisions a worker writes before it moves them into the rings.
pub const BOX: usize = 32;
/// How many are looked at while the rings are locked.
const PIECE: u64 = 64;
/// By how many places a ring grows.
const STEP: usize = 250;

/// How much of each part of an HTTP request's text is kept: host, method, path.
const HTTP: [usize; 4] = [120, 16, 255, 0];
/// The same of another service's: who is asked for, verb, user, the verdict on the certificate.
const SIGNALLING: [usize; 4] = [120, 16, 64, 255];

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It went to a target.
    Forwarded {
        /// Which.
        to: SocketAddr,
        /// The connection was opened for it.
        new: bool,
    },
    /// It was sent to the same URL by HTTPS.
    Redirected,
    /// It was an ACME challenge, and Portward answered it.
    Challenge,
    /// It was refused.
    Rejected(Reason),
}

/// What is known of whom a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The number of the connection.
    pub id: u64,
    /// The client, as far as it is believed.
    pub client: IpAddr,
    /// Its port; 0: somebody else has spoken for it.
    pub port: u16,
    /// What is spoken.
    pub service: Service,
    /// How it came.
    pub carrier: Carrier,
}

/// One decision.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// Whom it is about.
    pub about: About,
    /// What it is.
    pub fate: Fate,
    /// When: nanoseconds since 1970.
    pub at: u64,
    /// Not all of the text was kept.
    pub is_cut: bool,
    /// What kind of text this is.
    kind: Kind,
    lengths: [u8; 4],
    text: [u8; TEXT],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Http(&'static str),
    Signalling,
}

impl Decision {
    const EMPTY: Self = Self {
        about: About {
            id: 0,
            client: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            port: 0,
            service: Service::Http,
            carrier: Carrier::Tcp,
        },
        fate: Fate::Challenge,
        at: 0,
        is_cut: false,
        kind: Kind::Unknown,
        lengths: [0; 4],
        text: [0; TEXT],
    };

    fn write(&mut self, about: About, subject: Subject<'_>, fate: Fate) {
        (self.about, self.fate) = (about, fate);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at = u64::try_from(now.as_nanos()).unwrap_or_default();
        let none: &[u8] = &[];
        let (kind, parts, caps) = match subject {
            Subject::Unknown => (Kind::Unknown, [none; 4], HTTP),
            Subject::Http { host, method, target, version } => {
                let host = memchr::memrchr(b'@', host).and_then(|at| host.get(at + 1..)).unwrap_or(host);
                // The question mark stays: it says that there was a query.
                let path = memchr::memchr(b'?', target).and_then(|at| target.get(..=at)).unwrap_or(target);
                (Kind::Http(version), [host, method, path, none], HTTP)
            }
            Subject::Signalling { who, verb, name, certificate } => {
                (Kind::Signalling, [who, verb, name, certificate.as_bytes()], SIGNALLING)
            }
        };
        (self.kind, self.is_cut) = (kind, false);
        let mut room = &mut self.text[..];
        for ((part, cap), length) in parts.into_iter().zip(caps).zip(&mut self.lengths) {
            let taken = part.len().min(cap).min(room.len());
            self.is_cut |= taken < part.len();
            if let (Some(into), Some(part)) = (room.split_off_mut(..taken), part.get(..taken)) {
                into.copy_from_slice(part);
            }
            *length = u8::try_from(taken).unwrap_or_default();
        }
    }

    fn parts(&self) -> [&[u8]; 4] {
        let mut rest = &self.text[..];
        self.lengths.map(|length| rest.split_off(..usize::from(length)).unwrap_or_default())
    }

    /// What was asked for, as far as it is kept.
    pub fn subject(&self) -> Subject<'_> {
        let [one, two, three, four] = self.parts();
        match self.kind {
            Kind::Unknown => Subject::Unknown,
            Kind::Http(version) => Subject::Http { host: one, method: two, target: three, version },
            Kind::Signalling => {
                let certificate = str::from_utf8(four).unwrap_or_default();
                Subject::Signalling { who: one, verb: two, name: three, certificate }
            }
        }
    }

    /// The same as a line of the log.
    pub fn line(&self) -> Line<'_> {
        let About { id, client, service, carrier, .. } = self.about;
        let outcome = match self.fate {
            Fate::Forwarded { to, new } => Outcome::Forwarded { to, new },
            Fate::Redirected => Outcome::Redirected("https".to_owned()),
            Fate::Challenge => Outcome::Challenge,
            Fate::Rejected(reason) => Outcome::Rejected(reason),
        };
        Line { id, client, service, carrier, subject: self.subject(), outcome }
    }

    const fn is_refusal(&self) -> bool {
        matches!(self.fate, Fate::Rejected(_))
    }
}

/// What one worker has decided and not moved yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Box<[Decision]>,
    count: usize,
}

impl Outbox {
    /// Writes a decision. True: the box is full, and [`Decisions::take`] is to empty it.
    pub(super) fn write(&mut self, about: About, subject: Subject<'_>, fate: Fate) -> bool {
        if self.waiting.is_empty() {
            self.waiting = vec![Decision::EMPTY; BOX].into();
        }
        if let Some(place) = self.waiting.get_mut(self.count) {
            place.write(about, subject, fate);
            self.count += 1;
        }
        self.count >= BOX
    }
}

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
pub(super) struct Rings([Ring; 2]);

/// The newest decisions of all workers.
#[derive(Debug, Default)]
pub(super) struct Decisions(Mutex<Rings>);

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
    pub(super) fn take(&self, outbox: &mut Outbox) {
        if outbox.count == 0 {
            return;
        }
        let mut rings = self.lock();
        let Rings([refused, others]) = &mut *rings;
        for decision in outbox.waiting.iter().take(outbox.count) {
            if decision.is_refusal() { &mut *refused } else { &mut *others }.put(decision);
        }
        outbox.count = 0;
    }

    /// Where a follower begins: with what comes from now on.
    pub(super) fn now(&self) -> Cursor {
        Cursor(self.lock().0.each_ref().map(|ring| ring.next))
    }

    /// What has come since `cursor`, at most `limit`.
    pub(super) fn news(&self, cursor: &mut Cursor, limit: usize) -> News {
        let mut news = News::default();
        let mut left = limit as u64;
        for (kind, at) in cursor.0.iter_mut().enumerate() {
            loop {
                let rings = self.lock();
                let Some(ring) = rings.0.get(kind) else { break };
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
    pub(super) fn newest(
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

/// How often a follower may look for news without being a burden.
pub const GLANCE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;

//! The newest decisions (contract section 8, `/v1/decisions`): so many refused ones, and so many others.
//!
//! A worker writes a decision into a box of its own, and moves what is in the box into the rings when it is full. So it
//! meets other workers once in [`BOX`] decisions. A reader empties all boxes first. Followers are readers that come again:
//! a worker knows nothing of them, and one that reads too seldom misses decisions and is told how many.
//!
//! All memory is bounded by [`KEPT`] and [`BOX`], and taken as it is needed. What clients have sent is kept as it came, so it
//! is to be escaped where it is shown; queries and what stands before an `@` in a Host are not kept.

mod failed;
mod ring;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use failed::{decode, encode};
pub(super) use ring::Decisions;
pub use ring::{Cursor, News, Page};

use super::DecisionKind;
use crate::cause::{Cause, Failure};
use crate::log::{Line, Outcome, Subject};
use crate::reason::Reason;
use crate::service::{Carrier, Service};

/// How many decisions of each kind are kept.
pub const KEPT: usize = 5_000;
/// How many bytes of text are kept of each (contract section 8).
pub const TEXT: usize = 256;
/// How many decisions a worker writes before it moves them into the rings.
pub const BOX: usize = 32;

/// How much is kept of a host, or of who is asked for.
const HOST: usize = 120;
/// How much is kept of a method or a verb.
const VERB: usize = 16;
/// How much is kept of a user.
const USER: usize = 64;
/// How much is kept of a path, or of the verdict on a certificate, if there is room.
const REST: usize = 255;

/// How much is kept of what has failed.
const ROOM: usize = 120;
/// The parts of a text. The last one, of which [`FAILED`] is the number, stands before the others.
const PARTS: usize = 5;
const FAILED: usize = 4;

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
    /// It came without the login that its path demands, and was asked for it.
    AskedToLogIn,
    /// It opened a WebSocket with SIP in it, which ends at Portward.
    WebSocket,
    /// Portward answered it, where credentials are exchanged.
    Exchanged,
    /// It was refused.
    Rejected {
        /// Why.
        reason: Reason,
        /// What lies behind the reason, where that is known.
        cause: Option<Cause>,
    },
}

/// A decision as it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    /// What it is.
    pub(super) fate: Fate,
    /// When: nanoseconds since 1970.
    pub(super) at: u64,
    /// What of a target has failed.
    pub(super) failures: &'a [Failure],
}

impl Fate {
    /// By which it is counted.
    pub const fn verdict(self) -> DecisionKind {
        match self {
            Self::Forwarded { .. } => DecisionKind::Forwarded,
            Self::Redirected => DecisionKind::Redirected,
            Self::Challenge => DecisionKind::Challenge,
            Self::AskedToLogIn => DecisionKind::Login,
            Self::WebSocket => DecisionKind::WebSocket,
            Self::Exchanged => DecisionKind::Exchange,
            Self::Rejected { .. } => DecisionKind::Rejected,
        }
    }

    /// Why it was refused.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Rejected { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Where it went.
    pub const fn target(self) -> Option<SocketAddr> {
        match self {
            Self::Forwarded { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// What is known of whom a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The number of the connection.
    pub id: u64,
    /// The client, as far as it is believed.
    pub client: IpAddr,
    /// Its port; 0: a load balancer has named the client, so its port is not known.
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
    /// The parts of which not all was kept, a bit each.
    cut: u8,
    /// A user and a password before the Host were not kept.
    lacks_userinfo: bool,
    /// What kind of text this is.
    kind: Kind,
    /// Why the client's certificate proves nothing of the name.
    unproven: Option<Cause>,
    lengths: [u8; PARTS],
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
        cut: 0,
        lacks_userinfo: false,
        kind: Kind::Unknown,
        unproven: None,
        lengths: [0; PARTS],
        text: [0; TEXT],
    };

    fn write(&mut self, about: About, subject: Subject<'_>, made: Made<'_>) {
        (self.about, self.fate, self.at) = (about, made.fate, made.at);
        (self.lengths, self.cut, self.unproven) = ([0; PARTS], 0, None);
        self.lacks_userinfo = false;
        let begin = if made.failures.is_empty() { 0 } else { self.put_failures(made.failures) };
        match subject {
            Subject::Unknown => self.kind = Kind::Unknown,
            Subject::Http { host, method, target, version, user } => {
                self.kind = Kind::Http(version);
                // A host with a user before it is always refused.
                let before = self.is_refusal().then(|| memchr::memrchr(b'@', host)).flatten();
                let named = before.and_then(|at| host.get(at + 1..));
                self.lacks_userinfo = named.is_some();
                let host = named.unwrap_or(host);
                // The question mark stays: it says that there was a query.
                let path = target.iter().position(|octet| *octet == b'?');
                let path = path.and_then(|at| target.get(..=at)).unwrap_or(target);
                let at = self.put(begin, (0, host, HOST));
                let at = self.put(at, (1, method, VERB));
                // A long path takes no room from the user.
                let at = self.put(at, (2, path, REST - user.len().min(USER)));
                self.put(at, (3, user, USER));
            }
            Subject::Signalling { who, verb, name, certificate, unproven } => {
                (self.kind, self.unproven) = (Kind::Signalling, unproven);
                let at = self.put(begin, (0, who, HOST));
                let at = self.put(at, (1, verb, VERB));
                let at = self.put(at, (2, name, USER));
                self.put(at, (3, certificate.as_bytes(), REST));
            }
        }
    }

    /// Keeps a part of the text, at most `cap` of it, from `at` on; where the next part begins.
    #[inline]
    fn put(&mut self, at: usize, (number, part, cap): (usize, &[u8], usize)) -> usize {
        let taken = part.len().min(cap).min(TEXT - at.min(TEXT));
        self.cut |= u8::from(taken < part.len()) << number;
        if let (Some(into), Some(part)) = (self.text.get_mut(at..at + taken), part.get(..taken)) {
            into.copy_from_slice(part);
        }
        if let Some(length) = self.lengths.get_mut(number) {
            *length = taken as u8;
        }
        at + taken
    }

    /// Keeps what of a target has failed, before everything else, so that no long path takes the room; where the next part
    /// begins.
    #[cold]
    fn put_failures(&mut self, failures: &[Failure]) -> usize {
        let mut octets = Vec::new();
        for failure in failures {
            let kept = octets.len();
            encode(failure, &mut octets);
            if octets.len() > ROOM {
                octets.truncate(kept);
                self.cut |= 1 << FAILED;
                break;
            }
        }
        self.put(0, (FAILED, &octets, ROOM))
    }

    /// What of the target has failed, as far as it is kept.
    pub fn failures(&self) -> Vec<Failure> {
        let mut octets = self.text.get(..self.length(FAILED)).unwrap_or_default();
        std::iter::from_fn(|| decode(&mut octets)).collect()
    }

    /// Not all of the text was kept.
    pub const fn is_cut(&self) -> bool {
        self.cut != 0
    }

    /// All of what was asked for was kept: a Host, a method and a path; or who is asked for, a verb and a name.
    pub const fn is_whole(&self) -> bool {
        self.cut & 0b111 == 0 && !self.lacks_userinfo
    }

    fn length(&self, part: usize) -> usize {
        self.lengths.get(part).copied().map(usize::from).unwrap_or_default()
    }

    fn parts(&self) -> [&[u8]; FAILED] {
        let mut rest = self.text.get(self.length(FAILED)..).unwrap_or_default();
        std::array::from_fn(|part| rest.split_off(..self.length(part)).unwrap_or_default())
    }

    /// What was asked for, as far as it is kept.
    pub fn subject(&self) -> Subject<'_> {
        let [one, two, three, four] = self.parts();
        match self.kind {
            Kind::Unknown => Subject::Unknown,
            Kind::Http(version) => {
                Subject::Http { host: one, method: two, target: three, version, user: four }
            }
            Kind::Signalling => {
                let certificate = str::from_utf8(four).unwrap_or_default();
                let unproven = self.unproven;
                Subject::Signalling { who: one, verb: two, name: three, certificate, unproven }
            }
        }
    }

    /// The same as a line of the log; `failures` are [`Self::failures`].
    pub fn line<'a>(&'a self, failures: &'a [Failure]) -> Line<'a> {
        let About { id, client, port, service, carrier } = self.about;
        let outcome = match self.fate {
            Fate::Forwarded { to, new } => Outcome::Forwarded { to, new },
            Fate::Redirected => Outcome::Redirected("https".to_owned()),
            Fate::Challenge => Outcome::Challenge,
            Fate::AskedToLogIn => Outcome::AskedToLogIn,
            Fate::WebSocket => Outcome::WebSocket,
            Fate::Exchanged => Outcome::Exchanged,
            Fate::Rejected { reason, cause } => Outcome::Rejected { reason, cause, failures },
        };
        Line { id, client, port, service, carrier, subject: self.subject(), outcome }
    }

    const fn is_refusal(&self) -> bool {
        matches!(self.fate, Fate::Rejected { .. })
    }
}

/// What one worker has decided and not moved yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Box<[Decision]>,
    count: usize,
}

impl Outbox {
    /// Writes a decision and when it fell. True: the box is full, and [`Decisions::take`] is to empty it.
    #[inline]
    pub(super) fn write(&mut self, about: About, subject: Subject<'_>, made: Made<'_>) -> bool {
        if self.waiting.is_empty() {
            self.waiting = vec![Decision::EMPTY; BOX].into();
        }
        if let Some(place) = self.waiting.get_mut(self.count) {
            place.write(about, subject, made);
            self.count += 1;
        }
        self.count >= BOX
    }
}

impl Outbox {
    /// Moves what waits behind the decisions of other workers.
    pub(super) fn move_to(&mut self, waiting: &mut Vec<Decision>) {
        waiting.extend(self.waiting.iter().take(std::mem::take(&mut self.count)));
    }

    /// Forgets everything, and gives its memory back.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How often a follower may look for news without being a burden.
pub const GLANCE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;

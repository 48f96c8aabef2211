//! The newest decisions (contract section 8, `/v1/decisions`): a number of refusals, and a number of others.
//!
//! A worker writes a decision into a box of its own. When the box is full it moves all of it into the rings. So a
//! worker meets other workers only once in [`BOX`] decisions. A reader empties all boxes first. Followers are readers
//! that come again. Workers know nothing of them. A follower that reads too seldom misses decisions and is told how
//! many.
//!
//! All memory is bounded by [`KEPT`] and [`BOX`], and is allocated when it is needed. Text of clients is kept as it
//! came, so it must be escaped when it is shown. Queries, and text before an `@` in a Host, are not kept.

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
/// How many octets of text are kept of each decision (contract section 8).
pub const TEXT: usize = 256;
/// How many decisions a worker writes before it moves them into the rings.
pub const BOX: usize = 32;

/// How many octets are kept of a host, or of a SIP or H.323 name.
const HOST: usize = 120;
/// How many octets are kept of a method or an operation.
const VERB: usize = 16;
/// How many octets are kept of a user.
const USER: usize = 64;
/// How many octets are kept of a path, or of the verdict on a certificate, if there is room.
const REST: usize = 255;

/// How many octets are kept of a target's failures.
const ROOM: usize = 120;
/// The number of parts of a text. The last part, whose number is [`FAILED`], stands before the others.
const PARTS: usize = 5;
const FAILED: usize = 4;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was forwarded to a target.
    Forwarded {
        /// The target's address.
        to: SocketAddr,
        /// A new connection to the target was opened for it.
        new: bool,
    },
    /// It was redirected to the same URL by HTTPS.
    Redirected,
    /// It was an ACME challenge, and Portward answered it.
    Challenge,
    /// It came without the login that its path demands. Portward asked for the login.
    AskedToLogIn,
    /// It opened a WebSocket that carries SIP. Portward itself ends that WebSocket.
    WebSocket,
    /// It was an exchange of credentials, which Portward answered.
    Exchanged,
    /// It was refused.
    Rejected {
        /// The reason.
        reason: Reason,
        /// The cause behind the reason, if it is known.
        cause: Option<Cause>,
    },
}

/// A decision at the moment when it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'a> {
    /// The decision.
    pub(super) fate: Fate,
    /// The time, in nanoseconds since 1970.
    pub(super) at: u64,
    /// The failures of the target.
    pub(super) failures: &'a [Failure],
}

impl Fate {
    /// The kind under which the decision is counted.
    pub const fn kind(self) -> DecisionKind {
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

    /// Why the request was refused. `None`: it was not.
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Rejected { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// The target to which it was forwarded.
    pub const fn target(self) -> Option<SocketAddr> {
        match self {
            Self::Forwarded { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// The connection that a decision is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The number of the connection.
    pub id: u64,
    /// The client's address, as far as it is believed.
    pub client: IpAddr,
    /// The client's port. 0: a load balancer has named the client, so its port is not known.
    pub port: u16,
    /// The service.
    pub service: Service,
    /// The carrier.
    pub carrier: Carrier,
}

/// One decision.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// The connection that it is about.
    pub about: About,
    /// The decision.
    pub fate: Fate,
    /// The time, in nanoseconds since 1970.
    pub at: u64,
    /// One bit for each part: the part was cut.
    cut: u8,
    /// The Host had a user and a password in front, which were not kept.
    lacks_userinfo: bool,
    /// The kind of the text.
    kind: Kind,
    /// Why the client's certificate does not prove the name.
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
                // A Host with a user in front is always refused.
                let before = self.is_refusal().then(|| memchr::memrchr(b'@', host)).flatten();
                let named = before.and_then(|at| host.get(at + 1..));
                self.lacks_userinfo = named.is_some();
                let host = named.unwrap_or(host);
                // The question mark stays. It shows that there was a query.
                let path = target.iter().position(|octet| *octet == b'?');
                let path = path.and_then(|at| target.get(..=at)).unwrap_or(target);
                let at = self.put(begin, (0, host, HOST));
                let at = self.put(at, (1, method, VERB));
                // A long path must leave room for the user.
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

    /// Keeps at most `cap` octets of a part of the text, at `at`. Returns where the next part begins.
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

    /// Keeps the failures of a target. They are kept before everything else, so that a long path cannot take their
    /// room. Returns where the next part begins.
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

    /// The failures of the target, as far as they are kept.
    pub fn failures(&self) -> Vec<Failure> {
        let mut octets = self.text.get(..self.length(FAILED)).unwrap_or_default();
        std::iter::from_fn(|| decode(&mut octets)).collect()
    }

    /// Whether some text was cut.
    pub const fn is_cut(&self) -> bool {
        self.cut != 0
    }

    /// Whether the question was kept whole: Host, method and path, or name, operation and user.
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

    /// The question, as far as it is kept.
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

    /// The decision as a line of the log. `failures` are [`Self::failures`].
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

/// The decisions of one worker that have not been moved into the rings yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Box<[Decision]>,
    count: usize,
}

impl Outbox {
    /// Writes a decision. True: the box is full, and [`Decisions::take`] must empty it.
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
    /// Moves all decisions behind those of other workers in `waiting`.
    pub(super) fn move_to(&mut self, waiting: &mut Vec<Decision>) {
        waiting.extend(self.waiting.iter().take(std::mem::take(&mut self.count)));
    }

    /// Forgets all decisions and frees their memory.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The pause of a follower between two reads. With it a follower is no burden.
pub const GLANCE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;

//! How long a relay waits, and how it notices that a side has ended.
//!
//! A direction that reads hears of its sender's end from the stream. A direction that does not read hears nothing: its
//! receiver takes nothing, or one of its messages is held back, and the end stands behind octets that are not read. So
//! while a direction does not read, its sender's socket is looked at once a second, without reading.
//!
//! | the relay waits | at most | then it was ended by |
//! |---|---|---|
//! | for anything to move | `idle`, since the last octet | neither side |
//! | for an answer that the target owes | `answer`, since it was owed or since the target's last octet | the target |
//! | after one side has ended | [`AFTER_END`], since the last octet | that side |
//! | after the client has said that it wants nothing more | `AFTER_LEAVE`, since the last octet | the client |
//! | after one of these two, for a receiver that takes nothing | [`UNDELIVERED`], since the last octet | that side |
//!
//! None of these is longer than `idle`. A side that breaks off (RST) ends the relay at once, unless some of its octets
//! still wait for a receiver.

use std::task::{Context, Poll};
use std::time::Duration;

use super::ended::EndedBy;
use crate::io::{Leg, Peer, Timer};

/// How long the other side may go on after one side has ended. A client that has closed its side may still wait for an
/// answer. But most such clients are gone, and Portward cannot tell which. Directories and web servers hang up at once.
pub const AFTER_END: Duration = Duration::from_secs(10);

/// How long the other side may go on when the client has said that it wants nothing more (LDAP's Unbind).
const AFTER_LEAVE: Duration = Duration::from_secs(2);

/// How long octets may wait for a receiver that takes nothing, after their sender has ended. A receiver on a slow line
/// may stall this long.
pub const UNDELIVERED: Duration = Duration::from_secs(60);

/// How long a target may owe its first answer, or the answer to a bind. SIP's own transactions end after 32 s (RFC 3261
/// §17.1.1.2, Timer B and Timer F), H.323's end sooner. A directory that asks a second factor for every bind may take
/// most of a minute. `limits.response_timeout` may be shorter.
pub const OWED: Duration = Duration::from_secs(60);

/// How often Portward looks at a socket that is not read.
pub const GLANCE: Duration = Duration::from_secs(1);

/// How long a relay waits. The times are in milliseconds in 32 bits, because each idle connection holds them. 49 days
/// are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long nothing may move.
    idle: u32,
    /// How long the target may owe an answer.
    answer: u32,
}

impl Patience {
    /// Takes the limits from the configuration: the protocol's idle timeout, and how long a target may take to answer.
    pub fn new(idle: Duration, response: Duration) -> Self {
        Self { idle: milliseconds(idle), answer: milliseconds(response.min(OWED)) }
    }

    /// For a relay in which the target never owes an answer (a WebSocket).
    pub fn idle(idle: Duration) -> Self {
        Self { idle: milliseconds(idle), answer: u32::MAX }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// What a direction waits for after it has moved all that it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Stands {
    /// Its sender: it reads, and any octet wakes it.
    #[default]
    Reads,
    /// Its receiver, which takes nothing.
    Blocked,
    /// The other direction: a message is held back.
    Held,
    /// Nothing: the sender has ended, and the receiver has been told.
    Done,
}

/// The present state of both directions.
pub(super) struct Now<'a> {
    /// For each direction its sender's leg, and what the direction waits for. The client's direction is first.
    pub(super) sides: [(&'a Leg, Stands); 2],
    /// Octets that were sent on so far, in both directions.
    pub(super) moved: u64,
    /// A counter of the octets that came from the target. It may wrap around: only its changes matter.
    pub(super) heard: u32,
    /// The target owes an answer.
    pub(super) owes: bool,
    /// The client has said that it wants nothing more.
    pub(super) leaves: bool,
}

/// What the relay as a whole waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    Anything,
    Answer,
    End,
    Leave,
    Delivery,
}

/// The clock of one relay.
#[derive(Debug)]
pub(super) struct Clock {
    patience: Patience,
    waits: Waits,
    /// The progress at the last look. If it has changed the deadline moves.
    seen: u64,
    /// The side that ended first.
    first: Option<EndedBy>,
    /// Whether the client and the target have ended, as far as Portward knows.
    ended: [bool; 2],
}

impl Clock {
    /// Starts the clock with the idle time.
    pub(super) fn new(patience: Patience, timer: &mut Timer) -> Self {
        timer.set(Duration::from_millis(u64::from(patience.idle)));
        Self { patience, waits: Waits::Anything, seen: 0, first: None, ended: [false; 2] }
    }

    /// Ready when the relay is over, with the side that ended it. Call it after both directions have moved all that
    /// they could.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, timer: &mut Timer, now: &Now<'_>) -> Poll<EndedBy> {
        if let Some(by) = self.notice(timer, now) {
            return Poll::Ready(by);
        }
        let done = now.sides.iter().all(|(_, stands)| *stands == Stands::Done);
        if let (true, Some(by)) = (done, self.first) {
            return Poll::Ready(by);
        }
        let waits = self.waits(now);
        let seen = if waits == Waits::Answer { u64::from(now.heard) } else { now.moved };
        if (waits, seen) != (self.waits, self.seen) {
            (self.waits, self.seen) = (waits, seen);
            timer.set(self.deadline());
        }
        timer.poll_expired(cx).map(|()| match waits {
            Waits::Anything => EndedBy::Idle,
            Waits::Answer => EndedBy::Silence,
            Waits::End | Waits::Leave | Waits::Delivery => self.first.unwrap_or(EndedBy::Client),
        })
    }

    /// Looks whether a side has ended. Returns the side that ended the relay, if nothing is left to move.
    fn notice(&mut self, timer: &mut Timer, now: &Now<'_>) -> Option<EndedBy> {
        let sleeps = now.sides.iter().any(|(_, stands)| *stands != Stands::Reads);
        let looks = sleeps && timer.looks(GLANCE);
        let sides = now.sides.iter().zip(&mut self.ended).zip([EndedBy::Client, EndedBy::Target]);
        for (((leg, stands), ended), by) in sides {
            *ended |= leg.ended;
            if looks && *stands != Stands::Reads {
                match leg.stream.peer() {
                    Peer::There => {}
                    Peer::Gone if *stands != Stands::Blocked => return Some(self.first.unwrap_or(by)),
                    Peer::Ended | Peer::Gone => *ended = true,
                }
            }
            if *ended && self.first.is_none() {
                self.first = Some(by);
            }
        }
        None
    }

    fn waits(&self, now: &Now<'_>) -> Waits {
        let blocked = now.sides.iter().any(|(_, stands)| *stands == Stands::Blocked);
        match (self.first.is_some() || now.leaves, blocked) {
            (true, true) => Waits::Delivery,
            (true, false) if now.leaves => Waits::Leave,
            (true, false) => Waits::End,
            (false, _) if now.owes => Waits::Answer,
            (false, _) => Waits::Anything,
        }
    }

    fn deadline(&self) -> Duration {
        let [idle, answer] =
            [self.patience.idle, self.patience.answer].map(|limit| Duration::from_millis(u64::from(limit)));
        idle.min(match self.waits {
            Waits::Anything => idle,
            Waits::Answer => answer,
            Waits::End => AFTER_END,
            Waits::Leave => AFTER_LEAVE,
            Waits::Delivery => UNDELIVERED,
        })
    }
}

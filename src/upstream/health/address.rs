//! The health of one address and port. Pure: the time is an argument.
//!
//! Two sources show the state of an address. *Connections* for clients always do: after a failure the address is tried
//! after the others for [`PAUSE`]. Then one connection tries it again. If that fails the pause doubles, up to
//! [`LONGEST_PAUSE`]. *Checks* do if the rules have some: `fall` failures in a row make the address `down`, and `rise`
//! successes bring it back. If there are checks, they alone set `up` and `down`. Otherwise connections do.
//!
//! The state must not flap. A pause begins with [`PAUSE`] again only after the address has been good for [`CALM`]. If
//! connections find an address `down` a second time before that, it stays `down` for the length of its pause, even if
//! it is reached.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::log::human;

/// How long an address that has failed is tried last.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// The longest such pause, reached by doubling.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long an address must have been good before the pause begins anew.
const CALM: Duration = Duration::from_secs(60);
/// An address is tried later if an attempt to connect to it has been open for this long. The time is longer than the
/// second after which a lost first segment is sent again (RFC 6298 §2). So an address that never answers costs one
/// timeout, not one for each request that comes meanwhile.
pub(super) const SLOW: Duration = Duration::from_millis(1_500);
/// How often it is noted that an address is reached, if it is reached all the time.
const NOTED: Duration = Duration::from_secs(1);

/// The state of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The address was reached.
    Up,
    /// The address was not reached.
    Down,
    /// The address has not been tried.
    Unknown,
}

impl State {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Unknown];

    /// Its name in answers and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// The turn in which an address is tried, among those of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::upstream) enum Turn {
    /// In its place in the list.
    InOrder,
    /// After these: it was down and has not been up for `failback` yet, or an attempt to connect waits for an answer.
    Later,
    /// After these: it failed a short time ago.
    Last,
    /// After these: it failed a short time ago, and only after a long wait.
    Silent,
    /// After all others: its checks found it down.
    Down,
}

impl Turn {
    /// All turns, in their order.
    pub(in crate::upstream) const ALL: [Self; 5] =
        [Self::InOrder, Self::Later, Self::Last, Self::Silent, Self::Down];
}

/// How many checks in a row change the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) rise: u32,
    pub(super) fall: u32,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The old state, and how long it lasted.
    pub before: (State, Duration),
    /// The new state.
    pub now: State,
    /// Why it is down.
    pub why: Option<Cause>,
}

impl Change {
    /// The line of the log.
    pub fn told(&self, address: SocketAddr) -> String {
        let Self { before: (before, lasted), now, why } = *self;
        let mut line = format!("target {address} is {}", now.name());
        if let Some(why) = why {
            line.push_str(&format!(": {why}"));
        }
        if before != State::Unknown {
            let lasted = Duration::from_secs(lasted.as_secs());
            line.push_str(&format!(" (it was {} for {})", before.name(), human(lasted)));
        }
        line
    }
}

/// The pause of an address that has failed.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
    /// One connection tries the address, to find out whether the pause must be longer.
    is_tried: bool,
    /// The failure took so long that other connections would wait as well.
    is_silent: bool,
}

/// The health of an address.
#[derive(Debug, Clone)]
pub(super) struct AddressHealth {
    pub(super) state: State,
    /// When the state began.
    pub(super) since: Instant,
    /// The cause of the last failure.
    pub(super) why: Option<Cause>,
    /// The thresholds of its checks. `None`: there are no checks.
    thresholds: Option<Thresholds>,
    /// The last check could not tell. Then connections set the state, as if there were no checks.
    is_unsure: bool,
    /// How many checks in a row contradicted the state.
    against: u32,
    pause: Option<Pause>,
    /// The length of the last pause. The next pause is twice as long.
    last_pause: Duration,
    /// When it was reached last, to about a second.
    reached_at: Option<Instant>,
    /// Since when nothing has failed.
    good_since: Option<Instant>,
    /// When it came back after it was down. `None`: it was not down, or long ago.
    back_since: Option<Instant>,
    /// It has failed several times within a short time. Until then it stays `down`, even if connections succeed.
    held_until: Option<Instant>,
    /// How many attempts to connect are open. `open_since` is the time since which at least one has been open.
    open: u32,
    open_since: Option<Instant>,
}

impl AddressHealth {
    /// The health of an address of which nothing is known yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Unknown,
            since: now,
            why: None,
            thresholds: None,
            is_unsure: false,
            against: 0,
            pause: None,
            last_pause: Duration::ZERO,
            reached_at: None,
            good_since: None,
            back_since: None,
            held_until: None,
            open: 0,
            open_since: None,
        }
    }

    /// Sets or ends the checks of the address. What is known stays. But when checks end, a state that only checks can
    /// change is forgotten. New thresholds do not reset a count.
    pub(super) fn check_by(&mut self, thresholds: Option<Thresholds>, now: Instant) -> Option<Change> {
        if self.thresholds == thresholds {
            return None;
        }
        let (was_theirs, is_theirs) = (self.thresholds.is_some(), thresholds.is_some());
        self.thresholds = thresholds;
        if was_theirs == is_theirs {
            return None;
        }
        (self.against, self.held_until, self.is_unsure) = (0, None, false);
        if was_theirs && !is_theirs && self.state == State::Down {
            return self.becomes(State::Unknown, now, None);
        }
        None
    }

    /// Whether the address is checked.
    pub(super) fn is_checked(&self) -> bool {
        self.thresholds.is_some()
    }

    /// Whether checks alone set `up` and `down`: there are checks, and the last one could tell.
    fn is_ruled_by_checks(&self) -> bool {
        self.thresholds.is_some() && !self.is_unsure
    }

    /// Whether there is nothing against the address, so that it needs no second look.
    pub(super) fn is_quiet(&self) -> bool {
        self.state != State::Down && self.pause.is_none() && self.back_since.is_none() && self.open == 0
    }

    /// The turn of the address at `now`. If its pause is over, one connection tries it in its old place. That is the
    /// connection that asks here, so the pause begins anew with this answer.
    pub(super) fn turn(&mut self, now: Instant, failback: Option<Duration>) -> Turn {
        if self.is_ruled_by_checks() && self.state == State::Down {
            return Turn::Down;
        }
        if let Some(pause) = &mut self.pause {
            if now < pause.until {
                return if pause.is_silent { Turn::Silent } else { Turn::Last };
            }
            // If that connection brings no result, another one tries after the same time again.
            (pause.until, pause.is_tried) = (now + pause.length, true);
            return Turn::InOrder;
        }
        if self.open_since.is_some_and(|since| now.saturating_duration_since(since) >= SLOW) {
            return Turn::Later;
        }
        if self.is_held(now) {
            return Turn::Later;
        }
        match (self.back_since, failback) {
            (Some(since), Some(failback)) if now.saturating_duration_since(since) < failback => Turn::Later,
            _ => Turn::InOrder,
        }
    }

    /// Whether it stays `down` although connections succeed again.
    fn is_held(&self, now: Instant) -> bool {
        self.state == State::Down && self.held_until.is_some_and(|until| now < until)
    }

    /// Notes that an attempt to connect begins. Returns whether it is the only one. Others need not wait as long as
    /// that one.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        self.open += 1;
        self.open_since.get_or_insert(now);
        self.open == 1
    }

    /// Notes that an attempt has ended, with any result. It may be the attempt after a pause, and may have found
    /// nothing out. Then the next attempt may try.
    pub(super) fn ends(&mut self, now: Instant) {
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.is_tried) {
            (pause.until, pause.is_tried) = (now, false);
        }
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            self.open_since = None;
        }
    }

    /// Notes that a connection was opened.
    pub(super) fn reached(&mut self, now: Instant) -> Option<Change> {
        self.pause = None;
        self.reached_at = Some(now);
        self.good_since.get_or_insert(now);
        // Other attempts may have been open for long, but the address answers.
        self.open_since = self.open_since.map(|_| now);
        // Only checks can change a state that checks have set. Before the first check a connection sets the state.
        let is_theirs = self.is_ruled_by_checks() && self.state != State::Unknown;
        if is_theirs || self.is_held(now) { None } else { self.becomes(State::Up, now, None) }
    }

    /// Whether a new connection must be noted: it shows something new, or the last note is a while ago.
    pub(super) fn is_news(&self, now: Instant) -> bool {
        let is_old = |at| now.saturating_duration_since(at) >= NOTED;
        self.state != State::Up || !self.is_quiet() || self.reached_at.is_none_or(is_old)
    }

    /// Notes that a connection begun at `begun` could not be opened. If another connection has reached the address
    /// since then, this shows nothing: a PBX to which all phones connect at once cannot answer each of them in time.
    pub(super) fn missed(&mut self, why: Cause, begun: Instant, now: Instant) -> Option<Change> {
        if self.reached_at.is_some_and(|at| at > begun) {
            return None;
        }
        self.why = Some(why);
        // Several attempts that were open at the same time fail together. They count as one failure.
        if self.pause.is_none_or(|pause| pause.is_tried || now >= pause.until) {
            let calm = self.good_since.is_some_and(|since| now.saturating_duration_since(since) >= CALM);
            let doubled = if calm { PAUSE } else { self.last_pause * 2 };
            self.last_pause = doubled.clamp(PAUSE, LONGEST_PAUSE);
            let until = now + self.last_pause;
            // This is the second failure within a minute. An address that flaps changes its state only when a pause
            // ends.
            self.held_until = (self.last_pause > PAUSE).then_some(until);
            let is_silent = now.saturating_duration_since(begun) >= SLOW;
            self.pause = Some(Pause { until, length: self.last_pause, is_tried: false, is_silent });
        }
        self.good_since = None;
        if self.is_ruled_by_checks() { None } else { self.becomes(State::Down, now, Some(why)) }
    }

    /// Notes the result of a check. Some causes are not the address's fault: our certificate was refused, or this
    /// machine has no sockets left. Such a cause is shown, but it sets neither `up` nor `down`.
    pub(super) fn checked(&mut self, result: Result<(), Cause>, now: Instant) -> Option<Change> {
        let thresholds = self.thresholds?;
        if let Err(cause) = result
            && !cause.casts_doubt()
        {
            (self.why, self.is_unsure) = (Some(cause), true);
            return None;
        }
        self.is_unsure = false;
        let (says, needed) = match result {
            Ok(()) => (State::Up, thresholds.rise),
            Err(cause) => {
                self.why = Some(cause);
                (State::Down, thresholds.fall)
            }
        };
        if says == self.state {
            self.against = 0;
            return None;
        }
        self.against += 1;
        // An address without a known state is `up` with its first good check.
        if self.against < needed && !(self.state == State::Unknown && says == State::Up) {
            return None;
        }
        if says == State::Up {
            (self.pause, self.last_pause) = (None, Duration::ZERO);
        }
        self.becomes(says, now, result.err())
    }

    fn becomes(&mut self, state: State, now: Instant, why: Option<Cause>) -> Option<Change> {
        if state == self.state {
            return None;
        }
        let before = (self.state, now.saturating_duration_since(self.since));
        self.back_since = (before.0 == State::Down && state == State::Up).then_some(now);
        (self.state, self.since, self.against) = (state, now, 0);
        Some(Change { before, now: state, why })
    }

    /// Forgets that the address was down, if that is longer ago than the longest `failback` of the rules.
    pub(super) fn settle(&mut self, longest: Duration, now: Instant) {
        if self.back_since.is_some_and(|since| now.saturating_duration_since(since) >= longest) {
            self.back_since = None;
        }
    }
}

#[cfg(test)]
mod tests;

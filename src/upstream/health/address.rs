//! What is known of one address and port, and what follows from it. Pure: the time is an argument.
//!
//! Two things speak of an address. *Connections* that are opened for clients always do: a failure puts the address behind
//! the others for [`PAUSE`]; then one connection tries it again, and the pause doubles up to [`LONGEST_PAUSE`]. *Checks* do
//! where the rules have some: `fall` failures in a row make the address `down`, `rise` successes bring it back. Where there
//! are checks they alone say `up` and `down`; where there are none, connections do.
//!
//! So that nothing flaps: a pause begins with [`PAUSE`] again only when the address has been good for [`CALM`]. Until then an
//! address that connections have found `down` a second time stays so for as long as its pause was, even if it is reached.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cause::Cause;
use crate::log::human;

/// How long an address that has failed is tried last.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// The longest that this becomes, by doubling.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long an address must have been good before its failures are new ones.
const CALM: Duration = Duration::from_secs(60);
/// An attempt to connect that is open for so long makes the address one that is tried later. It is longer than the second after
/// which a lost first segment is sent again (RFC 6298 §2). So an address that swallows
/// everything costs one timeout and not one for each request that comes meanwhile.
pub(super) const SLOW: Duration = Duration::from_millis(1_500);
/// An address that is reached all the time is noted so often.
const NOTED: Duration = Duration::from_secs(1);

/// What is said of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It was reached.
    Up,
    /// It was not.
    Down,
    /// It has not been tried.
    Unknown,
}

impl State {
    /// Every one.
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

/// When an address is tried among the others of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::upstream) enum Turn {
    /// In its place in the list.
    InOrder,
    /// After those: it was down and has not been up for `failback` yet, or it owes an answer.
    Later,
    /// After those: it has failed a moment ago.
    Last,
    /// After those: it has failed a moment ago, and it took a long wait to find that out.
    Silent,
    /// After all others: its checks say that it is down.
    Down,
}

impl Turn {
    /// Every one, the first first.
    pub(in crate::upstream) const ALL: [Self; 5] =
        [Self::InOrder, Self::Later, Self::Last, Self::Silent, Self::Down];
}

/// How many checks in a row change the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thresholds {
    pub(super) rise: u32,
    pub(super) fall: u32,
}

/// A state has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// What it was, and for how long.
    pub before: (State, Duration),
    /// What it is.
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

/// A pause of an address that has failed.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
    /// One connection tries the address, to see whether the pause has to be longer.
    is_tried: bool,
    /// The failure took so long that others who try the address would wait, too.
    is_silent: bool,
}

/// What is known of an address.
#[derive(Debug, Clone)]
pub(super) struct AddressHealth {
    pub(super) state: State,
    /// Since when.
    pub(super) since: Instant,
    /// Why it has failed last.
    pub(super) why: Option<Cause>,
    /// There are checks, and these are theirs.
    thresholds: Option<Thresholds>,
    /// The last check could not tell: then connections say how it is, as where there are no checks.
    is_unsure: bool,
    /// Checks in a row that spoke against the state.
    against: u32,
    pause: Option<Pause>,
    /// The length of the last pause, which the next one doubles.
    last_pause: Duration,
    /// When it was reached last, a second more or less.
    reached_at: Option<Instant>,
    /// Since when nothing has failed.
    good_since: Option<Instant>,
    /// It has been up again since then, after it was down.
    back_since: Option<Instant>,
    /// It has failed several times within a short time, and is `down` until then, whatever connections say meanwhile.
    held_until: Option<Instant>,
    /// Attempts to connect that are open, and since when at least one of them has been.
    open: u32,
    open_since: Option<Instant>,
}

impl AddressHealth {
    /// Nothing is known.
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

    /// The address is checked, or no longer. What is known stays, but a state that only checks could change is forgotten
    /// with them. Other numbers are no new beginning: a count that has begun goes on.
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

    /// Whether checks say how it is.
    pub(super) fn is_checked(&self) -> bool {
        self.thresholds.is_some()
    }

    /// Whether checks alone say `up` and `down`: there are some, and the last one could tell.
    fn is_ruled_by_checks(&self) -> bool {
        self.thresholds.is_some() && !self.is_unsure
    }

    /// Whether nothing speaks against the address, so that it needs no second look.
    pub(super) fn is_quiet(&self) -> bool {
        self.state != State::Down && self.pause.is_none() && self.back_since.is_none() && self.open == 0
    }

    /// When the address is tried at `now`. An address whose pause is over is tried in its place by one connection alone,
    /// which is the one that asks: the pause begins anew with this answer.
    pub(super) fn turn(&mut self, now: Instant, failback: Option<Duration>) -> Turn {
        if self.is_ruled_by_checks() && self.state == State::Down {
            return Turn::Down;
        }
        if let Some(pause) = &mut self.pause {
            if now < pause.until {
                return if pause.is_silent { Turn::Silent } else { Turn::Last };
            }
            // If nothing is heard of that connection, another one tries after as long again.
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

    /// Whether it goes on being `down` although connections succeed again.
    fn is_held(&self, now: Instant) -> bool {
        self.state == State::Down && self.held_until.is_some_and(|until| now < until)
    }

    /// An attempt to connect begins. Whether it is the only one: others need not wait as long as it does.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        self.open += 1;
        self.open_since.get_or_insert(now);
        self.open == 1
    }

    /// An attempt has ended, in whatever way. If it was the one that tries the address after its pause, and it could not tell,
    /// the next one may.
    pub(super) fn ends(&mut self, now: Instant) {
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.is_tried) {
            (pause.until, pause.is_tried) = (now, false);
        }
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            self.open_since = None;
        }
    }

    /// A connection was opened.
    pub(super) fn reached(&mut self, now: Instant) -> Option<Change> {
        self.pause = None;
        self.reached_at = Some(now);
        self.good_since.get_or_insert(now);
        // Others that are open may have begun long ago, but the address answers.
        self.open_since = self.open_since.map(|_| now);
        // What checks say is theirs to take back; until they have said something this is as good.
        let is_theirs = self.is_ruled_by_checks() && self.state != State::Unknown;
        if is_theirs || self.is_held(now) { None } else { self.becomes(State::Up, now, None) }
    }

    /// Whether a connection that is opened now is worth to be noted: it says something new, or the last one was a while ago.
    pub(super) fn is_news(&self, now: Instant) -> bool {
        let is_old = |at| now.saturating_duration_since(at) >= NOTED;
        self.state != State::Up || !self.is_quiet() || self.reached_at.is_none_or(is_old)
    }

    /// A connection could not be opened that was begun at `begun`. If the address was reached by another one since then it
    /// says nothing: a PBX to which all phones come at once does not answer each of them in time.
    pub(super) fn missed(&mut self, why: Cause, begun: Instant, now: Instant) -> Option<Change> {
        if self.reached_at.is_some_and(|at| at > begun) {
            return None;
        }
        self.why = Some(why);
        // Several that were open at the same time fail together: that is one failure.
        if self.pause.is_none_or(|pause| pause.is_tried || now >= pause.until) {
            let calm = self.good_since.is_some_and(|since| now.saturating_duration_since(since) >= CALM);
            let doubled = if calm { PAUSE } else { self.last_pause * 2 };
            self.last_pause = doubled.clamp(PAUSE, LONGEST_PAUSE);
            let until = now + self.last_pause;
            // The second failure within a minute: an address that flaps changes its state no oftener than its pauses end.
            self.held_until = (self.last_pause > PAUSE).then_some(until);
            let is_silent = now.saturating_duration_since(begun) >= SLOW;
            self.pause = Some(Pause { until, length: self.last_pause, is_tried: false, is_silent });
        }
        self.good_since = None;
        if self.is_ruled_by_checks() { None } else { self.becomes(State::Down, now, Some(why)) }
    }

    /// A check has ended: well, or badly for this cause. What is no fault of the address is shown, but it says neither `up`
    /// nor `down`: that our certificate was refused, or that this machine has no sockets left.
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
        // An address of which nothing is known is believed at once when it answers.
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

    /// Forgets what has no meaning any more: that it has been down, longer ago than the longest `failback` of the rules.
    pub(super) fn settle(&mut self, longest: Duration, now: Instant) {
        if self.back_since.is_some_and(|since| now.saturating_duration_since(since) >= longest) {
            self.back_since = None;
        }
    }
}

#[cfg(test)]
mod tests;

//! Which target addresses failed a moment ago. They are tried last, so that a dead first address of a list costs one
//! timeout in ten seconds and not one a request.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use dashmap::DashMap;
use foldhash::fast::RandomState;

use crate::cause::Cause;

/// How long a failed address is tried last.
const GRUDGE: Duration = Duration::from_secs(10);

/// The addresses that failed. Bounded by the rules: only addresses of targets get in.
#[derive(Debug, Default)]
pub struct Health {
    failed: DashMap<SocketAddr, Instant>,
    known: DashMap<SocketAddr, Standing, RandomState>,
}

/// What is said of an address (SPEC section 8, Health).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The last connection to it could be opened.
    Up,
    /// The last one could not.
    Down,
    /// It has not been tried.
    Unknown,
}

impl State {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Unknown];

    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// What is known of an address, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Up, down or unknown.
    pub state: State,
    /// For how long.
    pub age: Duration,
    /// Why the last connection has failed, if one has.
    pub why: Option<Cause>,
}

#[derive(Debug)]
struct Standing {
    state: State,
    since: Instant,
    why: Option<Cause>,
}

impl Health {
    /// Notes a failure.
    pub fn failed(&self, address: SocketAddr, why: Cause) {
        self.failed.insert(address, Instant::now());
        self.becomes(address, State::Down, Some(why));
    }

    /// What is known of an address; `None`: it has not been tried.
    pub fn state(&self, address: SocketAddr) -> Option<Known> {
        let standing = self.known.get(&address)?;
        Some(Known { state: standing.state, age: standing.since.elapsed(), why: standing.why })
    }

    fn becomes(&self, address: SocketAddr, state: State, why: Option<Cause>) {
        let mut standing =
            self.known.entry(address).or_insert_with(|| Standing { state, since: Instant::now(), why });
        if standing.state != state {
            (standing.state, standing.since) = (state, Instant::now());
        }
        standing.why = why.or(standing.why);
    }

    /// Notes a success.
    pub fn succeeded(&self, address: SocketAddr) {
        if !self.failed.is_empty() {
            self.failed.remove(&address);
        }
        // What every connection says is no news.
        if self.known.get(&address).is_none_or(|known| known.state != State::Up) {
            self.becomes(address, State::Up, None);
        }
    }

    /// Whether `address` failed within the last ten seconds.
    pub fn is_doubtful(&self, address: SocketAddr) -> bool {
        !self.failed.is_empty() && self.failed.get(&address).is_some_and(|since| since.elapsed() < GRUDGE)
    }

    /// Whether no address is known to be down.
    pub fn is_quiet(&self) -> bool {
        self.failed.is_empty()
    }

    /// The addresses that are down, and since when.
    pub fn doubtful(&self) -> Vec<(SocketAddr, SystemTime)> {
        let down = self.known.iter().filter(|one| one.value().state == State::Down);
        let when = |since: &Instant| SystemTime::now().checked_sub(since.elapsed());
        let mut list: Vec<_> =
            down.filter_map(|one| when(&one.value().since).map(|when| (*one.key(), when))).collect();
        list.sort_unstable();
        list
    }

    /// Forgets old failures, and addresses that are no target's any more.
    pub fn sweep(&self, is_target: impl Fn(SocketAddr) -> bool) {
        self.failed.retain(|_, since| since.elapsed() < GRUDGE);
        self.known.retain(|address, _| is_target(*address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_connection_says_how_an_address_is() {
        let health = Health::default();
        let address = SocketAddr::from(([192, 0, 2, 1], 443));
        let state = || health.state(address).map(|known| (known.state, known.why));
        assert_eq!(state(), None);
        health.succeeded(address);
        assert_eq!(state(), Some((State::Up, None)));
        health.failed(address, Cause::Refused);
        health.failed(address, Cause::TimedOut);
        assert_eq!(state(), Some((State::Down, Some(Cause::TimedOut))));
        health.succeeded(address);
        assert_eq!(state(), Some((State::Up, Some(Cause::TimedOut))), "why it has failed last is kept");
        health.sweep(|_| false);
        assert_eq!(state(), None);
    }
}

//! The health of targets' addresses (contract section 8, Health). A state belongs to an address and port: SIP may be
//! down while HTTP works.
//!
//! | file | what is in it |
//! |---|---|
//! | `address` | what is known of one address, and what follows from it; pure |
//! | `plan` | the ports and addresses that are checked; pure |
//! | `question` | the request of a check, and the verdict on its answer; pure |
//! | `checks` | makes the checks |
//!
//! Only failures to connect and of TLS are noted here, and only if they are the target's fault
//! ([`Cause::casts_doubt`]). So a client can never make a PBX unusable for others.

mod address;
mod checks;
mod plan;
mod question;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use dashmap::DashMap;
use foldhash::fast::RandomState;

pub(in crate::upstream) use address::Turn;
use address::{AddressHealth, SLOW, Thresholds};
pub use address::{Change, State};
pub use checks::{Basis, Checks};

use crate::cause::Cause;

/// How many changes may wait for the log. They are taken every second.
const UNTOLD: usize = 1_000;

/// The health of all addresses. Its size is bounded by the rules: only addresses of targets are entered.
#[derive(Debug, Default)]
pub struct Health {
    known: DashMap<SocketAddr, AddressHealth, RandomState>,
    /// How many addresses are not quiet. While there is none, requests need not look.
    troubled: AtomicUsize,
    untold: Mutex<Untold>,
}

/// Changes of state that have not been logged yet.
#[derive(Debug, Default)]
struct Untold {
    changes: VecDeque<(SocketAddr, Change)>,
    lost: usize,
}

/// The health of an address, for a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressStatus {
    /// Up, down or unknown.
    pub state: State,
    /// How long it has lasted.
    pub age: Duration,
    /// Why the last connection or check failed, if one has failed.
    pub why: Option<Cause>,
    /// Checks set the state, not connections.
    pub is_checked: bool,
}

/// An address that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down {
    /// The address.
    pub address: SocketAddr,
    /// When it went down.
    pub since: SystemTime,
    /// The cause of the last failure of a connection or check.
    pub why: Option<Cause>,
}

impl Health {
    /// The health of an address.
    pub fn state(&self, address: SocketAddr) -> Option<AddressStatus> {
        let health = self.known.get(&address)?;
        let (state, why, is_checked) = (health.state, health.why, health.is_checked());
        Some(AddressStatus { state, age: health.since.elapsed(), why, is_checked })
    }

    /// The addresses that are down, in order.
    pub fn down(&self) -> Vec<Down> {
        let down = self.known.iter().filter_map(|one| {
            let health = one.value();
            let since = SystemTime::now().checked_sub(health.since.elapsed())?;
            (health.state == State::Down).then(|| Down { address: *one.key(), since, why: health.why })
        });
        let mut list: Vec<_> = down.collect();
        list.sort_unstable_by_key(|down| down.address);
        list
    }

    /// The addresses that are checked, in order, with their states.
    pub fn checked_ones(&self) -> Vec<(SocketAddr, State)> {
        let checked = self.known.iter().filter(|one| one.value().is_checked());
        let mut list: Vec<_> = checked.map(|one| (*one.key(), one.value().state)).collect();
        list.sort_unstable_by_key(|(address, _)| *address);
        list
    }

    /// Whether there is nothing against any address.
    pub fn is_quiet(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) == 0
    }

    /// The turn of `address` among those of its target. `failback` is how long it must have been up again before it
    /// gets its old place. `None`: it gets it at once. Call this once for each attempt, because an address whose pause
    /// is over gets its old place for one connection only.
    pub(super) fn turn(&self, address: SocketAddr, failback: Option<Duration>) -> Turn {
        if self.is_quiet() {
            return Turn::InOrder;
        }
        let known = self.known.get_mut(&address);
        known.map_or(Turn::InOrder, |mut health| health.turn(Instant::now(), failback))
    }

    /// Notes an attempt to connect to an address, if its target has several. The attempt ends when the value is
    /// dropped.
    pub(super) fn begin(&self, address: SocketAddr) -> Attempt<'_> {
        let is_first = self.change(address, |health, now| health.begins(now));
        Attempt { health: self, address, is_first }
    }

    /// Notes that a connection was opened.
    pub fn reached(&self, address: SocketAddr) {
        // Most connections show nothing new, so they only read.
        let is_news = self.known.get(&address).is_none_or(|known| known.is_news(Instant::now()));
        if is_news {
            self.tell(address, |health, now| health.reached(now));
        }
    }

    /// Notes that a connection begun at `begun` could not be opened, by the target's fault.
    pub fn missed(&self, address: SocketAddr, why: Cause, begun: Instant) {
        self.tell(address, |health, now| health.missed(why, begun, now));
    }

    /// Notes the result of a check. An address that is not marked as checked is left alone.
    pub fn checked(&self, address: SocketAddr, result: Result<(), Cause>) {
        self.tell(address, |health, now| health.checked(result, now));
    }

    /// Sets or ends the checks of `address`.
    fn check_by(&self, address: SocketAddr, thresholds: Option<Thresholds>) {
        self.tell(address, |health, now| health.check_by(thresholds, now));
    }

    /// Forgets addresses that belong to no target any more, and times that do not matter any more. `longest`: the
    /// longest `failback` of the rules.
    pub fn sweep(&self, longest: Duration, is_target: impl Fn(SocketAddr) -> bool) {
        let now = Instant::now();
        self.known.retain(|address, health| {
            let was_quiet = health.is_quiet();
            health.settle(longest, now);
            let stays = is_target(*address);
            if !was_quiet && (!stays || health.is_quiet()) {
                self.troubled.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
    }

    /// The changes of state since the last call, and how many more there were.
    pub fn changes(&self) -> (Vec<(SocketAddr, Change)>, usize) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = std::mem::take(&mut untold.lost);
        (untold.changes.drain(..).collect(), lost)
    }

    fn tell(&self, address: SocketAddr, change: impl FnOnce(&mut AddressHealth, Instant) -> Option<Change>) {
        let Some(change) = self.change(address, change) else { return };
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.changes.len() < UNTOLD {
            untold.changes.push_back((address, change));
        } else {
            untold.lost += 1;
        }
    }

    fn change<T>(&self, address: SocketAddr, change: impl FnOnce(&mut AddressHealth, Instant) -> T) -> T {
        let now = Instant::now();
        let mut health = self.known.entry(address).or_insert_with(|| AddressHealth::new(now));
        let was_quiet = health.is_quiet();
        let result = change(&mut health, now);
        match (was_quiet, health.is_quiet()) {
            (true, false) => drop(self.troubled.fetch_add(1, Ordering::Relaxed)),
            (false, true) => drop(self.troubled.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        result
    }
}

/// A running attempt to connect.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    health: &'a Health,
    address: SocketAddr,
    is_first: bool,
}

impl Attempt<'_> {
    /// How long the attempt may take to connect TCP. It is short if another attempt already waits for the same address.
    /// That one finds out whether the address is dead.
    pub(super) fn patience(&self, timeout: Duration) -> Duration {
        if self.is_first { timeout } else { timeout.min(SLOW) }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.health.change(self.address, |health, now| health.ends(now));
    }
}

//! Which addresses of targets can be used (contract section 8, Health). A state belongs to an address and port: SIP may be down
//! while HTTP works.
//!
//! | file | what is in it |
//! |---|---|
//! | `standing` | what is known of one address, and what follows from it; pure |
//! | `plan` | which ports of which addresses are checked; pure |
//! | `question` | what a check says, and what it makes of the answer; pure |
//! | `checks` | the checks at work |
//!
//! Only failures to connect and of TLS come here, and only those that the target is to blame for ([`Cause::casts_doubt`]): what
//! a client sends can never take a PBX away from others.

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

/// How many changes wait to be told at most. They are taken every second.
const UNTOLD: usize = 1_000;

/// What is known of all addresses. It is bounded by the rules: only addresses of targets get in.
#[derive(Debug, Default)]
pub struct Health {
    known: DashMap<SocketAddr, AddressHealth, RandomState>,
    /// How many of them are not quiet. As long as none is, requests need not look.
    troubled: AtomicUsize,
    untold: Mutex<Untold>,
}

/// Changes of states that the log does not have yet.
#[derive(Debug, Default)]
struct Untold {
    changes: VecDeque<(SocketAddr, Change)>,
    lost: usize,
}

/// What is known of an address, to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressStatus {
    /// Up, down or unknown.
    pub state: State,
    /// For how long.
    pub age: Duration,
    /// Why the last connection or check has failed, if one has.
    pub why: Option<Cause>,
    /// Checks say what it is, and not connections.
    pub is_checked: bool,
}

/// An address that is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Down {
    /// Which.
    pub address: SocketAddr,
    /// Since when.
    pub since: SystemTime,
    /// Why a connection or check has failed last.
    pub why: Option<Cause>,
}

impl Health {
    /// What is known of an address.
    pub fn state(&self, address: SocketAddr) -> Option<AddressStatus> {
        let standing = self.known.get(&address)?;
        let (state, why, is_checked) = (standing.state, standing.why, standing.is_checked());
        Some(AddressStatus { state, age: standing.since.elapsed(), why, is_checked })
    }

    /// The addresses that are down, in order.
    pub fn down(&self) -> Vec<Down> {
        let down = self.known.iter().filter_map(|one| {
            let standing = one.value();
            let since = SystemTime::now().checked_sub(standing.since.elapsed())?;
            (standing.state == State::Down).then(|| Down { address: *one.key(), since, why: standing.why })
        });
        let mut list: Vec<_> = down.collect();
        list.sort_unstable_by_key(|down| down.address);
        list
    }

    /// The addresses that are checked, in order, and how they are.
    pub fn checked_ones(&self) -> Vec<(SocketAddr, State)> {
        let checked = self.known.iter().filter(|one| one.value().is_checked());
        let mut list: Vec<_> = checked.map(|one| (*one.key(), one.value().state)).collect();
        list.sort_unstable_by_key(|(address, _)| *address);
        list
    }

    /// Whether nothing speaks against any address.
    pub fn is_quiet(&self) -> bool {
        self.troubled.load(Ordering::Relaxed) == 0
    }

    /// When `address` is tried among the others of its target. `failback`: how long it must have been up again before it
    /// has its place back; `None`: at once. To be asked once for each attempt: an address whose pause is over has its place
    /// for one connection alone.
    pub(super) fn turn(&self, address: SocketAddr, failback: Option<Duration>) -> Turn {
        if self.is_quiet() {
            return Turn::InOrder;
        }
        let known = self.known.get_mut(&address);
        known.map_or(Turn::InOrder, |mut standing| standing.turn(Instant::now(), failback))
    }

    /// An attempt to connect to an address that is not the only one of its target. It ends when it is dropped.
    pub(super) fn begin(&self, address: SocketAddr) -> Attempt<'_> {
        let is_first = self.change(address, |standing, now| standing.begins(now));
        Attempt { health: self, address, is_first }
    }

    /// A connection was opened.
    pub fn reached(&self, address: SocketAddr) {
        // What every connection says is no news.
        let is_news = self.known.get(&address).is_none_or(|known| known.is_news(Instant::now()));
        if is_news {
            self.tell(address, |standing, now| standing.reached(now));
        }
    }

    /// A connection that was begun at `begun` could not be opened, and that is the target's fault.
    pub fn missed(&self, address: SocketAddr, why: Cause, begun: Instant) {
        self.tell(address, |standing, now| standing.missed(why, begun, now));
    }

    /// A check has ended: well, or badly for this cause. What is not expected to be checked is left alone.
    pub fn checked(&self, address: SocketAddr, result: Result<(), Cause>) {
        self.tell(address, |standing, now| standing.checked(result, now));
    }

    /// From now on `address` is checked, or no longer.
    fn check_by(&self, address: SocketAddr, thresholds: Option<Thresholds>) {
        self.tell(address, |standing, now| standing.check_by(thresholds, now));
    }

    /// Forgets addresses that are no target's any more, and what has no meaning any more. `longest`: the longest `failback` of
    /// the rules.
    pub fn sweep(&self, longest: Duration, is_target: impl Fn(SocketAddr) -> bool) {
        let now = Instant::now();
        self.known.retain(|address, standing| {
            let was_quiet = standing.is_quiet();
            standing.settle(longest, now);
            let stays = is_target(*address);
            if !was_quiet && (!stays || standing.is_quiet()) {
                self.troubled.fetch_sub(1, Ordering::Relaxed);
            }
            stays
        });
    }

    /// The changes of states since this was called last, and how many more there were.
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
        let mut standing = self.known.entry(address).or_insert_with(|| AddressHealth::new(now));
        let was_quiet = standing.is_quiet();
        let result = change(&mut standing, now);
        match (was_quiet, standing.is_quiet()) {
            (true, false) => drop(self.troubled.fetch_add(1, Ordering::Relaxed)),
            (false, true) => drop(self.troubled.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        result
    }
}

/// An attempt to connect that is under way.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    health: &'a Health,
    address: SocketAddr,
    is_first: bool,
}

impl Attempt<'_> {
    /// How long it may take to connect TCP. Where another one waits for the same address already, that one finds out whether it
    /// is dead.
    pub(super) fn patience(&self, timeout: Duration) -> Duration {
        if self.is_first { timeout } else { timeout.min(SLOW) }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.health.change(self.address, |standing, now| standing.ends(now));
    }
}

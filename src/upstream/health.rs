//! Which target addresses failed a moment ago. They are tried last, so that a dead first address of a list costs one
//! timeout in ten seconds and not one a request.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use dashmap::DashMap;

/// How long a failed address is tried last.
const GRUDGE: Duration = Duration::from_secs(10);

/// The addresses that failed. Bounded by the rules: only addresses of targets get in.
#[derive(Debug, Default)]
pub struct Health {
    failed: DashMap<SocketAddr, Instant>,
}

impl Health {
    /// Notes a failure.
    pub fn failed(&self, address: SocketAddr) {
        self.failed.insert(address, Instant::now());
    }

    /// Notes a success.
    pub fn succeeded(&self, address: SocketAddr) {
        if !self.failed.is_empty() {
            self.failed.remove(&address);
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

    /// The addresses that failed within the last ten seconds, and when they did.
    pub fn doubtful(&self) -> Vec<(SocketAddr, SystemTime)> {
        let fresh = self.failed.iter().filter(|one| one.value().elapsed() < GRUDGE);
        let when = |since: &Instant| SystemTime::now().checked_sub(since.elapsed());
        let mut list: Vec<_> =
            fresh.filter_map(|one| when(one.value()).map(|when| (*one.key(), when))).collect();
        list.sort_unstable();
        list
    }

    /// Forgets old failures.
    pub fn sweep(&self) {
        self.failed.retain(|_, since| since.elapsed() < GRUDGE);
    }
}

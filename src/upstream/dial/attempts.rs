//! The attempts for a request, and the addresses that are not dialled again.

use std::net::SocketAddr;

use crate::cause::{Cause, FailedAt, Failure, Failures};
use crate::upstream::Connection;

/// The attempts for one request. It may need several connections until one of them answers.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Addresses that are not dialled again.
    pub(super) dialled: Vec<SocketAddr>,
    /// An address whose kernel has stopped answering on a kept connection. It is dialled after the others.
    pub(super) vanished: Option<SocketAddr>,
    /// Kept connections are not used any more.
    pub(super) new_only: bool,
    /// A connection has failed.
    failed: bool,
    /// The final failures, with their causes.
    pub(super) failures: Failures,
}

impl Attempts {
    /// Attempts with new connections only, for a request that needs a connection of its own.
    pub fn with_new_connections() -> Self {
        Self { new_only: true, ..Self::default() }
    }

    /// Whether no connection has failed yet.
    pub fn is_first(&self) -> bool {
        !self.failed
    }

    /// Notes that `connection` has ended without an answer. Targets close kept connections at any time. So after a kept
    /// connection its address is tried with a new one, before all others unless the host has `vanished`. After a new
    /// connection another address is tried.
    pub fn failed(&mut self, connection: &Connection, vanished: bool) {
        (self.new_only, self.failed) = (true, true);
        let address = connection.key.address;
        if connection.fresh {
            self.dialled.push(address);
        } else if vanished {
            self.vanished = Some(address);
        } else {
            return;
        }
        let cause = if vanished { Cause::TimedOut } else { Cause::Closed };
        self.failures.note(Failure { at: FailedAt::Address(address), cause });
    }

    /// All failures. `last` are the newest ones.
    pub fn failures(self, last: Failures) -> Failures {
        let mut failures = self.failures;
        last.into_iter().for_each(|failure| failures.note(failure));
        failures
    }
}

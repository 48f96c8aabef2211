//! What has been tried for a request, and which addresses are not dialled again.

use std::net::SocketAddr;

use crate::cause::{Cause, FailedAt, Failure, Failures};
use crate::upstream::Connection;

/// What has been tried for one request, which may need several connections until one of them answers.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Addresses that are not dialled again.
    pub(super) dialled: Vec<SocketAddr>,
    /// An address that does not answer the kernel any more on a kept connection. It is dialled after the others.
    pub(super) vanished: Option<SocketAddr>,
    /// Kept connections do not count any more.
    pub(super) new_only: bool,
    /// A connection has failed.
    failed: bool,
    /// What has failed for good, and why.
    pub(super) failures: Failures,
}

impl Attempts {
    /// For what needs a connection of its own.
    pub fn with_new_connections() -> Self {
        Self { new_only: true, ..Self::default() }
    }

    /// Whether no connection has failed yet.
    pub fn is_first(&self) -> bool {
        !self.failed
    }

    /// Notes that `connection` has ended without an answer. After a kept one its address is tried with a new one, because
    /// targets close kept connections at any time; first of all, unless the host has `vanished`. After a new one another
    /// address must do.
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

    /// Everything that has failed, with what has failed last.
    pub fn failures(self, last: Failures) -> Failures {
        let mut failures = self.failures;
        last.into_iter().for_each(|failure| failures.note(failure));
        failures
    }
}

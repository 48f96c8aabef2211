//! The checks of every SIP request before it is routed: scanners, requests that are not sound, and requests over the
//! rate of an address or a user (contract section 9, *Sanity and rates*).
//!
//! The first requests of a connection and the later ones are checked alike. The guard counts each finding. The log has
//! one line a connection.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;

use crate::config::Config;
use crate::ending::{Ending, Responsible, Stage};
use crate::guard::User;
use crate::inspect::sip::{Fault, Message, is_scanner};
use crate::reason::Reason;
use crate::relay::sip::{FORBIDDEN, NO_SERVICE};
use crate::state::Shared;

/// The longest pause that a client is asked to make, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The request says that it is from a scanner.
    Scanner,
    /// The request is not sound.
    Insane(Fault),
    /// The request is over the rate.
    TooMany,
}

impl Turned {
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::Scanner => Reason::Scanner,
            Self::Insane(_) => Reason::Sanity,
            Self::TooMany => Reason::Rate,
        }
    }

    /// The status of the answer, where it is answered.
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Scanner => FORBIDDEN,
            Self::Insane(fault) => fault.status(),
            Self::TooMany => NO_SERVICE,
        }
    }

    /// Further header fields of the answer. The pause is random, so that clients that were turned away together do not
    /// come back together.
    pub(super) fn more(self) -> String {
        match self {
            Self::TooMany => format!("Retry-After: {}\r\n", pause()),
            Self::Scanner | Self::Insane(_) => String::new(),
        }
    }

    /// The ending for the log and the guard.
    pub(super) const fn ending(self, stage: Stage) -> Ending {
        let responsible = match self {
            Self::Insane(_) => Responsible::Client,
            Self::Scanner | Self::TooMany => Responsible::Policy,
        };
        Ending::because(stage, responsible, self.reason())
    }
}

/// A random number of seconds from 1 to [`LONGEST_PAUSE`].
fn pause() -> u64 {
    RandomState::new().build_hasher().finish() % LONGEST_PAUSE + 1
}

/// The terms by which requests are checked.
#[derive(Clone, Copy)]
pub(super) struct Screen<'s> {
    pub(super) shared: &'s Shared,
    pub(super) config: &'s Config,
    pub(super) client: IpAddr,
}

impl Screen<'_> {
    /// Checks a request. `fault` says what is wrong with it, if anything is.
    pub(super) fn look(&self, head: &[u8], request: &Message, fault: Option<Fault>) -> Option<Turned> {
        if is_scanner(head, request, &self.config.sip.scanners) {
            return Some(Turned::Scanner);
        }
        fault.map(Turned::Insane)
    }

    /// Counts a request of the client's address.
    pub(super) fn count(&self, head: &[u8], request: &Message) -> Option<Turned> {
        let is_counted = is_counted(head, request);
        (is_counted && !self.shared.guard.takes_request(self.client, &self.config.guard))
            .then_some(Turned::TooMany)
    }

    /// Counts a request of a user. The user is the name of a right credential, or else the user in From. `pbx`: the
    /// PBX at which the user in From is registered.
    pub(super) fn count_user(
        &self,
        head: &[u8],
        request: &Message,
        pbx: impl FnOnce() -> u64,
        is_proven: bool,
        by_credential: Option<&[u8]>,
    ) -> Option<Turned> {
        let limits = &self.config.guard.connections;
        if limits.sip_requests_per_user.is_none() || !is_counted(head, request) {
            return None;
        }
        // The user without its parameters (RFC 3261 §19.1.1), as a PBX confirms it.
        let from = || request.from.user.of_input(head).split(|octet| *octet == b';').next();
        let (name, is_proven) = match by_credential {
            Some(user) => (user, true),
            None => (from().unwrap_or_default(), is_proven),
        };
        let user = User { address: self.client, pbx: pbx(), name, is_proven };
        (!self.shared.guard.takes_request_of(user, &self.config.guard)).then_some(Turned::TooMany)
    }
}

/// Whether requests are counted at all.
pub(super) fn counts_requests(config: &Config) -> bool {
    let limits = &config.guard.connections;
    limits.sip_requests.is_some() || limits.sip_requests_per_user.is_some()
}

/// An ACK gets no answer, and a CANCEL ends a request that was counted.
fn is_counted(head: &[u8], request: &Message) -> bool {
    !matches!(request.method(head), None | Some(b"ACK" | b"CANCEL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w3_pauses_are_from_one_to_ten_seconds_and_differ() {
        let mut seen = [0; 11];
        for _ in 0..2_000 {
            let pause = usize::try_from(pause()).unwrap();
            seen[pause] += 1;
        }
        assert_eq!(seen[0], 0);
        assert!(seen[1..].iter().all(|times| *times > 0), "{seen:?}");
    }
}

//! What every request of a client is held to before the question where it may go: tools that look for PBXs, requests that
//! are not sound, and more requests than an address or a user may send (contract section 9, *Sanity and rates*).
//!
//! The first requests of a connection and the later ones come here alike. What is found is counted by the guard each time,
//! and written to the log once a connection.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::IpAddr;

use crate::config::Config;
use crate::ending::{Ending, Stage, Whose};
use crate::guard::User;
use crate::inspect::sip::{Fault, Message, is_scanner};
use crate::reason::Reason;
use crate::relay::sip::{FORBIDDEN, NO_SERVICE};
use crate::state::Shared;

/// The longest pause that a client is told, in seconds.
const LONGEST_PAUSE: u64 = 10;

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// It says that it is from a scanner.
    Scanner,
    /// It is not sound.
    Insane(Fault),
    /// It is one too many.
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

    /// How it is answered, where it is.
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Scanner => FORBIDDEN,
            Self::Insane(fault) => fault.status(),
            Self::TooMany => NO_SERVICE,
        }
    }

    /// The further header fields of the answer. Clients that were sent away together shall not come back together.
    pub(super) fn more(self) -> String {
        match self {
            Self::TooMany => format!("Retry-After: {}\r\n", pause()),
            Self::Scanner | Self::Insane(_) => String::new(),
        }
    }

    /// The ending that stands for it in the log and before the guard.
    pub(super) const fn ending(self, stage: Stage) -> Ending {
        let whose = match self {
            Self::Insane(_) => Whose::Client,
            Self::Scanner | Self::TooMany => Whose::Policy,
        };
        Ending::because(stage, whose, self.reason())
    }
}

/// Seconds from 1 to [`LONGEST_PAUSE`], another one each time.
fn pause() -> u64 {
    RandomState::new().build_hasher().finish() % LONGEST_PAUSE + 1
}

/// What requests are held to.
#[derive(Clone, Copy)]
pub(super) struct Screen<'s> {
    pub(super) shared: &'s Shared,
    pub(super) config: &'s Config,
    pub(super) client: IpAddr,
}

impl Screen<'_> {
    /// Looks at a request, whatever is the matter with it.
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

    /// Counts a request of a user. The user is the one whose credential was right, or else the one in From. `place`: where
    /// the user in From is registered.
    pub(super) fn count_user(
        &self,
        head: &[u8],
        request: &Message,
        place: impl FnOnce() -> u64,
        is_proven: bool,
        by_credential: Option<&[u8]>,
    ) -> Option<Turned> {
        let limits = &self.config.guard.connections;
        if limits.sip_requests_per_user.is_none() || !is_counted(head, request) {
            return None;
        }
        // Without parameters of the user (RFC 3261 §19.1.1), as it was confirmed.
        let from = || request.from.user.of_input(head).split(|octet| *octet == b';').next();
        let (name, is_proven) = match by_credential {
            Some(user) => (user, true),
            None => (from().unwrap_or_default(), is_proven),
        };
        let user = User { address: self.client, place: place(), name, is_proven };
        (!self.shared.guard.takes_request_of(user, &self.config.guard)).then_some(Turned::TooMany)
    }
}

/// Whether requests are counted at all.
pub(super) fn counts_requests(config: &Config) -> bool {
    let limits = &config.guard.connections;
    limits.sip_requests.is_some() || limits.sip_requests_per_user.is_some()
}

/// An ACK has no answer, and a CANCEL ends what was counted.
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

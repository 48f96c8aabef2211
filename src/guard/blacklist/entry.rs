//! An entry of the list, for people and programs, and its times.

use std::time::Duration;

use crate::accounts::Administrator;
use crate::guard::network::Network;
use crate::reason::Reason;

/// The most entries that administrators make.
pub const MANUAL: usize = 100_000;
/// An end that does not come.
pub(super) const NEVER: u32 = u32::MAX;

/// An entry, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub who: Network,
    /// Since when, in seconds since 1970.
    pub since: u32,
    /// Until when; `None`: until it is removed.
    pub until: Option<u32>,
    /// Why, which says as well whose entry it is.
    pub why: Why,
}

/// Why somebody is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The guard's doing.
    Automatic {
        /// The last offence.
        reason: Reason,
        /// How many there were in a minute.
        count: u32,
    },
    /// An administrator's.
    Manual {
        /// What he has to say about it.
        note: Box<str>,
    },
}

/// On whose account the list is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The guard, which has counted offences, or follows the clock.
    Guard,
    /// An administrator.
    Administrator(Administrator),
    /// The file in which the list is kept.
    File,
}

/// Has an entry that begins after `now` begin then, for as long as it was meant to last; whether it did.
pub(super) fn begin_by(now: u32, since: &mut u32, until: &mut u32) -> bool {
    let is_ahead = *since > now;
    if is_ahead {
        if *until != NEVER {
            *until = now.saturating_add(until.saturating_sub(*since)).min(NEVER - 1);
        }
        *since = now;
    }
    is_ahead
}

/// When an entry ends that is made at `now`; `None`: never.
pub(super) fn end(now: u32, expiration: Option<Duration>) -> Option<u32> {
    let time = expiration?;
    // Whole seconds, rounded up: nobody is let in too early.
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Some(now.saturating_add(u32::try_from(seconds).unwrap_or(NEVER)).min(NEVER - 1))
}

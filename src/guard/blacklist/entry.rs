//! An entry of the list, for people and programs, and its times.

use std::time::Duration;

use crate::accounts::Administrator;
use crate::guard::network::Network;
use crate::reason::Reason;

/// The most entries that administrators make.
pub const MANUAL: usize = 100_000;
/// The end of an entry that has no end.
pub(super) const NEVER: u32 = u32::MAX;

/// An entry for readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The address or network.
    pub who: Network,
    /// The beginning, in seconds since 1970.
    pub since: u32,
    /// The end, in seconds since 1970. `None`: the entry lasts until it is removed.
    pub until: Option<u32>,
    /// Why it is listed: by the guard, or by an administrator.
    pub why: Why,
}

/// Why an address or network is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The guard has listed it.
    Automatic {
        /// The reason of the last offence.
        reason: Reason,
        /// How many offences there were within a minute.
        count: u32,
    },
    /// An administrator has listed it.
    Manual {
        /// The administrator's note.
        note: Box<str>,
    },
}

/// Who changes the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The guard, because it has counted offences or because the clock was set back.
    Guard,
    /// An administrator.
    Administrator(Administrator),
    /// The file in which the list is kept.
    File,
}

/// If an entry begins after `now`, it begins at `now` and keeps its duration. Returns whether the entry was changed.
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

/// The end of an entry that is made at `now`. `None` as expiration: no end.
pub(super) fn end(now: u32, expiration: Option<Duration>) -> Option<u32> {
    let time = expiration?;
    // Whole seconds, rounded up, so that no address is let in too early.
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Some(now.saturating_add(u32::try_from(seconds).unwrap_or(NEVER)).min(NEVER - 1))
}

//! Who ended a relay, and which ending of a connection that is.

use crate::cause::Cause;
use crate::ending::{Ending, Stage, Whose};

/// Who ended a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The client ended first, or failed.
    Client,
    /// The target ended first, or failed.
    Target,
    /// Nothing moved for too long.
    Idle,
    /// The target owed an answer for too long.
    Silence,
}

impl EndedBy {
    /// The ending of a relay that has ended without a fault.
    pub const fn peacefully(self) -> Ending {
        let whose = match self {
            Self::Client => Whose::Client,
            Self::Target | Self::Silence => Whose::Target,
            Self::Idle => Whose::Policy,
        };
        Ending::peacefully(Stage::Relay, whose)
    }

    /// The end of a relay that began with a request, after `bytes_down` octets from the target. A target that goes without
    /// having said a byte was not there (contract section 1, step 6), and neither was one that owed an answer for too long.
    pub const fn answered(self, bytes_down: u64) -> Ending {
        match (self, bytes_down) {
            (Self::Silence, _) => Ending::of_target(Stage::Relay, Cause::NoAnswer),
            (Self::Target, 0) => Ending::of_target(Stage::Relay, Cause::Closed),
            _ => self.peacefully(),
        }
    }
}

//! The side that ended a relay, and the ending of a connection that follows from it.

use crate::cause::Cause;
use crate::ending::{Ending, Responsible, Stage};

/// The side that ended a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The client ended first, or failed.
    Client,
    /// The target ended first, or failed.
    Target,
    /// Neither side: nothing moved for too long.
    Idle,
    /// The target, because it owed an answer for too long.
    Silence,
}

impl EndedBy {
    /// The ending of a relay that ended without a fault.
    pub const fn peacefully(self) -> Ending {
        let responsible = match self {
            Self::Client => Responsible::Client,
            Self::Target | Self::Silence => Responsible::Target,
            Self::Idle => Responsible::Policy,
        };
        Ending::peacefully(Stage::Relay, responsible)
    }

    /// The ending of a relay that began with a request, after `bytes_down` octets from the target. A target that ends
    /// without having sent an octet counts as down (contract section 1, step 6). So does a target that owed an answer
    /// for too long.
    pub const fn answered(self, bytes_down: u64) -> Ending {
        match (self, bytes_down) {
            (Self::Silence, _) => Ending::of_target(Stage::Relay, Cause::NoAnswer),
            (Self::Target, 0) => Ending::of_target(Stage::Relay, Cause::Closed),
            _ => self.peacefully(),
        }
    }
}

//! How a connection or a request ended: in which stage, whose doing it was, why, and what that weighs toward the
//! blacklist (contract sections 6 and 8).
//!
//! An [`Ending`] is made where the end is noticed: by a watch, by a decision, by TLS. It is carried whole from there to
//! `conn::ending`, which logs, counts and tells the guard. Nothing on the way changes whose doing it was.

use crate::cause::Cause;
use crate::reason::{Reason, Weight};

/// The stage of the journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// PROXY header or TLS handshake.
    Secure,
    /// Waiting for a request, or reading it.
    Ask,
    /// The decision.
    Route,
    /// On the way to the target.
    Connect,
    /// Between client and target.
    Relay,
}

impl Stage {
    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Ask => "ask",
            Self::Route => "route",
            Self::Connect => "connect",
            Self::Relay => "relay",
        }
    }
}

/// Whose doing the end was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The client closed, failed or broke the protocol.
    Client,
    /// The rules or the limits say so.
    Policy,
    /// The target closed, failed or broke the protocol.
    Target,
    /// Portward itself: it is stopping, an administrator has ended the connection, or there is no certificate for TLS.
    Ourselves,
}

impl Whose {
    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Target => "target",
            Self::Ourselves => "ourselves",
        }
    }
}

/// How a connection or a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Where.
    pub stage: Stage,
    /// By whose doing.
    pub whose: Whose,
    /// Why; `None`: it ended without a fault.
    pub reason: Option<Reason>,
    /// What lies behind the reason, where that is known: of a target, or of a client's certificate.
    pub cause: Option<Cause>,
    /// What it weighs toward the blacklist: as the reason says, unless the place where it ended knows better.
    pub weight: Weight,
    /// The client is told why in any case, where it speaks HTTP or SIP. Otherwise `reject` says whether it is told.
    pub is_told: bool,
}

impl Ending {
    /// An end with a reason.
    pub const fn because(stage: Stage, whose: Whose, reason: Reason) -> Self {
        Self { stage, whose, reason: Some(reason), cause: None, weight: reason.weight(), is_told: false }
    }

    /// An end without a fault: a side has closed, an idle timeout has passed, or what was asked for is done.
    pub const fn peacefully(stage: Stage, whose: Whose) -> Self {
        Self { stage, whose, reason: None, cause: None, weight: Weight::Nothing, is_told: false }
    }

    /// The end of what was asked of a target that has failed for this cause.
    pub const fn of_target(stage: Stage, cause: Cause) -> Self {
        Self::because(stage, Whose::Target, cause.reason()).by(cause)
    }

    /// The same end, with what lies behind it.
    pub const fn by(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// The same end, without any weight.
    pub const fn uncounted(self) -> Self {
        Self { weight: Weight::Nothing, ..self }
    }

    /// The same end, and the client is told in any case.
    pub const fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// Whether it weighs anything.
    pub const fn counts(self) -> bool {
        !matches!(self.weight, Weight::Nothing)
    }
}

//! How a connection or a request ended: in which stage, on which side, for which reason, and how much that weighs
//! toward the blacklist (contract sections 6 and 8).
//!
//! An [`Ending`] is made where the end is noticed: by a watch, by a decision, or by TLS. It is carried unchanged from
//! there to `conn::ending`, which logs it, counts it and tells the guard. Nothing on the way changes the side that is
//! responsible.

use crate::cause::Cause;
use crate::reason::{Reason, Weight};

/// The stage of a connection's journey.
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
    /// The stage's name in the log.
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

/// The side that is responsible for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Responsible {
    /// The client closed, failed or broke the protocol.
    Client,
    /// The rules or the limits forbid it.
    Policy,
    /// The target closed, failed or broke the protocol.
    Target,
    /// Portward itself: it is stopping, an administrator has ended the connection, or there is no certificate for TLS.
    Ourselves,
}

impl Responsible {
    /// The side's name in the log.
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
    /// The stage in which it ended.
    pub stage: Stage,
    /// The side that is responsible for the end.
    pub responsible: Responsible,
    /// The reason. `None`: it ended without a fault.
    pub reason: Option<Reason>,
    /// The cause behind the reason, where it is known. It is about a target or about a client's certificate.
    pub cause: Option<Cause>,
    /// The weight toward the blacklist. This is the reason's own weight, unless the place where it ended sets another
    /// one.
    pub weight: Weight,
    /// `true`: the client is told the reason in any case, if it speaks HTTP or SIP. `false`: the setting `reject`
    /// decides whether the client is told.
    pub is_told: bool,
}

impl Ending {
    /// An end with a reason.
    pub const fn because(stage: Stage, responsible: Responsible, reason: Reason) -> Self {
        Self {
            stage,
            responsible,
            reason: Some(reason),
            cause: None,
            weight: reason.weight(),
            is_told: false,
        }
    }

    /// An end without a fault: a side has closed, an idle timeout has passed, or the request is done.
    pub const fn peacefully(stage: Stage, responsible: Responsible) -> Self {
        Self { stage, responsible, reason: None, cause: None, weight: Weight::Nothing, is_told: false }
    }

    /// The end of a request whose target has failed with this cause.
    pub const fn of_target(stage: Stage, cause: Cause) -> Self {
        Self::because(stage, Responsible::Target, cause.reason()).by(cause)
    }

    /// The same end, with the cause behind it.
    pub const fn by(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// The same end, with no weight.
    pub const fn uncounted(self) -> Self {
        Self { weight: Weight::Nothing, ..self }
    }

    /// The same end, and the client is told in any case.
    pub const fn told(self) -> Self {
        Self { is_told: true, ..self }
    }

    /// Whether the end has any weight.
    pub const fn counts(self) -> bool {
        !matches!(self.weight, Weight::Nothing)
    }
}

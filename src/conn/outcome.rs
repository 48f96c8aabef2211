//! How a connection or a request ended: in which stage, by whose doing, why. Every end comes through here: log
//! lines are written here, and the guard hears of it here.

use std::net::IpAddr;

use super::Facts;
use crate::config::Config;
use crate::guard::Offence;
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::relay::tunnel::EndedBy;
use crate::relay::watched::Cut;
use crate::state::Shared;

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
    /// Portward is stopping.
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

/// An end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Where.
    pub stage: Stage,
    /// By whose doing.
    pub whose: Whose,
    /// Why; `None` for an end in peace.
    pub reason: Option<Reason>,
    /// Whether it counts toward the blacklist: as the reason says, unless somebody knows better.
    pub counts: bool,
    /// Whether it counts for a fifth only (contract section 6).
    pub fifth: bool,
}

impl Ended {
    /// An end with a reason.
    pub const fn because(stage: Stage, whose: Whose, reason: Reason) -> Self {
        Self { stage, whose, reason: Some(reason), counts: reason.suspicious(), fifth: false }
    }

    /// An end in peace.
    pub const fn peacefully(stage: Stage, whose: Whose) -> Self {
        Self { stage, whose, reason: None, counts: false, fifth: false }
    }

    /// The same end, held against nobody.
    pub const fn uncounted(self) -> Self {
        Self { counts: false, ..self }
    }
}

impl From<EndedBy> for Whose {
    fn from(by: EndedBy) -> Self {
        match by {
            EndedBy::Client => Self::Client,
            EndedBy::Target | EndedBy::Silence => Self::Target,
            EndedBy::Idle => Self::Policy,
        }
    }
}

impl Ended {
    /// The end of a relay by one side. A target that goes without having said a byte was not there (SPEC section 1,
    /// step 6), and neither was one that owed an answer for too long.
    pub(super) fn relayed(by: EndedBy, bytes_down: u64) -> Self {
        match by {
            EndedBy::Silence => Self::because(Stage::Relay, Whose::Target, Reason::TargetDown),
            EndedBy::Target if bytes_down == 0 => {
                Self::because(Stage::Relay, Whose::Target, Reason::TargetDown)
            }
            by => Self::peacefully(Stage::Relay, by.into()),
        }
    }

    /// The end of a relay by its watch, over a message of the client or of the target.
    pub(super) const fn cut(by_client: bool, Cut { reason, counts }: Cut) -> Self {
        let whose = if by_client { Whose::Client } else { Whose::Target };
        Self { counts, ..Self::because(Stage::Relay, whose, reason) }
    }
}

/// Writes the line of what was refused, and tells the guard, if it counts. What our own limits and lists refuse is summed
/// up instead, one line an address a minute.
pub(super) fn refused(
    shared: &Shared,
    config: &Config,
    facts: &Facts,
    client: IpAddr,
    subject: Subject<'_>,
    ended: Ended,
) {
    let Some(reason) = ended.reason else { return };
    if matches!(reason, Reason::Limit | Reason::Blocked | Reason::Blacklisted) {
        return shared.guard.note_refused(client, reason);
    }
    if config.log.rejected.contains(facts.service) {
        let line = facts.line(client, subject, Outcome::Rejected(reason));
        shared.log.decision(config.log.format, &line, config.log.query);
    }
    if ended.counts {
        let path = match subject {
            Subject::Http { target, .. } if reason == Reason::NoPath => {
                target.split(|octet| *octet == b'?').next().unwrap_or_default()
            }
            _ => &[],
        };
        suspect(shared, config, facts.id, client, Offence { reason, path, fifth: ended.fifth });
    }
}

/// Tells the guard of an offence, and the log if it was one too many.
pub(super) fn suspect(shared: &Shared, config: &Config, id: u64, client: IpAddr, offence: Offence<'_>) {
    if let Some(listed) = shared.guard.suspect(client, offence, &config.guard) {
        shared.log.blacklisted(config.log.format, id, &listed);
    }
}

/// Writes the second line, for those who want it.
pub(super) fn ended(shared: &Shared, config: &Config, facts: &Facts, ended: Ended, bytes: [u64; 2]) {
    if config.log.ended.contains(facts.service) {
        let outcome = Outcome::Ended {
            by: ended.whose.name(),
            stage: ended.stage.name(),
            reason: ended.reason,
            bytes,
            seconds: facts.since.elapsed().as_secs_f64(),
        };
        let line = facts.line(facts.client.ip(), Subject::Unknown, outcome);
        shared.log.decision(config.log.format, &line, config.log.query);
    }
}

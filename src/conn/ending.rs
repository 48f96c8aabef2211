//! Every decision, and every end of a connection or a request, comes through here: log lines are written here, what is
//! counted and kept of them is counted and kept here, and the guard hears of ends here.
//!
//! What an [`Ending`] says is decided where the end is noticed.

use std::net::IpAddr;

use super::client::{Client, Facts};
use crate::config::Config;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::state::Shared;
use crate::stats::{About, Fate, Moment};

/// What is told of a connection, and by which configuration.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    shared: &'a Shared,
    config: &'a Config,
    facts: &'a Facts,
    /// The client, as far as it is believed: the peer, or the one that a balancer names.
    who: IpAddr,
}

impl<'a> Report<'a> {
    /// Of a connection by which its client speaks for itself.
    pub(super) fn of(shared: &'a Shared, config: &'a Config, facts: &'a Facts) -> Self {
        Self { shared, config, facts, who: facts.client.ip() }
    }

    /// The same, where a balancer speaks for the client `who`.
    pub(super) fn on_behalf_of(self, who: IpAddr) -> Self {
        Self { who, ..self }
    }

    /// Writes the line of what was refused, and tells the guard, which knows what it counts. What our own limits and lists
    /// refuse is summed up instead, one line an address a minute.
    pub(super) fn refused(&self, subject: Subject<'_>, ended: Ending) {
        let Self { shared, config, facts, who } = *self;
        let Some(reason) = ended.reason else { return };
        if matches!(reason, Reason::Limit | Reason::Blocked | Reason::Blacklisted) {
            shared.stats.worker(facts.worker).rejected(facts.service, reason);
            return shared.guard.note_refused(who, reason);
        }
        self.decided(subject, Outcome::Rejected(reason));
        let path = match subject {
            Subject::Http { target, .. } => target.split(|octet| *octet == b'?').next().unwrap_or_default(),
            _ => &[],
        };
        let offence = Offence { reason, weight: ended.weight, path };
        suspect(shared, config, Suspect { id: facts.id, client: who }, offence);
    }

    /// Every decision about a request (HTTP) or a connection (others) comes through here: it is counted, kept among the
    /// newest ones, and its line is written if that is wanted. When it fell.
    pub(super) fn decided(&self, subject: Subject<'_>, outcome: Outcome) -> Moment {
        let Self { shared, config, facts, who } = *self;
        let now = shared.stats.now();
        let fate = match outcome {
            Outcome::Forwarded { to, new } => Fate::Forwarded { to, new },
            Outcome::Redirected(_) => Fate::Redirected,
            Outcome::Challenge => Fate::Challenge,
            Outcome::Rejected(reason) => Fate::Rejected(reason),
            // No decision: the connection had one before.
            Outcome::Ended { .. } => return now,
        };
        // A balancer speaks for a client whose port it does not say.
        let port = if who == facts.client.ip() { facts.client.port() } else { 0 };
        let about = About { id: facts.id, client: who, port, service: facts.service, carrier: facts.carrier };
        shared.stats.decide(facts.worker, about, subject, (fate, now));
        let log = &config.log;
        let wanted = if matches!(fate, Fate::Rejected(_)) { log.rejected } else { log.forwarded };
        if wanted.contains(facts.service) {
            shared.log.decision(log.format, &facts.line(who, subject, outcome), log.query);
        }
        now
    }

    /// Writes the second line of a connection, if that is wanted (`log.ended`). `bytes`: to the target and to the client.
    pub(super) fn ended(&self, ending: Ending, bytes: [u64; 2]) {
        let Self { shared, config, facts, .. } = *self;
        if config.log.ended.contains(facts.service) {
            let seconds = facts.since.elapsed().as_secs_f64();
            let outcome = Outcome::Ended { ending, bytes, seconds };
            let line = facts.line(facts.client.ip(), Subject::Unknown, outcome);
            shared.log.decision(config.log.format, &line, config.log.query);
        }
    }
}

impl Client {
    /// What is told of this connection by `config`.
    pub(super) fn report<'a>(&'a self, config: &'a Config) -> Report<'a> {
        Report::of(&self.worker.shared, config, &self.facts)
    }

    /// The connection has ended so.
    pub(super) fn ended(&self, ending: Ending) {
        self.report(&self.worker.shared.snapshot.load().config).ended(ending, self.live.bytes());
    }
}

/// Whom the guard is told of, on which connection.
#[derive(Clone, Copy)]
pub(super) struct Suspect {
    /// The number of the connection.
    pub(super) id: u64,
    /// The client's address.
    pub(super) client: IpAddr,
}

/// Tells the guard of an offence, and the log if it was one too many.
pub(super) fn suspect(shared: &Shared, config: &Config, who: Suspect, offence: Offence<'_>) {
    if let Some(listed) = shared.guard.suspect(who.client, offence, &config.guard) {
        shared.stats.listed(offence.reason);
        shared.log.blacklisted(config.log.format, who.id, &listed);
    }
}

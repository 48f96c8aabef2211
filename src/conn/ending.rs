//! Every decision, and every end of a connection or a request, comes through here. This module writes the log lines,
//! counts, keeps the newest decisions, and tells the guard about ends.
//!
//! The content of an [`Ending`] is decided where the end is noticed.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::client::{Client, Facts};
use crate::cause::Failure;
use crate::config::Config;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::{Line, Outcome, Subject};
use crate::reason::Reason;
use crate::state::Shared;
use crate::stats::{About, Fate, Moment};

/// Identifies the connection and its client in reports. It is small, because a judge keeps it as long as its connection
/// lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// The connection and its client. The client is the peer, or the client that a trusted balancer names.
    pub(super) about: About,
    /// The number of the worker that serves the connection.
    pub(super) worker: u16,
}

impl From<&Facts> for Told {
    fn from(facts: &Facts) -> Self {
        let (client, port) = (facts.client.ip(), facts.client.port());
        let about = About { id: facts.id, client, port, service: facts.service, carrier: facts.carrier };
        Self { about, worker: facts.worker }
    }
}

/// The target of a connection, and the octets that moved on it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// The last target that it was connected to.
    pub(super) target: Option<SocketAddr>,
    /// Octets to the target and to the client.
    pub(super) bytes: [u64; 2],
}

/// A report about a connection, under one configuration.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    shared: &'a Shared,
    config: &'a Config,
    told: Told,
    /// The host by its name in the rules, if a rule has decided.
    host: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// A report about a connection.
    pub(super) fn of(shared: &'a Shared, config: &'a Config, told: Told) -> Self {
        Self { shared, config, told, host: None }
    }

    /// The same report about the client `who`, whose port is unknown because a balancer speaks for it.
    pub(super) fn on_behalf_of(mut self, who: IpAddr) -> Self {
        let about = &mut self.told.about;
        if who != about.client {
            (about.client, about.port) = (who, 0);
        }
        self
    }

    /// The same report, for a decision by the rule of this host.
    pub(super) fn by_rule_for(mut self, host: &'a str) -> Self {
        self.host = Some(host);
        self
    }

    /// Identifies the connection and its client.
    pub(super) fn told(&self) -> Told {
        self.told
    }

    /// Writes the line of a refusal and tells the guard, which knows what counts. Refusals by our own limits and lists
    /// are summed up instead, in one line an address a minute.
    pub(super) fn refused(&self, subject: Subject<'_>, ended: Ending) {
        self.refused_over(subject, ended, &[]);
    }

    /// The same, with the failures of the target.
    pub(super) fn refused_over(&self, subject: Subject<'_>, ended: Ending, failures: &[Failure]) {
        let Self { shared, config, told: Told { about, worker }, .. } = *self;
        let Some(reason) = ended.reason else { return };
        if matches!(reason, Reason::Limit | Reason::Blocked | Reason::Blacklisted) {
            shared.stats.turned_away(worker, about.service, (about.client, reason));
            return shared.guard.note_refused(about.client, reason);
        }
        self.decided(subject, Outcome::Rejected { reason, cause: ended.cause, failures });
        let path = match subject {
            Subject::Http { target, .. } => target.split(|octet| *octet == b'?').next().unwrap_or_default(),
            _ => &[],
        };
        let offence = Offence { reason, weight: ended.weight, path };
        suspect(shared, config, &about, offence);
    }

    /// Counts a decision, keeps it among the newest decisions, and writes its line if that is configured. Every
    /// decision about a request (HTTP) or a connection (other protocols) comes through here. Returns the moment of the
    /// decision.
    pub(super) fn decided(&self, subject: Subject<'_>, outcome: Outcome<'_>) -> Moment {
        let Self { shared, config, told: Told { about, worker }, host } = *self;
        let now = shared.stats.now();
        let (fate, failures) = match outcome {
            Outcome::Forwarded { to, new } => (Fate::Forwarded { to, new }, &[][..]),
            Outcome::Redirected(_) => (Fate::Redirected, &[][..]),
            Outcome::Challenge => (Fate::Challenge, &[][..]),
            Outcome::AskedToLogIn => (Fate::AskedToLogIn, &[][..]),
            Outcome::WebSocket => (Fate::WebSocket, &[][..]),
            Outcome::Exchanged => (Fate::Exchanged, &[][..]),
            Outcome::Rejected { reason, cause, failures } => (Fate::Rejected { reason, cause }, failures),
            // An end is no decision. The decision came before.
            Outcome::Ended { .. } | Outcome::Done { .. } => return now,
        };
        shared.stats.decide_over(worker, about, subject, (fate, now, failures));
        let refused = if let Fate::Rejected { reason, .. } = fate { Some(reason) } else { None };
        shared.stats.busy(worker, about.client, host, refused);
        let log = &config.log;
        let wanted = if matches!(fate, Fate::Rejected { .. }) { log.rejected } else { log.forwarded };
        if wanted.contains(about.service) {
            shared.log.decision(log.format, &line(&about, subject, outcome), log.query);
        }
        now
    }

    /// Writes the line of a request that has ended. The caller has checked that this line is configured.
    pub(super) fn done(&self, subject: Subject<'_>, done: Outcome<'_>) {
        let Self { shared, config, told: Told { about, .. }, .. } = *self;
        shared.log.decision(config.log.format, &line(&about, subject, done), config.log.query);
    }

    /// Writes the second line of a connection that was accepted at `since`, if that is configured (`log.ended`).
    pub(super) fn ended(&self, since: Instant, ending: Ending, moved: Moved) {
        let Self { shared, config, told: Told { about, .. }, .. } = *self;
        if config.log.ended.contains(about.service) {
            let seconds = since.elapsed().as_secs_f64();
            let Moved { target, bytes } = moved;
            let outcome = Outcome::Ended { ending, target, bytes, seconds };
            let line = line(&about, Subject::Unknown, outcome);
            shared.log.decision(config.log.format, &line, config.log.query);
        }
    }
}

impl Client {
    /// A report about this connection under `config`.
    pub(super) fn report<'a>(&'a self, config: &'a Config) -> Report<'a> {
        Report::of(&self.worker.shared, config, Told::from(&self.facts))
    }

    /// Records how the connection has ended.
    pub(super) fn ended(&self, ending: Ending) {
        let config = &self.worker.shared.snapshot.load().config;
        let moved = Moved { target: self.live.target(), bytes: self.live.bytes() };
        self.report(config).ended(self.facts.since, ending, moved);
    }
}

fn line<'a>(about: &About, subject: Subject<'a>, outcome: Outcome<'a>) -> Line<'a> {
    let About { id, client, port, service, carrier } = *about;
    Line { id, client, port, service, carrier, subject, outcome }
}

/// Tells the guard about an offence. If the address is listed for it, the log says so.
pub(super) fn suspect(shared: &Shared, config: &Config, who: &About, offence: Offence<'_>) {
    if let Some(listed) = shared.guard.suspect(who.client, offence, &config.guard) {
        shared.stats.listed(offence.reason);
        shared.log.blacklisted(config.log.format, who.id, &listed);
    }
}

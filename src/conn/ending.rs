//! Every decision, and every end of a connection or a request, comes through here: log lines are written here, what is
//! counted and kept of them is counted and kept here, and the guard hears of ends here.
//! What an [`Ending`] says is decided where the end is noticed.

use std::net::IpAddr;

use super::client::{Client, Facts};
use crate::config::Config;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::state::Shared;
use crate::stats::{About, Fate};

/// Writes the line of what was refused, and tells the guard, which knows what it counts. What our own limits and lists
/// refuse is summed up instead, one line an address a minute.
pub(super) fn refused(
    shared: &Shared,
    config: &Config,
    facts: &Facts,
    client: IpAddr,
    subject: Subject<'_>,
    ended: Ending,
) {
    let Some(reason) = ended.reason else { return };
    if matches!(reason, Reason::Limit | Reason::Blocked | Reason::Blacklisted) {
        shared.stats.worker(facts.worker).rejected(facts.service, reason);
        return shared.guard.note_refused(client, reason);
    }
    decided(shared, config, facts, client, subject, Outcome::Rejected(reason));
    let path = match subject {
        Subject::Http { target, .. } => target.split(|octet| *octet == b'?').next().unwrap_or_default(),
        _ => &[],
    };
    suspect(shared, config, facts.id, client, Offence { reason, weight: ended.weight, path });
}

/// Every decision comes through here: it is counted, kept among the newest ones, and its line is written if that is wanted.
pub(super) fn decided(
    shared: &Shared,
    config: &Config,
    facts: &Facts,
    client: IpAddr,
    subject: Subject<'_>,
    outcome: Outcome,
) {
    let fate = match outcome {
        Outcome::Forwarded { to, new } => Fate::Forwarded { to, new },
        Outcome::Redirected(_) => Fate::Redirected,
        Outcome::Challenge => Fate::Challenge,
        Outcome::Rejected(reason) => Fate::Rejected(reason),
        // No decision: the connection had one before.
        Outcome::Ended { .. } => return,
    };
    // A balancer speaks for a client whose port it does not say.
    let port = if client == facts.client.ip() { facts.client.port() } else { 0 };
    let about = About { id: facts.id, client, port, service: facts.service, carrier: facts.carrier };
    shared.stats.decide(facts.worker, (about, subject, fate), true);
    let log = &config.log;
    let wanted = if matches!(fate, Fate::Rejected(_)) { log.rejected } else { log.forwarded };
    if wanted.contains(facts.service) {
        shared.log.decision(log.format, &facts.line(client, subject, outcome), log.query);
    }
}

impl Client {
    /// The decision about a request (HTTP) or about the connection (others); `who` is the client as far as it is believed.
    pub(super) fn decided(&self, config: &Config, who: IpAddr, subject: Subject<'_>, outcome: Outcome) {
        decided(&self.worker.shared, config, &self.facts, who, subject, outcome);
    }
}

/// Tells the guard of an offence, and the log if it was one too many.
pub(super) fn suspect(shared: &Shared, config: &Config, id: u64, client: IpAddr, offence: Offence<'_>) {
    if let Some(listed) = shared.guard.suspect(client, offence, &config.guard) {
        shared.stats.listed(offence.reason);
        shared.log.blacklisted(config.log.format, id, &listed);
    }
}

/// Writes the second line, for those who want it.
pub(super) fn ended(shared: &Shared, config: &Config, facts: &Facts, ended: Ending, bytes: [u64; 2]) {
    if config.log.ended.contains(facts.service) {
        let seconds = facts.since.elapsed().as_secs_f64();
        let outcome = Outcome::Ended { ending: ended, bytes, seconds };
        let line = facts.line(facts.client.ip(), Subject::Unknown, outcome);
        shared.log.decision(config.log.format, &line, config.log.query);
    }
}

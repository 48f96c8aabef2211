//! Every end of a connection or a request comes through here: log lines are written here, and the guard hears of it here.
//! What an [`Ending`] says is decided where the end is noticed.

use std::net::IpAddr;

use super::Facts;
use crate::config::Config;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::state::Shared;

/// Writes the line of what was refused, and tells the guard, which knows what it counts. What our own limits and lists refuse is summed
/// up instead, one line an address a minute.
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
        return shared.guard.note_refused(client, reason);
    }
    if config.log.rejected.contains(facts.service) {
        let line = facts.line(client, subject, Outcome::Rejected(reason));
        shared.log.decision(config.log.format, &line, config.log.query);
    }
    let path = match subject {
        Subject::Http { target, .. } => target.split(|octet| *octet == b'?').next().unwrap_or_default(),
        _ => &[],
    };
    suspect(shared, config, facts.id, client, Offence { reason, weight: ended.weight, path });
}

/// Tells the guard of an offence, and the log if it was one too many.
pub(super) fn suspect(shared: &Shared, config: &Config, id: u64, client: IpAddr, offence: Offence<'_>) {
    if let Some(listed) = shared.guard.suspect(client, offence, &config.guard) {
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

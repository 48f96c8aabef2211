//! `POST /v1/reload`: like SIGHUP, but with an answer. Everything is reloaded or nothing.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::rules::changes;
use crate::server::{Reloaded, ServerError};
use crate::state::Snapshot;

/// How many names of hosts are shown for each kind of change. In a large table all hosts may change at once.
const NAMES: usize = 100;

/// Answers with the changes, or with 422 and the errors.
pub(super) async fn answer(asked: &Asked<'_>) -> Answer {
    match asked.control.reload(asked.by()).await {
        Ok(Ok(reloaded)) => Answer::ok(&changed(&reloaded)),
        Ok(Err(ServerError { text, found })) => {
            let refused = json!({ "error": text.trim_end(), "diagnostics": found.to_json() });
            Answer::json(StatusCode::UNPROCESSABLE_ENTITY, &refused)
        }
        Err(stopping) => Answer::stopping(stopping),
    }
}

fn changed(Reloaded { before, after, found }: &Reloaded) -> Value {
    let hosts = changes::between(&before.table, &after.table);
    let listeners = |one: &Snapshot, other: &Snapshot| {
        let only = one.listeners.iter().filter(|address| !other.listeners.contains(address));
        only.map(ToString::to_string).collect::<Vec<_>>()
    };
    json!({
        "hosts": {
            "count": after.table.len(),
            "added": shown(&hosts.added),
            "changed": shown(&hosts.changed),
            "removed": shown(&hosts.removed),
        },
        "certificates": certificates(before, after),
        "listeners": { "opened": listeners(after, before), "closed": listeners(before, after) },
        "diagnostics": found.to_json(),
        "said": found.render(false).trim_end(),
    })
}

/// The names of certificates that were added, renewed and removed. A certificate is renewed if another one has its name
/// now.
fn certificates(before: &Snapshot, after: &Snapshot) -> Value {
    fn named(snapshot: &Snapshot) -> Vec<(&str, &[u8; 32])> {
        snapshot.certificates().map(|one| (one.name.as_str(), &one.facts.fingerprint)).collect()
    }
    let (before, after) = (named(before), named(after));
    let only = |one: &[(&str, &[u8; 32])], other: &[(&str, &[u8; 32])]| {
        let is_there = |name: &str| other.iter().any(|(known, _)| *known == name);
        let only = one.iter().filter(|(name, _)| !is_there(name));
        only.map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let is_new = |one: &&(&str, &[u8; 32])| !before.contains(one);
    let has_name = |one: &&(&str, &[u8; 32])| before.iter().any(|(name, _)| *name == one.0);
    let renewed: Vec<_> = after.iter().filter(is_new).filter(has_name).map(|(name, _)| *name).collect();
    json!({ "added": only(&after, &before), "renewed": renewed, "removed": only(&before, &after) })
}

/// The number of names, and the first of them.
fn shown(names: &[&str]) -> Value {
    json!({ "count": names.len(), "names": names.iter().take(NAMES).collect::<Vec<_>>() })
}

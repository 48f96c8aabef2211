//! `POST /v1/reload`: like SIGHUP, with an answer. All or nothing.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::rules::changes;
use crate::server::{Refused, Reloaded};
use crate::state::Snapshot;

/// How many names of hosts of a kind are shown: a large table may change as a whole.
const NAMES: usize = 100;

/// Answers it: what changed, or 422 with what is wrong.
pub(super) async fn answer(asked: &Asked<'_>) -> Answer {
    match asked.control.reload(asked.by()).await {
        Ok(Ok(reloaded)) => Answer::ok(&changed(&reloaded)),
        Ok(Err(Refused { text, found })) => {
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
    let certificates = |one: &Snapshot, other: &Snapshot| {
        let is_there = |name: &str| other.certificates().any(|certificate| certificate.name == name);
        let only = one.certificates().filter(|certificate| !is_there(&certificate.name));
        only.map(|certificate| certificate.name.clone()).collect::<Vec<_>>()
    };
    json!({
        "hosts": {
            "count": after.table.len(),
            "added": shown(&hosts.added),
            "changed": shown(&hosts.changed),
            "removed": shown(&hosts.removed),
        },
        "certificates": {
            "added": certificates(after, before),
            "removed": certificates(before, after),
        },
        "listeners": { "opened": listeners(after, before), "closed": listeners(before, after) },
        "diagnostics": found.to_json(),
    })
}

/// How many there are, and the first of them.
fn shown(names: &[&str]) -> Value {
    json!({ "count": names.len(), "names": names.iter().take(NAMES).collect::<Vec<_>>() })
}

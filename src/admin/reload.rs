//! `POST /v1/reload`: like SIGHUP, with an answer. All or nothing.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::api::{Answer, Asked, wrong};
use crate::rules::changes;
use crate::server::{Refused, Reloaded};
use crate::state::Snapshot;

/// How many names of hosts of a kind are shown: a large table may change as a whole.
const NAMES: usize = 100;

/// Answers it: what changed, or 422 with what is wrong.
pub(super) async fn answer(request: &Asked<'_>) -> Answer {
    if *request.method != Method::POST {
        return wrong(StatusCode::METHOD_NOT_ALLOWED, "POST is possible");
    }
    match request.control.reload(request.asker()).await {
        Ok(Ok(reloaded)) => (StatusCode::OK, changed(&reloaded).to_string()),
        Ok(Err(Refused { text, found })) => {
            let refused = json!({ "error": text.trim_end(), "diagnostics": found.to_json() });
            (StatusCode::UNPROCESSABLE_ENTITY, refused.to_string())
        }
        Err(stopping) => wrong(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string()),
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

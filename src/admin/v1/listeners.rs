//! `/v1/listeners`: the sockets that portward.toml names, whether they are open, and which certificates clients are shown
//! there.

use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::config::Listener;
use crate::state::Snapshot;

/// Answers it: the services in the order of portward.toml, then administration.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["limit", "after"])?;
    let (limit, after) =
        (query.limit()?, query.after(|text| text.parse::<usize>().ok())?.unwrap_or_default());
    let snapshot = asked.shared.snapshot.load();
    let services = snapshot.config.listen.listeners.iter().map(|one| of_service(&snapshot, one));
    let all: Vec<_> = services.chain(of_administration(&snapshot)).collect();
    let end = after.saturating_add(limit);
    Ok(Answer::ok(&json!({
        "count": all.len(),
        "listeners": all.get(after..end.min(all.len())).unwrap_or_default(),
        "next": (end < all.len()).then(|| end.to_string()),
    })))
}

fn of_service(snapshot: &Snapshot, listener: &Listener) -> Value {
    let Listener { service, transport, address, .. } = listener;
    let is_open = snapshot.listeners.contains(address);
    let missing = if transport.is_tls() { snapshot.server_tls.missing() } else { None };
    let why = match (is_open, missing) {
        (true, _) => None,
        (false, Some(missing)) => Some(missing),
        (false, None) => Some("this address cannot be opened on this machine"),
    };
    json!({
        "address": address.to_string(),
        "service": service.name(),
        "transport": if transport.is_tls() { "tls" } else { "plain" },
        "scheme": service.scheme(*transport),
        "open": is_open,
        "why": why,
        "certificates": transport.is_tls().then(|| certificates(snapshot)),
    })
}

/// Which certificate a client is shown for which names, and which one if its name is none of these or it names none.
fn certificates(snapshot: &Snapshot) -> Value {
    let one = |certificate: &crate::tls::Certificate| {
        json!({
            "name": certificate.name,
            "names": certificate.facts.names,
            "default": snapshot.server_tls.is_default(certificate),
        })
    };
    snapshot.server_tls.certificates().map(one).collect()
}

fn of_administration(snapshot: &Snapshot) -> Vec<Value> {
    let socket = snapshot.config.admin.socket.display().to_string();
    let of = |address: String, transport: &str| {
        json!({
            "address": address,
            "service": "admin",
            "transport": transport,
            "scheme": null,
            // The question came by one of them; the log says of the other that it cannot be opened.
            "open": true,
            "why": null,
            "certificates": null,
        })
    };
    vec![of(socket, "unix")]
}

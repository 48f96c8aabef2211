//! `/v1/listeners`: the sockets in portward.toml, also those of administration: whether they are open, and which
//! certificates clients are shown there.

use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::admin::{PORT, SOCKET};
use crate::config::Listener;
use crate::state::{Shared, Snapshot};

/// Answers with the sockets: services in the order of portward.toml, then administration.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["limit", "after"])?;
    let snapshot = asked.shared.snapshot.load();
    let services = snapshot.config.listen.listeners.iter().map(|one| of_service(&snapshot, one));
    let all: Vec<_> = services.chain(of_administration(asked.shared, &snapshot)).collect();
    let (page, next) = query.page(&all)?;
    Ok(Answer::ok(&json!({
        "count": all.len(),
        "listeners": page,
        "next": next,
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

/// The certificate that a client is shown for each name, and the certificate for other names or no name.
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

/// The socket of the file system, and the port if portward.toml has one.
fn of_administration(shared: &Shared, snapshot: &Snapshot) -> Vec<Value> {
    let admin = &snapshot.config.admin;
    let socket = json!({
        "address": admin.socket.display().to_string(),
        "service": "admin",
        "transport": "unix",
        "scheme": null,
        "certificates": null,
    });
    let certificate = admin.certificate.as_deref();
    let shown = |name| {
        let one = snapshot.server_tls.certificates().find(|one| one.name == name);
        one.map(|one| vec![json!({ "name": name, "names": one.facts.names, "default": true })])
    };
    let port = admin.listen.map(|address| {
        json!({
            "address": address.to_string(),
            "service": "admin",
            "transport": if certificate.is_some() { "tls" } else { "plain" },
            "scheme": if certificate.is_some() { "https" } else { "http" },
            "certificates": certificate.map(|name| shown(name).unwrap_or_default()),
        })
    });
    let port = port.map(|port| with_state(port, why_port_is_closed(shared, snapshot)));
    std::iter::once(with_state(socket, shared.why_admin_closed(SOCKET))).chain(port).collect()
}

/// Why the port in portward.toml is closed. `None`: it is open.
pub(super) fn why_port_is_closed(shared: &Shared, snapshot: &Snapshot) -> Option<String> {
    match snapshot.config.admin.certificate.as_deref() {
        Some(name) if snapshot.admin_tls.is_none() => Some(format!("there is no certificate {name}")),
        _ => shared.why_admin_closed(PORT),
    }
}

/// The listener with its state: open, or why it is closed.
fn with_state(mut listener: Value, why: Option<String>) -> Value {
    if let Some(fields) = listener.as_object_mut() {
        fields.insert("open".to_owned(), why.is_none().into());
        fields.insert("why".to_owned(), why.into());
    }
    listener
}

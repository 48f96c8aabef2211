//! How a connection that is decided once is connected to its target: dial, the decision line, or the refusal.

use std::sync::Arc;

use super::client::Client;
use super::ending;
use crate::ending::{Ending, Stage, Whose};
use crate::log::{Outcome, Subject};
use crate::rules::decide::Route;
use crate::state::Snapshot;
use crate::upstream::{Attempts, Connection, Wanted};

/// Opens a connection to where `route` leads and writes the decision line. `name` is the host as it was asked for,
/// which a wildcard rule does not know.
///
/// # Errors
/// The target is down or its TLS failed: the line of that is written, the client is still to be closed.
pub(super) async fn connect(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    route: Route<'_>,
    name: &str,
    subject: Subject<'_>,
) -> Result<Connection, Ending> {
    let (worker, config) = (&client.worker, &snapshot.config);
    let wanted = Wanted {
        service: route.service,
        endpoints: route.endpoints,
        transport: route.transport,
        port: route.port,
        host: if route.host.name().starts_with('*') { name } else { route.host.name() },
        client: client.facts.client,
        owner: client.facts.client.ip(),
        local: client.facts.local,
    };
    let mut attempts = Attempts::with_new_connections();
    let connected =
        worker.dialer(snapshot).connect(wanted, &mut Vec::new(), &worker.pool, &mut attempts).await;
    match connected {
        Ok(target) => {
            let to = target.key.address;
            client.decided(config, client.facts.client.ip(), subject, Outcome::Forwarded { to, new: true });
            if let Subject::Signalling { who, name, certificate, .. } = subject {
                client.live.set_route([name, who], route.host.name(), certificate, to);
            }
            client.live.asked();
            client.leg.stream.keep_alive();
            target.leg.stream.watch_tunnel();
            Ok(target)
        }
        Err(reason) => {
            let ended = Ending::because(Stage::Connect, Whose::Target, reason);
            refuse(client, snapshot, subject, ended);
            Err(ended)
        }
    }
}

/// Writes the line of a refusal.
pub(super) fn refuse(client: &Client, snapshot: &Snapshot, subject: Subject<'_>, ended: Ending) {
    let who = client.facts.client.ip();
    ending::refused(&client.worker.shared, &snapshot.config, &client.facts, who, subject, ended);
}

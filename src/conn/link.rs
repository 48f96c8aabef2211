//! Connects a connection that is decided once to its target: dial, then the decision line or the refusal.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::blame::{Suspect, unreached};
use super::client::Client;
use super::onward;
use crate::ending::{Ending, Stage};
use crate::log::{Outcome, Subject};
use crate::rules::decide::Route;
use crate::service::{Service, Transport};
use crate::state::Snapshot;
use crate::upstream::{Attempts, Connection, ConnectionWanted};

/// The destination of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'r> {
    /// The route of the rule that decided.
    pub(super) route: Route<'r>,
    /// The host as the client asked for it. A wildcard rule does not know this name.
    pub(super) name: &'r str,
    /// The only address of the target that may be used, if the connection belongs to one.
    pub(super) only: Option<IpAddr>,
}

impl Destination<'_> {
    /// Connects to the destination and writes the decision line.
    ///
    /// # Errors
    /// The target is down or its TLS failed. The line is written. The caller still has to close the client.
    pub(super) async fn connect(
        self,
        client: &Client,
        snapshot: &Arc<Snapshot>,
        subject: Subject<'_>,
    ) -> Result<Connection, Ending> {
        let Self { route, name, only } = self;
        let (worker, config) = (&client.worker, &snapshot.config);
        let wanted = ConnectionWanted {
            service: route.service,
            endpoints: route.endpoints,
            transport: route.transport,
            port: route.port,
            host: if route.host.name().starts_with('*') { name } else { route.host.name() },
            client: client.facts.client,
            owner: client.facts.client.ip(),
            local: client.facts.local,
            is_chosen: route.host.name().starts_with('*'),
            only,
        };
        let mut attempts = Attempts::with_new_connections();
        let connected =
            worker.dialer(snapshot).connect(&wanted, &mut Vec::new(), &worker.pool, &mut attempts).await;
        match connected {
            Ok(mut target) => {
                let to = target.key.address;
                if let Some(path) = route.websocket {
                    let name = host_field(wanted.host, to, route.transport);
                    let opened =
                        onward::open(&mut target.leg, &name, path, config.upstream.connect_timeout).await;
                    if let Err(cause) = opened {
                        let suspect = Suspect { leg: &mut target.leg, address: to };
                        let (ended, failures) =
                            suspect.blame(client, Ending::of_target(Stage::Connect, cause));
                        client.report(config).refused_over(subject, ended, failures.as_slice());
                        return Err(ended);
                    }
                }
                let report = client.report(config).by_rule_for(route.host.name());
                let now = report.decided(subject, Outcome::Forwarded { to, new: true });
                if let Subject::Signalling { who, name, certificate, unproven, .. } = subject {
                    client.live.set_route([name, who], route.host.name(), certificate, to);
                    client.live.set_unproven(unproven);
                }
                client.live.asked(now);
                client.leg.stream.keep_alive();
                target.leg.stream.watch_tunnel();
                Ok(target)
            }
            Err(failures) => {
                let ended = unreached(&failures);
                client.report(config).refused_over(subject, ended, failures.as_slice());
                Err(ended)
            }
        }
    }
}

/// The Host field for a PBX that is reached by WebSocket: the host's name in the rules, and the port unless it is the
/// default port. If the PBX is known only by its address, the address is used.
fn host_field(host: &str, to: SocketAddr, transport: Transport) -> String {
    let name = host.split('/').next().unwrap_or(host);
    match to.port() == Service::Http.standard_port(transport) {
        true => name.to_owned(),
        false => format!("{name}:{}", to.port()),
    }
}

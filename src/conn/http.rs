//! HTTP: ask, route, connect and relay, once a request, until the client or Portward ends the connection.

mod answer;
mod forward;
mod refuse;

use answer::{challenge, redirect};
use forward::forward;
use refuse::{is_answered, refuse};

use super::route::{Routed, status, way_out};
use super::tunnel::Tunnel;
use super::{Client, ask, ending, route};
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::http::Request;
use crate::log::Subject;
use crate::reason::Reason;
use crate::relay::http::own_response;
use crate::rules::decide::HttpDecision;
use crate::upstream::{Connection, Wanted};

/// What comes after a request.
enum Next {
    /// Another one.
    Ask,
    /// The end.
    End(Ending),
    /// The end, in the orderly way: an answer is on its way.
    Close(Ending),
    /// A WebSocket.
    Tunnel(Box<Tunnel>),
}

/// Serves a client until its connection ends.
pub(super) async fn serve(mut client: Client) {
    let mut own = Vec::new();
    let ended = loop {
        let patience = {
            let limits = &client.worker.shared.snapshot.load().config.limits;
            ask::Patience { inspect: limits.inspect_timeout, idle: limits.idle_timeout.services.http }
        };
        match ask::request(&mut client, patience).await {
            Ok((request, len)) => match Box::pin(one(&mut client, &mut own, request, len)).await {
                Next::Ask => client.requests += 1,
                Next::End(ended) => break ended,
                Next::Close(ended) => {
                    let shared = client.worker.shared.clone();
                    ending::ended(
                        &shared,
                        &shared.snapshot.load().config,
                        &client.facts,
                        ended,
                        client.live.bytes(),
                    );
                    return client.leg.close().await;
                }
                Next::Tunnel(tunnel) => {
                    own.clear();
                    break Box::pin(tunnel.run(&mut client)).await;
                }
            },
            Err(ended) => {
                let snapshot = client.worker.shared.snapshot.load_full();
                let config = &snapshot.config;
                if let Some(reason) = ended.reason {
                    let who = client.facts.client.ip();
                    ending::refused(
                        &client.worker.shared,
                        config,
                        &client.facts,
                        who,
                        Subject::Unknown,
                        ended,
                    );
                    let nobody = matches!(reason, Reason::Aborted | Reason::Silent | Reason::Limit);
                    if is_answered(&client, config) && !nobody {
                        let answer = own_response(status(reason), "", false, false);
                        let _ = client.say(&answer, patience.inspect).await;
                        ending::ended(
                            &client.worker.shared,
                            config,
                            &client.facts,
                            ended,
                            client.live.bytes(),
                        );
                        return client.leg.close().await;
                    }
                }
                break ended;
            }
        }
    };
    let shared = &client.worker.shared;
    ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.live.bytes());
}

/// One request: the decision, the target, the exchange.
async fn one(client: &mut Client, own: &mut Vec<Connection>, request: Request, len: usize) -> Next {
    if client.permit.must_go() {
        client.worker.shared.guard.note_refused(client.facts.client.ip(), Reason::Blacklisted);
        return Next::End(Ending::because(Stage::Ask, Whose::Policy, Reason::Blacklisted));
    }
    client.live.count_request();
    let snapshot = client.worker.shared.snapshot.load_full();
    let mut routed = route::route(client, &snapshot, &request, len);
    drop(request);
    client.place = None;
    let guard = &client.worker.shared.guard;
    if routed.client != client.facts.client.ip()
        && let Some(reason) = guard.refuses(routed.client, &snapshot.config.guard)
    {
        // Somebody behind a balancer whom we would not have let in.
        let ended = Ending::because(Stage::Route, Whose::Policy, reason);
        return refuse(client, &snapshot.config, &mut routed, ended).await;
    }
    if let Some(token) = routed.challenge.take()
        && let Some(next) = Box::pin(challenge(client, own, &snapshot, &mut routed, &token)).await
    {
        return next;
    }
    match routed.verdict {
        Err(ended) => refuse(client, &snapshot.config, &mut routed, ended).await,
        Ok(decision) => match way_out(&decision) {
            None => redirect(client, &snapshot.config, &routed).await,
            Some((transport, port)) => {
                let name = requested_name(&decision, &routed);
                let wanted = Wanted {
                    service: client.facts.service,
                    endpoints: decision.rule.endpoints,
                    transport,
                    port,
                    host: &name,
                    client: client.facts.client,
                    owner: routed.client,
                    local: client.facts.local,
                };
                forward(client, own, &snapshot, &mut routed, wanted).await
            }
        },
    }
}

/// The name that was asked for, which a wildcard rule does not know.
fn requested_name(decision: &HttpDecision<'_>, routed: &Routed<'_>) -> Box<str> {
    let name = decision.host.name();
    if !name.starts_with('*') {
        return name.into();
    }
    routed.host()
}

//! Sends a request to its target. This module chooses the connection, sends a request again where that is safe, and
//! decides what becomes of both connections afterwards.

use super::broken::{Broken, unavailable};
use super::{Next, Turn};
use crate::conn::Client;
use crate::conn::blame::unreached;
use crate::conn::leave::withdrawn;
use crate::conn::login::{Login, credentials};
use crate::conn::tunnel::Tunnel;
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::http::Response;
use crate::log::Outcome;
use crate::relay::http::{After, AnswerEdits, Exchanged, Patience, exchange, request_head};
use crate::route::http::{self, Edits, To};
use crate::rules::Host;
use crate::upstream::{Attempts, Connection, ConnectionWanted};

/// How many connections to targets may belong to one client. A browser that uses NTLM at several PBXs has one for each
/// PBX.
const OWN_LIMIT: usize = 4;

/// Sends a request to its target and the response back.
pub(super) async fn forward(
    client: &mut Client,
    own: &mut Vec<Connection>,
    turn: &Turn<'_>,
    (to, edits): (&To<'_>, &Edits<'_>),
) -> Next {
    let worker = client.worker.clone();
    let limits = &turn.config().limits;
    let wanted = wanted(client, turn, to);
    let takes_login = edits.takes_login;
    // The target may leave a body unread. Then the request gets a connection that no other request uses.
    let alone = edits.connection == http::Connection::Ends;
    let mut attempts = if alone { Attempts::with_new_connections() } else { Attempts::default() };
    let mut outgoing = turn.asked.outgoing(edits);
    let tenant = edits.by_rule.as_ref().map(|rule| &*rule.tenant).filter(|tenant| !tenant.is_empty());
    loop {
        let dialer = worker.dialer(turn.snapshot);
        let mut target = match dialer.connect(&wanted, own, &worker.pool, &mut attempts).await {
            Ok(target) => target,
            Err(failures) => {
                let why = (unreached(&failures), &failures);
                return Box::pin(unavailable(client, turn, why, 502)).await;
            }
        };
        target.owner = turn.who;
        begin(client, turn, (to, &target), attempts.is_first());
        let patience = Patience {
            client: limits.idle_timeout.services.http,
            target: limits.response_timeout,
            min_rate: target.min_rate.unwrap_or(limits.min_rate),
        };
        target.bound |= turn.asked.binds_connection();
        let login = Login {
            shared: &worker.shared,
            exemption: client.permit.exemption(),
            told: turn.report(client).told(),
            endpoints: to.endpoints,
            ports: to.ports,
            // A login for Portward itself is not the target's concern.
            credentials: if takes_login { None } else { credentials(&turn.asked) },
        };
        let (live, reached) = (&client.live, target.reached.as_ref());
        let meter = live.toward(reached);
        let mut witness = |response: &Response, head: &[u8]| {
            live.answered(reached);
            turn.answered(response.status);
            login.answered(response, head);
        };
        let told = told_host(edits, to, &target);
        request_head(outgoing.head.vec(), &turn.asked, edits, told.as_deref());
        outgoing.answer = AnswerEdits::of(&turn.asked, edits, told.as_deref(), to.port.get());
        let legs = (&mut client.leg, &mut target.leg);
        let exchanged = tokio::select! {
            biased;
            exchanged = exchange(legs, &mut outgoing, &mut client.timer, patience, &mut witness, meter) => exchanged,
            ended = withdrawn(&worker.shared, (&*to.name, tenant), live).of_exchange(turn.changes) => {
                return withdraw(client, ended);
            }
        };
        return match exchanged {
            Ok(exchanged) => {
                // A login that is bound to the connection, such as NTLM, continues on the same connection.
                let unread = exchanged.left_unread && !exchanged.binds_connection;
                let clean = !alone && !unread;
                settle(client, own, (target, clean), exchanged, (&*to.name, tenant))
            }
            // The target closed a kept connection at the very moment that Portward used it (RFC 9112 §9.3.1), or the
            // target is gone.
            Err(failed) if failed.untouched && turn.asked.is_idempotent() => {
                if failed.vanished {
                    worker.pool.forget(target.key.address);
                }
                attempts.failed(&target, failed.vanished);
                continue;
            }
            // Boxed, because failures are rare and need more memory than an exchange.
            Err(failed) => Box::pin(Broken { failed, target, attempts }.end(client, turn)).await,
        };
    }
}

/// The Host that the target gets in place of the client's Host if the rule has `host = "target"`: the name of the
/// address that was reached.
fn told_host(edits: &Edits<'_>, to: &To<'_>, target: &Connection) -> Option<String> {
    let rule = edits.by_rule.as_ref()?;
    rule.treatment.host_of_target.then(|| to.authority(target.endpoint)).filter(|host| !host.is_empty())
}

/// The demand to the dialler.
fn wanted<'a>(client: &Client, turn: &Turn<'_>, to: &'a To<'_>) -> ConnectionWanted<'a> {
    ConnectionWanted {
        service: client.facts.service,
        endpoints: to.endpoints,
        transport: to.transport,
        port: to.port,
        host: &to.name,
        client: client.facts.client,
        owner: turn.who,
        local: client.facts.local,
        is_chosen: to.host.is_some_and(|host| host.name().starts_with('*')),
        only: None,
    }
}

/// A target can be reached. The decision is logged for the first connection that is tried.
fn begin(client: &Client, turn: &Turn<'_>, (to, target): (&To<'_>, &Connection), is_first: bool) {
    let address = target.key.address;
    let now = if is_first {
        let mut report = turn.report(client);
        if let Some(host) = to.host {
            report = report.by_rule_for(host.name());
        }
        report.decided(turn.subject(), Outcome::Forwarded { to: address, new: target.fresh })
    } else {
        client.worker.shared.stats.now()
    };
    let rule = to.host.map_or(&*to.name, Host::name);
    client.live.set_route([b"", turn.asked.host()], rule, "", address);
    client.live.asked(now);
}

/// Settles a whole response: what becomes of the target's connection, and what follows. `clean`: the target has read
/// everything, so the connection can take another request.
fn settle(
    client: &mut Client,
    own: &mut Vec<Connection>,
    (mut target, clean): (Connection, bool),
    exchanged: Exchanged,
    (host, tenant): (&str, Option<&str>),
) -> Next {
    target.bound |= exchanged.binds_connection;
    if exchanged.slow {
        target.leg.stream.watch_upload(false);
    }
    if exchanged.after == After::Tunnel {
        return Next::Tunnel(Box::new(Tunnel { target, host: host.into(), tenant: tenant.map(Box::from) }));
    }
    match exchanged.reusable && clean {
        true if target.bound => {
            // Each target has one entry. Under a wildcard rule clients choose the names, and each name would otherwise
            // have an entry of its own.
            let (owner, address) = (target.owner, target.key.address);
            own.retain(|other| other.owner != owner || other.key.address != address);
            if own.len() >= OWN_LIMIT {
                own.remove(0);
            }
            own.push(target);
        }
        true => client.worker.pool.put(target),
        false => {}
    }
    let ending = Ending::peacefully(Stage::Relay, Responsible::Client);
    match exchanged.after {
        After::Next => Next::Ask,
        After::CloseAtOnce => Next::CloseAtOnce(ending),
        After::Close | After::Tunnel => Next::Close(ending),
    }
}

/// Portward ends an exchange in its middle: an administrator has ended the connection, or the host or tenant was
/// disabled and the drain time is over. The client sees that its answer is incomplete.
fn withdraw(client: &Client, ended: Ending) -> Next {
    let _ = client.leg.stream.tcp().map(tokio::net::TcpStream::set_zero_linger);
    Next::End(ended)
}

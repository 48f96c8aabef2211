//! A request goes to its target: which connection it gets, when it is sent again, and what becomes of that connection and of
//! the client when the response is whole, or when there is none.

use super::broken::{Broken, unavailable};
use super::{Next, Turn};
use crate::conn::Client;
use crate::conn::blame::unreached;
use crate::conn::leave::withdrawn;
use crate::conn::login::{Login, credentials};
use crate::conn::tunnel::Tunnel;
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::http::Response;
use crate::log::Outcome;
use crate::relay::http::{After, AnswerEdits, Exchanged, Patience, exchange, request_head};
use crate::route::http::{self, Edits, To};
use crate::rules::Host;
use crate::upstream::{Attempts, Connection, Wanted};

/// How many connections to targets may belong to one client: a browser's NTLM logins at a few PBXs.
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
    // A body that may stay unread must not meet a connection that others have used, or will use.
    let takes_login = edits.takes_login;
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
            // A login that was Portward's is none of the target's.
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
                // A login of the connection that the target asks for goes on where it was begun.
                let unread = exchanged.left_unread && !exchanged.binds_connection;
                let clean = !alone && !unread;
                settle(client, own, (target, clean), exchanged, (&*to.name, tenant))
            }
            // The target closed a kept connection at the very moment that we used it (RFC 9112 §9.3.1), or it is gone.
            Err(failed) if failed.untouched && turn.asked.is_idempotent() => {
                if failed.vanished {
                    worker.pool.forget(target.key.address);
                }
                attempts.failed(&target, failed.vanished);
                continue;
            }
            // Boxed, because it is rare, and larger than what an exchange needs.
            Err(failed) => Box::pin(Broken { failed, target, attempts }.end(client, turn)).await,
        };
    }
}

/// What the target is told in place of the client's Host, by a rule with `host = "target"`: the name of the address that was
/// reached.
fn told_host(edits: &Edits<'_>, to: &To<'_>, target: &Connection) -> Option<String> {
    let rule = edits.by_rule.as_ref()?;
    rule.treatment.host_of_target.then(|| to.authority(target.endpoint)).filter(|host| !host.is_empty())
}

/// What is asked of the dialler.
fn wanted<'a>(client: &Client, turn: &Turn<'_>, to: &'a To<'_>) -> Wanted<'a> {
    Wanted {
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

/// A target can be asked. The decision is written for the first connection that is tried.
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

/// After a whole response: what becomes of the target's connection, and what comes next. `clean`: nothing is left on it that
/// the target may not have read, so that it can take another request.
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
            // One a target: under a wildcard rule clients choose names, and each name would have its own.
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
    match exchanged.after {
        After::Next => Next::Ask,
        _ => Next::Close(Ending::peacefully(Stage::Relay, Whose::Client)),
    }
}

/// An administrator has ended the connection in the middle of an exchange, or host or tenant were disabled and the drain time is
/// over. The client sees that its answer is not whole.
fn withdraw(client: &Client, ended: Ending) -> Next {
    let _ = client.leg.stream.tcp().map(tokio::net::TcpStream::set_zero_linger);
    Next::End(ended)
}

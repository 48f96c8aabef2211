//! HTTP: ask, route, connect and relay, once a request, until the client or Portward ends the connection.

use std::sync::Arc;

use super::login::Login;
use super::route::{Routed, status, way_out};
use super::tunnel::Tunnel;
use super::{Client, acme, ask, ending, route};
use crate::config::{Acme, Config, Reject};
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::http::{Request, Response};
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::relay::http::{After, Exchanged, Failed, Failure, Patience, exchange, own_document, own_response};
use crate::rules::Ports;
use crate::rules::decide::HttpDecision;
use crate::service::Transport;
use crate::state::Snapshot;
use crate::upstream::{Attempts, Connection, Wanted};

/// How many connections to targets may belong to one client: a browser's NTLM logins at a few PBXs.
const OWN_LIMIT: usize = 4;

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
                        client.bytes,
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
                        ending::ended(&client.worker.shared, config, &client.facts, ended, client.bytes);
                        return client.leg.close().await;
                    }
                }
                break ended;
            }
        }
    };
    let shared = &client.worker.shared;
    ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.bytes);
}

/// One request: the decision, the target, the exchange.
async fn one(client: &mut Client, own: &mut Vec<Connection>, request: Request, len: usize) -> Next {
    if client.permit.must_go() {
        client.worker.shared.guard.note_refused(client.facts.client.ip(), Reason::Blacklisted);
        return Next::End(Ending::because(Stage::Ask, Whose::Policy, Reason::Blacklisted));
    }
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

/// The answer to an ACME challenge; `None`: there is none, and the rules decide.
async fn challenge(
    client: &mut Client,
    own: &mut Vec<Connection>,
    snapshot: &Arc<Snapshot>,
    routed: &mut Routed<'_>,
    token: &str,
) -> Option<Next> {
    match snapshot.config.tls.acme.as_ref()? {
        Acme::Webroot(folder) => {
            let body = acme::answer(folder, token).await?;
            if client.is_logged(&snapshot.config) {
                let line = client.facts.line(routed.client, routed.subject(), Outcome::Challenge);
                client.worker.shared.log.decision(
                    snapshot.config.log.format,
                    &line,
                    snapshot.config.log.query,
                );
            }
            let answer = |goes_on| own_document(&body, goes_on, routed.outgoing.is_head);
            let ended = Ending::peacefully(Stage::Route, Whose::Policy);
            Some(say(client, routed, answer, true, ended, &snapshot.config).await)
        }
        Acme::Target { endpoints, port } => {
            let (name, facts) = (routed.host(), client.facts);
            let wanted = Wanted {
                service: facts.service,
                endpoints,
                transport: Transport::Plain,
                port: *port,
                host: &name,
                client: facts.client,
                owner: routed.client,
                local: facts.local,
            };
            Some(forward(client, own, snapshot, routed, wanted).await)
        }
    }
}

/// Sends a request to its target and the response back.
async fn forward(
    client: &mut Client,
    own: &mut Vec<Connection>,
    snapshot: &Arc<Snapshot>,
    routed: &mut Routed<'_>,
    wanted: Wanted<'_>,
) -> Next {
    let worker = client.worker.clone();
    let config = &snapshot.config;
    let limits = &config.limits;
    let mut patience = Patience {
        client: limits.idle_timeout.services.http,
        target: limits.response_timeout,
        min_rate: limits.min_rate,
    };
    let ports = match &routed.verdict {
        Ok(decision) => decision.rule.ports,
        Err(_) => Ports { tcp: Some(wanted.port), tls: None },
    };
    // A body that may stay unread must not meet a connection that others have used, or will use.
    let mut attempts = if routed.alone { Attempts::with_new_connections() } else { Attempts::default() };
    loop {
        let dialer = worker.dialer(snapshot);
        let connected = dialer.connect(wanted, own, &worker.pool, &mut attempts).await;
        let mut target = match connected {
            Ok(target) => target,
            Err(reason) => {
                let ended = Ending::because(Stage::Connect, Whose::Target, reason);
                return unavailable(client, config, routed, ended, 502).await;
            }
        };
        target.owner = routed.client;
        if client.is_logged(config) && attempts.is_first() {
            let forwarded = Outcome::Forwarded { to: target.key.address, new: target.fresh };
            let line = client.facts.line(routed.client, routed.subject(), forwarded);
            worker.shared.log.decision(config.log.format, &line, config.log.query);
        }
        patience.min_rate = target.min_rate.unwrap_or(limits.min_rate);
        target.bound |= routed.binds_connection;
        let login = Login {
            shared: &worker.shared,
            exemption: client.permit.exemption(),
            id: client.facts.id,
            client: routed.client,
            endpoints: wanted.endpoints,
            ports,
            credentials: routed.credentials,
        };
        let mut witness = |response: &Response, head: &[u8]| login.answered(response, head);
        let (legs, request) = ((&mut client.leg, &mut target.leg), &mut routed.outgoing);
        let exchanged = exchange(legs, request, &mut client.timer, patience, &mut witness).await;
        return match exchanged {
            Ok(exchanged) => {
                // A login of the connection that the target asks for goes on where it was begun.
                let unread = exchanged.left_unread && !exchanged.binds_connection;
                let clean = !routed.alone && !unread;
                settle(client, own, (target, clean), exchanged, wanted.host)
            }
            // The target closed a kept connection at the very moment that we used it (RFC 9112 §9.3.1), or it is gone.
            Err(failed) if failed.untouched && routed.is_idempotent() => {
                if failed.vanished {
                    worker.pool.forget(target.key.address);
                }
                attempts.failed(&target, failed.vanished);
                continue;
            }
            Err(failed) => fail(client, config, routed, failed).await,
        };
    }
}

/// After a whole response: what becomes of the target's connection, and what comes next. `clean`: nothing is left on it that
/// the target may not have read, so that it can take another request.
fn settle(
    client: &mut Client,
    own: &mut Vec<Connection>,
    (mut target, clean): (Connection, bool),
    exchanged: Exchanged,
    host: &str,
) -> Next {
    let [up, down] = &mut client.bytes;
    (*up, *down) = (*up + exchanged.bytes[0], *down + exchanged.bytes[1]);
    target.bound |= exchanged.binds_connection;
    if exchanged.slow {
        target.leg.stream.watch_upload(false);
    }
    if exchanged.after == After::Tunnel {
        return Next::Tunnel(Box::new(Tunnel { target, host: host.into() }));
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

/// The exchange came to no good end.
async fn fail(client: &mut Client, config: &Config, routed: &Routed<'_>, failed: Failed) -> Next {
    if failed.truncates {
        let _ = client.leg.stream.tcp().map(tokio::net::TcpStream::set_zero_linger);
    }
    let down = Ending::because(Stage::Relay, Whose::Target, Reason::TargetDown);
    match failed.failure {
        Failure::TargetSilent | Failure::TargetBroken if failed.unanswered => {
            unavailable(client, config, routed, down, 502).await
        }
        Failure::TargetTimeout if failed.unanswered => unavailable(client, config, routed, down, 504).await,
        Failure::TargetSilent | Failure::TargetBroken | Failure::TargetTimeout => Next::End(down),
        Failure::Client => Next::End(Ending::peacefully(Stage::Relay, Whose::Client)),
        Failure::ClientTimeout => Next::End(Ending::peacefully(Stage::Relay, Whose::Policy)),
        Failure::ClientSlow => {
            // A telephone on a bad line is as slow: this is held against nobody.
            let ended = Ending::because(Stage::Relay, Whose::Client, Reason::Timeout).uncounted();
            report(client, config, routed, ended);
            if failed.unanswered {
                reply(client, routed, 408, "", false, ended, config).await
            } else {
                Next::End(ended)
            }
        }
        Failure::ClientMalformed => {
            let ended = Ending::because(Stage::Relay, Whose::Client, Reason::Malformed);
            let answer = failed.unanswered && is_answered(client, config);
            report(client, config, routed, ended);
            if answer { reply(client, routed, 400, "", false, ended, config).await } else { Next::End(ended) }
        }
    }
}

/// 502 or 504: the target is to blame.
async fn unavailable(
    client: &mut Client,
    config: &Config,
    routed: &Routed<'_>,
    ended: Ending,
    status: u16,
) -> Next {
    report(client, config, routed, ended);
    let goes_on = !routed.has_body && is_balancer(client, config);
    reply(client, routed, status, "", goes_on, ended, config).await
}

/// A request that goes nowhere.
async fn refuse(client: &mut Client, config: &Config, routed: &mut Routed<'_>, ended: Ending) -> Next {
    report(client, config, routed, ended);
    let reason = ended.reason.unwrap_or(Reason::Malformed);
    // Browsers try a closed connection again, so a missing path is answered in any case. A balancer takes a closed
    // connection for a broken server, and stops sending anybody's requests.
    let missing = reason == Reason::NoPath && routed.known_host;
    let stays = missing || is_balancer(client, config);
    if stays || is_answered(client, config) {
        let goes_on = stays && swallow(client, routed, config).await;
        return reply(client, routed, status(reason), "", goes_on, ended, config).await;
    }
    Next::End(ended)
}

/// Whether a refusal is answered (contract section 1).
fn is_answered(client: &Client, config: &Config) -> bool {
    config.reject == Reject::Answer || is_balancer(client, config)
}

/// Whether the client speaks for others by X-Forwarded-For: it is always answered, and its connection stays.
fn is_balancer(client: &Client, config: &Config) -> bool {
    config.forwarded_from(client.facts.client.ip())
}

/// The longest body of a refused request that is read and thrown away, so that the connection can go on.
const SWALLOWED: u64 = 64 * 1024;

/// Reads the rest of a request that goes nowhere, if that is little and comes soon. False: the connection cannot go on.
async fn swallow(client: &mut Client, routed: &mut Routed<'_>, config: &Config) -> bool {
    let framing = &mut routed.outgoing.framing;
    if framing.is_done() {
        return true;
    }
    // A client that waits for 100 (Continue) may send its body, or not: nothing tells where the next request begins.
    if routed.outgoing.expects_continue || !is_balancer(client, config) {
        return false;
    }
    let reading = async {
        let mut read = 0;
        loop {
            let progress = framing.filter(client.leg.buffer.filled_mut()).ok()?;
            client.leg.buffer.consume(progress.taken);
            read += progress.taken as u64;
            if framing.is_done() {
                return Some(());
            }
            if read > SWALLOWED || client.leg.ended {
                return None;
            }
            std::future::poll_fn(|cx| client.leg.poll_fill(cx, crate::io::BUFFER)).await.ok()?;
        }
    };
    matches!(tokio::time::timeout(config.limits.inspect_timeout, reading).await, Ok(Some(())))
}

/// A 308 to the same URL by HTTPS.
async fn redirect(client: &mut Client, config: &Config, routed: &Routed<'_>) -> Next {
    let url = routed.https_url(config);
    if client.is_logged(config) {
        let line = client.facts.line(routed.client, routed.subject(), Outcome::Redirected(url.clone()));
        client.worker.shared.log.decision(config.log.format, &line, config.log.query);
    }
    let ended = Ending::peacefully(Stage::Route, Whose::Policy);
    let location = format!("Location: {url}\r\n");
    reply(client, routed, 308, &location, routed.outgoing.framing.is_done(), ended, config).await
}

fn report(client: &Client, config: &Config, routed: &Routed<'_>, ended: Ending) {
    ending::refused(&client.worker.shared, config, &client.facts, routed.client, routed.subject(), ended);
}

/// An answer of our own; the connection goes on after it if the client wants to and nothing of a body is left.
async fn reply(
    client: &mut Client,
    routed: &Routed<'_>,
    status: u16,
    extra: &str,
    goes_on: bool,
    ended: Ending,
    config: &Config,
) -> Next {
    let answer = |goes_on| own_response(status, extra, goes_on, routed.outgoing.is_head);
    say(client, routed, answer, goes_on, ended, config).await
}

/// Writes what `answer` makes of whether the connection goes on, and goes on if it can.
async fn say(
    client: &mut Client,
    routed: &Routed<'_>,
    answer: impl FnOnce(bool) -> Vec<u8>,
    goes_on: bool,
    ended: Ending,
    config: &Config,
) -> Next {
    let http11 = routed.outgoing.version == crate::inspect::http::Version::Http11;
    let goes_on = goes_on && http11 && routed.outgoing.persistent && !client.timer.is_stopping();
    let answer = answer(goes_on);
    match client.say(&answer, config.limits.inspect_timeout).await {
        Ok(()) if goes_on => Next::Ask,
        Ok(()) => Next::Close(ended),
        Err(_) => Next::End(ended),
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

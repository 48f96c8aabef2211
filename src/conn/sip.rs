//! SIP: the first request decides, everything after it is held against that (SPEC sections 1 to 3).

mod asked;
mod first;
mod judge;

use std::sync::Arc;

use asked::{Asked, Decided, asked, decide, leads_to};
use first::First;
use judge::RegistrationJudge;

use super::held::Held;
use super::leave::{part, withdrawn};
use super::link::{connect, refuse};
use super::standing::Standing;
use super::{Client, certificate, ending};
use crate::config::{Config, Reject};
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector, Message};
use crate::log::Subject;
use crate::proof;
use crate::proof::own::{Own, PublicAddress};
use crate::proof::sip::Verified;
use crate::proof::token::Tokens;
use crate::reason::Reason;
use crate::relay::patience::Patience;
use crate::relay::sip::{FORBIDDEN, Recording, SipWatch, length_inside, respond};
use crate::relay::watched::{Over, watched};
use crate::service::Transport;
use crate::state::Snapshot;
use crate::stats::Direction;

/// Serves a client until its connection ends.
// Not an `async fn`: that would keep room for the client twice.
#[expect(clippy::manual_async_fn, reason = "see above")]
pub(super) fn serve(mut client: Client) -> impl Future<Output = ()> + Send {
    async move {
        let (ended, answered) = match Box::pin(begin(&mut client)).await {
            Ok(linked) => relay(&mut client, linked).await,
            Err(refused) => refused,
        };
        let shared = &client.worker.shared;
        ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.live.bytes());
        if answered {
            Box::pin(client.leg.close()).await;
        }
    }
}

/// A connection with its target.
struct Linked {
    target: crate::io::Leg,
    held: Box<Held>,
    /// What the client's certificate proves, if it went out by TLS for that.
    verified: Option<Box<Verified>>,
    /// The verdict on it, for the log.
    cert: Box<str>,
    recording: Option<Recording>,
    rewrites: bool,
    /// The longest message toward the target.
    max_message: u32,
    /// A message was too long, and that was logged.
    was_too_long: bool,
}

/// The first request that decides, its decision and its way inside. The request stays in the client's buffer.
///
/// # Errors
/// How it ended, and whether it was answered.
async fn begin(client: &mut Client) -> Result<Box<Linked>, (Ending, bool)> {
    let mut first = First::default();
    loop {
        let found = first.message(client).await;
        let snapshot = client.worker.shared.snapshot.load_full();
        let (message, len) = found.map_err(|ended| {
            refuse(client, &snapshot, Subject::Unknown, ended);
            (ended, false)
        })?;
        let head: Box<[u8]> = client.leg.buffer.filled().get(..len).unwrap_or_default().into();
        if let Some(linked) = open(client, &mut first, &snapshot, (&head, &message)).await? {
            return Ok(linked);
        }
    }
}

/// The decision for a first message, and the way inside. `None`: it was answered or dropped, and another one may come.
async fn open(
    client: &mut Client,
    first: &mut First,
    snapshot: &Arc<Snapshot>,
    (head, message): (&[u8], &Message),
) -> Result<Option<Box<Linked>>, (Ending, bool)> {
    let tokens = &client.worker.shared.sip_tokens.clone();
    let own = own_entries(&snapshot.config, tokens, client.facts.transport());
    let name = asked(snapshot, &own, head, message);
    let verdict = certificate::judge(client, snapshot, name.as_ref().map_or(&[][..], Asked::name));
    let names = certificate::names(verdict.as_ref());
    let is_here =
        |host: &[u8]| name.as_ref().is_some_and(|name| leads_to(&snapshot.table, host, name.name()));
    let proven = || names.is_some_and(|names| proof::sip::request(names, head, message, is_here));
    let (who, cert) = (who(head, message), certificate::shown(verdict.as_ref()));
    let subject = subject(&who, head, message, &cert);
    let came_by = client.facts.transport();
    let route = match decide((snapshot, tokens), name.as_ref(), came_by, (head, message), proven) {
        Ok(Decided::Routed(route)) => route,
        Ok(Decided::Answered(answer)) if first.may_answer() => {
            return first.answer(client, snapshot, (head, message), answer).await.map(|()| None);
        }
        Ok(Decided::Answered(_)) => {
            let ended = Ending::because(Stage::Route, Whose::Policy, Reason::Method).uncounted();
            return Err(refused(client, snapshot, (head, message), (subject, ended)).await);
        }
        Err(ended) => return Err(refused(client, snapshot, (head, message), (subject, ended)).await),
    };
    let tls = came_by == Transport::Tls;
    let rewrites = route.rewrite_transport && tls && route.transport == Transport::Plain;
    let length = match length_inside(&own, head, message, rewrites) {
        Ok(length) => length,
        Err(reason) => {
            let ended = Ending::because(Stage::Route, Whose::Client, reason);
            return Err(refused(client, snapshot, (head, message), (subject, ended)).await);
        }
    };
    if length > u64::from(first::most(&route, &snapshot.config)) {
        if !first.was_too_long() {
            refuse(client, snapshot, subject, first::too_large());
        }
        return first.refuse(client, snapshot, (head, message)).await.map(|()| None);
    }
    client.place = None;
    // A token names a host; From of a dialog may name any, also one that the target must not be called by.
    let rule = route.host.name().as_bytes();
    let asked = [message.from.host.of_input(head), name.as_ref().map_or(rule, Asked::name)];
    let here = asked.into_iter().find(|name| leads_to(&snapshot.table, name, rule));
    let host = String::from_utf8_lossy(here.unwrap_or(rule));
    let target = match connect(client, snapshot, route, &host.to_ascii_lowercase(), subject).await {
        Ok(target) => target,
        Err(ended) => return Err(turned_away(client, snapshot, (head, message), ended).await),
    };
    let address = public_address(&snapshot.config, came_by);
    Ok(Some(Box::new(Linked {
        held: Held::new(&route),
        verified: names.filter(|_| route.proven).map(|names| Box::new(Verified::new(names.clone()))),
        cert: cert.as_str().into(),
        recording: address.map(|address| Recording::new(tokens, route.host.name(), address, tls)),
        rewrites,
        max_message: first::limit(target.max_message, &route, &snapshot.config),
        was_too_long: first.was_too_long(),
        target: target.leg,
    })))
}

/// Writes the line of a client that may not come in; its end.
async fn refused(
    client: &mut Client,
    snapshot: &Snapshot,
    request: (&[u8], &Message),
    (subject, ended): (Subject<'_>, Ending),
) -> (Ending, bool) {
    client.place = None;
    refuse(client, snapshot, subject, ended);
    turned_away(client, snapshot, request, ended).await
}

/// The end of a client that may not come in: answered, if the configuration says so.
async fn turned_away(
    client: &mut Client,
    snapshot: &Snapshot,
    (head, message): (&[u8], &Message),
    ended: Ending,
) -> (Ending, bool) {
    let answers = snapshot.config.reject == Reject::Answer
        && message.method(head).is_some_and(|method| method != b"ACK");
    if answers {
        let mut answer = Vec::new();
        let tag = client.worker.shared.sip_tokens.tag(message.call_id.of_input(head), message.cseq);
        respond(FORBIDDEN, head, message, &tag, "", &mut answer);
        say(client, &snapshot.config, &answer).await;
    }
    (ended, answers)
}

/// `user@host` of From, or the whole URI where it has no host.
fn who(head: &[u8], message: &Message) -> Vec<u8> {
    let (user, host) = (message.from.user.of_input(head), message.from.host.of_input(head));
    match (user, host) {
        (_, []) => message.from.uri.of_input(head).to_vec(),
        ([], host) => host.to_vec(),
        (user, host) => [user, b"@", host].concat(),
    }
}

/// A request as the log shows it.
fn subject<'a>(who: &'a [u8], head: &'a [u8], request: &Message, certificate: &'a str) -> Subject<'a> {
    Subject::Signalling { who, verb: request.method(head).unwrap_or_default(), name: b"", certificate }
}

/// What the client is told to come back to.
fn public_address(config: &Config, transport: Transport) -> Option<&str> {
    match transport {
        Transport::Plain => config.sip.public_address_tcp.as_deref(),
        Transport::Tls => config.sip.public_address_tls.as_deref(),
    }
}

/// What of a client's Route is ours.
fn own_entries<'a>(config: &'a Config, tokens: &'a Tokens, came_by: Transport) -> Own<'a> {
    let tls = came_by == Transport::Tls;
    let address = public_address(config, came_by).and_then(|address| PublicAddress::new(address, tls));
    Own { tokens, address }
}

async fn say(client: &mut Client, config: &Config, octets: &[u8]) {
    let _ = tokio::time::timeout(config.limits.inspect_timeout, client.leg.write_all(octets)).await;
    client.live.add(Direction::Down, octets.len() as u64);
}

/// Messages both ways until the end; how that came, and whether the client was answered last.
async fn relay(client: &mut Client, mut linked: Box<Linked>) -> (Ending, bool) {
    let Linked { target, held, verified, cert, recording, rewrites, max_message, was_too_long } =
        &mut *linked;
    let held: &Held = held;
    let shared = client.worker.shared.clone();
    let patience = {
        let limits = &shared.snapshot.load().config.limits;
        Patience::new(limits.idle_timeout.services.sip, limits.response_timeout)
    };
    let cert: &str = cert;
    let standing = Standing::of(client, held);
    let judge = RegistrationJudge {
        held,
        standing,
        verified: verified.as_deref_mut(),
        cert,
        shared: &shared,
        facts: &client.facts,
        forbade: false,
        was_too_long: *was_too_long,
    };
    let mut watch = SipWatch::new(judge, recording.take(), *rewrites, *max_message);
    let over = tokio::select! {
        over = watched(&mut client.leg, target, &mut client.timer, patience, &mut watch, &client.live) => over,
        ended = withdrawn(&shared, held.host(), &client.live) => {
            part(&mut client.leg, target).await;
            return (ended, false);
        }
    };
    match over {
        Over::Ended(by) => (by.answered(client.live.bytes()[1]), false),
        Over::Cut(of_client, ended) => {
            // The request that did it, as far as it can be read, is still in the buffer.
            let octets = client.leg.buffer.filled();
            match Inspector::of_client().inspect(octets) {
                Inspect::Found { ask: Ask::Message(message), len } if of_client => {
                    let head = octets.get(..len).unwrap_or_default();
                    let who = who(head, &message);
                    let subject = subject(&who, head, &message, cert);
                    refuse(client, &shared.snapshot.load(), subject, ended);
                }
                _ => refuse(client, &shared.snapshot.load(), Subject::Unknown, ended),
            }
            // The rest of a message that is too long may still be on its way, and must not reset its answer.
            (ended, of_client && !ended.counts() && ended.reason == Some(Reason::TooLarge))
        }
    }
}

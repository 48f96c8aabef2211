//! The driver of all protocols that are decided once a connection: read, decide, connect, relay. All of them share this
//! loop, over [`Protocol`].
//!
//! A protocol says what octets mean, where a message leads, and how it refuses. It does no I/O. This module reads,
//! writes, waits, logs and counts, in the same way for every protocol:
//!
//! - An answer that the protocol has put into `back` is sent, and the connection stays undecided. Its deadline still
//!   holds and it may still lose its place, whether the client reads the answer or not.
//! - A refusal closes the connection, either without an answer or after the protocol's own refusal
//!   (`reject = "answer"`, and always in a WebSocket).
//! - Answers that were sent before the decision count as octets to the client.

mod protocol;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Context;

pub(super) use protocol::{Asking, Connected, Decision, Protocol, Step};

use super::blame::Suspect;
use super::client::Client;
use super::leave::{close_both, close_code, withdrawn_of};
use super::link::Destination;
use super::{ask, secure};
use crate::cause::Failures;
use crate::config::Reject;
use crate::ending::{Ending, Responsible, Stage};
use crate::io::Leg;
use crate::log::Subject;
use crate::reason::Reason;
use crate::relay::patience::Patience;
use crate::relay::watched::{RelayEnd, watched};
use crate::route::held_route::HeldRoute;
use crate::rules::decide::Route;
use crate::service::Service;
use crate::state::Snapshot;
use crate::stats::OpenAtTarget;

/// A relay that is to begin.
struct Linked<W> {
    target: Leg,
    reached: Option<OpenAtTarget>,
    held_route: Arc<HeldRoute>,
    watch: W,
}

/// A message that goes to a target.
struct Forwarded<'t, P: Protocol> {
    protocol: P,
    asked: P::Asked,
    route: Route<'t>,
    /// The host as the client asked for it. A wildcard rule does not know this name.
    name: Box<str>,
    /// The only address of the target that may be used, if there is one.
    only: Option<IpAddr>,
}

/// A refused client, and the message that was refused, if there is one.
struct Refused<'p, P: Protocol> {
    protocol: &'p P,
    asked: Option<&'p P::Asked>,
    ending: Ending,
}

/// A message that decides nothing: `len` octets that were read, and `skip` further octets that may still have to come.
struct Passed {
    len: usize,
    skip: u32,
}

/// The end of a connection.
struct End {
    ending: Ending,
    /// The client was sent an answer. The connection must not be reset, so that the answer arrives.
    answered: bool,
}

/// Serves a client until its connection ends.
// This is no `async fn`, because that would keep memory for the client twice.
pub(super) fn serve<P: Protocol>(mut client: Client, protocol: P) -> impl Future<Output = ()> + Send {
    // In boxes of their own: the memory of the protocol and of its decision is freed when the relay begins.
    let protocol = Box::new(protocol);
    async move {
        let End { ending, answered } = match Box::pin(begin(&mut client, protocol)).await {
            Ok(linked) => relay::<P>(&mut client, linked).await,
            Err(end) => end,
        };
        client.ended(ending);
        client.leg.stream.close_with(close_code(ending));
        if answered || client.leg.stream.is_websocket() {
            Box::pin(client.leg.close()).await;
        }
    }
}

/// Reads until a message decides, and connects to its target.
///
/// # Errors
/// How the connection ended instead. Its line is written.
async fn begin<P: Protocol>(client: &mut Client, protocol: Box<P>) -> Result<Box<Linked<P::Watch>>, End> {
    let mut protocol = *protocol;
    let shared = client.worker.shared.clone();
    let mut back = Vec::new();
    if let Err(ending) = greet(client, &protocol, &mut back).await {
        let refused = Refused { protocol: &protocol, asked: None, ending };
        return Err(refused.end_unknown(client, &shared.snapshot.load_full(), back).await);
    }
    loop {
        let heard = listen(client, &mut protocol, &mut back).await;
        let snapshot = shared.snapshot.load_full();
        let went_on = match heard {
            Ok(Step::Found(mut asked)) => {
                let asking = Asking { client, shared: &shared, snapshot: &snapshot };
                match protocol.decide(&mut asked, &asking, &mut back) {
                    Decision::Forward { route, name, only } => {
                        return Forwarded { protocol, asked, route, name, only }
                            .connect(client, &snapshot)
                            .await;
                    }
                    Decision::Answered { len, skip, line } => {
                        if let Some(ending) = line {
                            client.report(&snapshot.config).refused(protocol.subject(&asked), ending);
                        }
                        drop(asked);
                        go_on(client, Passed { len, skip }, &mut back).await
                    }
                    Decision::Refused { ending, line } => {
                        client.place = None;
                        if line {
                            client.report(&snapshot.config).refused(protocol.subject(&asked), ending);
                        }
                        let refused = Refused { protocol: &protocol, asked: Some(&asked), ending };
                        return Err(refused.turn_away(client, &snapshot, back).await);
                    }
                }
            }
            Ok(Step::Answered { len, skip }) => go_on(client, Passed { len, skip }, &mut back).await,
            Ok(Step::StartTls { len }) => start_tls(client, &snapshot, len, &mut back).await,
            Ok(Step::NeedMore) => Ok(()),
            Ok(Step::Reject(reason)) => {
                let ending = Ending::because(Stage::Ask, Responsible::Client, reason);
                Err(protocol.undecided(client.leg.buffer.filled(), ending))
            }
            // The octets are inside an incomplete WebSocket frame, so the protocol cannot see them.
            Err(ending) if client.leg.stream.holds_part() => Err(ending),
            Err(ending) => Err(protocol.undecided(client.leg.buffer.filled(), ending)),
        };
        if let Err(ending) = went_on {
            let refused = Refused { protocol: &protocol, asked: None, ending };
            return Err(refused.end_unknown(client, &snapshot, back).await);
        }
    }
}

impl<P: Protocol> Forwarded<'_, P> {
    /// Connects to the target.
    ///
    /// # Errors
    /// How the connection ended instead. Its line is written.
    async fn connect(
        self,
        client: &mut Client,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Box<Linked<P::Watch>>, End> {
        let Self { protocol, asked, route, name, only } = self;
        client.place = None;
        client.leg.stream.expect_within(None);
        let destination = Destination { route, name: &name, only };
        match destination.connect(client, snapshot, protocol.subject(&asked)).await {
            Ok(target) => {
                let held_route = Arc::new(HeldRoute::new(&route));
                let connected = Connected {
                    client,
                    shared: &client.worker.shared,
                    snapshot,
                    route: &route,
                    held_route: held_route.clone(),
                    max_message: target.max_message,
                    address: target.key.address,
                    local: target.leg.stream.tcp().and_then(|tcp| tcp.local_addr().ok()),
                };
                let watch = protocol.watch(asked, connected);
                Ok(Box::new(Linked { target: target.leg, reached: target.reached, held_route, watch }))
            }
            Err(ending) => {
                let refused = Refused { protocol: &protocol, asked: Some(&asked), ending };
                Err(refused.turn_away(client, snapshot, Vec::new()).await)
            }
        }
    }
}

impl<P: Protocol> Refused<'_, P> {
    /// Ends a connection whose client has sent no readable message, and writes its line.
    async fn end_unknown(self, client: &mut Client, snapshot: &Snapshot, back: Vec<u8>) -> End {
        client.report(&snapshot.config).refused(Subject::Unknown, self.ending);
        self.turn_away(client, snapshot, back).await
    }

    /// Refuses a client. The answer in `back` is always sent. The protocol's own refusal is sent only where refusals
    /// are answered.
    async fn turn_away(self, client: &mut Client, snapshot: &Snapshot, mut back: Vec<u8>) -> End {
        let Self { protocol, asked, ending } = self;
        let is_told = ending.is_told && client.facts.service == Service::Sip;
        let answers = is_told || snapshot.config.reject == Reject::Answer || client.front.is_some();
        if back.is_empty() && answers {
            let asking = Asking { client, shared: &client.worker.shared, snapshot };
            protocol.refusal(asked, ending, &asking, &mut back);
        }
        let patience = snapshot.config.limits.inspect_timeout;
        let answered = !back.is_empty() && client.send(&back, patience).await.is_ok();
        End { ending, answered }
    }
}

/// Sends the protocol's greeting, if it has one.
///
/// # Errors
/// How the connection ended instead.
async fn greet<P: Protocol>(client: &mut Client, protocol: &P, back: &mut Vec<u8>) -> Result<(), Ending> {
    let shared = &client.worker.shared;
    protocol.greeting(&Asking { client, shared, snapshot: &shared.snapshot.load() }, back);
    send_while_there(client, back).await
}

/// Reads until the protocol knows what the first octets mean. The deadline is in the client's timer. It is the deadline
/// of inspection, which began when the connection was secured.
///
/// # Errors
/// How the connection ended instead.
async fn listen<P: Protocol>(
    client: &mut Client,
    protocol: &mut P,
    back: &mut Vec<u8>,
) -> Result<Step<P::Asked>, Ending> {
    loop {
        let filled = client.leg.buffer.filled();
        if !filled.is_empty() {
            let shared = &client.worker.shared;
            let asking = Asking { client, shared, snapshot: &shared.snapshot.load() };
            match protocol.open(filled, &asking, back) {
                Step::NeedMore => {}
                step => return Ok(step),
            }
        }
        ask::more(client, P::LIMIT).await?;
    }
}

/// Takes a message that decides nothing out of the buffer, sends the answer in `back`, and reads the rest of the
/// message. A rest that does not come never counts toward the blacklist, because the message itself is known.
///
/// # Errors
/// How the connection ended instead.
async fn go_on(client: &mut Client, passed: Passed, back: &mut Vec<u8>) -> Result<(), Ending> {
    client.leg.buffer.consume(passed.len);
    send_while_there(client, back).await?;
    ask::skip(client, passed.skip).await.map_err(Ending::uncounted)?;
    ask::in_time(client).await
}

/// As [`send`], but a client that is gone is no error. The messages that it sent before it went are still handled, and
/// may count. The next read shows that the client is gone.
async fn send_while_there(client: &mut Client, back: &mut Vec<u8>) -> Result<(), Ending> {
    match send(client, back).await {
        Err(ending) if ending.reason == Some(Reason::Aborted) => Ok(()),
        said => said,
    }
}

/// Sends the octets in `back` to the client, and empties `back`.
async fn send(client: &mut Client, back: &mut Vec<u8>) -> Result<(), Ending> {
    let octets = std::mem::take(back);
    if octets.is_empty() { Ok(()) } else { ask::send(client, &octets).await }
}

/// Sends the consent in `back`, and then begins TLS on a plain connection. The client has as much time for the
/// handshake, and for its first message after it, as a new connection has.
///
/// # Errors
/// How the connection ended instead.
async fn start_tls(
    client: &mut Client,
    snapshot: &Snapshot,
    len: usize,
    back: &mut Vec<u8>,
) -> Result<(), Ending> {
    let (config, mut yes) = (&snapshot.config, std::mem::take(back));
    let Some(acceptor) = snapshot.server_tls.acceptor(client.facts.service) else {
        return Err(Ending::because(Stage::Secure, Responsible::Ourselves, Reason::TlsFailed));
    };
    if client.leg.buffer.len() > len {
        // Octets that came in the clear must never be taken for octets that came by TLS.
        return Err(Ending::because(Stage::Ask, Responsible::Client, Reason::Malformed));
    }
    client.leg.buffer.consume(len);
    send(client, &mut yes).await?;
    secure::start_tls(client, acceptor, config.limits.handshake_timeout).await?;
    client.timer.set(config.limits.inspect_timeout);
    ask::in_time(client).await
}

/// Relays messages both ways until the end.
async fn relay<P: Protocol>(client: &mut Client, mut linked: Box<Linked<P::Watch>>) -> End {
    let Linked { target, reached, held_route, watch } = &mut *linked;
    let shared = client.worker.shared.clone();
    let patience = {
        let limits = &shared.snapshot.load().config.limits;
        Patience::new(limits.idle_timeout.services[client.facts.service], limits.response_timeout)
    };
    let [_, before] = client.live.bytes();
    let front = client.front.clone();
    let hosts = [Some(held_route.host()), front.as_deref().map(|front| &*front.host)];
    let meter = client.live.toward(reached.as_ref());
    let mut withdrawal = withdrawn_of(&shared, hosts, &client.live);
    let withdrawn = |watch: &P::Watch, cx: &mut Context<'_>| withdrawal.poll_of(P::tenant(watch), cx);
    let over = watched(&mut client.leg, target, &mut client.timer, patience, watch, meter, withdrawn).await;
    match over {
        RelayEnd::Withdrawn(ending) => {
            close_both(&mut client.leg, target).await;
            End { ending, answered: false }
        }
        RelayEnd::Ended(by) => {
            let ending = P::over(watch, by.answered(client.live.bytes()[1] - before));
            let (ending, _) = blame(client, target, ending);
            End { ending, answered: false }
        }
        RelayEnd::Cut { of_client, ending, answered } => {
            let (ending, failures) = blame(client, target, ending);
            let snapshot = shared.snapshot.load();
            let report = client.report(&snapshot.config);
            let mut write = |subject: Subject<'_>| report.refused_over(subject, ending, failures.as_slice());
            // The message that ended the relay is still in the buffer, as far as it was read.
            match of_client {
                true => P::last(watch, client.leg.buffer.filled(), &mut write),
                false => write(Subject::Unknown),
            }
            End { ending, answered: of_client && answered }
        }
    }
}

/// The ending with its cause, if the target has ended the relay.
fn blame(client: &Client, target: &mut Leg, ending: Ending) -> (Ending, Failures) {
    match client.live.target() {
        Some(address) if ending.cause.is_some() => Suspect { leg: target, address }.blame(client, ending),
        _ => (ending, Failures::default()),
    }
}

#[cfg(test)]
mod tests;

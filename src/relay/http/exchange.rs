//! The exchange: two pumps, and the response's head between them.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::AnswerEdits;
use super::pace::Pace;
use crate::inspect::Inspect;
use crate::inspect::http::{Framing, Response, ResponseInspector, TARGET_HEAD_LIMIT, Version, unfold};
use crate::io::{Buffer, Leg, Meter, Stall, Timer};
use crate::relay::{Pump, Stopped};

mod answer;
mod failure;
mod watch;

use failure::has_vanished;
pub use failure::{ExchangeError, Failure};

/// A request that is ready to be sent. Its head was consumed from the client's buffer, its body was not.
#[derive(Debug)]
pub struct Outgoing<'e> {
    /// The head for the target. An exchange consumes it. For a second exchange it must be written again.
    pub head: Buffer,
    /// The body that follows in the client's buffer and stream.
    pub framing: Framing,
    /// HEAD: the answer has no body.
    pub is_head: bool,
    /// The request asks for a WebSocket.
    pub websocket: bool,
    /// The client waits for 100 (Continue).
    pub expects_continue: bool,
    /// The client's version.
    pub version: Version,
    /// The client wants to keep the connection.
    pub persistent: bool,
    /// What the rule changes in the answers. `None`: nothing.
    pub answer: Option<Box<AnswerEdits<'e>>>,
}

/// What follows an exchange, for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request.
    Next,
    /// The connection is closed in an orderly way.
    Close,
    /// The same. The client has said that this request was its last, and the request was read to its end.
    CloseAtOnce,
    /// A WebSocket: from here on bytes move both ways.
    Tunnel,
}

/// The result of an exchange whose response was passed on whole.
#[derive(Debug)]
pub struct Exchanged {
    /// What follows for the client.
    pub after: After,
    /// The target's connection can take another request.
    pub reusable: bool,
    /// The target refused or redirected a request with a body. Some targets do so without reading the body. They would
    /// take the body for the next request.
    pub left_unread: bool,
    /// The target's answer shows that a login holds for the whole connection.
    pub binds_connection: bool,
    /// [`crate::io::Stream::watch_upload`] gave the target more time.
    pub slow: bool,
}

/// How long an exchange waits for each side.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long it waits for the client.
    pub client: Duration,
    /// How long it waits for the target.
    pub target: Duration,
    /// The lowest rate of a request's body, in octets a second, while only the client is waited for. 0: any rate.
    pub min_rate: u32,
}

/// Is called with the final response and the octets of its head as soon as the head was read. How the exchange goes on
/// does not matter.
pub type Witness<'w> = dyn FnMut(&Response, &[u8]) + Send + 'w;

/// Sends a request and passes the response on. If the exchange fails with `untouched`, the request can be sent on
/// another connection, with its head written again. The exchange counts in `bytes`, as it goes, what it sends to the
/// target and to the client. So the counts are right however it ends, even for a caller that does not wait for the end.
///
/// # Errors
/// See [`ExchangeError`].
pub async fn exchange<M: Meter>(
    (client, target): (&mut Leg, &mut Leg),
    request: &mut Outgoing<'_>,
    timer: &mut Timer,
    patience: Patience,
    witness: &mut Witness<'_>,
    mut bytes: M,
) -> Result<Exchanged, ExchangeError> {
    let [up_before, down_before] = bytes.bytes();
    let mut running = Running::new(request, patience.min_rate, witness);
    let begun = running.begin(client);
    timer.set(patience.target);
    let result = match begun {
        Ok(()) => {
            poll_fn(|cx| {
                let polled = running.poll(cx, client, target, timer, patience);
                bytes.set([up_before + running.up.written, down_before + running.down.written]);
                polled
            })
            .await
        }
        Err(stopped) => Err(running.failure_up(&stopped)),
    };
    let failed = |failure| ExchangeError {
        failure,
        unanswered: running.is_unanswered(),
        truncates: running.down_closes,
        untouched: failure == Failure::TargetSilent && running.bodiless,
        vanished: running.vanished,
    };
    let after = result.map_err(failed)?;
    let whole = running.up_done && !running.early && target.buffer.is_empty();
    let reusable = running.target_persistent && whole && after != After::Tunnel;
    let Running { binds_connection, left_unread, slow, .. } = running;
    Ok(Exchanged { after, reusable, left_unread, binds_connection, slow })
}

/// The state of a running exchange.
struct Running<'r, 'w> {
    request: &'r Outgoing<'r>,
    /// The length of the request's head.
    head: u64,
    witness: &'r mut Witness<'w>,
    up: Pump,
    /// The rate at which the client sends the body.
    pace: Pace,
    up_done: bool,
    /// The target takes no more octets of the request.
    up_refused: bool,
    bodiless: bool,
    inspector: ResponseInspector,
    interim: u8,
    /// One of the interim responses was 100 (Continue), so the client sends its body.
    continued: bool,
    /// The head of a final response was read.
    answered: bool,
    down: Pump,
    down_done: bool,
    /// The target answered before it had the whole request. Nothing shows whether it will take the rest for the body or
    /// for the next request. So no other request may use this connection.
    early: bool,
    /// The end of the connection ends the body that the client gets.
    down_closes: bool,
    target_persistent: bool,
    client_persistent: bool,
    tunnel: bool,
    binds_connection: bool,
    /// See [`Exchanged::left_unread`].
    left_unread: bool,
    /// The client has ended its side, as far as Portward knows. It may still wait for its answer.
    client_ended: bool,
    /// The target's kernel does not answer any more.
    vanished: bool,
    stall: Stall,
    slow: bool,
    /// The progress at the last look. If it has changed the timer moves.
    seen: (u64, u64, usize, bool, bool),
}

impl<'r, 'w> Running<'r, 'w> {
    fn new(request: &'r mut Outgoing<'_>, min_rate: u32, witness: &'r mut Witness<'w>) -> Self {
        let framing = std::mem::replace(&mut request.framing, Framing::NONE);
        let bodiless = framing.is_done();
        let mut up = Pump::new(framing);
        up.out = std::mem::take(&mut request.head);
        Self {
            head: up.out.len() as u64,
            up,
            pace: Pace::new(min_rate),
            up_done: false,
            up_refused: false,
            bodiless,
            inspector: ResponseInspector::new(request.is_head),
            interim: 0,
            continued: false,
            answered: false,
            down: Pump::new(Framing::NONE),
            down_done: false,
            early: false,
            down_closes: false,
            target_persistent: false,
            client_persistent: false,
            tunnel: false,
            binds_connection: false,
            left_unread: false,
            client_ended: false,
            vanished: false,
            stall: Stall::default(),
            slow: false,
            seen: (0, 0, 0, false, false),
            request,
            witness,
        }
    }

    /// Sends the head and the part of the body that has arrived in one write.
    fn begin(&mut self, client: &mut Leg) -> Result<(), Stopped> {
        if self.bodiless { Ok(()) } else { self.up.join_body(client) }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg,
        target: &mut Leg,
        timer: &mut Timer,
        patience: Patience,
    ) -> Poll<Result<After, Failure>> {
        if let Poll::Ready(Err(failure)) = self.poll_up(cx, client, target) {
            return Poll::Ready(Err(failure));
        }
        if let Poll::Ready(Err(failure)) = self.poll_down(cx, client, target, timer) {
            return Poll::Ready(Err(failure));
        }
        if self.down_done
            && let Some(after) = self.after()
        {
            return Poll::Ready(Ok(after));
        }
        if let Err(failure) = self.notice(cx, client, timer) {
            return Poll::Ready(Err(failure));
        }
        self.poll_slow(cx, target);
        let waits_for_client = self.waits_for_client();
        if self.pace.is_too_slow(self.waits_for_body(), self.up.written, timer) {
            return Poll::Ready(Err(Failure::ClientSlow));
        }
        let seen =
            (self.up.written, self.down.written, target.buffer.len(), waits_for_client, self.client_ended);
        if seen != self.seen {
            self.seen = seen;
            timer.set(self.deadline(if waits_for_client { patience.client } else { patience.target }));
        }
        match timer.poll_expired(cx) {
            Poll::Ready(()) if self.client_ended => Poll::Ready(Err(Failure::Client)),
            Poll::Ready(()) if waits_for_client => Poll::Ready(Err(Failure::ClientTimeout)),
            Poll::Ready(()) => Poll::Ready(Err(Failure::TargetTimeout)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_up(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg,
        target: &mut Leg,
    ) -> Poll<Result<(), Failure>> {
        if self.up_done || self.up_refused {
            return Poll::Ready(Ok(()));
        }
        match self.up.poll(cx, client, target) {
            Poll::Ready(Ok(())) => self.up_done = true,
            // The target may have answered before it closed. Then that answer counts.
            Poll::Ready(Err(Stopped::Receiver(error))) => {
                self.up_refused = true;
                self.vanished |= has_vanished(&error);
            }
            Poll::Ready(Err(stopped)) => return Poll::Ready(Err(self.failure_up(&stopped))),
            Poll::Pending => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }

    fn failure_up(&self, stopped: &Stopped) -> Failure {
        match stopped {
            Stopped::Sender => Failure::Client,
            Stopped::Framing => Failure::ClientMalformed,
            Stopped::Receiver(_) => Failure::TargetSilent,
        }
    }

    fn poll_down(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg,
        target: &mut Leg,
        timer: &Timer,
    ) -> Poll<Result<(), Failure>> {
        while !self.down_done {
            match self.down.poll(cx, target, client) {
                Poll::Ready(Ok(())) if self.answered => {
                    self.down_done = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Stopped::Sender | Stopped::Framing)) => {
                    return Poll::Ready(Err(Failure::TargetBroken));
                }
                Poll::Ready(Err(Stopped::Receiver(_))) => return Poll::Ready(Err(Failure::Client)),
                Poll::Pending => return Poll::Pending,
            }
            match self.inspector.inspect(target.buffer.filled()) {
                Inspect::Found { ask, len } => {
                    if ask.folded {
                        unfold(target.buffer.filled_mut().get_mut(..len).unwrap_or_default());
                    }
                    if !self.take_head(&ask, len, target, timer) || self.down.join_body(target).is_err() {
                        return Poll::Ready(Err(Failure::TargetBroken));
                    }
                }
                Inspect::Reject(_) => return Poll::Ready(Err(Failure::TargetBroken)),
                Inspect::NeedMore => match target.poll_fill(cx, TARGET_HEAD_LIMIT) {
                    Poll::Ready(Ok(1..)) => {}
                    Poll::Ready(ended) => {
                        self.vanished |= ended.is_err_and(|error| has_vanished(&error));
                        let silent = target.buffer.is_empty() && self.interim == 0;
                        let failure = if silent { Failure::TargetSilent } else { Failure::TargetBroken };
                        return Poll::Ready(Err(failure));
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;

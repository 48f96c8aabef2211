//! Reads until the inspector knows which host the client asks for. The inspector bounds the octets, and this module
//! bounds the time.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::client::Client;
use crate::ending::{Ending, Responsible, Stage};
use crate::guard::UndecidedSlot;
use crate::inspect::Inspect;
use crate::inspect::http::{HEAD_LIMIT, Inspector, Request};
use crate::io::{BUFFER, Buffer, Timer, violation};
use crate::reason::Reason;
use crate::stats::{Direction, Registered};

/// How long a connection that has sent nothing may still begin after Portward has begun to drain.
const GRACE: Duration = Duration::from_secs(1);

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The time for a connection's first byte, and for the rest of a request that has begun.
    pub(super) inspect: Duration,
    /// The time between two requests.
    pub(super) idle: Duration,
}

/// Reads more octets of a connection that is not decided. At most `limit` octets are buffered. The wait ends at the
/// deadline in the client's timer.
///
/// # Errors
/// How the connection ended instead.
pub(super) async fn more(client: &mut Client, limit: usize) -> Result<(), Ending> {
    poll_fn(|cx| poll_more(cx, client, limit, true)).await
}

/// Sends something to a client that is not decided. A client that does not read it has the same deadline as a client
/// that sends nothing.
///
/// # Errors
/// How the connection ended instead; [`Reason::Aborted`]: the client is gone.
pub(super) async fn send(client: &mut Client, octets: &[u8]) -> Result<(), Ending> {
    let Client { leg, live, place, timer, .. } = client;
    let mut taken = 0;
    let said = {
        let mut writing = pin!(leg.write_counted(octets, &mut taken));
        poll_fn(|cx| match writing.as_mut().poll(cx) {
            Poll::Ready(written) => {
                let aborted = |_| Ending::because(Stage::Ask, Responsible::Client, Reason::Aborted);
                Poll::Ready(written.map_err(aborted))
            }
            Poll::Pending => poll_unwanted(cx, live, timer, place).map(Err),
        })
        .await
    };
    live.add(Direction::Down, taken);
    said
}

/// Checks that the deadline has not passed and that the connection still has its place. A wait for octets ends by both
/// of them. A client that never pauses causes no wait, so both are also checked here, after each message that decides
/// nothing.
///
/// # Errors
/// How the connection ended.
pub(super) async fn in_time(client: &mut Client) -> Result<(), Ending> {
    let Client { live, place, timer, .. } = client;
    let unwanted = poll_fn(|cx| Poll::Ready(poll_unwanted(cx, live, timer, place))).await;
    if let Poll::Ready(ended) = unwanted { Err(ended) } else { Ok(()) }
}

/// Ready when a connection that is not decided has to end, whatever its client sends: an administrator has ended it,
/// its time is up, or its place is lost.
fn poll_unwanted(
    cx: &mut Context<'_>,
    live: &Registered,
    timer: &mut Timer,
    place: &mut Option<UndecidedSlot>,
) -> Poll<Ending> {
    if live.is_ended() {
        return Poll::Ready(Ending::peacefully(Stage::Ask, Responsible::Ourselves));
    }
    if timer.poll_expired(cx).is_ready() {
        return Poll::Ready(Ending::because(Stage::Ask, Responsible::Client, Reason::Silent));
    }
    match place {
        Some(place) => {
            place.poll_lost(cx).map(|()| Ending::because(Stage::Ask, Responsible::Policy, Reason::Limit))
        }
        None => Poll::Pending,
    }
}

/// Reads and discards `count` octets of a connection that is not decided.
///
/// # Errors
/// How the connection ended instead.
pub(super) async fn skip(client: &mut Client, count: u32) -> Result<(), Ending> {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    loop {
        let read = client.leg.buffer.len().min(left);
        client.leg.buffer.consume(read);
        left -= read;
        if left == 0 {
            return Ok(());
        }
        more(client, BUFFER).await.map_err(|ended| match ended.reason {
            Some(Reason::Silent) => Ending::because(ended.stage, ended.responsible, Reason::Timeout),
            _ => ended,
        })?;
    }
}

/// The next request of a client, and the length of its head in the client's buffer. Empty lines before a request are no
/// part of it (RFC 9112 §2.2). A connection that holds nothing but empty lines is idle. The request is in a box, because
/// it has 600 octets and is handed on several times.
///
/// # Errors
/// How the connection ended instead.
pub(super) async fn request(
    client: &mut Client,
    patience: Patience,
) -> Result<(Box<Request>, usize), Ending> {
    let mut inspector = Inspector::default();
    let first = client.requests == 0;
    let mut wait = if first { Wait::First } else { Wait::Idle };
    let mut rests = false;
    client.timer.set(if first { patience.inspect } else { patience.idle });
    loop {
        let skipped = skip_empty_lines(&mut client.leg.buffer);
        let filled = client.leg.buffer.filled();
        if holds_nothing(filled) {
            if skipped && wait == Wait::First {
                wait = Wait::Idle;
                client.timer.set(patience.idle);
            }
        } else {
            if wait == Wait::Idle {
                client.timer.set(patience.inspect);
            }
            if std::mem::take(&mut rests) && !client.permit.resume() {
                return Err(Ending::because(Stage::Ask, Responsible::Policy, Reason::Limit));
            }
            wait = Wait::Begun;
            match inspector.inspect(filled) {
                Inspect::Found { ask, len } => return Ok((Box::new(ask), len)),
                Inspect::Reject(reason) => {
                    return Err(Ending::because(Stage::Ask, Responsible::Client, reason));
                }
                Inspect::NeedMore => {}
            }
        }
        if wait == Wait::Idle && !first && !std::mem::replace(&mut rests, true) {
            client.permit.rest();
        }
        poll_fn(|cx| poll_more(cx, client, HEAD_LIMIT, first)).await?;
    }
}

/// What Portward waits for on an HTTP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// The client's first octet.
    First,
    /// The next request. The connection is idle.
    Idle,
    /// The rest of a request.
    Begun,
}

/// Removes empty lines from the front. Returns whether there were any.
fn skip_empty_lines(buffer: &mut Buffer) -> bool {
    let mut skipped = 0;
    while buffer.filled().get(skipped..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
        skipped += 2;
    }
    buffer.consume(skipped);
    skipped > 0
}

/// Whether no octet of a request has come. A CR may be half an empty line.
fn holds_nothing(filled: &[u8]) -> bool {
    matches!(filled, [] | [b'\r'])
}

/// Waits for more bytes, or for the end of the connection.
fn poll_more(
    cx: &mut Context<'_>,
    client: &mut Client,
    limit: usize,
    first: bool,
) -> Poll<Result<(), Ending>> {
    if client.live.is_ended() {
        return Poll::Ready(Err(Ending::peacefully(Stage::Ask, Responsible::Ourselves)));
    }
    let nothing = holds_nothing(client.leg.buffer.filled());
    let end = |responsible, reason: Option<Reason>| {
        let peace = Ending::peacefully(Stage::Ask, responsible);
        Poll::Ready(Err(reason.map_or(peace, |reason| Ending::because(Stage::Ask, responsible, reason))))
    };
    let read = if client.leg.ended { Poll::Ready(Ok(0)) } else { client.leg.poll_fill(cx, limit) };
    match read {
        Poll::Ready(Ok(1..)) => return Poll::Ready(Ok(())),
        Poll::Ready(Err(error)) if violation(&error).is_some() => {
            return end(Responsible::Client, violation(&error));
        }
        // A client may close between two requests. A client that closes before its first request has aborted.
        Poll::Ready(Ok(0) | Err(_)) if nothing && !first => return end(Responsible::Client, None),
        Poll::Ready(Ok(_) | Err(_)) => return end(Responsible::Client, Some(Reason::Aborted)),
        Poll::Pending => {}
    }
    if client.timer.poll_expired(cx).is_ready() {
        return match (nothing, first) {
            (true, false) => end(Responsible::Policy, None),
            (true, true) if client.timer.is_stopping() => end(Responsible::Ourselves, Some(Reason::Shutdown)),
            (true, true) => end(Responsible::Client, Some(Reason::Silent)),
            (false, _) => end(Responsible::Client, Some(Reason::Timeout)),
        };
    }
    let place_is_lost = match &mut client.place {
        Some(place) => place.poll_lost(cx).is_ready(),
        None => client.permit.poll_displaced(cx).is_ready(),
    };
    if place_is_lost {
        return end(Responsible::Policy, Some(Reason::Limit));
    }
    if nothing && client.timer.poll_stopping(cx).is_ready() {
        // A connection that was accepted a moment ago may wait a little for its first request, because that request may
        // be on its way.
        let late = !first || client.facts.since.elapsed() >= GRACE;
        client.timer.hasten(GRACE);
        if late || client.timer.poll_expired(cx).is_ready() {
            return end(Responsible::Ourselves, first.then_some(Reason::Shutdown));
        }
    }
    Poll::Pending
}

//! A WebSocket as a stream (RFC 6455). A read gives the octets of complete WebSocket messages, one after the other. A
//! write of one message of the inner protocol becomes one WebSocket message. [`Messages`] finds the messages of the
//! inner protocol.
//!
//! Pings are answered and sent here. A peer that sends nothing for [`DEAD`] counts as gone. Between two messages no
//! buffer is held. A close frame has the code of [`WebSocket::close_with`], or the code of a violation.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{BUFFER, Buffer, Stream};
use crate::inspect::websocket::{Event, Kind, Reader, Sender, Violation, apply_mask, put_header};
use crate::reason::Reason;

mod messages;
mod write;

pub use self::messages::{Came, End, Messages};
use self::write::kind;

/// How often a ping is sent (contract section 9).
const PING: Duration = Duration::from_secs(30);

/// After this time without an octet a peer counts as gone, because it would have answered a ping. Contract section 9
/// allows 90 s.
const DEAD: Duration = Duration::from_secs(75);

/// How many octets of answers to pings may wait for a peer that does not read. If there are more, nothing is read from
/// the peer.
const ANSWERS_LIMIT: usize = 4 * 1024;

/// The close code of a peer that goes away (RFC 6455 section 7.4.1). It is used if no other code was set.
const GOING_AWAY: u16 = 1001;

/// An error that is a violation by the peer, and not an end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wrong(Reason);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the peer has broken the protocol: {}", self.0)
    }
}

impl std::error::Error for Wrong {}

/// The peer's violation, if reading has failed because of one.
pub fn violation(error: &io::Error) -> Option<Reason> {
    error.get_ref()?.downcast_ref::<Wrong>().map(|wrong| wrong.0)
}

/// How far the closing handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No close frame was sent or received.
    Open,
    /// Portward has sent its close frame.
    Closing,
    /// Both sides have sent a close frame.
    Closed,
    /// The peer has violated the protocol. Portward has sent its close frame, and further octets are discarded.
    Failed,
}

/// A WebSocket over a stream.
#[derive(Debug)]
pub struct WebSocket {
    below: Stream,
    messages: &'static dyn Messages,
    reader: Reader,
    /// Octets that were read from the stream below and not examined yet.
    raw: Buffer,
    /// The received part of a message.
    message: Buffer,
    /// Whether the message is complete and is being read.
    is_whole: bool,
    /// The written part of an incomplete message. There is room for the frame header before it.
    written: Buffer,
    /// The length of that message, if it is known.
    length: Option<usize>,
    /// Complete frames that are being sent.
    sending: Buffer,
    unflushed: bool,
    state: State,
    /// The code for Portward's close frame.
    code: u16,
    /// Makes masks. Only a client has this.
    masks: Option<fn() -> [u8; 4]>,
    timer: Pin<Box<Sleep>>,
    heard: Instant,
    ping: Instant,
    /// How long a message may take from its first octet to its last. `None`: any time.
    patience: Option<Duration>,
    /// When an incomplete message began.
    begun: Option<Instant>,
}

impl WebSocket {
    /// A WebSocket with a client, after the handshake. `read`: octets that were read after the handshake.
    pub fn with_client(below: Stream, read: Buffer, messages: &'static dyn Messages) -> Self {
        Self::new(below, read, messages, Sender::Client, None)
    }

    /// A WebSocket with a server. `masks` makes a mask for each frame, which must be unpredictable (RFC 6455 section
    /// 5.3).
    pub fn with_server(
        below: Stream,
        read: Buffer,
        messages: &'static dyn Messages,
        masks: fn() -> [u8; 4],
    ) -> Self {
        Self::new(below, read, messages, Sender::Server, Some(masks))
    }

    fn new(
        below: Stream,
        raw: Buffer,
        messages: &'static dyn Messages,
        sender: Sender,
        masks: Option<fn() -> [u8; 4]>,
    ) -> Self {
        let now = Instant::now();
        Self {
            below,
            messages,
            reader: Reader::of(sender),
            raw,
            message: Buffer::default(),
            is_whole: false,
            written: Buffer::default(),
            length: None,
            sending: Buffer::default(),
            unflushed: false,
            state: State::Open,
            code: GOING_AWAY,
            masks,
            timer: Box::pin(sleep_until(now + PING)),
            heard: now,
            ping: now + PING,
            patience: None,
            begun: None,
        }
    }

    /// Sets how long a message may take from its first octet to its last. `None`: any time.
    pub(super) fn expect_within(&mut self, patience: Option<Duration>) {
        self.patience = patience;
    }

    /// Whether a part of a message or of a frame has come.
    pub(super) fn holds_part(&self) -> bool {
        !self.raw.is_empty() || !self.reader.is_between()
    }

    /// The stream below.
    pub(super) fn below(&self) -> &Stream {
        &self.below
    }

    /// Sets the code with which it is to be closed, if it is not closed yet.
    pub(super) fn close_with(&mut self, code: u16) {
        self.code = code;
    }

    /// Adds a frame after the frames that are being sent.
    fn put(&mut self, kind: Kind, payload: &[u8]) {
        let mask = self.masks.map(|masks| masks());
        let sending = self.sending.vec();
        put_header(sending, kind, payload.len(), mask);
        let before = sending.len();
        sending.extend_from_slice(payload);
        if let Some(mask) = mask {
            apply_mask(sending.get_mut(before..).unwrap_or_default(), mask, 0);
        }
    }

    /// Adds a close frame, but only once. An incomplete written message is discarded.
    fn put_close(&mut self, code: Option<u16>, state: State) {
        if self.state == State::Open {
            let written = self.written.len();
            self.written.consume(written);
            self.written.release();
            let code = code.map(u16::to_be_bytes);
            self.put(Kind::Close, code.as_ref().map_or(&[][..], |code| code));
        }
        self.state = state;
    }

    /// Ends the connection because of a violation by the peer.
    fn fail(&mut self, cx: &mut Context<'_>, code: u16, reason: Reason) -> io::Error {
        self.put_close(Some(code), State::Failed);
        // If the frame cannot be sent at once, it is sent when the connection is closed.
        let _ = self.poll_send(cx);
        io::Error::new(io::ErrorKind::InvalidData, Wrong(reason))
    }

    /// Sends the waiting frames.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sending.is_empty() {
            let count = ready!(Pin::new(&mut self.below).poll_write(cx, self.sending.filled()))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.consume(count);
            self.unflushed = true;
        }
        self.sending.release();
        if self.unflushed {
            ready!(Pin::new(&mut self.below).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// When a message that has begun must be complete.
    fn due(&mut self) -> Option<Instant> {
        let patience = self.patience?;
        match self.holds_part() {
            true => Some(*self.begun.get_or_insert_with(Instant::now) + patience),
            false => {
                self.begun = None;
                None
            }
        }
    }

    /// Sends a ping if it is time for one.
    ///
    /// # Errors
    /// The peer has sent nothing for too long, or the rest of a message has not come in time.
    fn keep_alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let due = self.due();
        if let Some(due) = due.filter(|due| *due < self.timer.deadline()) {
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let dead = self.heard + DEAD;
            if now >= dead {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if due.is_some_and(|due| now >= due) {
                return Err(self.fail(cx, GOING_AWAY, Reason::Timeout));
            }
            if now >= self.ping {
                self.ping = now + PING;
                // While a ping waits to be sent, a further one is not needed.
                if self.state == State::Open && self.sending.is_empty() {
                    self.put(Kind::Ping, &[]);
                }
            }
            let next = self.ping.min(dead);
            self.timer.as_mut().reset(due.map_or(next, |due| due.min(next)));
        }
        Ok(())
    }

    /// Reads frames until a message is complete or the connection ends. `true`: a message is complete.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.sending.len() >= ANSWERS_LIMIT {
                // The peer may send pings and not read the answers, so the answers are sent first.
                ready!(self.poll_send(cx))?;
            }
            if !self.raw.is_empty() {
                match self.reader.read(self.raw.filled(), self.message.vec()) {
                    Ok(read) => {
                        self.raw.consume(read.taken);
                        if let Some(event) = read.event {
                            match self.event(cx, event)? {
                                Some(is_whole) => return Poll::Ready(Ok(is_whole)),
                                None => continue,
                            }
                        }
                    }
                    Err(violation) => return Poll::Ready(Err(self.violated(cx, violation))),
                }
            }
            if self.reader.is_between() {
                self.message.release();
            }
            match self.raw.poll_fill(cx, &mut self.below, BUFFER) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Ok(_)) => self.heard = Instant::now(),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.keep_alive(cx)?;
                    if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn violated(&mut self, cx: &mut Context<'_>, violation: Violation) -> io::Error {
        self.fail(cx, violation.code(), violation.reason())
    }

    /// Handles an event. `Some(true)`: a message is complete. `Some(false)`: the connection has ended.
    fn event(&mut self, cx: &mut Context<'_>, event: Event) -> io::Result<Option<bool>> {
        if self.reader.is_between() {
            self.begun = None;
        }
        match event {
            Event::Pong => {}
            Event::Ping(payload) if self.state == State::Open => self.put(Kind::Pong, payload.as_slice()),
            Event::Ping(_) => {}
            Event::Close(code) => {
                self.put_close(code, State::Closed);
                // If the frame cannot be sent at once, it is sent when the connection is closed.
                let _ = self.poll_send(cx);
                return Ok(Some(false));
            }
            Event::Message => match self.messages.came(self.message.vec()) {
                Came::Read if !self.message.is_empty() => return Ok(Some(true)),
                Came::Read | Came::Dropped => self.forget(),
                Came::Answered(answer) => {
                    self.forget();
                    if self.state == State::Open {
                        self.put(Kind::Text, answer);
                    }
                }
                Came::Refused { answer, code, reason } => {
                    self.forget();
                    if self.state == State::Open && !answer.is_empty() {
                        self.put(kind(&answer), &answer);
                    }
                    return Err(self.fail(cx, code, reason));
                }
            },
        }
        Ok(None)
    }

    /// Removes the message.
    fn forget(&mut self) {
        let length = self.message.len();
        self.message.consume(length);
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_whole {
            match this.state {
                State::Open | State::Closing => this.is_whole = ready!(this.poll_message(cx))?,
                State::Closed => {}
                State::Failed => {
                    let held = this.raw.len();
                    this.raw.consume(held);
                    return this.raw_end(cx);
                }
            }
        }
        if this.is_whole {
            let count = buf.remaining().min(this.message.len());
            buf.put_slice(this.message.filled().get(..count).unwrap_or_default());
            this.message.consume(count);
            if this.message.is_empty() {
                this.is_whole = false;
                this.message.release();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl WebSocket {
    /// Reads and discards octets until the stream below ends.
    fn raw_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        while ready!(self.raw.poll_fill(cx, &mut self.below, BUFFER))? > 0 {
            let held = self.raw.len();
            self.raw.consume(held);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;

//! Moves one message in one direction. Octets are checked against the message's framing before they are sent.

use std::io;
use std::task::{Context, Poll};

use crate::inspect::http::Framing;
use crate::io::{BUFFER, Buffer, Leg};

/// What a pump waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Bytes from the sender.
    Read,
    /// Room at the receiver.
    Write,
}

/// Why a pump stopped before the message was complete.
#[derive(Debug)]
pub enum Stopped {
    /// The sender ended or failed in the middle of the message.
    Sender,
    /// The sender broke the message's framing.
    Framing,
    /// The receiver failed.
    Receiver(io::Error),
}

/// One direction of an exchange.
#[derive(Debug)]
pub struct Pump {
    /// What is sent first: the head, and a small body with it. At the end it holds the trailers.
    pub out: Buffer,
    /// How the rest of the message is delimited.
    pub framing: Framing,
    /// How many octets at the front of the sender's buffer may pass.
    ready: usize,
    /// Octets were written that may not have been flushed.
    unflushed: bool,
    /// What it waits for, if the last `poll` was pending. Otherwise [`Waits::Read`].
    pub waits: Waits,
    /// Bytes written so far.
    pub written: u64,
}

impl Pump {
    /// A pump for a message with this framing, with nothing to send yet.
    pub fn new(framing: Framing) -> Self {
        Self { out: Buffer::default(), framing, ready: 0, unflushed: false, waits: Waits::Read, written: 0 }
    }

    /// Puts the part of the body that has arrived behind the head, so that a small message is sent in one write.
    ///
    /// # Errors
    /// [`Stopped::Framing`].
    pub fn join_body(&mut self, from: &mut Leg) -> Result<(), Stopped> {
        self.filter(from)?;
        if self.out.len() + self.ready <= BUFFER {
            let body = from.buffer.filled().get(..self.ready).unwrap_or_default();
            self.out.extend(body);
            from.buffer.consume(self.ready);
            self.ready = 0;
            self.join_tail();
        }
        Ok(())
    }

    /// Moves all that can be moved. Ready when the whole message has been sent.
    ///
    /// # Errors
    /// See [`Stopped`].
    pub fn poll(&mut self, cx: &mut Context<'_>, from: &mut Leg, to: &mut Leg) -> Poll<Result<(), Stopped>> {
        self.waits = Waits::Read;
        loop {
            while self.ready > 0 || !self.out.is_empty() {
                let (bytes, from_out) = match self.out.filled() {
                    [] => (from.buffer.filled().get(..self.ready).unwrap_or_default(), false),
                    out => (out, true),
                };
                let count = match to.poll_write(cx, bytes) {
                    Poll::Ready(Ok(count)) => count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Stopped::Receiver(error))),
                    Poll::Pending => {
                        self.waits = Waits::Write;
                        return Poll::Pending;
                    }
                };
                self.written += count as u64;
                self.unflushed = true;
                if from_out {
                    self.out.consume(count);
                } else {
                    from.buffer.consume(count);
                    self.ready -= count;
                }
                if self.ready == 0 && self.out.is_empty() {
                    self.join_tail();
                }
            }
            self.out.release();
            if self.framing.is_done() {
                return self.poll_flush(cx, to);
            }
            if from.buffer.is_empty() {
                match from.poll_fill(cx, from.read_size(to)) {
                    Poll::Ready(Ok(0)) if matches!(self.framing, Framing::Close) && !from.cut_off => {
                        self.framing = Framing::NONE;
                        continue;
                    }
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Stopped::Sender)),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => {
                        if let Poll::Ready(Err(stopped)) = self.poll_flush(cx, to) {
                            return Poll::Ready(Err(stopped));
                        }
                        return Poll::Pending;
                    }
                }
            }
            if let Err(stopped) = self.filter(from) {
                return Poll::Ready(Err(stopped));
            }
        }
    }

    fn filter(&mut self, from: &mut Leg) -> Result<(), Stopped> {
        while self.ready == 0 && !self.framing.is_done() && !from.buffer.is_empty() {
            let progress = self.framing.filter(from.buffer.filled_mut()).map_err(|_| Stopped::Framing)?;
            from.buffer.cut(progress.kept, progress.taken);
            self.ready = progress.kept;
            if !self.framing.has_tail() {
                break;
            }
            // Small pieces with something between them are sent in one write.
            if self.out.len() + self.ready <= BUFFER {
                let body = from.buffer.filled().get(..self.ready).unwrap_or_default();
                self.out.extend(body);
                from.buffer.consume(self.ready);
                self.ready = 0;
                self.join_tail();
            }
        }
        Ok(())
    }

    /// Appends the trailers. They cannot pass in place, so they follow the body from `out`.
    fn join_tail(&mut self) {
        if self.framing.has_tail() {
            let tail = self.framing.tail();
            if !tail.is_empty() {
                self.out.extend(&tail);
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, to: &mut Leg) -> Poll<Result<(), Stopped>> {
        if !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        match to.poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.unflushed = false;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Stopped::Receiver(error))),
            Poll::Pending => {
                self.waits = Waits::Write;
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests;

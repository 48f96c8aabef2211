//! One direction of a watched relay: reads messages, asks the watch about them, and sends what it has decided.

use std::task::{Context, Poll};
use std::time::Duration;

use super::super::patience::Stands;
use super::watch::{Next, Replies};
use crate::ending::Ending;
use crate::io::{Buffer, Leg, violation};
use crate::reason::Reason;

/// How many octets of answers may wait for a side that does not read. Above this limit nothing more is read from that
/// side.
const ANSWERS_LIMIT: usize = 64 * 1024;

/// How long the last answer may take before the connection is closed.
pub(super) const LAST_WORD: Duration = Duration::from_secs(2);

/// One direction. It sends, in this order: `pass` octets of the sender's buffer, the contents of `replaced`, and
/// between two messages the answers.
#[derive(Debug, Default)]
pub(super) struct Direction {
    pass: u64,
    /// It is boxed, because most directions never have it.
    replaced: Option<Box<Replaced>>,
    pub(super) answers: Buffer,
    cut: Option<Ending>,
    /// The octets that are to pass do not complete their message.
    inside: bool,
    unflushed: bool,
    /// The sender has ended, and the receiver has been told.
    pub(super) done: bool,
    /// Octets that were read from the sender. The counter wraps around after 4 GiB.
    pub(super) heard: u32,
    /// Octets that were sent to the receiver.
    pub(super) moved: u64,
    /// Counts every step. An unchanged count shows that a turn did nothing.
    pub(super) steps: u64,
}

#[derive(Debug)]
struct Replaced {
    count: usize,
    by: Buffer,
    pass: u64,
}

/// The watch, with the questions that one direction asks it.
pub(super) struct DirectionWatch<'w, W> {
    pub(super) watch: &'w mut W,
    pub(super) hear: fn(&mut W, &[u8], &mut Replies<'_>) -> Next,
    pub(super) holds: fn(&W) -> bool,
}

impl<W> DirectionWatch<'_, W> {
    /// Whether messages that have been read wait for the other side. Ask it each time, because any message may change
    /// the answer.
    fn holds(&self) -> bool {
        (self.holds)(self.watch)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum DirectionError {
    Sender,
    Receiver,
    Watch(Ending),
    /// The sender has violated the protocol below the watch's.
    Violation(Reason),
    /// The watch could not decide within the octets that it may read.
    TooLong,
}

impl Direction {
    /// Moves all that can be moved, and returns what the direction waits for. Answers to the sender are written to
    /// `back`.
    pub(super) fn poll<W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Leg,
        to: &mut Leg,
        back: &mut Buffer,
        limit: usize,
        mut watch: DirectionWatch<'_, W>,
    ) -> Result<Stands, DirectionError> {
        while !self.done {
            if self.poll_send(cx, from, to)?.is_pending() {
                return Ok(Stands::Blocked);
            }
            if let Some(cut) = self.cut {
                return Err(DirectionError::Watch(cut));
            }
            if self.pass == 0 && back.len() >= ANSWERS_LIMIT {
                // A sender that does not take the answers to its messages is not read any more.
                return Ok(Stands::Blocked);
            }
            if self.decide(&from.buffer, back, &mut watch) {
                continue;
            }
            if !from.ended {
                if from.buffer.len() >= limit {
                    return if watch.holds() { Ok(Stands::Held) } else { Err(DirectionError::TooLong) };
                }
                match from.poll_fill(cx, limit) {
                    Poll::Ready(Ok(count)) => {
                        self.heard = self.heard.wrapping_add(u32::try_from(count).unwrap_or(1));
                        continue;
                    }
                    Poll::Ready(Err(error)) => {
                        return Err(
                            violation(&error).map_or(DirectionError::Sender, DirectionError::Violation)
                        );
                    }
                    Poll::Pending => {}
                }
            }
            if self.unflushed {
                match to.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(_)) => return Err(DirectionError::Receiver),
                    // More octets may come while the flush is pending.
                    Poll::Pending if !from.ended => return Ok(Stands::Reads),
                    Poll::Pending => return Ok(Stands::Blocked),
                }
            }
            if !from.ended {
                return Ok(Stands::Reads);
            }
            if !from.buffer.is_empty() && watch.holds() {
                return Ok(Stands::Held);
            }
            // The octets that are left are no whole message. They are not sent.
            match to.poll_shutdown(cx) {
                // The receiver may be gone already. The sender is done in any case.
                Poll::Ready(_) => {
                    self.done = true;
                    self.steps += 1;
                }
                Poll::Pending => return Ok(Stands::Blocked),
            }
        }
        // The sender has ended. Answers for the receiver may be left, but its stream is shut down.
        Ok(Stands::Done)
    }

    /// Asks the watch about the messages in the buffer, until one of them must not pass as it is. Returns whether the
    /// watch has decided anything.
    fn decide<W>(&mut self, buffer: &Buffer, back: &mut Buffer, watch: &mut DirectionWatch<'_, W>) -> bool {
        let steps = self.steps;
        while self.replaced.is_none() && self.cut.is_none() {
            let read = usize::try_from(self.pass).ok().and_then(|pass| buffer.filled().get(pass..));
            let Some(octets) = read.filter(|octets| !octets.is_empty()) else { break };
            let mut onward = Buffer::default();
            match (watch.hear)(watch.watch, octets, &mut Replies { onward: &mut onward, back }) {
                Next::NeedMore | Next::Pass(0) | Next::Part(0) => break,
                Next::Pass(count) => (self.pass, self.inside) = (self.pass + count, false),
                Next::Part(count) => (self.pass, self.inside) = (self.pass + count, true),
                Next::Replace { count, pass } => {
                    self.replaced = Some(Box::new(Replaced { count, by: onward, pass }));
                }
                Next::End(cut) => self.cut = Some(cut),
            }
            self.steps += 1;
        }
        self.steps > steps
    }

    /// Sends what the watch has decided. Ready when all of it is sent, or when the rest of it has not been read yet.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Leg,
        to: &mut Leg,
    ) -> Result<Poll<()>, DirectionError> {
        loop {
            if self.pass > 0 {
                let filled = from.buffer.filled();
                let count = usize::try_from(self.pass).map_or(filled.len(), |pass| pass.min(filled.len()));
                let Some(octets) = filled.get(..count).filter(|octets| !octets.is_empty()) else {
                    return Ok(Poll::Ready(()));
                };
                let Poll::Ready(count) = self.poll_write(cx, to, octets)? else { return Ok(Poll::Pending) };
                from.buffer.consume(count);
                self.pass -= count as u64;
                continue;
            }
            let Some(replaced) = &mut self.replaced else { break };
            let count = replaced.count;
            from.buffer.consume(std::mem::take(&mut replaced.count));
            self.steps += u64::from(count > 0);
            let mut by = std::mem::take(&mut replaced.by);
            while !by.is_empty() {
                let Poll::Ready(count) = self.poll_write(cx, to, by.filled())? else {
                    if let Some(replaced) = &mut self.replaced {
                        replaced.by = by;
                    }
                    return Ok(Poll::Pending);
                };
                by.consume(count);
            }
            self.pass = self.replaced.take().map_or(0, |replaced| replaced.pass);
        }
        if self.inside {
            return Ok(Poll::Ready(()));
        }
        let mut answers = std::mem::take(&mut self.answers);
        while !answers.is_empty() {
            let Poll::Ready(count) = self.poll_write(cx, to, answers.filled())? else {
                self.answers = answers;
                return Ok(Poll::Pending);
            };
            answers.consume(count);
        }
        Ok(Poll::Ready(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut Leg,
        octets: &[u8],
    ) -> Result<Poll<usize>, DirectionError> {
        match to.poll_write(cx, octets) {
            Poll::Ready(Ok(count)) => {
                self.moved += count as u64;
                self.steps += 1;
                self.unflushed = true;
                Ok(Poll::Ready(count))
            }
            Poll::Ready(Err(_)) => Err(DirectionError::Receiver),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Sends the answers that are left, unless a message has been sent in part. Returns whether there were any and all
    /// were sent.
    pub(super) async fn last_word(&mut self, to: &mut Leg) -> bool {
        let is_between = self.pass == 0 && self.replaced.is_none() && !self.inside && !self.done;
        is_between
            && !self.answers.is_empty()
            && to.send(self.answers.filled(), LAST_WORD, &mut self.moved).await.is_ok()
    }
}

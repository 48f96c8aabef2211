//! A relay that looks at every message. It moves bytes both ways like a [tunnel](super::tunnel). For each message a
//! [`Watch`] decides whether it passes, passes with another head, is answered instead, or ends the connection.
//!
//! Octets that need no edit are never copied: they are sent from the buffer into which they were read. Several messages
//! that are in the buffer together are sent together. All decisions are the watch's.

mod watch;

pub use watch::{Next, Replies, TARGET_DOWN, Watch, by_client};

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ended::EndedBy;
use super::patience::{Clock, Now, Patience, Stands};
use crate::ending::Ending;
use crate::io::{Buffer, Leg, Meter, Timer, violation};
use crate::reason::Reason;

/// How many octets of answers may wait for a side that does not read. Above this limit nothing more is read from that
/// side.
const ANSWERS_LIMIT: usize = 64 * 1024;

/// How long the last answer may take before the connection is closed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How a relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayEnd {
    /// One side ended, or a time limit ended the relay.
    Ended(EndedBy),
    /// The watch ended it, or could not decide within the octets that it may read.
    Cut {
        /// The message that ended it came from the client, not from the target.
        of_client: bool,
        /// How the connection ends.
        ending: Ending,
        /// The sender of the message got a last answer.
        answered: bool,
    },
    /// `withdrawn` ended it, for a reason that lies in neither side.
    Withdrawn(Ending),
}

/// One direction. It sends, in this order: `pass` octets of the sender's buffer, the contents of `replaced`, and
/// between two messages the answers.
#[derive(Debug, Default)]
struct Direction {
    pass: u64,
    /// It is boxed, because most directions never have it.
    replaced: Option<Box<Replaced>>,
    answers: Buffer,
    cut: Option<Ending>,
    /// The octets that are to pass do not complete their message.
    inside: bool,
    unflushed: bool,
    /// The sender has ended, and the receiver has been told.
    done: bool,
    /// Octets that were read from the sender. The counter wraps around after 4 GiB.
    heard: u32,
    /// Octets that were sent to the receiver.
    moved: u64,
    /// Counts every step. An unchanged count shows that a turn did nothing.
    steps: u64,
}

#[derive(Debug)]
struct Replaced {
    count: usize,
    by: Buffer,
    pass: u64,
}

/// The watch, with the questions that one direction asks it.
struct DirectionWatch<'w, W> {
    watch: &'w mut W,
    hear: fn(&mut W, &[u8], &mut Replies<'_>) -> Next,
    holds: fn(&W) -> bool,
}

impl<W> DirectionWatch<'_, W> {
    /// Whether messages that have been read wait for the other side. Ask it each time, because any message may change
    /// the answer.
    fn holds(&self) -> bool {
        (self.holds)(self.watch)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum DirectionError {
    Sender,
    Receiver,
    Watch(Ending),
    /// The sender has violated the protocol below the watch's.
    Violation(Reason),
    /// The watch could not decide within the octets that it may read.
    TooLong,
}

/// Moves messages between two legs and returns how the relay ended. It begins with the octets in the legs' buffers. It
/// goes on until both ends are done, the watch ends it, `withdrawn` ends it, or nothing moves for too long. `withdrawn`
/// is asked in every turn, after the watch has seen what came. It counts in `bytes`, as it goes, what it sends to the
/// target and to the client. So the counts are right even for a caller that does not wait for the end.
// This is no `async fn`, because that would keep memory for its arguments twice.
pub fn watched<'r, W: Watch, M: Meter, F>(
    client: &'r mut Leg,
    target: &'r mut Leg,
    timer: &'r mut Timer,
    patience: Patience,
    watch: &'r mut W,
    bytes: M,
    withdrawn: F,
) -> impl Future<Output = RelayEnd>
where
    F: FnMut(&W, &mut Context<'_>) -> Poll<Ending>,
{
    let clock = Clock::new(patience, timer);
    let before = bytes.bytes();
    let (up, down) = (Direction::default(), Direction::default());
    let mut relay = Relay { client, target, timer, watch, bytes, withdrawn, up, down, before, clock };
    async move {
        let mut end = poll_fn(|cx| relay.poll(cx)).await;
        if let RelayEnd::Cut { of_client, answered, .. } = &mut end {
            // Boxed, so that an idle relay does not hold the memory for this.
            *answered = Box::pin(relay.last_word(*of_client)).await;
        }
        relay.count();
        end
    }
}

/// A running relay.
struct Relay<'r, W, M, F> {
    client: &'r mut Leg,
    target: &'r mut Leg,
    timer: &'r mut Timer,
    watch: &'r mut W,
    bytes: M,
    withdrawn: F,
    /// From the client to the target.
    up: Direction,
    /// From the target to the client.
    down: Direction,
    /// The octets in `bytes` when the relay began.
    before: [u64; 2],
    clock: Clock,
}

impl<W: Watch, M: Meter, F> Relay<'_, W, M, F>
where
    F: FnMut(&W, &mut Context<'_>) -> Poll<Ending>,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        let [up_stands, down_stands] = match self.move_all(cx) {
            Ok(stands) => stands,
            Err(end) => return Poll::Ready(end),
        };
        // A target that hangs up without having sent an octet has refused. The client need not wait (contract section
        // 1, step 6). If the client ended first, the target has only followed it.
        if self.down.done && self.down.moved == 0 {
            let by_client = self.client.ended || self.watch.leaves();
            return Poll::Ready(RelayEnd::Ended(if by_client { EndedBy::Client } else { EndedBy::Target }));
        }
        if let Poll::Ready(ending) = (self.withdrawn)(self.watch, cx) {
            return Poll::Ready(RelayEnd::Withdrawn(ending));
        }
        let now = Now {
            sides: [(&*self.client, up_stands), (&*self.target, down_stands)],
            moved: self.up.moved + self.down.moved,
            heard: self.down.heard,
            owes: self.watch.owes(),
            leaves: self.watch.leaves(),
        };
        self.clock.poll(cx, self.timer, &now).map(RelayEnd::Ended)
    }

    /// Moves all that can be moved, both ways. Returns what the directions wait for.
    fn move_all(&mut self, cx: &mut Context<'_>) -> Result<[Stands; 2], RelayEnd> {
        loop {
            let before = self.up.steps + self.down.steps;
            let up_stands = self.move_up(cx).map_err(|failed| over(failed, true))?;
            let down_stands = self.move_down(cx).map_err(|failed| over(failed, false))?;
            // A step of one direction may be what the other waits for: it may have written an answer, or opened a gate.
            if self.up.steps + self.down.steps == before {
                return Ok([up_stands, down_stands]);
            }
        }
    }

    fn move_up(&mut self, cx: &mut Context<'_>) -> Result<Stands, DirectionError> {
        let limit = W::CLIENT_LIMIT.max(self.client.read_size(self.target));
        let watch = DirectionWatch { watch: self.watch, hear: W::hear_client, holds: W::holds_client };
        let polled = self.up.poll(cx, self.client, self.target, &mut self.down.answers, limit, watch);
        self.count();
        polled
    }

    fn move_down(&mut self, cx: &mut Context<'_>) -> Result<Stands, DirectionError> {
        let limit = W::TARGET_LIMIT.max(self.target.read_size(self.client));
        let watch = DirectionWatch { watch: self.watch, hear: W::hear_target, holds: |_| false };
        let polled = self.down.poll(cx, self.target, self.client, &mut self.up.answers, limit, watch);
        self.count();
        polled
    }

    /// Sends the answers that are left to the side whose message has ended the relay.
    async fn last_word(&mut self, of_client: bool) -> bool {
        match of_client {
            true => self.down.last_word(self.client).await,
            false => self.up.last_word(self.target).await,
        }
    }

    /// Notes the octets that were sent so far.
    fn count(&mut self) {
        let [up, down] = self.before;
        self.bytes.set([up + self.up.moved, down + self.down.moved]);
    }
}

fn over(failed: DirectionError, of_client: bool) -> RelayEnd {
    let cut = |ending| RelayEnd::Cut { of_client, ending, answered: false };
    match (failed, of_client) {
        (DirectionError::Watch(ending), _) => cut(ending),
        (DirectionError::Violation(reason), true) => cut(by_client(reason)),
        (DirectionError::Violation(_), false) => cut(TARGET_DOWN),
        (DirectionError::TooLong, true) => cut(by_client(Reason::TooLarge)),
        (DirectionError::TooLong, false) => cut(TARGET_DOWN),
        (DirectionError::Sender, true) | (DirectionError::Receiver, false) => {
            RelayEnd::Ended(EndedBy::Client)
        }
        (DirectionError::Sender, false) | (DirectionError::Receiver, true) => {
            RelayEnd::Ended(EndedBy::Target)
        }
    }
}

impl Direction {
    /// Moves all that can be moved, and returns what the direction waits for. Answers to the sender are written to
    /// `back`.
    fn poll<W>(
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
    async fn last_word(&mut self, to: &mut Leg) -> bool {
        let is_between = self.pass == 0 && self.replaced.is_none() && !self.inside && !self.done;
        is_between
            && !self.answers.is_empty()
            && to.send(self.answers.filled(), LAST_WORD, &mut self.moved).await.is_ok()
    }
}

#[cfg(test)]
mod tests;

//! A relay that looks at every message. It moves bytes both ways like a [tunnel](super::tunnel). For each message a
//! [`Watch`] decides whether it passes, passes with another head, is answered instead, or ends the connection.
//!
//! Octets that need no edit are never copied: they are sent from the buffer into which they were read. Several messages
//! that are in the buffer together are sent together. All decisions are the watch's.

mod direction;
mod watch;

pub use watch::{Next, Replies, TARGET_DOWN, Watch, by_client};

use std::future::poll_fn;
use std::task::{Context, Poll};

use super::ended::EndedBy;
use super::patience::{Clock, Now, Patience, Stands};
use crate::ending::Ending;
use crate::io::{Leg, Meter, Timer};
use crate::reason::Reason;
use direction::{Direction, DirectionError, DirectionWatch};

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

#[cfg(test)]
mod tests;

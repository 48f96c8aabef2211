//! A tunnel: bytes both ways, with half-close, until both ends are done or nothing moves for too long (see
//! [`patience`](super::patience)).

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ended::EndedBy;
use super::patience::{Clock, Now, Patience, Stands};
use crate::io::{Leg, Meter, Timer};

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    /// The sender has ended, and the receiver has been told.
    done: bool,
    unflushed: bool,
    moved: u64,
}

/// Moves bytes between two legs and returns the side that ended the tunnel. It begins with the bytes in the legs'
/// buffers. It counts in `bytes`, as it goes, what it sends to the target and to the client. So the counts are right
/// even for a caller that does not wait for the end.
pub async fn tunnel<M: Meter>(
    client: &mut Leg,
    target: &mut Leg,
    timer: &mut Timer,
    idle: Duration,
    mut bytes: M,
) -> EndedBy {
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let [up_before, down_before] = bytes.bytes();
    let mut clock = Clock::new(Patience::idle(idle), timer);
    poll_fn(|cx| {
        let polled = [up.poll(cx, client, target), down.poll(cx, target, client)];
        bytes.set([up_before + up.moved, down_before + down.moved]);
        let [up_stands, down_stands] = match polled {
            [Err(SideFailed::Sender), _] | [Ok(_), Err(SideFailed::Receiver)] => {
                return Poll::Ready(EndedBy::Client);
            }
            [Err(SideFailed::Receiver), _] | [Ok(_), Err(SideFailed::Sender)] => {
                return Poll::Ready(EndedBy::Target);
            }
            [Ok(up), Ok(down)] => [up, down],
        };
        let now = Now {
            sides: [(&*client, up_stands), (&*target, down_stands)],
            moved: up.moved + down.moved,
            // The target owes no answer in a tunnel.
            heard: 0,
            owes: false,
            leaves: false,
        };
        clock.poll(cx, timer, &now)
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
enum SideFailed {
    Sender,
    Receiver,
}

impl Direction {
    /// Moves all that can be moved, and returns what the direction waits for.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Leg, to: &mut Leg) -> Result<Stands, SideFailed> {
        while !self.done {
            while !from.buffer.is_empty() {
                match to.poll_write(cx, from.buffer.filled()) {
                    Poll::Ready(Ok(count)) => {
                        from.buffer.consume(count);
                        self.moved += count as u64;
                        self.unflushed = true;
                    }
                    Poll::Ready(Err(_)) => return Err(SideFailed::Receiver),
                    Poll::Pending => return Ok(Stands::Blocked),
                }
            }
            if !from.ended {
                match from.poll_fill(cx, from.read_size(to)) {
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(_)) => return Err(SideFailed::Sender),
                    Poll::Pending => {}
                }
            }
            if self.unflushed {
                match to.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(_)) => return Err(SideFailed::Receiver),
                    // More octets may come while the flush is pending.
                    Poll::Pending if !from.ended => return Ok(Stands::Reads),
                    Poll::Pending => return Ok(Stands::Blocked),
                }
            }
            if !from.ended {
                return Ok(Stands::Reads);
            }
            match to.poll_shutdown(cx) {
                // The receiver may be gone already. The sender is done in any case.
                Poll::Ready(_) => self.done = true,
                Poll::Pending => return Ok(Stands::Blocked),
            }
        }
        Ok(Stands::Done)
    }
}

#[cfg(test)]
mod tests;

//! A tunnel: bytes both ways, with half-close, until both ends are done or nothing moves for too long.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::io::{Leg, Timer};

/// Who ended a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The client ended first, or failed.
    Client,
    /// The target ended first, or failed.
    Target,
    /// Nothing moved for too long.
    Idle,
}

/// One direction.
#[derive(Debug, Default)]
struct Half {
    /// The sender has ended and the receiver was told.
    done: bool,
    unflushed: bool,
    moved: u64,
}

/// Moves bytes between two legs, beginning with what their buffers hold, and says who ended it. What went to the target and
/// to the client is added to `bytes` as it goes, so that it is right as well for who does not wait for the end.
pub async fn tunnel(
    client: &mut Leg,
    target: &mut Leg,
    timer: &mut Timer,
    idle: Duration,
    bytes: &mut [u64; 2],
) -> EndedBy {
    let (mut up, mut down) = (Half::default(), Half::default());
    let [up_before, down_before] = *bytes;
    let mut first = None;
    let mut seen = 0;
    timer.set(idle);
    poll_fn(|cx| {
        let failed_up = up.poll(cx, client, target).err();
        let failed_down = down.poll(cx, target, client).err();
        *bytes = [up_before + up.moved, down_before + down.moved];
        if let Some(failed) = failed_up {
            return Poll::Ready(if failed == Failed::Sender { EndedBy::Client } else { EndedBy::Target });
        }
        if let Some(failed) = failed_down {
            return Poll::Ready(if failed == Failed::Sender { EndedBy::Target } else { EndedBy::Client });
        }
        if first.is_none() && (up.done || down.done) {
            first = Some(if up.done { EndedBy::Client } else { EndedBy::Target });
        }
        if let (Some(by), true, true) = (first, up.done, down.done) {
            return Poll::Ready(by);
        }
        if seen != up.moved + down.moved {
            seen = up.moved + down.moved;
            timer.set(idle);
        }
        if timer.poll_expired(cx).is_ready() {
            return Poll::Ready(EndedBy::Idle);
        }
        Poll::Pending
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
enum Failed {
    Sender,
    Receiver,
}

impl Half {
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Leg, to: &mut Leg) -> Result<(), Failed> {
        while !self.done {
            while !from.buffer.is_empty() {
                match to.poll_write(cx, from.buffer.filled()) {
                    Poll::Ready(Ok(count)) => {
                        from.buffer.consume(count);
                        self.moved += count as u64;
                        self.unflushed = true;
                    }
                    Poll::Ready(Err(_)) => return Err(Failed::Receiver),
                    Poll::Pending => return Ok(()),
                }
            }
            if !from.ended {
                match from.poll_fill(cx, from.piece(to)) {
                    Poll::Ready(Ok(_)) => continue,
                    Poll::Ready(Err(_)) => return Err(Failed::Sender),
                    Poll::Pending => {}
                }
            }
            if self.unflushed {
                match to.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.unflushed = false,
                    Poll::Ready(Err(_)) => return Err(Failed::Receiver),
                    Poll::Pending => return Ok(()),
                }
            }
            if !from.ended {
                return Ok(());
            }
            match to.poll_shutdown(cx) {
                // The receiver may be gone already; the sender is done all the same.
                Poll::Ready(_) => self.done = true,
                Poll::Pending => return Ok(()),
            }
        }
        Ok(())
    }
}

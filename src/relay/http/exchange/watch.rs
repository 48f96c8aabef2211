//! What a running exchange waits for, for how long, and whether the client is still there.

use std::task::{Context, Poll};
use std::time::Duration;

use super::{Failure, Running};
use crate::io::{BUFFER, Leg, Peer, Timer};
use crate::relay::Waits;
use crate::relay::patience::{AFTER_END, GLANCE, UNDELIVERED};

/// How long a target may take nothing of a request before it counts as slow.
const STALL: Duration = Duration::from_secs(5);

impl Running<'_, '_> {
    /// Gives more time to a target that takes nothing of a request for five seconds. Written octets may still lie in
    /// the kernel. So a long request without an answer counts as well.
    pub(super) fn poll_slow(&mut self, cx: &mut Context<'_>, target: &Leg) {
        if self.bodiless || self.slow {
            return;
        }
        let unwritten = !self.up_done && !self.up_refused && self.up.waits == Waits::Write;
        let untaken = !self.answered && self.up.written > BUFFER as u64;
        if self.stall.poll(cx, STALL, self.up.written, unwritten || untaken).is_ready() {
            target.stream.watch_upload(true);
            self.slow = true;
        }
    }

    pub(super) fn waits_for_client(&self) -> bool {
        self.fills_client() || self.waits_for_body()
    }

    /// Every octet of the request that came has been sent on, and the body is not whole yet. A client that waits for
    /// 100 (Continue) may wait for the target. A client that has begun its body does not wait any more.
    pub(super) fn waits_for_body(&self) -> bool {
        let gives = !self.up_done && !self.up_refused && self.up.waits == Waits::Read;
        let has_begun = self.up.written > self.head;
        let waits_for_100 = self.request.expects_continue && !self.continued && !self.answered && !has_begun;
        gives && !waits_for_100
    }

    /// The client does not take the octets that are there for it.
    fn fills_client(&self) -> bool {
        !self.down_done && self.down.waits == Waits::Write
    }

    /// How long to wait. `usual` is the usual time. A client that has ended its side is hardly ever still there, so it
    /// gets less.
    pub(super) fn deadline(&self, usual: Duration) -> Duration {
        let fills_target = !self.up_done && !self.up_refused && self.up.waits == Waits::Write;
        match (self.client_ended, fills_target || self.fills_client()) {
            (false, _) => usual,
            (true, true) => usual.min(UNDELIVERED),
            (true, false) => usual.min(AFTER_END),
        }
    }

    /// While the target works, the client may send its next request, end its side, or go away. Portward looks from time
    /// to time at a client that it does not read. It does not read if the buffer is full, if the body waits for the
    /// target, or if the client has ended.
    ///
    /// # Errors
    /// [`Failure::Client`].
    pub(super) fn notice(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg,
        timer: &mut Timer,
    ) -> Result<(), Failure> {
        while self.up_done && !client.ended && client.buffer.len() < BUFFER {
            match client.poll_fill(cx, BUFFER) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Failure::Client),
                Poll::Pending => return Ok(()),
            }
        }
        let reads = !self.up_done && !self.up_refused && self.up.waits == Waits::Read;
        if !reads && timer.looks(GLANCE) {
            match client.stream.peer() {
                Peer::There => {}
                Peer::Ended => self.client_ended = true,
                Peer::Gone => return Err(Failure::Client),
            }
        }
        self.client_ended |= client.ended;
        Ok(())
    }
}

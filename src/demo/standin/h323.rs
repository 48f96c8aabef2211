//! A gatekeeper. It accepts every registration and identifies itself.

use std::future::poll_fn;
use std::io;

use super::super::ras;
use super::counter::Counter;
use crate::inspect::Inspect;
use crate::inspect::h323::{Ask, Inspector, MESSAGE_LIMIT};
use crate::io::Leg;

/// Serves one connection, message after message.
pub(super) async fn visit(mut leg: Leg, says: &str, requests: &Counter) -> io::Result<()> {
    loop {
        match Inspector::new(MESSAGE_LIMIT).inspect(leg.buffer.filled()) {
            Inspect::Found { ask, len } => {
                leg.buffer.consume(len);
                if let Ask::Registration(registration) = ask {
                    requests.count();
                    leg.write_all(&ras::confirm(&registration, says)).await?;
                }
                continue;
            }
            Inspect::Reject(_) => return Ok(()),
            Inspect::NeedMore => {}
        }
        if poll_fn(|cx| leg.poll_fill(cx, MESSAGE_LIMIT)).await? == 0 {
            return Ok(());
        }
    }
}

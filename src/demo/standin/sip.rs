//! A registrar. It accepts every registration and identifies itself.

use std::future::poll_fn;
use std::io;

use super::counter::Counter;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, HEAD_LIMIT, Inspector};
use crate::io::Leg;
use crate::relay::sip::respond;

/// Serves one connection, request after request.
pub(super) async fn visit(mut leg: Leg, says: &str, requests: &Counter) -> io::Result<()> {
    let mut inspector = Inspector::of_client();
    loop {
        match inspector.inspect(leg.buffer.filled()) {
            Inspect::Found { ask: Ask::KeepAlive, len } => {
                leg.buffer.consume(len);
                inspector.reset();
                continue;
            }
            Inspect::Found { ask: Ask::Message(message), len } => {
                inspector.reset();
                let head = leg.buffer.filled().get(..len).unwrap_or_default();
                let mut answer = Vec::new();
                if message.method(head).is_some_and(|method| method != b"ACK") {
                    requests.count();
                    let server = format!("Server: {says}\r\n");
                    respond("200 OK", head, &message, "standin", &server, &mut answer);
                }
                leg.buffer.consume(len);
                leg.write_all(&answer).await?;
                continue;
            }
            Inspect::Reject(_) | Inspect::Found { ask: Ask::Faulty(_), .. } => return Ok(()),
            Inspect::NeedMore => {}
        }
        if poll_fn(|cx| leg.poll_fill(cx, HEAD_LIMIT)).await? == 0 {
            return Ok(());
        }
    }
}

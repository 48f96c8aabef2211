//! The body of a request with a credential. It is small, and is read as a whole.

use std::future::poll_fn;

use serde_json::json;
use zeroize::Zeroizing;

use super::super::answer::{Reply, reply_json};
use super::super::{Next, Turn};
use super::fields;
use crate::conn::Client;
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::http::{Body, Version};
use crate::io::BUFFER;
use crate::reason::Reason;

/// The longest body. A username has 512 octets at most, and in a form each octet may take three.
const LONGEST: usize = 8 * 1024;

/// The most octets on the wire for a body of that length: in the worst case each chunk has one octet, beside its size
/// and two line ends.
const LONGEST_ON_THE_WIRE: usize = 8 * LONGEST;

/// Why a body was not read to its end. The start of the next request is unknown then, so the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// The body is too long.
    TooLong,
    /// The framing of the body is wrong.
    Malformed,
    /// The body did not come in time.
    Slow,
    /// The client has gone.
    Gone,
}

/// Reads the body. It may have a length or come in chunks.
pub(super) async fn read(client: &mut Client, turn: &Turn<'_>) -> Result<Zeroizing<Vec<u8>>, Unread> {
    if let Body::Length(length) = turn.asked.request().body
        && usize::try_from(length).map_or(true, |length| length > LONGEST)
    {
        return Err(Unread::TooLong);
    }
    let limit = turn.config().limits.inspect_timeout;
    // HTTP/1.0 clients do not know 100 (Continue) (RFC 9110 section 10.1.1).
    let is_awaited = turn.asked.expects_continue() && turn.asked.version() == Version::Http11;
    if is_awaited && client.send(b"HTTP/1.1 100 Continue\r\n\r\n", limit).await.is_err() {
        return Err(Unread::Gone);
    }
    match tokio::time::timeout(limit, whole(client, turn)).await {
        Ok(read) => read,
        Err(_) => Err(Unread::Slow),
    }
}

async fn whole(client: &mut Client, turn: &Turn<'_>) -> Result<Zeroizing<Vec<u8>>, Unread> {
    let mut framing = turn.asked.framing_of_data();
    // There is room for the whole body from the start, so that it does not move and leave a copy in memory.
    let mut body = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut taken = 0;
    loop {
        let progress = framing.filter(client.leg.buffer.filled_mut()).map_err(|reason| match reason {
            Reason::TooLarge => Unread::TooLong,
            _ => Unread::Malformed,
        })?;
        let data = client.leg.buffer.filled().get(..progress.kept).unwrap_or_default();
        if body.len() + data.len() > LONGEST {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(data);
        client.leg.buffer.consume(progress.taken);
        taken += progress.taken;
        if framing.is_done() {
            return Ok(body);
        }
        if taken > LONGEST_ON_THE_WIRE {
            return Err(Unread::TooLong);
        }
        if client.leg.ended {
            return Err(Unread::Gone);
        }
        poll_fn(|cx| client.leg.poll_fill(cx, BUFFER)).await.map_err(|_| Unread::Gone)?;
    }
}

impl Unread {
    /// Ends the connection. The client gets an answer first, unless it has gone.
    pub(super) async fn end(self, client: &mut Client, turn: &Turn<'_>, allowed: &str) -> Next {
        let (status, reason, says) = match self {
            Self::TooLong => (413, Reason::TooLarge, "the body is longer than 8 KiB"),
            Self::Malformed => (400, Reason::Malformed, "the body is not framed as it says"),
            Self::Slow => (408, Reason::Timeout, "the body did not come in time"),
            Self::Gone => (0, Reason::Aborted, ""),
        };
        let ended = Ending::because(Stage::Ask, Responsible::Client, reason);
        // A telephone on a bad line may be slow, so slowness never counts.
        let ended = if self == Self::Slow { ended.uncounted() } else { ended };
        turn.refused(client, ended);
        if self == Self::Gone {
            return Next::End(ended);
        }
        let json = json!({ "error": says, "reason": reason.name() });
        reply_json(client, turn, Reply { status, goes_on: false, ended }, (&fields(allowed), &json)).await
    }
}

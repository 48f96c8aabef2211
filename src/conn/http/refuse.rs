//! A request that is refused: whether it is answered, and whether the connection goes on (contract section 1).

use std::future::poll_fn;

use super::answer::{Reply, reply};
use super::{Next, Turn};
use crate::config::{Config, Reject};
use crate::conn::Client;
use crate::ending::Ending;
use crate::io::BUFFER;
use crate::log::Subject;
use crate::reason::Reason;
use crate::relay::http::own_response;

/// Refuses a request.
pub(super) async fn refuse(client: &mut Client, turn: &Turn<'_>, ended: Ending) -> Next {
    turn.refused(client, ended);
    let config = turn.config();
    let reason = ended.reason.unwrap_or(Reason::Malformed);
    // Browsers repeat a request when its connection is closed. So a missing path or tenant of a known host is always
    // answered. A balancer takes a closed connection for a broken server, and would stop sending requests of all
    // clients.
    let is_missing = matches!(reason, Reason::NoPath | Reason::UnknownTenant);
    let stays = is_missing || ended.is_told || is_balancer(client, config);
    if stays || is_answered(client, config) {
        let goes_on = stays && swallow(client, turn).await;
        return reply(client, turn, Reply { status: status(reason), goes_on, ended }).await;
    }
    Next::End(ended)
}

/// Refuses a login in the clear. The client is told in any case. The connection ends, because a password was sent on
/// it.
pub(super) async fn in_the_clear(client: &mut Client, turn: &Turn<'_>, ended: Ending) -> Next {
    turn.refused(client, ended);
    reply(client, turn, Reply { status: 403, goes_on: false, ended }).await
}

/// A connection that ended before a whole request came: there was nothing, a part of a request, or no HTTP.
pub(super) async fn unasked(client: &mut Client, ended: Ending) -> Next {
    let Some(reason) = ended.reason else { return Next::End(ended) };
    let snapshot = client.worker.shared.snapshot.load_full();
    let config = &snapshot.config;
    client.report(config).refused(Subject::Unknown, ended);
    let is_heard = !matches!(reason, Reason::Aborted | Reason::Silent | Reason::Limit);
    if is_heard && is_answered(client, config) {
        let answer = own_response(status(reason), "", false, false);
        let _ = client.send(&answer, config.limits.inspect_timeout).await;
        return Next::Close(ended);
    }
    Next::End(ended)
}

/// Whether a refusal is answered (contract section 1).
pub(super) fn is_answered(client: &Client, config: &Config) -> bool {
    config.reject == Reject::Answer || is_balancer(client, config)
}

/// Whether the client is a balancer that speaks for others by X-Forwarded-For. It is always answered, and its
/// connection stays.
pub(super) fn is_balancer(client: &Client, config: &Config) -> bool {
    config.forwarded_from(client.facts.client.ip())
}

/// The longest body of a refused request that is read and discarded, so that the connection can go on.
const SWALLOWED: u64 = 64 * 1024;

/// Reads the rest of a refused request, if it is short and comes soon. `false`: the connection cannot go on.
async fn swallow(client: &mut Client, turn: &Turn<'_>) -> bool {
    !turn.asked.has_body() || is_balancer(client, turn.config()) && swallow_body(client, turn).await
}

/// The same for every client, whether it is a balancer or not.
pub(super) async fn swallow_body(client: &mut Client, turn: &Turn<'_>) -> bool {
    if !turn.asked.has_body() {
        return true;
    }
    // A client that waits for 100 (Continue) may or may not send its body. So the start of the next request is unknown.
    if turn.asked.expects_continue() {
        return false;
    }
    let mut framing = turn.asked.framing();
    let reading = async {
        let mut read = 0;
        loop {
            let progress = framing.filter(client.leg.buffer.filled_mut()).ok()?;
            client.leg.buffer.consume(progress.taken);
            read += progress.taken as u64;
            if framing.is_done() {
                return Some(());
            }
            if read > SWALLOWED || client.leg.ended {
                return None;
            }
            poll_fn(|cx| client.leg.poll_fill(cx, BUFFER)).await.ok()?;
        }
    };
    matches!(tokio::time::timeout(turn.config().limits.inspect_timeout, reading).await, Ok(Some(())))
}

/// The HTTP status of a refusal (contract section 1).
const fn status(reason: Reason) -> u16 {
    match reason {
        Reason::UnknownHost => 421,
        Reason::NoPath | Reason::UnknownTenant => 404,
        Reason::Timeout | Reason::Silent => 408,
        Reason::TooLarge => 431,
        Reason::NoName | Reason::Malformed | Reason::UnsafePath | Reason::NotTls => 400,
        Reason::TargetDown | Reason::TargetTls => 502,
        Reason::Shutdown => 503,
        _ => 403,
    }
}

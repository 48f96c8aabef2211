//! A request that goes nowhere: whether it is answered, and whether the connection goes on (SPEC section 1).

use super::answer::reply;
use super::{Next, Routed};
use crate::config::{Config, Reject};
use crate::conn::route::status;
use crate::conn::{Client, ending};
use crate::ending::Ending;
use crate::reason::Reason;

/// A request that goes nowhere.
pub(super) async fn refuse(
    client: &mut Client,
    config: &Config,
    routed: &mut Routed<'_>,
    ended: Ending,
) -> Next {
    report(client, config, routed, ended);
    let reason = ended.reason.unwrap_or(Reason::Malformed);
    // Browsers try a closed connection again, so a missing path is answered in any case. A balancer takes a closed
    // connection for a broken server, and stops sending anybody's requests.
    let missing = reason == Reason::NoPath && routed.known_host;
    let stays = missing || is_balancer(client, config);
    if stays || is_answered(client, config) {
        let goes_on = stays && swallow(client, routed, config).await;
        return reply(client, routed, status(reason), "", goes_on, ended, config).await;
    }
    Next::End(ended)
}

/// Whether a refusal is answered (contract section 1).
pub(super) fn is_answered(client: &Client, config: &Config) -> bool {
    config.reject == Reject::Answer || is_balancer(client, config)
}

/// Whether the client speaks for others by X-Forwarded-For: it is always answered, and its connection stays.
pub(super) fn is_balancer(client: &Client, config: &Config) -> bool {
    config.forwarded_from(client.facts.client.ip())
}

/// The longest body of a refused request that is read and thrown away, so that the connection can go on.
const SWALLOWED: u64 = 64 * 1024;

/// Reads the rest of a request that goes nowhere, if that is little and comes soon. False: the connection cannot go on.
async fn swallow(client: &mut Client, routed: &mut Routed<'_>, config: &Config) -> bool {
    let framing = &mut routed.outgoing.framing;
    if framing.is_done() {
        return true;
    }
    // A client that waits for 100 (Continue) may send its body, or not: nothing tells where the next request begins.
    if routed.outgoing.expects_continue || !is_balancer(client, config) {
        return false;
    }
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
            std::future::poll_fn(|cx| client.leg.poll_fill(cx, crate::io::BUFFER)).await.ok()?;
        }
    };
    matches!(tokio::time::timeout(config.limits.inspect_timeout, reading).await, Ok(Some(())))
}

pub(super) fn report(client: &Client, config: &Config, routed: &Routed<'_>, ended: Ending) {
    ending::refused(&client.worker.shared, config, &client.facts, routed.client, routed.subject(), ended);
}

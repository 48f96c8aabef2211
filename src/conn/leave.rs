//! When Portward itself ends a relay, and how it closes both sides then.

use std::future::poll_fn;
use std::task::Poll;

use tokio::time::timeout;

use crate::ending::{Ending, Stage, Whose};
use crate::io::Leg;
use crate::reason::Reason;
use crate::state::Shared;
use crate::stats::Registered;

/// Waits until Portward has to end a relay: `host` has been disabled by a reload and the drain time has passed, Portward
/// stops and its drain is over, or an administrator has ended the connection. Returns how the connection ended.
pub(super) async fn withdrawn(shared: &Shared, host: &str, live: &Registered) -> Ending {
    tokio::select! {
        biased;
        () = poll_fn(|_| live.poll_ended()) => Ending::peacefully(Stage::Relay, Whose::Ourselves),
        ended = unwanted(shared, host) => ended,
    }
}

/// The same, but not for an administrator's end.
async fn unwanted(shared: &Shared, host: &str) -> Ending {
    let mut reloads = shared.reloads.subscribe();
    let is_disabled = || shared.snapshot.load().table.host(host).is_some_and(|host| !host.enabled());
    if reloads.wait_for(|_| shared.is_over() || is_disabled()).await.is_err() {
        return std::future::pending().await;
    }
    let drain = shared.snapshot.load().config.limits.drain_timeout;
    // In a box, because an idle tunnel should not pay for what seldom comes.
    match Box::pin(timeout(drain, reloads.wait_for(|_| shared.is_over()))).await {
        Ok(_) => Ending::because(Stage::Relay, Whose::Ourselves, Reason::Shutdown),
        Err(_) => Ending::because(Stage::Relay, Whose::Policy, Reason::Disabled),
    }
}

/// Closes both sides as far as that can be done without waiting: TLS's close_notify (RFC 8446 section 6.1), and FIN.
pub(super) async fn close_both(client: &mut Leg, target: &mut Leg) {
    poll_fn(|cx| {
        let _ = (client.poll_shutdown(cx), target.poll_shutdown(cx));
        Poll::Ready(())
    })
    .await;
}

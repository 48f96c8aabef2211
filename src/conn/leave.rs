//! When Portward itself ends a relay, and how it closes both sides.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::time::{Sleep, sleep};

use crate::ending::{Ending, Responsible, Stage};
use crate::io::Leg;
use crate::reason::Reason;
use crate::state::Shared;
use crate::stats::Registered;

/// Waits until Portward has to end a relay to `host`. A path of `tenant` may have led there. The relay ends in three
/// cases: the host or the tenant has been disabled or removed and the drain time has passed, Portward stops and its
/// drain is over, or an administrator has ended the connection. Returns how the connection ended.
///
/// The task of the connection is woken through the table of live connections ([`Registered::attend`]), so an idle relay
/// needs no memory to listen for reloads.
pub(super) fn withdrawn<'a>(
    shared: &'a Shared,
    (host, tenant): (&'a str, Option<&'a str>),
    live: &'a Registered,
) -> Withdrawal<'a> {
    Withdrawal { tenant, ..withdrawn_of(shared, [Some(host), None], live) }
}

/// The same for a connection that came through another host, which may be disabled as well. Its client may name a
/// tenant as its own ([`Withdrawal::poll_of`]).
pub(super) fn withdrawn_of<'a>(
    shared: &'a Shared,
    hosts: [Option<&'a str>; 2],
    live: &'a Registered,
) -> Withdrawal<'a> {
    Withdrawal {
        shared,
        hosts,
        tenant: None,
        named: None,
        live,
        seen: u64::MAX,
        drain: None,
        is_tunnel: true,
    }
}

/// The close code of a WebSocket whose connection ends in this way (RFC 6455 section 7.4.1, contract section 9).
pub(super) const fn close_code(ending: Ending) -> u16 {
    const GOING_AWAY: u16 = 1001;
    const POLICY: u16 = 1008;
    const TRY_AGAIN_LATER: u16 = 1013;
    match ending.reason {
        Some(Reason::TargetDown | Reason::TargetTls | Reason::Limit | Reason::Rate) => TRY_AGAIN_LATER,
        None | Some(Reason::Shutdown | Reason::Silent | Reason::Timeout | Reason::Aborted) => GOING_AWAY,
        Some(Reason::Disabled) if matches!(ending.stage, Stage::Relay) => GOING_AWAY,
        Some(_) => POLICY,
    }
}

/// The future that [`withdrawn`] returns.
#[derive(Debug)]
pub(super) struct Withdrawal<'a> {
    shared: &'a Shared,
    hosts: [Option<&'a str>; 2],
    tenant: Option<&'a str>,
    /// The tenant that the client has last named as its own.
    named: Option<Arc<str>>,
    live: &'a Registered,
    /// The count of changes at the last look.
    seen: u64,
    /// Until when the relay to a disabled host may go on.
    drain: Option<Pin<Box<Sleep>>>,
    /// `true`: the relay has no end of its own, so it ends when Portward's drain is over. `false`: it is an exchange,
    /// which may finish.
    is_tunnel: bool,
}

impl Withdrawal<'_> {
    /// The same for one exchange, which was decided when `changes` had been counted. Only later changes are examined.
    pub(super) fn of_exchange(self, changes: u64) -> Self {
        Self { seen: changes, is_tunnel: false, ..self }
    }

    /// As [`Future::poll`], for a client that now names this tenant as its own.
    pub(super) fn poll_of(&mut self, named: Option<&Arc<str>>, cx: &mut Context<'_>) -> Poll<Ending> {
        if self.named.as_ref() != named {
            self.named = named.cloned();
            self.seen = u64::MAX;
        }
        self.poll_end(cx)
    }

    /// Examines the changes. `Some`: Portward's drain is over.
    fn look(&mut self) -> Option<Ending> {
        let changes = self.shared.changes();
        if std::mem::replace(&mut self.seen, changes) == changes {
            return None;
        }
        if self.is_tunnel && self.shared.is_over() {
            return Some(Ending::because(Stage::Relay, Responsible::Ourselves, Reason::Shutdown));
        }
        let snapshot = self.shared.snapshot.load();
        let is_withdrawn = self.hosts.into_iter().flatten().any(|host| snapshot.withdraws(host))
            || [self.tenant, self.named.as_deref()]
                .into_iter()
                .flatten()
                .any(|tenant| snapshot.withdraws_tenant(tenant));
        match is_withdrawn {
            true if self.drain.is_none() => {
                self.drain = Some(Box::pin(sleep(snapshot.config.limits.drain_timeout)));
            }
            true => {}
            // The host was enabled again in time.
            false => self.drain = None,
        }
        None
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if self.live.is_ended() {
            return Poll::Ready(Ending::peacefully(Stage::Relay, Responsible::Ourselves));
        }
        if let Some(ending) = self.look() {
            return Poll::Ready(ending);
        }
        match &mut self.drain {
            Some(drain) => {
                ready!(drain.as_mut().poll(cx));
                Poll::Ready(Ending::because(Stage::Relay, Responsible::Policy, Reason::Disabled))
            }
            None => Poll::Pending,
        }
    }
}

impl Future for Withdrawal<'_> {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        self.poll_end(cx)
    }
}

/// Closes both sides without waiting: TLS's close_notify (RFC 8446 section 6.1), and FIN.
pub(super) async fn close_both(client: &mut Leg, target: &mut Leg) {
    poll_fn(|cx| {
        let _ = (client.poll_shutdown(cx), target.poll_shutdown(cx));
        Poll::Ready(())
    })
    .await;
}

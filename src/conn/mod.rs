//! The journey of a connection, from its first byte to its end (contract section 1):
//!
//! ```text
//! server::accept   the guard first; a connection that it admits becomes `Accepted`
//! secure           PROXY header from a trusted peer, TLS under a deadline, or plain: `Client`
//! ask              a read loop with a limit and a deadline around a pure inspector: which host is asked for?
//! http             route, connect (dial, or take from the pool), the decision line, the relay; the next request
//! once             every other protocol, decided once a connection: read, answer, decide, connect, relay
//! sip, ldap, h323  the protocols of `once`: meaning, target, refusal, and what may follow
//! ending           the one place for every decision and every end: log, counters, guard, live table
//! ```
//!
//! [`route`](crate::route) decides where something leads. The protocols use these files on the way:
//!
//! | file | content |
//! |---|---|
//! | `client` | facts about a connection, and its client |
//! | `http::answer`, `http::refuse` | answers that Portward makes itself, and refusals |
//! | `http::forward`, `http::broken` | requests to a target, and their failures |
//! | `http::login` | the login that a path demands, and failed logins |
//! | `http::exchange` | the exchange of a tenant's credential for a credential of its SIP domain |
//! | `http::challenge`, `acme` | ACME challenges, and the file with the answer to one |
//! | `login` | whether an HTTP answer is a failed login |
//! | `tunnel` | how a WebSocket to a target goes on after its handshake |
//! | `http::websocket` | the handshake of a WebSocket with SIP, which Portward itself ends |
//! | `once::protocol` | the trait of a protocol that is decided once: begin here to add a protocol |
//! | `blame` | the cause when a target fails after the connection to it was made |
//! | `link` | the connection to the target of a protocol that is decided once |
//! | `onward` | the handshake of a WebSocket to a PBX |
//! | `certificate` | the verdict on a client's certificate (SIP and H.323) |
//! | `sip::screen` | the checks of every SIP request before it is routed: sanity, scanners, rates |
//! | `sip::credential` | the effect of a verdict on a credential: client, log and guard |
//! | `sip::policy`, `h323::policy` | messages after the message that decided |
//! | `h323::registering` | the names that an H.323 gatekeeper confirms |
//! | `login_results` | the effect of a PBX's answers to logins on the guard |
//! | `leave` | when Portward ends a relay itself, and how it tells both sides |

pub(crate) mod acme;
mod ask;
mod blame;
mod certificate;
mod client;
mod ending;
mod h323;
mod http;
mod ldap;
mod leave;
mod link;
mod login;
mod login_results;
mod once;
mod onward;
mod secure;
mod sip;
mod tunnel;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

pub use client::{Accepted, Facts};

use crate::io::clock::InTurns;
use crate::log::Subject;
use crate::reason::Reason;
use crate::service::Service;
use crate::state::Worker;
use client::Client;
use ending::{Moved, Report, Told};

/// The rest of a connection's work. Each step gets a box of its own. So memory of earlier steps is freed, and an idle
/// connection takes only the memory of its protocol's state.
type Rest = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes a connection from its first byte to its end.
pub fn serve(accepted: Accepted, worker: Arc<Worker>) -> impl Future<Output = ()> + Send {
    #[expect(clippy::async_yields_async, reason = "the box is left before the rest begins")]
    let secured: Pin<Box<dyn Future<Output = Rest> + Send>> = Box::pin(async move {
        match secure::secure(accepted, &worker).await {
            Ok(client) => {
                client.live.attend().await;
                protocol(client)
            }
            Err((facts, ended)) => {
                let config = &worker.shared.snapshot.load().config;
                let report = Report::of(&worker.shared, config, Told::from(&facts));
                report.refused(Subject::Unknown, ended);
                report.ended(facts.since, ended, Moved::default());
                Box::pin(std::future::ready(()))
            }
        }
    });
    async move {
        let rest = InTurns(secured).await;
        InTurns(rest).await;
    }
}

/// Serves a client until its address is listed (contract section 6). Then its connection is closed without an answer.
fn protocol(client: Client) -> Rest {
    let (address, worker) = (client.facts.client.ip(), client.worker.clone());
    let mut listing = client.permit.listing();
    if let Some(reason) = worker.shared.guard.refuses(address, &worker.shared.snapshot.load().config.guard) {
        // The address was listed in the meantime.
        worker.shared.guard.note_refused(address, reason);
        return Box::pin(std::future::ready(()));
    }
    let mut rest: Rest = match client.facts.service {
        Service::Http => Box::pin(async move {
            let served = Box::pin(http::serve(client)).await;
            if let Some(client) = served {
                let rest: Rest = Box::pin(once::serve(client, sip::Sip::default()));
                rest.await;
            }
        }),
        Service::Sip => Box::pin(once::serve(client, sip::Sip::default())),
        Service::Ldap => Box::pin(once::serve(client, ldap::Ldap::default())),
        Service::H323 => Box::pin(once::serve(client, h323::H323::default())),
    };
    // This is no `select!`, because that would keep memory for its parts twice.
    Box::pin(async move {
        let mut closes = pin!(listing.closes());
        let is_listed = poll_fn(|cx| match rest.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => closes.as_mut().poll(cx).map(|()| true),
        });
        if is_listed.await {
            worker.shared.guard.note_refused(address, Reason::Blacklisted);
        }
    })
}

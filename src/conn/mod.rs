//! The journey of a connection, from its first byte to its end (contract section 1):
//!
//! ```text
//! server::accept   the guard first; a connection that it admits becomes `Accepted`
//! secure           PROXY header from a trusted peer, TLS under a deadline, or plain: `Client`
//! ask              a bounded, deadlined read loop around a pure inspector: who is being asked for?
//! http             route, connect (dial, or take from the pool), the decision line, the relay; the next request
//! once             the same once a connection: reads, answers, decides, connects, relays, for every other protocol
//! sip, ldap, h323  what octets mean to `once`, where they lead, how they are refused, and what may follow
//! ending           every decision and every end: log, counters, guard, live table, one place
//! ```
//!
//! Where something leads is decided in [`route`](crate::route). What the protocols use on the way:
//!
//! | room | what it decides |
//! |---|---|
//! | `client` | what is known of a connection, and what stands for its client |
//! | `http::answer`, `http::refuse` | what Portward answers itself, and what goes nowhere |
//! | `http::forward`, `http::broken` | what goes to a target, and what is said where that fails |
//! | `http::login` | which login a path demands, and what becomes of a wrong one |
//! | `http::exchange` | how a tenant's credential is exchanged for one that counts at its SIP domain |
//! | `http::challenge`, `acme` | ACME challenges, and the file with the answer to one |
//! | `login` | whether an HTTP answer is a failed login |
//! | `tunnel` | how a WebSocket to a target goes on after its handshake |
//! | `http::websocket` | how one opens that ends here, with SIP in it |
//! | `once::protocol` | what a protocol that is decided once has to say: begin here to add one |
//! | `blame` | which cause it has that a target fails after it was connected |
//! | `link` | how a connection that is decided once is connected to its target |
//! | `onward` | how a PBX is asked for a WebSocket |
//! | `certificate` | what a client's certificate is worth to the host that it asks for (SIP and H.323) |
//! | `sip::screen` | what every SIP request is held to before it is asked where it may go: sanity, scanners, rates |
//! | `sip::credential` | what the verdict on a credential means for the client, the log and the guard |
//! | `sip::judge`, `h323::judge` | what may follow the message that decided |
//! | `h323::registering` | which name an H.323 gatekeeper has confirmed |
//! | `standing` | what a PBX's answers to logins mean for the guard |
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
mod once;
mod onward;
mod secure;
mod sip;
mod standing;
mod tunnel;

use std::pin::Pin;
use std::sync::Arc;

pub use client::{Accepted, Facts};

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
        let rest = secured.await;
        rest.await;
    }
}

/// Serves a client until its address is listed (contract section 6). Then its connection is closed without an answer.
fn protocol(client: Client) -> Rest {
    let (address, worker) = (client.facts.client.ip(), client.worker.clone());
    let listing = client.permit.listing();
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
    Box::pin(async move {
        tokio::select! {
            biased;
            () = &mut rest => {}
            () = listing.closes() => worker.shared.guard.note_refused(address, Reason::Blacklisted),
        }
    })
}

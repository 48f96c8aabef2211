//! The journey of a connection, from its first byte to its end (SPEC section 1):
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
//! | `http::answer`, `http::refuse`, `http::forward` | what Portward answers itself, what goes nowhere, what goes to a target |
//! | `acme` | the answer to an ACME challenge |
//! | `login` | whether an HTTP answer is a failed login |
//! | `tunnel` | how a WebSocket goes on after its handshake |
//! | `link` | how a connection that is decided once gets to its target |
//! | `certificate` | what a client's certificate is worth to the host that it asks for (SIP and H.323) |
//! | `sip::judge`, `h323::judge` | what may follow the message that decided |
//! | `h323::registering` | which name an H.323 gatekeeper has confirmed |
//! | `standing` | what a PBX's answers to logins mean for the guard |
//! | `leave` | when Portward ends a relay itself, and how it tells both sides |

mod acme;
mod ask;
mod certificate;
mod ending;
mod h323;
mod http;
mod ldap;
mod leave;
mod link;
mod login;
mod once;
mod secure;
mod sip;
mod standing;
mod tunnel;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::config::Config;
use crate::guard::{Permit, Place};
use crate::io::{Leg, Timer};
use crate::log::{Line, Outcome, Subject};
use crate::reason::Reason;
use crate::service::{Carrier, Service, Transport};
use crate::state::Worker;
use crate::stats::{Direction, Registered};
use crate::tls::Possession;

/// A connection that the guard has let in.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub tcp: TcpStream,
    /// What it is.
    pub facts: Facts,
    /// Its right to be.
    pub permit: Permit,
    /// Its place among the undecided.
    pub place: Place,
    /// Its entry in the table of live connections.
    pub live: Registered,
    /// Its peer must send a PROXY header first.
    pub expects_proxy_header: bool,
}

/// What is known of a connection from the start.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Its number.
    pub id: u64,
    /// The client: the peer, or whom a PROXY header speaks for.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// What is to be spoken.
    pub service: Service,
    /// What carries it.
    pub carrier: Carrier,
    /// When it was accepted.
    pub since: Instant,
    /// The number of the worker that serves it.
    pub worker: u16,
}

/// A client whose bytes can be read in the clear.
#[derive(Debug)]
struct Client {
    facts: Facts,
    leg: Leg,
    timer: Timer,
    worker: Arc<Worker>,
    /// Whether the certificate that it has shown is its own.
    possession: Possession,
    /// Its place among the undecided, until the first decision.
    place: Option<Place>,
    /// Requests decided so far.
    requests: u64,
    /// Its entry in the table of live connections, which counts the bytes.
    live: Registered,
    permit: Permit,
}

/// What is left to do on a connection. In a box of its own each time: what is behind it needs no room any more, and an
/// idle connection is as small as its protocol's state.
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
                ending::refused(&worker.shared, config, &facts, facts.client.ip(), Subject::Unknown, ended);
                ending::ended(&worker.shared, config, &facts, ended, [0, 0]);
                Box::pin(std::future::ready(()))
            }
        }
    });
    async move {
        let rest = secured.await;
        rest.await;
    }
}

/// Serves a client, until its address is listed (SPEC section 6): then its connection is closed without a word.
fn protocol(client: Client) -> Rest {
    let (address, worker) = (client.facts.client.ip(), client.worker.clone());
    let listing = client.permit.listing();
    if let Some(reason) = worker.shared.guard.refuses(address, &worker.shared.snapshot.load().config.guard) {
        // It was listed in the meantime.
        worker.shared.guard.note_refused(address, reason);
        return Box::pin(std::future::ready(()));
    }
    let mut rest: Rest = match client.facts.service {
        Service::Http => Box::pin(http::serve(client)),
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

impl Facts {
    /// Whether TLS is below.
    fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    fn line<'a>(&self, client: IpAddr, subject: Subject<'a>, outcome: Outcome) -> Line<'a> {
        Line { id: self.id, client, service: self.service, carrier: self.carrier, subject, outcome }
    }
}

impl Client {
    /// Says something to the client. What its stream has taken counts as bytes to it, also if that was not everything.
    ///
    /// # Errors
    /// The client is gone, or has not taken everything in `patience`.
    async fn say(&mut self, octets: &[u8], patience: Duration) -> io::Result<()> {
        let mut taken = 0;
        let said = self.leg.say(octets, patience, &mut taken).await;
        self.live.add(Direction::Down, taken);
        said
    }

    /// The decision about a request (HTTP) or about the connection (others); `who` is the client as far as it is believed.
    fn decided(&self, config: &Config, who: IpAddr, subject: Subject<'_>, outcome: Outcome) {
        ending::decided(&self.worker.shared, config, &self.facts, who, subject, outcome);
    }
}

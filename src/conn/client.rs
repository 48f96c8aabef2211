//! A connection that was let in, and the client on it once its bytes can be read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::credentials::brought::Brought;
use crate::guard::{Permit, Place};
use crate::io::{Leg, Timer};
use crate::service::{Carrier, Service, Transport};
use crate::state::Worker;
use crate::stats::{Direction, Registered};
use crate::tls::Possession;

/// A connection that the guard has let in.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub tcp: TcpStream,
    /// What is known of it.
    pub facts: Facts,
    /// Counts it against the limits of connections, until it is dropped.
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
    /// The client's address: the peer's, or the one in the PROXY header.
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
pub(super) struct Client {
    pub(super) facts: Facts,
    pub(super) leg: Leg,
    pub(super) timer: Timer,
    pub(super) worker: Arc<Worker>,
    /// Whether it has proven that it holds the key of the certificate that it has shown.
    pub(super) possession: Possession,
    /// Its place among the undecided, until the first decision.
    pub(super) place: Option<Place>,
    /// Requests decided so far.
    pub(super) requests: u64,
    /// Its entry in the table of live connections, which counts the bytes.
    pub(super) live: Registered,
    pub(super) permit: Permit,
    /// What it has opened its WebSocket to, if it has opened one that ends here.
    pub(super) front: Option<Arc<Front>>,
}

/// Where a client has opened a WebSocket that ends here.
#[derive(Debug)]
pub(super) struct Front {
    /// The host whose rule it is of, by its name in the table.
    pub(super) host: Box<str>,
    /// The path of that rule.
    pub(super) path: Box<str>,
    /// Host, as it came in the handshake.
    pub(super) named: Box<[u8]>,
    /// The credential that came with the handshake.
    pub(super) brought: Option<Brought>,
}

impl Facts {
    /// Whether TLS is below.
    pub(super) fn transport(&self) -> Transport {
        self.carrier.transport()
    }
}

impl Client {
    /// Says something to the client. What its stream has taken counts as bytes to it, also if that was not everything.
    ///
    /// # Errors
    /// The client is gone, or has not taken everything in `patience`.
    pub(super) async fn say(&mut self, octets: &[u8], patience: Duration) -> io::Result<()> {
        let mut taken = 0;
        let said = self.leg.say(octets, patience, &mut taken).await;
        self.live.add(Direction::Down, taken);
        said
    }
}

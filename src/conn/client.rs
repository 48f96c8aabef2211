//! A connection that the guard has let in, and the client on it once its octets can be read in the clear.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::credentials::brought::HandshakeCredential;
use crate::guard::{Permit, UndecidedSlot};
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
    /// What is known about it.
    pub facts: Facts,
    /// Counts the connection against the limits of connections, until this is dropped.
    pub permit: Permit,
    /// Its place among the undecided connections.
    pub place: UndecidedSlot,
    /// Its entry in the table of live connections.
    pub live: Registered,
    /// Whether its peer must send a PROXY header first.
    pub expects_proxy_header: bool,
}

/// What is known about a connection from the start.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The connection's number.
    pub id: u64,
    /// The client's address: the peer's address, or the address in the PROXY header.
    pub client: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The service of the port.
    pub service: Service,
    /// The carrier of the service.
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
    /// Whether the client has proven that it holds the key of the certificate that it has shown.
    pub(super) possession: Possession,
    /// Its place among the undecided connections, until the first decision.
    pub(super) place: Option<UndecidedSlot>,
    /// Requests decided so far.
    pub(super) requests: u64,
    /// Its entry in the table of live connections, which counts the bytes.
    pub(super) live: Registered,
    pub(super) permit: Permit,
    /// What the client has opened its WebSocket to, if Portward itself ends that WebSocket.
    pub(super) front: Option<Arc<Front>>,
}

/// The address to which a client has opened a WebSocket that Portward itself ends.
#[derive(Debug)]
pub(super) struct Front {
    /// The host of the rule, by its name in the table.
    pub(super) host: Box<str>,
    /// The path of that rule.
    pub(super) path: Box<str>,
    /// The Host header field of the handshake, as it came.
    pub(super) named: Box<[u8]>,
    /// The credential that came with the handshake.
    pub(super) brought: Option<HandshakeCredential>,
}

impl Facts {
    /// Whether the client came by TLS or in the clear.
    pub(super) fn transport(&self) -> Transport {
        self.carrier.transport()
    }
}

impl Client {
    /// Sends octets to the client. Octets that its stream has taken count as octets to the client, also if some are
    /// left over.
    ///
    /// # Errors
    /// The client is gone, or has not taken everything in `patience`.
    pub(super) async fn send(&mut self, octets: &[u8], patience: Duration) -> io::Result<()> {
        let mut taken = 0;
        let said = self.leg.send(octets, patience, &mut taken).await;
        self.live.add(Direction::Down, taken);
        said
    }
}

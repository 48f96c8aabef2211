//! The interface between a protocol that is decided once and its driver. It does no I/O.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::super::certificate;
use super::super::client::Client;
use super::super::ending::{Told, suspect};
use crate::config::{Config, Reject};
use crate::credentials::brought::HandshakeCredential;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::Subject;
use crate::proof::own_routes::PublicAddress;
use crate::reason::Reason;
use crate::relay::watched::Watch;
use crate::route::Refused;
use crate::route::held_route::HeldRoute;
use crate::rules::decide::Route;
use crate::service::{Carrier, Transport};
use crate::state::{Shared, Snapshot};
use crate::tls::CertificateStatus;

/// A protocol that is decided once a connection. One value serves one connection until the decision.
pub(in crate::conn) trait Protocol: Sized + Send + Sync {
    /// The most octets of the client that are buffered before the decision. `open` never needs more.
    const LIMIT: usize;
    /// The message that decides.
    type Asked: Send + Sync;
    /// The watch over every message after the decision.
    type Watch: Watch + Send;

    /// The octets that the server sends first, if the protocol has a greeting (SMTP). `out` is empty.
    fn greeting(&self, _asking: &Asking<'_, '_>, _out: &mut Vec<u8>) {}

    /// Interprets the octets at the front of `input`, which is not empty. `back` is empty, and takes an answer.
    fn open(&mut self, input: &[u8], asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<Self::Asked>;

    /// The ending of an undecided connection, as this protocol judges it. `waiting`: the octets of an incomplete
    /// message.
    fn undecided(&self, _waiting: &[u8], ending: Ending) -> Ending {
        ending
    }

    /// Decides where a message goes. `back` is empty, and takes an answer.
    fn decide<'s>(
        &mut self,
        asked: &mut Self::Asked,
        asking: &Asking<'_, 's>,
        back: &mut Vec<u8>,
    ) -> Decision<'s>;

    /// A message as the log shows it.
    fn subject<'a>(&self, asked: &'a Self::Asked) -> Subject<'a>;

    /// The protocol's own refusal, if it has one. `asked`: the message that is refused, if there is one.
    fn refusal(
        &self,
        asked: Option<&Self::Asked>,
        ending: Ending,
        asking: &Asking<'_, '_>,
        out: &mut Vec<u8>,
    );

    /// The watch of a connection that was decided. The message that decided it is still in the client's buffer.
    fn watch(self, asked: Self::Asked, connected: Connected<'_>) -> Self::Watch;

    /// The tenant that the client has last named as its own. The connection ends when that tenant is disabled (contract
    /// section 9).
    fn tenant(_watch: &Self::Watch) -> Option<&Arc<str>> {
        None
    }

    /// The ending of a relay that one of its sides has ended, as this protocol judges it.
    fn over(_watch: &Self::Watch, ending: Ending) -> Ending {
        ending
    }

    /// The watch has ended the relay because of the message at the front of `octets`. Calls `write` with that message
    /// as the log shows it.
    fn last(watch: &Self::Watch, octets: &[u8], write: &mut dyn FnMut(Subject<'_>));
}

/// The meaning of the first octets.
pub(in crate::conn) enum Step<A> {
    /// A message that asks for a host. It stays in the buffer.
    Found(A),
    /// A message that decides nothing. `len` octets are taken out of the buffer, and `skip` more octets, which may not
    /// have come yet.
    Answered {
        /// Octets that have been read.
        len: usize,
        /// Octets after them.
        skip: u32,
    },
    /// The client wants TLS from here on (RFC 4511 §4.14). `back` holds the consent.
    StartTls {
        /// Octets that have been read. There must not be more.
        len: usize,
    },
    /// More octets are needed.
    NeedMore,
    /// The octets are no message of this protocol, or the message is not allowed.
    Reject(Reason),
}

/// The decision about a message that asks for a host.
pub(in crate::conn) enum Decision<'s> {
    /// It goes to a target.
    Forward {
        /// The route to the target.
        route: Route<'s>,
        /// The host as the client asked for it. A wildcard rule does not know this name.
        name: Box<str>,
        /// The only address of the target that may be used, if there is one.
        only: Option<IpAddr>,
    },
    /// It is answered, and the connection stays undecided.
    Answered {
        /// Octets of the message that have been read.
        len: usize,
        /// Octets of the message that may still have to come.
        skip: u32,
        /// The ending to log, if the answer is a refusal.
        line: Option<Ending>,
    },
    /// The connection ends.
    Refused {
        /// How it ends.
        ending: Ending,
        /// Whether it is logged. One line a connection is enough.
        line: bool,
    },
}

impl Decision<'_> {
    /// A refusal that ends the connection and is logged.
    pub(in crate::conn) const fn refused(ending: Ending) -> Self {
        Self::Refused { ending, line: true }
    }
}

/// The client that asks, and the rules in force.
pub(in crate::conn) struct Asking<'c, 's> {
    pub(super) client: &'c Client,
    pub(in crate::conn) shared: &'s Shared,
    pub(in crate::conn) snapshot: &'s Snapshot,
}

impl<'s> Asking<'_, 's> {
    pub(in crate::conn) fn config(&self) -> &'s Config {
        &self.snapshot.config
    }

    /// The transport by which the client came.
    pub(in crate::conn) fn transport(&self) -> Transport {
        self.client.facts.transport()
    }

    /// The address to which the client has opened its WebSocket, if it came by one.
    pub(in crate::conn) fn front(&self) -> Option<PublicAddress<'_>> {
        let Client { front, facts, .. } = self.client;
        PublicAddress::of_websocket(&front.as_ref()?.named, facts.transport().is_tls())
    }

    /// The carrier of the connection.
    pub(in crate::conn) fn carrier(&self) -> Carrier {
        self.client.facts.carrier
    }

    /// The client's address.
    pub(in crate::conn) fn address(&self) -> IpAddr {
        self.client.facts.client.ip()
    }

    /// The client has committed an offence that is not to be logged.
    pub(in crate::conn) fn offends(&self, ended: Ending) {
        let Some(reason) = ended.reason else { return };
        let offence = Offence { reason, weight: ended.weight, path: b"" };
        suspect(self.shared, self.config(), &Told::from(&self.client.facts).about, offence);
    }

    /// The number of the connection.
    pub(in crate::conn) fn id(&self) -> u64 {
        self.client.facts.id
    }

    /// The credential that the client sent with the handshake of its WebSocket.
    pub(in crate::conn) fn brought(&self) -> Option<&HandshakeCredential> {
        self.client.front.as_ref()?.brought.as_ref()
    }

    /// A login of the client at the PBX `pbx` was right.
    pub(in crate::conn) fn confirmed(&self, pbx: u64, name: &[u8]) {
        self.shared.guard.confirm(self.address(), self.client.permit.exemption(), pbx, name);
    }

    /// A login has failed on this connection. If the address is listed for that, this connection is closed as well.
    pub(in crate::conn) fn note_failed_login(&self) {
        self.shared.guard.note_failed_login(self.client.permit.exemption(), &self.config().guard);
    }

    /// The route of a client that came by WebSocket. The rule of the WebSocket may have changed meanwhile.
    ///
    /// # Errors
    /// There is no such route, or the host of the WebSocket is disabled by now.
    pub(in crate::conn) fn onward(&self, route: Route<'s>) -> Result<Route<'s>, Refused<'s>> {
        let Some(front) = &self.client.front else { return Ok(route) };
        let host = self.snapshot.table.host(&front.host);
        if let Some(host) = host {
            host.require_enabled()?;
        }
        let through =
            host.and_then(|host| host.http_rules().find(|rule| *rule.path == *front.path)?.onward());
        Ok(route.of_websocket(self.transport(), through)?)
    }

    /// The verdict on the client's certificate. See [`certificate::judge`].
    pub(in crate::conn) fn verdict(&self, name: &[u8]) -> Option<CertificateStatus> {
        certificate::judge(self.client, self.snapshot, name)
    }
}

/// A connection that was decided and is connected to its target.
pub(in crate::conn) struct Connected<'a> {
    pub(in crate::conn) client: &'a Client,
    pub(in crate::conn) shared: &'a Arc<Shared>,
    pub(in crate::conn) snapshot: &'a Snapshot,
    pub(in crate::conn) route: &'a Route<'a>,
    pub(in crate::conn) held_route: Arc<HeldRoute>,
    /// The longest message toward the address that was connected to, if its endpoint has a limit of its own.
    pub(in crate::conn) max_message: Option<u32>,
    /// The target's address.
    pub(in crate::conn) address: SocketAddr,
    /// Portward's end of that connection.
    pub(in crate::conn) local: Option<SocketAddr>,
}

impl Connected<'_> {
    /// Whether refusals are answered with the protocol's own refusal.
    pub(in crate::conn) fn answers(&self) -> bool {
        self.snapshot.config.reject == Reject::Answer
    }
}

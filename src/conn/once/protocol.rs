//! What a protocol that is decided once has to know for its driver, and what the driver tells it. No I/O.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::super::certificate;
use super::super::client::Client;
use super::super::ending::{Told, suspect};
use crate::config::{Config, Reject};
use crate::credentials::brought::Brought;
use crate::ending::Ending;
use crate::guard::Offence;
use crate::log::Subject;
use crate::proof::own::PublicAddress;
use crate::reason::Reason;
use crate::relay::watched::Watch;
use crate::route::Refused;
use crate::route::held::Held;
use crate::rules::decide::Route;
use crate::service::{Carrier, Transport};
use crate::state::{Shared, Snapshot};
use crate::tls::Verdict;

/// A protocol that is decided once a connection. One value serves one connection until the decision.
pub(in crate::conn) trait Protocol: Sized + Send + Sync {
    /// The most octets of the client that are buffered before the decision. `open` never needs more.
    const LIMIT: usize;
    /// The message that decides.
    type Asked: Send + Sync;
    /// What looks at every message after the decision.
    type Watch: Watch + Send;

    /// What is said before the client has said anything, if the server speaks first (SMTP). `out` is empty.
    fn greeting(&self, _asking: &Asking<'_, '_>, _out: &mut Vec<u8>) {}

    /// What the octets at the front of `input`, which is not empty, mean. `back` is empty, and takes an answer.
    fn open(&mut self, input: &[u8], asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<Self::Asked>;

    /// The ending of a connection that was not decided, as this protocol sees it. `waiting`: what has come of a message.
    fn undecided(&self, _waiting: &[u8], ending: Ending) -> Ending {
        ending
    }

    /// Where a message leads. `back` is empty, and takes an answer.
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

    /// The tenant that the client has named as its own last. Its connections end with it (contract section 9).
    fn tenant(_watch: &Self::Watch) -> Option<&Arc<str>> {
        None
    }

    /// The ending of a relay that one of its sides has ended, as this protocol sees it.
    fn over(_watch: &Self::Watch, ending: Ending) -> Ending {
        ending
    }

    /// The watch has ended the relay over the message at the front of `octets`. Calls `write` with that message as the log
    /// shows it.
    fn last(watch: &Self::Watch, octets: &[u8], write: &mut dyn FnMut(Subject<'_>));
}

/// What the first octets mean.
pub(in crate::conn) enum Step<A> {
    /// A message that asks for a host. It stays in the buffer.
    Found(A),
    /// A message that decides nothing. `len` octets are taken out of the buffer, and `skip` more, which may not have come
    /// yet.
    Answered {
        /// Octets that have been read.
        len: usize,
        /// Octets after them.
        skip: u32,
    },
    /// The client wants TLS from here on (RFC 4511 §4.14). `back` says yes.
    StartTls {
        /// Octets that have been read. There must be no more.
        len: usize,
    },
    /// More octets are needed to tell.
    NeedMore,
    /// No message of this protocol, or one that may not pass.
    Reject(Reason),
}

/// What becomes of a message that asks for a host.
pub(in crate::conn) enum Decision<'s> {
    /// It goes to a target.
    Forward {
        /// Where to.
        route: Route<'s>,
        /// The host as it was asked for, which a wildcard rule does not know.
        name: Box<str>,
        /// The address of the target that alone will do.
        only: Option<IpAddr>,
    },
    /// It is answered, and the connection stays undecided.
    Answered {
        /// Octets of it that have been read.
        len: usize,
        /// Octets after them.
        skip: u32,
        /// For the log, if it was a refusal.
        line: Option<Ending>,
    },
    /// The connection ends.
    Refused {
        /// How.
        ending: Ending,
        /// Whether the log says so. One line a connection is enough.
        line: bool,
    },
}

impl Decision<'_> {
    /// The end of the connection, with its line.
    pub(in crate::conn) const fn refused(ending: Ending) -> Self {
        Self::Refused { ending, line: true }
    }
}

/// A client that asks, and the rules of the moment.
pub(in crate::conn) struct Asking<'c, 's> {
    pub(super) client: &'c Client,
    pub(in crate::conn) shared: &'s Shared,
    pub(in crate::conn) snapshot: &'s Snapshot,
}

impl<'s> Asking<'_, 's> {
    pub(in crate::conn) fn config(&self) -> &'s Config {
        &self.snapshot.config
    }

    /// How the client came.
    pub(in crate::conn) fn transport(&self) -> Transport {
        self.client.facts.transport()
    }

    /// What the client has opened its WebSocket to, if it came by one.
    pub(in crate::conn) fn front(&self) -> Option<PublicAddress<'_>> {
        let Client { front, facts, .. } = self.client;
        PublicAddress::of_websocket(&front.as_ref()?.named, facts.transport().is_tls())
    }

    /// What carries the connection.
    pub(in crate::conn) fn carrier(&self) -> Carrier {
        self.client.facts.carrier
    }

    /// Where the client is.
    pub(in crate::conn) fn address(&self) -> IpAddr {
        self.client.facts.client.ip()
    }

    /// The client has done what counts, and is not to be written to the log.
    pub(in crate::conn) fn offends(&self, ended: Ending) {
        let Some(reason) = ended.reason else { return };
        let offence = Offence { reason, weight: ended.weight, path: b"" };
        suspect(self.shared, self.config(), &Told::from(&self.client.facts).about, offence);
    }

    /// The number of the connection.
    pub(in crate::conn) fn id(&self) -> u64 {
        self.client.facts.id
    }

    /// What the client has brought with the handshake of its WebSocket.
    pub(in crate::conn) fn brought(&self) -> Option<&Brought> {
        self.client.front.as_ref()?.brought.as_ref()
    }

    /// A login of the client at `place` was right.
    pub(in crate::conn) fn confirmed(&self, place: u64, name: &[u8]) {
        self.shared.guard.confirm(self.address(), self.client.permit.exemption(), place, name);
    }

    /// A login has failed on this connection. If its address is listed for that it goes with the others.
    pub(in crate::conn) fn note_failed_login(&self) {
        self.shared.guard.note_failed_login(self.client.permit.exemption(), &self.config().guard);
    }

    /// The way of a client that came by WebSocket. The rule through which it came may have been changed since.
    ///
    /// # Errors
    /// There is no such way, or the host through which it came is disabled by now.
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

    /// The verdict on the client's certificate, see [`certificate::judge`].
    pub(in crate::conn) fn verdict(&self, name: &[u8]) -> Option<Verdict> {
        certificate::judge(self.client, self.snapshot, name)
    }
}

/// A connection that was decided and is connected to its target.
pub(in crate::conn) struct Connected<'a> {
    pub(in crate::conn) client: &'a Client,
    pub(in crate::conn) shared: &'a Arc<Shared>,
    pub(in crate::conn) snapshot: &'a Snapshot,
    pub(in crate::conn) route: &'a Route<'a>,
    pub(in crate::conn) held: Arc<Held>,
    /// The longest message toward the address that was connected to, if it says that itself.
    pub(in crate::conn) max_message: Option<u32>,
    /// Where the connection to the target leads.
    pub(in crate::conn) address: SocketAddr,
    /// Portward's end of that connection.
    pub(in crate::conn) local: Option<SocketAddr>,
}

impl Connected<'_> {
    /// Whether what is refused gets the protocol's own refusal.
    pub(in crate::conn) fn answers(&self) -> bool {
        self.snapshot.config.reject == Reject::Answer
    }
}

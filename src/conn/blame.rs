//! A target that fails after it was connected: which cause that has, and what is told of it.

use std::net::SocketAddr;

use super::client::Client;
use crate::cause::{At, Cause, Failure, Failures};
use crate::ending::{Ending, Stage, Whose};
use crate::io::Leg;
use crate::reason::Reason;
use crate::tls;

/// A target that was connected to.
pub(super) struct Suspect<'a> {
    /// Its leg.
    pub(super) leg: &'a mut Leg,
    /// Its address.
    pub(super) address: SocketAddr,
}

impl Suspect<'_> {
    /// What lies behind an end over this target, counted. An end over something else stays what it is.
    ///
    /// With TLS 1.3 a target that does not accept Portward's certificate says so after the handshake (RFC 8446 section 4.4.2),
    /// so it looks like one that hangs up. What TLS itself has noted of it is the better cause.
    pub(super) fn blame(self, client: &Client, ending: Ending) -> (Ending, Failures) {
        let Some(noticed) = ending.cause.filter(|_| ending.reason == Some(Reason::TargetDown)) else {
            return (ending, Failures::default());
        };
        let said = self.leg.stream.tls_error().map(|error| tls::of_tls(&error));
        let cause = said.unwrap_or(noticed);
        let (stats, worker) = (&client.worker.shared.stats, client.facts.worker);
        stats.worker(worker).failed(client.facts.service, cause);
        stats.dialled_by(worker).missed(self.address, cause);
        (ending.by(cause), Failures::one(Failure { at: At::Address(self.address), cause }))
    }
}

/// The end of what was asked of a target of which no address could be used.
pub(super) fn unreached(failures: &Failures) -> Ending {
    match failures.decisive() {
        Some(failure) => Ending::of_target(Stage::Connect, failure.cause),
        None => Ending::because(Stage::Connect, Whose::Target, Reason::TargetDown),
    }
}

/// The end of a relay over its target. The reason is the same for every cause: the target had taken the connection.
pub(super) fn in_relay(cause: Cause) -> Ending {
    Ending::because(Stage::Relay, Whose::Target, Reason::TargetDown).by(cause)
}

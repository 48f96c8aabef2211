//! Finds the cause when a target fails after the connection to it was made, and reports it.

use std::net::SocketAddr;

use super::client::Client;
use crate::cause::{Cause, FailedAt, Failure, Failures};
use crate::ending::{Ending, Responsible, Stage};
use crate::io::Leg;
use crate::reason::Reason;
use crate::tls;

/// A target to which the connection was made.
pub(super) struct Suspect<'a> {
    /// The connection to the target.
    pub(super) leg: &'a mut Leg,
    /// The target's address.
    pub(super) address: SocketAddr,
}

impl Suspect<'_> {
    /// Finds and counts the cause of an end that is this target's doing. Other ends stay as they are.
    ///
    /// With TLS 1.3 a target that does not accept Portward's certificate says so after the handshake (RFC 8446 section
    /// 4.4.2), so it looks like a target that hangs up. The cause that TLS itself has noted is the better one then.
    pub(super) fn blame(self, client: &Client, ending: Ending) -> (Ending, Failures) {
        let Some(noticed) = ending.cause.filter(|_| ending.reason == Some(Reason::TargetDown)) else {
            return (ending, Failures::default());
        };
        let said = self.leg.stream.tls_error().map(|error| tls::of_tls(&error));
        let cause = said.unwrap_or(noticed);
        let (stats, worker) = (&client.worker.shared.stats, client.facts.worker);
        stats.worker(worker).failed(client.facts.service, cause);
        stats.dialled_by(worker).missed(self.address, cause);
        (ending.by(cause), Failures::single(Failure { at: FailedAt::Address(self.address), cause }))
    }
}

/// The ending of a request whose target has no usable address.
pub(super) fn unreached(failures: &Failures) -> Ending {
    match failures.decisive() {
        Some(failure) => Ending::of_target(Stage::Connect, failure.cause),
        None => Ending::because(Stage::Connect, Responsible::Target, Reason::TargetDown),
    }
}

/// The ending of a relay that its target has ended. The reason is the same for every cause, because the target had
/// taken the connection.
pub(super) fn in_relay(cause: Cause) -> Ending {
    Ending::because(Stage::Relay, Responsible::Target, Reason::TargetDown).by(cause)
}

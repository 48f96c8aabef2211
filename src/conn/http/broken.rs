//! An exchange that has failed: the log line, and the answer to the client.

use super::answer::{Reply, reply};
use super::refuse::{is_answered, is_balancer};
use super::{Next, Turn};
use crate::cause::{Cause, Failures};
use crate::conn::Client;
use crate::conn::blame::{Suspect, in_relay};
use crate::ending::{Ending, Responsible, Stage};
use crate::reason::Reason;
use crate::relay::http::{ExchangeError, Failure};
use crate::upstream::{Attempts, Connection};

/// An exchange that has failed.
pub(super) struct Broken {
    /// What has failed.
    pub(super) failed: ExchangeError,
    /// The connection on which the exchange failed.
    pub(super) target: Connection,
    /// Earlier attempts that had failed.
    pub(super) attempts: Attempts,
}

/// The cause of a failure, if the target is to blame.
fn blamed(failed: &ExchangeError) -> Option<Cause> {
    match failed.failure {
        Failure::TargetSilent if failed.vanished => Some(Cause::TimedOut),
        Failure::TargetSilent => Some(Cause::Closed),
        Failure::TargetBroken => Some(Cause::BadAnswer),
        Failure::TargetTimeout => Some(Cause::NoAnswer),
        Failure::Client | Failure::ClientMalformed | Failure::ClientTimeout | Failure::ClientSlow => None,
    }
}

impl Broken {
    /// Ends the exchange.
    pub(super) async fn end(self, client: &mut Client, turn: &Turn<'_>) -> Next {
        let Self { failed, mut target, attempts } = self;
        if failed.truncates {
            let _ = client.leg.stream.tcp().map(tokio::net::TcpStream::set_zero_linger);
        }
        let Some(cause) = blamed(&failed) else { return by_client(client, turn, failed).await };
        let suspect = Suspect { leg: &mut target.leg, address: target.key.address };
        let (ended, last) = suspect.blame(client, in_relay(cause));
        drop(target);
        if !failed.unanswered {
            return Next::End(ended);
        }
        let failures = attempts.failures(last);
        let status = if cause == Cause::NoAnswer { 504 } else { 502 };
        unavailable(client, turn, (ended, &failures), status).await
    }
}

/// The client is to blame, or has gone.
async fn by_client(client: &mut Client, turn: &Turn<'_>, failed: ExchangeError) -> Next {
    let (reason, status, answers) = match failed.failure {
        Failure::ClientSlow => (Reason::Timeout, 408, true),
        Failure::ClientMalformed => (Reason::Malformed, 400, is_answered(client, turn.config())),
        Failure::ClientTimeout => return Next::End(Ending::peacefully(Stage::Relay, Responsible::Policy)),
        _ => return Next::End(Ending::peacefully(Stage::Relay, Responsible::Client)),
    };
    let ended = Ending::because(Stage::Relay, Responsible::Client, reason);
    // A telephone on a bad line may be just as slow, so slowness never counts.
    let ended = if reason == Reason::Timeout { ended.uncounted() } else { ended };
    turn.refused(client, ended);
    if failed.unanswered && answers {
        reply(client, turn, Reply { status, goes_on: false, ended }).await
    } else {
        Next::End(ended)
    }
}

/// The target is to blame: the answer is 502 or 504.
pub(super) async fn unavailable(
    client: &mut Client,
    turn: &Turn<'_>,
    (ended, failures): (Ending, &Failures),
    status: u16,
) -> Next {
    turn.report(client).refused_over(turn.subject(), ended, failures.as_slice());
    let goes_on = !turn.asked.has_body() && is_balancer(client, turn.config());
    reply(client, turn, Reply { status, goes_on, ended }).await
}

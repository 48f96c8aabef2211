//! The watch over an H.323 client after the decision (contract sections 3 and 5). Every message is judged first. Then
//! it passes as it came.
//!
//! Messages of both directions are framed, so that our own answers stand between two messages. Of the target's messages
//! the answers to registrations are read. A client message that the inspector cannot read ends the connection, because
//! a registration may be hidden in it.

pub mod answer;

use crate::ending::Ending;
use crate::inspect::h323::{Ask, Inspector, MESSAGE_LIMIT, Reply, size};
use crate::inspect::{self, Inspect};
use crate::relay::watched::{Next, Replies, TARGET_DOWN, Watch, by_client};

/// The longest message of a gatekeeper that is read, in octets. Several hundred answers fit into it.
const ANSWER_LIMIT: usize = MESSAGE_LIMIT;

/// Knows where a registration leads, and which messages may follow it.
pub trait H323Policy {
    /// Judges a message after the decision.
    ///
    /// # Errors
    /// The ending of the connection.
    fn judge(&mut self, ask: &Ask) -> Result<(), Ending>;

    /// Takes note of the gatekeeper's answers to registrations and to gatekeeper requests.
    fn answered(&mut self, reply: &Reply);
}

/// What is known of a connection when its relay begins.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// How many octets of the client were inspected.
    pub octets: usize,
    /// How many requests in these octets wait for an answer.
    pub waits: u32,
}

/// The watch over one H.323 connection.
#[derive(Debug)]
pub struct H323Watch<P> {
    policy: P,
    /// Octets of the client that were inspected before the relay. They pass without a second look.
    decided: u64,
    /// How many registrations and gatekeeper requests were sent on and are not answered yet.
    waits: u32,
    /// The target has not sent anything yet.
    silent: bool,
    /// A message that ends the connection is answered first (`reject = "answer"`).
    answers: bool,
}

impl<P: H323Policy> H323Watch<P> {
    /// A watch for a connection that has been decided.
    pub const fn new(policy: P, decided: Decided, answers: bool) -> Self {
        Self { policy, decided: decided.octets as u64, waits: decided.waits, silent: true, answers }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// Decides about one message of the client.
    fn hear(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        match Inspector::new(MESSAGE_LIMIT).inspect(octets) {
            Inspect::NeedMore => Next::NeedMore,
            Inspect::Reject(reason) => {
                if self.answers {
                    replies.back.extend(&answer::released(0));
                }
                Next::End(by_client(reason))
            }
            Inspect::Found { ask, len } => match self.policy.judge(&ask) {
                Ok(()) => {
                    if let Ask::Registration(registration) = &ask {
                        self.waits = self.waits.saturating_add(registration.requests);
                    }
                    Next::Pass(len as u64)
                }
                Err(ending) => {
                    if self.answers {
                        replies.back.extend(&answer::refused(&ask));
                    }
                    Next::End(ending)
                }
            },
        }
    }
}

impl<P: H323Policy> Watch for H323Watch<P> {
    const CLIENT_LIMIT: usize = MESSAGE_LIMIT;
    const TARGET_LIMIT: usize = ANSWER_LIMIT;

    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        match std::mem::take(&mut self.decided) {
            0 => self.hear(octets, replies),
            decided => Next::Pass(decided),
        }
    }

    /// The message that decided the connection was a registration or a call. Every gatekeeper answers it within
    /// seconds.
    fn owes(&self) -> bool {
        self.silent
    }

    fn hear_target(&mut self, octets: &[u8], _: &mut Replies<'_>) -> Next {
        self.silent = false;
        match size(octets) {
            // An answer to a registration is read when it has arrived whole. Other messages pass without a look at
            // their contents.
            Ok(Some(size)) if self.waits > 0 && size <= ANSWER_LIMIT => {
                let Some(message) = octets.get(..size) else { return Next::NeedMore };
                let reply = inspect::h323::reply(message);
                if !reply.is_empty() {
                    let answered = u32::try_from(reply.answers.len()).unwrap_or(u32::MAX);
                    self.waits = self.waits.saturating_sub(answered);
                    self.policy.answered(&reply);
                }
                Next::Pass(size as u64)
            }
            Ok(Some(size)) => Next::Pass(size as u64),
            Ok(None) => Next::NeedMore,
            // The target does not speak H.323.
            Err(_) => Next::End(TARGET_DOWN),
        }
    }
}

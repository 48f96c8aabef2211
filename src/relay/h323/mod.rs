//! What an H.323 client says after the decision (contract sections 3 and 5): every message passes as it came, and is judged
//! first.
//!
//! Messages of both directions are framed, so that an answer of ours comes between two of them; of those of the target
//! the answers to registrations are read. What the inspector cannot read ends the connection: a registration may be
//! hidden in it.

pub mod answer;

use crate::ending::Ending;
use crate::inspect::h323::{Ask, Inspector, MESSAGE_LIMIT, Reply, size};
use crate::inspect::{self, Inspect};
use crate::relay::watched::{Next, Replies, TARGET_DOWN, Watch, by_client};

/// The longest message of a gatekeeper that is read: several hundred answers fit into one.
const ANSWER_LIMIT: usize = MESSAGE_LIMIT;

/// Knows where a registration leads, and what may follow it.
pub trait H323Policy {
    /// A message after the decision.
    ///
    /// # Errors
    /// The connection ends.
    fn judge(&mut self, ask: &Ask) -> Result<(), Ending>;

    /// What the gatekeeper says of registrations, and of requests for it.
    fn answered(&mut self, reply: &Reply);
}

/// What is known of a connection when it is relayed.
#[derive(Debug, Clone, Copy)]
pub struct Decided {
    /// Octets of the client that were looked at.
    pub octets: usize,
    /// Requests among them that are answered.
    pub waits: u32,
}

/// See the module.
#[derive(Debug)]
pub struct H323Watch<P> {
    policy: P,
    /// Octets of the client that were looked at before.
    decided: u64,
    /// How many registrations and requests for a gatekeeper have gone on and are not answered yet.
    waits: u32,
    /// The target has not said anything yet.
    silent: bool,
    /// What ends the connection is answered before (`reject = "answer"`).
    answers: bool,
}

impl<P: H323Policy> H323Watch<P> {
    /// One for a connection that has been decided.
    pub const fn new(policy: P, decided: Decided, answers: bool) -> Self {
        Self { policy, decided: decided.octets as u64, waits: decided.waits, silent: true, answers }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// What becomes of one message.
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

    /// What decided the connection, a registration or a call, is answered by every gatekeeper within seconds.
    fn owes(&self) -> bool {
        self.silent
    }

    fn hear_target(&mut self, octets: &[u8], _: &mut Replies<'_>) -> Next {
        self.silent = false;
        match size(octets) {
            // An answer is looked at when it is there as a whole; nothing else is.
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

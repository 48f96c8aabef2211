//! The questions that a [`Watch`] is asked about each message, and its answers.

use crate::cause::Cause;
use crate::ending::{Ending, Responsible, Stage};
use crate::io::Buffer;
use crate::reason::Reason;

/// What happens to the message that begins at the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// This many octets pass as they are. The number is not 0, and may be greater than the number of octets that are
    /// there.
    Pass(u64),
    /// This many octets pass as they are. The number is not 0, and they are not the whole message: the next octets
    /// continue it. No answer is sent between them.
    Part(u64),
    /// The first `count` octets are taken out, and [`Replies::onward`], which may be empty, is sent in their place.
    /// After that `pass` octets follow as they are. Octets behind these are the next message.
    Replace {
        /// How many octets are taken out. All of them have been read.
        count: usize,
        /// How many octets after them pass. It may be more than are there.
        pass: u64,
    },
    /// The watch needs more octets to decide. It may remember nothing of this call except scan offsets.
    NeedMore,
    /// The relay ends here, after the contents of [`Replies::back`] have been sent.
    End(Ending),
}

/// The ending of a relay because of the client's message.
pub const fn by_client(reason: Reason) -> Ending {
    Ending::because(Stage::Relay, Responsible::Client, reason)
}

/// The ending of a relay whose target speaks another protocol.
pub const TARGET_DOWN: Ending = Ending::of_target(Stage::Relay, Cause::BadAnswer);

/// Where a watch writes messages of its own.
#[derive(Debug)]
pub struct Replies<'a> {
    /// Passes on in place of the octets that [`Next::Replace`] takes out. It is empty when the watch is asked.
    pub onward: &'a mut Buffer,
    /// Goes back to the sender, between two messages of the other direction. Whole messages only.
    pub back: &'a mut Buffer,
}

/// Looks at messages. Each call gets the octets from the beginning of a message, as many as have arrived.
pub trait Watch {
    /// How many octets of the client are read, at most, before the watch must decide.
    const CLIENT_LIMIT: usize;
    /// How many octets of the target are read, at most, before the watch must decide.
    const TARGET_LIMIT: usize;

    /// A message of the client.
    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next;

    /// A message of the target. [`Replies::back`] goes to the target here, [`Replies::onward`] to the client.
    fn hear_target(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next;

    /// Whether messages of the client that have been read must wait until the target has sent something
    /// ([`Next::NeedMore`] for a whole message). While they wait a full buffer is no error.
    fn holds_client(&self) -> bool {
        false
    }

    /// Whether the target owes an answer without which nothing goes on. Then the relay waits less long than usual (see
    /// [`patience`](crate::relay::patience)).
    fn owes(&self) -> bool {
        false
    }

    /// Whether the client has said that it wants nothing more.
    fn leaves(&self) -> bool {
        false
    }
}

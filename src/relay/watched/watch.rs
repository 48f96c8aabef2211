//! What a [`Watch`] is asked of each message, and what it can say.

use crate::cause::Cause;
use crate::ending::{Ending, Stage, Whose};
use crate::io::Buffer;
use crate::reason::Reason;

/// What becomes of the message that begins at the first octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// So many octets go on as they are: not 0, and maybe more than there are yet.
    Pass(u64),
    /// So many octets go on as they are, but not 0 and not the whole message: the next octets are more of it. Nothing is
    /// sent between them.
    Part(u64),
    /// The first `count` octets are taken out, [`Replies::onward`] goes in their place (nothing, if it is empty), and
    /// then the next `pass` octets, as they are. What was read beyond them is the next message.
    Replace {
        /// Octets that do not go on; all of them have been read.
        count: usize,
        /// Octets after them that do, maybe more than there are yet.
        pass: u64,
    },
    /// It takes more octets to tell. Nothing is remembered of the call but scan offsets.
    NeedMore,
    /// The relay ends here, when what is in [`Replies::back`] has been sent.
    End(Ending),
}

/// The end of a relay over what the client sent.
pub const fn by_client(reason: Reason) -> Ending {
    Ending::because(Stage::Relay, Whose::Client, reason)
}

/// The end of a relay whose target speaks something else.
pub const TARGET_DOWN: Ending = Ending::of_target(Stage::Relay, Cause::BadAnswer);

/// What a watch writes instead of what came.
#[derive(Debug)]
pub struct Replies<'a> {
    /// Goes on in place of what [`Next::Replace`] takes out. Empty when the watch is asked.
    pub onward: &'a mut Buffer,
    /// Goes back to the sender, between two messages of the other direction. Whole messages only.
    pub back: &'a mut Buffer,
}

/// Looks at messages. Each call sees the octets from the beginning of a message, as many as there are.
pub trait Watch {
    /// How many octets of the client are read, at the most, before the watch knows.
    const CLIENT_LIMIT: usize;
    /// How many octets of the target.
    const TARGET_LIMIT: usize;

    /// A message of the client.
    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next;

    /// A message of the target. [`Replies::back`] goes to the target here, [`Replies::onward`] to the client.
    fn hear_target(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next;

    /// Whether messages of the client wait, although they have been read, until the target has said something
    /// ([`Next::NeedMore`] with a whole message): then a full buffer is no error.
    fn holds_client(&self) -> bool {
        false
    }

    /// Whether the target owes an answer without which nothing goes on: then it is not waited for as long as for other
    /// things (see [`patience`](crate::relay::patience)).
    fn owes(&self) -> bool {
        false
    }

    /// Whether the client has said that it wants nothing more.
    fn leaves(&self) -> bool {
        false
    }
}

//! What a WebSocket asks the protocol inside, and what the answers are.

use std::fmt;

use crate::reason::Reason;

/// What becomes of a message that has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// It is read, as it stands now.
    Read,
    /// It is not read.
    Dropped,
    /// It is not read; this is the answer.
    Answered(&'static [u8]),
    /// It is not read, and the connection ends with this close code and this reason.
    Refused {
        /// Sent first, if it is not empty.
        answer: Vec<u8>,
        /// The close code.
        code: u16,
        /// The reason, for the log.
        reason: Reason,
    },
}

/// Where the first message in some octets ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Behind so many octets, which may not all be there yet.
    At(usize),
    /// More octets are needed to tell.
    NeedMore,
    /// There is none.
    Nowhere,
}

/// Knows the messages of the protocol that is spoken inside. Pure.
pub trait Messages: fmt::Debug + Send + Sync {
    /// A whole message has come. It may be changed.
    fn came(&self, message: &mut Vec<u8>) -> Came;
    /// Where the message ends that is being written.
    fn end(&self, octets: &[u8]) -> End;
}

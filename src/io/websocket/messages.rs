//! The questions of a WebSocket to the protocol inside it, and their answers.

use std::fmt;

use crate::reason::Reason;

/// How a received message is handled.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// It is read, in its present form.
    Read,
    /// It is not read.
    Dropped,
    /// It is not read, and is answered with this.
    Answered(&'static [u8]),
    /// It is not read, and the connection ends with this close code and this reason.
    Refused {
        /// An answer that is sent first, unless it is empty.
        answer: Vec<u8>,
        /// The close code.
        code: u16,
        /// The reason, for the log.
        reason: Reason,
    },
}

/// The end of the first message in some octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// After so many octets. Not all of them need be there yet.
    At(usize),
    /// More octets are needed.
    NeedMore,
    /// The octets contain no message.
    Nowhere,
}

/// Finds messages of the protocol inside. Pure.
pub trait Messages: fmt::Debug + Send + Sync {
    /// Handles a complete message, which may be changed.
    fn came(&self, message: &mut Vec<u8>) -> Came;
    /// The end of the message that is being written.
    fn end(&self, octets: &[u8]) -> End;
}

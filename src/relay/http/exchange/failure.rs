//! Why an exchange fails.

use std::io;

/// Why there is no whole response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The target ended without having answered a byte.
    TargetSilent,
    /// The target's answer is none: broken head, framing that can be read in two ways, an end in the middle.
    TargetBroken,
    /// The target did not answer in time.
    TargetTimeout,
    /// The client went away.
    Client,
    /// The client broke the framing of its own message.
    ClientMalformed,
    /// The client neither sent nor took anything for too long.
    ClientTimeout,
    /// The client sent its body too slowly ([`Patience::min_rate`]).
    ClientSlow,
}

/// How far it went when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// Nothing of a final response has been sent, so an answer of our own is possible.
    pub unanswered: bool,
    /// Part of a body was sent whose end is the connection's end: only a reset tells the client that it is not whole.
    pub truncates: bool,
    /// Nothing of the request's body was used and the target has said nothing: it can be sent again.
    pub untouched: bool,
    /// The target did not end the connection: it does not answer the kernel any more.
    pub vanished: bool,
}

/// Whether the kernel has given the peer up, instead of the peer having ended the connection.
pub(super) fn has_vanished(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    matches!(error.kind(), TimedOut | HostUnreachable | NetworkUnreachable)
}

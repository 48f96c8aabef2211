//! The parts of an H323-UserInformation that Portward needs.

use super::{Alias, Registration, Reply, Speaks};

/// The parts that were found in an H323-UserInformation.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) registrations: Vec<Registration>,
    /// destinationAddress of a Setup.
    pub(super) destinations: Option<Vec<Alias>>,
    /// The endpoints and callers that the message speaks for, beside the registration.
    pub(super) speaks: Speaks,
    /// Whether a RAS message is in it.
    pub(super) ras: bool,
    /// The reply of a gatekeeper.
    pub(super) reply: Reply,
}

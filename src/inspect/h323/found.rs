//! What is taken out of an H323-UserInformation.

use super::{Alias, Registration, Reply, Speaks};

/// What was found in an H323-UserInformation.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) registrations: Vec<Registration>,
    /// destinationAddress of a Setup.
    pub(super) destinations: Option<Vec<Alias>>,
    /// For whom the message speaks beside that.
    pub(super) speaks: Speaks,
    /// There is a RAS message in it.
    pub(super) ras: bool,
    /// What a gatekeeper says.
    pub(super) reply: Reply,
}

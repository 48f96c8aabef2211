//! For whom a message speaks, and what a gatekeeper says of that.

use super::Alias;

/// For whom a message of a client speaks, beside what it registers (contract section 5): who calls, whose endpoint it is, what is
/// kept alive or unregistered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaks {
    /// sourceAddress and the calling party number of a Setup; srcInfo, endpointAlias, sourceInfo of RAS messages.
    pub aliases: Vec<Alias>,
    /// Endpoint identifiers.
    pub endpoints: Vec<String>,
    /// Call signalling addresses of an endpoint that has no identifier here, as they were registered.
    pub addresses: Vec<Vec<u8>>,
    /// It speaks for others as well, and does not say for whom.
    pub unclear: bool,
}

impl Speaks {
    /// Whether the message names nobody for whom it speaks.
    pub fn is_empty(&self) -> bool {
        self.aliases.is_empty() && self.endpoints.is_empty() && self.addresses.is_empty() && !self.unclear
    }

    /// An endpoint: by its identifier, without one by its addresses, as gatekeepers look for it.
    pub(super) fn name(&mut self, endpoint: Option<String>, addresses: Vec<u8>) {
        match endpoint {
            Some(endpoint) => self.endpoints.push(endpoint),
            None if addresses.is_empty() => {}
            None => self.addresses.push(addresses),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        self.aliases.extend(other.aliases);
        self.endpoints.extend(other.endpoints);
        self.addresses.extend(other.addresses);
        self.unclear |= other.unclear;
    }
}

/// What a gatekeeper makes of a registration, or of a request for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// GatekeeperConfirm: nothing is registered yet.
    Found,
    /// RegistrationConfirm.
    Confirmed,
    /// RegistrationReject or GatekeeperReject for security: the login is wrong.
    Denied,
    /// One of them for another reason.
    Rejected,
}

/// What a gatekeeper says to its client in one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// One for each request that it answers, in their order, with the request's number (requestSeqNum).
    pub answers: Vec<(u16, Answer)>,
    /// Its own identifiers, as it confirms them.
    pub gatekeepers: Vec<String>,
    /// The identifiers that it gives to the endpoint.
    pub endpoints: Vec<String>,
    /// The aliases that the endpoint has, as it says.
    pub aliases: Vec<Alias>,
}

impl Reply {
    /// Whether it says nothing that matters.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.gatekeepers.is_empty()
    }
}

//! The endpoints and callers that a message speaks for, and the answers of a gatekeeper.

use super::Alias;

/// The endpoints and callers that a client's message speaks for, beside the endpoints that it registers (contract
/// section 5): the caller, the endpoint that asks, an endpoint that is kept alive or unregistered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaks {
    /// sourceAddress and the calling party number of a Setup; srcInfo, endpointAlias, sourceInfo of RAS messages.
    pub aliases: Vec<Alias>,
    /// Endpoint identifiers.
    pub endpoints: Vec<String>,
    /// Call signalling addresses of an endpoint that is named by no identifier, as they were registered.
    pub addresses: Vec<Vec<u8>>,
    /// Whether the message speaks for further endpoints without naming them.
    pub unclear: bool,
}

impl Speaks {
    /// Whether the message names no endpoint and no caller.
    pub fn is_empty(&self) -> bool {
        self.aliases.is_empty() && self.endpoints.is_empty() && self.addresses.is_empty() && !self.unclear
    }

    /// Adds an endpoint by its identifier, or by its addresses if it has no identifier. Gatekeepers look an endpoint up
    /// in the same way.
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

/// The answer of a gatekeeper to a registration or to the request before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// GatekeeperConfirm. Nothing is registered yet.
    Found,
    /// RegistrationConfirm.
    Confirmed,
    /// RegistrationReject or GatekeeperReject for a security reason: the login is wrong.
    Denied,
    /// RegistrationReject or GatekeeperReject for another reason.
    Rejected,
}

/// The content of one message of a gatekeeper to its client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// The answers in their order, each with the number of its request (requestSeqNum).
    pub answers: Vec<(u16, Answer)>,
    /// The gatekeeper identifiers that the gatekeeper confirms.
    pub gatekeepers: Vec<String>,
    /// The endpoint identifiers that the gatekeeper gives.
    pub endpoints: Vec<String>,
    /// The aliases that the gatekeeper has registered for the endpoint.
    pub aliases: Vec<Alias>,
}

impl Reply {
    /// Whether the message has nothing that matters.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.gatekeepers.is_empty()
    }
}

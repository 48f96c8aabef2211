//! A registration, or the request for a gatekeeper before it.

use super::{Alias, Speaks, host_of_identifier};
use crate::reason::Reason;

/// The RAS messages of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GatekeeperRequest.
    Gatekeeper,
    /// RegistrationRequest.
    Registration,
}

impl Verb {
    /// The short name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gatekeeper => "GRQ",
            Self::Registration => "RRQ",
        }
    }
}

/// A GatekeeperRequest or a RegistrationRequest, or several of them in one message if they agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The kind of the first request.
    pub verb: Verb,
    /// requestSeqNum of the first request.
    pub sequence: u16,
    /// The gatekeeper identifier without trailing NULs. `None`: there is none, or it is empty.
    pub identifier: Option<String>,
    /// All aliases of all requests.
    pub aliases: Vec<Alias>,
    /// Whether the requests only keep a registration alive.
    pub keep_alive: bool,
    /// Whether one of the requests is a RegistrationRequest.
    pub registers: bool,
    /// How many requests there are. Each of them is answered.
    pub requests: u32,
    /// Whether one of the RegistrationRequests is no keep-alive and has no alias.
    pub unnamed: bool,
    /// Whether more is registered than the aliases, or the aliases are added to earlier ones: additiveRegistration,
    /// terminalAliasPattern, the prefixes of a gateway.
    pub adds: bool,
    /// Endpoint identifiers in the requests that are no keep-alives.
    pub endpoints: Vec<String>,
    /// Call signalling addresses of the requests, to be compared with later ones.
    pub addresses: Vec<u8>,
    /// The endpoints and callers that the message speaks for besides.
    pub speaks: Speaks,
}

impl Registration {
    /// An empty registration.
    pub(crate) fn new(verb: Verb, sequence: u16) -> Self {
        let registers = verb == Verb::Registration;
        Self {
            verb,
            sequence,
            identifier: None,
            aliases: Vec::new(),
            keep_alive: false,
            registers,
            requests: 1,
            unnamed: false,
            adds: false,
            endpoints: Vec::new(),
            addresses: Vec::new(),
            speaks: Speaks::default(),
        }
    }

    /// The host that the identifier names (contract section 2). `None`: it names none.
    pub fn host(&self) -> Option<&str> {
        self.identifier.as_deref().map(host_of_identifier).filter(|host| !host.is_empty())
    }

    /// Whether both requests ask for the same gatekeeper.
    fn agrees(&self, other: &Self) -> bool {
        match (&self.identifier, &other.identifier) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            (None, None) => true,
            _ => false,
        }
    }

    /// Adds another request of the same message.
    ///
    /// # Errors
    /// It asks for another gatekeeper.
    pub(super) fn add(&mut self, next: Self) -> Result<(), Reason> {
        if !self.agrees(&next) {
            return Err(Reason::Malformed);
        }
        self.keep_alive &= next.keep_alive;
        self.registers |= next.registers;
        self.requests += next.requests;
        self.unnamed |= next.unnamed;
        self.adds |= next.adds;
        self.aliases.extend(next.aliases);
        self.endpoints.extend(next.endpoints);
        self.addresses.extend(next.addresses);
        Ok(())
    }
}

//! A registration, or a request for a gatekeeper that comes before one.

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
    /// The short name that the field uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gatekeeper => "GRQ",
            Self::Registration => "RRQ",
        }
    }
}

/// A GatekeeperRequest or a RegistrationRequest, or several in one message that agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What the first of them is.
    pub verb: Verb,
    /// requestSeqNum of the first.
    pub sequence: u16,
    /// The gatekeeper identifier without trailing NULs; `None`: there is none, or it is empty.
    pub identifier: Option<String>,
    /// All aliases of all of them.
    pub aliases: Vec<Alias>,
    /// Whether it only keeps a registration alive.
    pub keep_alive: bool,
    /// There is a RegistrationRequest among them.
    pub registers: bool,
    /// How many of them there are: each is answered.
    pub requests: u32,
    /// One of those is no keep-alive and has no alias.
    pub unnamed: bool,
    /// More is registered than the aliases say, or they are added to what there is: additiveRegistration,
    /// terminalAliasPattern, the prefixes of a gateway.
    pub adds: bool,
    /// Endpoint identifiers in those that are no keep-alives.
    pub endpoints: Vec<String>,
    /// Their call signalling addresses, to be compared with later ones.
    pub addresses: Vec<u8>,
    /// For whom the message speaks besides.
    pub speaks: Speaks,
}

impl Registration {
    /// One in which nothing stands yet.
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

    /// The host that the identifier names (contract section 2); `None`: none.
    pub fn host(&self) -> Option<&str> {
        self.identifier.as_deref().map(host_of_identifier).filter(|host| !host.is_empty())
    }

    /// Whether both ask for the same gatekeeper.
    fn agrees(&self, other: &Self) -> bool {
        match (&self.identifier, &other.identifier) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            (None, None) => true,
            _ => false,
        }
    }

    /// Takes in another one of the same message.
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

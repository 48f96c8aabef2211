//! H.323: whether a certificate proves every alias of a registration, and which messages may follow on a connection
//! that went out as proven.

use super::{Claim, Names};
use crate::inspect::h323::{Alias, Ask, Other, Registration, Reply, Speaks};
use crate::reason::Reason;
use crate::rules::Numbers;

/// What a certificate proves of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It proves every name, and there is at least one.
    Proven,
    /// The message has no name to prove and registers none.
    NoName,
    /// At least one name is not proven.
    Unproven,
}

/// Checks a registration at `host` against the names of a certificate.
///
/// `numbers` says whether a number (dialledDigits) that the certificate does not have is allowed beside a proven name.
/// Some kinds of aliases cannot be compared with a certificate and are unproven: prefixes of a gateway, patterns,
/// aliases that are added to the existing ones, and aliases of an unknown kind.
pub fn registration(names: &Names, registration: &Registration, host: &str, numbers: Numbers) -> Finding {
    if registration.adds || registration.unnamed {
        return Finding::Unproven;
    }
    let mut proven = 0_usize;
    for alias in &registration.aliases {
        match alias {
            Alias::Other => return Finding::Unproven,
            _ if names.prove(Claim { name: name(alias), host }) => proven += 1,
            Alias::Digits(_) if numbers == Numbers::WithName => {}
            _ => return Finding::Unproven,
        }
    }
    match (proven, registration.aliases.is_empty()) {
        (1.., _) => Finding::Proven,
        (0, true) => Finding::NoName,
        (0, false) => Finding::Unproven,
    }
}

/// The alias without its URL scheme if that is a telephone's scheme. Otherwise the whole alias.
fn name(alias: &Alias) -> &str {
    match alias {
        Alias::Url(url) => url
            .split_once(':')
            .filter(|(scheme, _)| ["h323", "sip", "sips"].iter().any(|s| scheme.eq_ignore_ascii_case(s)))
            .map_or(url, |(_, rest)| rest),
        Alias::Digits(text) | Alias::H323(text) | Alias::Email(text) => text,
        Alias::Other => "",
    }
}

/// How many identifiers, and how many aliases, of those that a gatekeeper gave to an endpoint are remembered.
const KEPT: usize = 64;

/// The state of a connection that went out by TLS. Either the client's certificate proved the name, or the client has
/// sent nothing but a GatekeeperRequest without a name.
#[derive(Debug, Clone)]
pub struct Verified {
    names: Names,
    numbers: Numbers,
    /// A RegistrationRequest was proven.
    registered: bool,
    /// The host of the last registration. Names of accounts are checked at this host.
    host: Box<str>,
    /// The endpoint identifiers that the gatekeeper gave on this connection.
    endpoints: Vec<String>,
    /// The aliases that the gatekeeper gave on this connection.
    given: Vec<Alias>,
    /// The call signalling addresses of the last registration.
    addresses: Vec<u8>,
}

impl Verified {
    /// The state after the first registration at `host`. `None`: the registration is not proven.
    pub fn begin(names: Names, numbers: Numbers, first: &Registration, host: &str) -> Option<Self> {
        let mut begun = Self {
            names,
            numbers,
            registered: false,
            host: host.into(),
            endpoints: Vec::new(),
            given: Vec::new(),
            addresses: Vec::new(),
        };
        begun.register(first, host).ok().map(|()| begun)
    }

    /// Checks the client's next message. `host` is the host to which a registration leads. `None`: the host of the last
    /// one.
    ///
    /// # Errors
    /// `other-name` if something is not proven, `malformed` if the message cannot be read.
    pub fn judge(&mut self, ask: &Ask, host: Option<&str>) -> Result<(), Reason> {
        match ask {
            Ask::Registration(next) => match host {
                Some(host) => self.register(next, host),
                None => self.register(next, &self.host.clone()),
            },
            // Before a registration a call has no proven name either.
            Ask::Setup(_) if !self.registered => Err(Reason::OtherName),
            Ask::Setup(setup) => self.hear(&setup.speaks),
            Ask::Ras(speaks) => self.hear(speaks),
            Ask::Other(Other::Unreadable | Other::Early { readable: false }) => Err(Reason::Malformed),
            Ask::KeepAlive | Ask::Other(_) => Ok(()),
        }
    }

    /// Remembers the endpoint identifiers and aliases that the gatekeeper confirms. All requests that it answers here
    /// were proven.
    pub fn learn(&mut self, reply: &Reply) {
        for endpoint in &reply.endpoints {
            if !self.endpoints.contains(endpoint) {
                self.endpoints.push(endpoint.clone());
            }
        }
        for alias in &reply.aliases {
            if !self.given.contains(alias) {
                self.given.push(alias.clone());
            }
        }
        // Only the newest ones are kept.
        self.endpoints.drain(..self.endpoints.len().saturating_sub(KEPT));
        self.given.drain(..self.given.len().saturating_sub(KEPT));
    }

    fn register(&mut self, next: &Registration, host: &str) -> Result<(), Reason> {
        match registration(&self.names, next, host, self.numbers) {
            Finding::Proven => {}
            // Every client may look for a gatekeeper. Only the registered client may keep its registration alive.
            Finding::NoName if self.registered || !next.registers => {}
            Finding::NoName | Finding::Unproven => return Err(Reason::OtherName),
        }
        // A device that registers again names its earlier endpoint, until the gatekeeper gives it a new identifier.
        if !self.endpoints.is_empty() && !self.has(&next.endpoints) {
            return Err(Reason::OtherName);
        }
        if next.registers && !next.keep_alive {
            self.registered = true;
            self.host = host.into();
            self.addresses.clone_from(&next.addresses);
        }
        self.hear(&next.speaks)
    }

    /// Whether the message speaks only for names that the certificate proves, or that the gatekeeper gave.
    fn hear(&self, speaks: &Speaks) -> Result<(), Reason> {
        let owned = !speaks.unclear
            && self.has(&speaks.endpoints)
            && speaks.addresses.iter().all(|addresses| *addresses == self.addresses)
            && speaks.aliases.iter().all(|alias| self.is_own(alias));
        if owned { Ok(()) } else { Err(Reason::OtherName) }
    }

    /// Whether the gatekeeper gave all these endpoint identifiers on this connection.
    fn has(&self, endpoints: &[String]) -> bool {
        endpoints.iter().all(|endpoint| self.endpoints.contains(endpoint))
    }

    fn is_own(&self, alias: &Alias) -> bool {
        match alias {
            Alias::Other => false,
            _ if self.given.contains(alias) => true,
            Alias::Digits(_) if self.registered && self.numbers == Numbers::WithName => true,
            _ => self.names.prove(Claim { name: name(alias), host: &self.host }),
        }
    }
}

#[cfg(test)]
mod tests;

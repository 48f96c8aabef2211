//! H.323: every alias of a registration, and what may follow on a connection that went out as proven.

use super::{Claim, Names};
use crate::inspect::h323::{Alias, Ask, Other, Registration, Reply, Speaks};
use crate::reason::Reason;
use crate::rules::Numbers;

/// What a certificate says of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// It proves every name, and there is one.
    Proven,
    /// There is no name to prove, and none is registered.
    NoName,
    /// It does not prove all of it.
    Unproven,
}

/// Holds a registration at `host` against the names of a certificate.
///
/// A number (dialledDigits) that the certificate does not have counts as unproven, or is allowed beside a proven name,
/// as `numbers` says. What nobody can hold against a certificate is unproven: prefixes of a gateway, patterns, aliases
/// that are added to whatever there is, kinds of aliases that are not known.
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

/// A URL without its scheme, if that is one of a telephone; else the alias as it is.
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

/// The most identifiers and aliases that are kept of what a gatekeeper gave to an endpoint.
const KEPT: usize = 64;

/// A connection that went out by TLS because its client's certificate proved the name, or because all that it has said is
/// a GatekeeperRequest without any.
#[derive(Debug, Clone)]
pub struct Verified {
    names: Names,
    numbers: Numbers,
    /// A RegistrationRequest was proven.
    registered: bool,
    /// Where: the host that names of accounts are held against.
    host: Box<str>,
    /// The endpoint identifiers that the gatekeeper gave here.
    endpoints: Vec<String>,
    /// The aliases that the gatekeeper gave here.
    given: Vec<Alias>,
    /// The call signalling addresses of the last registration.
    addresses: Vec<u8>,
}

impl Verified {
    /// What the first registration at `host` makes of a connection; `None`: it is not proven.
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

    /// Holds what the client says next against that. `host`: where a registration leads; `None`: where the last one did.
    ///
    /// # Errors
    /// `other-name` for what is not proven, `malformed` for what cannot be read.
    pub fn judge(&mut self, ask: &Ask, host: Option<&str>) -> Result<(), Reason> {
        match ask {
            Ask::Registration(next) => match host {
                Some(host) => self.register(next, host),
                None => self.register(next, &self.host.clone()),
            },
            // As long as nobody is registered a call has no name either.
            Ask::Setup(_) if !self.registered => Err(Reason::OtherName),
            Ask::Setup(setup) => self.hear(&setup.speaks),
            Ask::Ras(speaks) => self.hear(speaks),
            Ask::Other(Other::Unreadable | Other::Early { readable: false }) => Err(Reason::Malformed),
            Ask::KeepAlive | Ask::Other(_) => Ok(()),
        }
    }

    /// Takes in what the gatekeeper says: whose endpoint this is, and under which aliases. All that it was asked here was
    /// proven.
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
        // The last ones count.
        self.endpoints.drain(..self.endpoints.len().saturating_sub(KEPT));
        self.given.drain(..self.given.len().saturating_sub(KEPT));
    }

    fn register(&mut self, next: &Registration, host: &str) -> Result<(), Reason> {
        match registration(&self.names, next, host, self.numbers) {
            Finding::Proven => {}
            // To look for a gatekeeper is everybody's right; to keep a registration alive its owner's.
            Finding::NoName if self.registered || !next.registers => {}
            Finding::NoName | Finding::Unproven => return Err(Reason::OtherName),
        }
        // A device that comes back names the endpoint that it was, until the gatekeeper says which one it is now.
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

    /// Whether all for whom a message speaks are whom the certificate proves, or whom the gatekeeper made of them.
    fn hear(&self, speaks: &Speaks) -> Result<(), Reason> {
        let owned = !speaks.unclear
            && self.has(&speaks.endpoints)
            && speaks.addresses.iter().all(|addresses| *addresses == self.addresses)
            && speaks.aliases.iter().all(|alias| self.is_own(alias));
        if owned { Ok(()) } else { Err(Reason::OtherName) }
    }

    /// Whether the gatekeeper gave all these endpoint identifiers here.
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

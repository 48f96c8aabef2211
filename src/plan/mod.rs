//! The plan, as a value: what an administrator must configure outside Portward (contract section 8, *plan*). It has
//! port forwards, DNS records, firewall openings, names of the certificate and settings of the PBXs.
//!
//! Pure: the plan is made from the configuration, the rules and the facts of today's certificates. It reads no file and
//! sends nothing. `cli` prints it.

mod certificate;
mod firewall;
mod forwards;
mod inside;
mod json;
mod names;
mod pbx;
#[cfg(test)]
mod tests;

use std::fmt;

use time::OffsetDateTime;

use crate::config::Config;
use crate::rules::Table;
use crate::service::{Service, Transport};
use crate::tls::Facts;

pub use certificate::{CertificateNames, NeededName};
pub use firewall::{Firewall, Opening};
pub use forwards::{Forward, Forwards, ServicePorts};
pub use names::{NameOfOthers, Names, Record, RecordType};
pub use pbx::{AssumeTls, Pbx, Pbxs};

use inside::Inside;

/// The services in the order of the reference's table of port forwards.
const ORDER: [Service; 4] = [Service::Http, Service::Ldap, Service::Sip, Service::H323];

/// The facts of today's certificate files.
#[derive(Debug, Default)]
pub struct Certificates {
    /// The server certificates, each with its NAME (contract section 4).
    pub server: Vec<(String, Facts)>,
    /// Why some or all of them could not be read.
    pub unread: Option<String>,
    /// The common name of the certificate that Portward presents to PBXs, if it has one.
    pub presented: Option<String>,
}

/// A value from portward.toml, or the key that is missing there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The value.
    Is(String),
    /// There is no value. The text names the missing key, or the value that belongs there.
    Missing(&'static str),
}

impl Said {
    fn of(text: &str, key: &'static str) -> Self {
        if text.is_empty() { Self::Missing(key) } else { Self::Is(text.to_owned()) }
    }

    /// The value, if there is one.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Missing(_) => None,
        }
    }
}

impl fmt::Display for Said {
    /// Writes the value. A placeholder such as `<outside.address>` stands for a missing one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(text),
            Self::Missing(what) => write!(f, "<{what}>"),
        }
    }
}

/// A key of `[outside]` that is needed and empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingKey {
    /// The key, for example `outside.address`.
    pub key: &'static str,
    /// The value that belongs there.
    pub what: &'static str,
}

const ADDRESS: MissingKey =
    MissingKey { key: "outside.address", what: "the router's public address, or its DNS name" };
const OWN_ADDRESS: MissingKey = MissingKey {
    key: "outside.own_address",
    what: "the address of this machine inside, to which the router forwards",
};

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `TCP` or `UDP`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Everything that an administrator must configure outside Portward.
#[derive(Debug)]
pub struct Plan {
    /// Keys of `[outside]` that must be set before the plan is complete.
    pub missing: Vec<MissingKey>,
    /// The port forwards of the router.
    pub forwards: Forwards,
    /// The ports on which Portward listens.
    pub service_ports: Vec<ServicePorts>,
    /// The names in the official and in the internal DNS.
    pub names: Names,
    /// The openings of the firewalls.
    pub firewall: Firewall,
    /// The names of the certificate, for the certification authority.
    pub certificate: CertificateNames,
    /// The settings of each PBX.
    pub pbxs: Pbxs,
    /// The disabled hosts. The plan leaves them out.
    pub disabled: Vec<String>,
}

impl Plan {
    /// The plan for a configuration and its rules. `now` tells which certificates have expired.
    pub fn new(config: &Config, table: &Table, certificates: &Certificates, now: OffsetDateTime) -> Self {
        let inside = Inside::new(config, table);
        let forwards = Forwards::new(config, table);
        let names = Names::new(config, table);
        let firewall = Firewall::new(config, &forwards, &inside);
        let pbxs = Pbxs::new(config, &inside, certificates);
        let mut missing = Vec::new();
        if names.needs_address() {
            missing.push(ADDRESS);
        }
        if config.outside.own_address.is_empty() && (forwards.needs_own_address() || !pbxs.list.is_empty()) {
            missing.push(OWN_ADDRESS);
        }
        let disabled = table.iter().filter(|host| !host.enabled()).map(|host| host.name().to_owned());
        Self {
            missing,
            service_ports: ServicePorts::all(config),
            certificate: CertificateNames::new(config, table, certificates, now),
            disabled: disabled.collect(),
            forwards,
            names,
            firewall,
            pbxs,
        }
    }
}

/// The name that people use for a service over a transport, as in the reference.
pub fn label(service: Service, transport: Transport) -> &'static str {
    match (service, transport) {
        (Service::Http, Transport::Plain) => "HTTP",
        (Service::Http, Transport::Tls) => "HTTPS",
        (Service::Sip, Transport::Plain) => "SIP",
        (Service::Sip, Transport::Tls) => "SIPS",
        (Service::Ldap, Transport::Plain) => "LDAP",
        (Service::Ldap, Transport::Tls) => "LDAPS",
        (Service::H323, Transport::Plain) => "H.323 TCP",
        (Service::H323, Transport::Tls) => "H.323 TLS",
    }
}

/// The name that people use for a service.
pub fn title(service: Service) -> &'static str {
    match service {
        Service::Http => "HTTP",
        Service::Sip => "SIP",
        Service::Ldap => "LDAP",
        Service::H323 => "H.323",
    }
}

/// Portward's address, as the router and the PBXs know it.
fn own_address(config: &Config) -> Said {
    Said::of(&config.outside.own_address, OWN_ADDRESS.key)
}

/// Names for a sentence. Of a long list only the first few are named.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

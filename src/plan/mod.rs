//! What an administrator types elsewhere so that Portward is of use, as a value (contract section 8, *plan*): port forwards,
//! DNS records, firewall openings, names of the certificate, settings of the PBXs.
//!
//! Pure: it is made from the configuration, the rules and what today's certificates say. It reads no file and sends nothing.
//! `cli` prints it.

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
pub use inside::text;

/// The services in the order of the reference's table of port forwards.
const ORDER: [Service; 4] = [Service::Http, Service::Ldap, Service::Sip, Service::H323];

/// What the files of today's certificates say.
#[derive(Debug, Default)]
pub struct Certificates {
    /// The server certificates, each with its NAME.
    pub server: Vec<(String, Facts)>,
    /// Why they, or some of them, could not be read.
    pub unread: Option<String>,
    /// The common name of the certificate that Portward presents to PBXs, if it has one.
    pub presented: Option<String>,
}

/// A value that portward.toml says, or the key that does not say it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What it says.
    Is(String),
    /// It says nothing. The text names the key, or what has to stand there.
    Missing(&'static str),
}

impl Said {
    fn of(text: &str, key: &'static str) -> Self {
        if text.is_empty() { Self::Missing(key) } else { Self::Is(text.to_owned()) }
    }

    /// What it says, if it does.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Missing(_) => None,
        }
    }
}

impl fmt::Display for Said {
    /// The value; a placeholder as `<outside.address>` where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(text),
            Self::Missing(what) => write!(f, "<{what}>"),
        }
    }
}

/// A key of `[outside]` that stands empty and is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingKey {
    /// As `outside.address`.
    pub key: &'static str,
    /// What belongs there.
    pub what: &'static str,
}

const ADDRESS: MissingKey =
    MissingKey { key: "outside.address", what: "the router's public address, or its DNS name" };
const OWN_ADDRESS: MissingKey = MissingKey {
    key: "outside.own_address",
    what: "the address of this machine inside, to which the router forwards",
};

/// What travels by which transport protocol.
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

/// Everything that there is to type elsewhere.
#[derive(Debug)]
pub struct Plan {
    /// Keys of `[outside]` that must be set before the plan is complete.
    pub missing: Vec<MissingKey>,
    /// For the router.
    pub forwards: Forwards,
    /// What Portward itself listens on.
    pub service_ports: Vec<ServicePorts>,
    /// For both kinds of DNS servers.
    pub names: Names,
    /// For the firewalls.
    pub firewall: Firewall,
    /// For the certification authority.
    pub certificate: CertificateNames,
    /// For each PBX.
    pub pbxs: Pbxs,
    /// Hosts that are disabled: nothing is planned for them.
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

/// What people call a service over a transport, as the reference does.
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

/// What people call a service.
pub fn title(service: Service) -> &'static str {
    match service {
        Service::Http => "HTTP",
        Service::Sip => "SIP",
        Service::Ldap => "LDAP",
        Service::H323 => "H.323",
    }
}

/// Portward's address as the router and the PBXs know it.
fn own_address(config: &Config) -> Said {
    Said::of(&config.outside.own_address, OWN_ADDRESS.key)
}

/// Some of `names` in a sentence; of many the first few.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let first = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

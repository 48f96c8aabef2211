//! Settings for the health of a target's address: how it is checked, and how long phones wait before they return to it
//! (contract section 8, Health).

use std::num::NonZeroU16;
use std::time::Duration;

use crate::service::Service;

/// How long SIP and H.323 wait before they return to an address, if the rules do not say (contract section 8, Health).
pub const FAILBACK: Duration = Duration::from_secs(60);

/// The longest `failback` (contract section 8, Health). The state of an address that was down is kept for this long.
pub const LONGEST_FAILBACK: Duration = Duration::from_secs(24 * 3600);

/// How the address of a target is checked (contract section 8, Health).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What a check sends.
    pub probe: Probe,
    /// The time from one check to the next.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// The only port that is checked, whatever ports the rules name. Its result counts for all ports that the probe
    /// judges.
    pub port: Option<NonZeroU16>,
    /// How many good checks in a row bring the address back.
    pub rise: u32,
    /// How many bad checks in a row make it `down`.
    pub fall: u32,
}

/// What a check sends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Whether every port takes a TCP connection.
    Tcp,
    /// The same, and whether every TLS port shows an acceptable certificate.
    Tls,
    /// The HTTP ports: whether the answer to a GET of this path has a status below 500.
    Http {
        /// The path, as in the request line.
        path: Box<str>,
    },
    /// The SIP ports: whether OPTIONS is answered by anything but 503.
    Sip,
    /// The LDAP ports: whether a search of the root DSE is answered.
    Ldap,
}

impl Probe {
    /// Whether the probe judges the ports of `service`.
    pub fn judges(&self, service: Service) -> bool {
        self.service().is_none_or(|own| own == service)
    }

    /// The service that the probe speaks. `None`: it speaks none.
    pub fn service(&self) -> Option<Service> {
        match self {
            Self::Tcp | Self::Tls => None,
            Self::Http { .. } => Some(Service::Http),
            Self::Sip => Some(Service::Sip),
            Self::Ldap => Some(Service::Ldap),
        }
    }
}

//! What the rules say of the health of a target's address: how it is checked, and how long phones wait until they return to
//! it (contract section 8, Health).

use std::num::NonZeroU16;
use std::time::Duration;

use crate::service::Service;

/// How long SIP and H.323 wait until they return to an address, where the rules say nothing (contract section 8, Health).
pub const FAILBACK: Duration = Duration::from_secs(60);

/// The longest `failback` (contract section 8, Health). What is known of an address that was down is kept for so long.
pub const LONGEST_FAILBACK: Duration = Duration::from_secs(24 * 3600);

/// How the address of a target is checked (contract section 8, Health).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// From one check to the next.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// The port that is asked, whatever ports rules name; it speaks for all ports that the probe judges.
    pub port: Option<NonZeroU16>,
    /// So many good ones in a row bring the address back.
    pub rise: u32,
    /// So many bad ones in a row make it `down`.
    pub fall: u32,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Whether every port takes a TCP connection.
    Tcp,
    /// The same, and whether every TLS port has a certificate that is accepted.
    Tls,
    /// The HTTP ports: whether the answer to a GET of this path has a status below 500.
    Http {
        /// As it stands in the request line.
        path: Box<str>,
    },
    /// The SIP ports: whether OPTIONS is answered by anything but 503.
    Sip,
    /// The LDAP ports: whether a search of the root DSE is answered.
    Ldap,
}

impl Probe {
    /// Whether it says how the ports of `service` are.
    pub fn judges(&self, service: Service) -> bool {
        self.service().is_none_or(|own| own == service)
    }

    /// The service that it speaks; `None`: what is spoken does not matter to it.
    pub fn service(&self) -> Option<Service> {
        match self {
            Self::Tcp | Self::Tls => None,
            Self::Http { .. } => Some(Service::Http),
            Self::Sip => Some(Service::Sip),
            Self::Ldap => Some(Service::Ldap),
        }
    }
}

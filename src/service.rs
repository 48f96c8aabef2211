//! The four services and the two ways they come in (SPEC section 1).
//!
//! Closed sets only: names, schemes and standard ports. Decides nothing.

use std::fmt;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP/1.1, looked at request by request.
    Http,
    /// SIP over TCP (RFC 3261).
    Sip,
    /// LDAP version 3 (RFC 4511).
    Ldap,
    /// H.323 tunnelled in call signalling (H.460.17).
    H323,
}

/// Whether TLS is spoken below the service, on either leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Bare TCP.
    Plain,
    /// TLS over TCP.
    Tls,
}

impl Service {
    /// Every service, in the order of SPEC section 1.
    pub const ALL: [Self; 4] = [Self::Http, Self::Sip, Self::Ldap, Self::H323];

    /// The name in the configuration, in logs and in counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sip => "sip",
            Self::Ldap => "ldap",
            Self::H323 => "h323",
        }
    }

    /// The URI scheme of the service over `transport`; also the key under `[listen]`.
    pub const fn scheme(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Self::Http, Transport::Plain) => "http",
            (Self::Http, Transport::Tls) => "https",
            (Self::Sip, Transport::Plain) => "sip",
            (Self::Sip, Transport::Tls) => "sips",
            (Self::Ldap, Transport::Plain) => "ldap",
            (Self::Ldap, Transport::Tls) => "ldaps",
            (Self::H323, Transport::Plain) => "h323",
            (Self::H323, Transport::Tls) => "h323s",
        }
    }

    /// The port that the service has by standard, outside and on a PBX.
    pub const fn standard_port(self, transport: Transport) -> u16 {
        match (self, transport) {
            (Self::Http, Transport::Plain) => 80,
            (Self::Http, Transport::Tls) => 443,
            (Self::Sip, Transport::Plain) => 5060,
            (Self::Sip, Transport::Tls) => 5061,
            (Self::Ldap, Transport::Plain) => 389,
            (Self::Ldap, Transport::Tls) => 636,
            (Self::H323, Transport::Plain) => 1720,
            (Self::H323, Transport::Tls) => 1300,
        }
    }
}

impl Transport {
    /// Both, plain first.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Tls];
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

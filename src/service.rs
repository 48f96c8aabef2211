//! The services, their carriers, and every fact that is part of a service's nature (contract section 1).
//!
//! This module has closed sets and constants only, and decides nothing. All facts are in one table, `Service::row`. A
//! new service begins there, in [`Service::ALL`] and in [`PerService`]. The compiler then reports every other place
//! that must know it.

mod carrier;
mod per_service;

pub use carrier::{Carrier, Transport};
pub use per_service::{PerService, ServiceSet};

use std::fmt;
use std::time::Duration;

/// The service of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// HTTP/1.1. Every request is looked at.
    Http,
    /// SIP over TCP (RFC 3261).
    Sip,
    /// LDAP version 3 (RFC 4511).
    Ldap,
    /// H.323 tunnelled in call signalling (H.460.17).
    H323,
}

/// How often the target of a connection is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// Once; a host has one rule for the service.
    Once,
    /// For every request; a host has paths for the service.
    EachRequest,
}

/// One row of the table of services.
struct Row {
    name: &'static str,
    /// Scheme and standard port over TCP.
    plain: (&'static str, u16),
    /// Scheme and standard port over TLS.
    tls: (&'static str, u16),
    /// The names in log lines over WebSocket, plain and in TLS. `None`: it does not come over WebSocket.
    websocket: Option<[&'static str; 2]>,
    /// The text after the scheme and its colon in a URI.
    slashes: &'static str,
    decided: Decided,
    /// Telephones use it. `limits.reserved` keeps connections for them.
    is_for_phones: bool,
    asks_for_certificate: bool,
    presents_certificate: bool,
    alpn: Option<&'static [u8]>,
    idle_seconds: u64,
    /// The name of a rule in error messages.
    rule: &'static str,
    subject: [&'static str; 3],
}

impl Service {
    /// Every service, in the order of contract section 1.
    pub const ALL: [Self; 4] = [Self::Http, Self::Sip, Self::Ldap, Self::H323];

    /// The table of services (contract sections 1, 4 and 7).
    const fn row(self) -> &'static Row {
        match self {
            Self::Http => &Row {
                name: "http",
                plain: ("http", 80),
                tls: ("https", 443),
                websocket: None,
                slashes: "//",
                decided: Decided::EachRequest,
                is_for_phones: false,
                asks_for_certificate: false,
                presents_certificate: false,
                alpn: Some(b"http/1.1"),
                idle_seconds: 60,
                rule: "an http rule",
                subject: ["from", "method", "user"],
            },
            Self::Sip => &Row {
                name: "sip",
                plain: ("sip", 5060),
                tls: ("sips", 5061),
                websocket: Some(["sipws", "sipwss"]),
                slashes: "",
                decided: Decided::Once,
                is_for_phones: true,
                asks_for_certificate: true,
                presents_certificate: true,
                alpn: None,
                idle_seconds: 7200,
                rule: "a sip rule",
                subject: ["from", "method", "user"],
            },
            Self::Ldap => &Row {
                name: "ldap",
                plain: ("ldap", 389),
                tls: ("ldaps", 636),
                websocket: None,
                slashes: "//",
                decided: Decided::Once,
                is_for_phones: false,
                asks_for_certificate: false,
                presents_certificate: false,
                alpn: None,
                idle_seconds: 900,
                rule: "an ldap rule",
                subject: ["host", "operation", "user"],
            },
            Self::H323 => &Row {
                name: "h323",
                plain: ("h323", 1720),
                tls: ("h323s", 1300),
                websocket: None,
                slashes: "",
                decided: Decided::Once,
                is_for_phones: true,
                asks_for_certificate: true,
                presents_certificate: true,
                alpn: None,
                idle_seconds: 7200,
                rule: "an h323 rule",
                subject: ["gatekeeper", "message", "alias"],
            },
        }
    }

    /// Every service with every transport, in the order of contract section 1, plain first.
    pub fn by_transport() -> impl Iterator<Item = (Self, Transport)> {
        Self::ALL.into_iter().flat_map(|service| Transport::ALL.map(|transport| (service, transport)))
    }

    /// The services for which a host has one rule.
    pub fn decided_once() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|service| service.decided() == Decided::Once)
    }

    /// The name in the configuration, in logs and in counters. It is the key of a rule, of an idle timeout, and of the
    /// table with the service's settings.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The URI scheme of the service over `transport`; also the key under `[listen]`.
    pub const fn scheme(self, transport: Transport) -> &'static str {
        match transport {
            Transport::Plain => self.row().plain.0,
            Transport::Tls => self.row().tls.0,
        }
    }

    /// The service and the transport that have the scheme `scheme`, in any case (RFC 3986 §3.1).
    pub fn of_scheme(scheme: &str) -> Option<(Self, Transport)> {
        Self::by_transport()
            .find(|(service, transport)| service.scheme(*transport).eq_ignore_ascii_case(scheme))
    }

    /// The name of a client's connection in log lines: the scheme, and over WebSocket a similar word (contract section
    /// 9).
    pub const fn logged_scheme(self, carrier: Carrier) -> &'static str {
        match (carrier, self.row().websocket) {
            (Carrier::Ws, Some([plain, _])) => plain,
            (Carrier::Wss, Some([_, tls])) => tls,
            _ => self.scheme(carrier.transport()),
        }
    }

    /// Whether this carrier can carry the service. Only SIP comes over WebSocket (contract section 9).
    pub const fn comes_by(self, carrier: Carrier) -> bool {
        matches!(carrier, Carrier::Tcp | Carrier::Tls) || self.row().websocket.is_some()
    }

    /// The service whose listener accepts this carrier. Everything over WebSocket comes through HTTP's listener.
    pub const fn listener(self, carrier: Carrier) -> Self {
        match carrier {
            Carrier::Tcp | Carrier::Tls => self,
            Carrier::Ws | Carrier::Wss => Self::Http,
        }
    }

    /// The text between the colon after the scheme and the name. URIs of `sip` and `h323` are not hierarchical (RFC
    /// 3261 §19.1, and the reference).
    pub const fn slashes(self) -> &'static str {
        self.row().slashes
    }

    /// The standard port of the service, outside and on a PBX.
    pub const fn standard_port(self, transport: Transport) -> u16 {
        match transport {
            Transport::Plain => self.row().plain.1,
            Transport::Tls => self.row().tls.1,
        }
    }

    /// How often the target of a connection is decided.
    pub const fn decided(self) -> Decided {
        self.row().decided
    }

    /// Whether telephones use it. `limits.reserved` keeps connections for them (contract section 7).
    pub const fn is_for_phones(self) -> bool {
        self.row().is_for_phones
    }

    /// Whether clients are asked for a certificate on the TLS port. Rules can check such certificates (contract
    /// sections 1 and 5). HTTP does not ask, because browsers would ask their users for one.
    pub const fn asks_for_certificate(self) -> bool {
        self.row().asks_for_certificate
    }

    /// Whether a target sees Portward's own certificate without `present_certificate` (contract section 4). On HTTPS
    /// and LDAPS a PBX would take the certificate for a login.
    pub const fn presents_certificate(self) -> bool {
        self.row().presents_certificate
    }

    /// The application protocol that the TLS handshake names (RFC 7301), if it names one.
    pub const fn alpn(self) -> Option<&'static [u8]> {
        self.row().alpn
    }

    /// The default idle timeout (`limits.idle_timeout`).
    pub const fn default_idle_timeout(self) -> Duration {
        Duration::from_secs(self.row().idle_seconds)
    }

    /// The name of a rule of the service in error messages.
    pub const fn rule(self) -> &'static str {
        self.row().rule
    }

    /// The names in JSON log lines of the host that is asked for, of the request's method, and of the user.
    pub const fn subject(self) -> [&'static str; 3] {
        self.row().subject
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contract section 1.
    #[test]
    fn the_table_of_services_is_that_of_the_contract() {
        let rows = Service::by_transport().map(|(s, t)| (s.scheme(t), s.standard_port(t)));
        let contract = [
            ("http", 80),
            ("https", 443),
            ("sip", 5060),
            ("sips", 5061),
            ("ldap", 389),
            ("ldaps", 636),
            ("h323", 1720),
            ("h323s", 1300),
        ];
        assert!(rows.eq(contract));
        for (service, transport) in Service::by_transport() {
            assert_eq!(Service::of_scheme(service.scheme(transport)), Some((service, transport)));
        }
        assert_eq!(Service::of_scheme("SIPS"), Some((Service::Sip, Transport::Tls)));
        assert_eq!(Service::of_scheme("sipws"), None, "nobody can type that into a rule or a URL");
        let asks: Vec<_> = Service::ALL.into_iter().filter(|s| s.asks_for_certificate()).collect();
        assert_eq!(asks, [Service::Sip, Service::H323]);
        assert!(Service::decided_once().eq([Service::Sip, Service::Ldap, Service::H323]));
    }

    /// Contract section 9: the carrier is `ws` or `wss`, the log says `sipws:` and `sipwss:`.
    #[test]
    fn sip_over_websocket_comes_through_the_listener_of_http() {
        let row = |carrier: Carrier| {
            let listener = Service::Sip.listener(carrier).scheme(carrier.transport());
            (carrier.name(), Service::Sip.logged_scheme(carrier), listener, carrier.is_tls())
        };
        assert_eq!(row(Carrier::Tcp), ("tcp", "sip", "sip", false));
        assert_eq!(row(Carrier::Tls), ("tls", "sips", "sips", true));
        assert_eq!(row(Carrier::Ws), ("ws", "sipws", "http", false));
        assert_eq!(row(Carrier::Wss), ("wss", "sipwss", "https", true));
        for (service, transport) in Service::by_transport() {
            assert_eq!(service.logged_scheme(transport.into()), service.scheme(transport));
        }
    }
}

//! The settings of a rule that ends WebSockets with SIP in them (contract section 9): which pages may open one, and
//! whether the PBX itself is reached by WebSocket.

use std::sync::Arc;
use std::time::Duration;

use super::{Endpoint, Ports};
use crate::service::{Service, Transport};

/// How long the first request of a WebSocket may take by default. It is long, because people look at a page before they
/// call.
pub const WEBSOCKET_WAIT: Duration = Duration::from_secs(600);

/// `websocket = "sip"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketRule {
    /// The pages that may open a WebSocket.
    pub origins: Origins,
    /// How long its first request may take.
    pub wait: Duration,
    /// The target of the rule speaks WebSocket, and every connection goes there. `None`: the host in From decides the
    /// target.
    pub onward: Option<Arc<Onward>>,
}

/// A PBX that is reached by WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Onward {
    /// The ports: `ws` is the plain port, `wss` the TLS port.
    pub ports: Ports,
    /// The path of the handshake.
    pub path: Box<str>,
}

/// The WebSocket target of a client.
#[derive(Debug, Clone, Copy)]
pub struct OnwardTo<'t> {
    /// Addresses, tried in order.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// Ports and path.
    pub onward: &'t Onward,
}

/// The pages that may open a WebSocket, by their Origin (RFC 6454 section 6.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Pages of the host that the WebSocket is opened to.
    Own,
    /// These origins.
    Listed {
        /// The serialised origins, in lower case.
        origins: Box<[Box<str>]>,
        /// Clients without an Origin may come.
        none: bool,
    },
}

impl Origins {
    /// Whether a client with this `origin` may connect to the Host `host` by `came_by`.
    pub fn admit(&self, origin: Option<&[u8]>, host: &[u8], came_by: Transport) -> bool {
        match (self, origin) {
            (Self::Listed { none, .. }, None) => *none,
            (Self::Own, None) => false,
            (Self::Listed { origins, .. }, Some(origin)) => {
                origins.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin))
            }
            (Self::Own, Some(origin)) => {
                let scheme = Service::Http.scheme(came_by);
                let rest =
                    origin.get(..scheme.len()).filter(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()));
                let rest = rest.and_then(|_| origin.get(scheme.len()..)?.strip_prefix(b"://"));
                let port = format!(":{}", Service::Http.standard_port(came_by));
                // A browser leaves the standard port out, of Origin and of Host.
                let bare =
                    |name: &[u8]| name.strip_suffix(port.as_bytes()).unwrap_or(name).to_ascii_lowercase();
                rest.is_some_and(|rest| bare(rest) == bare(host))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_1_an_origin_is_the_hosts_own_or_listed() {
        let own = |origin: &str, host: &str, came_by| {
            Origins::Own.admit(Some(origin.as_bytes()), host.as_bytes(), came_by)
        };
        for (origin, host) in [
            ("https://pbx.example", "pbx.example"),
            ("https://pbx.example", "PBX.example:443"),
            ("https://pbx.example:8443", "pbx.example:8443"),
            ("HTTPS://[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert!(own(origin, host, Transport::Tls), "{origin} {host}");
        }
        for origin in [
            "http://pbx.example",
            "https://pbx.example.evil",
            "https://evil.pbx.example",
            "https://pbx.example:8443",
            "https://pbx.example/",
            "https:pbx.example",
            "null",
            "",
        ] {
            assert!(!own(origin, "pbx.example", Transport::Tls), "{origin}");
        }
        assert!(own("http://pbx.example", "pbx.example", Transport::Plain));
        assert!(!Origins::Own.admit(None, b"pbx.example", Transport::Tls));
        let origins = Box::new([Box::from("https://www.customer.example")]);
        let mut listed = Origins::Listed { origins, none: false };
        let admit =
            |listed: &Origins, origin: &str| listed.admit(Some(origin.as_bytes()), b"pbx", Transport::Plain);
        assert!(admit(&listed, "https://www.customer.example"));
        assert!(!admit(&listed, "https://customer.example") && !admit(&listed, "https://pbx"));
        assert!(!listed.admit(None, b"pbx", Transport::Tls));
        if let Origins::Listed { none, .. } = &mut listed {
            *none = true;
        }
        assert!(listed.admit(None, b"pbx", Transport::Tls) && !admit(&listed, "null"));
    }
}

//! Portward's own entries in a SIP client's Route, and the host whose rule they name. No I/O.
//!
//! Two kinds of entries are ours. One kind has our token. Portward has put it into the client's route set, and it names
//! a host of the rules. The other kind has no token and names `sip.public_address`, or the host of the WebSocket
//! handshake. A phone with an outbound proxy puts it there by itself before there is a dialog. It decides nothing.

use std::net::Ipv6Addr;

use super::token::{Named, Tokens};
use crate::inspect::sip::{FieldKind, Kind, Message, Scheme, Uri, entries, host_port, name_addr, uri};

/// The address at which a client reaches Portward: `sip.public_address` for the client's transport.
#[derive(Debug, Clone, Copy)]
pub struct PublicAddress<'a> {
    host: &'a [u8],
    port: u16,
    /// The port of a URI without a port.
    usual: u16,
}

impl<'a> PublicAddress<'a> {
    /// Reads `host[:port]`. `None`: the text is not an address.
    pub fn new(address: &'a str, tls: bool) -> Option<Self> {
        let (host, port) = host_port(address.as_bytes())?;
        let usual = default_port(tls);
        Some(Self { host, port: port.unwrap_or(usual), usual })
    }

    /// The address to which a browser has opened a WebSocket: the Host of its handshake. A URI without a port names it
    /// as well, because libraries leave the port out.
    pub fn of_websocket(host: &'a [u8], tls: bool) -> Option<Self> {
        let (host, port) = host_port(host)?;
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Some(Self { host, port, usual: port })
    }

    /// Whether a URI names this address. Scheme, user and parameters do not matter.
    fn is_named_by(&self, uri: &Uri<'_>) -> bool {
        uri.scheme != Scheme::Other
            && uri.port.unwrap_or(self.usual) == self.port
            && is_same_host(uri.host, self.host)
    }
}

/// The default port (RFC 3261 §19.1.2) for the transport of the connection. A phone that connected by TLS means the TLS
/// port.
const fn default_port(tls: bool) -> u16 {
    if tls { 5061 } else { 5060 }
}

/// Whether two hosts of URIs are equal.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let plain = |host: &'_ [u8]| host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
    let address = |host: &[u8]| {
        let inside = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
        std::str::from_utf8(inside).ok()?.parse::<Ipv6Addr>().ok()
    };
    one.eq_ignore_ascii_case(other)
        || plain(one) == plain(other)
        || address(one).is_some_and(|one| address(other) == Some(one))
}

/// Recognises Portward's own entries.
#[derive(Debug, Clone, Copy)]
pub struct OwnRoutes<'a> {
    /// Makes and verifies the tokens.
    pub tokens: &'a Tokens,
    /// The address under which the client knows Portward, if one is configured.
    pub address: Option<PublicAddress<'a>>,
    /// The Host of the client's WebSocket handshake, if it came by WebSocket.
    pub front: Option<PublicAddress<'a>>,
}

impl OwnRoutes<'_> {
    /// The host, and maybe the target, that our own entry names. The entry is on top of the Route of a request. If the
    /// client routes strictly, it is the Request-URI.
    pub fn named(&self, head: &[u8], message: &Message) -> Option<Named> {
        let Kind::Request { uri: target, .. } = message.kind else { return None };
        let top: Vec<&[u8]> = message
            .fields_of(FieldKind::Route)
            .flat_map(|field| entries(field.value.of_input(head)))
            .take(2)
            .collect();
        self.top(&top).1.or_else(|| self.tokens.named(uri(target.of_input(head))?.user))
    }

    /// The host, and maybe the target, of a request in a dialog that leads through Portward. Such a request may come
    /// first on a connection. `None`: the request is no such request.
    pub fn dialog(&self, head: &[u8], request: &Message) -> Option<Named> {
        let may_come = request.method(head).is_some_and(|method| IN_DIALOG.contains(&method));
        (may_come && !request.to_tag.is_empty()).then(|| self.named(head, request)).flatten()
    }

    /// How many of the first entries of Route are ours, and what the token among them names. A phone may put its
    /// outbound proxy on top of the route set of a dialog, so two entries can be ours.
    pub(crate) fn top(&self, routes: &[&[u8]]) -> (usize, Option<Named>) {
        let read = |at: usize| uri(name_addr(routes.get(at)?)?.uri);
        let token = |at: usize| self.tokens.named(read(at)?.user);
        if let Some(named) = token(0) {
            return (1, Some(named));
        }
        let preloaded = |address: &PublicAddress<'_>| read(0).is_some_and(|uri| address.is_named_by(&uri));
        match [&self.address, &self.front].into_iter().flatten().any(preloaded) {
            true => token(1).map_or((1, None), |named| (2, Some(named))),
            false => (0, None),
        }
    }

    /// Whether a URI has one of our tokens.
    pub(crate) fn has_token(&self, uri_text: &[u8]) -> bool {
        uri(uri_text).is_some_and(|uri| self.tokens.named(uri.user).is_some())
    }
}

/// The methods of requests within a dialog (RFC 5057 §5.1, RFC 3261 §12.2). REGISTER and PUBLISH never belong to a
/// dialog, whatever tags they have.
const IN_DIALOG: [&[u8]; 12] = [
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"INFO",
    b"INVITE",
    b"MESSAGE",
    b"NOTIFY",
    b"OPTIONS",
    b"PRACK",
    b"REFER",
    b"SUBSCRIBE",
    b"UPDATE",
];

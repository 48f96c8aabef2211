//! Reads a question from a URL.

use std::fmt;

use crate::inspect::sip;
use crate::rules::name;
use crate::service::{Carrier, Service, Transport};

/// Why a text is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUrl {
    /// It is no URL of a known service, and no host.
    Unknown,
    /// It has a control character, which no client sends. With it the text would be two lines or another request.
    Control,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    transport: Transport,
    what: What,
}

/// The content of a question, by service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A page, or a WebSocket.
    Http(Page),
    /// The registration of the phone with this URI.
    Sip(String),
    /// A bind at a directory, by the host of its URL.
    Ldap(String),
    /// A registration at a gatekeeper, by the gatekeeper's identifier.
    H323(String),
}

/// An HTTP URL, divided into the parts of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// The Host value. Internationalised names are in ASCII form, as every client sends them.
    pub(super) host: String,
    pub(super) path: String,
    query: Option<String>,
    pub(super) websocket: bool,
}

impl Url {
    /// Reads `text`: a URL, or a host with or without a path. A host is read as browsers read it, with https.
    ///
    /// # Errors
    /// It is no URL of a known service.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.contains(|c: char| c.is_ascii_control()) {
            return Err(BadUrl::Control);
        }
        let cut = text.split_once(':').and_then(|(scheme, rest)| Some((came_by(scheme)?, rest)));
        let Some(((service, carrier), rest)) = cut else {
            return if is_bare(text) {
                Self::parse(&format!("https://{text}"))
            } else {
                Err(BadUrl::Unknown)
            };
        };
        let what = match service {
            Service::Http => What::Http(Page::read(rest, carrier)?),
            Service::Sip if sip::uri(text.as_bytes()).is_none() => return Err(BadUrl::Unknown),
            Service::Sip => What::Sip(text.to_owned()),
            Service::Ldap => What::Ldap(directory(rest)?.to_owned()),
            Service::H323 => What::H323(rest.to_owned()),
        };
        Ok(Self { text: text.to_owned(), transport: carrier.transport(), what })
    }

    /// The text as it was given, with the scheme added if it had none.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The service.
    pub fn service(&self) -> Service {
        match self.what {
            What::Http(_) => Service::Http,
            What::Sip(_) => Service::Sip,
            What::Ldap(_) => Service::Ldap,
            What::H323(_) => Service::H323,
        }
    }

    /// The transport of the client.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn what(&self) -> &What {
        &self.what
    }
}

/// The service and the carrier of a scheme. `ws` and `wss` (RFC 6455 §3) are HTTP requests.
fn came_by(scheme: &str) -> Option<(Service, Carrier)> {
    let websocket = [Carrier::Ws, Carrier::Wss].into_iter().find(|c| c.name().eq_ignore_ascii_case(scheme));
    let usual = || Service::of_scheme(scheme).map(|(service, transport)| (service, transport.into()));
    websocket.map(|carrier| (Service::Http, carrier)).or_else(usual)
}

/// Whether a text is a host, with an optional port and path.
fn is_bare(text: &str) -> bool {
    // `ftp://a` is a URL of an unknown service.
    let host = text.split(['/', '?', '#']).next().filter(|host| !host.ends_with(':')).unwrap_or_default();
    let name = if host.is_ascii() {
        name::split_host_port(host.as_bytes()).ok().and_then(|(host, _)| str::from_utf8(host).ok())
    } else {
        host.split(':').next()
    };
    let bare =
        name.map(|name| name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name));
    bare.is_some_and(|name| name::normalise(name).is_ok())
}

impl Page {
    /// Reads the text after the scheme.
    fn read(rest: &str, carrier: Carrier) -> Result<Self, BadUrl> {
        let rest = rest.strip_prefix("//").ok_or(BadUrl::Unknown)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let host = if host.is_ascii() { host.to_owned() } else { in_ascii(host) };
        let websocket = matches!(carrier, Carrier::Ws | Carrier::Wss);
        Ok(Self { host, path: path.to_owned(), query, websocket })
    }

    /// The request that a client would send.
    pub(super) fn request(&self) -> String {
        let Self { host, path, query, websocket } = self;
        let path = if path.is_empty() { "/" } else { path };
        let query = query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        let handshake = if *websocket { HANDSHAKE } else { "" };
        format!("GET {path}{query} HTTP/1.1\r\nHost: {host}\r\n{handshake}\r\n")
    }
}

/// The header fields of a WebSocket handshake (RFC 6455 §4.1).
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

fn in_ascii(host: &str) -> String {
    let (name, port) = host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, ""));
    name::normalise(name).map_or_else(|_| host.to_owned(), |ascii| format!("{ascii}{port}"))
}

/// The host of an ldap or ldaps URL, with an optional registration location.
fn directory(rest: &str) -> Result<&str, BadUrl> {
    let rest = rest.strip_prefix("//").ok_or(BadUrl::Unknown)?;
    Ok(rest.split_once(':').map_or(rest, |(host, _)| host).trim_end_matches('/'))
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => {
                "a URL is like https://hq.example.net/path, wss://hq.example.net/path, sips:user@example.net, \
                 ldap://example.net or h323:gatekeeper-id; a host alone is read as https://HOST"
            }
            Self::Control => "a URL has no control characters",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_23_websockets_and_bare_hosts_are_read() {
        for (text, read, transport, websocket) in [
            ("https://a.example/x", "https://a.example/x", Transport::Tls, false),
            ("ws://a.example/x", "ws://a.example/x", Transport::Plain, true),
            ("WSS://a.example", "WSS://a.example", Transport::Tls, true),
            ("a.example", "https://a.example", Transport::Tls, false),
            ("a.example/x?y", "https://a.example/x?y", Transport::Tls, false),
            ("a.example:8443/x", "https://a.example:8443/x", Transport::Tls, false),
            ("b\u{fc}cher.example/x", "https://b\u{fc}cher.example/x", Transport::Tls, false),
            ("192.0.2.1", "https://192.0.2.1", Transport::Tls, false),
            ("[2001:db8::1]:443/x", "https://[2001:db8::1]:443/x", Transport::Tls, false),
        ] {
            let url = Url::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
            assert_eq!((url.text(), url.transport()), (read, transport), "{text}");
            let What::Http(page) = url.what() else { panic!("{text}") };
            assert_eq!(page.websocket, websocket, "{text}");
            assert_eq!(page.request().contains("Upgrade: websocket"), websocket, "{text}");
        }
    }

    #[test]
    fn what_is_no_url() {
        for text in [
            "",
            "/x",
            "ftp://a/",
            "://a",
            "https:/a",
            "https:a",
            "ws:a",
            "ldap:x",
            "sip:",
            "a b/",
            "ckl@a.example",
            "tel:+49",
            "mailto:a@b",
            "a.example:http",
        ] {
            assert_eq!(Url::parse(text), Err(BadUrl::Unknown), "{text}");
        }
        assert_eq!(Url::parse("https://a\r\nb/"), Err(BadUrl::Control));
    }
}

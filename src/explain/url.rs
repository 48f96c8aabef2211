//! What is asked for, read from a URL.

use std::fmt;

use crate::inspect::sip;
use crate::rules::name;
use crate::service::{Service, Transport};

/// Why a text is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUrl {
    /// It is no URL of a service that there is.
    Unknown,
}

/// What a client would ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url<'u> {
    text: &'u str,
    transport: Transport,
    what: What<'u>,
}

/// What is asked of which service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What<'u> {
    /// A page.
    Http(Page<'u>),
    /// To be known as the phone with this URI.
    Sip(&'u str),
    /// A directory, by the host of its URL.
    Ldap(&'u str),
    /// A gatekeeper, by its identifier.
    H323(&'u str),
}

/// An http or https URL, cut into what a request would hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page<'u> {
    /// The Host value: internationalised names in their ASCII form, as every client sends them.
    pub(super) host: String,
    pub(super) path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Url<'u> {
    /// Reads `text`.
    ///
    /// # Errors
    /// It is none of a service that there is.
    pub fn parse(text: &'u str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(BadUrl::Unknown)?;
        let (service, transport) = Service::of_scheme(scheme).ok_or(BadUrl::Unknown)?;
        let what = match service {
            Service::Http => What::Http(Page::read(rest)?),
            Service::Sip => sip::uri(text.as_bytes()).map(|_| What::Sip(text)).ok_or(BadUrl::Unknown)?,
            Service::Ldap => What::Ldap(directory(rest)?),
            Service::H323 => What::H323(rest),
        };
        Ok(Self { text, transport, what })
    }

    /// As it was given.
    pub fn text(&self) -> &'u str {
        self.text
    }

    /// Whose it is.
    pub fn service(&self) -> Service {
        match self.what {
            What::Http(_) => Service::Http,
            What::Sip(_) => Service::Sip,
            What::Ldap(_) => Service::Ldap,
            What::H323(_) => Service::H323,
        }
    }

    /// How the client comes.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn what(&self) -> &What<'u> {
        &self.what
    }
}

impl<'u> Page<'u> {
    /// Reads what is behind the scheme.
    fn read(rest: &'u str) -> Result<Self, BadUrl> {
        let rest = rest.strip_prefix("//").ok_or(BadUrl::Unknown)?;
        // No client sends these: it would be two lines, or another request.
        if rest.contains(|c: char| c.is_ascii_control()) {
            return Err(BadUrl::Unknown);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let host = if host.is_ascii() { host.to_owned() } else { in_ascii(host) };
        Ok(Self { host, path, query })
    }

    /// The request that a client would send.
    pub(super) fn request(&self) -> String {
        let Self { host, path, query } = self;
        let path = if path.is_empty() { "/" } else { path };
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        format!("GET {path}{query} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    }
}

fn in_ascii(host: &str) -> String {
    let (name, port) = host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, ""));
    name::normalise(name).map_or_else(|_| host.to_owned(), |ascii| format!("{ascii}{port}"))
}

/// The host of an ldap or ldaps URL, with a registration location if it has one.
fn directory(rest: &str) -> Result<&str, BadUrl> {
    let rest = rest.strip_prefix("//").ok_or(BadUrl::Unknown)?;
    Ok(rest.split_once(':').map_or(rest, |(host, _)| host).trim_end_matches('/'))
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "a URL is like https://hq.example.net/path, sips:user@example.net, ldap://example.net or h323:gatekeeper-id",
            ),
        }
    }
}

//! The decision for an HTTP URL as facts. The decision itself is [`route`], as for every request.

use std::net::{IpAddr, Ipv4Addr};

use super::explanation::{BadUrl, Explanation, Rule, Verdict, addresses, place};
use crate::inspect::http::put_target;
use crate::reason::Reason;
use crate::route::http::{Ask, Connection, Forwarding, Routed, Rules, Then, route};
use crate::rules::decide::{Refusal, Scratch};
use crate::rules::path::request_path;
use crate::rules::{Host, HttpMatch, Source, Table, name, near};
use crate::service::{Service, Transport};

/// An http or https URL, cut into what a request would hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url<'u> {
    text: &'u str,
    transport: Transport,
    /// The Host value: internationalised names in their ASCII form, as every client sends them.
    host: String,
    path: &'u str,
    query: Option<&'u str>,
}

impl<'u> Url<'u> {
    /// Cuts `text`.
    ///
    /// # Errors
    /// If it is no URL, or one of a service other than HTTP.
    pub(super) fn parse(text: &'u str) -> Result<Self, BadUrl> {
        let scheme =
            text.split(':').next().filter(|scheme| scheme.len() < text.len()).ok_or(BadUrl::Unknown)?;
        let (service, transport) = Service::of_scheme(scheme).ok_or(BadUrl::Unknown)?;
        if service != Service::Http {
            return Err(BadUrl::Unknown);
        }
        let rest = text.get(scheme.len()..).and_then(|r| r.strip_prefix("://")).ok_or(BadUrl::Unknown)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (host, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let host = if host.is_ascii() { host.to_owned() } else { in_ascii(host) };
        Ok(Self { text, transport, host, path, query })
    }

    /// The request target that a client would send.
    fn target(&self) -> Vec<u8> {
        let path = if self.path.is_empty() { "/" } else { self.path };
        let asked = self.query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
        let mut target = Vec::new();
        put_target(&mut target, asked.as_bytes());
        target
    }

    /// What a client would ask. Who it is and what goes on to the target decide nothing.
    fn ask<'a>(&'a self, target: &'a [u8]) -> Ask<'a> {
        let peer = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ask {
            forwarding: Forwarding { peer, transport: self.transport, trusted: false },
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            target,
            connection: Connection::GoesOn,
        }
    }

    /// As it was given.
    pub(super) fn text(&self) -> &'u str {
        self.text
    }
}

fn in_ascii(host: &str) -> String {
    let (name, port) = host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, ""));
    name::normalise(name).map_or_else(|_| host.to_owned(), |ascii| format!("{ascii}{port}"))
}

impl Explanation {
    /// Asks for the decision. `https_port` is the port under which the world sees HTTPS.
    pub(super) fn of(table: &Table, url: &Url<'_>, https_port: u16, scratch: &mut Scratch) -> Self {
        let rules = Rules { table, https_port };
        let target = url.target();
        let Routed { host, rule, then } = route(&rules, &url.ask(&target), scratch);
        let place = |source: Source| place(table, source);
        let verdict = match then {
            Then::Forward { to, edits: _ } => {
                Verdict::Forward { addresses: addresses(to.endpoints, to.port), transport: to.transport }
            }
            Then::Redirect { location } => Verdict::Redirect { location },
            Then::Refuse(refused) => {
                let why = why(table, &refused.refusal, url, place);
                Verdict::Rejected { reason: refused.refusal.reason, why }
            }
        };
        Self {
            url: url.text.to_owned(),
            verdict,
            host: host.map(|host| (host.name().to_owned(), place(host.source()))),
            rule: rule.map(|rule| Rule::Path {
                path: rule.path.to_owned(),
                default: rule.default,
                preset: rule.preset.map(str::to_owned),
                at: place(rule.source),
            }),
            proof: None,
        }
    }
}

/// A sentence about a refusal, with what the rules have that is near.
fn why(table: &Table, refusal: &Refusal<'_>, url: &Url<'_>, place: impl Fn(Source) -> String) -> String {
    if let Some(cause) = refusal.cause {
        return cause.to_string();
    }
    let asked =
        name::split_host_port(url.host.as_bytes()).ok().map(|(host, _)| String::from_utf8_lossy(host));
    let asked = asked.and_then(|host| name::normalise(&host).ok()).unwrap_or_default();
    let called = refusal.host.map_or(&*asked, Host::name);
    match refusal.reason {
        Reason::UnknownHost => super::explanation::unknown_host(table, &asked),
        Reason::NoService => format!("{called} has no HTTP path"),
        Reason::Disabled => format!("{called} is disabled"),
        Reason::NoPath => refusal.host.map_or_else(String::new, |host| no_path(host, url.path, place)),
        reason => reason.to_string(),
    }
}

fn no_path(host: Host<'_>, asked: &str, place: impl Fn(Source) -> String) -> String {
    let mut buf = Vec::new();
    let near = request_path(asked.as_bytes(), &mut buf).ok().and_then(|path| near::path(host, &path));
    let near = near.map_or_else(String::new, |HttpMatch { path, preset, source, .. }| {
        let preset = preset.map_or_else(String::new, |preset| format!(" of preset {preset}"));
        let slash = if path.ends_with('/') && asked.starts_with(path) {
            ", after which no further slash may come"
        } else {
            ""
        };
        format!("; the nearest is {path}{preset} at {}{slash}", place(source))
    });
    format!("none of the {} HTTP paths of {} matches{near}", host.http_rules().count(), host.name())
}

#[cfg(test)]
mod tests;

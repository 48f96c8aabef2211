//! Where an HTTP request goes: the host and the rule that it asks for, and what happens to it. A connection asks this
//! for every request. `explain` asks it for the request that a client would send.
//!
//! The changes to a request on its way are decided here as well, as a value ([`Edits`]). They are applied where the
//! head is written (`relay::http`), and nowhere else. Some changes tell the target about the client. Others come from
//! the rule: a part of the path, fields toward the target, and fields of the answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::Refused;
use crate::field_names::FieldNames;
use crate::reason::Reason;
use crate::rules::decide::{self, HttpAction, HttpDecision, Refusal, Scratch};
use crate::rules::name::split_host_port;
use crate::rules::path::decoded;
use crate::rules::{
    Address, Captured, Endpoint, ExchangeRule, Host, HttpMatch, Login, Naming, Ports, Table, Tenant,
    WebSocketRule,
};
use crate::service::Transport;

mod by_rule;

pub use self::by_rule::RuleEdits;
pub(crate) use self::by_rule::{is_unreserved, put_escaped};

/// The settings by which a request is decided.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'t> {
    /// The rules.
    pub table: &'t Table,
    /// The port under which HTTPS is reached from outside.
    pub https_port: u16,
}

/// The facts of a request that decide about it, and those that a target is told.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The peer and the transport by which it came.
    pub forwarding: Forwarding,
    /// The Host as it came, with a port if there is one.
    pub host: &'a [u8],
    /// The path as it came, without the query.
    pub path: &'a [u8],
    /// Path and query in ASCII (see [`put_target`](crate::inspect::http::put_target)), or `*`.
    pub target: &'a [u8],
    /// What happens to the connection to the target.
    pub connection: Connection,
    /// The client's address, as far as it is believed.
    pub client: IpAddr,
    /// The client used TLS. If a trusted balancer speaks for the client, the balancer's word counts.
    pub is_secure: bool,
    /// The request is a GET or a HEAD without a body.
    pub only_reads: bool,
}

/// What the target is told about the client (contract section 3; RFC 7239).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// The peer of the connection.
    pub peer: IpAddr,
    /// The transport by which the request came.
    pub transport: Transport,
    /// The peer is in `forwarded_from`: its fields are extended, not replaced.
    pub trusted: bool,
}

/// What the Connection field tells the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: the connection stays open.
    GoesOn,
    /// The connection ends after this request. The target may leave its body unread.
    Ends,
    /// The connection becomes a WebSocket.
    WebSocket,
}

/// The changes to a request on its way to the target. Hop-by-hop fields, and fields by which a client claims to be a
/// proxy, never pass (see [`Kind`](crate::inspect::http::Kind)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits<'t> {
    /// Set: X-Forwarded-For, -Proto, -Host and Forwarded. The client's own values are removed, unless the peer is
    /// trusted.
    pub forwarding: Forwarding,
    /// Set: Connection and Upgrade.
    pub connection: Connection,
    /// Removed: the client's copies of all fields that any rule of the table sets, in any spelling. `None`: no rule
    /// sets a field.
    pub protected: Option<&'t Arc<FieldNames>>,
    /// Removed: Authorization, because it was for Portward.
    pub takes_login: bool,
    /// Further changes by the rule. `None`: nothing, as with almost every rule.
    pub by_rule: Option<Box<RuleEdits<'t>>>,
}

/// Where a request goes, with the host and the rule that decided it.
#[derive(Debug, Clone)]
pub struct Routed<'t> {
    /// The host that was asked for, if it is known.
    pub host: Option<Host<'t>>,
    /// The rule that matches, if one does.
    pub rule: Option<HttpMatch<'t>>,
    /// The login that the rule demands first. `None`: it demands none.
    pub login: Option<Demand<'t>>,
    /// What happens to the request.
    pub then: Then<'t>,
}

/// A login that a rule demands before anything else happens to a request. Before the login nothing tells the client
/// whether the tenant is known or enabled.
#[derive(Debug, Clone)]
pub struct Demand<'t> {
    /// The users who may log in.
    pub login: &'t Login,
    /// The tenant that the path names. `None`: the tenant does not exist, so every login is wrong.
    pub tenant: Option<Tenant<'t>>,
    /// The realm of the challenge (RFC 9110 section 11.5). It is the host's name, so it tells nothing about tenants.
    pub realm: &'t str,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Then<'t> {
    /// It is forwarded.
    Forward {
        /// The target.
        to: To<'t>,
        /// The changes on the way.
        edits: Edits<'t>,
    },
    /// It is answered with a 308 to the same URL by HTTPS.
    Redirect {
        /// The URL, as it is seen from outside.
        location: String,
    },
    /// It may open a WebSocket that Portward itself ends.
    WebSocket {
        /// The host of the rule.
        host: Host<'t>,
        /// The rule's path in compared form.
        path: &'t str,
        /// The rule.
        rule: &'t WebSocketRule,
    },
    /// It may exchange a tenant's credential for a credential of Portward's own.
    Exchange(Exchange<'t>),
    /// It is refused.
    Refuse(Refused<'t>),
}

/// An exchange of credentials. Nothing is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'t> {
    /// The host that was asked for.
    pub host: Host<'t>,
    /// The rule.
    pub rule: &'t ExchangeRule,
    /// The tenant of the credentials: the tenant that the path names, or the host's. `Err`: why there is none. Only a
    /// client that may use the exchange is told the reason.
    pub tenant: Result<Tenant<'t>, Reason>,
}

/// A target.
#[derive(Debug, Clone)]
pub struct To<'t> {
    /// The host of the rule. `None`: this is the target of ACME challenges.
    pub host: Option<Host<'t>>,
    /// Addresses, tried in order.
    pub endpoints: &'t [Endpoint],
    /// The ports at which the same target is reached.
    pub ports: Ports,
    /// Plain or TLS (contract section 5).
    pub transport: Transport,
    /// The port for it.
    pub port: NonZeroU16,
    /// The host's name in the rules. For a wildcard it is the name that was asked for.
    pub name: Cow<'t, str>,
}

/// Decides about a request.
pub fn route<'t>(rules: &Rules<'t>, ask: &Ask<'_>, scratch: &mut Scratch) -> Routed<'t> {
    match decide::http(rules.table, ask.forwarding.transport, ask.host, ask.path, scratch) {
        Err(refusal) => {
            Routed { host: refusal.host, rule: None, login: None, then: Then::Refuse(refusal.into()) }
        }
        Ok(HttpDecision { host, rule, action }) => {
            let (login, then) = match demand(host, &rule, ask) {
                Ok(login) => (login, then(rules, ask, (host, rule, action))),
                Err(InTheClear) if ask.only_reads => {
                    (None, Then::Redirect { location: https_url(rules, ask) })
                }
                // This is the client's mistake, not an attack.
                Err(InTheClear) => (None, Then::Refuse(refusal(Reason::NotTls, host).uncounted())),
            };
            Routed { host: Some(host), rule: Some(rule), login, then }
        }
    }
}

/// What happens to a request with this rule, after the user has logged in where the rule demands it.
fn then<'t>(
    rules: &Rules<'t>,
    ask: &Ask<'_>,
    (host, rule, action): (Host<'t>, HttpMatch<'t>, HttpAction),
) -> Then<'t> {
    let HttpAction::Forward { transport, port } = action else {
        return Then::Redirect { location: https_url(rules, ask) };
    };
    if let Some(exchange) = rule.exchange() {
        let captured = rule.captured.map_or_else(|| host.tenant(), |captured| captured.tenant);
        let tenant = rule.require_tenant().and_then(|()| captured.ok_or(Reason::UnknownTenant));
        return Then::Exchange(Exchange { host, rule: exchange, tenant });
    }
    if let Err(reason) = rule.require_tenant() {
        return Then::Refuse(refusal(reason, host));
    }
    if let Some(websocket) = rule.websocket() {
        return Then::WebSocket { host, path: rule.path, rule: websocket };
    }
    let HttpMatch { endpoints, ports, .. } = rule;
    // A PBX may serve its pages and its WebSockets on one port. Portward does not look into such a WebSocket. So SIP
    // could pass in it without a credential.
    if ask.connection == Connection::WebSocket && rules.table.demands_at(endpoints, port) {
        return Then::Refuse(refusal(Reason::NoPath, host).uncounted());
    }
    let name = host.name();
    let name = if name.starts_with('*') { asked_name(ask.host).into() } else { name.into() };
    let to = To { host: Some(host), endpoints, ports, transport, port, name };
    let takes_login = rule.treatment.is_some_and(|treatment| treatment.takes_login());
    let by_rule = by_rule(host, &rule, ask);
    Then::Forward { to, edits: Edits { takes_login, by_rule, ..ask.edits(rules.table) } }
}

/// The client would send the login unencrypted.
struct InTheClear;

/// The login that the rule demands first.
///
/// # Errors
/// The client would send it unencrypted.
fn demand<'t>(host: Host<'t>, rule: &HttpMatch<'t>, ask: &Ask<'_>) -> Result<Option<Demand<'t>>, InTheClear> {
    let Some(treatment) = rule.treatment else { return Ok(None) };
    let Some(login) = &treatment.login else { return Ok(None) };
    if !ask.is_secure && !treatment.login_plain {
        return Err(InTheClear);
    }
    let tenant = rule.captured.and_then(|captured| captured.tenant);
    Ok(Some(Demand { login, tenant, realm: host.name().trim_start_matches("*.") }))
}

fn refusal<'t>(reason: Reason, host: Host<'t>) -> Refused<'t> {
    Refusal { reason, host: Some(host), cause: None }.into()
}

/// The changes by the rule to the request.
fn by_rule<'t>(host: Host<'t>, rule: &HttpMatch<'t>, ask: &Ask<'_>) -> Option<Box<RuleEdits<'t>>> {
    let treatment = rule.treatment?;
    let path = ask.target.split(|octet| *octet == b'?').next().unwrap_or_default();
    let of_path = |segment: usize| {
        let text = path.split(|octet| *octet == b'/').nth(segment + 1).unwrap_or_default();
        (String::from_utf8_lossy(text), String::from_utf8_lossy(&decoded(text)).into_owned())
    };
    let of = |tenant: Tenant<'t>| (Cow::Borrowed(tenant.id()), tenant.name().map(Cow::Borrowed));
    let (tenant, tenant_name) = match rule.captured {
        Some(Captured { tenant: Some(tenant), .. }) => of(tenant),
        Some(Captured { naming: Naming::Id, segment, .. }) => (of_path(segment).1.into(), None),
        Some(Captured { naming: Naming::Name, segment, .. }) => {
            let (spelt, name) = of_path(segment);
            (spelt.into_owned().into(), Some(name.into()))
        }
        None => host.tenant().map_or((Cow::Borrowed(""), None), of),
    };
    let stripped = if treatment.strip { len_of(path, rule.segments) } else { 0 };
    Some(Box::new(RuleEdits { treatment, tenant, tenant_name, stripped, client: ask.client }))
}

/// The length in octets of the first segments of a path, each with the slash before it.
fn len_of(path: &[u8], segments: usize) -> usize {
    memchr::memchr_iter(b'/', path).nth(segments).unwrap_or(path.len())
}

impl Ask<'_> {
    /// The changes to the request, whatever its target is.
    pub fn edits<'t>(&self, table: &'t Table) -> Edits<'t> {
        let Self { forwarding, connection, .. } = *self;
        Edits { forwarding, connection, protected: table.protected(), takes_login: false, by_rule: None }
    }
}

impl<'t> To<'t> {
    /// The target of an ACME challenge: the ACME client. `asked` is the Host of the request.
    pub fn acme(endpoints: &'t [Endpoint], port: NonZeroU16, asked: &[u8]) -> Self {
        let ports = Ports { tcp: Some(port), tls: None };
        let name = asked_name(asked).into();
        Self { host: None, endpoints, ports, transport: Transport::Plain, port, name }
    }
}

impl To<'_> {
    /// The Host by which the target knows itself: the name or the IP address of one of its endpoints, and the port
    /// unless it is the standard port (RFC 9110 section 7.2). Empty: there is no such endpoint.
    pub fn authority(&self, endpoint: usize) -> String {
        let name = match self.endpoints.get(endpoint).map(|endpoint| &endpoint.address) {
            Some(Address::Name(name)) => name.to_string(),
            Some(Address::Ip(IpAddr::V6(v6))) => format!("[{v6}]"),
            Some(Address::Ip(v4)) => v4.to_string(),
            None => return String::new(),
        };
        let standard = match self.transport {
            Transport::Plain => 80,
            Transport::Tls => 443,
        };
        if self.port.get() == standard { name } else { format!("{name}:{}", self.port) }
    }
}

/// The name in a Host, without its port and in lower case.
fn asked_name(host: &[u8]) -> String {
    let bare = split_host_port(host).map_or(host, |(bare, _)| bare);
    let bare = bare.strip_suffix(b".").unwrap_or(bare);
    String::from_utf8_lossy(bare).to_ascii_lowercase()
}

/// The URL of the same request by HTTPS, as it is seen from outside.
fn https_url(rules: &Rules<'_>, ask: &Ask<'_>) -> String {
    let host = String::from_utf8_lossy(ask.host);
    let name = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => host.get(..at).unwrap_or(&host),
        _ => &host,
    };
    // `*` is OPTIONS without a path (RFC 9112 §3.2.4). After a host's name it would become part of the name.
    let target = match String::from_utf8_lossy(ask.target) {
        target if target == "*" => "".into(),
        target => target,
    };
    match rules.https_port {
        443 => format!("https://{name}{target}"),
        port => format!("https://{name}:{port}{target}"),
    }
}

#[cfg(test)]
mod tests;

//! Where an HTTP request goes: the host and the rule that it asks for, and what then. A connection asks once a request,
//! `explain` asks for what a client would ask.
//!
//! What is changed of a request on its way is decided here as well, as a value ([`Edits`]). It is applied where the head is
//! written (`relay::http`), and nowhere else. What a rule changes (a part of the path, fields toward the target, fields of
//! the answer) belongs to it, beside what Portward says of the client.

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

/// What a request is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'t> {
    /// The rules.
    pub table: &'t Table,
    /// The port under which the world sees HTTPS.
    pub https_port: u16,
}

/// What decides about a request, and what is to be said of it to a target.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// How it came, and from where.
    pub forwarding: Forwarding,
    /// Host as it came, with a port if there is one.
    pub host: &'a [u8],
    /// The path as it came, without the query.
    pub path: &'a [u8],
    /// Path and query in ASCII (see [`put_target`](crate::inspect::http::put_target)), or `*`.
    pub target: &'a [u8],
    /// What becomes of the connection to the target.
    pub connection: Connection,
    /// Who asks, as far as it is believed.
    pub client: IpAddr,
    /// It came to the outside by TLS, as far as that is believed: where a balancer speaks for the client, the balancer says so.
    pub is_secure: bool,
    /// It is a GET or a HEAD without a body.
    pub only_reads: bool,
}

/// What the target is told about the client (contract section 3; RFC 7239).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// The peer of the connection: where the request came from, one hop away.
    pub peer: IpAddr,
    /// How it came.
    pub transport: Transport,
    /// The peer is in `forwarded_from`: what it says is added to, not replaced.
    pub trusted: bool,
}

/// What the target is told about its connection, in the Connection field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: it goes on.
    GoesOn,
    /// It ends after this request, whose body the target may leave unread.
    Ends,
    /// It is to become a WebSocket.
    WebSocket,
}

/// What is changed of a request on its way to the target. Fields that end at every proxy, and fields by which a client
/// claims to be a proxy, never pass (see [`Kind`](crate::inspect::http::Kind)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edits<'t> {
    /// Set: X-Forwarded-For, -Proto, -Host and Forwarded. What the client said in them is taken out, unless it is trusted.
    pub forwarding: Forwarding,
    /// Set: Connection and Upgrade.
    pub connection: Connection,
    /// Taken out: what the client sends of the fields that any rule of the table sets, in any spelling. `None`: no rule sets
    /// any.
    pub protected: Option<&'t Arc<FieldNames>>,
    /// Taken out: Authorization, because it was for Portward.
    pub takes_login: bool,
    /// What the rule changes beyond that; `None`: nothing, as with almost every rule.
    pub by_rule: Option<Box<RuleEdits<'t>>>,
}

/// Where a request goes, by which host and which rule.
#[derive(Debug, Clone)]
pub struct Routed<'t> {
    /// The host that was asked for, if it is known.
    pub host: Option<Host<'t>>,
    /// The rule that matches, if one does.
    pub rule: Option<HttpMatch<'t>>,
    /// The login that comes before it; `None`: there is none.
    pub login: Option<Demand<'t>>,
    /// What is to be done.
    pub then: Then<'t>,
}

/// A login that a rule demands before anything else becomes of a request. Until then nothing tells whether the tenant is
/// known, or enabled.
#[derive(Debug, Clone)]
pub struct Demand<'t> {
    /// Whose users may log in.
    pub login: &'t Login,
    /// The tenant that the path names; `None`: there is none, so every login is wrong.
    pub tenant: Option<Tenant<'t>>,
    /// What the user is asked by (RFC 9110 section 11.5): the host's name, so that it says nothing of tenants.
    pub realm: &'t str,
}

/// What is to be done with a request.
#[derive(Debug, Clone)]
pub enum Then<'t> {
    /// It goes there.
    Forward {
        /// Where to.
        to: To<'t>,
        /// What is changed on the way.
        edits: Edits<'t>,
    },
    /// It is answered with a 308 to the same URL by HTTPS.
    Redirect {
        /// The URL, as the world sees it.
        location: String,
    },
    /// It may open a WebSocket that ends here.
    WebSocket {
        /// The host whose rule it is of.
        host: Host<'t>,
        /// The rule's path in compared form.
        path: &'t str,
        /// The rule.
        rule: &'t WebSocketRule,
    },
    /// It may exchange a tenant's credential for one of Portward's own.
    Exchange(Exchange<'t>),
    /// It goes nowhere.
    Refuse(Refused<'t>),
}

/// Where credentials are exchanged. Nothing is forwarded.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'t> {
    /// The host that was asked for.
    pub host: Host<'t>,
    /// The rule.
    pub rule: &'t ExchangeRule,
    /// Whose credentials they are: the tenant that the path names, or the host's. Or why there is none. Only clients that may
    /// come here are told.
    pub tenant: Result<Tenant<'t>, Reason>,
}

/// A target.
#[derive(Debug, Clone)]
pub struct To<'t> {
    /// The host whose rule it is of; `None`: it is the one of ACME challenges.
    pub host: Option<Host<'t>>,
    /// Addresses, tried in order.
    pub endpoints: &'t [Endpoint],
    /// The ports at which the target is the same one.
    pub ports: Ports,
    /// Plain or TLS (contract section 5).
    pub transport: Transport,
    /// The port for it.
    pub port: NonZeroU16,
    /// The host's name: that of the rules, or what was asked for, where a wildcard does not say it.
    pub name: Cow<'t, str>,
}

/// Decides about a request.
pub fn route<'t>(rules: &Rules<'t>, ask: &Ask<'_>, scratch: &mut Scratch) -> Routed<'t> {
    match decide::http(rules.table, ask.forwarding.transport, ask.host, ask.path, scratch) {
        Err(refusal) => {
            Routed { host: refusal.host, rule: None, login: None, then: Then::Refuse(refusal.into()) }
        }
        Ok(HttpDecision { host, rule, outcome }) => {
            let (login, then) = match demand(host, &rule, ask) {
                Ok(login) => (login, then(rules, ask, (host, rule, outcome))),
                Err(InTheClear) if ask.only_reads => {
                    (None, Then::Redirect { location: https_url(rules, ask) })
                }
                // It is the client's mistake, and no attack.
                Err(InTheClear) => (None, Then::Refuse(refusal(Reason::NotTls, host).uncounted())),
            };
            Routed { host: Some(host), rule: Some(rule), login, then }
        }
    }
}

/// What is to be done with a request that the rule is for, once its user has logged in where the rule demands it.
fn then<'t>(
    rules: &Rules<'t>,
    ask: &Ask<'_>,
    (host, rule, outcome): (Host<'t>, HttpMatch<'t>, HttpAction),
) -> Then<'t> {
    let HttpAction::Forward { transport, port } = outcome else {
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
    // A PBX may have one port for its pages and its WebSockets. In a WebSocket that nothing looks into, SIP would pass without a
    // credential.
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

/// A login would come in the clear.
struct InTheClear;

/// The login that comes first, where the rule demands one.
///
/// # Errors
/// It would come in the clear.
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

/// What the rule changes of the request.
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

/// How many octets the first so many segments of a path have, each with the slash before it.
fn len_of(path: &[u8], segments: usize) -> usize {
    memchr::memchr_iter(b'/', path).nth(segments).unwrap_or(path.len())
}

impl Ask<'_> {
    /// What is changed of the request, wherever it goes.
    pub fn edits<'t>(&self, table: &'t Table) -> Edits<'t> {
        let Self { forwarding, connection, .. } = *self;
        Edits { forwarding, connection, protected: table.protected(), takes_login: false, by_rule: None }
    }
}

impl<'t> To<'t> {
    /// An ACME client, for a challenge on the host that `asked` names.
    pub fn acme(endpoints: &'t [Endpoint], port: NonZeroU16, asked: &[u8]) -> Self {
        let ports = Ports { tcp: Some(port), tls: None };
        let name = asked_name(asked).into();
        Self { host: None, endpoints, ports, transport: Transport::Plain, port, name }
    }
}

impl To<'_> {
    /// The Host by which the target knows itself: the name or the IP address of one of its endpoints, with the port where that is
    /// not the standard one (RFC 9110 section 7.2). Empty: there is no such endpoint.
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

/// The URL of the same request by HTTPS, as the world sees it.
fn https_url(rules: &Rules<'_>, ask: &Ask<'_>) -> String {
    let host = String::from_utf8_lossy(ask.host);
    let name = match host.rfind(':') {
        Some(at) if !host.ends_with(']') => host.get(..at).unwrap_or(&host),
        _ => &host,
    };
    // `*` is OPTIONS without a path (RFC 9112 §3.2.4): behind a name it would be part of it.
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

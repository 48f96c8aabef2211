//! The decision: host, rule and way out. The daemon and `explain` both ask here.
//!
//! [`http()`] decides about one HTTP request. It reads the Host and the path as they came, and nothing else of the
//! request. [`signalling()`] decides about a connection of the other services. Both allocate nothing once [`Scratch`]
//! has grown to the length of the paths.

mod signalling;

use std::fmt;
use std::num::NonZeroU16;

use super::name::{BadName, NameBuf, from_wire, split_host_port};
use super::path::{Unsafe, request_path};
use super::{Host, HttpMatch, Table, Tenant, ports};
use crate::reason::Reason;
use crate::service::Transport;

pub use signalling::{Route, Rule, host_named, rule_of, signalling};

/// Room for names and paths in their compared form. It is reused.
#[derive(Debug, Default)]
pub struct Scratch {
    name: NameBuf,
    path: Vec<u8>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub struct HttpDecision<'t> {
    /// The host that was asked for.
    pub host: Host<'t>,
    /// The rule that matches.
    pub rule: HttpMatch<'t>,
    /// What happens to the request.
    pub action: HttpAction,
}

/// What happens to a request that has a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpAction {
    /// Send it to the rule's target.
    Forward {
        /// Plain or TLS (contract section 5).
        transport: Transport,
        /// The target's port for it.
        port: NonZeroU16,
    },
    /// Answer it with a 308 to the same URL by HTTPS.
    RedirectHttps,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'t> {
    /// The reason, for logs and counters.
    pub reason: Reason,
    /// The host, if it is known. With [`Reason::NoPath`] and a host the client gets a 404.
    pub host: Option<Host<'t>>,
    /// What is wrong with the Host or the path, if that is the reason.
    pub cause: Option<Cause>,
}

impl Refusal<'_> {
    /// Whether a tenant is disabled: the host's, or one that the path names. Then the clients are told so (contract
    /// section 9).
    pub fn is_of_disabled_tenant(&self) -> bool {
        let of_tenant = |host: Host<'_>| host.own_enabled() || !host.tenant().is_none_or(Tenant::is_alive);
        self.reason == Reason::Disabled && self.host.is_some_and(of_tenant)
    }
}

/// The fault in the client's Host or path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A fault of the Host.
    Name(BadName),
    /// A fault of the path.
    Path(Unsafe),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Path(path) => path.fmt(f),
        }
    }
}

/// The host that a request names, if it is enabled. `host` is the raw Host value.
///
/// # Errors
/// As [`http`], up to [`Reason::Disabled`].
pub fn http_host<'t>(table: &'t Table, host: &[u8], scratch: &mut Scratch) -> Result<Host<'t>, Refusal<'t>> {
    let name = split_host_port(host).and_then(|(name, _port)| from_wire(name, &mut scratch.name));
    let name = name.map_err(|bad| Refusal {
        reason: if bad == BadName::Empty { Reason::NoName } else { Reason::Malformed },
        host: None,
        cause: Some(Cause::Name(bad)),
    })?;
    let unknown = Refusal { reason: Reason::UnknownHost, host: None, cause: None };
    let host = table.host(name).ok_or(unknown)?;
    host.require_enabled().map_err(|reason| Refusal { reason, host: Some(host), cause: None })?;
    Ok(host)
}

/// Decides about a request that came by `came_by`. `host` is the raw Host value, with its port if it has one. `path` is
/// the raw path of the request target, without its query.
///
/// # Errors
/// An empty Host is [`Reason::NoName`], an invalid one [`Reason::Malformed`]. Other errors are those of [`Host::http`].
pub fn http<'t>(
    table: &'t Table,
    came_by: Transport,
    host: &[u8],
    path: &[u8],
    scratch: &mut Scratch,
) -> Result<HttpDecision<'t>, Refusal<'t>> {
    let host = http_host(table, host, scratch)?;
    let refused = |reason| Refusal { reason, host: Some(host), cause: None };
    let unsafe_path = |cause| Refusal { cause: Some(Cause::Path(cause)), ..refused(Reason::UnsafePath) };
    if !host.serves_http() {
        return Err(refused(Reason::NoService));
    }
    let path = request_path(path, &mut scratch.path).map_err(unsafe_path)?;
    let rule = host.http(&path).map_err(|reason| match reason {
        Reason::UnsafePath if path.encoded_slash() => unsafe_path(Unsafe::EncodedSlash),
        Reason::UnsafePath => unsafe_path(Unsafe::OtherRule),
        reason => refused(reason),
    })?;
    // If a login is demanded, nothing is said about tenants before the login. In an exchange of credentials the Origin
    // is checked first.
    if !rule.demands_login() && rule.exchange().is_none() {
        rule.require_tenant().map_err(refused)?;
    }
    if rule.redirect_https && came_by == Transport::Plain {
        return Ok(HttpDecision { host, rule, action: HttpAction::RedirectHttps });
    }
    let (transport, port) = ports::choose(came_by, rule.ports).ok_or(refused(Reason::NoService))?;
    Ok(HttpDecision { host, rule, action: HttpAction::Forward { transport, port } })
}

//! The decision for the services that are decided once a connection: SIP, LDAP and H.323.
//!
//! All of them ask for a host by name. The inspectors find that name in the messages.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use super::super::name::{BadName, NameBuf, from_wire};
use super::super::{
    CheckedPorts, Endpoint, Host, Numbers, OnFailedCheck, Onward, OnwardTo, ServiceRule, Source, Table, ports,
};
use super::{Cause, Refusal};
use crate::reason::Reason;
use crate::service::{Service, Transport};

/// The target of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Route<'t> {
    /// The host that was asked for.
    pub host: Host<'t>,
    /// The service that was asked for.
    pub service: Service,
    /// Addresses, tried in order.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// Plain or TLS (contract section 5).
    pub transport: Transport,
    /// The target's port for it.
    pub port: NonZeroU16,
    /// TLS is used because the client's certificate proves the names. The rule has Check Certificate.
    pub proven: bool,
    /// The rule has Check Certificate.
    pub checked: bool,
    /// SIP: Via and Contact are rewritten if a TLS client goes out by plain TCP (contract section 3).
    pub rewrite_transport: bool,
    /// SIP: the longest message toward an address without a limit of its own, in octets. `None`: the rule has no limit.
    pub max_message: Option<u32>,
    /// SIP: the path of the handshake, if the PBX is reached by WebSocket.
    pub websocket: Option<&'t str>,
    /// Where the rule stands in the files.
    pub source: Source,
}

/// The contents of a rule, without its place in the files. To a connection two rules are the same if these are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Addresses, tried in order.
    pub endpoints: Arc<[Endpoint]>,
    /// The ports.
    pub ports: CheckedPorts,
    rewrite_transport: bool,
    websocket: Option<Arc<Onward>>,
}

/// Decides about a connection that came by `came_by` and asks for `name`. The name is as it came on the wire: without a
/// port, with a registration location if it has one. `prove` says whether the client's certificate proves the claimed
/// names. It is called only if that decides.
///
/// # Errors
/// An empty name is [`Reason::NoName`], an invalid name [`Reason::Malformed`]. Further errors are
/// [`Reason::UnknownHost`], [`Reason::Disabled`], [`Reason::NoService`], and [`Reason::Certificate`] if the certificate
/// proves nothing and the rule refuses such clients.
pub fn signalling<'t>(
    table: &'t Table,
    service: Service,
    came_by: Transport,
    name: &[u8],
    prove: impl FnOnce(Numbers) -> bool,
) -> Result<Route<'t>, Refusal<'t>> {
    let host = host_named(table, name)?;
    let refused = |reason| Refusal { reason, host: Some(host), cause: None };
    host.require_enabled().map_err(refused)?;
    let rule = host.rule(service).ok_or(refused(Reason::NoService))?;
    let (transport, port, proven) = way_out(rule.ports, came_by, prove).map_err(refused)?;
    Ok(Route {
        host,
        service,
        endpoints: &rule.endpoints,
        transport,
        port,
        proven,
        checked: matches!(rule.ports, CheckedPorts::Checked { .. }),
        rewrite_transport: rule.rewrite_transport,
        max_message: rule.max_message.map(NonZeroU32::get),
        websocket: None,
        source: rule.source,
    })
}

/// The host of a name as it came on the wire.
///
/// # Errors
/// As [`signalling`], up to [`Reason::UnknownHost`].
pub fn host_named<'t>(table: &'t Table, name: &[u8]) -> Result<Host<'t>, Refusal<'t>> {
    let mut normal = NameBuf::default();
    let name = from_wire(name, &mut normal).map_err(|bad| Refusal {
        reason: if bad == BadName::Empty { Reason::NoName } else { Reason::Malformed },
        host: None,
        cause: Some(Cause::Name(bad)),
    })?;
    table.host(name).ok_or(Refusal { reason: Reason::UnknownHost, host: None, cause: None })
}

/// The contents of the rule of `host` for `service`, if there is one.
pub fn rule_of(host: Host<'_>, service: Service) -> Option<Rule> {
    let ServiceRule { endpoints, ports, rewrite_transport, websocket, .. } = host.rule(service)?;
    Some(Rule {
        endpoints: Arc::clone(endpoints),
        ports: *ports,
        rewrite_transport: *rewrite_transport,
        websocket: websocket.clone(),
    })
}

impl<'t> Route<'t> {
    /// The route of a client that came by WebSocket. It goes on by WebSocket if a port for that is defined, either in
    /// `through`, the rule that ended the WebSocket, or in the host's own rule (contract section 9).
    ///
    /// # Errors
    /// [`Reason::NoService`]: there is no such port.
    pub fn of_websocket(self, came_by: Transport, through: Option<OnwardTo<'t>>) -> Result<Self, Reason> {
        let own = || {
            let ServiceRule { endpoints, websocket, .. } = self.host.rule(self.service)?;
            Some(OnwardTo { endpoints, onward: websocket.as_deref()? })
        };
        let Some(OnwardTo { endpoints, onward }) = through.or_else(own) else { return Ok(self) };
        let (transport, port) = ports::choose(came_by, onward.ports).ok_or(Reason::NoService)?;
        let websocket = Some(&*onward.path);
        Ok(Self { endpoints, transport, port, websocket, proven: false, checked: false, ..self })
    }
}

/// The transport, its port, and whether a certificate has proven the client. With the certificate check only a proven
/// client that came by TLS goes on by TLS (contract section 5).
fn way_out(
    ports: CheckedPorts,
    came_by: Transport,
    prove: impl FnOnce(Numbers) -> bool,
) -> Result<(Transport, NonZeroU16, bool), Reason> {
    match ports {
        CheckedPorts::Unchecked(ports) => {
            let (transport, port) = ports::choose(came_by, ports).ok_or(Reason::NoService)?;
            Ok((transport, port, false))
        }
        CheckedPorts::Checked { tls, numbers, .. } if came_by.is_tls() && prove(numbers) => {
            Ok((Transport::Tls, tls, true))
        }
        CheckedPorts::Checked { on_failed: OnFailedCheck::Reject, .. } => Err(Reason::Certificate),
        CheckedPorts::Checked { on_failed: OnFailedCheck::Plain, tcp, .. } => {
            Ok((Transport::Plain, tcp, false))
        }
    }
}

//! The decision for the services that are decided once a connection: SIP, LDAP and H.323.
//!
//! All of them ask for a host by name; what the name is taken from is the inspectors' business.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::super::name::{BadName, NameBuf, from_wire};
use super::super::{CheckedTarget, Endpoint, Host, Numbers, OnFailedCheck, Source, Table, Target, ports};
use super::{Cause, Refusal};
use crate::reason::Reason;
use crate::service::{Service, Transport};

/// Where a connection goes.
#[derive(Debug, Clone, Copy)]
pub struct Route<'t> {
    /// The host that was asked for.
    pub host: Host<'t>,
    /// The service that was asked for.
    pub service: Service,
    /// Addresses, tried in order.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// Plain or TLS (SPEC section 5).
    pub transport: Transport,
    /// The target's port for it.
    pub port: NonZeroU16,
    /// It goes by TLS because the client's certificate proves who it is; the rule has Check Certificate.
    pub proven: bool,
    /// SIP: Via and Contact are rewritten if a TLS client goes out by plain TCP (SPEC section 3).
    pub rewrite_transport: bool,
    /// SIP: the longest message toward an address that does not say itself, if the rule says it, in octets.
    pub max_message: Option<u32>,
    /// Where the rule stands.
    pub source: Source,
}

/// What a rule says, without the place where it stands: two rules are the same to a connection if this is equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Of SIP or H.323: its target, and whether the transport is rewritten.
    Checked(CheckedTarget, bool),
    /// Of LDAP.
    Bare(Target),
}

/// Decides about a connection that came by `came_by` and asks for `name`, as it came on the wire: without a port,
/// with a registration location if it has one. `prove` says whether the client's certificate proves the names that it
/// claims; it is asked where that decides.
///
/// # Errors
/// An empty name is [`Reason::NoName`], what is no name [`Reason::Malformed`]; then [`Reason::UnknownHost`],
/// [`Reason::Disabled`], [`Reason::NoService`], and [`Reason::Certificate`] where a certificate is missing and the
/// rule refuses without.
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
    let (target, rewrite_transport, source) = match service {
        Service::Http => return Err(refused(Reason::NoService)),
        Service::Sip => host
            .sip()
            .map(|rule| (way_out(&rule.target, came_by, prove), rule.rewrite_transport, rule.source)),
        Service::H323 => host.h323().map(|rule| (way_out(&rule.target, came_by, prove), false, rule.source)),
        Service::Ldap => host.ldap().map(|rule| (unchecked(&rule.target, came_by), false, rule.source)),
    }
    .ok_or(refused(Reason::NoService))?;
    let WayOut { endpoints, transport, port, proven } = target.map_err(refused)?;
    let max_message = host.sip().filter(|_| service == Service::Sip).and_then(|rule| rule.max_message);
    Ok(Route { host, service, endpoints, transport, port, proven, rewrite_transport, max_message, source })
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

/// What the rule of `host` for `service` says, if there is one.
pub fn rule_of(host: Host<'_>, service: Service) -> Option<Rule> {
    match service {
        Service::Http => None,
        Service::Sip => host.sip().map(|rule| Rule::Checked(rule.target.clone(), rule.rewrite_transport)),
        Service::H323 => host.h323().map(|rule| Rule::Checked(rule.target.clone(), false)),
        Service::Ldap => host.ldap().map(|rule| Rule::Bare(rule.target.clone())),
    }
}

struct WayOut<'t> {
    endpoints: &'t Arc<[Endpoint]>,
    transport: Transport,
    port: NonZeroU16,
    proven: bool,
}

/// With the certificate check TLS is for what came by TLS and is proven (SPEC section 5).
fn way_out(
    target: &CheckedTarget,
    came_by: Transport,
    prove: impl FnOnce(Numbers) -> bool,
) -> Result<WayOut<'_>, Reason> {
    let (endpoints, tcp, tls, on_failed, numbers) = match target {
        CheckedTarget::Unchecked(target) => return unchecked(target, came_by),
        CheckedTarget::Checked { endpoints, tcp, tls, on_failed, numbers } => {
            (endpoints, tcp, tls, on_failed, numbers)
        }
    };
    if came_by == Transport::Tls && prove(*numbers) {
        return Ok(WayOut { endpoints, transport: Transport::Tls, port: *tls, proven: true });
    }
    match on_failed {
        OnFailedCheck::Reject => Err(Reason::Certificate),
        OnFailedCheck::Plain => {
            Ok(WayOut { endpoints, transport: Transport::Plain, port: *tcp, proven: false })
        }
    }
}

fn unchecked(target: &Target, came_by: Transport) -> Result<WayOut<'_>, Reason> {
    let (transport, port) = ports::choose(came_by, target.ports).ok_or(Reason::NoService)?;
    Ok(WayOut { endpoints: &target.endpoints, transport, port, proven: false })
}

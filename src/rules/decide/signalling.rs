//! The decision for the services that are decided once a connection: SIP, LDAP and H.323.
//!
//! All of them ask for a host by name; what the name is taken from is the inspectors' business.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::super::name::{BadName, NameBuf, from_wire};
use super::super::{CheckedTarget, Endpoint, Host, OnFailedCheck, Source, Table, Target, ports};
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
    /// SIP: Via and Contact are rewritten if a TLS client goes out by plain TCP (SPEC section 3).
    pub rewrite_transport: bool,
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
/// with a registration location if it has one.
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
) -> Result<Route<'t>, Refusal<'t>> {
    let host = host_named(table, name)?;
    let refused = |reason| Refusal { reason, host: Some(host), cause: None };
    host.require_enabled().map_err(refused)?;
    let (target, rewrite_transport, source) = match service {
        Service::Http => return Err(refused(Reason::NoService)),
        Service::Sip => {
            host.sip().map(|rule| (way_out(&rule.target, came_by), rule.rewrite_transport, rule.source))
        }
        Service::H323 => host.h323().map(|rule| (way_out(&rule.target, came_by), false, rule.source)),
        Service::Ldap => host.ldap().map(|rule| (unchecked(&rule.target, came_by), false, rule.source)),
    }
    .ok_or(refused(Reason::NoService))?;
    let (endpoints, transport, port) = target.map_err(refused)?;
    Ok(Route { host, service, endpoints, transport, port, rewrite_transport, source })
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

type WayOut<'t> = Result<(&'t Arc<[Endpoint]>, Transport, NonZeroU16), Reason>;

/// With the certificate check TLS is for what is proven, and nobody's certificate is asked for yet.
fn way_out(target: &CheckedTarget, came_by: Transport) -> WayOut<'_> {
    match target {
        CheckedTarget::Unchecked(target) => unchecked(target, came_by),
        CheckedTarget::Checked { on_failed: OnFailedCheck::Reject, .. } => Err(Reason::Certificate),
        CheckedTarget::Checked { endpoints, tcp, .. } => Ok((endpoints, Transport::Plain, *tcp)),
    }
}

fn unchecked(target: &Target, came_by: Transport) -> WayOut<'_> {
    let (transport, port) = ports::choose(came_by, target.ports).ok_or(Reason::NoService)?;
    Ok((&target.endpoints, transport, port))
}

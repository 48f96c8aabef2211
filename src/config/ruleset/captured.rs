//! Checks paths that name a tenant. This needs all hosts and tenants. A tenant that such a path may name must have a
//! target, and the target must not be Portward itself.

use super::super::report::Fault;
use super::own_sockets::OwnSockets;
use crate::rules::{Host, HttpMatch, Source, Table, Tenant};

/// A fault of a rule's target.
pub(super) struct Wrong {
    /// The rule.
    pub(super) rule: Source,
    /// The tenant.
    pub(super) tenant: Source,
    /// The label at the tenant's place.
    pub(super) there: &'static str,
    /// The fault.
    pub(super) fault: Fault,
}

/// The faults of the rules in `table`, at most one for each rule.
pub(super) fn wrong(table: &Table, own: &OwnSockets) -> Vec<Wrong> {
    if table.tenants().is_empty() {
        return Vec::new();
    }
    // A tenant of the API may lack a target, because imports make such tenants.
    let is_bare = |tenant: &Tenant<'_>| !tenant.is_made() && tenant.target().is_none();
    let bare: Vec<_> = table.tenants().iter().filter(is_bare).collect();
    let rules = table.iter().flat_map(|host| host.http_rules().map(move |rule| (host, rule)));
    let rules = rules.filter(|(_, rule)| rule.by_tenant);
    rules.filter_map(|(host, rule)| nowhere(host, &rule, &bare).or_else(|| home(host, &rule, own))).collect()
}

/// The fault that a rule may name a tenant without a target, and the host has no target either.
fn nowhere(host: Host<'_>, rule: &HttpMatch<'_>, bare: &[Tenant<'_>]) -> Option<Wrong> {
    if !rule.endpoints.is_empty() {
        return None;
    }
    let mut bare = bare.iter().filter(|tenant| host.captures(**tenant));
    let first = bare.next()?;
    let others = match bare.count() {
        0 => String::new(),
        others => format!(" (and {others} more)"),
    };
    let message = format!("this path may name the tenant {}{others}, which has no target", first.id());
    let help = "give the tenant a target = \"ADDRESS\", or one above it, the host, or the entry";
    let fault = Fault::new(message).help(help);
    Some(Wrong { rule: rule.source(), tenant: first.source(), there: "the tenant without a target", fault })
}

/// The fault that a rule leads to Portward itself by a tenant's target.
fn home(host: Host<'_>, rule: &HttpMatch<'_>, own: &OwnSockets) -> Option<Wrong> {
    let mut tenants = host.tenants();
    let (tenant, said) = tenants.find_map(|tenant| Some((tenant, leads_home(host, rule, tenant, own)?)))?;
    let fault = Fault::new(format!("for the tenant {} this {said}", tenant.id()))
        .help("a target is a PBX or another server inside, not Portward");
    Some(Wrong { rule: rule.source(), tenant: tenant.source(), there: "the tenant", fault })
}

/// The fault, if the path may name the tenant and the tenant's target is Portward itself.
fn leads_home(host: Host<'_>, rule: &HttpMatch<'_>, tenant: Tenant<'_>, own: &OwnSockets) -> Option<String> {
    let target = tenant.own_target().filter(|_| host.captures(tenant))?;
    let (port, scheme) = own.find(target, rule.ports)?;
    Some(format!("leads back to Portward itself, which listens on port {port} for {scheme}"))
}

/// The tenants of the API with a target by which a path leads to Portward itself. The path may be in a file or come
/// from the API.
pub(super) fn of_api<'t>(table: &'t Table, own: &OwnSockets) -> Vec<(Tenant<'t>, String)> {
    let made: Vec<_> = table.tenants().iter().filter(|tenant| tenant.is_made()).collect();
    if made.is_empty() {
        return Vec::new();
    }
    let rules = table.iter().flat_map(|host| host.http_rules().map(move |rule| (host, rule)));
    let rules = rules.filter(|(_, rule)| rule.by_tenant);
    let wrong = |host, rule: &HttpMatch<'_>| {
        let said = made.iter().filter_map(|tenant| Some((*tenant, leads_home(host, rule, *tenant, own)?)));
        said.collect::<Vec<_>>()
    };
    rules.flat_map(|(host, rule)| wrong(host, &rule)).collect()
}

//! A target whose name is also the name of a host of the rules. In the public DNS that name leads to the router, and so
//! back to Portward.

use std::collections::HashSet;

use super::super::report::Fault;
use super::super::{Diagnostic, Location, Severity};
use crate::rules::{Address, Endpoint, Host, Source, Table};

/// The first rule for each such target, with the target's name.
pub(super) fn leading_back(table: &Table) -> Vec<(&str, Source)> {
    // Most tables have only addresses. Then no host needs to be checked.
    let names: HashSet<&str> = table
        .endpoints()
        .flat_map(|list| list.iter())
        .filter_map(name_of)
        .filter(|name| table.named(name).is_some())
        .collect();
    let mut found: Vec<(&str, Source)> = Vec::new();
    if names.is_empty() {
        return found;
    }
    for host in table.iter() {
        for (endpoints, source) in rules(host) {
            let back = endpoints.iter().filter_map(name_of).filter(|name| names.contains(name));
            for name in back {
                if !found.iter().any(|(known, _)| *known == name) {
                    found.push((name, source));
                }
            }
        }
    }
    found
}

/// The warning about such a target.
pub(super) fn warning(name: &str, place: Location) -> Diagnostic {
    let fault = Fault::new(format!("the target {name} is also a host of these rules"))
        .label("this leads to it")
        .help("where that name leads to the router, this leads back to Portward: write the address that the PBX has inside");
    fault.into_diagnostic(Severity::Warning, place)
}

fn name_of(endpoint: &Endpoint) -> Option<&str> {
    match &endpoint.address {
        Address::Name(name) => Some(name),
        Address::Ip(_) => None,
    }
}

fn rules(host: Host<'_>) -> impl Iterator<Item = (&[Endpoint], Source)> {
    let once = host.rules().map(|(_, rule)| (&*rule.endpoints, rule.source));
    let http = host.http_rules().flat_map(move |rule| {
        let source = if rule.preset.is_some() { host.source() } else { rule.source() };
        host.targets_of(&rule).into_iter().map(move |list| (&**list, source))
    });
    once.chain(http)
}

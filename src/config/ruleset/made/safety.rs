//! Settings that are not allowed over the API unless `admin.hosts = "any"`: files, targets on this machine,
//! certificates that are not checked (contract section 8).

use std::sync::Arc;

use super::super::super::report::{Fault, Report};
use super::super::super::scalar::{self, Host};
use super::super::super::tree::{Node, Table};
use super::super::super::{Config, Severity};
use crate::rules::{Endpoint, HostDef, TargetOptions, is_of_this_machine};
use crate::service::Service;

/// The kind of an object of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Host,
    Tenant,
}

/// Reports settings that are not allowed over the API, anywhere in a host or a tenant.
pub(super) fn forbid(report: &Report<'_>, table: &Table<'_>, config: &Config, what: What) {
    const FILE: &str = "a host or tenant of the API may not name a file";
    const WAY: &str = "it is possible in a rules file, and here if portward.toml says admin.hosts = \"any\"";
    let deny = |span, why: &str| {
        report.add(Severity::Error, span, Fault::new(why.to_owned()).help(WAY));
    };
    for (key, value) in table.iter() {
        match (*key.get_ref(), value.get_ref()) {
            ("client_trust", _) => deny(value.span(), FILE),
            ("login", Node::String(text)) if what == What::Tenant || *text != "tenant" => {
                deny(value.span(), FILE);
            }
            ("secrets", Node::Array(list)) => {
                let files = list
                    .iter()
                    .filter(|one| one.get_ref().as_str().is_some_and(|one| one.starts_with("file:")));
                files.for_each(|one| deny(one.span(), FILE));
            }
            ("check_certificate", Node::Boolean(false)) => {
                deny(value.span(), "a host of the API may not switch off the check of certificates");
            }
            ("target" | "otherwise", target) => {
                let one = std::slice::from_ref(value);
                let list = match target {
                    Node::Array(list) => list.iter().as_slice(),
                    _ => one,
                };
                let here = list.iter().filter(|one| match one.get_ref() {
                    Node::String(text) => leads_here(text, config),
                    _ => false,
                });
                here.for_each(|one| {
                    deny(one.span(), "a host or tenant of the API may not lead to this machine or its link")
                });
            }
            // These tables have names and values of header fields.
            ("set" | "response", _) => {}
            (_, Node::Table(inner)) => forbid(report, inner, config, what),
            (_, Node::Array(list)) => {
                let tables = list.iter().filter_map(|one| match one.get_ref() {
                    Node::Table(inner) => Some(inner),
                    _ => None,
                });
                tables.for_each(|inner| forbid(report, inner, config, what));
            }
            _ => {}
        }
    }
}

/// Whether the text of a target stands for this machine. The addresses of a DNS name are checked when it is dialled.
fn leads_here(target: &str, config: &Config) -> bool {
    match scalar::host(target) {
        Ok(Host::Ip(ip)) => {
            let listens =
                config.listen.listeners.iter().any(|listener| listener.address.ip().to_canonical() == ip);
            listens || is_of_this_machine(ip) || config.outside.own_address.parse() == Ok(ip)
        }
        Ok(Host::Name(name)) => &*name == "localhost" || name.ends_with(".localhost"),
        Err(_) => false,
    }
}

/// Marks the host's targets, so that the addresses of their names are checked by the same rule when they are dialled. A
/// target `inherited` from the tenant keeps its own mark.
pub(super) fn keep_away(host: &mut HostDef, inherited: Option<&Arc<[Endpoint]>>) {
    let away = |endpoints: &Arc<[Endpoint]>| match inherited {
        Some(inherited) if Arc::ptr_eq(inherited, endpoints) => Arc::clone(endpoints),
        _ => away(endpoints),
    };
    host.endpoints = host.endpoints.as_ref().map(away);
    for rule in &mut host.http {
        rule.target.endpoints = away(&rule.target.endpoints);
        if let Some(treatment) = &mut rule.treatment
            && let Some(otherwise) = &treatment.otherwise
        {
            let otherwise = Some(away(otherwise));
            Arc::make_mut(treatment).otherwise = otherwise;
        }
    }
    for service in Service::decided_once() {
        if let Some(rule) = &mut host.rules[service] {
            rule.endpoints = away(&rule.endpoints);
        }
    }
}

pub(super) fn away(endpoints: &Arc<[Endpoint]>) -> Arc<[Endpoint]> {
    if endpoints.iter().all(|endpoint| endpoint.options.elsewhere_only) {
        return Arc::clone(endpoints);
    }
    let endpoints = endpoints.iter().map(|Endpoint { address, options }| {
        let options = TargetOptions { elsewhere_only: true, ..TargetOptions::clone(options) };
        Endpoint { address: address.clone(), options: Arc::new(options) }
    });
    endpoints.collect()
}

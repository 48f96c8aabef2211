//! A short text that changes when something about a host or a tenant changes, but not where it stands: its ETag.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Host, ServiceRule, Tenant};

/// So many octets of the digest tell hosts apart.
const OCTETS: usize = 12;

/// The fingerprint of a host as it is in force, in hex digits.
pub fn of(host: Host<'_>) -> String {
    let mut said = String::new();
    let aliases: Vec<_> = host.aliases().map(|(name, _)| name).collect();
    let enabled = (host.own_enabled(), host.enabled_by_rules());
    let tenant = host.tenant().map(|tenant| (tenant.id(), tenant.disabled_by().map(Tenant::id)));
    let head = (host.name(), aliases, enabled, host.is_made(), host.client_trust(), tenant);
    let _ = write!(said, "{head:?}");
    for (service, rule) in host.rules() {
        // Every field is named, so that the compiler asks about a new one.
        let ServiceRule {
            endpoints,
            ports,
            rewrite_transport,
            max_message,
            websocket,
            credentials,
            source: _,
        } = rule;
        let _ = write!(said, "{:?}", (service, endpoints, ports, rewrite_transport, max_message));
        // What a rule does not have is not written, so that a fingerprint that a client has kept since then still fits.
        if let Some(websocket) = websocket {
            let _ = write!(said, "{websocket:?}");
        }
        if let Some(credentials) = credentials {
            let _ = write!(said, "{credentials:?}");
        }
    }
    for rule in host.http_rules() {
        let treatment = rule.treatment;
        let rule = (rule.path, rule.default, rule.redirect_https, rule.preset, rule.ports, rule.endpoints);
        let _ = write!(said, "{rule:?}");
        // A rule without any is written as it was before rules had treatments, so that a fingerprint that a client
        // has kept since then still fits.
        if let Some(treatment) = treatment {
            let _ = write!(said, "{treatment:?}");
        }
    }
    digest(&said)
}

/// The fingerprint of a tenant as it is in force, in hex digits.
pub fn of_tenant(tenant: Tenant<'_>) -> String {
    let head = (tenant.id(), tenant.name(), tenant.parent().map(Tenant::id), tenant.is_made());
    let state = (tenant.enabled(), tenant.enabled_by_rules(), tenant.is_alive());
    digest(&format!("{head:?}{state:?}{:?}", tenant.target()))
}

fn digest(said: &str) -> String {
    let mut text = String::new();
    for octet in Sha256::digest(said.as_bytes()).iter().take(OCTETS) {
        let _ = write!(text, "{octet:02x}");
    }
    text
}

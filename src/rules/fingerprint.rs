//! The ETag of a host or a tenant: a short text that changes with its contents, but not with its place in the file.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Host, ServiceRule, Tenant};

/// How many octets of the digest are used. They are enough to tell hosts apart.
const OCTETS: usize = 12;

/// The fingerprint of a host as it is in force, in hexadecimal digits.
pub fn of(host: Host<'_>) -> String {
    let mut said = String::new();
    let aliases: Vec<_> = host.aliases().map(|(name, _)| name).collect();
    let enabled = (host.own_enabled(), host.enabled_by_rules());
    let tenant = host.tenant().map(|tenant| (tenant.id(), tenant.disabled_by().map(Tenant::id)));
    let head = (host.name(), aliases, enabled, host.is_made(), host.client_trust(), tenant);
    let _ = write!(said, "{head:?}");
    for (service, rule) in host.rules() {
        // Every field is named here, so that the compiler reports a new field.
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
        // Settings that a rule does not have are not written. So a fingerprint that a client has kept from an older
        // version still fits.
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
        // A rule without a treatment is written as older versions wrote it. So a fingerprint that a client has kept
        // from then still fits.
        if let Some(treatment) = treatment {
            let _ = write!(said, "{treatment:?}");
        }
    }
    digest(&said)
}

/// The fingerprint of a tenant as it is in force, in hexadecimal digits.
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

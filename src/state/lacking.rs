//! Warnings about parts that a working configuration lacks: trust for the certificates of clients and targets, and
//! secrets.

use crate::config::{Config, Diagnostic, Location};
use crate::rules::{Endpoint, Host, Table, Verify};
use crate::service::Service;
use crate::tls::ClientTrusts;

/// Whether a listener exists on which clients can show certificates.
pub(super) fn listens_for_certificates(config: &Config) -> bool {
    let mut listens = config.listen.listeners.iter();
    listens.any(|l| l.transport.is_tls() && l.service.asks_for_certificate())
}

/// A warning if hosts check certificates, but there is no CA that could have issued one.
pub(super) fn unproven(table: &Table, config: &Config, trusts: &ClientTrusts) -> Option<Diagnostic> {
    let checks = |host: &Host<'_>| host.rules().any(|(_, rule)| rule.ports.is_checked());
    let usual = |host: &Host<'_>| host.client_trust().is_none() && checks(host);
    let host = table.iter().find(usual).filter(|_| trusts.of(None).is_empty())?;
    let message = format!("tls.client_trust holds no CA certificate: no client of {} is proven", host.name());
    let help = "its registrations go out by plain TCP, as the check says; put the CA of its phones' certificates here";
    let help = trusts.of(None).advice(help);
    Some(Diagnostic::warning(message, Location::whole(&config.tls.client_trust)).help(help))
}

/// A warning if a host demands credentials, but there is no secret that could make one.
pub(super) fn unprovable(table: &Table, config: &Config) -> Option<Diagnostic> {
    if !table.demands_credentials() || !config.sip.secrets.is_empty() {
        return None;
    }
    let rule = |host: Host<'_>| {
        host.rule(Service::Sip).filter(|rule| rule.credentials.is_some()).map(|rule| rule.source)
    };
    let has_secrets = |host: &Host<'_>| host.tenant().is_some_and(|tenant| !tenant.secrets().is_empty());
    let (host, source) =
        table.iter().filter(|host| !has_secrets(host)).find_map(|host| Some((host, rule(host)?)))?;
    let message =
        format!("{} demands credentials, and there is no secret: no client can log in there", host.name());
    let help = "give its tenant `secrets`, or write [sip] secrets in portward.toml";
    Some(Diagnostic::warning(message, Location::whole(table.file(source))).help(help))
}

/// Whether `upstream.trust` is needed for a TLS target of some host.
pub(super) fn needs_trust(table: &Table, config: &Config) -> bool {
    let judged = |endpoints: &[Endpoint]| {
        endpoints.iter().any(|Endpoint { options, .. }| {
            options.pin.is_none() && options.verify.unwrap_or(config.upstream.verify) == Verify::Ca
        })
    };
    let needs = |host: Host<'_>| host.ways().any(|way| way.ports.tls.is_some() && judged(way.endpoints));
    table.iter().any(needs)
}

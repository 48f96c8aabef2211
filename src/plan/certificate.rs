//! The names that the server certificate must carry, and whether today's certificates carry them.

use std::collections::{BTreeMap, BTreeSet};

use time::{Date, OffsetDateTime};

use super::Certificates;
use crate::config::Config;
use crate::rules::Table;
use crate::service::Service;

/// A name that a certificate must carry.
#[derive(Debug, PartialEq, Eq)]
pub struct NeededName {
    /// The name. Of a name with a registration location this is the part before the slash.
    pub name: String,
    /// The certificate that carries the name.
    pub covered_by: Option<String>,
    /// When that certificate expired, if it has expired.
    pub expired: Option<Date>,
}

/// All names that certificates must carry.
#[derive(Debug)]
pub struct CertificateNames {
    /// The names, sorted.
    pub list: Vec<NeededName>,
    /// The shortest list of names with which one certificate covers all. It may contain wildcards.
    pub shortest: Vec<String>,
    /// Why some or all of today's certificates could not be read.
    pub unread: Option<String>,
    /// Further notes for the administrator.
    pub notes: Vec<String>,
}

impl CertificateNames {
    pub(super) fn new(
        config: &Config,
        table: &Table,
        certificates: &Certificates,
        now: OffsetDateTime,
    ) -> Self {
        let by_tls = |service: Service| {
            config.listen.listeners.iter().any(|one| one.service == service && one.transport.is_tls())
        };
        let services: Vec<Service> = Service::ALL.into_iter().filter(|service| by_tls(*service)).collect();
        let wanted = table
            .names()
            .filter(|(_, host)| host.enabled() && services.iter().any(|service| host.serves(*service)));
        let names: BTreeSet<&str> =
            wanted.map(|(name, _)| name.split_once('/').map_or(name, |(host, _)| host)).collect();
        let mut notes = Vec::new();
        if services.is_empty() {
            notes.push("[listen] opens no TLS port: no certificate is needed".to_owned());
        } else if certificates.server.is_empty() && certificates.unread.is_none() && !names.is_empty() {
            let text = "there is no server certificate yet: `portward cert dev` makes one to try things out";
            notes.push(text.to_owned());
        }
        let list = names.iter().map(|name| needed(name, certificates, now)).collect();
        Self { list, shortest: shortest(&names), unread: certificates.unread.clone(), notes }
    }
}

/// Looks for a certificate that carries `name`. A valid certificate is preferred to an expired one.
fn needed(name: &str, certificates: &Certificates, now: OffsetDateTime) -> NeededName {
    let covering = certificates.server.iter().filter(|(_, facts)| facts.covers(name));
    let best = covering.min_by_key(|(_, facts)| facts.not_after < now);
    NeededName {
        name: name.to_owned(),
        covered_by: best.map(|(own, _)| own.clone()),
        expired: best.filter(|(_, facts)| facts.not_after < now).map(|(_, facts)| facts.not_after.date()),
    }
}

/// Replaces two or more names below the same parent by one wildcard, which stands for one label (RFC 9525 section 6.3).
fn shortest(names: &BTreeSet<&str>) -> Vec<String> {
    let parent = |name: &str| {
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        let parent = name.split_once('.').map(|(_, parent)| parent.to_owned());
        // Authorities issue no wildcard for a top-level domain.
        parent.filter(|parent| !is_address && parent.contains('.'))
    };
    let mut below: BTreeMap<String, usize> = BTreeMap::new();
    for parent in names.iter().filter_map(|name| parent(name)) {
        *below.entry(parent).or_default() += 1;
    }
    let shortened = |name: &&str| match parent(name) {
        Some(parent) if below.get(&parent).is_some_and(|count| *count > 1) => format!("*.{parent}"),
        _ => (**name).to_owned(),
    };
    let all: BTreeSet<String> = names.iter().map(shortened).collect();
    all.into_iter().collect()
}

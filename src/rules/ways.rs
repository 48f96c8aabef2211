//! The targets of a host: each service with its addresses and ports, once. They are for readers of all targets of the
//! rules: health checks, `check --connect`, `/v1/targets`. [`super::decide`] decides about requests.

use std::collections::HashSet;
use std::num::NonZeroU16;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{Endpoint, Host, HttpMatch, Ports, Tenant};
use crate::service::{Service, Transport};

/// A service of a host, and its target.
#[derive(Debug, Clone, Copy)]
pub struct HostService<'t> {
    /// The service.
    pub service: Service,
    /// The addresses, tried in order.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// Their ports.
    pub ports: Ports,
}

impl<'t> Host<'t> {
    /// All targets of the host, HTTP first. All paths of a preset have the same target, which is listed once.
    pub fn ways(self) -> impl Iterator<Item = HostService<'t>> {
        // Equal lists of addresses share one allocation.
        let mut seen = HashSet::with_hasher(RandomState::default());
        let http = self
            .http_rules()
            .filter(|rule| !rule.endpoints.is_empty())
            .filter(move |rule| seen.insert((Arc::as_ptr(rule.endpoints), rule.ports)))
            .map(|rule| HostService { service: Service::Http, endpoints: rule.endpoints, ports: rule.ports });
        let once = self.rules().map(|(service, rule)| HostService {
            service,
            endpoints: &rule.endpoints,
            ports: rule.ports.ports(),
        });
        http.chain(once)
    }

    /// Every address list to which a rule of [`Self::http_rules`] may lead, each once. If the rule's path names a
    /// tenant there may be many.
    pub fn targets_of(self, rule: &HttpMatch<'t>) -> SmallVec<[&'t Arc<[Endpoint]>; 1]> {
        let mut lists: SmallVec<[&'t Arc<[Endpoint]>; 1]> = SmallVec::new();
        // A rule without a target is answered by Portward itself, or goes to the tenant's target.
        lists.extend(Some(rule.endpoints).filter(|list| !list.is_empty()));
        lists.extend(rule.treatment.and_then(|treatment| treatment.otherwise.as_ref()));
        if rule.by_tenant {
            let mut seen: HashSet<_> = lists.iter().map(|list| Arc::as_ptr(list)).collect();
            let targets = self.tenants().filter_map(Tenant::target);
            lists.extend(targets.filter(|list| seen.insert(Arc::as_ptr(list))));
        }
        lists
    }

    /// Whether a path of the host may name this tenant. If the host belongs to a tenant, only that one and those below
    /// it may be named.
    pub fn captures(self, tenant: Tenant<'_>) -> bool {
        self.tenant().is_none_or(|own| tenant.is_within(own))
    }

    /// The tenants that a path of the host may name.
    pub fn tenants(self) -> impl Iterator<Item = Tenant<'t>> {
        self.table().tenants().iter().filter(move |tenant| self.captures(*tenant))
    }
}

impl Ports {
    /// Each defined port with its transport. The plain one comes first.
    pub fn each(self) -> impl Iterator<Item = (Transport, NonZeroU16)> {
        let both = [(Transport::Plain, self.tcp), (Transport::Tls, self.tls)];
        both.into_iter().filter_map(|(transport, port)| Some((transport, port?)))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, load_rules};

    #[test]
    fn each_way_of_a_host_comes_once_however_many_paths_lead_there() {
        let folder = tempfile::tempdir().unwrap();
        let rules = r#"
            [[host]]
            name = "one.example"
            target = "192.0.2.1"
            preset = ["innovaphone-pbx"]
            http = ["/a", "/b", { path = "/c", target = "192.0.2.2", tcp = 8080, tls = false }]
            sip = { tcp = 5060, tls = false }
        "#;
        std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let loaded = load_rules(folder.path(), &Config::defaults(&folder.path().join("portward.toml")));
        let table = loaded.table.unwrap();
        let host = table.host("one.example").unwrap();
        let shown = host.ways().map(|way| {
            let ports: Vec<_> = way.ports.each().map(|(by, port)| format!("{by:?} {port}")).collect();
            format!("{} {:?} {}", way.service, way.endpoints[0].address, ports.join(" "))
        });
        let mut shown: Vec<_> = shown.collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                "http Ip(192.0.2.1) Plain 80 Tls 443",
                "http Ip(192.0.2.2) Plain 8080",
                "sip Ip(192.0.2.1) Plain 5060",
            ]
        );
    }
}

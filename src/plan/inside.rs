//! The targets of the rules, each address once, with the ports that Portward opens there and the hosts that lead there.

use std::collections::{BTreeSet, HashMap};

use super::ORDER;
use crate::config::Config;
use crate::rules::{Address, CheckedPorts, Endpoint, Host, OnFailedCheck, Ports, Table, ports};
use crate::service::{Service, Transport};

/// One address that Portward connects to.
#[derive(Debug)]
pub(super) struct InsideTarget {
    pub(super) address: Address,
    /// The ports that Portward can use there, by service. The services are in the order of the reference.
    pub(super) ports: Vec<(Service, BTreeSet<u16>)>,
    /// The hosts whose SIP or H.323 goes to this address.
    pub(super) phones: Vec<String>,
    /// A SIP or H.323 rule has a TLS port there.
    pub(super) by_tls: bool,
    /// The hosts that have a TLS port there without Check Certificate.
    pub(super) unchecked: Vec<String>,
    /// The rules say that it has no *Assume TLS*.
    pub(super) lacks_assume_tls: bool,
}

impl InsideTarget {
    fn new(address: &Address) -> Self {
        let ports = ORDER.map(|service| (service, BTreeSet::new())).into();
        Self {
            address: address.clone(),
            ports,
            phones: Vec::new(),
            by_tls: false,
            unchecked: Vec::new(),
            lacks_assume_tls: false,
        }
    }

    /// Every port.
    pub(super) fn all_ports(&self) -> Vec<u16> {
        let all: BTreeSet<u16> = self.ports.iter().flat_map(|(_, ports)| ports).copied().collect();
        all.into_iter().collect()
    }

    /// The services that use a port there.
    pub(super) fn services(&self) -> impl Iterator<Item = Service> {
        self.ports.iter().filter(|(_, ports)| !ports.is_empty()).map(|(service, _)| *service)
    }
}

/// Every target, in the order of the rules.
#[derive(Debug)]
pub(super) struct Inside {
    pub(super) targets: Vec<InsideTarget>,
}

impl Inside {
    pub(super) fn new(config: &Config, table: &Table) -> Self {
        let mut collected = Collected { targets: Vec::new(), by_address: HashMap::new() };
        for host in table.iter().filter(|host| host.enabled()) {
            for rule in host.http_rules() {
                let ways = ways(config, Service::Http).filter(|by| by.is_tls() || !rule.redirect_https);
                let used: Vec<u16> = ways.filter_map(|by| out(by, rule.ports)).collect();
                for endpoints in host.targets_of(&rule) {
                    collected.add(endpoints, Service::Http, &used);
                }
            }
            for (service, rule) in host.rules() {
                let used: Vec<u16> = ways(config, service).flat_map(|by| outs(by, rule.ports)).collect();
                collected.add(&rule.endpoints, service, &used);
                if service.is_for_phones() && ways(config, service).next().is_some() {
                    collected.add_phones(host, &rule.endpoints, rule.ports);
                }
            }
        }
        Self { targets: collected.targets }
    }
}

/// The transports by which clients can connect for `service`.
fn ways(config: &Config, service: Service) -> impl Iterator<Item = Transport> {
    let listens = move |transport: &Transport| {
        config.listen.listeners.iter().any(|one| one.service == service && one.transport == *transport)
    };
    Transport::ALL.into_iter().filter(listens)
}

fn out(came_by: Transport, ports: Ports) -> Option<u16> {
    ports::choose(came_by, ports).map(|(_, port)| port.get())
}

/// The ports by which a connection can leave whose client came by `came_by` (contract section 5).
fn outs(came_by: Transport, ports: CheckedPorts) -> Vec<u16> {
    match ports {
        CheckedPorts::Unchecked(ports) => out(came_by, ports).into_iter().collect(),
        CheckedPorts::Checked { tcp, tls, on_failed, .. } => {
            let proven = came_by.is_tls().then_some(tls.get());
            let others = (on_failed == OnFailedCheck::Plain).then_some(tcp.get());
            proven.into_iter().chain(others).collect()
        }
    }
}

struct Collected {
    targets: Vec<InsideTarget>,
    by_address: HashMap<Address, usize>,
}

impl Collected {
    fn target(&mut self, address: &Address) -> Option<&mut InsideTarget> {
        let at = *self.by_address.entry(address.clone()).or_insert_with(|| {
            self.targets.push(InsideTarget::new(address));
            self.targets.len() - 1
        });
        self.targets.get_mut(at)
    }

    fn add(&mut self, endpoints: &[Endpoint], service: Service, used: &[u16]) {
        for endpoint in endpoints.iter().filter(|_| !used.is_empty()) {
            let Some(target) = self.target(&endpoint.address) else { continue };
            let its = target.ports.iter_mut().find(|(of, _)| *of == service);
            its.into_iter().for_each(|(_, ports)| ports.extend(used));
        }
    }

    fn add_phones(&mut self, host: Host<'_>, endpoints: &[Endpoint], ports: CheckedPorts) {
        for endpoint in endpoints {
            let Some(target) = self.target(&endpoint.address) else { continue };
            let name = host.name();
            if target.phones.last().is_none_or(|last| last != name) {
                target.phones.push(name.to_owned());
            }
            let has_tls = ports.ports().tls.is_some();
            target.by_tls |= has_tls;
            target.lacks_assume_tls |= endpoint.options.lacks_assume_tls;
            let unchecked = has_tls && !ports.is_checked();
            if unchecked && target.unchecked.last().is_none_or(|last| last != name) {
                target.unchecked.push(name.to_owned());
            }
        }
    }
}

/// Whether the address is on Portward's own machine.
pub(super) fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Ip(ip) => ip.is_loopback(),
        Address::Name(name) => &**name == "localhost" || name.ends_with(".localhost"),
    }
}

//! The ports and addresses that the rules want checked. Pure.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::time::Duration;

use super::address::Thresholds;
use crate::rules::{Address, Check, Endpoint, Host, HostService, Ports, Probe, Table};
use crate::service::{Service, Transport};

/// A regular check of a target.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) endpoint: Endpoint,
    /// The port that is checked.
    pub(super) port: NonZeroU16,
    pub(super) service: Service,
    pub(super) transport: Transport,
    /// A host of the rules that leads there. It becomes the server's name.
    pub(super) host: Box<str>,
    /// The ports whose state the check sets.
    pub(super) judged: Vec<NonZeroU16>,
    /// The time of the check within each interval.
    pub(super) offset: Duration,
}

impl Item {
    /// The settings of the check. Items are made only of endpoints that have a check.
    pub(super) fn check(&self) -> Option<&Check> {
        self.endpoint.options.check.as_ref()
    }

    /// How many results in a row change the state.
    pub(super) fn thresholds(&self) -> Option<Thresholds> {
        self.check().map(|check| Thresholds { rise: check.rise, fall: check.fall })
    }

    /// The addresses with ports whose state a check of `ip` sets.
    pub(super) fn judged_at(&self, ip: IpAddr) -> impl Iterator<Item = SocketAddr> {
        self.judged.iter().map(move |port| SocketAddr::new(ip, port.get()))
    }

    /// The time from `since_start` to the next check, which is in the next interval at the latest.
    pub(super) fn wait(&self, since_start: Duration) -> Duration {
        let Some(interval) = self.check().map(|check| check.interval.as_nanos()).filter(|nanos| *nanos > 0)
        else {
            return Duration::MAX;
        };
        let passed = (since_start.as_nanos() + interval - self.offset.as_nanos() % interval) % interval;
        Duration::from_nanos(u64::try_from(interval - passed).unwrap_or(u64::MAX))
    }
}

/// The checks of all enabled hosts of `table`. Each port of an address comes once.
pub(super) fn items(table: &Table, random: &RandomState) -> Vec<Item> {
    // Most tables have no check. Then no host needs to be examined.
    if !table.endpoints().flat_map(|list| list.iter()).any(|endpoint| endpoint.options.check.is_some()) {
        return Vec::new();
    }
    let spoken = spoken(table);
    let mut plan = Plan { random, spoken, items: Vec::new(), known: HashMap::new(), judged: HashSet::new() };
    for host in table.iter().filter(|host| host.enabled()) {
        host.ways().for_each(|way| plan.add(host, way));
    }
    plan.items
}

/// The transport on each `check_port` that a rule names as a port as well, by address. That rule may come after other
/// rules that lead to the address by other ports.
fn spoken(table: &Table) -> HashMap<Address, Transport> {
    let mut spoken = HashMap::new();
    let has_port =
        |endpoint: &Endpoint| endpoint.options.check.as_ref().is_some_and(|check| check.port.is_some());
    if !table.endpoints().flat_map(|list| list.iter()).any(has_port) {
        return spoken;
    }
    for way in table.iter().filter(|host| host.enabled()).flat_map(|host| host.ways()) {
        for endpoint in way.endpoints.iter() {
            let check = endpoint.options.check.as_ref().filter(|check| check.probe.judges(way.service));
            let Some(asked) = check.and_then(|check| check.port) else { continue };
            if let Some((transport, _)) = way.ports.each().find(|(_, port)| *port == asked) {
                spoken.entry(endpoint.address.clone()).or_insert(transport);
            }
        }
    }
    spoken
}

struct Plan<'r> {
    random: &'r RandomState,
    spoken: HashMap<Address, Transport>,
    items: Vec<Item>,
    /// The index of an item, by what is checked.
    known: HashMap<(Address, NonZeroU16, Transport), usize>,
    /// The ports whose state is set already. Two items for the same port would contradict each other.
    judged: HashSet<(Address, NonZeroU16)>,
}

impl Plan<'_> {
    fn add(&mut self, host: Host<'_>, way: HostService<'_>) {
        let HostService { service, endpoints, ports } = way;
        for endpoint in endpoints.iter() {
            let Some(check) = endpoint.options.check.as_ref().filter(|check| check.probe.judges(service))
            else {
                continue;
            };
            for (transport, judged) in ports.each() {
                if !self.judged.insert((endpoint.address.clone(), judged)) {
                    continue;
                }
                let (port, transport) =
                    asked(check, ports, self.spoken.get(&endpoint.address), (judged, transport));
                let place =
                    *self.known.entry((endpoint.address.clone(), port, transport)).or_insert_with(|| {
                        let offset = self.random.hash_one((&endpoint.address, port))
                            % check.interval.as_millis().max(1) as u64;
                        self.items.push(Item {
                            endpoint: endpoint.clone(),
                            port,
                            service,
                            transport,
                            host: called(endpoint, host),
                            judged: Vec::new(),
                            offset: Duration::from_millis(offset),
                        });
                        self.items.len() - 1
                    });
                if let Some(item) = self.items.get_mut(place) {
                    item.judged.push(judged);
                }
            }
        }
    }
}

/// The port and transport of the check of `judged`. A TLS check uses TLS on `check_port`. A TCP check only connects.
/// Other checks use the transport that a rule of the service gives to `check_port`. If no rule names that port, they
/// use TLS if this rule has no plain port.
fn asked(
    check: &Check,
    ports: Ports,
    spoken: Option<&Transport>,
    judged: (NonZeroU16, Transport),
) -> (NonZeroU16, Transport) {
    let Some(port) = check.port else {
        let (port, transport) = judged;
        // A TCP check only needs a connection, whatever the service on the port is.
        let transport = if check.probe == Probe::Tcp { Transport::Plain } else { transport };
        return (port, transport);
    };
    let transport = match (&check.probe, spoken) {
        (Probe::Tcp, _) => Transport::Plain,
        (Probe::Tls, _) => Transport::Tls,
        (Probe::Http { .. } | Probe::Sip | Probe::Ldap, Some(transport)) => *transport,
        (Probe::Http { .. } | Probe::Sip | Probe::Ldap, None) if ports.tcp.is_some() => Transport::Plain,
        (Probe::Http { .. } | Probe::Sip | Probe::Ldap, None) => Transport::Tls,
    };
    (port, transport)
}

/// The server's name. A wildcard is no name, so a name below it is used, which the wildcard's certificate covers.
fn called(endpoint: &Endpoint, host: Host<'_>) -> Box<str> {
    if let Some(name) = &endpoint.options.server_name {
        return name.clone();
    }
    let name = host.name();
    let name = name.split('/').next().unwrap_or(name);
    match name.strip_prefix("*.") {
        Some(domain) => format!("portward.{domain}").into(),
        None => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};

    fn planned(rules: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, rules).unwrap();
        let loaded = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        let table = loaded.table.unwrap_or_else(|| panic!("{}", loaded.diagnostics.render(false)));
        let shown = |item: &Item| {
            let judged: Vec<_> = item.judged.iter().map(ToString::to_string).collect();
            format!("{}:{} {:?} {} {}", item.host, item.port, item.transport, item.service, judged.join(","))
        };
        let mut items: Vec<_> = items(&table, &RandomState::new()).iter().map(shown).collect();
        items.sort();
        items
    }

    const HOST: &str = "[[host]]\nname = \"*.example.net\"\ntarget = \"172.31.31.2\"\nldap = true\n\
                        sip = { tcp = 5060, tls = 5061 }\nhttp = [\"/a\", { path = \"/b\", tcp = 8080 }]\n\
                        [[host]]\nname = \"two.example.net/branch\"\ntarget = \"172.31.31.2\"\nldap = true\n";

    #[test]
    fn each_port_is_asked_once_by_what_judges_it() {
        let of = |check: &str| planned(&format!("{HOST}[target.\"172.31.31.2\"]\n{check}\n"));
        assert_eq!(of("failback = \"1s\"").len(), 0);
        let tcp = of("check = \"tcp\"");
        assert!(
            tcp.iter().all(|item| item.starts_with("portward.example.net:") && item.contains(" Plain ")),
            "{tcp:?}"
        );
        assert_eq!(tcp.len(), 7, "{tcp:?}");
        let tls = of("check = \"tls\"");
        assert_eq!(tls.iter().filter(|item| item.contains(" Tls ")).count(), 3, "{tls:?}");
        assert_eq!(
            of("check = \"sip\""),
            ["portward.example.net:5060 Plain sip 5060", "portward.example.net:5061 Tls sip 5061"]
        );
        assert_eq!(
            of("check = \"ldap\""),
            ["portward.example.net:389 Plain ldap 389", "portward.example.net:636 Tls ldap 636"]
        );
        assert_eq!(
            of("check = \"http\""),
            [
                "portward.example.net:443 Tls http 443",
                "portward.example.net:80 Plain http 80",
                "portward.example.net:8080 Plain http 8080"
            ]
        );
    }

    #[test]
    fn a_port_of_its_own_speaks_for_the_others() {
        let of =
            |check: &str| planned(&format!("{HOST}[target.\"172.31.31.2\"]\ncheck_port = 9000\n{check}\n"));
        assert_eq!(of("check = \"sip\""), ["portward.example.net:9000 Plain sip 5060,5061"]);
        let tcp = of("check = \"tcp\"");
        assert_eq!(tcp.len(), 1, "{tcp:?}");
        assert!(["389", "636", "5060", "5061", "80", "443", "8080"].iter().all(|port| tcp[0].contains(port)));
    }

    #[test]
    fn a_check_port_that_is_a_tls_port_of_a_rule_is_asked_by_tls() {
        let of = |rules: &str, check: &str| planned(&format!("{rules}[target.\"172.31.31.2\"]\n{check}\n"));
        let sip = of(HOST, "check = \"sip\"\ncheck_port = 5061");
        assert_eq!(sip, ["portward.example.net:5061 Tls sip 5060,5061"]);
        let sip = of(HOST, "check = \"sip\"\ncheck_port = 5060");
        assert_eq!(sip, ["portward.example.net:5060 Plain sip 5060,5061"]);
        // The rule that names the port comes after a rule that does not.
        let later = "[[host]]\nname = \"a.example.net\"\ntarget = \"172.31.31.2\"\n\
                     http = [{ path = \"/a\", tcp = 8080 }, { path = \"/b\", tcp = false, tls = 8443 }]\n";
        let http = of(later, "check = \"http\"\ncheck_port = 8443");
        assert_eq!(http, ["a.example.net:8443 Tls http 8080,8443"]);
    }

    #[test]
    fn what_only_disabled_hosts_lead_to_is_not_asked() {
        let disabled = HOST.replace("target = ", "enabled = false\ntarget = ");
        assert_eq!(planned(&format!("{disabled}[target.\"172.31.31.2\"]\ncheck = \"tcp\"\n")).len(), 0);
    }

    #[test]
    fn an_item_comes_once_in_each_interval() {
        let rules = format!("{HOST}[target.\"172.31.31.2\"]\ncheck = \"sip\"\ncheck_interval = \"10s\"\n");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, rules).unwrap();
        let loaded = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        for item in items(&loaded.table.unwrap(), &RandomState::new()) {
            let first = item.wait(Duration::ZERO);
            assert!(first <= Duration::from_secs(10) && !first.is_zero(), "{first:?}");
            assert_eq!(item.wait(first), Duration::from_secs(10));
            assert_eq!(item.wait(first + Duration::from_secs(4)), Duration::from_secs(6));
            assert_eq!(item.wait(first + Duration::from_secs(47)), Duration::from_secs(3));
        }
    }
}

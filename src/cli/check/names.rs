//! Shows how the names of targets resolve at present, for `portward check`. A name that does not resolve is no error,
//! because it may be in the DNS tomorrow. The wait for names is short.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::terminal::{harmless, print_line};
use super::connect::words;
use crate::cause::Cause;
use crate::rules::{Address, Host, Table};
use crate::service::Service;
use crate::upstream::Resolver;

/// How long all names together may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many names of each kind are shown. `--json` shows all of them.
const SHOWN: usize = 20;

/// The result for one name.
type Found = Result<Arc<[IpAddr]>, Cause>;

/// The results for all names.
#[derive(Default)]
pub(super) struct Names {
    found: Vec<(String, Found)>,
    disagreements: Vec<String>,
}

impl Names {
    /// Resolves the names of all targets of `table` at the same time. If no runtime can be made, none is resolved.
    pub(super) fn of(table: &Table) -> Self {
        let names: BTreeSet<&str> =
            table.endpoints().flat_map(|list| list.iter()).filter_map(|one| one.address.name()).collect();
        if names.is_empty() {
            return Self::default();
        }
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return Self::default();
        };
        let found = runtime.block_on(ask(&names));
        // The runtime does not wait for names that are still being resolved.
        runtime.shutdown_background();
        let disagreements = disagreements(table, &found);
        Self { found, disagreements }
    }

    /// Writes to standard output which names resolve and which do not.
    pub(super) fn show(&self) {
        let (good, bad): (Vec<_>, Vec<_>) = self.found.iter().partition(|(_, found)| found.is_ok());
        for (name, found) in good.iter().take(SHOWN).chain(bad.iter().take(SHOWN)) {
            print_line(harmless(&text(name, found)));
        }
        let more = good.len().saturating_sub(SHOWN) + bad.len().saturating_sub(SHOWN);
        if more > 0 {
            print_line(format_args!("{more} more names of targets: --json shows them all"));
        }
        self.disagreements.iter().for_each(|text| print_line(harmless(&format!("warning: {text}"))));
    }

    /// One object for each name, beside the diagnostics.
    pub(super) fn to_json(&self) -> impl Iterator<Item = Value> {
        let names = self.found.iter().map(|(name, found)| {
            let addresses: &[IpAddr] = found.as_ref().map_or(&[], |addresses| addresses);
            json!({
                "severity": "note",
                "message": text(name, found),
                "name": name,
                "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "cause": found.as_ref().err().map(|cause| cause.name()),
            })
        });
        let warning = |text: &String| json!({ "severity": "warning", "message": text });
        names.chain(self.disagreements.iter().map(warning))
    }
}

/// The machines about which rules disagree under different names. Loading refuses such rules if they write the target alike
/// (contract sections 5 and 9). That two names are one machine is known only here.
fn disagreements(table: &Table, found: &[(String, Found)]) -> Vec<String> {
    let resolved: HashMap<&str, &[IpAddr]> =
        found.iter().filter_map(|(name, found)| Some((&**name, &**found.as_ref().ok()?))).collect();
    let machines = |address: &Address| match address {
        Address::Ip(ip) => vec![*ip],
        Address::Name(name) => resolved.get(&**name).map(|ips| ips.to_vec()).unwrap_or_default(),
    };
    let mut told = about_the_check(table, machines);
    told.extend(about_credentials(table, machines));
    told.into_iter().collect()
}

/// Rules that lead to one machine by TLS with Check Certificate, and under another name without it.
fn about_the_check(table: &Table, machines: impl Fn(&Address) -> Vec<IpAddr>) -> BTreeSet<String> {
    let mut first: HashMap<IpAddr, (&Address, bool)> = HashMap::new();
    let mut told = BTreeSet::new();
    let rules = table.iter().flat_map(Host::rules);
    let by_tls =
        rules.filter(|(service, rule)| service.asks_for_certificate() && rule.ports.ports().tls.is_some());
    for (endpoint, is_checked) in
        by_tls.flat_map(|(_, rule)| rule.endpoints.iter().map(|e| (e, rule.ports.is_checked())))
    {
        let address = &endpoint.address;
        for ip in machines(address) {
            let (other, said) = *first.entry(ip).or_insert((address, is_checked));
            if said == is_checked {
                continue;
            }
            let (with, without) = if said { (other, address) } else { (address, other) };
            told.insert(format!(
                "the targets {with} and {without} are the same machine, {ip}: rules lead to {with} with \
                 check_certificate, and to {without} by TLS without it. If Assume TLS is ticked in that PBX, it takes \
                 every client of {without} for proven. Let the rules agree"
            ));
        }
    }
    told
}

/// SIP rules that lead to one machine and port with `credentials`, and under another name without them.
fn about_credentials(table: &Table, machines: impl Fn(&Address) -> Vec<IpAddr>) -> BTreeSet<String> {
    let mut first: HashMap<(IpAddr, NonZeroU16), (&Address, bool)> = HashMap::new();
    let mut told = BTreeSet::new();
    for rule in table.iter().filter_map(|host| host.rule(Service::Sip)) {
        let onward = rule.websocket.as_ref().map(|onward| onward.ports);
        let ports = [Some(rule.ports.ports()), onward].into_iter().flatten();
        let ports: Vec<_> = ports.flat_map(|ports| [ports.tcp, ports.tls]).flatten().collect();
        let demanded = rule.credentials.is_some();
        for address in rule.endpoints.iter().map(|endpoint| &endpoint.address) {
            for door in machines(address).into_iter().flat_map(|ip| ports.iter().map(move |port| (ip, *port)))
            {
                let (other, said) = *first.entry(door).or_insert((address, demanded));
                if said == demanded {
                    continue;
                }
                let (with, without) = if said { (other, address) } else { (address, other) };
                let (ip, port) = door;
                told.insert(format!(
                    "the targets {with} and {without} are the same machine, {ip}: SIP rules lead to port {port} of {with} \
                     with credentials, and of {without} without them. A client can avoid the credentials by a host of \
                     {without}. Let the rules agree"
                ));
            }
        }
    }
    told
}

fn text(name: &str, found: &Found) -> String {
    match found {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("note: the target {name} resolves to {}", addresses.join(", "))
        }
        Err(cause) => format!("note: the target {name} does not resolve now: {}", words(*cause)),
    }
}

async fn ask(names: &BTreeSet<&str>) -> Vec<(String, Found)> {
    let resolver = Arc::new(Resolver::default());
    resolver.watch(names.iter().copied());
    let asking = tokio::spawn(Arc::clone(&resolver).run());
    let end = Instant::now() + PATIENCE;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let patience = end.saturating_duration_since(Instant::now());
        found.push(((*name).to_owned(), resolver.addresses(name, patience).await));
    }
    asking.abort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};

    fn told(rules: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let config = Config::defaults(&folder.path().join("portward.toml"));
        let table = load_rules(folder.path(), &config).table.unwrap();
        let ip: IpAddr = "172.31.31.2".parse().unwrap();
        let found = vec![
            ("pbx.example.net".to_owned(), Ok(Arc::from([ip]))),
            ("gone.example.net".to_owned(), Err(Cause::NameNotFound)),
        ];
        disagreements(&table, &found)
    }

    fn host(name: &str, target: &str, sip: &str) -> String {
        format!("[[host]]\nname = \"{name}\"\ntarget = \"{target}\"\nsip = {sip}\n")
    }

    #[test]
    fn one_pbx_under_two_names_is_seen_if_its_rules_disagree() {
        let with = host("a.example", "172.31.31.2", "true");
        let unchecked = "{ tcp = 5060, tls = 5061, check_certificate = false }";
        for without in [
            host("b.example", "pbx.example.net", unchecked),
            host("b.example", "pbx.example.net", "{ tls = 5061, check_certificate = false }"),
        ] {
            for rules in [format!("{with}{without}"), format!("{without}{with}")] {
                let told = told(&rules);
                assert_eq!(told.len(), 1, "{told:?}");
                let begin = "the targets 172.31.31.2 and pbx.example.net are the same machine, 172.31.31.2: ";
                assert!(told[0].starts_with(begin), "{told:?}");
            }
        }
        for other in [
            host("b.example", "pbx.example.net", "true"),
            host("b.example", "gone.example.net", unchecked),
            host("b.example", "172.31.31.3", unchecked),
            host("b.example", "pbx.example.net", "{ tcp = 5060, tls = false }"),
        ] {
            assert_eq!(told(&format!("{with}{other}")), Vec::<String>::new(), "{other}");
        }
    }

    #[test]
    fn one_pbx_under_two_names_is_seen_if_one_demands_credentials() {
        let with =
            host("a.example", "172.31.31.2", "{ tcp = 5060, tls = false, credentials = \"ephemeral\" }");
        let without = host("b.example", "pbx.example.net", "{ tcp = 5060, tls = false }");
        for rules in [format!("{with}{without}"), format!("{without}{with}")] {
            let told = told(&rules);
            assert_eq!(told.len(), 1, "{told:?}");
            let says =
                "lead to port 5060 of 172.31.31.2 with credentials, and of pbx.example.net without them";
            assert!(told[0].contains(says), "{told:?}");
        }
        for other in [
            host("b.example", "pbx.example.net", "{ tcp = 5060, tls = false, credentials = \"ephemeral\" }"),
            host("b.example", "pbx.example.net", "{ tcp = 5062, tls = false }"),
            host("b.example", "gone.example.net", "{ tcp = 5060, tls = false }"),
        ] {
            assert_eq!(told(&format!("{with}{other}")), Vec::<String>::new(), "{other}");
        }
    }
}

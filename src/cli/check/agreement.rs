//! Rules that lead to one machine under two names must agree on Check Certificate and on credentials (contract sections 5
//! and 9). Loading refuses rules that disagree if they write the target alike. That two names are one machine is known only
//! after they were resolved, so it is a warning of `portward check`.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::names::Names;
use crate::config::{Diagnostic, Location};
use crate::rules::{Address, Host, ServiceRule, Source, Table};
use crate::service::Service;

/// A demand that rules must agree on.
#[derive(Debug, Clone, Copy)]
enum Demand {
    /// Check Certificate, of rules with a TLS port. It is about the whole machine.
    Check,
    /// `credentials` of SIP rules. They are about a port.
    Credentials,
}

/// Whether a rule makes the demand, at an address as it is written.
#[derive(Debug, Clone, Copy)]
struct Statement<'t> {
    address: &'t Address,
    is_made: bool,
    source: Source,
}

/// A warning for each rule that another rule contradicts under another name of its target.
pub(super) fn warnings(table: &Table, names: &Names) -> Vec<Diagnostic> {
    [Demand::Check, Demand::Credentials].into_iter().flat_map(|demand| about(demand, table, names)).collect()
}

fn about(demand: Demand, table: &Table, names: &Names) -> Vec<Diagnostic> {
    let mut first: HashMap<(IpAddr, Option<NonZeroU16>), Statement<'_>> = HashMap::new();
    let (mut told, mut warnings) = (HashSet::new(), Vec::new());
    for (service, rule) in table.iter().flat_map(Host::rules) {
        let Some((is_made, ports)) = demand.of_rule(service, rule) else { continue };
        for address in rule.endpoints.iter().map(|endpoint| &endpoint.address) {
            let statement = Statement { address, is_made, source: rule.source };
            for ip in names.machines(address) {
                for port in &ports {
                    let other = *first.entry((*ip, *port)).or_insert(statement);
                    if other.is_made != is_made && told.insert((other.source, rule.source)) {
                        let pair = if is_made { [statement, other] } else { [other, statement] };
                        warnings.push(demand.warning(table, pair, *ip));
                    }
                }
            }
        }
    }
    warnings
}

impl Demand {
    /// Whether a rule makes the demand, and the ports for which it says so. `None`: it says nothing about it.
    fn of_rule(self, service: Service, rule: &ServiceRule) -> Option<(bool, Vec<Option<NonZeroU16>>)> {
        let ports = rule.ports.ports();
        match self {
            Self::Check if service.asks_for_certificate() && ports.tls.is_some() => {
                Some((rule.ports.is_checked(), vec![None]))
            }
            Self::Credentials if service == Service::Sip => {
                let onward = rule.websocket.as_ref().map(|onward| onward.ports);
                let all =
                    [Some(ports), onward].into_iter().flatten().flat_map(|ports| [ports.tcp, ports.tls]);
                Some((rule.credentials.is_some(), all.filter(Option::is_some).collect()))
            }
            _ => None,
        }
    }

    /// `with` is the rule that makes the demand.
    fn warning(self, table: &Table, [with, without]: [Statement<'_>; 2], ip: IpAddr) -> Diagnostic {
        let file = |source: Source| table.files().get(usize::from(source.file)).cloned().unwrap_or_default();
        let (a, b) = (with.address, without.address);
        let message = match self {
            Self::Check => {
                format!("{a} and {b} are one machine, {ip}, and its rules disagree on check_certificate")
            }
            Self::Credentials => {
                format!("{a} and {b} are one machine, {ip}, and its rules disagree on credentials")
            }
        };
        let (what, risk) = match self {
            Self::Check => (
                "the check",
                "If Assume TLS is ticked in that PBX, every client of the rule without the check is proven",
            ),
            Self::Credentials => {
                ("credentials", "A client can avoid the credentials by the host that demands none")
            }
        };
        let help = format!(
            "{risk}. The rule with {what} is {}:{}, the rule without {what} is {}:{}. Let them agree",
            file(with.source).display(),
            with.source.line,
            file(without.source).display(),
            without.source.line
        );
        Diagnostic::warning(message, Location::whole(file(without.source))).help(help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};

    /// The warnings about these rules, where `pbx.example.net` is 172.31.31.2.
    fn warned(rules: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let config = Config::defaults(&folder.path().join("portward.toml"));
        let table = load_rules(folder.path(), &config).table.unwrap();
        let names = Names::known(&[("pbx.example.net", "172.31.31.2")], &["gone.example.net"]);
        warnings(&table, &names).into_iter().map(|one| (one.message, one.help.unwrap())).collect()
    }

    fn host(name: &str, target: &str, sip: &str) -> String {
        format!("[[host]]\nname = \"{name}\"\ntarget = \"{target}\"\nsip = {sip}\n")
    }

    /// `without` contradicts `with`, in either order, and each of `others` does not.
    fn assert_disagree(what: &str, with: &str, without: &str, others: &[String]) {
        for rules in [format!("{with}{without}"), format!("{without}{with}")] {
            let warned = warned(&rules);
            let [(message, help)] = &warned[..] else { panic!("{warned:?}") };
            let begin =
                "172.31.31.2 and pbx.example.net are one machine, 172.31.31.2, and its rules disagree on ";
            assert_eq!(*message, format!("{begin}{what}"));
            let [with, without] = [with, without].map(|text| if rules.starts_with(text) { 4 } else { 8 });
            assert!(help.contains(&format!("rules.toml:{with}, the rule without ")), "{help}");
            assert!(help.ends_with(&format!("rules.toml:{without}. Let them agree")), "{help}");
        }
        for other in others {
            assert_eq!(warned(&format!("{with}{other}")), [], "{other}");
        }
    }

    #[test]
    fn one_pbx_under_two_names_is_seen_if_its_rules_disagree_on_the_check() {
        let unchecked = "{ tcp = 5060, tls = 5061, check_certificate = false }";
        let with = host("a.example", "172.31.31.2", "true");
        let others = [
            host("b.example", "pbx.example.net", "true"),
            host("b.example", "gone.example.net", unchecked),
            host("b.example", "172.31.31.3", unchecked),
            host("b.example", "pbx.example.net", "{ tcp = 5060, tls = false }"),
        ];
        assert_disagree(
            "check_certificate",
            &with,
            &host("b.example", "pbx.example.net", unchecked),
            &others,
        );
    }

    #[test]
    fn one_pbx_under_two_names_is_seen_if_one_demands_credentials() {
        let demands = "{ tcp = 5060, tls = false, credentials = \"ephemeral\" }";
        let with = host("a.example", "172.31.31.2", demands);
        let others = [
            host("b.example", "pbx.example.net", demands),
            host("b.example", "pbx.example.net", "{ tcp = 5062, tls = false }"),
            host("b.example", "gone.example.net", "{ tcp = 5060, tls = false }"),
        ];
        let without = host("b.example", "pbx.example.net", "{ tcp = 5060, tls = false }");
        assert_disagree("credentials", &with, &without, &others);
    }
}

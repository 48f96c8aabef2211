//! The changes of a reload: the hosts of two tables are compared. The contents of a rule matter, its place in the file
//! does not.

use super::{Host, ServiceRule, Table, Tenant};
use crate::service::Service;

/// The names of hosts, each list in the order of the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes<'t> {
    /// Hosts that only the new table has.
    pub added: Vec<&'t str>,
    /// Hosts that both tables have, with differences.
    pub changed: Vec<&'t str>,
    /// Hosts that only the old table had.
    pub removed: Vec<&'t str>,
}

/// Compares two tables.
pub fn between<'t>(old: &'t Table, new: &'t Table) -> Changes<'t> {
    let mut changes = Changes::default();
    for host in new.iter() {
        match host_of(old, host.name()) {
            None => changes.added.push(host.name()),
            Some(before) if !is_same(before, host) => changes.changed.push(host.name()),
            Some(_) => {}
        }
    }
    let gone = old.iter().filter(|host| host_of(new, host.name()).is_none());
    changes.removed.extend(gone.map(Host::name));
    changes
}

/// The host with this primary name. Aliases and wildcards are not followed.
fn host_of<'t>(table: &'t Table, name: &str) -> Option<Host<'t>> {
    table.host(name).filter(|host| host.name() == name)
}

fn is_same(one: Host<'_>, other: Host<'_>) -> bool {
    let aliases = |host: Host<'_>| {
        let mut aliases: Vec<_> = host.aliases().map(|(name, _)| name.to_owned()).collect();
        aliases.sort_unstable();
        aliases
    };
    let same_rules = || {
        Service::decided_once().all(|service| match (one.rule(service), other.rule(service)) {
            (Some(one), Some(other)) => said(one) == said(other),
            (one, other) => one.is_none() && other.is_none(),
        })
    };
    let same_paths = || {
        let paths = |host: Host<'_>| host.http_rules().count();
        paths(one) == paths(other)
            && one.http_rules().zip(other.http_rules()).all(|(one, other)| {
                (one.path, one.default, one.naming, one.redirect_https, one.ports)
                    == (other.path, other.default, other.naming, other.redirect_https, other.ports)
                    && one.endpoints == other.endpoints
                    && one.treatment == other.treatment
            })
    };
    one.enabled() == other.enabled()
        && one.tenant().map(Tenant::id) == other.tenant().map(Tenant::id)
        && one.client_trust() == other.client_trust()
        && aliases(one) == aliases(other)
        && same_rules()
        && same_paths()
}

/// The contents of a rule, without its place in the file. Every field is named here, so that the compiler reports a new
/// field.
fn said(rule: &ServiceRule) -> impl PartialEq {
    let ServiceRule { endpoints, ports, rewrite_transport, max_message, websocket, credentials, source: _ } =
        rule;
    (endpoints, ports, rewrite_transport, max_message, websocket, credentials)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Config, load_rules};
    use crate::rules::fingerprint;

    fn table(text: &str) -> Table {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("rules.toml"), text).unwrap();
        let config = Config::defaults(&folder.path().join("portward.toml"));
        let rules = load_rules(folder.path(), &config);
        rules.table.unwrap_or_else(|| panic!("{}", rules.diagnostics.render(false)))
    }

    fn host(name: &str, more: &str) -> String {
        format!("[[host]]\nname = \"{name}\"\ntarget = \"172.31.31.2\"\n{more}\n")
    }

    #[test]
    fn what_a_rule_says_counts_and_where_it_stands_does_not() {
        let one = host("one.example", "http = [\"/a\"]\nldap = true\nsip = { check_certificate = true }");
        let two = host("two.example", "http = [\"/a\"]");
        let old = table(&(one.clone() + &two));
        let names = |new: &Table| {
            let Changes { added, changed, removed } = between(&old, new);
            [added, changed, removed].map(|names| names.join(" "))
        };
        assert_eq!(names(&table(&(two.clone() + "\n\n" + &one))), ["", "", ""]);
        let wildcard = host("*.example", "ldap = true");
        assert_eq!(names(&table(&(wildcard + &two))), ["*.example", "", "one.example"]);
        for other in [
            one.replace("/a", "/b"),
            one.replace("ldap = true", "ldap = { tcp = 3389 }"),
            one.replace("ldap = true", ""),
            one.replace("sip = {", "sip = { ws = 8088,"),
            one.replace("172.31.31.2", "172.31.31.3"),
            one.clone() + "enabled = false",
            one.clone() + "aliases = [\"uno.example\"]",
        ] {
            let new = table(&(other.clone() + "\n" + &two));
            assert_eq!(names(&new), ["", "one.example", ""], "{other}");
            let [before, after] =
                [&old, &new].map(|table| fingerprint::of(table.host("one.example").unwrap()));
            assert_ne!(before, after, "{other}");
        }
    }

    #[test]
    fn item_5_what_is_said_of_a_target_changes_the_hosts_that_lead_there() {
        let host = host("one.example", "sip = { check_certificate = false }");
        let said =
            |assume_tls: bool| table(&format!("{host}[target.\"172.31.31.2\"]\nassume_tls = {assume_tls}\n"));
        let [unsaid, default, answered] = [table(&host), said(true), said(false)];
        assert_eq!(between(&unsaid, &default), Changes::default());
        assert_eq!(between(&default, &answered).changed, ["one.example"]);
        let [before, after] =
            [&default, &answered].map(|table| fingerprint::of(table.host("one.example").unwrap()));
        assert_ne!(before, after);
    }

    #[test]
    fn item_2_what_a_rule_changes_of_requests_and_whose_a_host_is_count() {
        let tenants = "[tenant.a]\n[tenant.b]\n";
        let rule = |keys: &str| format!("{tenants}{}", host("one.example", keys));
        let keys = [
            "http = [{ path = \"/a\" }]",
            "http = [{ path = \"/a\", strip = true }]",
            "http = [{ path = \"/a\", host = \"target\" }]",
            "http = [{ path = \"/a\", set = { X-A = \"b\" } }]",
            "http = [{ path = \"/a\", set = { X-A = \"c\" } }]",
            "http = [{ path = \"/a\", response = { X-A = \"b\" } }]",
            "tenant = \"a\"\nhttp = [{ path = \"/a\" }]",
            "tenant = \"b\"\nhttp = [{ path = \"/a\" }]",
        ];
        for (number, one) in keys.iter().enumerate() {
            for (other_number, other) in keys.iter().enumerate() {
                let (old, new) = (table(&rule(one)), table(&rule(other)));
                let expected: &[&str] = if number == other_number { &[] } else { &["one.example"] };
                assert_eq!(between(&old, &new).changed, expected, "{one} and {other}");
            }
        }
    }

    /// An administrator disables one host. The copy of the table differs in that host only.
    #[test]
    fn item_6_a_copy_in_which_one_host_is_disabled_differs_in_that_host_alone() {
        let rules =
            ["one.example", "*.example", "two.example"].map(|name| host(name, "http = [\"/a\"]\nsip = true"));
        let rules = rules.concat()
            + &host("off.example", "enabled = false\naliases = [\"out.example\"]\nldap = true");
        let old = table(&rules);
        for (named, host, enabled) in [
            ("one.example", "one.example", false),
            ("*.example", "*.example", false),
            ("out.example", "off.example", true),
        ] {
            let mut new = old.clone();
            assert!(new.set_enabled(named, enabled));
            let changes = between(&old, &new);
            assert_eq!(changes.changed, [host]);
            assert!(changes.added.is_empty() && changes.removed.is_empty());
            let (before, after) = (old.named(host).unwrap(), new.named(named).unwrap());
            assert_eq!((before.enabled(), before.enabled_by_rules()), (!enabled, !enabled));
            assert_eq!((after.enabled(), after.enabled_by_rules()), (enabled, !enabled));
            assert_eq!(before.source(), after.source());
            assert!(new.set_enabled(host, !enabled));
            assert_eq!(between(&old, &new), Changes::default());
        }
        // A wildcard stands for other names only when requests are decided, not here.
        let mut new = old.clone();
        for unknown in ["three.example", ".example", "example", "", "*"] {
            assert!(!new.set_enabled(unknown, false) && old.named(unknown).is_none(), "{unknown}");
        }
        assert!(old.host("three.example").is_some());
        assert_eq!(between(&old, &new), Changes::default());
    }
}

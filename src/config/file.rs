//! Reads portward.toml, beginning with the top level.

use std::net::IpAddr;

use super::admin;
use super::keys::elsewhere;
use super::listen;
use super::report::{Fault, Report};
use super::scalar::{self, Host};
use super::sections::{self, NamedHost};
use super::values::empty_or;
use super::walk::{Section, Value};
use super::{Config, Location, Outside, Reject};
use crate::service::{PerService, Transport};

/// The names in portward.toml that must be checked against the rules.
#[derive(Debug)]
pub(super) struct References {
    /// The place of `rules`. `None`: the value may be unreadable.
    pub(super) rules: Option<Location>,
    /// The default hosts.
    pub(super) hosts: Vec<NamedHost>,
}

/// Reads the text of portward.toml. Faults go to `report`, and faulty values are replaced by their defaults.
pub(super) fn read(report: &Report<'_>) -> (Config, References) {
    let document = report.parse();
    let mut root = Section::new(report, "portward.toml", 0..0, &document);
    let file = report.file;
    let path_at = |text: &str| scalar::path(file, text);
    let path = |value: &Value<'_>| value.parsed("a path", path_at);

    let rules_value = root.get("rules");
    let rules_place = match &rules_value {
        Some(value) => Some(value.place()),
        None => (!report.is_broken()).then(|| Location::whole(file)),
    };
    let rules = rules_value.and_then(|v| path(&v)).unwrap_or_else(|| scalar::beside(file, "rules"));
    let state = root.read("state", "/var/lib/portward".into(), path);
    let reject = root.setting("reject", Reject::Close, |v| {
        v.choice(&[("close", Reject::Close), ("answer", Reject::Answer)])
    });
    let (listen, placed) = listen::read(root.section("listen", "[listen]"));
    let outside = outside(root.section("outside", "[outside]"));
    let tls = sections::tls(root.section("tls", "[tls]"));
    let upstream = sections::upstream(root.section("upstream", "[upstream]"));
    let mut hosts = Vec::new();
    let (sip_default_host, sip) = sections::sip(root.section("sip", "[sip]"), &mut hosts);
    let (ldap_default_host, ldap_root_dse) = sections::ldap(root.section("ldap", "[ldap]"), &mut hosts);
    let h323_default_host = sections::h323(root.section("h323", "[h323]"), &mut hosts);
    let default_hosts =
        PerService { http: None, sip: sip_default_host, ldap: ldap_default_host, h323: h323_default_host };
    let blacklist = root.section("blacklist", "[blacklist]");
    let (limits, connections) = sections::limits(root.section("limits", "[limits]"));
    let balancers = [&listen.proxy_protocol_from[..], &listen.forwarded_from].concat();
    let guard = sections::guard(blacklist, connections, balancers);
    let log = sections::log(root.section("log", "[log]"));
    let admin = admin::read(root.section("admin", "[admin]"), &placed, &tls.certificates);
    root.finish(elsewhere);
    let config = Config {
        file: file.to_owned(),
        rules,
        state,
        reject,
        listen,
        outside,
        tls,
        upstream,
        sip,
        ldap_root_dse,
        default_hosts,
        guard,
        limits,
        log,
        admin,
    };
    (config, References { rules: rules_place, hosts })
}

fn outside(mut section: Section<'_>) -> Outside {
    let host = |value: &Value<'_>, wanted| {
        empty_or(value, wanted, |text| {
            scalar::host(text).map(|host| match host {
                Host::Ip(ip) => ip.to_string(),
                Host::Name(name) => name.into(),
            })
        })
    };
    let address = section.setting("address", String::new(), |v| host(v, "a public address or DNS name"));
    let own_address = section.setting("own_address", String::new(), |value| {
        empty_or(value, "an IP address", |text| {
            text.parse::<IpAddr>().map(|ip| ip.to_canonical().to_string()).map_err(|_| {
                Fault::new("this is not an IP address")
                    .help("write Portward's own address, the one that the router forwards to")
            })
        })
    });
    let name = section.setting("name", String::new(), |value| empty_or(value, "a DNS name", router_name));
    let turn = section.setting("turn", String::new(), |v| host(v, "an IP address or a DNS name"));
    let mut table = section.section("ports", "outside.ports");
    let ports = PerService::from_fn(|service| {
        Transport::ALL.map(|transport| {
            table.setting(service.scheme(transport), service.standard_port(transport), |value| {
                value.integer(1..=65535).and_then(|port| u16::try_from(port).ok())
            })
        })
    });
    table.finish(elsewhere);
    section.finish(elsewhere);
    Outside { address, own_address, name, turn, ports }
}

/// `outside.name`. The hosts' DNS records point to it, so it must be a name and not an address.
fn router_name(text: &str) -> Result<String, Fault> {
    let right = "write the router's DNS name, as \"router.example.net\"";
    match scalar::host(text) {
        Ok(Host::Name(name)) => Ok(name.into()),
        Ok(Host::Ip(_)) => Err(Fault::new("this is an IP address, not a DNS name")
            .help("the router's address belongs in `address`; `name` is its DNS name, or empty")),
        // This fault is about pasted characters, and its message is the same for every text.
        Err(fault) if fault.message().starts_with("this is ") => {
            let scheme_or_port = text.contains(':');
            let right =
                if scheme_or_port { "write the name alone, without scheme, port and path" } else { right };
            Err(Fault::new("this is not a DNS name").help(right))
        }
        Err(fault) => Err(fault),
    }
}

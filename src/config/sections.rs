//! The simple tables of portward.toml, each with its defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::keys::elsewhere;
use super::report::Fault;
use super::scalar;
use super::secrets;
use super::sip::{algorithms, default_scanners, identify, scanners};
use super::text::why;
use super::tree::Node;
use super::values::{
    VERIFY, duration, empty_or, max_message, min_rate, networks, request_rate, warn_of_none,
};
use super::walk::{Section, Value};
use super::{
    Acme, CertificateFiles, CertificateSource, IdleTimeouts, Limits, Location, Log, LogFormat, Sip, Tls,
    TlsVersion, Trust, Upstream,
};
use crate::credentials::digest::Algorithm;
use crate::guard::policy::RESERVED_PART;
use crate::guard::{ConnectionLimits, Policy};
use crate::route::identity::Identify;
use crate::rules::Verify;
use crate::service::{PerService, Service, ServiceSet};

pub(super) fn tls(mut section: Section<'_>) -> Tls {
    let file = section.report.file;
    let folder = CertificateSource::Folder(scalar::beside(file, "certs/server"));
    let certificates = section.setting("certificates", folder, certificates);
    let default = section.setting("default", String::new(), |value| {
        let name = value.text("the name of a certificate")?;
        check_default(value, name, &certificates);
        Some(name.to_owned())
    });
    let client_trust =
        section.setting("client_trust", scalar::beside(file, "certs/client-trust"), |value| path(value));
    let min_version = section.setting("min_version", TlsVersion::V1_2, |value| {
        value.choice(&[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)])
    });
    let acme = acme(&mut section);
    section.finish(elsewhere);
    Tls { certificates, default, client_trust, min_version, acme }
}

/// Reads `acme_webroot` or `acme_target`.
fn acme(section: &mut Section<'_>) -> Option<Acme> {
    let webroot = section.setting("acme_webroot", None, |value| {
        let file = value.report.file;
        let folder = empty_or(value, "a folder", |text| scalar::path(file, text).map(Some))??;
        must_exist(value, &folder);
        Some(Some(folder))
    });
    let written = section.get("acme_target");
    let target = written.as_ref().and_then(|value| empty_or(value, "ADDRESS[:PORT]", acme_target)).flatten();
    match (webroot, target) {
        (Some(_), Some(_)) => {
            if let Some(value) = written {
                value.error_at_key(
                    Fault::new("`acme_target` cannot matter beside `acme_webroot`").help(
                        "challenges are answered from the folder, or sent to the target; leave one out",
                    ),
                );
            }
            None
        }
        (Some(folder), None) => Some(Acme::Webroot(folder)),
        (None, target) => target,
    }
}

fn acme_target(text: &str) -> Result<Option<Acme>, Fault> {
    let (endpoint, port) = scalar::endpoint(text, 80)?;
    Ok(Some(Acme::Target { endpoints: [endpoint].into(), port }))
}

fn path(value: &Value<'_>) -> Option<PathBuf> {
    value.parsed("a path", |text| scalar::path(value.report.file, text))
}

fn certificates(value: &Value<'_>) -> Option<CertificateSource> {
    if let Node::String(_) = value.node {
        return path(value).map(CertificateSource::Folder);
    }
    let wanted = "a folder, or a list of { cert = \"…\", key = \"…\" }";
    let elements = value.list(wanted);
    let files = elements.iter().filter_map(|element| {
        let mut section = element.section("an entry of `certificates`", wanted)?;
        let mut part = |key| match section.get(key) {
            Some(value) => path(&value).inspect(|path| must_exist(&value, path)),
            None => {
                let fault = Fault::new(format!("the entry has no `{key}`"));
                element.error(fault.help("write { cert = \"NAME.crt\", key = \"NAME.key\" }").absence());
                None
            }
        };
        let (cert, key) = (part("cert"), part("key"));
        section.finish(elsewhere);
        Some(CertificateFiles { cert: cert?, key: key? })
    });
    Some(CertificateSource::List(files.collect()))
}

fn must_exist(value: &Value<'_>, path: &Path) {
    if let Err(error) = std::fs::metadata(path) {
        let message = format!("{} cannot be read: {}", path.display(), why(&error));
        value.error(Fault::new(message).because_of(&error));
    }
}

fn check_default(value: &Value<'_>, name: &str, certificates: &CertificateSource) {
    let CertificateSource::List(list) = certificates else { return };
    let names: Vec<_> = list.iter().filter_map(|f| f.cert.file_stem()?.to_str()).collect();
    if !name.is_empty() && !names.contains(&name) {
        let known = super::suggest::alternatives(names.into_iter());
        value.error(Fault::new(format!("no certificate is called \"{name}\"")).help(format!("use {known}")));
    }
}

pub(super) fn upstream(mut section: Section<'_>) -> Upstream {
    let file = section.report.file;
    let certificate = section.setting("certificate", None, |value| {
        let cert = empty_or(value, "a path", |text| scalar::path(file, text).map(Some))??;
        let key = cert.with_extension("key");
        if key == cert {
            value.error(Fault::new("the certificate must not be called .key: that is its key's name"));
            return None;
        }
        must_exist(value, &cert);
        must_exist(value, &key);
        Some(Some(CertificateFiles { cert, key }))
    });
    let trust = Trust::Path(scalar::beside(file, "certs/upstream-trust"));
    let trust = section.setting("trust", trust, |value| {
        value.parsed("a path or \"system\"", |text| match text {
            "system" => Ok(Trust::System),
            _ => scalar::path(file, text).map(Trust::Path),
        })
    });
    let verify = section.setting("verify", Verify::Ca, |value| {
        value.choice(&VERIFY).inspect(|verify| warn_of_none(value, *verify))
    });
    let connect_timeout = section.setting("connect_timeout", Duration::from_secs(5), duration);
    section.finish(elsewhere);
    Upstream { certificate, trust, verify, connect_timeout }
}

/// Reads the default host and the other settings of SIP.
pub(super) fn sip(mut section: Section<'_>, named: &mut Vec<NamedHost>) -> (Option<Box<str>>, Sip) {
    let (tcp, tls) = section.setting("public_address", (None, None), |value| {
        let wanted = "host[:port], or a table { tcp = \"…\", tls = \"…\" }";
        let address =
            |value: &Value<'_>| empty_or(value, wanted, |text| scalar::host_and_port(text).map(Some));
        if let Node::String(_) = value.node {
            return address(value).map(|both| (both.clone(), both));
        }
        let mut table = value.section("sip.public_address", wanted)?;
        let both = (table.read("tcp", None, address), table.read("tls", None, address));
        table.finish(elsewhere);
        Some(both)
    });
    let methods = section.setting("methods", vec!["REGISTER".into(), "INVITE".into()], methods);
    let default_host = default_host(&mut section, Service::Sip, named);
    let max_message = section.setting("max_message", 64 * 1024, max_message);
    let identify = section.setting("identify", Identify::default(), identify);
    let sanity = section.setting("sanity", false, Value::boolean);
    let scanners = section.setting("scanners", default_scanners(), scanners);
    let secrets = section.get("secrets").map(|value| secrets::read(&value)).unwrap_or_default();
    let digest = section.setting("digest", vec![Algorithm::Md5], algorithms);
    let max_lifetime = section.setting("max_lifetime", Duration::from_secs(24 * 3600), duration);
    section.finish(elsewhere);
    let (public_address_tcp, public_address_tls) = (tcp, tls);
    let sip = Sip {
        max_message,
        public_address_tcp,
        public_address_tls,
        methods,
        identify,
        sanity,
        scanners,
        secrets,
        digest,
        max_lifetime,
    };
    (default_host, sip)
}

fn methods(value: &Value<'_>) -> Option<Vec<Box<str>>> {
    let wanted = "a list of SIP methods, as [\"REGISTER\", \"INVITE\"]";
    let elements = value.list(wanted);
    if elements.is_empty() {
        if let Node::Array(_) = value.node {
            value.error(
                Fault::new("without a method no SIP request could come first")
                    .help("the first request of a phone is a REGISTER, of a caller an INVITE"),
            );
        }
        return None;
    }
    let method = |text: &str| {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
        if text.is_empty() || !text.bytes().all(token) {
            return Err(Fault::new("this is not a SIP method"));
        }
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(Fault::new("SIP methods are upper case")
                .help(format!("write \"{}\"", text.to_ascii_uppercase())));
        }
        Ok(Box::from(text))
    };
    Some(elements.iter().filter_map(|e| e.parsed(wanted, method)).collect())
}

/// A host that portward.toml names. It is later looked for in the rules.
#[derive(Debug)]
pub(super) struct NamedHost {
    pub(super) name: Box<str>,
    pub(super) service: Service,
    pub(super) place: Location,
}

fn default_host(section: &mut Section<'_>, service: Service, named: &mut Vec<NamedHost>) -> Option<Box<str>> {
    section.setting("default_host", None, |value| {
        let host = empty_or(value, "the name of a host", |text| scalar::rule_name(text).map(Some))?;
        let name = host.iter().cloned();
        named.extend(name.map(|name| NamedHost { name, service, place: value.place() }));
        Some(host)
    })
}

/// Reads the default host, and whether the root DSE is answered.
pub(super) fn ldap(mut section: Section<'_>, named: &mut Vec<NamedHost>) -> (Option<Box<str>>, bool) {
    let host = default_host(&mut section, Service::Ldap, named);
    let root_dse = section.setting("root_dse", false, Value::boolean);
    section.finish(elsewhere);
    (host, root_dse)
}

pub(super) fn h323(mut section: Section<'_>, named: &mut Vec<NamedHost>) -> Option<Box<str>> {
    let host = default_host(&mut section, Service::H323, named);
    section.finish(elsewhere);
    host
}

/// Reads `[blacklist]` and the limits of connections. `balancers` are the networks in `[listen]` whose connections
/// carry requests of others.
pub(super) fn guard(
    mut blacklist: Section<'_>,
    connections: ConnectionLimits,
    balancers: Vec<IpNet>,
) -> Policy {
    let section = &mut blacklist;
    let policy = Policy {
        suspicious_per_minute: section.setting("suspicious_per_minute", 20, |v| v.integer(1..=1_000_000)),
        expiration: section.setting("expiration", Some(Duration::from_secs(300)), |value| {
            value.parsed("a duration as \"5m\", or \"never\"", scalar::expiration)
        }),
        failed_logins: section.setting("failed_logins", true, Value::boolean),
        allow: section.setting("allow", Vec::new(), networks),
        block: section.setting("block", Vec::new(), networks),
        balancers,
        connections,
    };
    blacklist.finish(elsewhere);
    policy
}

/// Reads `[limits]`: deadlines, and limits of connections.
pub(super) fn limits(mut section: Section<'_>) -> (Limits, ConnectionLimits) {
    const SECOND: Duration = Duration::from_secs(1);
    let wanted = "a table by service, as { http = \"60s\", sip = \"2h\" }";
    let idle = section.get("idle_timeout").and_then(|value| value.section("limits.idle_timeout", wanted));
    let mut idle = idle.unwrap_or_else(|| Section::absent(section.report, "limits.idle_timeout"));
    let idle_timeout = IdleTimeouts {
        services: PerService::from_fn(|service| {
            idle.setting(service.name(), service.default_idle_timeout(), duration)
        }),
        tunnel: idle.setting("tunnel", 7200 * SECOND, duration),
    };
    idle.finish(elsewhere);
    let limits = Limits {
        handshake_timeout: section.setting("handshake_timeout", 10 * SECOND, duration),
        inspect_timeout: section.setting("inspect_timeout", 10 * SECOND, duration),
        idle_timeout,
        response_timeout: section.setting("response_timeout", 600 * SECOND, duration),
        drain_timeout: section.setting("drain_timeout", 30 * SECOND, duration),
        min_rate: section.setting("min_rate", 500, min_rate),
    };
    let connections = connections(&mut section);
    section.finish(elsewhere);
    (limits, connections)
}

/// Reads the limits of connections.
fn connections(section: &mut Section<'_>) -> ConnectionLimits {
    let count = |value: &Value<'_>| value.integer(1..=10_000_000);
    let max_connections = section.setting("max_connections", 50_000, count);
    ConnectionLimits {
        max_connections,
        max_connections_per_address: section.setting("max_connections_per_address", 500, count),
        new_connections_per_second: section
            .setting("new_connections_per_second", 200, |value| value.integer(0..=1_000_000)),
        max_undecided: section.setting("max_undecided", 10_000, count),
        max_undecided_per_address: section.setting("max_undecided_per_address", 50, count),
        sip_requests: section.setting("sip_requests", None, request_rate),
        sip_requests_per_user: section.setting("sip_requests_per_user", None, request_rate),
        reserved: reserved(section, max_connections),
    }
}

/// Reads `limits.reserved`: at most a quarter of all connections.
fn reserved(section: &mut Section<'_>, max_connections: u32) -> u32 {
    let most = max_connections / RESERVED_PART;
    section.setting("reserved", 1000.min(most), |value| {
        let reserved = value.integer(0..=10_000_000)?;
        if reserved > most {
            value.error(
                Fault::new(format!(
                    "`reserved` may be a quarter of max_connections at most, which is {most}"
                ))
                .label(format!("of {max_connections} connections in all"))
                .help("raise max_connections, or reserve less"),
            );
            return None;
        }
        Some(reserved)
    })
}

pub(super) fn log(mut section: Section<'_>) -> Log {
    let log = Log {
        forwarded: section.setting("forwarded", ServiceSet::default(), services),
        rejected: section.setting("rejected", ServiceSet::ALL, services),
        ended: section.setting("ended", ServiceSet::default(), services),
        query: section.setting("query", false, Value::boolean),
        format: section.setting("format", LogFormat::Text, |value| {
            value.choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)])
        }),
    };
    section.finish(elsewhere);
    log
}

/// Reads `"all"` or a list of services.
fn services(value: &Value<'_>) -> Option<ServiceSet> {
    let names = Service::ALL.map(|service| (service.name(), service));
    if let Node::String(text) = value.node {
        if *text == "all" {
            return Some(ServiceSet::ALL);
        }
        let fault = Fault::new(format!("`{}` must be \"all\" or a list of services", value.key));
        let words: Vec<&str> = text.split([',', ' ', ';']).filter(|word| !word.is_empty()).collect();
        let is_list =
            !words.is_empty() && words.iter().all(|word| names.iter().any(|(name, _)| name == word));
        let listed = if is_list { words.clone() } else { vec!["http", "sip"] };
        let listed = listed.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let right = if words.contains(&"all") { "\"all\"".to_owned() } else { format!("[{listed}]") };
        value.error(fault.help(format!("write {} = {right}", value.key)));
        return None;
    }
    let mut set = ServiceSet::default();
    for element in value.list("\"all\" or a list of services, as [\"http\", \"sip\"]") {
        if let Some(service) = element.choice(&names) {
            set.insert(service);
        }
    }
    Some(set)
}

//! Says where a key belongs if it is in the wrong table of portward.toml.

use crate::service::Service;

/// The sentence that says where `key` belongs. `None`: it belongs nowhere.
pub(super) fn elsewhere(key: &str) -> Option<String> {
    const TOP: [&str; 3] = ["rules", "state", "reject"];
    const TABLES: [&str; 10] =
        ["listen", "outside", "tls", "upstream", "sip", "ldap", "h323", "blacklist", "limits", "log"];
    const KEYS: [(&str, &[&str]); 10] = [
        ("listen", &["ipv4", "ipv6", "proxy_protocol_from", "forwarded_from"]),
        ("outside", &["address", "own_address", "name", "turn", "ports"]),
        ("tls", &["certificates", "default", "client_trust", "min_version", "acme_webroot", "acme_target"]),
        ("upstream", &["certificate", "trust", "verify", "connect_timeout"]),
        (
            "sip",
            &[
                "public_address",
                "methods",
                "default_host",
                "max_message",
                "identify",
                "sanity",
                "scanners",
                "secrets",
                "digest",
                "max_lifetime",
            ],
        ),
        ("ldap", &["root_dse"]),
        ("blacklist", &["suspicious_per_minute", "expiration", "failed_logins", "allow", "block"]),
        (
            "limits",
            &[
                "handshake_timeout",
                "inspect_timeout",
                "idle_timeout",
                "response_timeout",
                "drain_timeout",
                "max_connections",
                "max_connections_per_address",
                "new_connections_per_second",
                "max_undecided",
                "max_undecided_per_address",
                "reserved",
                "min_rate",
                "sip_requests",
                "sip_requests_per_user",
            ],
        ),
        ("log", &["forwarded", "rejected", "ended", "query", "format"]),
        ("admin", &["socket", "names", "certificate", "plain", "token", "hosts", "decisions"]),
    ];
    if TOP.contains(&key) {
        return Some(format!("`{key}` stands at the top of portward.toml, before the first [table]"));
    }
    if TABLES.contains(&key) {
        return Some(format!("[{key}] is a table at the top level of portward.toml"));
    }
    if matches!(key, "host" | "target" | "tenant") {
        return Some(format!("`{key}` belongs in a rules file; `portward check FILE` checks one alone"));
    }
    let is_port = Service::by_transport().any(|(service, transport)| service.scheme(transport) == key);
    let listen = is_port.then_some("listen");
    let table =
        listen.or_else(|| KEYS.iter().find(|(_, keys)| keys.contains(&key)).map(|(table, _)| *table))?;
    Some(format!("`{key}` belongs in [{table}]"))
}

//! Where a key belongs that stands in the wrong table of a rules file.

use std::ops::Range;

use toml::de::DeTable;

use super::super::keys;

/// The first key of a portward.toml, if the text is one: it has its tables, and nothing that rules have.
pub(super) fn of_a_configuration(document: &DeTable<'_>) -> Option<Range<usize>> {
    const RULES: [&str; 2] = ["host", "target"];
    const OWN: [&str; 10] =
        ["rules", "state", "reject", "listen", "outside", "tls", "upstream", "blacklist", "limits", "admin"];
    let has_rules = RULES.iter().any(|key| document.contains_key(*key));
    let own = document.keys().filter(|key| OWN.contains(&key.get_ref().as_ref()));
    own.map(|key| key.span()).min_by_key(|span| span.start).filter(|_| !has_rules)
}

/// The sentence that says where `key` belongs; `None`: nowhere.
pub(super) fn elsewhere(key: &str) -> Option<String> {
    match key {
        "http" => Some(
            "`http` belongs in a [[host]], or in a preset, which stands in the folder presets".to_owned(),
        ),
        "name" | "aliases" | "enabled" | "preset" | "client_trust" | "sip" | "ldap" | "h323" => {
            Some(format!("`{key}` belongs in a [[host]]"))
        }
        "server_name"
        | "pin"
        | "verify"
        | "reuse"
        | "proxy_protocol"
        | "present_certificate"
        | "min_rate"
        | "check"
        | "check_interval"
        | "check_timeout"
        | "check_port"
        | "check_path"
        | "rise"
        | "fall"
        | "failback" => Some(format!("`{key}` belongs in a [target.\"ADDRESS\"] table")),
        "max_message" => {
            Some("`max_message` belongs in a [target.\"ADDRESS\"] table, or in a preset".to_owned())
        }
        "check_certificate" | "on_failed_check" => {
            Some(format!("`{key}` belongs in a host's sip or h323 rule"))
        }
        "rewrite_transport" => Some("`rewrite_transport` belongs in a host's sip rule".to_owned()),
        "path" | "default" | "redirect" | "websocket" | "websocket_wait" | "origins" => {
            Some(format!("`{key}` belongs in an entry of a host's http list"))
        }
        "tcp" | "tls" => Some(format!("`{key}` belongs in a rule: sip = {{ {key} = … }}")),
        _ => keys::elsewhere(key).map(|help| format!("{help}, not in a rules file")),
    }
}

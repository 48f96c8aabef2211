//! Says where a key belongs if it is in the wrong table of a rules file.

use std::ops::Range;

use super::super::keys;
use super::super::tree::{Node, Table};
use super::super::walk::Value;

/// The first key of a portward.toml, if the text is a portward.toml: it has the tables of one, and no keys of rules.
pub(super) fn of_a_configuration(document: &Table<'_>) -> Option<Range<usize>> {
    const RULES: [&str; 3] = ["host", "target", "tenant"];
    const OWN: [&str; 10] =
        ["rules", "state", "reject", "listen", "outside", "tls", "upstream", "blacklist", "limits", "admin"];
    let has_rules = RULES.iter().any(|key| document.get(key).is_some());
    let own = document.keys().filter(|key| OWN.contains(key.get_ref()));
    own.map(|key| key.span()).min_by_key(|span| span.start).filter(|_| !has_rules)
}

/// The sentence that says where `key` belongs. `None`: it belongs nowhere.
pub(super) fn elsewhere(key: &str) -> Option<String> {
    match key {
        "http" => Some(
            "`http` belongs in a [[host]], or in a preset, which stands in the folder presets".to_owned(),
        ),
        "aliases" | "preset" | "tenant" | "client_trust" | "sip" | "ldap" | "h323" => {
            Some(format!("`{key}` belongs in a [[host]]"))
        }
        "name" | "enabled" => Some(format!("`{key}` belongs in a [[host]] or in a [tenant.ID] table")),
        "login" => {
            Some("`login` belongs in an entry of a host's http list, or in a [tenant.ID] table".to_owned())
        }
        "parent" | "realms" | "secrets" => Some(format!("`{key}` belongs in a [tenant.ID] table")),
        "server_name"
        | "pin"
        | "verify"
        | "reuse"
        | "proxy_protocol"
        | "present_certificate"
        | "assume_tls"
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
        "numbers" => Some("`numbers` belongs in a host's h323 rule".to_owned()),
        "ws" | "wss" | "ws_path" => {
            Some(format!("`{key}` belongs in a host's sip rule, or beside `websocket` in its http list"))
        }
        "rewrite_transport" | "credentials" | "credential_user" => {
            Some(format!("`{key}` belongs in a host's sip rule"))
        }
        "path" | "default" | "redirect" | "strip" | "set" | "otherwise" | "response" | "websocket"
        | "websocket_wait" | "origins" | "login_plain" | "pass_login" | "exchange" | "uris" => {
            Some(format!("`{key}` belongs in an entry of a host's http list"))
        }
        "tcp" | "tls" => Some(format!("`{key}` belongs in a rule: sip = {{ {key} = … }}")),
        _ => keys::elsewhere(key).map(|help| format!("{help}, not in a rules file")),
    }
}

/// The full names of tables like `[target.172.31.31.2]`, which TOML reads as nested tables, and the place of each. An
/// empty list: the table is written correctly. A table with such a name may not contain tables.
pub(super) fn unquoted(entry: &Value<'_>) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    if let Node::Table(table) = entry.node {
        let mut names =
            Unquoted { piece: entry.report.piece, start: entry.key_span.start, found: &mut found };
        names.go(entry.key, table, DEEPEST);
    }
    found
}

/// The greatest number of dots up to which such a name is shown.
const DEEPEST: u32 = 16;

struct Unquoted<'f> {
    piece: &'f str,
    /// The beginning of the name's first part.
    start: usize,
    found: &'f mut Vec<(String, Range<usize>)>,
}

impl Unquoted<'_> {
    fn go(&mut self, name: &str, table: &Table<'_>, depth: u32) {
        for (key, value) in table.iter() {
            let Node::Table(inner) = value.get_ref() else { continue };
            // The table is the value of a key and has no header.
            if self.piece.get(value.span()).is_some_and(|text| text.starts_with('{')) {
                continue;
            }
            let (name, before) = (format!("{name}.{}", key.get_ref()), self.found.len());
            if depth > 0 {
                self.go(&name, inner, depth - 1);
            }
            if self.found.len() == before {
                let whole = self.start..key.span().end;
                // If two such headers have the same first part, the parser's place of that part may be in another header.
                let is_one_line = self.piece.get(whole.clone()).is_some_and(|text| !text.contains('\n'));
                self.found.push((name, if is_one_line { whole } else { key.span() }));
            }
        }
    }
}

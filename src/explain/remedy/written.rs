//! The parts of TOML in remedies. toml_edit writes all strings, so a text is always exactly one string.

use std::num::NonZeroU16;

use toml_edit::{InlineTable, Item, Value};

use super::TARGET;
use crate::log::is_unseen;
use crate::rules::path::check_rule_path;
use crate::rules::{Endpoint, Host, HttpMatch, Ports};
use crate::service::{Service, Transport};

/// A string in TOML. Characters that would steer a terminal, break a line or be invisible are escaped.
pub(super) fn text(text: &str) -> Item {
    let quoted = |text: &str| {
        let one = |c: char| match c {
            '"' | '\\' => format!("\\{c}"),
            c if is_unseen(c) => format!("\\U{:08X}", u32::from(c)),
            c => c.to_string(),
        };
        let quoted: String = text.chars().map(one).collect();
        format!("\"{quoted}\"").parse::<Value>().ok()
    };
    let value = if text.chars().any(is_unseen) { quoted(text) } else { None };
    Item::Value(value.unwrap_or_else(|| Value::from(text)))
}

/// The entry of `http` for exactly this path, which is in compared form. `None`: no rule can match it.
pub(super) fn entry(path: &str) -> Option<Value> {
    if path == "/" {
        return Some(Value::InlineTable([("default", true)].into_iter().collect()));
    }
    check_rule_path(path).is_ok().then(|| Value::from(path))
}

/// Gives an entry the target of another rule of the host. `true`: no target is known.
pub(super) fn to(host: Host<'_>, near: Option<&HttpMatch<'_>>, entry: Value) -> (Value, bool) {
    let standard = standard(Service::Http);
    let own = host.target();
    let (target, ports) = match near {
        Some(rule) => {
            (Some(rule.endpoints).filter(|target| own != Some(*target) && !target.is_empty()), rule.ports)
        }
        None => (None, standard),
    };
    let is_lost = own.is_none() && target.is_none();
    if target.is_none() && ports == standard && !is_lost {
        return (entry, false);
    }
    let mut table = match entry {
        Value::InlineTable(table) => table,
        path => [("path", path)].into_iter().collect(),
    };
    if is_lost {
        table.insert("target", TARGET.into());
    } else if let Some(target) = target {
        table.insert("target", addresses(target));
    }
    if ports != standard {
        put_ports(&mut table, ports);
    }
    (Value::InlineTable(table), is_lost)
}

fn addresses(target: &[Endpoint]) -> Value {
    let text = |endpoint: &Endpoint| endpoint.address.to_string();
    match target {
        [one] => text(one).into(),
        several => Value::Array(several.iter().map(text).collect()),
    }
}

/// The ports that need not be written.
pub(super) fn standard(service: Service) -> Ports {
    let port = |transport| NonZeroU16::new(service.standard_port(transport));
    Ports { tcp: port(Transport::Plain), tls: port(Transport::Tls) }
}

pub(super) fn put_ports(table: &mut InlineTable, ports: Ports) {
    for (key, port) in [("tcp", ports.tcp), ("tls", ports.tls)] {
        let value = port.map_or_else(|| Value::from(false), |port| i64::from(port.get()).into());
        table.insert(key, value);
    }
}

//! `portward host list` and `show`.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{HostError, Loaded};
use crate::admin::host_to_json;
use crate::cli::daemon::field;
use crate::cli::table::{Table, Tone};
use crate::cli::terminal;
use crate::rules::{Host, Tenant};
use crate::service::Service;

pub(super) fn all(loaded: &Loaded, is_json: bool) {
    let table = &loaded.table;
    if is_json {
        let hosts: Vec<Value> = table.iter().map(|host| host_to_json(table, host)).collect();
        return terminal::print_line(json!({ "count": table.len(), "hosts": hosts }));
    }
    if table.is_empty() {
        return terminal::print_line("there are no hosts");
    }
    let mut shown =
        Table::new(&["HOST", "SERVICES", "TARGETS", "ENABLED", "RULE"]).long(&["RULE", "TARGETS"]);
    for host in table.iter() {
        let json = host_to_json(table, host);
        let services =
            Service::ALL.into_iter().filter(|service| host.serves(*service)).map(|service| service.name());
        let services = services.collect::<Vec<_>>().join(", ");
        let (enabled, tone) = enabled(host);
        let targets = targets(&json).join(", ");
        let cells = [
            names(host),
            services,
            if targets.is_empty() { "-".to_owned() } else { targets },
            enabled.into_owned(),
            rule(&json),
        ];
        shown.row(cells.map(|cell| (cell, tone)));
    }
    shown.print();
}

pub(super) fn print_host(loaded: &Loaded, name: &str, is_json: bool) -> Result<(), HostError> {
    let host = loaded.host(name)?;
    let json = host_to_json(&loaded.table, host);
    if is_json {
        terminal::print_line(&json);
        return Ok(());
    }
    terminal::print_line(names(host));
    let made = if host.is_made() { " (made over the API)" } else { "" };
    terminal::print_line(format_args!("  enabled  {}", enabled(host).0));
    terminal::print_line(format_args!("  rule     {}{made}", rule(&json)));
    if let Some(tenant) = host.tenant() {
        let line: Vec<_> = std::iter::once(tenant).chain(tenant.ancestors()).map(Tenant::id).collect();
        terminal::print_line(format_args!("  tenant   {}", line.join(", of ")));
    }
    if let Some(trust) = field(&json, "client_trust").as_str() {
        terminal::print_line(format_args!("  trust    {trust}"));
    }
    let mut shown =
        Table::new(&["", "SERVICE", "FOR", "TARGET", "TCP", "TLS", "RULE"]).long(&["RULE", "TARGET", "FOR"]);
    let text = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut row = |service: &str, what: String, rule: &Value| {
        let target = list_of(field(rule, "target")).join(", ");
        let cells = [
            String::new(),
            service.to_owned(),
            what,
            target,
            text(field(rule, "tcp")),
            text(field(rule, "tls")),
            text(field(rule, "rule")),
        ];
        shown.row(cells.map(|cell| (cell, Tone::Plain)));
    };
    for rule in field(&json, "http").as_array().into_iter().flatten() {
        let mut what = match field(rule, "path").as_str() {
            Some("") => "every path".to_owned(),
            Some(path) => path.to_owned(),
            None => "/ alone".to_owned(),
        };
        if let Some(preset) = field(rule, "preset").as_str() {
            what.push_str(&format!(" ({preset})"));
        }
        if !field(rule, "redirect").is_null() {
            what.push_str(" (plain: to https)");
        }
        row("http", what, rule);
    }
    for service in Service::decided_once() {
        let rule = field(&json, service.name());
        if rule.is_null() {
            continue;
        }
        let what = match field(rule, "check_certificate").as_bool() {
            Some(true) => "certificates are checked",
            _ => "",
        };
        row(service.name(), what.to_owned(), rule);
    }
    shown.print();
    Ok(())
}

/// The name and the aliases.
fn names(host: Host<'_>) -> String {
    let aliases: Vec<_> = host.aliases().map(|(alias, _)| alias).collect();
    if aliases.is_empty() {
        host.name().to_owned()
    } else {
        format!("{} ({})", host.name(), aliases.join(", "))
    }
}

/// Whether the host is enabled, and why.
fn enabled(host: Host<'_>) -> (Cow<'static, str>, Tone) {
    let tenant = host.tenant().and_then(Tenant::disabled_by);
    match (host.own_enabled(), host.enabled_by_rules(), tenant) {
        (false, false, _) => ("no".into(), Tone::Faint),
        (false, true, _) => ("no, by an administrator".into(), Tone::Warning),
        (true, _, Some(tenant)) => {
            (format!("no, the tenant {} is disabled", tenant.id()).into(), Tone::Warning)
        }
        (true, true, None) => ("yes".into(), Tone::Plain),
        (true, false, None) => ("yes, by an administrator".into(), Tone::Plain),
    }
}

fn rule(json: &Value) -> String {
    field(json, "rule").as_str().unwrap_or_default().to_owned()
}

fn list_of(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

/// Every address, without repetitions.
fn targets(json: &Value) -> Vec<String> {
    let http = field(json, "http").as_array().into_iter().flatten();
    let once = Service::decided_once().map(|service| field(json, service.name()));
    let mut all: Vec<String> = Vec::new();
    for address in http.chain(once).flat_map(|rule| list_of(field(rule, "target"))) {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all
}

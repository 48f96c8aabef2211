//! A host as JSON.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::put_field;
use crate::rules::{
    CheckedPorts, CredentialUser, Endpoint, Host, HttpMatch, Login, OnFailedCheck, Onward, Origins,
    ServiceRule, Source, Table, Tenant, Treatment,
};
use crate::service::Service;

/// The place of something: `FILE:LINE`.
pub(in crate::admin::v1) fn place(table: &Table, source: Source) -> String {
    format!("{}:{}", table.file(source).display(), source.line)
}

/// A host with its rules. A service that the host does not have is null.
pub(crate) fn host(table: &Table, host: Host<'_>) -> Value {
    let aliases: Vec<_> = host.aliases().map(|(name, _)| name).collect();
    let mut json = json!({
        "name": host.name(),
        "aliases": aliases,
        "enabled": host.own_enabled(),
        "enabled_by_rules": host.enabled_by_rules(),
        "tenant": host.tenant().map(Tenant::id),
        "disabled_by_tenant": host.tenant().and_then(Tenant::disabled_by).map(Tenant::id),
        "made_by": if host.is_made() { "api" } else { "rules" },
        "rule": place(table, host.source()),
        "client_trust": host.client_trust().map(|path| path.display().to_string()),
        "http": host.http_rules().map(|rule| http(table, &rule)).collect::<Vec<_>>(),
    });
    for service in Service::decided_once() {
        let rule = host.rule(service).map(|rule| once(table, service, rule));
        put_field(&mut json, service.name(), rule.into());
    }
    json
}

fn http(table: &Table, rule: &HttpMatch<'_>) -> Value {
    let nothing = Treatment::default();
    let treatment = rule.treatment.map_or(&nothing, |treatment| &**treatment);
    let (websocket, exchange) = (rule.websocket(), rule.exchange());
    let onward = rule.onward().map(|to| to.onward);
    // A WebSocket's target has only the WebSocket ports, and an exchange of credentials has no target.
    let ports = Some(rule.ports).filter(|_| websocket.is_none() && exchange.is_none());
    let origins = websocket.map(|rule| &rule.origins).or(exchange.map(|rule| &rule.origins));
    let mut json = json!({
        "path": if rule.default { Value::Null } else { rule.path.into() },
        "default": rule.default,
        "redirect": rule.redirect_https.then_some("https"),
        "preset": rule.preset,
        "target": addresses(rule.endpoints),
        "by_tenant": rule.by_tenant,
        "otherwise": treatment.otherwise.as_ref().map(|otherwise| addresses(otherwise)),
        "strip": treatment.strip,
        "host": treatment.host_of_target.then_some("target"),
        "login": treatment.login.as_ref().map(|login| match login {
            Login::Tenant => "tenant".to_owned(),
            Login::File(file) => file.display().to_string(),
        }),
        "set": treatment.set.iter().map(|field| &*field.name).collect::<Vec<_>>(),
        "response": treatment.response.iter().map(|field| &*field.name).collect::<Vec<_>>(),
        "tcp": ports.and_then(|ports| ports.tcp),
        "tls": ports.and_then(|ports| ports.tls),
        "websocket": websocket.map(|_| "sip"),
        "websocket_wait": websocket.map(|rule| duration(rule.wait)),
        "exchange": exchange.map(|_| "sip"),
        "uris": exchange.map(|rule| &*rule.uris),
        "origins": origins.and_then(listed),
        "login_plain": treatment.login_plain,
        "rule": place(table, rule.source()),
    });
    put_onward(&mut json, onward);
    json
}

/// The ports of a PBX that is reached by WebSocket, and the path of the handshake.
fn put_onward(json: &mut Value, onward: Option<&Onward>) {
    put_field(json, "ws", onward.and_then(|onward| onward.ports.tcp).map(u16::from).into());
    put_field(json, "wss", onward.and_then(|onward| onward.ports.tls).map(u16::from).into());
    put_field(json, "ws_path", onward.map(|onward| &*onward.path).into());
}

/// The list of origins in the rules. `None`: there is no list, so the host's own pages are allowed.
fn listed(origins: &Origins) -> Option<Vec<&str>> {
    match origins {
        Origins::Own => None,
        Origins::Listed { origins, none } => {
            Some(origins.iter().map(|origin| &**origin).chain(none.then_some("none")).collect())
        }
    }
}

/// A duration in the form of the rules: a number of the largest unit that divides it.
fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.into_iter().find(|(unit, _)| millis.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "ms"));
    format!("{}{name}", millis / unit)
}

fn once(table: &Table, service: Service, rule: &ServiceRule) -> Value {
    let ports = rule.ports.ports();
    let mut json = json!({
        "target": addresses(&rule.endpoints),
        "tcp": ports.tcp,
        "tls": ports.tls,
        "rule": place(table, rule.source),
    });
    if service.asks_for_certificate() {
        let on_failed = match rule.ports {
            CheckedPorts::Unchecked(_) => None,
            CheckedPorts::Checked { on_failed: OnFailedCheck::Plain, .. } => Some("plain"),
            CheckedPorts::Checked { on_failed: OnFailedCheck::Reject, .. } => Some("reject"),
        };
        put_field(&mut json, "check_certificate", rule.ports.is_checked().into());
        put_field(&mut json, "on_failed_check", on_failed.into());
    }
    if service == Service::Sip {
        put_field(&mut json, "rewrite_transport", rule.rewrite_transport.into());
        put_field(&mut json, "credentials", rule.credentials.map(|_| "ephemeral").into());
        put_field(&mut json, "credential_user", rule.credentials.map(CredentialUser::name).into());
        put_onward(&mut json, rule.websocket.as_deref());
    }
    json
}

/// The addresses of a target, in their order.
pub(in crate::admin::v1) fn addresses(endpoints: &[Endpoint]) -> Vec<String> {
    endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
}

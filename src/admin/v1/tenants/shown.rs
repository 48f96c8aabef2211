//! A tenant as JSON.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::super::hosts::{addresses, place};
use super::super::put_field;
use crate::rules::{Host, Table, Tenant};
use crate::state::Snapshot;
use crate::state::made::tenants::{HIDDEN, IMPORTED, Tenants};

/// The state from which tenants are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TenantContext<'a> {
    /// The table.
    pub(crate) table: &'a Table,
    /// The tenants of the API in the table.
    pub(crate) tenants: &'a Tenants,
    /// The folder of `state`.
    pub(crate) state: &'a Path,
}

impl<'a> From<&'a Snapshot> for TenantContext<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        Self { table: &snapshot.table, tenants: snapshot.tenants(), state: &snapshot.config.state }
    }
}

/// How many names of hosts and tenants are in an answer.
const NAMED: usize = 100;

/// A tenant and its place. `definition` is the definition of a tenant of the API, without logins and secrets.
pub(crate) fn tenant(context: TenantContext<'_>, tenant: Tenant<'_>) -> Value {
    let mut json = state(context, tenant);
    let definition = context.tenants.get(tenant.id()).filter(|_| tenant.is_made());
    let imported = definition.and_then(|definition| definition.get(IMPORTED)).cloned();
    let realms = definition.map(|definition| definition.get("realms").cloned().unwrap_or_else(|| json!([])));
    for (name, value) in [
        ("name", tenant.name().into()),
        ("parent", tenant.parent().map(Tenant::id).into()),
        ("target", tenant.target().map(|list| addresses(list)).into()),
        ("own_target", tenant.own_target().map(|list| addresses(list)).into()),
        ("realms", realms.into()),
        ("login", definition.map(logins).into()),
        ("secrets", definition.map(|definition| count(definition, "secrets")).into()),
        ("imported", imported.into()),
        ("definition", definition.map(without_hidden).into()),
    ] {
        put_field(&mut json, name, value);
    }
    json
}

/// A tenant with the hosts and tenants that belong to it.
pub(crate) fn whole(context: TenantContext<'_>, of: Tenant<'_>) -> Value {
    let mut json = tenant(context, of);
    let hosts =
        context.table.iter().filter(|host| host.tenant().is_some_and(|tenant| tenant.id() == of.id()));
    put_field(&mut json, "hosts", names(hosts.map(Host::name)));
    let below = context
        .table
        .tenants()
        .iter()
        .filter(|tenant| tenant.parent().is_some_and(|above| above.id() == of.id()));
    put_field(&mut json, "children", names(below.map(Tenant::id)));
    json
}

/// Whether the tenant is enabled, and why.
pub(super) fn state(context: TenantContext<'_>, tenant: Tenant<'_>) -> Value {
    let rule = match tenant.is_made() {
        true => Tenants::file(context.state).display().to_string(),
        false => place(context.table, tenant.source()),
    };
    json!({
        "id": tenant.id(),
        "enabled": tenant.enabled(),
        "enabled_by_rules": tenant.enabled_by_rules(),
        "alive": tenant.is_alive(),
        "made_by": if tenant.is_made() { "api" } else { "rules" },
        "rule": rule,
    })
}

/// A list that may be long: its length, and the first names.
fn names<'n>(all: impl Iterator<Item = &'n str>) -> Value {
    let (mut count, mut names) = (0, Vec::new());
    for name in all {
        count += 1;
        if names.len() < NAMED {
            names.push(name);
        }
    }
    json!({ "count": count, "names": names })
}

/// As [`names`].
pub(super) fn first(all: &[Box<str>]) -> Value {
    names(all.iter().map(|name| &**name))
}

fn without_hidden(definition: &Map<String, Value>) -> Value {
    let shown = definition.iter().filter(|(key, _)| !HIDDEN.contains(&key.as_str()));
    Value::Object(shown.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The users of its logins, or the file that has them.
fn logins(definition: &Map<String, Value>) -> Value {
    match definition.get("login") {
        Some(Value::Array(lines)) => {
            let users = lines.iter().filter_map(|line| line.as_str()?.split_once(':')).map(|(user, _)| user);
            json!({ "count": lines.len(), "users": users.collect::<Vec<_>>(), "file": null })
        }
        Some(Value::String(file)) => json!({ "count": null, "users": [], "file": file }),
        _ => json!({ "count": 0, "users": [], "file": null }),
    }
}

fn count(definition: &Map<String, Value>, key: &str) -> usize {
    definition.get(key).and_then(Value::as_array).map_or(0, Vec::len)
}

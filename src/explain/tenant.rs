//! Further effects of an HTTP rule, beside the target: the tenant, the login, and changes on the way (contract section
//! 9).

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::answer::RuleLocation;
use crate::route::http::{RuleEdits, To};
use crate::rules::{Captured, Host, HttpMatch, Login, SetField, Table, Tenant};

/// Further effects of a rule, beside the target.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Treated {
    /// The tenant that the path names or to which the host belongs.
    pub tenant: Option<TenantAt>,
    /// The demanded login, in words.
    pub login: Option<String>,
    /// Path and query as they are forwarded, if a part is removed.
    pub path: Option<String>,
    /// The Host that is sent, if it is the target's name.
    pub host: Option<String>,
    /// The fields that are set toward the target.
    pub set: Vec<(String, String)>,
    /// The fields that are set in the answer.
    pub response: Vec<(String, String)>,
}

/// A tenant and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantAt {
    /// Its id, or the text in the path in place of the id.
    pub id: String,
    /// Its friendly name.
    pub name: Option<String>,
    /// Its place. `None`: there is no such tenant.
    pub at: Option<RuleLocation>,
    /// Whether it and all tenants above it are enabled.
    pub enabled: bool,
}

impl TenantAt {
    fn of(table: &Table, tenant: Tenant<'_>) -> Self {
        Self {
            id: tenant.id().to_owned(),
            name: tenant.name().map(str::to_owned),
            at: Some(RuleLocation::of(table, tenant.source())),
            enabled: tenant.is_alive(),
        }
    }

    fn shown(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let at = match &self.at {
            Some(at) => format!(" at {at}"),
            None => ": there is none".to_owned(),
        };
        let state = if self.enabled || self.at.is_none() { "" } else { ", disabled" };
        format!("{}{name}{state}{at}", self.id)
    }
}

impl Treated {
    /// The effects of `rule` on a request for `path`.
    pub(super) fn of(table: &Table, host: Host<'_>, rule: &HttpMatch<'_>, path: &[u8]) -> Self {
        let tenant = match rule.captured {
            Some(Captured { tenant: Some(tenant), .. }) => Some(TenantAt::of(table, tenant)),
            Some(Captured { segment, .. }) => {
                let text = path.split(|octet| *octet == b'/').nth(segment + 1).unwrap_or_default();
                let id = String::from_utf8_lossy(text).into_owned();
                Some(TenantAt { id, name: None, at: None, enabled: false })
            }
            None => host.tenant().map(|tenant| TenantAt::of(table, tenant)),
        };
        let login = rule.treatment.and_then(|treatment| treatment.login.as_ref()).map(|login| match login {
            Login::Tenant => "a user of the tenant".to_owned(),
            Login::File(file) => format!("a user of {}", file.display()),
        });
        Self { tenant, login, ..Self::default() }
    }

    /// The same for a request that is forwarded. `client`: the client's address, if it is known.
    pub(super) fn forwarded(
        self,
        edits: &RuleEdits<'_>,
        target: &[u8],
        to: &To<'_>,
        client: Option<IpAddr>,
    ) -> Self {
        let treatment = edits.treatment;
        let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
        let path = treatment.strip.then(|| {
            let mut path = Vec::new();
            edits.put_target(&mut path, target);
            text(path)
        });
        // The client's address may be unknown.
        let client = client.map_or_else(|| "{client}".to_owned(), |client| client.to_string());
        let value = |field: &SetField| {
            let mut value = Vec::new();
            edits.put_value(&mut value, field, |out| out.extend_from_slice(client.as_bytes()));
            text(value)
        };
        let host = treatment.host_of_target.then(|| to.authority(0));
        let set = treatment.set.iter().map(|field| (field.name.to_string(), value(field)));
        let response =
            treatment.response.iter().map(|field| (field.name.to_string(), field.value.to_string()));
        Self { path, host, set: set.collect(), response: response.collect(), ..self }
    }

    /// The lines of the text, each with its heading.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        lines.extend(self.tenant.as_ref().map(|tenant| ("tenant", tenant.shown())));
        lines.extend(self.login.as_ref().map(|login| ("login", format!("of {login}"))));
        lines.extend(self.path.as_ref().map(|path| ("path", format!("{path} is what the target gets"))));
        lines.extend(self.host.as_ref().map(|host| ("sends", format!("Host: {host}"))));
        lines.extend(self.set.iter().map(|(name, value)| ("sends", format!("{name}: {value}"))));
        lines.extend(self.response.iter().map(|(name, value)| ("answers", format!("{name}: {value}"))));
        lines
    }

    /// Adds the fields for programs.
    pub(super) fn put_json(&self, json: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        if let Some(TenantAt { id, name, at, enabled }) = &self.tenant {
            let at = at.as_ref().map(RuleLocation::to_string);
            put("tenant", json!({ "id": id, "name": name, "at": at, "enabled": enabled }));
        }
        if let Some(login) = &self.login {
            put("login", login.as_str().into());
        }
        if let Some(path) = &self.path {
            put("path", path.as_str().into());
        }
        if let Some(host) = &self.host {
            put("sent_host", host.as_str().into());
        }
        for (key, fields) in [("set", &self.set), ("response", &self.response)] {
            if !fields.is_empty() {
                let fields = fields.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
                put(key, Value::Object(fields.collect()));
            }
        }
    }
}

//! Remedies for refusals because a host, a path, a tenant or a key is missing.

use std::path::PathBuf;

use toml_edit::{Array, InlineTable, Item, Key, Table, Value};

use super::super::url::What;
use super::place::Wanted;
use super::written::{entry, put_ports, standard, text, to};
use super::{HOST, Refused, Remedy, TARGET, likeness, word};
use crate::rules::path::{decoded, request_path};
use crate::rules::{Endpoint, Host, HttpMatch, Naming, ServiceRule, is_tenant_id, name, near};
use crate::service::Service;

/// The placeholder for the id of a tenant of which only the name is known. No id contains blanks.
const ID: &str = "ID OF THE TENANT";
/// The longest part of a host's name in the name of a file.
const STEM: usize = 100;

impl Refused<'_> {
    /// Adds a host with the name that was asked for.
    pub(super) fn new_host(&self) -> Remedy {
        let Ok(name) = name::normalise(self.asked) else {
            return Remedy::of("It cannot be let in: a host cannot have the name that was asked for.");
        };
        let mut host = Table::new();
        host.insert("name", text(&name));
        host.insert("target", text(TARGET));
        let mut command = vec!["portward host add".to_owned(), word(&name), "--target ADDRESS".to_owned()];
        let service = self.service();
        let mut look = None;
        if service == Service::Http {
            let Some((entry, path)) = self.path().and_then(|path| Some((entry(&path)?, path))) else {
                return Remedy::of(NO_PATH_OF_A_RULE);
            };
            look = likeness::path(&path);
            command.push(format!("--http {}", word(&path)));
            host.insert("http", Item::Value(Value::Array(std::iter::once(entry).collect::<Array>())));
        } else {
            command.push(format!("--{service}"));
            host.insert(service.name(), Item::Value(true.into()));
        }
        let (file, exists) = self.file_for(&name);
        let place = if exists { "at the end of that file" } else { "as a new file" };
        let mut remedy = Remedy::of(format!(
            "Add a host of this name {place}, and write the address of the PBX in place of {TARGET}: until then `portward check` \
             refuses it."
        ));
        if service == Service::Http {
            remedy = remedy.and("A shorter path lets in every request that begins with it.");
        }
        if let Some(what) = look {
            remedy = remedy.and(format_args!("Think twice: this looks like {what}."));
        } else if likeness::is_address(&name) {
            remedy = remedy.and(
                "Think twice: a client that asks for a bare address knows none of your names, and is nearly always a scanner. If a \
                 telephone does it, set the domain in the telephone.",
            );
        }
        if let Some(known) = near::name(self.table(), &name) {
            remedy = remedy.and(format_args!(
                "If {known} is meant, let the client ask for that, or add this name to its `aliases`."
            ));
        }
        let toml = Some(format!("[[host]]\n{host}"));
        Remedy { toml, file: Some(file), command: Some(command.join(" ")), ..remedy }
    }

    /// Adds a rule for the service to an existing host.
    pub(super) fn new_service(&self) -> Remedy {
        let (service, Some(host)) = (self.service(), self.host) else {
            return Remedy::of("Give the host a rule for this service.");
        };
        if service == Service::Http {
            return self.new_path();
        }
        let value = match host.target() {
            Some(target) => self.agreeing(service, target).map_or(true.into(), Value::InlineTable),
            None => Value::InlineTable([("target", TARGET)].into_iter().collect()),
        };
        let words = format!("Give the host a rule for {service}.");
        let words = if host.target().is_some() {
            format!("{words} It leads to the target of the host.")
        } else {
            format!(
                "{words} Write the address of the PBX in place of {TARGET}: until then `portward check` refuses it."
            )
        };
        self.key_of(host, service.name(), (value.to_string().trim(), ""), words)
    }

    /// The keys that a rule for `target` needs to agree with other rules for that target (contract sections 5 and 9).
    /// `None`: there are none.
    fn agreeing(&self, service: Service, target: &[Endpoint]) -> Option<InlineTable> {
        let leads_there = |rule: &&ServiceRule| {
            rule.endpoints.iter().any(|one| target.iter().any(|other| one.address == other.address))
        };
        let rules =
            |service| self.table().iter().filter_map(move |host| host.rule(service)).filter(leads_there);
        let same = rules(service).next();
        let ports = same.map_or(standard(service), |rule| rule.ports.ports());
        let mut table = InlineTable::new();
        if ports != standard(service) {
            put_ports(&mut table, ports);
        }
        let is_unchecked = |rule: &ServiceRule| !rule.ports.is_checked() && rule.ports.ports().tls.is_some();
        let asking = || Service::ALL.into_iter().filter(|service| service.asks_for_certificate());
        if service.asks_for_certificate() && ports.tls.is_some() && asking().flat_map(rules).any(is_unchecked)
        {
            table.insert("check_certificate", false.into());
        }
        if let Some(user) = rules(service).find_map(|rule| rule.credentials) {
            table.insert("credentials", "ephemeral".into());
            table.insert("credential_user", user.name().into());
        }
        (!table.is_empty()).then_some(table)
    }

    /// Adds a path to an existing host.
    pub(super) fn new_path(&self) -> Remedy {
        let Some((host, path)) = self.host.zip(self.path()) else { return Remedy::of(NO_PATH_OF_A_RULE) };
        let Some(entry) = entry(&path) else { return Remedy::of(NO_PATH_OF_A_RULE) };
        let mut room = Vec::new();
        let near = request_path(path.as_bytes(), &mut room).ok().and_then(|path| near::path(host, &path));
        let near = near
            .or_else(|| host.http_rules().next())
            .filter(|rule| rule.websocket().is_none() && rule.exchange().is_none() && rule.naming.is_none());
        let mut words = "Add this path to the list of the host.".to_owned();
        let (value, needs_target) = to(host, near.as_ref(), entry);
        if needs_target {
            words.push_str(&format!(
                " Write the address of the PBX in place of {TARGET}: until then `portward check` refuses it."
            ));
        } else if host.http_rules().next().is_some() {
            words.push_str(" It leads where the nearest rule does.");
        }
        let gap = words.len();
        words.push_str(" A shorter path lets in every request that begins with it.");
        if near.is_some_and(|rule| rule.demands_login()) {
            words.push_str(" Think twice: the nearest rule demands a login, and this one would not.");
        }
        if let Some(what) = likeness::path(&path) {
            words.push_str(&format!(" Think twice: this looks like {what}."));
        }
        let keys = match &value {
            Value::InlineTable(table) => table.clone().into_table().to_string(),
            other => Table::from_iter([("path", other.clone())]).to_string(),
        };
        Remedy { gap, ..self.key_of(host, "http", (value.to_string().trim(), &keys), words) }
    }

    /// Adds a key to a host, at its place.
    fn key_of(
        &self,
        host: Host<'_>,
        key: &'static str,
        (value, keys): (&str, &str),
        words: String,
    ) -> Remedy {
        let (file, line) = self.at(host);
        if host.is_made() {
            let words = format!(
                "{words} The host was made over the API: write it there, with PUT /v1/hosts/{}. No file has it.",
                host.name()
            );
            return Remedy::of(words);
        }
        let (host, value, keys) = (host.name().to_owned(), value.to_owned(), keys.to_owned());
        let wanted = Wanted::Key { host, line, key, value, keys };
        let gap = words.len();
        Remedy { file: Some(file), line: Some(line), unread: Some(wanted), gap, ..Remedy::of(words) }
    }

    /// Sets `default_host` of the service.
    pub(super) fn default_host(&self) -> Remedy {
        let service = self.service();
        if service == Service::Http {
            return Remedy::of(
                "It should not be let in: every browser names a host, and HTTP has no default. Let the client send a Host.",
            );
        }
        let mut serving = self.table().iter().filter(|host| host.serves(service)).map(Host::name);
        let host = match (serving.next(), serving.next()) {
            (Some(only), None) if !only.starts_with('*') => only,
            _ => HOST,
        };
        let words = format!("Let requests without a host go to the default host of {service}.");
        let words = if host == HOST {
            format!(
                "{words} Write the name of a host with a rule for {service} in place of {HOST}: until then `portward check` refuses it."
            )
        } else {
            words
        };
        let value = Value::from(host).to_string().trim().to_owned();
        let wanted = Wanted::Setting { table: service.name(), key: "default_host", value };
        let file = Some(self.grounds.config.file.clone());
        Remedy { file, unread: Some(wanted), gap: words.len(), ..Remedy::of(words) }
    }

    /// Adds the tenant that the path names.
    pub(super) fn new_tenant(&self) -> Remedy {
        let Some((naming, said, rule)) = self.captured() else {
            return Remedy::of("Add the tenant that the path names.");
        };
        let mut tenant = Table::new();
        let id = match naming {
            Naming::Id => {
                let same = |known: &str| known.eq_ignore_ascii_case(&said);
                if let Some(known) = self.table().tenants().iter().find(|known| same(known.id())) {
                    return Remedy::of(format!(
                        "There is the tenant {}: let the client ask for it in that spelling. Ids that differ in case only cannot both \
                         be.",
                        known.id()
                    ));
                }
                said.as_str()
            }
            Naming::Name => {
                tenant.insert("name", text(&said));
                ID
            }
        };
        if let Some(parent) = self.host.and_then(Host::tenant) {
            tenant.insert("parent", text(parent.id()));
        }
        let mut words = "Add the tenant.".to_owned();
        if id == ID {
            words.push_str(&format!(" Write its id in place of {ID}."));
        }
        if rule.by_tenant {
            tenant.insert("target", text(TARGET));
            words.push_str(&format!(" Write the address of its PBX in place of {TARGET}."));
        }
        if id == ID || rule.by_tenant {
            words.push_str(" Until then `portward check` refuses it.");
        }
        if rule.exchange().is_some() {
            words.push_str(" It also needs `secrets`, with which its credentials are made.");
        }
        let (file, exists) = self.file_for(&format!("tenant-{id}"));
        let place = if exists { "It goes to the end of that file." } else { "It can be a new file." };
        let toml = Some(format!("[tenant.{}]\n{tenant}", Key::new(id).display_repr()));
        Remedy { toml, file: Some(file), ..Remedy::of(words).and(place) }
    }

    /// The part of the path that names the tenant.
    fn captured(&self) -> Option<(Naming, String, HttpMatch<'_>)> {
        let (host, What::Http(page)) = (self.host?, self.url.what()) else { return None };
        let mut room = Vec::new();
        let rule = host.http(&request_path(page.path.as_bytes(), &mut room).ok()?).ok()?;
        let captured = rule.captured?;
        let segment = page.path.split('/').nth(captured.segment + 1)?;
        let said = String::from_utf8(decoded(segment.as_bytes())).ok()?;
        let is_one = captured.naming == Naming::Name || is_tenant_id(&said);
        is_one.then_some((captured.naming, said, rule))
    }

    /// The file for a new object called `name`, and whether that is already a file of the rules.
    fn file_for(&self, name: &str) -> (PathBuf, bool) {
        let rules = &self.grounds.config.rules;
        let files = self.table().files();
        if files.contains(rules) {
            return (rules.clone(), true);
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
        let stem: String = name.replace('*', "wildcard").chars().map(plain).take(STEM).collect();
        let file = rules.join(format!("{}.toml", stem.trim_start_matches('.')));
        let exists = files.contains(&file);
        (file, exists)
    }
}

const NO_PATH_OF_A_RULE: &str = "No rule is for exactly this path: it has a part that a rule cannot have. A rule for an earlier part of it \
                                 would let it in, with every other path that begins so.";

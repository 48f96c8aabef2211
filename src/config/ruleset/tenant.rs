//! The tenants of the rules files: `[tenant.ID]`, and references to tenants (contract section 9).
//!
//! All of them are read before any host, in all files, so that a host may name a tenant that is defined later.
//! `lineage` checks their parents once all tenants are known.

mod lineage;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::super::Diagnostic;
use super::super::report::Fault;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use super::super::{secrets, suggest};
use super::context::Context;
use super::files::{Lines, Position};
use super::keys::{elsewhere, unquoted};
use super::target::Targets;
use super::{login, signalling};
use crate::rules::{
    HostDef, LONGEST_TENANT_ID, LONGEST_TENANT_NAME, NameDef, Tenant, TenantDef, Tenants, is_of_tenant_id,
};
use crate::service::{PerService, Service};

/// The name of the table in messages.
const TABLE: &str = "a [tenant.ID] table";

/// The rule for ids, for messages.
const ID: &str = "an id has 1 to 64 of A-Z a-z 0-9 . _ - and is neither \".\" nor \"..\"";

type Index = HashMap<Box<str>, usize, foldhash::fast::RandomState>;

/// The tenants that are being read.
#[derive(Default)]
pub(super) struct Reading {
    list: Vec<One>,
    /// The tenants by id in lower case. No two ids may differ only in case.
    ids: Index,
    names: Index,
}

/// One `[tenant.ID]`.
struct One {
    definition: TenantDef,
    /// The place of its id.
    key: Position,
    /// The place of its friendly name.
    name: Option<Position>,
    parent: Option<Parent>,
}

/// The value of `parent`.
struct Parent {
    /// The place of the value.
    at: Position,
    /// The written ids, the parent last, and the place of each.
    line: Vec<(Box<str>, Position)>,
    /// Whether it is the whole line from the root, and not only the parent.
    is_whole: bool,
}

/// The content of one `[tenant.ID]` table by itself. It was not checked against other tenants.
#[derive(Debug, Clone)]
pub(super) struct Alone {
    /// The definition, with the written parent.
    pub(super) definition: TenantDef,
    /// The whole line from the root, if it is written.
    pub(super) line: Option<Vec<Box<str>>>,
}

/// The context for reading the tables of a file.
pub(super) struct Around<'a, 't> {
    pub(super) targets: &'a mut Targets,
    /// The names of all files.
    pub(super) names: &'a [PathBuf],
    pub(super) lines: &'a mut Lines<'t>,
}

impl Reading {
    /// Reads the `[tenant]` tables of a piece.
    pub(super) fn define(&mut self, tenants: &Value<'_>, around: &mut Around<'_, '_>) {
        let Some(mut section) = tenants.section("[tenant]", "written as [tenant.ID]") else { return };
        let mut entries = section.entries();
        // The entries are read in the order of the file, so that of two equal ones the first is kept.
        entries.sort_by_key(|entry| entry.key_span.start);
        for entry in entries {
            self.read(&entry, around);
        }
    }

    fn read(&mut self, entry: &Value<'_>, around: &mut Around<'_, '_>) {
        if refuse_unquoted(entry) {
            return;
        }
        let key = position(around.lines.file, entry, &entry.key_span);
        let is_id = id(entry.key).map_err(|fault| entry.error_at_key(fault)).is_ok();
        if !is_id || !self.is_new(entry, around.names) {
            return;
        }
        let Some(mut section) = entry.section(TABLE, "a table") else { return };
        let source = around.lines.source(entry.report.base + entry.key_span.start);
        let name = section.get("name");
        let name = name.and_then(|value| Some((self.name(&value, around)?, value)));
        let enabled = section.read("enabled", true, Value::boolean);
        let parent = section.get("parent").and_then(|value| parent(&value, around.lines.file));
        let target = section.get("target").map(|value| {
            // A wrong target was reported already. Further errors about hosts without a target would hide that error.
            around.targets.endpoints(&value).unwrap_or_else(|| around.targets.stand_in())
        });
        let secrets = section.get("secrets").map(|value| secrets::read(&value)).unwrap_or_default();
        let users = section.get("login").and_then(|value| login::users(&value));
        // Realms become hosts later, when hosts are read.
        section.get("realms");
        section.finish(elsewhere);
        let at = self.list.len();
        self.ids.insert(entry.key.to_ascii_lowercase().into(), at);
        if let Some((name, _)) = &name {
            self.names.insert(name.clone(), at);
        }
        let name_at = name.as_ref().map(|(_, value)| position(around.lines.file, value, &value.inner()));
        self.list.push(One {
            definition: TenantDef {
                id: entry.key.into(),
                name: name.map(|(name, _)| name),
                enabled,
                parent: None,
                endpoints: target,
                secrets,
                users,
                source,
            },
            key,
            name: name_at,
            parent,
        });
    }

    /// Whether no other tenant has this id in any case. Otherwise that is reported.
    fn is_new(&self, entry: &Value<'_>, names: &[PathBuf]) -> bool {
        let known = self.ids.get(&*entry.key.to_ascii_lowercase());
        let Some(first) = known.and_then(|at| self.list.get(*at)) else { return true };
        let id = &first.definition.id;
        let fault = match **id == *entry.key {
            true => Fault::new(format!("the tenant {id} is defined twice")).label("defined again"),
            false => Fault::new(format!("the tenants {id} and {} differ only in case", entry.key))
                .label("the same but for case")
                .help("give one of them another id"),
        };
        entry.error_at_key(fault.related(place(first.key, names), "first defined here"));
        false
    }

    /// The friendly name, if it is valid and no other tenant has it.
    fn name(&self, value: &Value<'_>, around: &Around<'_, '_>) -> Option<Box<str>> {
        let name = value.parsed("the tenant's name for people", friendly_name)?;
        if let Some(first) = self.names.get(name).and_then(|at| self.list.get(*at)) {
            let fault =
                Fault::new(format!("the name \"{name}\" is that of the tenant {}", first.definition.id))
                    .label("named again")
                    .help("give this tenant another name, or none")
                    .related(place(first.name.unwrap_or(first.key), around.names), "first named here");
            value.error(fault);
            return None;
        }
        Some(name.into())
    }

    /// The single tenant that was read. `None`: there is none, which was reported.
    pub(super) fn alone(mut self) -> Option<Alone> {
        let One { mut definition, parent, .. } = self.list.pop()?;
        let is_whole = parent.as_ref().is_some_and(|parent| parent.is_whole);
        let line = parent.into_iter().flat_map(|parent| parent.line).map(|(id, _)| id).collect::<Vec<_>>();
        definition.parent = line.last().cloned();
        Some(Alone { definition, line: is_whole.then_some(line) })
    }

    /// All tenants, and the faults of their parents. `is_whole`: everything was read, so a tenant that was not found
    /// does not exist.
    pub(super) fn finish(self, names: &[PathBuf], is_whole: bool) -> (Tenants, Vec<Diagnostic>) {
        let (definitions, found) = lineage::judge(self, names, is_whole);
        (Tenants::new(definitions), found)
    }
}

/// The tenants that hosts may name.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tenants: Arc<Tenants>,
    /// Whether something was not read. Then a tenant may exist although it was not found.
    pub(super) is_doubtful: bool,
    guesses: Guesses,
}

impl Known {
    pub(super) fn new(tenants: Arc<Tenants>, is_doubtful: bool) -> Self {
        Self { tenants, is_doubtful, guesses: Guesses::default() }
    }

    /// The tenant that a host names. `None`: there is no such tenant, which was reported.
    pub(super) fn named(&mut self, value: &Value<'_>) -> Option<Tenant<'_>> {
        let id = value.parsed("the id of a tenant", |text| id(text).map(|()| text))?;
        if self.tenants.by_id(id).is_none() && !self.is_doubtful {
            value.error(self.guesses.unknown(id, self.tenants.iter().map(Tenant::id)));
        }
        self.tenants.by_id(id)
    }
}

/// How many more guesses are allowed at the id that was meant. They are limited, because a guess compares all tenants.
struct Guesses(u32);

impl Default for Guesses {
    fn default() -> Self {
        Self(20)
    }
}

impl Guesses {
    /// The fault that no tenant has this id.
    fn unknown<'c>(&mut self, id: &str, known: impl Iterator<Item = &'c str>) -> Fault {
        let fault = Fault::new(format!("there is no tenant {id}"));
        let near = if self.0 > 0 { suggest::closest(id, known) } else { None };
        self.0 = self.0.saturating_sub(1);
        match near {
            Some(near) => fault.label(format!("did you mean \"{near}\"?")),
            None => fault.help(format!("define it as {}, in any rules file", header(id))),
        }
    }
}

/// Reads the hosts for `realms`.
pub(super) fn realms(entry: &Value<'_>, context: &mut Context, lines: &mut Lines<'_>) -> Vec<HostDef> {
    let Node::Table(table) = entry.node else { return Vec::new() };
    let mut section = Section::new(entry.report, TABLE, entry.span.clone(), table);
    let Some(list) = section.get("realms") else { return Vec::new() };
    let target = context.known.tenants.by_id(entry.key).and_then(Tenant::target).cloned();
    let mut hosts = Vec::new();
    for value in list.list("a list of names, as [\"xyz.example\"]") {
        let Some(name) = value.parsed("a host name", super::super::scalar::rule_name) else { continue };
        let source = lines.source(value.report.base + value.inner().start);
        if target.is_none() {
            value.error(
                Fault::new(format!("there is no target for the realm {name}"))
                    .help("give the tenant a `target`, or a `parent` that has one")
                    .absence(),
            );
            continue;
        }
        // The rule is read as `sip = true` would be read at the place of the name.
        let rule = Value { key: "sip", key_span: value.inner(), node: &Node::Boolean(true), ..value.clone() };
        let sip = signalling::read(&rule, Service::Sip, target.as_ref(), context, lines);
        hosts.push(HostDef {
            tenant: Some(entry.key.into()),
            endpoints: target.clone(),
            rules: PerService { sip, ..PerService::default() },
            enabled: true,
            ..super::host::names_only(NameDef { name, source }, Vec::new())
        });
    }
    hosts
}

/// Checks an id (contract section 9).
fn id(text: &str) -> Result<(), Fault> {
    let is_of_it = |c: char| u8::try_from(c).is_ok_and(is_of_tenant_id);
    if let Some((start, c)) = text.char_indices().find(|(_, c)| !is_of_it(*c)) {
        return Err(Fault::new("this cannot stand in the id of a tenant")
            .at(start..start + c.len_utf8())
            .help(ID));
    }
    match text {
        "" => Err(Fault::new("the id of a tenant is empty").help(ID)),
        "." | ".." => Err(Fault::new("this is no id of a tenant").help(ID)),
        _ if text.len() > LONGEST_TENANT_ID => {
            Err(Fault::new(format!("the id has {} characters", text.len())).help(ID))
        }
        _ => Ok(()),
    }
}

/// Checks a friendly name: any text that can be shown.
fn friendly_name(text: &str) -> Result<&str, Fault> {
    if text.trim().is_empty() {
        return Err(Fault::new("the name is empty").help("leave `name` out where there is none"));
    }
    if let Some((start, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
        let fault = Fault::new("a control character cannot stand in the name of a tenant");
        return Err(fault.at(start..start + c.len_utf8()));
    }
    if text.chars().count() > LONGEST_TENANT_NAME {
        return Err(Fault::new(format!("the name has more than {LONGEST_TENANT_NAME} characters")));
    }
    Ok(text)
}

/// Reads `parent`. An empty list means that the tenant is at the root.
fn parent(value: &Value<'_>, file: u16) -> Option<Parent> {
    let is_whole = matches!(value.node, Node::Array(_));
    let wanted = "the id of a tenant, or the whole line of them from the root";
    let mut line = Vec::new();
    for element in value.one_or_more() {
        let text = element.parsed(wanted, |text| id(text).map(|()| text))?;
        line.push((text.into(), position(file, &element, &element.inner())));
    }
    (!line.is_empty()).then(|| Parent { at: position(file, value, &value.inner()), line, is_whole })
}

/// Reports ids with dots and without quotes, which TOML reads as nested tables.
fn refuse_unquoted(entry: &Value<'_>) -> bool {
    let names = unquoted(entry);
    for (name, span) in &names {
        let fault = Fault::new("a name with dots must stand in quotes");
        entry.report.add(super::Severity::Error, span.clone(), fault.help(format!("write {}", header(name))));
    }
    !names.is_empty()
}

/// The header of the table, in the form that an administrator writes.
fn header(id: &str) -> String {
    if id.contains('.') { format!("[tenant.\"{id}\"]") } else { format!("[tenant.{id}]") }
}

fn position(file: u16, value: &Value<'_>, span: &std::ops::Range<usize>) -> Position {
    let base = value.report.base;
    Position::new(file, &(base + span.start..base + span.end))
}

fn place(position: Position, names: &[PathBuf]) -> super::super::Location {
    position.place(names.get(position.file_number()).map_or(std::path::Path::new(""), |name| name))
}

//! The overrides: administrators have enabled or disabled single hosts and tenants, whatever the rules files say. They
//! are in `overrides.toml` in the folder of `state` (contract section 8). Portward writes the file itself. It has the
//! form of the rules files, and only this content:
//!
//! ```toml
//! [[host]]
//! name = "hq.example.net"
//! enabled = false
//!
//! [[tenant]]
//! id = "XYZ"
//! enabled = false
//! ```
//!
//! A name stands for the host with exactly this name or alias, and an id for the tenant with exactly this id. If two
//! names stand for the same host, `enabled = false` wins. A name without a host is kept: the host may come back, and is
//! then still disabled. The same holds for tenants.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::report::{Fault, Report};
use super::scalar;
use super::text::{read_text, why};
use super::walk::{Section, Value};
use super::{Diagnostic, Diagnostics, Location};
use crate::files::state_file;
use crate::rules::{Table, is_tenant_id};

/// The name of the file in messages.
const WHAT: &str = "the overrides";
/// The advice if the file cannot be read. Then it is unknown which hosts are disabled.
const MEND: &str = "correct it, or remove it if every host may be as the rules files say";
/// The comment at the top of the file.
const HEAD: &str = "\
# Portward writes this file and does not keep comments. It says which hosts and tenants an administrator has enabled or disabled,
# whatever the rules files say of them. It is read at the start and at a reload.
";

/// The content of the file.
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    list: Vec<Override>,
}

/// The kind of the overridden object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A host.
    Host,
    /// A tenant.
    Tenant,
}

/// The override of one host or tenant.
#[derive(Debug)]
struct Override {
    kind: Kind,
    /// The host's name in normal form, or the tenant's id.
    name: Box<str>,
    enabled: bool,
    /// The place of the name.
    place: Location,
}

/// The content to write: whether hosts (by name) and tenants (by id) are enabled.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    hosts: BTreeMap<Box<str>, bool>,
    tenants: BTreeMap<Box<str>, bool>,
}

impl Overrides {
    /// Reads the file, if it exists.
    ///
    /// # Errors
    /// It cannot be read, or something in it is wrong. Then none of its overrides is in force.
    pub(crate) fn load(file: &Path) -> Result<Self, Diagnostics> {
        match state_file::open(file) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Self::default()),
            Err(error) => {
                let message = format!("{WHAT} {} cannot be read: {}", file.display(), own_why(&error));
                let error = Diagnostic::error(message, Location::whole(file)).help(MEND).because_of(&error);
                return Err(std::iter::once(error).collect());
            }
        }
        let mut diagnostics = Diagnostics::new();
        let text = match read_text(file, WHAT) {
            Ok(text) => text,
            Err(mut none) => {
                none.diagnostic.help.get_or_insert(MEND.to_owned());
                none.tell(file, &mut diagnostics);
                return Err(diagnostics);
            }
        };
        let report = Report::new(file, &text, 0);
        let overrides = Self::read(&report);
        diagnostics.extend(report.finish());
        if diagnostics.errors() == 0 {
            return Ok(overrides);
        }
        diagnostics.sort();
        diagnostics.keep_text(file, &text);
        Err(diagnostics)
    }

    fn read(report: &Report<'_>) -> Self {
        let document = report.parse();
        let mut root = Section::new(report, "the overrides", 0..0, &document);
        let hosts = root.get("host");
        let hosts = hosts.iter().flat_map(|hosts| hosts.list("written as [[host]], with two brackets"));
        let mut list: Vec<_> = hosts.filter_map(|value| Override::read(&value)).collect();
        let tenants = root.get("tenant");
        let tenants = tenants.iter().flat_map(|all| all.list("written as [[tenant]], with two brackets"));
        list.extend(tenants.filter_map(|value| Override::of_tenant(&value)));
        root.finish(|_| None);
        Self { list }
    }

    /// Applies the overrides to the table. Returns warnings.
    pub(crate) fn apply(&self, table: &mut Table) -> Diagnostics {
        let mut found = Diagnostics::new();
        let mut switched: BTreeMap<Box<str>, bool> = BTreeMap::new();
        for one in self.list.iter().filter(|one| one.kind == Kind::Host) {
            let Some(host) = table.named(&one.name).map(|host| Box::<str>::from(host.name())) else {
                let message = format!("no rule is for the host {}", one.name);
                let help = "this entry is kept until there is one";
                found.push(Diagnostic::warning(message, one.place.clone()).help(help));
                continue;
            };
            if switched.get(&host).is_some_and(|enabled| *enabled != one.enabled) {
                let message = format!("the host {host} is both enabled and disabled: it is disabled");
                found.push(Diagnostic::warning(message, one.place.clone()));
            }
            let enabled = switched.get(&host).copied().unwrap_or(true) && one.enabled;
            table.set_enabled(&host, enabled);
            switched.insert(host, enabled);
        }
        self.apply_to_tenants(table, &mut found);
        found
    }

    fn apply_to_tenants(&self, table: &mut Table, found: &mut Diagnostics) {
        let mut switched: BTreeMap<&str, bool> = BTreeMap::new();
        for one in self.list.iter().filter(|one| one.kind == Kind::Tenant) {
            if table.tenants().by_id(&one.name).is_none() {
                let message = format!("there is no tenant {}", one.name);
                let help = "this entry is kept until there is one";
                found.push(Diagnostic::warning(message, one.place.clone()).help(help));
                continue;
            }
            *switched.entry(&one.name).or_insert(true) &= one.enabled;
        }
        if !switched.is_empty() {
            table.set_tenants_enabled(switched);
        }
    }

    /// The overrides, without those that `table` already has in its rules.
    pub(crate) fn switches(&self, table: &Table) -> Switches {
        let mut switches = Switches::default();
        for one in &self.list {
            let (switches, name) = match one.kind {
                Kind::Host => {
                    (&mut switches.hosts, table.named(&one.name).map_or(&*one.name, |host| host.name()))
                }
                Kind::Tenant => (&mut switches.tenants, &*one.name),
            };
            let enabled = switches.entry(Box::from(name)).or_insert(one.enabled);
            *enabled &= one.enabled;
        }
        let Switches { hosts, tenants } = &mut switches;
        hosts
            .retain(|name, enabled| table.named(name).is_none_or(|host| host.enabled_by_rules() != *enabled));
        tenants.retain(|id, enabled| {
            table.tenants().by_id(id).is_none_or(|tenant| tenant.enabled_by_rules() != *enabled)
        });
        switches
    }

    /// Whether the file has exactly this content.
    pub(crate) fn is_equal_to(&self, switches: &Switches) -> bool {
        self.list.len() == switches.hosts.len() + switches.tenants.len()
            && self.list.iter().all(|one| switches.of(one.kind).get(&one.name) == Some(&one.enabled))
    }
}

impl Override {
    fn read(value: &Value<'_>) -> Option<Self> {
        let mut section = value.section("a [[host]] of the overrides", "written as [[host]]")?;
        let name = section.get("name");
        if name.is_none() {
            value.error(Fault::new("the host has no name").help("add name = \"hq.example.net\"").absence());
        }
        let name = name.and_then(|name| Some((name.parsed("a host name", scalar::rule_name)?, name.place())));
        let enabled = section.get("enabled");
        if enabled.is_none() {
            let fault = Fault::new("the host is neither enabled nor disabled").help("add enabled = false");
            value.error(fault.absence());
        }
        let enabled = enabled.and_then(|enabled| enabled.boolean());
        section.finish(|_| None);
        let (name, place) = name?;
        Some(Self { kind: Kind::Host, name, enabled: enabled?, place })
    }

    fn of_tenant(value: &Value<'_>) -> Option<Self> {
        let mut section = value.section("a [[tenant]] of the overrides", "written as [[tenant]]")?;
        let wrong = || Fault::new("this is not the id of a tenant");
        let read = |id: &Value<'_>| {
            let name =
                id.parsed("the id of a tenant", |text| is_tenant_id(text).then_some(text).ok_or_else(wrong))?;
            Some((Box::from(name), id.place()))
        };
        let id = section.get("id");
        if id.is_none() {
            value.error(Fault::new("the tenant has no id").help("add id = \"XYZ\"").absence());
        }
        let id = id.and_then(|id| read(&id));
        let enabled = section.get("enabled");
        if enabled.is_none() {
            let fault = Fault::new("the tenant is neither enabled nor disabled").help("add enabled = false");
            value.error(fault.absence());
        }
        let enabled = enabled.and_then(|enabled| enabled.boolean());
        section.finish(|_| None);
        let (name, place) = id?;
        Some(Self { kind: Kind::Tenant, name, enabled: enabled?, place })
    }
}

impl Switches {
    /// Sets whether a host or tenant is enabled. `name` is the host's name in the table, or the tenant's id. `None`: as
    /// the rules say.
    pub(crate) fn set(&mut self, kind: Kind, name: &str, enabled: Option<bool>) {
        let switches = match kind {
            Kind::Host => &mut self.hosts,
            Kind::Tenant => &mut self.tenants,
        };
        match enabled {
            Some(enabled) => switches.insert(Box::from(name), enabled),
            None => switches.remove(name),
        };
    }

    fn of(&self, kind: Kind) -> &BTreeMap<Box<str>, bool> {
        match kind {
            Kind::Host => &self.hosts,
            Kind::Tenant => &self.tenants,
        }
    }
}

/// The text of the file. A name in normal form needs no escapes in a TOML string.
impl fmt::Display for Switches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for (name, enabled) in &self.hosts {
            write!(f, "\n[[host]]\nname = \"{name}\"\nenabled = {enabled}\n")?;
        }
        for (id, enabled) in &self.tenants {
            write!(f, "\n[[tenant]]\nid = \"{id}\"\nenabled = {enabled}\n")?;
        }
        Ok(())
    }
}

/// Gives links that lead nowhere a message of their own.
fn own_why(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound { error.to_string() } else { why(error) }
}

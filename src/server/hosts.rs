//! Makes, changes and removes hosts over the API while the server runs. A change is checked with the whole table,
//! stored on disk, and then put in force (contract section 8). It takes effect as a whole, or not at all.

use toml_edit::Table as HostTable;

use super::{By, Server, ServerError};
use crate::config::Diagnostics;
use crate::log::Level;
use crate::rules::{Host, Table, fingerprint};
use crate::state::made::tenants::Tenants;
use crate::state::made::{Ground, Hosts};
use crate::state::{Snapshot, overrides};
use std::path::PathBuf;
use std::sync::Arc;

/// A change of a host of the API.
#[derive(Debug)]
pub struct HostChange {
    /// The host's name in normal form.
    pub(crate) name: Box<str>,
    /// The new host. `None`: the host is removed.
    pub(crate) host: Option<HostTable>,
    /// The condition of the change.
    pub(crate) condition: Condition,
}

/// A condition that a host must meet before it is changed (RFC 9110 section 13.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `If-Match`: the host has one of these fingerprints. An empty list: the host exists.
    pub(crate) matches: Option<Vec<String>>,
    /// `If-None-Match`: the host has none of these fingerprints. An empty list: the host does not exist.
    pub(crate) differs: Option<Vec<String>>,
}

impl Condition {
    /// Whether a host with this fingerprint meets the condition. `None`: the host does not exist.
    pub(super) fn is_met(&self, print: Option<String>) -> bool {
        let is_among =
            |tags: &Vec<String>| print.as_ref().is_some_and(|print| tags.is_empty() || tags.contains(print));
        self.matches.as_ref().is_none_or(is_among) && !self.differs.as_ref().is_some_and(is_among)
    }
}

/// A host after a successful change.
#[derive(Debug)]
pub struct HostChanged {
    /// The host did not exist before.
    pub is_new: bool,
    /// The host differs from before.
    pub is_changed: bool,
    /// The snapshot in force.
    pub snapshot: Arc<Snapshot>,
    /// Warnings about the hosts of the API.
    pub found: Diagnostics,
}

/// Why nothing has changed.
#[derive(Debug)]
pub enum HostUnchanged {
    /// The rules files have a host of this name. It must be changed there.
    OfRules {
        /// The host's name.
        host: Box<str>,
        /// The file of its definition.
        file: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// The name is a realm of this tenant of the API. It must be changed there.
    Realm(Box<str>),
    /// The name is an alias of this host of the API.
    Alias(Box<str>),
    /// There is no such host.
    Unknown,
    /// The condition is not met.
    Condition,
    /// The change is not allowed over the API.
    Forbidden(ServerError),
    /// The new host is invalid.
    Wrong(ServerError),
    /// The change cannot be stored.
    NotStored(ServerError),
}

impl Server {
    /// As [`super::Control::change_host`]. A change that cannot be stored is logged.
    pub(super) fn change_host_by(&self, change: HostChange, by: By) -> Result<HostChanged, HostUnchanged> {
        let name = change.name.clone();
        let is_to_go = change.host.is_none();
        let changed = self.change_host(change);
        match &changed {
            Ok(HostChanged { is_changed: true, is_new, .. }) => {
                let verb = if is_to_go {
                    "removes"
                } else if *is_new {
                    "makes"
                } else {
                    "changes"
                };
                self.shared.note(Level::Info, &format!("{by} {verb} the host {name}"));
            }
            Err(HostUnchanged::NotStored(ServerError { text, .. })) => {
                let text =
                    format!("{}\n{by} cannot change the host {name}: it stays as it was", text.trim_end());
                self.shared.note(Level::Error, &text);
            }
            _ => {}
        }
        changed
    }

    fn change_host(&self, change: HostChange) -> Result<HostChanged, HostUnchanged> {
        let HostChange { name, host, condition } = change;
        let before = self.shared.snapshot.load_full();
        let known = owned(&before, &name)?;
        if !condition.is_met(known.map(fingerprint::of)) {
            return Err(HostUnchanged::Condition);
        }
        let not_stored = |found: Diagnostics| HostUnchanged::NotStored(ServerError::from(&found));
        let mut hosts = Hosts::open(&before.config.state).map_err(not_stored)?;
        let is_to_go = host.is_none();
        match host {
            Some(host) => hosts.put(&name, host),
            None if hosts.remove(&name) => {}
            None => return Err(HostUnchanged::Unknown),
        }
        let ground = Ground { foundation: before.foundation(), config: &before.config };
        let made = hosts.in_force(ground, &before.table, before.tenants());
        let Some(mut table) = made.table else {
            let refused = ServerError::from(&made.found);
            return Err(match made.is_forbidden {
                true => HostUnchanged::Forbidden(refused),
                false => HostUnchanged::Wrong(refused),
            });
        };
        let found = overrides::apply(&before.config.state, &mut table, Some(&before.table));
        if found.errors() > 0 {
            return Err(not_stored(found));
        }
        let print = |table: &Table| table.named(&name).map(fingerprint::of);
        let (was, is) = (print(&before.table), print(&table));
        let is_changed = was != is;
        let after = before.with_hosts(table, made.found.clone());
        let after = after.map_err(|found| HostUnchanged::Wrong(ServerError::from(&found)))?;
        hosts.keep().map_err(not_stored)?;
        if is_to_go && let Err(found) = overrides::forget(&before.config.state, &before.table, &name) {
            self.shared.note(Level::Warning, found.render(false).trim_end());
        }
        self.shared.replace(after);
        let snapshot = self.shared.snapshot.load_full();
        Ok(HostChanged { is_new: was.is_none(), is_changed, snapshot, found: made.found })
    }
}

/// The host of the API with this name.
fn owned<'t>(before: &'t Snapshot, name: &str) -> Result<Option<Host<'t>>, HostUnchanged> {
    let table = &*before.table;
    let is_realm = |host: Host<'_>| table.file(host.source()) == Tenants::file(&before.config.state);
    match table.named(name) {
        None => Ok(None),
        Some(host) if !host.is_made() => {
            let source = host.source();
            let (file, line) = (table.file(source).to_owned(), source.line);
            Err(HostUnchanged::OfRules { host: host.name().into(), file, line })
        }
        Some(host) if is_realm(host) => {
            Err(HostUnchanged::Realm(host.tenant().map(|tenant| tenant.id().into()).unwrap_or_default()))
        }
        Some(host) if host.name() != name => Err(HostUnchanged::Alias(host.name().into())),
        Some(host) => Ok(Some(host)),
    }
}

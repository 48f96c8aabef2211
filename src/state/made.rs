//! Tenants and hosts that were made over the API. They are in `tenants.toml` and `hosts.toml` in the folder of `state`,
//! two more rules files after the others (contract sections 8 and 9). The daemon writes these files, and never writes
//! in /etc.
//!
//! | fault | at the start | at a reload | at a change |
//! |---|---|---|---|
//! | the text is not TOML, or the file cannot be read | warning, nothing of it is used | error | error |
//! | one host or tenant is invalid, or its name is taken | warning, that one is not used | error | error |
//! | the folder of `state` is out of reach, or has gone | warning, nothing of it is used | error | error |
//!
//! An error leaves everything as it is: the file, and what is in force. Nothing outside of the configuration may
//! prevent a start, so at a start the valid part is served. A faulty file is never replaced.
//!
//! `form` converts a host or a tenant between JSON and TOML. `tenants` has the tenants.

pub(crate) mod form;
pub(crate) mod tenants;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table as HostTable};

use crate::config::{self, Config, Diagnostic, Diagnostics, Foundation, Location, Made, Making};
use crate::files::{self, state_file};
use crate::rules::{Host, Table, Tenant};
use tenants::Tenants;

/// The file in the state folder.
const NAME: &str = "hosts.toml";
/// The first lines of the file.
const HEAD: &str = "\
# Portward writes this file: hosts that were made over the API. It is read at the start and at a reload, behind the rules files.
";

/// The path of the file with the hosts.
pub(crate) fn file(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// What is needed to make hosts: the rules files and portward.toml.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) foundation: &'a Foundation,
    pub(crate) config: &'a Config,
}

impl<'a> Ground<'a> {
    fn with<T>(self, is_start: bool, make: impl FnOnce(Making<'_>) -> T) -> T {
        let (file, tenants_file) = (file(&self.config.state), tenants::file(&self.config.state));
        let Self { foundation, config } = self;
        make(Making { foundation, config, file: &file, tenants_file: &tenants_file, is_start })
    }

    /// `table` with these tenants, and with the hosts of `text` in place of its present hosts of the API.
    fn extend(self, table: &Table, tenants: &Tenants, text: &Arc<String>, is_start: bool) -> Made {
        self.with(is_start, |making| making.extend(table, &tenants.list(), text))
    }
}

/// Puts the stored tenants and hosts in force in `table`, and returns their faults. After an error `table` is
/// unchanged. `before` is the table in force, if this is a reload.
pub(crate) fn apply(ground: Ground<'_>, table: &mut Table, before: Option<&Table>) -> Diagnostics {
    take(ground, table, before).0
}

/// As [`apply`]. It also returns the tenants, so that they can be changed.
pub(crate) fn take(ground: Ground<'_>, table: &mut Table, before: Option<&Table>) -> (Diagnostics, Tenants) {
    let state = &ground.config.state;
    let is_start = before.is_none();
    let has_hosts = before.is_some_and(|table| table.iter().any(Host::is_made));
    let has_tenants = before.is_some_and(|table| table.tenants().iter().any(Tenant::is_made));
    let (tenants, mut found) = match Tenants::read(ground, table, is_start, has_tenants) {
        Ok(read) => read,
        Err(found) if is_start => (Tenants::default(), found),
        Err(found) => return (found, Tenants::default()),
    };
    let text = match text(state, is_start, has_hosts) {
        Ok(text) => text,
        Err(unread) => {
            found.append(unread);
            None
        }
    };
    if found.errors() > 0 || (text.is_none() && tenants.is_empty()) {
        return (found, tenants);
    }
    let Made { table: made, found: more, .. } =
        ground.extend(table, &tenants, &text.unwrap_or_default(), is_start);
    if let Some(made) = made {
        *table = made;
    }
    found.append(more);
    (found, tenants)
}

/// The text of the hosts. `None`: there are none.
fn text(state: &Path, is_start: bool, is_missed: bool) -> Result<Option<Arc<String>>, Diagnostics> {
    if let Some(why) = out_of_reach(&file(state), state, is_missed) {
        return Err(config::unread_made("hosts", &file(state), &why, is_start).into());
    }
    read("hosts", &file(state), is_start)
}

/// As [`apply`] at a reload of a server that has no hosts of the API. It is for `check`.
pub(crate) fn judge(ground: Ground<'_>, table: &mut Table) -> Diagnostics {
    apply(ground, table, Some(&Table::default()))
}

/// Why the folder `state` does not show whether the file exists. At a start a missing folder counts as a new one.
fn out_of_reach(file: &Path, state: &Path, is_missed: bool) -> Option<String> {
    match fs::symlink_metadata(file) {
        Ok(_) => None,
        Err(error) if !files::is_absent(&error) => Some(error.to_string()),
        Err(_) if state.is_dir() || !is_missed => None,
        Err(_) => Some(format!("the folder {} is not there any more", state.display())),
    }
}

/// The text of a file. `what` names its contents in messages. `None`: the file does not exist.
fn read(what: &str, file: &Path, is_start: bool) -> Result<Option<Arc<String>>, Diagnostics> {
    let unread = |why: &str| Diagnostics::from(config::unread_made(what, file, why, is_start));
    match state_file::open(file) {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(None),
        Err(error) => return Err(unread(&error.to_string())),
    }
    config::text_of(file, &format!("the {what} of the API"), is_start).map(Some)
}

/// Writes a file. `what` names its contents in messages.
fn put(what: &str, file: &Path, text: &str) -> Result<(), Diagnostics> {
    state_file::put(file, |file| file.write_all(text.as_bytes())).map(drop).map_err(|error| {
        let message = format!("the {what} of the API {} cannot be written: {error}", file.display());
        Diagnostic::error(message, Location::whole(file)).into()
    })
}

/// The hosts that were made over the API, so that they can be changed.
#[derive(Debug)]
pub(crate) struct Hosts {
    file: PathBuf,
    document: DocumentMut,
}

impl Hosts {
    /// Reads the hosts.
    ///
    /// # Errors
    /// They cannot be read, or are not TOML. Then they must not be replaced.
    pub(crate) fn open(state: &Path) -> Result<Self, Diagnostics> {
        let file = file(state);
        let text = read("hosts", &file, false)?.unwrap_or_else(|| Arc::new(HEAD.to_owned()));
        let wrong = |why: &str| Diagnostics::from(config::unread_made("hosts", &file, why, false));
        let document: DocumentMut = text.parse().map_err(|_| wrong("it is no TOML"))?;
        match document.get("host") {
            None | Some(Item::ArrayOfTables(_)) => Ok(Self { file, document }),
            Some(_) => Err(wrong("its hosts are not written as [[host]]")),
        }
    }

    /// The host with this name, which is in normal form.
    pub(crate) fn get(&self, name: &str) -> Option<&HostTable> {
        let hosts = self.document.get("host")?.as_array_of_tables()?;
        hosts.iter().find(|host| is_called(host, name))
    }

    /// Replaces the host with this name, or adds it after the others.
    pub(crate) fn put(&mut self, name: &str, mut host: HostTable) {
        let hosts = self.document.entry("host").or_insert_with(|| ArrayOfTables::new().into());
        let Some(hosts) = hosts.as_array_of_tables_mut() else { return };
        let at = hosts.iter().position(|host| is_called(host, name));
        match at.and_then(|at| hosts.get_mut(at)) {
            Some(old) => {
                *host.decor_mut() = old.decor().clone();
                host.set_position(old.position());
                *old = host;
            }
            None => {
                host.decor_mut().set_prefix("\n");
                hosts.push(host);
            }
        }
    }

    /// Removes a host. False: there is none of this name.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let hosts = self.document.get_mut("host").and_then(Item::as_array_of_tables_mut);
        let Some(hosts) = hosts else { return false };
        let at = hosts.iter().position(|host| is_called(host, name));
        if let Some(at) = at {
            hosts.remove(at);
        }
        if hosts.is_empty() {
            self.document.remove("host");
        }
        at.is_some()
    }

    /// `table` with these hosts in place of its present hosts of the API, and with the tenants of the API.
    pub(crate) fn in_force(&self, ground: Ground<'_>, table: &Table, tenants: &Tenants) -> Made {
        ground.extend(table, tenants, &Arc::new(self.document.to_string()), false)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The file cannot be written. The old file stays.
    pub(crate) fn keep(&self) -> Result<(), Diagnostics> {
        put("hosts", &self.file, &self.document.to_string())
    }
}

/// Whether the host has this name, which is in normal form.
fn is_called(host: &HostTable, name: &str) -> bool {
    let own = host.get("name").and_then(Item::as_str).and_then(config::normal_name);
    own.is_some_and(|own| *own == *name)
}

//! Changes of rules files. The new text is checked together with everything else before it replaces the old one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::done::Done;
use super::{Args, HostError, How, Loaded, daemon, loaded, normal};
use crate::cli::terminal;
use crate::config::edit::{self, Edit};
use crate::config::{self, Checked, Instead};
use crate::files::edit::{Before, Lock};
use crate::rules::Host;

/// The result for a file.
#[derive(Debug)]
pub(super) enum Finished {
    /// The file already had this content.
    Same,
    /// The file is not changed, because of `--dry-run`. This would be the difference.
    Shown(String),
    /// The file was changed.
    Changed {
        /// Whether the file is empty now.
        nothing_left: bool,
    },
}

/// A file that is being changed, under the lock of the rules.
#[derive(Debug)]
pub(super) struct Editing {
    pub(super) loaded: Loaded,
    _lock: Lock,
}

impl Editing {
    /// Takes the lock, then reads everything.
    pub(super) fn begin(args: &Args) -> Result<Self, HostError> {
        let rules = loaded(args).map_err(HostError::unchanged)?.config.rules;
        let folder = if rules.is_dir() { rules.as_path() } else { rules.parent().unwrap_or(Path::new(".")) };
        let lock = Lock::of(folder).map_err(|error| unwritten(folder, &error))?;
        // Another command may have changed the files while this one waited for the lock.
        Ok(Self { loaded: loaded(args).map_err(HostError::unchanged)?, _lock: lock })
    }

    /// Checks the file with the text that `change` makes of it, and replaces the file.
    pub(super) fn finish(
        &self,
        file: &Path,
        how: How,
        change: impl FnOnce(&str) -> Result<String, &'static str>,
    ) -> Result<Finished, HostError> {
        let before = Before::read(file).map_err(|error| unwritten(file, &error))?;
        let not = |why: &str| HostError::no(format_args!("{} is not changed: {why}", file.display()));
        let old = std::str::from_utf8(before.octets()).map_err(|_| not("it is not UTF-8"))?;
        let new = change(old).map_err(not)?;
        if new == old {
            return Ok(Finished::Same);
        }
        let instead = Instead { file: file.to_owned(), text: Arc::new(new.clone()) };
        self.judge(file, &instead)?;
        if how.dry_run {
            return Ok(Finished::Shown(edit::difference(&file.display().to_string(), old, &new)));
        }
        before.replace(&new).map_err(|error| unwritten(file, &error))?;
        Ok(Finished::Changed { nothing_left: new.trim().is_empty() })
    }

    /// Checks everything with the new text. New diagnostics are shown.
    fn judge(&self, file: &Path, instead: &Instead) -> Result<(), HostError> {
        let Checked { diagnostics, .. } = config::check_with(&self.loaded.file, Some(instead));
        if diagnostics.errors() > 0 {
            let mut failed = HostError::found(&diagnostics);
            failed.text.push_str(&format!("{} is not changed", file.display()));
            return Err(failed);
        }
        let known: Vec<&str> = self.loaded.found.list().iter().map(|one| one.message.as_str()).collect();
        let is_new = |one: &&config::Diagnostic| !known.contains(&one.message.as_str());
        let new: Vec<_> = diagnostics.list().iter().filter(is_new).cloned().collect();
        // portward.toml names a host that would be missing.
        if let Some(names) = new.iter().find(|one| one.place.file == self.loaded.file) {
            let names = names.clone();
            let mut failed = HostError::found(&diagnostics.only(&[names]));
            let (by, file) = (self.loaded.file.display(), file.display());
            failed.text.push_str(&format!("error: {by} names it: {file} is not changed"));
            return Err(failed);
        }
        if !new.is_empty() {
            terminal::complain(diagnostics.only(&new).render(false).trim_end());
        }
        Ok(())
    }

    /// The file that contains a host of the rules.
    fn file_of(&self, host: Host<'_>) -> PathBuf {
        self.loaded.table.file(host.source()).to_owned()
    }
}

pub(super) fn unwritten(file: &Path, error: &io::Error) -> HostError {
    let why = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "permission denied\n  help: rules files are edited as the user who calls: use sudo".to_owned()
        }
        _ => error.to_string(),
    };
    HostError::no(format_args!("{} cannot be changed: {why}", file.display()))
}

/// Sets in the host's file whether the host is enabled. An override over the API is removed.
pub(super) fn enable(args: &Args, name: &str, enabled: bool, how: How) -> Result<(), HostError> {
    let editing = Editing::begin(args)?;
    let host = editing.loaded.host(name)?;
    let word = if enabled { "enabled" } else { "disabled" };
    let mut done = Done::new(host.name(), word);
    if host.is_made() {
        if how.dry_run {
            return done.shown(args, &format!("{} was made over the API: it is {word} there", host.name()));
        }
        done.changed = daemon::switch(args, host.name(), enabled)?;
        done.in_force = Some(true);
        return done.report(args, &format!("{} is {word} (it was made over the API)", host.name()));
    }
    let file = editing.file_of(host);
    done.file = Some(file.clone());
    done.line = Some(host.source().line);
    let finished =
        editing.finish(&file, how, |text| edit::edited(text, host.name(), Edit::Enable(enabled)))?;
    let is_running = match finished {
        Finished::Shown(difference) => return done.shown(args, &difference),
        Finished::Same if how.dry_run => return done.shown(args, ""),
        Finished::Changed { .. } => {
            done.told(daemon::reload(args)?);
            done.in_force == Some(true)
        }
        Finished::Same => true,
    };
    let is_changed = done.changed;
    // If the file already had this value, there may still be an override with the other one.
    let was_overridden = host.own_enabled() != host.enabled_by_rules();
    let is_switched = is_running && (is_changed || was_overridden || host.own_enabled() != enabled);
    if is_switched && daemon::switch(args, host.name(), enabled)? {
        (done.changed, done.in_force) = (true, Some(true));
        terminal::complain(
            "note: an administrator had set the opposite over the API; that setting is removed",
        );
    }
    if !is_running && was_overridden && host.own_enabled() != enabled {
        terminal::complain(
            "warning: an administrator has said otherwise over the API, and that goes first: give this command again when \
             Portward runs",
        );
    }
    let already = if is_changed { "" } else { " already" };
    let place = format!("{}:{}", file.display(), host.source().line);
    done.report(args, &format!("{} is {word}{already} ({place})", host.name()))
}

/// Removes a host from its file.
pub(super) fn remove(args: &Args, name: &str, how: How) -> Result<(), HostError> {
    let editing = Editing::begin(args)?;
    let host = editing.loaded.host(name)?;
    if host.name() != normal(name)? {
        return Err(HostError::no(format_args!(
            "{name} is an alias of {}: give that name, or take the alias out of its file",
            host.name()
        )));
    }
    let mut done = Done::new(host.name(), "removed");
    if host.is_made() {
        if how.dry_run {
            return done.shown(args, &format!("{} was made over the API: it is removed there", host.name()));
        }
        daemon::remove(args, host.name())?;
        (done.changed, done.in_force) = (true, Some(true));
        return done.report(args, &format!("{} is removed (it was made over the API)", host.name()));
    }
    let file = editing.file_of(host);
    done.file = Some(file.clone());
    let left = match editing.finish(&file, how, |text| edit::edited(text, host.name(), Edit::Remove))? {
        Finished::Shown(difference) => return done.shown(args, &difference),
        Finished::Changed { nothing_left: true } => "; nothing is left in this file, which may be deleted",
        Finished::Changed { .. } | Finished::Same => "",
    };
    done.told(daemon::reload(args)?);
    done.report(args, &format!("{} is removed from {}{left}", host.name(), file.display()))
}

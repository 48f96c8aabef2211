//! Changes of rules files: the new text is checked with everything else before it takes the place of the old one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Args, Failed, How, Loaded, daemon, loaded, normal};
use crate::cli::terminal;
use crate::config::edit::{self, Edit};
use crate::config::{self, Checked, Instead};
use crate::files::edit::{Before, Lock};
use crate::rules::Host;

/// A file that is to be changed, under the lock of the rules.
#[derive(Debug)]
pub(super) struct Editing {
    pub(super) loaded: Loaded,
    _lock: Lock,
}

impl Editing {
    /// Takes the lock, then reads everything.
    pub(super) fn begin(args: &Args) -> Result<Self, Failed> {
        let rules = loaded(args)?.config.rules;
        let folder = if rules.is_dir() { rules.as_path() } else { rules.parent().unwrap_or(Path::new(".")) };
        let lock = Lock::of(folder).map_err(|error| unwritten(folder, &error))?;
        // Another command may have changed them while this one waited.
        Ok(Self { loaded: loaded(args)?, _lock: lock })
    }

    /// Checks the file with the text that `change` makes of it, and puts it in place. False: nothing is to be changed, or
    /// is meant to be.
    pub(super) fn finish(
        &self,
        file: &Path,
        how: How,
        change: impl FnOnce(&str) -> Result<String, &'static str>,
    ) -> Result<bool, Failed> {
        let before = Before::read(file).map_err(|error| unwritten(file, &error))?;
        let not = |why: &str| Failed::no(format_args!("{} is not changed: {why}", file.display()));
        let old = std::str::from_utf8(before.octets()).map_err(|_| not("it is not UTF-8"))?;
        let new = change(old).map_err(not)?;
        if new == old {
            return Ok(false);
        }
        let instead = Instead { file: file.to_owned(), text: Arc::new(new.clone()) };
        self.judge(file, &instead)?;
        if how.dry_run {
            terminal::say(edit::difference(&file.display().to_string(), old, &new).trim_end());
            return Ok(false);
        }
        before.replace(&new).map_err(|error| unwritten(file, &error))?;
        Ok(true)
    }

    /// Everything as it would be. What is new of it is shown.
    fn judge(&self, file: &Path, instead: &Instead) -> Result<(), Failed> {
        let Checked { diagnostics, .. } = config::check_with(&self.loaded.file, Some(instead));
        if diagnostics.errors() > 0 {
            let mut failed = Failed::found(&diagnostics);
            failed.text.push_str(&format!("{} is not changed", file.display()));
            return Err(failed);
        }
        let known: Vec<&str> = self.loaded.found.list().iter().map(|one| one.message.as_str()).collect();
        let is_new = |one: &&config::Diagnostic| !known.contains(&one.message.as_str());
        let new: Vec<_> = diagnostics.list().iter().filter(is_new).cloned().collect();
        // portward.toml names a host that would be gone.
        if let Some(names) = new.iter().find(|one| one.place.file == self.loaded.file) {
            let names = names.clone();
            let mut failed = Failed::found(&diagnostics.only(&[names]));
            let (by, file) = (self.loaded.file.display(), file.display());
            failed.text.push_str(&format!("error: {by} names it: {file} is not changed"));
            return Err(failed);
        }
        if !new.is_empty() {
            terminal::complain(diagnostics.only(&new).render(false).trim_end());
        }
        Ok(())
    }

    /// The file in which a host of the rules stands.
    fn file_of(&self, host: Host<'_>) -> PathBuf {
        self.loaded.table.file(host.source()).to_owned()
    }
}

pub(super) fn unwritten(file: &Path, error: &io::Error) -> Failed {
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => "; rules files are edited as the user who calls: use sudo",
        _ => "",
    };
    Failed::no(format_args!("{} cannot be changed: {error}{help}", file.display()))
}

/// Says in the host's file that it is enabled or not. What an administrator has said over the API gives way.
pub(super) fn enable(args: &Args, name: &str, enabled: bool, how: How) -> Result<(), Failed> {
    let editing = Editing::begin(args)?;
    let host = editing.loaded.host(name)?;
    let word = if enabled { "enabled" } else { "disabled" };
    if host.is_made() {
        if how.dry_run {
            terminal::say(format_args!("{} was made over the API: it is {word} there", host.name()));
            return Ok(());
        }
        daemon::switch(args, host.name(), enabled)?;
        terminal::say(format_args!("{} is {word} (it was made over the API)", host.name()));
        return Ok(());
    }
    let file = editing.file_of(host);
    let is_changed =
        editing.finish(&file, how, |text| edit::edited(text, host.name(), Edit::Enable(enabled)))?;
    if how.dry_run {
        return Ok(());
    }
    let place = format!("{}:{}", file.display(), host.source().line);
    // Where the file said so already, an administrator may have said otherwise.
    let was_overridden = host.enabled() != host.enabled_by_rules();
    let is_running = match is_changed {
        true => daemon::reload(args)?,
        false => true,
    };
    let is_switched = is_running && (is_changed || was_overridden || host.enabled() != enabled);
    if is_switched && daemon::switch(args, host.name(), enabled)? {
        terminal::complain("note: an administrator had said otherwise over the API; that is taken back");
    }
    if !is_running && was_overridden && host.enabled() != enabled {
        terminal::complain(
            "warning: an administrator has said otherwise over the API, and that goes first: give this command again when \
             Portward runs",
        );
    }
    let already = if is_changed { "" } else { " already" };
    terminal::say(format_args!("{} is {word}{already} ({place})", host.name()));
    Ok(())
}

/// Takes a host out of its file.
pub(super) fn remove(args: &Args, name: &str, how: How) -> Result<(), Failed> {
    let editing = Editing::begin(args)?;
    let host = editing.loaded.host(name)?;
    if host.name() != normal(name)? {
        return Err(Failed::no(format_args!(
            "{name} is an alias of {}: give that name, or take the alias out of its file",
            host.name()
        )));
    }
    if host.is_made() {
        if how.dry_run {
            terminal::say(format_args!("{} was made over the API: it is removed there", host.name()));
            return Ok(());
        }
        daemon::remove(args, host.name())?;
        terminal::say(format_args!("{} is removed (it was made over the API)", host.name()));
        return Ok(());
    }
    let file = editing.file_of(host);
    let is_changed = editing.finish(&file, how, |text| edit::edited(text, host.name(), Edit::Remove))?;
    if is_changed {
        daemon::reload(args)?;
        terminal::say(format_args!("{} is removed from {}", host.name(), file.display()));
    }
    Ok(())
}

//! Checks the folder of `state` and its files, before anything reads or writes them.
//!
//! A damaged or unreadable blacklist or key does not prevent a start, and neither does a folder that is not writable.
//! `check` and the running daemon warn of them. A FIFO or a device in the place of a file is an error: somebody has put
//! it there, and Portward neither reads nor replaces it. `overrides` checks its own file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

use super::secret::{self, Found};
use super::tokens;
use crate::accounts;
use crate::config::{Diagnostic, Location};
use crate::files::{self, state_file};
use crate::guard::{blacklist_file, unix_now};

/// The error about the folder, or about one of its files. `None`: the folder can be used, or does not exist yet.
pub(crate) fn unusable(state: &Path) -> Option<Diagnostic> {
    let error = |path: &Path, why: &dyn std::fmt::Display| {
        Diagnostic::error(
            format!("the state {} cannot be used: {why}", path.display()),
            Location::whole(path),
        )
    };
    match fs::metadata(state) {
        Ok(there) if !there.is_dir() => {
            return Some(
                error(state, &"it is not a folder").help("`state` names the folder that Portward writes to"),
            );
        }
        Ok(_) => {}
        // The file does not exist yet, or is out of reach. The latter is reported when something is written.
        Err(_) => return None,
    }
    [blacklist_file::file(state), secret::file(state), tokens::file(state)].iter().find_map(|file| {
        let there = fs::metadata(file).ok()?;
        let wrong = files::only_regular(there.file_type()).err()?;
        Some(error(file, &wrong).help("remove it: Portward makes a file of its own"))
    })
}

/// Faults of the folder and its files, for the calling user, that do not prevent a start. A missing folder is made.
pub(crate) fn warnings(state: &Path) -> Vec<Diagnostic> {
    let warning = |path: &Path, message: String| Diagnostic::warning(message, Location::whole(path));
    let is_absent = fs::symlink_metadata(state).is_err_and(|error| files::is_absent(&error));
    if is_absent || unusable(state).is_some() {
        return Vec::new();
    }
    let may = |access: Access| accessat(CWD, state, access, AtFlags::EACCESS).map_err(io::Error::from);
    if let Err(error) = may(Access::EXEC_OK) {
        return vec![warning(state, format!("the state cannot be used: {error}")).help(NOT_KEPT)];
    }
    let mut found = Vec::new();
    if let Err(error) = may(Access::READ_OK | Access::WRITE_OK) {
        found.push(warning(state, format!("the state cannot be written to: {error}")).help(NOT_KEPT));
    }
    let unread = |path: &Path, what: &str, error: &io::Error| {
        warning(path, format!("{what} cannot be read: {error}"))
            .help("it is left as it is, and nothing takes its place; the user who runs Portward must own it")
    };
    let file = blacklist_file::file(state);
    match blacklist_file::look(state, unix_now()) {
        Ok(None) => {}
        Ok(Some(damage)) => found.push(
            warning(&file, format!("the blacklist is {damage}"))
                .help("at the next start it is written anew, and the damaged file is set aside"),
        ),
        Err(error) => found.push(unread(&file, "the blacklist", &error)),
    }
    let file = secret::file(state);
    match secret::look(state) {
        Ok(Found::Damaged) => found.push(
            warning(&file, "the key of SIP routes is damaged".to_owned())
                .help("at the next start a new one is made, and the damaged file is set aside"),
        ),
        Ok(Found::Nothing | Found::Key(_)) => {}
        Err(error) => found.push(unread(&file, "the key of SIP routes", &error)),
    }
    let file = tokens::file(state);
    match tokens::look(state) {
        Ok(tokens::Found::Damaged) => found.push(
            warning(&file, "the admin token is damaged".to_owned())
                .help("at the next start a new one is made, and the damaged file is set aside"),
        ),
        Ok(tokens::Found::Nothing | tokens::Found::Tokens(..)) => {}
        Err(error) => found.push(unread(&file, "the admin token", &error)),
    }
    found
}

/// What follows if the folder cannot be used.
const NOT_KEPT: &str =
    "blacklist, SIP routes and admin token are in memory alone then, and lost at a restart";

/// Whether the calling user is the folder's owner, or root. Only for them the files in the folder matter.
pub(crate) fn is_of_concern(state: &Path) -> bool {
    let user = geteuid();
    user.is_root() || fs::metadata(state).is_ok_and(|folder| folder.uid() == user.as_raw())
}

/// A message if root uses the folder of another user. The packages make the folder for the service's user.
pub(crate) fn of_another_user(state: &Path) -> Option<String> {
    let owner = state_file::other_owner(state)?.uid();
    let name = accounts::name_of_user(owner).unwrap_or_else(|| owner.to_string());
    Some(format!(
        "this runs as root, but {} belongs to the user {name}: files that are made there are given to that user; \
         `systemctl start portward` runs the service as its own user",
        state.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item 29: a FIFO as a state file is refused.
    #[test]
    fn item_29_only_a_folder_with_files_can_be_used() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        assert_eq!(unusable(&state), None, "it is made");
        fs::create_dir(&state).unwrap();
        fs::write(blacklist_file::file(&state), "").unwrap();
        assert_eq!(unusable(&state), None);
        assert!(unusable(&blacklist_file::file(&state)).unwrap().message.contains("it is not a folder"));
        fs::create_dir(secret::file(&state)).unwrap();
        assert!(unusable(&state).unwrap().message.contains("sip-route.key cannot be used: it is a folder"));
        fs::remove_file(blacklist_file::file(&state)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", blacklist_file::file(&state)).unwrap();
        assert!(unusable(&state).unwrap().message.contains("blacklist.jsonl cannot be used: it is a device"));
    }

    /// Item 22: faults that do not prevent a start are warned of.
    #[test]
    fn item_22_what_cannot_be_kept_is_warned_of() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let said =
            || -> Vec<String> { warnings(&state).into_iter().map(|warning| warning.message).collect() };
        assert_eq!(said(), [""; 0], "it is made");
        symlink(dir.path().join("not mounted"), &state).unwrap();
        assert!(said()[0].contains("the state cannot be used: No such file"), "{:?}", said());
        fs::remove_file(&state).unwrap();
        fs::create_dir(&state).unwrap();
        assert_eq!(said(), [""; 0]);
        fs::write(blacklist_file::file(&state), "{\"address\":\"192.0.2.1\",\"since\":1,\"un").unwrap();
        fs::write(secret::file(&state), "short").unwrap();
        assert_eq!(
            said(),
            [
                "the blacklist is damaged in line 1; 0 entries could be read",
                "the key of SIP routes is damaged"
            ]
        );
        for file in [blacklist_file::file(&state), secret::file(&state)] {
            fs::remove_file(&file).unwrap();
            symlink(dir.path().join("not mounted"), &file).unwrap();
        }
        assert_eq!(said().iter().filter(|said| said.ends_with("it is a link that leads nowhere")).count(), 2);
        assert!(is_of_concern(&state));
    }
}

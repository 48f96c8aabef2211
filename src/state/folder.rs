//! Whether the folder of `state` and the files in it are what they must be, before anything reads or writes them.
//!
//! A damaged file is set aside and does not prevent a start. But a FIFO or a device in its place is no damage: somebody
//! has put it there, and Portward neither reads nor replaces it.

use std::fs;
use std::path::Path;

use super::secret;
use crate::config::{Diagnostic, Place};
use crate::files;
use crate::guard::kept;

/// The error about the folder, or about one of the files in it; `None`: it can be used, or is not there yet.
pub(crate) fn unusable(state: &Path) -> Option<Diagnostic> {
    let error = |path: &Path, why: &dyn std::fmt::Display| {
        Diagnostic::error(format!("the state {} cannot be used: {why}", path.display()), Place::whole(path))
    };
    match fs::metadata(state) {
        Ok(there) if !there.is_dir() => {
            return Some(
                error(state, &"it is not a folder").help("`state` names the folder that Portward writes to"),
            );
        }
        Ok(_) => {}
        // Not there yet; or out of reach, which is said when something is written.
        Err(_) => return None,
    }
    [kept::file(state), secret::file(state)].iter().find_map(|file| {
        let there = fs::metadata(file).ok()?;
        let wrong = files::only_regular(there.file_type()).err()?;
        Some(error(file, &wrong).help("remove it: Portward makes a file of its own"))
    })
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
        fs::write(kept::file(&state), "").unwrap();
        assert_eq!(unusable(&state), None);
        assert!(unusable(&kept::file(&state)).unwrap().message.contains("it is not a folder"));
        fs::create_dir(secret::file(&state)).unwrap();
        assert!(unusable(&state).unwrap().message.contains("sip-route.key cannot be used: it is a folder"));
        fs::remove_file(kept::file(&state)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", kept::file(&state)).unwrap();
        assert!(unusable(&state).unwrap().message.contains("blacklist.jsonl cannot be used: it is a device"));
    }
}

//! Portward confines itself: what it never needs while it runs, it gives up when it starts, whoever started it.
//!
//! The unit's sandbox (systemd/portward.service) is the first fence; this is the one that is there without systemd as
//! well. The process gains no privileges by what it executes (`no_new_privs`), is neither dumped nor traced (its memory
//! holds keys), and by Landlock writes nowhere but in the folder of its state and that of its socket, executes nothing
//! at all, and reaches no other process by a signal or an abstract UNIX socket. `landlock` makes the rules and leaves
//! out what a kernel does not know; which rules is said here.
//!
//! Reading is left to the modes of the files: a reload may name any file, and a renewed certificate may lie behind a
//! link to wherever its client keeps it. So are ports and targets, which a reload may change, too.
//!
//! Everything here is best effort: a kernel without it makes a line in the log, and no difference to a telephone.

use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::files::own;

/// The newest Landlock whose rights have been looked at: Linux 6.12. Rights of later ones stay free until they have been.
const KNOWN: ABI = ABI::V6;

/// What has become of it, for one line of the log.
#[derive(Debug)]
pub struct Confined {
    /// What is in force, or why it is not.
    parts: Vec<String>,
    complete: bool,
}

impl Confined {
    /// Whether everything is in force that this kernel has.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "confined: {}", self.parts.join("; "))
    }
}

/// Confines this process for good. `state` is the folder in which the blacklist is kept, `socket` the administration's
/// socket, `notified` where the service manager listens, if there is one: what may still be written and spoken to.
///
/// To be called while there is one thread: Landlock holds for the thread that asks for it and for those that it starts.
pub fn confine(state: &Path, socket: &Path, notified: Option<&str>) -> Confined {
    // Landlock asks for it as well; it holds where there is none, too.
    let privileges = set_no_new_privs(true);
    let dumps = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // A rule is about a folder that is there.
    let _ = own::make_folder(state);
    let writable = folders(state, socket);
    let abstract_manager = notified.is_some_and(|name| name.starts_with('@'));
    let restricted = restrict(&writable, abstract_manager);
    let (landlock, failed) = match &restricted {
        Ok((status, known)) => {
            (said(status, *known, &writable), *known && *status == RulesetStatus::NotEnforced)
        }
        Err(error) => (format!("no Landlock: {error}"), true),
    };
    let complete = privileges.is_ok() && dumps.is_ok() && !failed;
    let part = |done: rustix::io::Result<()>, what: &str| match done {
        Ok(()) => what.to_owned(),
        Err(error) => format!("not {what} ({error})"),
    };
    let parts =
        vec![part(privileges, "no new privileges"), part(dumps, "not to be dumped or traced"), landlock];
    Confined { parts, complete }
}

/// What is written to while Portward runs. The folder of a bare file name is the working directory.
fn folders(state: &Path, socket: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    [Some(state), socket.parent()].into_iter().flatten().map(folder).collect()
}

/// Landlock, as far as this kernel goes, and whether it has any.
fn restrict(writable: &[PathBuf], abstract_manager: bool) -> Result<(RulesetStatus, bool), RulesetError> {
    let handled: BitFlags<AccessFs> = AccessFs::from_write(KNOWN) | AccessFs::Execute;
    let allowed = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSock
        | AccessFs::RemoveFile;
    let scope: BitFlags<Scope> = if abstract_manager { Scope::Signal.into() } else { Scope::from_all(KNOWN) };
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .scope(scope)?
        .create()?;
    for folder in writable {
        if let Ok(folder) = PathFd::new(folder) {
            rules = rules.add_rule(PathBeneath::new(folder, allowed))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok((status.ruleset, matches!(status.landlock, LandlockStatus::Available { .. })))
}

fn said(status: &RulesetStatus, known: bool, writable: &[PathBuf]) -> String {
    let places: Vec<_> = writable.iter().map(|folder| folder.display().to_string()).collect();
    let rules = format!("executes nothing, writes only in {}", places.join(" and "));
    match (status, known) {
        (RulesetStatus::FullyEnforced, _) => format!("Landlock: {rules}"),
        (RulesetStatus::PartiallyEnforced, _) => format!("Landlock, as far as this kernel has it: {rules}"),
        (RulesetStatus::NotEnforced, true) => "Landlock is not in force".to_owned(),
        (RulesetStatus::NotEnforced, false) => "this kernel has no Landlock".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::dumpable_behavior;
    use rustix::thread::no_new_privs;
    use std::fs;
    use std::io::ErrorKind;
    use std::process::Command;

    #[test]
    fn a_bare_file_name_is_in_the_working_directory() {
        assert_eq!(
            folders(Path::new("state"), Path::new("portward.sock")),
            [Path::new("state"), Path::new(".")]
        );
    }

    /// On a thread of its own, because there is no way back; that it is not dumpable holds for all of the process.
    #[test]
    fn what_is_confined_writes_and_executes_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (state, run, elsewhere) =
            (dir.path().join("state"), dir.path().join("run"), dir.path().join("else"));
        fs::create_dir(&run).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("file"), "before").unwrap();
        std::thread::spawn(move || {
            let denied = |done: std::io::Result<()>| done.unwrap_err().kind() == ErrorKind::PermissionDenied;
            let confined = confine(&state, &run.join("portward.sock"), None);
            let line = confined.to_string();
            assert!(line.contains("no new privileges; not to be dumped or traced; "), "{line}");
            assert!(no_new_privs().unwrap());
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
            assert!(
                !line.contains("no Landlock") && confined.is_complete(),
                "this test needs a kernel with Landlock: {line}"
            );

            // What it needs is still there: the blacklist is replaced by a rename, the socket is made and removed.
            fs::write(state.join("blacklist.new"), "1").unwrap();
            fs::rename(state.join("blacklist.new"), state.join("blacklist.jsonl")).unwrap();
            fs::write(state.join("blacklist.jsonl"), "2").unwrap();
            drop(std::os::unix::net::UnixListener::bind(run.join("portward.sock")).unwrap());
            fs::remove_file(run.join("portward.sock")).unwrap();
            assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "before");

            // Nothing else is.
            assert!(denied(fs::write(elsewhere.join("new"), "x")));
            assert!(denied(fs::write(elsewhere.join("file"), "x")));
            assert!(denied(fs::remove_file(elsewhere.join("file"))));
            assert!(denied(fs::rename(state.join("blacklist.jsonl"), elsewhere.join("moved"))));
            assert!(denied(Command::new("/bin/true").status().map(drop)));
            assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "before");
        })
        .join()
        .unwrap();
    }
}

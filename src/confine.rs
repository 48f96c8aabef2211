//! Portward confines itself. When it starts, it gives up everything that it never needs while it runs. It does so
//! however it was started.
//!
//! The unit's sandbox (systemd/portward.service) is the first fence. This second fence also stands without systemd. The
//! process gains no privileges when it executes a program (`no_new_privs`). It cannot be dumped or traced, because its
//! memory holds keys. Landlock lets it write only in the folder of its state and in the folder of its socket. Landlock
//! forbids it to execute anything, to send signals to other processes, and to connect to abstract UNIX sockets of other
//! processes. The crate `landlock` makes the rules and leaves out what a kernel does not know. This module says which
//! rules are made.
//!
//! Reading is left to the modes of the files. A reload may name any file, and a renewed certificate may lie behind a
//! link to the folder of its ACME client. Ports and targets are left free as well, because a reload may change them
//! too.
//!
//! Everything here is best effort. A kernel without these features makes a line in the log, and telephones notice no
//! difference.

use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;

use crate::files::state_file;

/// The newest Landlock version whose rights have been reviewed: Linux 6.12. Rights that later versions add stay
/// unrestricted until they have been reviewed.
const KNOWN: ABI = ABI::V6;

/// What the confinement has achieved, for one line of the log.
#[derive(Debug)]
pub struct Confined {
    /// What is in force, or why it is not.
    parts: Vec<String>,
    complete: bool,
}

impl Confined {
    /// Whether everything that this kernel offers is in force.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "confined: {}", self.parts.join("; "))
    }
}

/// Confines this process for good. `state` is the folder in which the blacklist is kept. `socket` is the
/// administration's socket. `notified` is the service manager's socket, if there is a service manager. The process may
/// still write to these places.
///
/// Call this while the process has a single thread. Landlock holds for the thread that asks for it and for threads that
/// this thread starts later.
pub fn confine(state: &Path, socket: &Path, notified: Option<&str>) -> Confined {
    // Landlock sets `no_new_privs` too. It is set here because it must also hold on kernels without Landlock.
    let privileges = set_no_new_privs(true);
    let dumps = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // Landlock needs an existing folder for a rule.
    let _ = state_file::make_folder(state);
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

/// The folders to which Portward writes while it runs. A bare file name stands for the working directory.
fn folders(state: &Path, socket: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    [Some(state), socket.parent()].into_iter().flatten().map(folder).collect()
}

/// Applies Landlock as far as this kernel supports it. Returns whether the kernel has Landlock.
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

    /// The test uses a thread of its own, because confinement cannot be undone. That the process is not dumpable holds
    /// for the whole process.
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

            // What the process needs is still allowed: the blacklist is replaced by a rename, and the socket is made
            // and removed.
            fs::write(state.join("blacklist.new"), "1").unwrap();
            fs::rename(state.join("blacklist.new"), state.join("blacklist.jsonl")).unwrap();
            fs::write(state.join("blacklist.jsonl"), "2").unwrap();
            drop(std::os::unix::net::UnixListener::bind(run.join("portward.sock")).unwrap());
            fs::remove_file(run.join("portward.sock")).unwrap();
            assert_eq!(fs::read_to_string(elsewhere.join("file")).unwrap(), "before");

            // Nothing else is allowed.
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

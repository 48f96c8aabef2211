//! The files in the folder of `state`, and their faults: the blacklist, the key of SIP route tokens, and the tokens of
//! the admin API.
//!
//! Nothing here prevents a start. What cannot be read or written is said once in the log, stands in `systemctl status` and
//! in the warnings of the admin socket, is tried again, and is said once more when it works.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::secret::{self, RouteKey};
use super::tokens::{self, AdminTokens};
use crate::config::{Diagnostic, Location};
use crate::guard::blacklist_file::{self, Keeper, NotStored};
use crate::guard::{Change, Guard, Origin, unix_now};
use crate::log::Level;
use crate::proof::token::Tokens;

/// The stored files. Writers take turns: the writer that begins last has the newest state, so it must also end last.
#[derive(Debug)]
pub(super) struct Stored {
    keepers: Mutex<(Keeper, RouteKey)>,
    troubles: Mutex<Vec<Trouble>>,
}

/// One file that is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    what: What,
    file: PathBuf,
    cause: String,
    is_unread: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Blacklist,
    RouteKey,
    AdminTokens,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Blacklist => "the blacklist",
            Self::RouteKey => "the key of SIP routes",
            Self::AdminTokens => "the admin token",
        }
    }

    /// What follows if the file cannot be stored.
    fn consequence(self) -> &'static str {
        match self {
            Self::Blacklist => "what is listed now would be lost at a restart",
            Self::RouteKey => "calls that are up could not come back after a restart",
            Self::AdminTokens => "programs would need another token after a restart",
        }
    }
}

impl Trouble {
    fn new(what: What, file: PathBuf, why: &NotStored) -> Self {
        Self { what, file, cause: why.to_string(), is_unread: matches!(why, NotStored::Unread(_)) }
    }

    /// What happens to the file.
    fn outlook(&self) -> String {
        let left = if self.is_unread { "it is left as it is; " } else { "" };
        format!("{left}{}; it is tried again every few seconds", self.what.consequence())
    }

    fn line(&self) -> String {
        format!("{} {} {}: {}", self.what.name(), self.file.display(), self.cause, self.outlook())
    }

    fn warning(&self) -> Diagnostic {
        let message = format!("{} {}", self.what.name(), self.cause);
        Diagnostic::warning(message, Location::whole(&self.file)).help(self.outlook())
    }
}

impl Stored {
    /// Reads the files in the folder `state`. Returns also the tokens under the key that is there.
    pub(super) fn of(state: &Path, guard: &Guard) -> (Self, Tokens) {
        let (key, tokens) = RouteKey::of(state);
        let keepers = Mutex::new((Keeper::new(guard.blacklist()), key));
        (Self { keepers, troubles: Mutex::default() }, tokens)
    }

    /// Reads files that have not been read, and writes changes. Returns messages for the log.
    pub(super) fn keep(
        &self,
        state: &Path,
        guard: &Guard,
        sip: &Tokens,
        admin: &AdminTokens,
    ) -> Vec<(Level, String)> {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        let (blacklist, key) = &mut *keepers;
        let (mut said, mut troubles) = (Vec::new(), Vec::new());
        let restore = |kept| {
            // No entry is refused: there is room for all stored entries.
            let _ = guard.apply(Change::Restore(kept), Origin::File);
        };
        let file = blacklist_file::file(state);
        match blacklist.keep(state, guard.blacklist(), unix_now(), restore) {
            Ok(None) => {}
            Ok(Some((damage, aside))) => said.push(format!(
                "the blacklist {} was {damage}; it is written anew, and the damaged file is {}",
                file.display(),
                aside.display()
            )),
            Err(error) => troubles.push(Trouble::new(What::Blacklist, file, &error)),
        }
        let file = secret::file(state);
        match key.keep(state, sip) {
            Ok(None) => {}
            Ok(Some(aside)) => said.push(format!(
                "the key of SIP routes {} was damaged; a new one is made, and the damaged file is {}; calls that were up \
                 before cannot come back",
                file.display(),
                aside.display()
            )),
            Err(error) => troubles.push(Trouble::new(What::RouteKey, file, &error)),
        }
        let file = tokens::file(state);
        match admin.keep(state) {
            Ok(None) => {}
            Ok(Some(aside)) => said.push(format!(
                "the admin token {} was damaged; a new one is made (portward admin token), and the damaged file is {}",
                file.display(),
                aside.display()
            )),
            Err(error) => troubles.push(Trouble::new(What::AdminTokens, file, &error)),
        }
        let mut said: Vec<_> = said.into_iter().map(|text| (Level::Warning, text)).collect();
        said.extend(self.compare(troubles));
        said
    }

    /// The messages for new faults in `now`, and for faults that have ended.
    fn compare(&self, now: Vec<Trouble>) -> Vec<(Level, String)> {
        let before = std::mem::replace(&mut *self.troubles(), now.clone());
        let new = now.iter().filter(|trouble| !before.contains(trouble));
        let new = new.map(|trouble| (Level::Warning, trouble.line()));
        let right = before.iter().filter(|old| now.iter().all(|trouble| trouble.what != old.what));
        let right = right
            .map(|old| (Level::Info, format!("{} {} is kept again", old.what.name(), old.file.display())));
        new.chain(right).collect()
    }

    fn troubles(&self) -> MutexGuard<'_, Vec<Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that are not stored, in a few words each.
    pub(super) fn in_short(&self) -> Vec<String> {
        let short = |trouble: &Trouble| format!("{} {}", trouble.file.display(), trouble.cause);
        self.troubles().iter().map(short).collect()
    }

    /// The same as warnings.
    pub(super) fn warnings(&self) -> Vec<Diagnostic> {
        self.troubles().iter().map(Trouble::warning).collect()
    }
}

//! The htpasswd files that rules and tenants name. They are read together with the certificates: at a start, at a
//! reload, and when they change.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::{Logins, WrongLogins};
use crate::config::{Diagnostic, Diagnostics, Location, why};
use crate::files;
use crate::rules::Table;
use crate::tls::Occasion;

/// The longest file. It has room for 100,000 users.
const LONGEST: u64 = 16 << 20;

/// The users of all named htpasswd files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LoginFiles(HashMap<Arc<Path>, Arc<Logins>>);

impl LoginFiles {
    /// Reads the files that the rules name, and reports faults. A file that cannot be used keeps the users that it had
    /// before, if there are any. A file that is found empty while Portward runs keeps them as well, because it may just be
    /// written. At a start and at a reload an empty file has no users.
    pub fn load(table: &Table, occasion: Occasion<'_, Self>) -> (Self, Diagnostics) {
        let (mut all, mut found) = (HashMap::new(), Diagnostics::new());
        for path in table.login_files().collect::<BTreeSet<_>>() {
            let before = occasion.before().and_then(|before| before.of(path));
            let logins = match read(path, &mut found) {
                Some(logins) if logins.is_empty() => match (occasion, before) {
                    (Occasion::Noticed(_), Some(before)) if !before.is_empty() => {
                        found.push(empty(path, "its users of before stay in use"));
                        Some(Arc::clone(before))
                    }
                    _ => {
                        found.push(empty(path, "no user can log in by it"));
                        Some(Arc::new(logins))
                    }
                },
                Some(logins) => Some(Arc::new(logins)),
                None => before.cloned(),
            };
            all.extend(logins.map(|logins| (Arc::clone(path), logins)));
        }
        (Self(all), found)
    }

    /// The users of a file. `None`: it cannot be used.
    pub fn of(&self, path: &Path) -> Option<&Arc<Logins>> {
        self.0.get(path)
    }
}

fn read(path: &Path, found: &mut Diagnostics) -> Option<Logins> {
    let text = match files::read(path, LONGEST) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("the htpasswd file {} cannot be read: {}", path.display(), why(&error));
            let help = "requests that demand a login by it are answered with 503 until it can be read";
            found.push(Diagnostic::error(message, Location::whole(path)).because_of(&error).help(help));
            return None;
        }
    };
    let wrong = match Logins::read_file(&text) {
        Ok(logins) => return Some(logins),
        Err(wrong) => wrong,
    };
    let starts: Vec<usize> =
        std::iter::once(0).chain(memchr::memchr_iter(b'\n', &text).map(|at| at + 1)).collect();
    for WrongLogins { line, wrong } in wrong {
        let start = starts.get(line).copied().unwrap_or(text.len());
        let end = starts.get(line + 1).map_or(text.len(), |next| next - 1);
        let span = (start + wrong.offset).min(end)..end;
        let message = format!("line {} of an htpasswd file: {}", line + 1, wrong.message);
        found.push(
            Diagnostic::error(message, Location { file: path.into(), span: Some(span) }).help(wrong.help),
        );
    }
    found.keep_logins(path, &text);
    None
}

fn empty(path: &Path, help: &str) -> Diagnostic {
    let message = format!("the htpasswd file {} has no users", path.display());
    Diagnostic::warning(message, Location::whole(path)).help(help)
}

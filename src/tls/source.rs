//! The contents of a folder or a file, and what happens to them when the folder or file is gone (contract section 4).
//! Absence never replaces anything.
//!
//! | read at | a file that is gone or empty | a folder that is gone | a folder that is empty |
//! |---|---|---|---|
//! | the start | error, which prevents nothing | counts as empty | counts as empty |
//! | a reload | error, refuses the reload; in a folder: obeyed | refuses the reload, if in use | obeyed, with a warning |
//! | a noticed change | its contents stay in use, with a warning | the same | the same |
//!
//! So nothing goes out of use if an administrator moves a folder away for a moment, or if a tool writes half a pair of
//! files. To take something out of use, remove it and reload.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pem;
use crate::config::Diagnostic;
use crate::files;

/// The reason for reading files, and the contents in use so far.
#[derive(Debug)]
pub enum Occasion<'a, T> {
    /// A start, or a command that looks at the files.
    Start,
    /// An administrator has ordered it.
    Reload(Option<&'a T>),
    /// A change of the files was noticed.
    Noticed(Option<&'a T>),
}

impl<'a, T> Occasion<'a, T> {
    /// The contents in use so far.
    pub fn before(&self) -> Option<&'a T> {
        match self {
            Self::Start => None,
            Self::Reload(before) | Self::Noticed(before) => *before,
        }
    }

    /// The same occasion for a part of the contents.
    pub fn of<U>(&self, part: impl FnOnce(&'a T) -> Option<&'a U>) -> Occasion<'a, U> {
        match self {
            Self::Start => Occasion::Start,
            Self::Reload(before) => Occasion::Reload(before.and_then(part)),
            Self::Noticed(before) => Occasion::Noticed(before.and_then(part)),
        }
    }
}

impl<T> Clone for Occasion<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Occasion<'_, T> {}

/// Diagnostics about files that were read.
#[derive(Debug, Default)]
pub struct Found {
    /// Faults of the files, and other points to look at.
    pub problems: Vec<Diagnostic>,
    /// Warnings about files that are still in use although they are gone.
    pub gone: Vec<Diagnostic>,
}

impl Found {
    /// Appends both lists.
    pub(super) fn append(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.gone.extend(other.gone);
    }
}

/// The contents of one folder, or of one file.
#[derive(Debug)]
pub(super) struct Source<T> {
    path: PathBuf,
    loaded: Vec<LoadedFile<T>>,
    absent: bool,
}

/// One file and its contents.
#[derive(Debug)]
pub(super) struct LoadedFile<T> {
    pub(super) file: PathBuf,
    pub(super) what: Arc<T>,
    /// The file is gone, but its contents are still in use.
    pub(super) gone: bool,
}

/// The result of reading a file: its contents if they can be used, and diagnostics.
pub(super) type Read<T> = (Option<T>, Vec<Diagnostic>);

impl<T> Default for Source<T> {
    fn default() -> Self {
        Self { path: PathBuf::new(), loaded: Vec::new(), absent: false }
    }
}

impl<T> Source<T> {
    /// Reads the files that were `listed` of `path`, in the way of `occasion`.
    pub(super) fn read(
        path: &Path,
        listed: io::Result<Vec<PathBuf>>,
        occasion: Occasion<'_, Self>,
        mut read: impl FnMut(&Path) -> Read<T>,
    ) -> (Self, Found) {
        let mut found = Found::default();
        let mut source = Self { path: path.to_owned(), loaded: Vec::new(), absent: false };
        let listing = match listed {
            Ok(files) => Some(files),
            Err(cause) => {
                source.absent = files::is_absent(&cause);
                found.problems.extend(refusal(path, &cause, occasion));
                None
            }
        };
        for file in listing.iter().flatten() {
            let (what, problems) = read(file);
            found.problems.extend(problems);
            if let Some(what) = what {
                source.loaded.push(LoadedFile { file: file.clone(), what: Arc::new(what), gone: false });
            }
        }
        match occasion {
            Occasion::Start => {}
            Occasion::Reload(before) => {
                let had = before.is_some_and(|before| !before.loaded.is_empty());
                if had && source.loaded.is_empty() && listing.is_some_and(|files| files.is_empty()) {
                    let message = "nothing is here any more: what was in use until now is given up";
                    found.problems.push(pem::warning(path, message, None));
                }
            }
            Occasion::Noticed(before) => {
                let kept = before.map(|before| source.keep(&before.loaded)).unwrap_or_default();
                found.gone.extend(said(path, listing.as_deref(), &kept));
            }
        }
        (source, found)
    }

    /// Keeps the contents of files that are gone. Returns these files.
    fn keep(&mut self, before: &[LoadedFile<T>]) -> Vec<PathBuf> {
        let there: HashSet<PathBuf> = self.loaded.iter().map(|loaded| loaded.file.clone()).collect();
        let gone = before.iter().filter(|loaded| !there.contains(&loaded.file));
        let kept = gone.map(|LoadedFile { file, what, .. }| LoadedFile {
            file: file.clone(),
            what: Arc::clone(what),
            gone: true,
        });
        let kept: Vec<_> = kept.collect();
        let files = kept.iter().map(|loaded| loaded.file.clone()).collect();
        self.loaded.extend(kept);
        files
    }

    /// All files in use: those that exist, then those that are gone.
    pub(super) fn loaded(&self) -> &[LoadedFile<T>] {
        &self.loaded
    }

    /// The contents alone, without the files.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.loaded.iter().map(|loaded| &*loaded.what)
    }

    /// Whether nothing is in use.
    pub(super) fn is_empty(&self) -> bool {
        self.loaded.is_empty()
    }

    /// Advice for the case that there is nothing here. It begins with the reason if there is one.
    pub(super) fn advice(&self, help: &str) -> String {
        if self.absent && !self.path.exists() {
            format!("there is no such file or folder; {help}")
        } else {
            help.to_owned()
        }
    }
}

/// The error about a folder or file that does not exist, or cannot be read.
fn refusal<T>(path: &Path, cause: &io::Error, occasion: Occasion<'_, Source<T>>) -> Option<Diagnostic> {
    if !files::is_absent(cause) {
        return Some(*pem::unreadable(path, cause));
    }
    let refused = match occasion {
        // It may come later. Other warnings name the consequences.
        Occasion::Start => false,
        Occasion::Reload(before) => {
            before.is_none_or(|before| before.path != path || !before.loaded.is_empty())
        }
        Occasion::Noticed(_) => false,
    };
    let help = "put it back; an empty folder is obeyed, if that is what you want";
    refused
        .then(|| *pem::error(path, "this is not there, and what is not there replaces nothing", Some(help)))
}

/// One warning for a whole folder, or one for each file.
fn said(path: &Path, listing: Option<&[PathBuf]>, kept: &[PathBuf]) -> Vec<Diagnostic> {
    let help = "a reload gives up what is not there any more";
    let warning = |file: &Path, what: &str| {
        pem::warning(file, format!("{what}: what was read from it stays in use"), Some(help))
    };
    match listing {
        _ if kept.is_empty() => Vec::new(),
        None => vec![pem::warning(
            path,
            "this is gone, or cannot be read any more: what was read from it stays in use",
            Some("a reload is refused until it is back"),
        )],
        Some([]) => vec![warning(path, "nothing is here any more")],
        Some(files) => {
            let what = |file: &PathBuf| match files.contains(file) {
                true => "this cannot be used",
                false => "this is gone",
            };
            kept.iter().map(|file| warning(file, what(file))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Severity;

    type Text = Source<String>;

    /// Reads a file. A file with text is good, an empty one is an error.
    fn read(file: &Path) -> Read<String> {
        match files::read(file, 10) {
            Ok(text) if !text.is_empty() => (Some(String::from_utf8(text).unwrap()), Vec::new()),
            Ok(_) => (None, vec![*pem::error(file, "empty", None)]),
            Err(cause) => (None, vec![*pem::unreadable(file, &cause)]),
        }
    }

    fn look(path: &Path, occasion: Occasion<'_, Text>) -> (Text, Found) {
        Source::read(path, pem::files_in(path, &["crt"]), occasion, read)
    }

    fn texts(source: &Text) -> Vec<&str> {
        source.iter().map(String::as_str).collect()
    }

    fn errors(found: &Found) -> usize {
        found.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }

    /// Item 29: every way in which a file or folder can go.
    #[test]
    fn item_29_what_is_noticed_to_be_gone_stays() {
        use std::fs;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        let at = |name: &str| folder.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(at("a.crt"), "a").unwrap();
        fs::write(at("b.crt"), "b").unwrap();
        let (first, found) = look(&folder, Occasion::Start);
        assert_eq!((texts(&first), found.problems.len(), found.gone.len()), (vec!["a", "b"], 0, 0));

        // One file goes, one is replaced, and one comes.
        fs::remove_file(at("a.crt")).unwrap();
        fs::write(at("b.crt"), "B").unwrap();
        fs::write(at("c.crt"), "c").unwrap();
        let (second, found) = look(&folder, Occasion::Noticed(Some(&first)));
        assert_eq!((texts(&second), found.gone.len(), errors(&found)), (vec!["B", "c", "a"], 1, 0));
        assert!(found.gone[0].message.contains("this is gone"), "{found:?}");

        // A dangling link, an empty file, and a FIFO.
        fs::remove_file(at("b.crt")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("b.crt")).unwrap();
        fs::write(at("c.crt"), "").unwrap();
        let (third, found) = look(&folder, Occasion::Noticed(Some(&second)));
        assert_eq!((texts(&third), found.gone.len(), errors(&found)), (vec!["B", "c", "a"], 3, 2));

        // First the folder is empty, then it is gone. Each time all contents stay in use, and one warning says so.
        for name in ["b.crt", "c.crt"] {
            fs::remove_file(at(name)).unwrap();
        }
        let (fourth, found) = look(&folder, Occasion::Noticed(Some(&third)));
        assert_eq!((texts(&fourth), found.gone.len()), (vec!["B", "c", "a"], 1));
        let (obeyed, found) = look(&folder, Occasion::Reload(Some(&fourth)));
        assert_eq!((texts(&obeyed), errors(&found), found.problems.len()), (vec![], 0, 1));
        fs::remove_dir(&folder).unwrap();
        let (fifth, found) = look(&folder, Occasion::Noticed(Some(&fourth)));
        assert_eq!((texts(&fifth), found.gone.len(), errors(&found)), (vec!["B", "c", "a"], 1, 0));
        let (_, found) = look(&folder, Occasion::Reload(Some(&fifth)));
        assert_eq!(errors(&found), 1, "a missing folder refuses the reload");
        // If nothing came from a folder, its absence takes nothing away. A folder that is named for the first time must
        // exist.
        let (nothing, found) = look(&folder, Occasion::Start);
        assert_eq!((texts(&nothing), errors(&found)), (vec![], 0));
        assert_eq!(errors(&look(&folder, Occasion::Reload(Some(&nothing))).1), 0);
        assert_eq!(errors(&look(&folder, Occasion::Reload(None)).1), 1);

        // The folder is back, and its present contents are in use.
        fs::create_dir(&folder).unwrap();
        fs::write(at("a.crt"), "A").unwrap();
        let (back, found) = look(&folder, Occasion::Reload(Some(&fifth)));
        assert_eq!((texts(&back), found.problems.len()), (vec!["A"], 0));
    }
}

//! The blacklist on disk, so that it survives a restart (contract section 6): one JSON object a line. A new file is
//! written beside the old one and replaces it when it is complete. Entries come first, then traces of removals.
//!
//! The list is never lost. Before a file is replaced, its entries have been taken into the list. So the file is read at
//! the start, and whenever another process has changed or replaced it. The good lines of a damaged file are used, the
//! file is set aside, and a complete one is written at once. A file that cannot be read is left alone. The list is then
//! only in memory until the file can be read.
//!
//! `line` has the format of a line.

mod line;
pub mod words;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

pub use line::to_json;
use line::{Line, from_json, trace_to_json};

use super::blacklist::change::{ListEvent, StoredList, Subscription};
use super::blacklist::entry::{MANUAL, Origin};
use super::blacklist::removals::REMOVALS;
use super::blacklist::{AUTOMATIC, Blacklist, Page};
use crate::files::state_file::{self, Stamp};

/// The name of the file in the state folder.
const NAME: &str = "blacklist.jsonl";
/// The longest line. Portward writes no longer one.
const LINE: u64 = 4096;
/// The most lines. Portward writes no more.
const LINES: usize = AUTOMATIC + MANUAL + REMOVALS;
/// How many entries are taken from the list at once when it is written.
const PAGE: usize = 1024;

/// The path of the file.
pub fn file(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// Keeps a list on disk. It subscribes to all changes, and writes the list when there was one.
#[derive(Debug)]
pub struct Keeper {
    changes: Subscription,
    /// The stamp of the file as this process has read it or written it.
    known: Option<Stamp>,
    /// Whether the file has been looked for.
    has_begun: bool,
    /// Whether the list has to be written.
    is_due: bool,
    /// The damage of the file on disk. A damaged file is set aside before it is replaced.
    damage: Option<Damage>,
}

/// The damage of a file that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The number of the first bad line, from 1.
    pub line: usize,
    /// How many entries are good and in force.
    pub entries: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged in line {}; {} entries could be read", self.line, self.entries)
    }
}

/// Why the list is only in memory.
#[derive(Debug)]
pub enum NotStored {
    /// There is a file that cannot be read, so it is not replaced.
    Unread(io::Error),
    /// The list cannot be written.
    Unwritten(io::Error),
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => write!(f, "cannot be read: {error}"),
            Self::Unwritten(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for NotStored {}

impl Keeper {
    /// A keeper that learns of changes from here on. It has not read a file yet.
    pub fn new(list: &Blacklist) -> Self {
        Self { changes: list.subscribe(), known: None, has_begun: false, is_due: false, damage: None }
    }

    /// Restores the entries of the file into `list`, if the file is not the same as at the last call. Writes the list
    /// if it has changed or if the file was damaged. If a damaged file was replaced, returns its damage and its new
    /// path.
    ///
    /// # Errors
    /// Those of the file system. The next call tries again.
    pub fn keep(
        &mut self,
        state: &Path,
        list: &Blacklist,
        now: u32,
        restore: impl FnOnce(StoredList),
    ) -> Result<Option<(Damage, PathBuf)>, NotStored> {
        while let Some(heard) = self.changes.try_next() {
            self.is_due |= match heard {
                ListEvent::Change(notice) => notice.origin != Origin::File,
                ListEvent::Missed => true,
            };
        }
        let path = file(state);
        self.take_in(&path, now, restore).map_err(NotStored::Unread)?;
        if !self.is_due {
            return Ok(None);
        }
        let aside = self.damage.as_ref().map(|_| state_file::set_aside(&path)).transpose();
        let aside = aside.map_err(NotStored::Unwritten)?;
        self.known = Some(write(&path, list, now).map_err(NotStored::Unwritten)?);
        self.is_due = false;
        Ok(self.damage.take().zip(aside))
    }

    /// Reads the file at `path`, unless it is known. Afterwards the file may be replaced.
    fn take_in(&mut self, path: &Path, now: u32, restore: impl FnOnce(StoredList)) -> io::Result<()> {
        let is_first = !self.has_begun;
        if !is_first && Stamp::at(path)? == self.known {
            return Ok(());
        }
        match state_file::open(path)? {
            Some(file) => {
                let stamp = Stamp::of(&file.metadata()?);
                let (kept, damage) = read(file, now)?;
                restore(kept);
                self.is_due |= damage.is_some() || !is_first;
                (self.known, self.damage) = (Some(stamp), damage);
            }
            None => {
                // The file was removed, but the list is still in force.
                self.is_due |= !is_first;
                (self.known, self.damage) = (None, None);
            }
        }
        self.has_begun = true;
        Ok(())
    }
}

/// Writes the entries that are in force at `now`, page by page, and the traces of removals.
fn write(path: &Path, list: &Blacklist, now: u32) -> io::Result<Stamp> {
    state_file::put(path, |file| {
        let mut out = BufWriter::new(file);
        let mut after = None;
        loop {
            let Page { entries, next } = list.page(now, after, PAGE);
            for entry in &entries {
                writeln!(out, "{}", to_json(entry))?;
            }
            if next.is_none() {
                break;
            }
            after = next;
        }
        for removal in list.removals(now) {
            writeln!(out, "{}", trace_to_json(&removal))?;
        }
        out.flush()
    })
}

/// The damage of the file in the folder `state`. `None`: the file is good, or there is none.
///
/// # Errors
/// The file cannot be read.
pub fn look(state: &Path, now: u32) -> io::Result<Option<Damage>> {
    let Some(file) = state_file::open(&file(state))? else { return Ok(None) };
    read(file, now).map(|(_, damage)| damage)
}

/// Reads a file: the entries that are still in force, and the traces of removals. Lines without meaning are left out.
fn read(file: File, now: u32) -> io::Result<(StoredList, Option<Damage>)> {
    let mut text = BufReader::new(file);
    let (mut kept, mut first_wrong, mut line) = (StoredList::default(), None, Vec::new());
    for number in 1..=LINES + 1 {
        line.clear();
        if io::Read::take(&mut text, LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let (found, is_clean) = meaning(&line);
        match found {
            Some(Line::Entry(entry)) if entry.until.is_none_or(|until| until > now) => {
                kept.entries.push(entry);
            }
            Some(Line::Removal(removal)) => kept.removals.push(removal),
            Some(Line::Entry(_)) | None => {}
        }
        // Lines beyond the greatest number that Portward writes are damage.
        if !is_clean || number > LINES {
            first_wrong.get_or_insert(number);
        }
    }
    let damage = first_wrong.map(|line| Damage { line, entries: kept.entries.len() });
    Ok((kept, damage))
}

/// The meaning of a line, and whether the line is as it should be. After a power failure a file may contain NUL octets.
/// An editor may have left a byte order mark or an empty line.
fn meaning(line: &[u8]) -> (Option<Line>, bool) {
    let Ok(text) = std::str::from_utf8(line) else { return (None, false) };
    let text = text.trim();
    if text.is_empty() {
        return (None, true);
    }
    let line = from_json(text);
    if line.is_some() {
        return (line, true);
    }
    (from_json(text.trim_matches(['\0', '\u{feff}'])), false)
}

#[cfg(test)]
mod tests;

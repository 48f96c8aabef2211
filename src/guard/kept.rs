//! The blacklist on disk, so that it survives a restart (contract section 6): one JSON object a line, written beside the old
//! file and put in its place when it is whole. Entries come first, then traces of removals.
//!
//! The list is never lost. Before a file is replaced everything that stands in it has been taken into the list, so it is
//! read at the start and whenever it is another than this process has left there. Of a damaged file the good lines are
//! taken, the file is set aside, and a whole one is written at once. A file that cannot be read is left alone: the list is in
//! memory until it can be.
//!
//! `line` is what stands in a line.

mod line;
pub mod words;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

pub use line::to_json;
use line::{Line, from_json, trace_to_json};

use super::blacklist::change::{Heard, Kept, Subscription};
use super::blacklist::entry::{MANUAL, Origin};
use super::blacklist::removals::REMOVALS;
use super::blacklist::{AUTOMATIC, Blacklist, Page};
use crate::files::own::{self, Stamp};

/// The file in the state folder.
const NAME: &str = "blacklist.jsonl";
/// No line that we write is longer.
const LINE: u64 = 4096;
/// No file that we write has more lines.
const LINES: usize = AUTOMATIC + MANUAL + REMOVALS;
/// So many entries are taken from the list at once to be written.
const PAGE: usize = 1024;

/// Where it is.
pub fn file(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// Keeps a list on disk. It hears of every change, and writes the list when there was one.
#[derive(Debug)]
pub struct Keeper {
    changes: Subscription,
    /// The file as this process has read it, or has left it there.
    known: Option<Stamp>,
    /// The file has been looked for.
    has_begun: bool,
    /// The list is to be written.
    is_due: bool,
    /// What is wrong with the file that is there. It is set aside before it is replaced.
    damage: Option<Damage>,
}

/// What is wrong with a file that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The first line that is wrong, from 1.
    pub line: usize,
    /// How many entries are good and in force.
    pub entries: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "damaged in line {}; {} entries could be read", self.line, self.entries)
    }
}

/// Why the list is in memory alone.
#[derive(Debug)]
pub enum Unkept {
    /// There is a file that cannot be read, so it is not replaced.
    Unread(io::Error),
    /// The list cannot be written.
    Unwritten(io::Error),
}

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(error) => write!(f, "cannot be read: {error}"),
            Self::Unwritten(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for Unkept {}

impl Keeper {
    /// Of changes from here on; nothing has been read yet.
    pub fn new(list: &Blacklist) -> Self {
        Self { changes: list.subscribe(), known: None, has_begun: false, is_due: false, damage: None }
    }

    /// Restores into `list` what the file holds, if it is another file than at the last call, and writes the list if it has
    /// changed or the file was damaged. Returns what was wrong with a file that has been replaced, and where that is now.
    ///
    /// # Errors
    /// Those of the file system; it is tried again at the next call then.
    pub fn keep(
        &mut self,
        state: &Path,
        list: &Blacklist,
        now: u32,
        restore: impl FnOnce(Kept),
    ) -> Result<Option<(Damage, PathBuf)>, Unkept> {
        while let Some(heard) = self.changes.try_next() {
            self.is_due |= match heard {
                Heard::Change(notice) => notice.origin != Origin::File,
                Heard::Missed => true,
            };
        }
        let path = file(state);
        self.take_in(&path, now, restore).map_err(Unkept::Unread)?;
        if !self.is_due {
            return Ok(None);
        }
        let aside = self.damage.as_ref().map(|_| own::set_aside(&path)).transpose();
        let aside = aside.map_err(Unkept::Unwritten)?;
        self.known = Some(write(&path, list, now).map_err(Unkept::Unwritten)?);
        self.is_due = false;
        Ok(self.damage.take().zip(aside))
    }

    /// Reads the file at `path`, unless it is known. Afterwards it may be replaced.
    fn take_in(&mut self, path: &Path, now: u32, restore: impl FnOnce(Kept)) -> io::Result<()> {
        let is_first = !self.has_begun;
        if !is_first && Stamp::at(path)? == self.known {
            return Ok(());
        }
        match own::open(path)? {
            Some(file) => {
                let stamp = Stamp::of(&file.metadata()?);
                let (kept, damage) = read(file, now)?;
                restore(kept);
                self.is_due |= damage.is_some() || !is_first;
                (self.known, self.damage) = (Some(stamp), damage);
            }
            None => {
                // It was removed: the list is still in force.
                self.is_due |= !is_first;
                (self.known, self.damage) = (None, None);
            }
        }
        self.has_begun = true;
        Ok(())
    }
}

/// Writes what is in force at `now`, page by page, and the traces of removals.
fn write(path: &Path, list: &Blacklist, now: u32) -> io::Result<Stamp> {
    own::put(path, |file| {
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

/// What is wrong with the file in the folder `state`; `None`: it is good, or not there.
///
/// # Errors
/// It cannot be read.
pub fn look(state: &Path, now: u32) -> io::Result<Option<Damage>> {
    let Some(file) = own::open(&file(state))? else { return Ok(None) };
    read(file, now).map(|(_, damage)| damage)
}

/// Reads what was kept: what is still in force, and what was removed. Lines that mean nothing are left out.
fn read(file: File, now: u32) -> io::Result<(Kept, Option<Damage>)> {
    let mut text = BufReader::new(file);
    let (mut kept, mut first_wrong, mut line) = (Kept::default(), None, Vec::new());
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
        // Whatever begins behind the last line that we could have written is no part of it.
        if !is_clean || number > LINES {
            first_wrong.get_or_insert(number);
        }
    }
    let damage = first_wrong.map(|line| Damage { line, entries: kept.entries.len() });
    Ok((kept, damage))
}

/// What a line says, and whether it is as it should be. After a power failure NUL octets may stand in a file; an editor may
/// have left a byte order mark or an empty line.
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

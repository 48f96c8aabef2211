//! The blacklist on disk, so that it survives a restart (SPEC section 6): one JSON object a line, written beside the old
//! file and put in its place when it is whole. Entries come first, then traces of removals.
//!
//! A trace is written as an entry that ended when it was removed, with `removed`, `by` and `user` beside. A program that
//! knows entries only leaves it behind, as it does with every entry that has ended. The trace of a cleared list has the
//! address 0.0.0.0 and says `all`.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::blacklist::change::{Heard, Kept, Subscription};
use super::blacklist::entry::{Entry, MANUAL, Origin, Why};
use super::blacklist::removals::{REMOVALS, Removal};
use super::blacklist::{AUTOMATIC, Blacklist, Page};
use super::counted::Counted;
use crate::files;
use crate::reason::Reason;

/// The file in the state folder.
const NAME: &str = "blacklist.jsonl";
/// No line that we write is longer.
const LINE: u64 = 4096;
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
    /// The file is older than the list.
    is_due: bool,
}

impl Keeper {
    /// Of changes from here on.
    pub fn new(list: &Blacklist) -> Self {
        Self { changes: list.subscribe(), is_due: false }
    }

    /// Writes `list` if it has changed since this was last called. What was read from the file is no change.
    ///
    /// # Errors
    /// Those of the file system; it is tried again at the next call then.
    pub fn keep(&mut self, state: &Path, list: &Blacklist, now: u32) -> io::Result<()> {
        while let Some(heard) = self.changes.try_next() {
            self.is_due |= match heard {
                Heard::Change(notice) => notice.origin != Origin::File,
                Heard::Missed => true,
            };
        }
        if self.is_due {
            write(state, list, now)?;
            self.is_due = false;
        }
        Ok(())
    }
}

/// Writes what is in force at `now`, page by page, and the traces of removals.
///
/// # Errors
/// Those of the file system; the old file is still there then.
fn write(state: &Path, list: &Blacklist, now: u32) -> io::Result<()> {
    fs::create_dir_all(state)?;
    let new = tempfile::Builder::new().prefix(".blacklist-").tempfile_in(state)?;
    let mut out = BufWriter::new(new);
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
    let new = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    new.as_file().sync_all()?;
    new.persist(file(state)).map_err(|error| error.error)?;
    File::open(state)?.sync_all()
}

/// What was read at the start.
#[derive(Debug, Default)]
pub struct Read {
    /// What is still in force, and what was removed.
    pub kept: Kept,
    /// What is to be said about it.
    pub warning: Option<String>,
}

/// Reads what was kept. A damaged file is set aside, what could be read of it is kept, and a warning says so; it never
/// prevents a start.
pub fn read(state: &Path, now: u32) -> Read {
    let path = file(state);
    let text = match files::open(&path) {
        Ok(text) => BufReader::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Read::default(),
        Err(error) => {
            // The next one that is written must not take its place.
            let done = set_aside(&path);
            let warning = format!("the blacklist {} cannot be read: {error}; {done}", path.display());
            return Read { kept: Kept::default(), warning: Some(warning) };
        }
    };
    let (mut kept, mut damaged) = (Kept::default(), None);
    for (number, line) in lines(text).take(AUTOMATIC + MANUAL + REMOVALS + 1).enumerate() {
        match line.ok().as_deref().and_then(from_json) {
            Some(Line::Entry(entry)) if entry.until.is_none_or(|until| until > now) => {
                kept.entries.push(entry);
            }
            Some(Line::Entry(_)) => {}
            Some(Line::Removal(removal)) => kept.removals.push(removal),
            None => {
                damaged.get_or_insert(number + 1);
            }
        }
    }
    let warning = damaged.map(|line| {
        let done = set_aside(&path);
        let count = kept.entries.len();
        format!(
            "the blacklist {} is damaged in line {line}; {done}; {count} entries could be read",
            path.display()
        )
    });
    Read { kept, warning }
}

fn set_aside(path: &Path) -> String {
    let aside = path.with_extension("jsonl.damaged");
    match fs::rename(path, &aside) {
        Ok(()) => format!("it was set aside as {}", aside.display()),
        Err(error) => format!("it cannot be set aside: {error}"),
    }
}

/// Lines of a bounded length each.
fn lines(mut text: BufReader<File>) -> impl Iterator<Item = io::Result<String>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match io::Read::take(&mut text, LINE).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8(line).map_err(io::Error::other)),
            Err(error) => Some(Err(error)),
        }
    })
}

/// An entry as a program reads it, JSON: in the file, and from the admin socket. Written as text, because there may be a
/// million of them.
pub fn to_json(entry: &Entry) -> String {
    let Entry { who, since, until, why } = entry;
    let until = until.map_or_else(|| "null".to_owned(), |until| until.to_string());
    let head = format_args!("\"address\":\"{who}\",\"since\":{since},\"until\":{until}");
    match why {
        Why::Automatic { reason, count } => {
            let reason = reason.name();
            format!("{{{head},\"manual\":false,\"reason\":\"{reason}\",\"count\":{count}}}")
        }
        Why::Manual { note } => format!("{{{head},\"manual\":true,\"note\":{}}}", Value::from(&**note)),
    }
}

/// A trace of a removal.
fn trace_to_json(removal: &Removal) -> String {
    let Removal { who, since, at, by } = removal;
    let all = if who.is_none() { ",\"all\":true" } else { "" };
    let address = who.map_or_else(|| "0.0.0.0".to_owned(), |who| who.to_string());
    let entry = format_args!(
        "\"address\":\"{address}\",\"since\":{since},\"until\":{at},\"manual\":true,\"note\":\"\""
    );
    let by = match by {
        Origin::Administrator { user: Some(user) } => format!("\"administrator\",\"user\":{user}"),
        Origin::Administrator { user: None } => "\"administrator\"".to_owned(),
        Origin::Guard => "\"guard\"".to_owned(),
        Origin::File => "\"file\"".to_owned(),
    };
    format!("{{{entry},\"removed\":{at},\"by\":{by}{all}}}")
}

/// A line of the file.
enum Line {
    Entry(Entry),
    Removal(Removal),
}

/// A line, back.
fn from_json(line: &str) -> Option<Line> {
    let json: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| json.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
    let who = Counted::parse(json.get("address")?.as_str()?)?;
    let since = number("since")?;
    if json.get("removed").is_some() {
        let all = json.get("all").is_some();
        let by = match json.get("by")?.as_str()? {
            "administrator" => Origin::Administrator { user: number("user") },
            "guard" => Origin::Guard,
            "file" => Origin::File,
            _ => return None,
        };
        return Some(Line::Removal(Removal {
            who: (!all).then_some(who),
            since,
            at: number("removed")?,
            by,
        }));
    }
    let until = match json.get("until")? {
        Value::Null => None,
        _ => Some(number("until")?),
    };
    let why = match json.get("manual")?.as_bool()? {
        true => Why::Manual { note: json.get("note")?.as_str()?.into() },
        false => {
            let name = json.get("reason")?.as_str()?;
            let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name)?;
            Why::Automatic { reason, count: number("count")? }
        }
    };
    Some(Line::Entry(Entry { who, since, until, why }))
}

#[cfg(test)]
mod tests;

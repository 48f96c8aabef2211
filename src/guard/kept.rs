//! The blacklist on disk, so that it survives a restart (SPEC section 6): one JSON object a line, written beside the old
//! file and put in its place when it is whole.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::blacklist::{Blacklist, Entry, Page, Why};
use super::{Counted, blacklist};
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

/// Writes what is in force at `now`, page by page.
///
/// # Errors
/// Those of the file system; the old file is still there then.
pub fn write(state: &Path, list: &Blacklist, now: u32) -> io::Result<()> {
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
    let new = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    new.as_file().sync_all()?;
    new.persist(file(state)).map_err(|error| error.error)?;
    File::open(state)?.sync_all()
}

/// What was read at the start.
#[derive(Debug, Default)]
pub struct Read {
    /// What is still in force.
    pub entries: Vec<Entry>,
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
            return Read { entries: Vec::new(), warning: Some(warning) };
        }
    };
    let (mut entries, mut damaged) = (Vec::new(), None);
    for (number, line) in lines(text).take(blacklist::AUTOMATIC + blacklist::MANUAL + 1).enumerate() {
        match line.ok().as_deref().and_then(from_json) {
            Some(entry) if entry.until.is_none_or(|until| until > now) => entries.push(entry),
            Some(_) => {}
            None => {
                damaged.get_or_insert(number + 1);
            }
        }
    }
    let warning = damaged.map(|line| {
        let done = set_aside(&path);
        let count = entries.len();
        format!(
            "the blacklist {} is damaged in line {line}; {done}; {count} entries could be read",
            path.display()
        )
    });
    Read { entries, warning }
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

/// The same, back.
pub fn from_json(line: &str) -> Option<Entry> {
    let json: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| json.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
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
    Some(Entry { who: Counted::parse(json.get("address")?.as_str()?)?, since: number("since")?, until, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Blacklist {
        let list = Blacklist::default();
        list.restore(entries(), 5);
        list
    }

    fn entries() -> Vec<Entry> {
        let who = |text: &str| Counted::parse(text).unwrap();
        let automatic = Why::Automatic { reason: Reason::UnknownHost, count: 21 };
        vec![
            Entry {
                who: who("192.0.2.1"),
                since: 1,
                until: None,
                why: Why::Manual { note: "a \"note\"\n".into() },
            },
            Entry { who: who("2001:db8::/64"), since: 5, until: Some(305), why: automatic.clone() },
            Entry { who: who("192.0.2.2"), since: 5, until: None, why: automatic },
        ]
    }

    #[test]
    fn what_is_written_is_read() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("state");
        assert!(read(&folder, 0).entries.is_empty());
        write(&folder, &list(), 5).unwrap();
        let Read { entries: back, warning } = read(&folder, 10);
        assert_eq!((back, warning), (entries(), None));
        assert_eq!(read(&folder, 305).entries.len(), 2, "what has expired is left behind");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
    }

    #[test]
    fn a_damaged_file_is_set_aside() {
        let state = tempfile::tempdir().unwrap();
        write(state.path(), &list(), 5).unwrap();
        let path = file(state.path());
        let good = fs::read(&path).unwrap();
        for damage in [&b"\xff\xfe\n"[..], b"{}\n", b"{\"address\":\"192.0.2.9\"", &[b'x'; 10_000]] {
            fs::write(&path, [&good, damage].concat()).unwrap();
            let Read { entries: back, warning } = read(state.path(), 10);
            assert_eq!(back, entries());
            assert!(warning.unwrap().contains("damaged in line 4; it was set aside"));
            assert!(!path.exists() && path.with_extension("jsonl.damaged").exists());
        }
    }
}

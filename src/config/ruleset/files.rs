//! The files of the rules, and places in them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::{memchr_iter, memrchr};
use zeroize::Zeroize as _;

use super::super::text::{read_text, why};
use super::super::{Diagnostic, Diagnostics, Location};
use crate::rules::Source;

/// A file and its text.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) text: Arc<String>,
}

impl File {
    /// Overwrites the text if it may hold a secret, unless it is still shown somewhere.
    pub(super) fn forget(mut self) {
        if memchr::memmem::find(self.text.as_bytes(), b"secret").is_some()
            && let Some(text) = Arc::get_mut(&mut self.text)
        {
            text.zeroize();
        }
    }
}

/// The rules files under `path`, and the site's own presets beside them. Both lists are sorted by name.
pub(super) fn find(path: &Path, diagnostics: &mut Diagnostics) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let folder = path.is_dir();
    let rules = if folder { toml_files(path, diagnostics) } else { vec![path.to_owned()] };
    if rules.is_empty() && !diagnostics.is_denied() {
        let message = format!("there is no rules file in {}: every request is refused", path.display());
        let help = "a rules file is called NAME.toml";
        diagnostics.push(Diagnostic::warning(message, Location::whole(path)).help(help));
    }
    let beside = if folder { path } else { path.parent().unwrap_or(Path::new("")) };
    let presets = beside.join("presets");
    let presets = if presets.is_dir() { toml_files(&presets, diagnostics) } else { Vec::new() };
    (rules, presets)
}

fn toml_files(folder: &Path, diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the folder {} cannot be read: {}", folder.display(), why(&error));
            diagnostics.push(Diagnostic::error(message, Location::whole(folder)).because_of(&error));
            return Vec::new();
        }
    };
    let visible = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        !name.starts_with(b".")
    };
    let is_rules = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        name.ends_with(b".toml") && !path.is_dir()
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(visible).collect();
    files.sort();
    let (files, others): (Vec<_>, Vec<_>) = files.into_iter().partition(is_rules);
    for path in others.into_iter().filter(|path| is_meant(path)).take(MOST_NAMED) {
        let (what, help) = match path.is_dir() {
            true => ("folder", "rules files stand in the folder itself; only `presets` is read below it"),
            false => (
                "file",
                "a rules file is called NAME.toml; one that shall not be read may be called NAME.toml.off",
            ),
        };
        let fault = Diagnostic::warning(format!("this {what} is not read"), Location::whole(path));
        diagnostics.push(fault.help(help));
    }
    files
}

/// How many files that are not read are named at most.
const MOST_NAMED: usize = 20;

/// Whether a file that is not read seems to be a rules file, by its name or its content.
fn is_meant(path: &Path) -> bool {
    const LOOK: u64 = 1 << 20;
    const KINDS: [&str; 9] = ["toml", "tml", "conf", "cfg", "config", "ini", "yaml", "yml", "json"];
    const LEFT: [&str; 14] = [
        "off", "disabled", "bak", "old", "orig", "save", "swp", "tmp", "rej", "md", "txt", "example",
        "sample", "dist",
    ];
    if path.is_dir() {
        let is_toml = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.path().extension().is_some_and(|kind| kind == "toml"))
        };
        return !path.ends_with("presets")
            && std::fs::read_dir(path).is_ok_and(|mut entries| entries.any(is_toml));
    }
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_left = LEFT.contains(&kind.as_str())
        || kind.ends_with('~')
        || kind.starts_with("dpkg-")
        || kind.starts_with("rpm");
    if is_left || KINDS.contains(&kind.as_str()) {
        return !is_left;
    }
    let text = crate::files::read(path, LOOK).unwrap_or_default();
    memchr::memmem::find(&text, b"[[host]]").is_some()
}

/// The texts of `paths`. A file that cannot be read is reported as an error and left out.
pub(super) fn read(mut paths: Vec<PathBuf>, diagnostics: &mut Diagnostics) -> Vec<File> {
    let mut files = Vec::new();
    if let Some(first) = paths.get(MOST) {
        let message = format!("there are more than {MOST} rules files");
        let place = Location::whole(first.clone());
        diagnostics.push(Diagnostic::error(message, place).help("put several hosts into one file"));
        paths.truncate(MOST);
    }
    for path in paths {
        match read_text(&path, "the rules file") {
            Ok(text) => files.push(File { path, text }),
            Err(none) => none.tell(&path, diagnostics),
        }
    }
    files
}

/// The greatest number of files. [`Source::file`] has 16 bits, and presets need some of them.
const MOST: usize = 60_000;

/// The place of something.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stands {
    /// The place is in a file that is being read.
    At(Position),
    /// The place is in a file that was read before. The file may have changed since.
    On(Source),
}

/// A place in one of the files. It is small, because there may be one for every host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    pub(super) file: u16,
    start: u32,
    end: u32,
}

impl Position {
    /// The position of `span`, which counts from the start of the file.
    pub(super) fn new(file: u16, span: &Range<usize>) -> Self {
        let small = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self { file, start: small(span.start), end: small(span.end) }
    }

    /// The number of the file.
    pub(super) fn file_number(self) -> usize {
        usize::from(self.file)
    }

    /// The key for sorting positions.
    pub(super) fn order(self) -> (u16, u32) {
        (self.file, self.start)
    }

    /// The position of the text that starts at `source` and ends before its closing quote.
    pub(super) fn of_text(source: Source, text: &str) -> Self {
        let line = memchr_iter(b'\n', text.as_bytes())
            .map(|at| at + 1)
            .nth(usize::try_from(source.line).unwrap_or(usize::MAX).wrapping_sub(2));
        let line = if source.line <= 1 { 0 } else { line.unwrap_or(text.len()) };
        let rest = text.get(line..).unwrap_or_default();
        let column = usize::try_from(source.column).unwrap_or(1).saturating_sub(1);
        let start = line + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at);
        let tail = text.get(start..).unwrap_or_default();
        let len = tail.find(['"', '\'', '\n']).unwrap_or(tail.len());
        Self::new(source.file, &(start..start + len))
    }

    pub(super) fn place(self, file: &Path) -> Location {
        let wide = |at| usize::try_from(at).unwrap_or(usize::MAX);
        Location { file: file.to_owned(), span: Some(wide(self.start)..wide(self.end)) }
    }
}

/// Counts lines while a file is read. It continues from the last place, so that the file is not counted from its start
/// again.
pub(super) struct Lines<'t> {
    pub(super) file: u16,
    text: &'t [u8],
    offset: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(file: u16, text: &'t str) -> Self {
        Self { file, text: text.as_bytes(), offset: 0, line: 1 }
    }

    /// Line and column of a byte of the file.
    pub(super) fn source(&mut self, offset: usize) -> Source {
        let offset = offset.min(self.text.len());
        let newlines =
            |range: Range<usize>| memchr_iter(b'\n', self.text.get(range).unwrap_or_default()).count();
        let line = if offset >= self.offset {
            self.line + newlines(self.offset..offset)
        } else {
            self.line - newlines(offset..self.offset)
        };
        self.line = line;
        self.offset = offset;
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start = memrchr(b'\n', before).map_or(0, |at| at + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        // Characters are counted and not bytes, so continuation bytes of UTF-8 (0b10xxxxxx) do not count.
        let column = in_line.iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
        let small = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Source { file: self.file, line: small(line), column: small(column) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_count_forth_and_back() {
        let text = "a\nü = \"x\"\n\nlast";
        let mut lines = Lines::new(3, text);
        for (at, line, column) in
            [(0, 1, 1), (15, 4, 4), (7, 2, 5), (8, 2, 6), (1, 1, 2), (11, 3, 1), (99, 4, 5)]
        {
            let source = lines.source(at);
            assert_eq!((source.line, source.column), (line, column), "{at}");
            assert_eq!(source.file, 3);
        }
    }

    #[test]
    fn positions_find_the_text_again() {
        let text = "a = \"x\"\nü = 'hello' # \"\n";
        let find = |line, column| {
            let place = Position::of_text(Source { file: 0, line, column }, text).place(Path::new("f"));
            text[place.span.unwrap()].to_owned()
        };
        assert_eq!(find(1, 6), "x");
        assert_eq!(find(2, 6), "hello");
        assert_eq!(find(9, 9), "");
    }
}

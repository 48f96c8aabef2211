//! Reads the plain forms of TOML in one pass: a file of 100,000 hosts has nothing else.
//!
//! Plain is a text of these statements, each with a comment or without one:
//!
//! - `[[NAME]]`, `[NAME]` and `[NAME.NAME]`, where the last name may stand in quotes;
//! - `NAME = VALUE`. A value is a string on one line without a backslash, a whole number without a sign, `true` or
//!   `false`, a list, or a table in braces on one line.
//!
//! The reader has no errors. At the first thing that is not plain or not right it gives up, and the crate toml reads
//! the text. So a text that this reader takes must mean the same to that crate. `super::read` asserts that in every
//! build with debug assertions, and the fuzzer has such a build.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr3};

use super::{Arena, Entry, Key, Node, Spanned, Table};

/// How deep lists and tables in braces may be nested. The rules need less.
const DEEPEST: u32 = 8;

/// How many different names tables may have at the top. The rules need three, and portward.toml about ten.
const MOST_NAMES: usize = 16;

/// The greatest number of digits. Every such number is one for the crate toml, too.
const DIGITS: usize = 18;

/// The tree of a plain text. `None`: the text is not plain, or there is something wrong with it.
pub(super) fn read<'t>(text: &'t str, arena: &'t Arena) -> Option<Table<'t>> {
    if !has_plain_characters(text.as_bytes()) {
        return None;
    }
    let mut reader = Reader { text, at: 0, arena, entries: Vec::new(), elements: Vec::new() };
    reader.key_values()?;
    let mut groups: Vec<Group<'_>> = Vec::new();
    let top = reader.entries.len();
    while let Some(header) = reader.header()? {
        reader.key_values()?;
        header.put(reader.table(top)?, &mut groups)?;
    }
    for group in groups {
        let entry = group.finish(arena)?;
        reader.entries.push(entry);
    }
    reader.table(0)
}

/// Whether a text has no control characters but tabs and the ends of lines. TOML allows no others.
fn has_plain_characters(text: &[u8]) -> bool {
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\n' | b'\t' | b'\r') || byte == 0x7F;
    let has_control = text.iter().fold(false, |found, byte| found | is_control(*byte));
    let ends_line = |at: usize| text.get(at + 1) == Some(&b'\n');
    !has_control && memchr_iter(b'\r', text).all(ends_line)
}

/// The head of a table, such as `[[host]]`.
struct Header<'t> {
    span: Range<usize>,
    is_array: bool,
    name: Key<'t>,
    below: Option<Key<'t>>,
}

/// Everything under one name at the top that has a head of its own.
struct Group<'t> {
    name: Key<'t>,
    span: Range<usize>,
    content: Content<'t>,
}

enum Content<'t> {
    /// `[[NAME]]`, several times.
    Array(Vec<Spanned<Node<'t>>>),
    /// `[NAME]`, once.
    Table(Spanned<Node<'t>>),
    /// `[NAME.NAME]`, several times with different names.
    Tables(Vec<Entry<'t>>),
}

impl<'t> Header<'t> {
    /// Puts the table of this head in its place.
    fn put(self, table: Table<'t>, groups: &mut Vec<Group<'t>>) -> Option<()> {
        let Self { span, is_array, name, below } = self;
        let table = Spanned::new(span.clone(), Node::Table(table));
        let is_full = groups.len() == MOST_NAMES;
        let known = groups.iter_mut().find(|group| group.name.what == name.what);
        match (known.map(|group| &mut group.content), below) {
            (Some(Content::Array(list)), None) if is_array => list.push(table),
            (Some(Content::Tables(tables)), Some(below)) => tables.push((below, table)),
            (Some(_), _) => return None,
            (None, _) if is_full => return None,
            (None, Some(below)) => {
                // The crate toml gives a table without a head of its own the place of its name.
                let content = Content::Tables(vec![(below, table)]);
                groups.push(Group { span: name.span(), name, content });
            }
            (None, None) => {
                let content = if is_array { Content::Array(vec![table]) } else { Content::Table(table) };
                groups.push(Group { name, span, content });
            }
        }
        Some(())
    }
}

impl<'t> Group<'t> {
    fn finish(self, arena: &'t Arena) -> Option<Entry<'t>> {
        let value = match self.content {
            Content::Array(list) => Spanned::new(self.span, Node::Array(arena.alloc_slice_copy(&list))),
            Content::Table(table) => table,
            Content::Tables(tables) => {
                Spanned::new(self.span, Node::Table(Table::of(arena.alloc_slice_copy(&tables))?))
            }
        };
        Some((self.name, value))
    }
}

/// A place in the text, and what was read of tables and lists that are not complete yet. Its methods return `None` if
/// the text from here on is not plain.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    arena: &'t Arena,
    /// The entries of tables: those of an inner table stand behind those of the outer one.
    entries: Vec<Entry<'t>>,
    /// The elements of lists, in the same order.
    elements: Vec<Spanned<Node<'t>>>,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Goes behind `word`, if the text goes on with it.
    fn takes(&mut self, word: &[u8]) -> bool {
        let is_next = self.rest().starts_with(word);
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn skip(&mut self, is_skipped: impl Fn(u8) -> bool) -> Range<usize> {
        let rest = self.rest();
        let start = self.at;
        self.at += rest.iter().position(|byte| !is_skipped(*byte)).unwrap_or(rest.len());
        start..self.at
    }

    fn skip_blanks(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Goes to the first character of a statement or of a list that is neither blank nor in a comment.
    fn skip_lines(&mut self) {
        loop {
            // A carriage return stands before the end of a line only.
            self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
            if self.next() != Some(b'#') {
                return;
            }
            self.skip_comment();
        }
    }

    fn skip_comment(&mut self) {
        let rest = self.rest();
        self.at += memchr(b'\n', rest).unwrap_or(rest.len());
    }

    /// Goes behind the end of a line, before which only a comment may stand.
    fn end_line(&mut self) -> Option<()> {
        self.skip_blanks();
        match self.next() {
            None | Some(b'\n' | b'\r') => {}
            Some(b'#') => self.skip_comment(),
            Some(_) => return None,
        }
        self.skip_lines();
        Some(())
    }

    /// Takes the statements `NAME = VALUE` up to the next head of a table.
    fn key_values(&mut self) -> Option<()> {
        self.skip_lines();
        while self.next().is_some_and(|byte| byte != b'[') {
            self.key_value(0)?;
            self.end_line()?;
        }
        Some(())
    }

    fn key_value(&mut self, depth: u32) -> Option<()> {
        let key = self.name()?;
        self.skip_blanks();
        if !self.takes(b"=") {
            return None;
        }
        self.skip_blanks();
        let value = self.value(depth)?;
        self.entries.push((key, value));
        Some(())
    }

    /// Makes a table of the last entries. `first` is the number of the first one.
    fn table(&mut self, first: usize) -> Option<Table<'t>> {
        let table = Table::of(self.arena.alloc_slice_copy(self.entries.get(first..)?));
        self.entries.truncate(first);
        table
    }

    /// The head of a table. `Some(None)`: the text ends here.
    fn header(&mut self) -> Option<Option<Header<'t>>> {
        let start = self.at;
        if self.next().is_none() {
            return Some(None);
        }
        let is_array = self.takes(b"[[");
        if !is_array && !self.takes(b"[") {
            return None;
        }
        let name = self.name()?;
        let below = if !is_array && self.takes(b".") { Some(self.name_or_string()?) } else { None };
        if !self.takes(if is_array { b"]]" } else { b"]" }) {
            return None;
        }
        let span = start..self.at;
        self.end_line()?;
        Some(Some(Header { span, is_array, name, below }))
    }

    /// A name without quotes.
    fn name(&mut self) -> Option<Key<'t>> {
        let span = self.skip(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let name = self.text.get(span.clone()).filter(|name| !name.is_empty())?;
        Some(Spanned::new(span, name))
    }

    fn name_or_string(&mut self) -> Option<Key<'t>> {
        if self.next() == Some(b'"') { self.string() } else { self.name() }
    }

    /// A string in double quotes, on one line and without a backslash.
    fn string(&mut self) -> Option<Key<'t>> {
        let start = self.at;
        if !self.takes(b"\"") {
            return None;
        }
        self.at += memchr3(b'"', b'\\', b'\n', self.rest())?;
        let text = self.text.get(start + 1..self.at)?;
        // Behind an empty string a third quote begins a text of several lines.
        let is_whole = self.takes(b"\"") && !(text.is_empty() && self.next() == Some(b'"'));
        is_whole.then(|| Spanned::new(start..self.at, text))
    }

    fn value(&mut self, depth: u32) -> Option<Spanned<Node<'t>>> {
        let start = self.at;
        let node = match self.next()? {
            b'"' => Node::String(self.string()?.what),
            b'[' if depth < DEEPEST => Node::Array(self.list(depth + 1)?),
            b'{' if depth < DEEPEST => Node::Table(self.braces(depth + 1)?),
            b't' if self.takes(b"true") => self.word(Node::Boolean(true))?,
            b'f' if self.takes(b"false") => self.word(Node::Boolean(false))?,
            b'0'..=b'9' => self.number()?,
            _ => return None,
        };
        Some(Spanned::new(start..self.at, node))
    }

    /// `node`, if the value ends here.
    fn word(&self, node: Node<'t>) -> Option<Node<'t>> {
        match self.next() {
            None | Some(b' ' | b'\t' | b'\n' | b'\r' | b'#' | b',' | b']' | b'}') => Some(node),
            Some(_) => None,
        }
    }

    fn number(&mut self) -> Option<Node<'t>> {
        let span = self.skip(|byte| byte.is_ascii_digit());
        let digits = self.text.get(span)?;
        let is_plain = digits == "0" || !digits.starts_with('0');
        (is_plain && digits.len() <= DIGITS).then(|| self.word(Node::Integer(digits.parse().ok())))?
    }

    /// A list, which may have several lines.
    fn list(&mut self, depth: u32) -> Option<&'t [Spanned<Node<'t>>]> {
        let first = self.elements.len();
        self.at += 1;
        self.skip_lines();
        while !self.takes(b"]") {
            let value = self.value(depth)?;
            self.elements.push(value);
            self.skip_lines();
            if !self.takes(b",") && self.next() != Some(b']') {
                return None;
            }
            self.skip_lines();
        }
        let list = self.arena.alloc_slice_copy(self.elements.get(first..)?);
        self.elements.truncate(first);
        Some(list)
    }

    /// A table in braces, on one line.
    fn braces(&mut self, depth: u32) -> Option<Table<'t>> {
        let first = self.entries.len();
        self.at += 1;
        self.skip_blanks();
        while !self.takes(b"}") {
            self.key_value(depth)?;
            self.skip_blanks();
            if self.takes(b",") {
                self.skip_blanks();
                // TOML 1.0 has no comma here.
                if self.next() == Some(b'}') {
                    return None;
                }
            } else if self.next() != Some(b'}') {
                return None;
            }
        }
        self.table(first)
    }
}

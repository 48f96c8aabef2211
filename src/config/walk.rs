//! Reads a file's tables: which keys were taken, which types the values have, and where they are.
//!
//! An error never stops the reading. It is reported, and a default is used.

use std::ops::{Range, RangeInclusive};

use smallvec::SmallVec;

use super::effect;
use super::report::{Fault, Report};
use super::suggest;
use super::syntax::pasted_in;
use super::tree::{Key, Node, Spanned, Table};
use super::{Location, Severity};

/// One value, its key and its place.
#[derive(Debug, Clone)]
pub(super) struct Value<'w> {
    pub(super) report: &'w Report<'w>,
    /// The key's name, for messages. For an element of a list it is the list's key.
    pub(super) key: &'w str,
    pub(super) key_span: Range<usize>,
    pub(super) node: &'w Node<'w>,
    pub(super) span: Range<usize>,
}

impl<'w> Value<'w> {
    /// Reports an error at the value, or at the part of its text that the fault names.
    pub(super) fn error(&self, fault: Fault) {
        self.report.add(Severity::Error, self.span_of(&fault), fault);
    }

    pub(super) fn warn(&self, fault: Fault) {
        self.report.add(Severity::Warning, self.span_of(&fault), fault);
    }

    /// Reports an error at the key.
    pub(super) fn error_at_key(&self, fault: Fault) {
        self.report.add(Severity::Error, self.key_span.clone(), fault);
    }

    pub(super) fn warn_at_key(&self, fault: Fault) {
        self.report.add(Severity::Warning, self.key_span.clone(), fault);
    }

    pub(super) fn place(&self) -> Location {
        self.report.place(self.inner())
    }

    /// The place of a string without its quotes, if it is written without escapes.
    pub(super) fn inner(&self) -> Range<usize> {
        let Range { start, end } = self.span;
        match self.node {
            Node::String(text) if !text.is_empty() && end - start == text.len() + 2 => start + 1..end - 1,
            _ => start..end,
        }
    }

    fn span_of(&self, fault: &Fault) -> Range<usize> {
        let inner = self.inner();
        match fault.range() {
            Some(at) if inner != self.span && inner.start + at.end <= inner.end => {
                inner.start + at.start..inner.start + at.end
            }
            _ => inner,
        }
    }

    /// The value as it is written in the file.
    fn raw(&self) -> &'w str {
        self.report.piece.get(self.span.clone()).unwrap_or_default()
    }

    fn wrong_type(&self, wanted: &str) {
        self.error(self.wrong(wanted));
    }

    /// As [`Self::wrong_type`], if the right form is known.
    fn written_otherwise(&self, wanted: &str, right: &str) {
        self.error(self.wrong(wanted).help(format!("write {} = {right}", self.key)));
    }

    fn wrong(&self, wanted: &str) -> Fault {
        let found = match self.node {
            Node::String(_) => "a string",
            Node::Integer(_) => "an integer",
            Node::Float => "a number with a fraction",
            Node::Boolean(_) => "a boolean",
            Node::Datetime => "a date or a time",
            Node::Array(_) => "a list",
            Node::Table(_) => "a table",
        };
        Fault::new(format!("`{}` must be {wanted}", self.key)).label(format!("this is {found}"))
    }

    pub(super) fn text(&self, wanted: &str) -> Option<&'w str> {
        match self.node {
            Node::String(text) => Some(text),
            _ => {
                self.wrong_type(wanted);
                None
            }
        }
    }

    /// Reads a text with `parse`.
    pub(super) fn parsed<T>(
        &self,
        wanted: &str,
        parse: impl FnOnce(&'w str) -> Result<T, Fault>,
    ) -> Option<T> {
        let Node::String(text) = self.node else {
            let is_list = matches!(self.node, Node::Array(_) | Node::Table(_));
            match !is_list && parse(self.raw()).is_ok() {
                true => self.written_otherwise(wanted, &format!("\"{}\"", self.raw())),
                false => self.wrong_type(wanted),
            }
            return None;
        };
        parse(text).map_err(|fault| self.error(pasted_in(text).unwrap_or(fault))).ok()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        match self.node {
            Node::Boolean(yes) => Some(*yes),
            _ => {
                let right = match self.node {
                    Node::String(text) => said_yes_or_no(text),
                    _ => None,
                };
                match right {
                    Some(right) => self.written_otherwise("true or false", right),
                    None => self.wrong_type("true or false"),
                }
                None
            }
        }
    }

    pub(super) fn integer(&self, range: RangeInclusive<u32>) -> Option<u32> {
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let Node::Integer(number) = self.node else {
            match self.node {
                Node::String(text) if text.parse().is_ok_and(|number: u32| range.contains(&number)) => {
                    self.written_otherwise(&wanted, text);
                }
                _ => self.wrong_type(&wanted),
            }
            return None;
        };
        if let Some(number) = number.filter(|n| range.contains(n)) {
            return Some(number);
        }
        self.error(Fault::new(format!("`{}` must be {wanted}", self.key)).label("out of range"));
        None
    }

    /// Reads one word of a closed set.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let wanted = suggest::alternatives(words.iter().map(|(word, _)| *word));
        self.parsed(&wanted, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let fault = Fault::new(format!("`{}` must be {wanted}", self.key));
                match suggest::closest(text, words.iter().map(|(word, _)| *word)) {
                    Some(word) => fault.label(format!("did you mean \"{word}\"?")),
                    None => fault,
                }
            })
        })
    }

    pub(super) fn list(&self, wanted: &str) -> Vec<Self> {
        self.elements(wanted).collect()
    }

    /// The same, one by one.
    pub(super) fn elements(&self, wanted: &str) -> impl Iterator<Item = Self> {
        let list = match self.node {
            Node::Array(list) => *list,
            Node::String(_) => {
                self.written_otherwise(wanted, &format!("[{}]", self.raw()));
                &[]
            }
            _ => {
                self.wrong_type(wanted);
                &[]
            }
        };
        list.iter().map(|element| self.element(element))
    }

    fn element(&self, element: &'w Spanned<Node<'w>>) -> Self {
        Self { node: element.get_ref(), span: element.span(), key_span: self.key_span.clone(), ..*self }
    }

    /// The elements of a list, or the value itself.
    pub(super) fn one_or_more(&self) -> Vec<Self> {
        match self.node {
            Node::Array(list) => list.iter().map(|element| self.element(element)).collect(),
            _ => vec![self.clone()],
        }
    }

    /// The value as a table whose keys are taken one by one.
    pub(super) fn section(&self, name: &'static str, wanted: &str) -> Option<Section<'w>> {
        match self.node {
            Node::Table(table) => Some(Section::new(self.report, name, self.span.clone(), table)),
            Node::Array(list) if self.raw().starts_with("[[") && !list.is_empty() => {
                self.error(self.wrong(wanted).help(format!("write [{}], with one bracket", self.key)));
                None
            }
            _ => {
                self.wrong_type(wanted);
                None
            }
        }
    }
}

/// `true` or `false`, if a text expresses it in another way.
fn said_yes_or_no(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some("true"),
        "false" | "no" | "off" | "0" => Some("false"),
        _ => None,
    }
}

/// A table that knows which of its keys were taken. All other keys are unknown keys.
#[derive(Debug)]
pub(super) struct Section<'w> {
    pub(super) report: &'w Report<'w>,
    /// The name of the table in messages, such as `[listen]`.
    pub(super) name: &'static str,
    pub(super) span: Range<usize>,
    table: Option<&'w Table<'w>>,
    known: SmallVec<[&'static str; 16]>,
    taken: usize,
}

impl<'w> Section<'w> {
    pub(super) fn new(
        report: &'w Report<'w>,
        name: &'static str,
        span: Range<usize>,
        table: &'w Table<'w>,
    ) -> Self {
        Self { report, name, span, table: Some(table), known: SmallVec::new(), taken: 0 }
    }

    /// A table that is not in the file. Every key has its default.
    pub(super) fn absent(report: &'w Report<'w>, name: &'static str) -> Self {
        Self { report, name, span: 0..0, table: None, known: SmallVec::new(), taken: 0 }
    }

    pub(super) fn get(&mut self, key: &'static str) -> Option<Value<'w>> {
        self.known.push(key);
        // Once every existing key was taken, the others need not be looked up.
        let table = self.table.filter(|table| table.len() != self.taken)?;
        let (name, value) = table.get_key_value(key)?;
        self.taken += 1;
        Some(value_of(self.report, name, value))
    }

    /// The value of `key`, read by `read`. It is `default` if the key is absent or wrong.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'w>) -> Option<T>,
    ) -> T {
        self.get(key).and_then(|value| read(&value)).unwrap_or(default)
    }

    /// As [`Self::read`], for a setting of portward.toml. It warns if the value differs from the default and has no
    /// effect in this version.
    pub(super) fn setting<T: PartialEq>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Value<'w>) -> Option<T>,
    ) -> T {
        let Some(value) = self.get(key) else { return default };
        let Some(set) = read(&value) else { return default };
        if set != default && !effect::has_effect(self.name, key) {
            value.warn_at_key(Fault::new(format!("`{key}` has no effect in this version")));
        }
        set
    }

    /// The table under `key`, or an empty table.
    pub(super) fn section(&mut self, key: &'static str, name: &'static str) -> Section<'w> {
        let section = self.get(key).and_then(|value| value.section(name, "a table"));
        section.unwrap_or_else(|| Section::absent(self.report, name))
    }

    /// All entries, whatever their names are. None of them counts as unknown.
    pub(super) fn entries(&mut self) -> Vec<Value<'w>> {
        let Some(table) = self.table else { return Vec::new() };
        self.taken = table.len();
        table.iter().map(|(name, value)| value_of(self.report, name, value)).collect()
    }

    /// Warns about the table as a whole.
    pub(super) fn warn_here(&self, fault: Fault) {
        match self.table {
            Some(_) => self.report.add(Severity::Warning, self.span.clone(), fault),
            None => self.report.add_of_file(Severity::Warning, fault),
        }
    }

    /// Reports the keys that were not taken. `elsewhere` may know where such a key belongs.
    pub(super) fn finish(self, elsewhere: impl Fn(&str) -> Option<String>) {
        let Some(table) = self.table.filter(|table| table.len() != self.taken) else { return };
        for name in table.keys().filter(|name| !self.known.contains(name.get_ref())) {
            let key = name.get_ref();
            let mut fault = Fault::new(format!("`{key}` is unknown in {}", self.name));
            if let Some(near) = suggest::closest(key, self.known.iter().copied()) {
                fault = fault.label(format!("did you mean `{near}`?"));
            } else if let Some(place) = elsewhere(key) {
                fault = fault.help(place);
            } else {
                let mut known: Vec<_> = self.known.iter().map(|k| format!("`{k}`")).collect();
                known.sort();
                fault = fault.help(format!("it can have {}", known.join(", ")));
            }
            self.report.add(Severity::Error, name.span(), fault);
        }
    }
}

fn value_of<'w>(report: &'w Report<'w>, name: &'w Key<'w>, value: &'w Spanned<Node<'w>>) -> Value<'w> {
    Value { report, key: name.get_ref(), key_span: name.span(), node: value.get_ref(), span: value.span() }
}

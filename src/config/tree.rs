//! A text as a tree of values with their places. It is the form in which the rest of the configuration sees TOML.
//!
//! `plain` reads the forms of TOML that nearly every line of a large rules file has, in one pass. The crate toml reads
//! every other text, and it alone decides what is wrong with a text.

mod plain;

use std::borrow::Cow;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// A key or a value, and the bytes of the text where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spanned<T> {
    start: usize,
    end: usize,
    what: T,
}

/// A key.
pub(super) type Key<'t> = Spanned<Cow<'t, str>>;

/// A value of TOML.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node<'t> {
    String(Cow<'t, str>),
    /// The number, if it is one of 32 bits without a sign. No key takes a greater one.
    Integer(Option<u32>),
    Float,
    Boolean(bool),
    Datetime,
    Array(Vec<Spanned<Node<'t>>>),
    Table(Table<'t>),
}

/// A table. Its entries are sorted by their keys, and each key comes once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table<'t>(Vec<(Key<'t>, Spanned<Node<'t>>)>);

/// Reads a text that the crate toml has no objection to.
///
/// # Errors
/// The errors of the crate toml.
pub(super) fn read(text: &str) -> Result<Table<'_>, Vec<toml::de::Error>> {
    if let Some(table) = plain::read(text) {
        debug_assert_eq!(Ok(&table), by_toml(text).as_ref(), "the two readers agree");
        return Ok(table);
    }
    by_toml(text)
}

/// What can be read of a text with errors.
pub(super) fn read_in_part(text: &str) -> Table<'_> {
    DeTable::parse_recoverable(text).0.into_inner().into()
}

fn by_toml(text: &str) -> Result<Table<'_>, Vec<toml::de::Error>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() { Ok(table.into_inner().into()) } else { Err(errors) }
}

impl<T> Spanned<T> {
    fn new(span: Range<usize>, what: T) -> Self {
        Self { start: span.start, end: span.end, what }
    }

    /// The bytes where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn get_ref(&self) -> &T {
        &self.what
    }
}

impl Node<'_> {
    /// The text of a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'t> Table<'t> {
    /// `None`: a key comes twice.
    fn of(mut entries: Vec<(Key<'t>, Spanned<Node<'t>>)>) -> Option<Self> {
        let is_rising = |entries: &[(Key<'t>, Spanned<Node<'t>>)]| {
            entries.is_sorted_by(|(one, _), (next, _)| one.what < next.what)
        };
        if !is_rising(&entries) {
            entries.sort_by(|(one, _), (other, _)| one.what.cmp(&other.what));
            if !is_rising(&entries) {
                return None;
            }
        }
        Some(Self(entries))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get_key_value(&self, key: &str) -> Option<(&Key<'t>, &Spanned<Node<'t>>)> {
        // A table with many entries is one of tables by name, and those are not looked up.
        self.iter().find(|(name, _)| name.what == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Spanned<Node<'t>>> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The entries, sorted by their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key<'t>, &Spanned<Node<'t>>)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key<'t>> {
        self.0.iter().map(|(key, _)| key)
    }
}

impl<'t> From<DeTable<'t>> for Table<'t> {
    fn from(table: DeTable<'t>) -> Self {
        // The map of the crate is sorted by its keys.
        let entry = |(key, value): (toml::Spanned<Cow<'t, str>>, toml::Spanned<DeValue<'t>>)| {
            (Spanned::new(key.span(), key.into_inner()), value.into())
        };
        Self(table.into_iter().map(entry).collect())
    }
}

impl<'t> From<toml::Spanned<DeValue<'t>>> for Spanned<Node<'t>> {
    fn from(value: toml::Spanned<DeValue<'t>>) -> Self {
        let span = value.span();
        let node = match value.into_inner() {
            DeValue::String(text) => Node::String(text),
            DeValue::Integer(number) => {
                Node::Integer(u32::from_str_radix(number.as_str(), number.radix()).ok())
            }
            DeValue::Float(_) => Node::Float,
            DeValue::Boolean(yes) => Node::Boolean(yes),
            DeValue::Datetime(_) => Node::Datetime,
            DeValue::Array(list) => Node::Array(list.into_iter().map(Self::from).collect()),
            DeValue::Table(table) => Node::Table(table.into()),
        };
        Self::new(span, node)
    }
}

#[cfg(test)]
mod tests;

//! A text as a tree of values with their places. It is the form in which the rest of the configuration sees TOML.
//!
//! `plain` reads the forms of TOML that nearly every line of a large rules file has, in one pass. The crate toml reads
//! every other text, and it alone decides what is wrong with a text.
//!
//! The nodes of a tree stand in an arena that belongs to the report about the text, because a tree for every host would
//! otherwise cost four allocations. Nodes own nothing and can be copied.

mod plain;

use std::borrow::Cow;
use std::ops::Range;

use bumpalo::Bump;
use toml::de::{DeTable, DeValue};

/// The memory in which the nodes of a tree stand.
pub(super) type Arena = Bump;

/// A key or a value, and the bytes of the text where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spanned<T> {
    start: usize,
    end: usize,
    what: T,
}

/// A key.
pub(super) type Key<'t> = Spanned<&'t str>;

/// A value of TOML.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Node<'t> {
    String(&'t str),
    /// The number, if it is one of 32 bits without a sign. No key takes a greater one.
    Integer(Option<u32>),
    Float,
    Boolean(bool),
    Datetime,
    Array(&'t [Spanned<Node<'t>>]),
    Table(Table<'t>),
}

/// A key of a table with its value.
type Entry<'t> = (Key<'t>, Spanned<Node<'t>>);

/// A table. Its entries are sorted by their keys, and each key comes once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Table<'t>(&'t [Entry<'t>]);

/// Reads a text that the crate toml has no objection to.
///
/// # Errors
/// The errors of the crate toml.
pub(super) fn read<'t>(text: &'t str, arena: &'t Arena) -> Result<Table<'t>, Vec<toml::de::Error>> {
    let Some(table) = plain::read(text, arena) else { return by_toml(text, arena) };
    debug_assert_eq!(Ok(table), by_toml(text, &Arena::new()), "the two readers agree");
    Ok(table)
}

/// What can be read of a text with errors.
pub(super) fn read_in_part<'t>(text: &'t str, arena: &'t Arena) -> Table<'t> {
    table_of(DeTable::parse_recoverable(text).0.into_inner(), arena)
}

fn by_toml<'t>(text: &'t str, arena: &'t Arena) -> Result<Table<'t>, Vec<toml::de::Error>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() { Ok(table_of(table.into_inner(), arena)) } else { Err(errors) }
}

/// The table of the crate toml as one of ours. Its map is sorted by the keys.
fn table_of<'t>(table: DeTable<'t>, arena: &'t Arena) -> Table<'t> {
    let entry = |(key, value): (toml::Spanned<Cow<'t, str>>, toml::Spanned<DeValue<'t>>)| {
        (Spanned::new(key.span(), str_of(key.into_inner(), arena)), node_of(value, arena))
    };
    let entries: Vec<_> = table.into_iter().map(entry).collect();
    Table(arena.alloc_slice_copy(&entries))
}

fn node_of<'t>(value: toml::Spanned<DeValue<'t>>, arena: &'t Arena) -> Spanned<Node<'t>> {
    let span = value.span();
    let node = match value.into_inner() {
        DeValue::String(text) => Node::String(str_of(text, arena)),
        DeValue::Integer(number) => Node::Integer(u32::from_str_radix(number.as_str(), number.radix()).ok()),
        DeValue::Float(_) => Node::Float,
        DeValue::Boolean(yes) => Node::Boolean(yes),
        DeValue::Datetime(_) => Node::Datetime,
        DeValue::Array(list) => {
            let list: Vec<_> = list.into_iter().map(|one| node_of(one, arena)).collect();
            Node::Array(arena.alloc_slice_copy(&list))
        }
        DeValue::Table(table) => Node::Table(table_of(table, arena)),
    };
    Spanned::new(span, node)
}

/// A text without escapes is a part of the whole text. Another one is copied.
fn str_of<'t>(text: Cow<'t, str>, arena: &'t Arena) -> &'t str {
    match text {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => arena.alloc_str(&text),
    }
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

impl<'t> Node<'t> {
    /// The text of a string.
    pub(super) fn as_str(&self) -> Option<&'t str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl<'t> Table<'t> {
    /// `None`: a key comes twice.
    fn of(entries: &'t mut [Entry<'t>]) -> Option<Self> {
        let is_rising =
            |entries: &[Entry<'_>]| entries.is_sorted_by(|(one, _), (next, _)| one.what < next.what);
        if !is_rising(entries) {
            entries.sort_unstable_by_key(|(key, _)| key.what);
            if !is_rising(entries) {
                return None;
            }
        }
        Some(Self(entries))
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    /// The key and its value. Tables with many entries are those of tables by name, and they are read as a whole.
    pub(super) fn get_key_value(self, key: &str) -> Option<(&'t Key<'t>, &'t Spanned<Node<'t>>)> {
        self.iter().find(|(name, _)| name.what == key)
    }

    pub(super) fn get(self, key: &str) -> Option<&'t Spanned<Node<'t>>> {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The entries, sorted by their keys.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'t Key<'t>, &'t Spanned<Node<'t>>)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(super) fn keys(self) -> impl Iterator<Item = &'t Key<'t>> {
        self.0.iter().map(|(key, _)| key)
    }
}

#[cfg(test)]
mod tests;

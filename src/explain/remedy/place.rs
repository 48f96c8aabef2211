//! Finds the place in the text of a file at which something is added. Pure: the caller gives the text.
//!
//! Only the lines of the host are read as TOML, because a rules file may have a hundred thousand hosts.

use std::ops::Range;

use ipnet::IpNet;
use toml_edit::{Document, Item, Table, Value};

use crate::guard::Network;
use crate::rules::name::normalise;

/// The thing whose place is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A key of a host.
    Key {
        /// The host, in normal form.
        host: String,
        /// The line of its name.
        line: u32,
        /// The key.
        key: &'static str,
        /// Its value. For a list: the element to add.
        value: String,
        /// The element as keys of a table with a header, for a list in that form.
        keys: String,
    },
    /// A key of a table of portward.toml.
    Setting {
        /// The table.
        table: &'static str,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The place of a network in `blacklist.block`.
    Blocked(IpNet),
}

/// The place.
#[derive(Debug, PartialEq, Eq, Default)]
pub(super) struct Found {
    pub(super) toml: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) words: String,
}

impl Found {
    fn new(toml: String, line: Option<u32>, words: impl Into<String>) -> Self {
        Self { toml: Some(toml), line, words: words.into() }
    }
}

impl Wanted {
    /// The place in `text`. `None`: the text could not be read.
    pub(super) fn find(self, text: Option<&str>) -> Found {
        match self {
            Self::Key { host, line, key, value, keys } => {
                let block = text.and_then(|text| Block::of(text, line));
                let found = block.and_then(|block| block.place(&host, line, key, (&value, &keys)));
                found.unwrap_or_else(|| {
                    let words = format!(
                        "Add it to the host by hand: the file has changed, or the host is not written as [[host]] with a line \
                         for each key. It begins on line {line}."
                    );
                    let toml = if key == "http" { format!("http = [{value}]") } else { format!("{key} = {value}") };
                    Found::new(toml, None, words)
                })
            }
            Self::Setting { table, key, value } => setting(text, table, key, &value),
            Self::Blocked(network) => {
                Found { toml: None, line: text.and_then(|text| blocked(text, network)), words: String::new() }
            }
        }
    }
}

/// The lines of one host.
struct Block<'t> {
    /// The number of the first line.
    first: u32,
    text: &'t str,
}

impl<'t> Block<'t> {
    /// The lines of the `[[host]]` that contains the line `line`.
    fn of(text: &'t str, line: u32) -> Option<Self> {
        let (mut first, mut start, mut end, mut at) = (None, 0, text.len(), 0);
        for (number, one) in (1..).zip(text.split_inclusive('\n')) {
            let is_header = one.trim_start().starts_with('[');
            // An inner table belongs to its host. So does an element of a list that begins a line.
            let is_inner = ["[host.", "[[host."].iter().any(|inner| one.trim_start().starts_with(inner));
            if is_header && !is_inner {
                if number > line {
                    end = at;
                    break;
                }
                (first, start) = (Some(number), at);
            }
            at += one.len();
        }
        Some(Self { first: first?, text: text.get(start..end)? })
    }

    /// The place for a key of the host. `value`: the value, or the element of a list in both of its forms.
    fn place(&self, host: &str, line: u32, key: &str, (value, keys): (&str, &str)) -> Option<Found> {
        let document = Document::parse(self.text).ok()?;
        let hosts = document.as_table().get("host")?.as_array_of_tables()?;
        let table = hosts.get(0).filter(|_| hosts.len() == 1)?;
        let name = table.get("name").and_then(Item::as_str).and_then(|name| normalise(name).ok())?;
        if *name != *host {
            return None;
        }
        let line_of = |span: Range<usize>| self.first + lines_before(self.text, span.start);
        let Some(item) = table.get(key) else {
            let toml = if key == "http" { format!("http = [{value}]") } else { format!("{key} = {value}") };
            let words = format!("Add it as a line of its own below line {line}.");
            return Some(Found::new(toml, Some(line), words));
        };
        match item {
            Item::Value(Value::Array(list)) => {
                let line = line_of(list.span()?);
                let words =
                    format!("Add it to the list that begins on line {line}, directly behind its bracket.");
                Some(Found::new(format!("{value},"), Some(line), words))
            }
            Item::ArrayOfTables(list) => {
                let line = line_of(list.get(0)?.span()?).checked_sub(1)?;
                let words = format!("Add it below line {line}, before the others.");
                Some(Found::new(format!("[[host.{key}]]\n{keys}"), Some(line), words))
            }
            // The key exists with another value.
            Item::Value(_) => {
                let line = line_of(item.span()?);
                let words = format!("It stands in place of line {line}.");
                Some(Found::new(format!("{key} = {value}"), Some(line), words))
            }
            Item::Table(_) | Item::None => None,
        }
    }
}

/// The place for a key of portward.toml.
fn setting(text: Option<&str>, table: &str, key: &str, value: &str) -> Found {
    let line = format!("{key} = {value}");
    let by_hand = |line: String| Found::new(line, None, format!("Add it to the table [{table}] by hand."));
    let Some(text) = text else { return by_hand(line) };
    let Ok(document) = Document::parse(text) else { return by_hand(line) };
    let number = |span: Range<usize>| lines_before(text, span.start) + 1;
    match document.as_table().get(table) {
        None => Found::new(format!("[{table}]\n{line}"), None, "Add it at the end of that file."),
        Some(Item::Table(inner)) if inner.get(key).is_some() => {
            let Some(span) = inner.get(key).and_then(Item::span) else { return by_hand(line) };
            let number = number(span);
            let toml = if inner.is_dotted() { format!("{table}.{line}") } else { line };
            Found::new(toml, Some(number), format!("It stands in place of line {number}."))
        }
        Some(Item::Table(inner)) if inner.is_dotted() => {
            let first = inner.iter().find_map(|(key, item)| first_key(inner, key).or_else(|| item.span()));
            let Some(span) = first else { return by_hand(line) };
            let number = number(span);
            Found::new(format!("{table}.{line}"), Some(number), format!("Add it below line {number}."))
        }
        Some(Item::Table(inner)) if !inner.is_implicit() => {
            let Some(span) = inner.span() else { return by_hand(line) };
            let number = number(span);
            Found::new(line, Some(number), format!("Add it below line {number}."))
        }
        Some(_) => by_hand(line),
    }
}

fn first_key(table: &Table, key: &str) -> Option<Range<usize>> {
    table.get_key_value(key).and_then(|(key, _)| key.span())
}

/// The line of the element `network` in `blacklist.block`.
fn blocked(text: &str, network: IpNet) -> Option<u32> {
    let document = Document::parse(text).ok()?;
    let list = document.as_table().get("blacklist")?.as_table_like()?.get("block")?.as_array()?;
    let wanted = Network::parse(&network.to_string());
    let is_it = |value: &&Value| value.as_str().and_then(Network::parse) == wanted;
    let span = list.iter().find(is_it).and_then(Value::span).or_else(|| list.span())?;
    Some(lines_before(text, span.start) + 1)
}

fn lines_before(text: &str, at: usize) -> u32 {
    let lines = text.get(..at).unwrap_or_default().bytes().filter(|octet| *octet == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

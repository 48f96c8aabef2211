//! Reads the list in pages, so that a reader never holds the whole list at once. A page begins where the last one
//! ended, whatever was added or removed meanwhile.

use std::fmt;
use std::ops::Bound;
use std::sync::PoisonError;

use super::entry::Entry;
use super::list::{Blacklist, low};
use crate::guard::network::Network;

/// How many places of the order are examined under one lock, and how often this is done for one page. Many places may
/// belong to entries that are gone.
pub(super) const CHUNK: usize = 1024;
pub(super) const CHUNKS: usize = 64;

/// The end of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// The page ended with this manual entry.
    Manual(Network),
    /// The page ended with the automatic entry of this number.
    Automatic(u64),
}

impl Cursor {
    /// Parses the text of a cursor.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_at_checked(1)?;
        match kind {
            "m" => Network::from_cursor(rest).map(Self::Manual),
            "a" => rest.parse().ok().map(Self::Automatic),
            _ => None,
        }
    }
}

impl fmt::Display for Cursor {
    /// The text of the cursor for programs, which send it back unchanged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual(who) => write!(f, "m{}", who.to_cursor()),
            Self::Automatic(number) => write!(f, "a{number}"),
        }
    }
}

/// A part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Manual entries first, then automatic entries, the latest first. A short page does not mean the end of the list.
    pub entries: Vec<Entry>,
    /// The cursor for the next page. `None`: this is the last page.
    pub next: Option<Cursor>,
}

impl Blacklist {
    /// At most `limit` entries that are in force at `now` and come after `after`.
    pub fn page(&self, now: u32, after: Option<Cursor>, limit: usize) -> Page {
        let mut page = Filling { entries: Vec::new(), last: after, limit };
        let below = match after {
            Some(Cursor::Automatic(number)) => number,
            Some(Cursor::Manual(who)) => {
                if self.fill_manually(now, Bound::Excluded(who), &mut page) {
                    return page.unfinished();
                }
                u64::MAX
            }
            None => {
                if self.fill_manually(now, Bound::Unbounded, &mut page) {
                    return page.unfinished();
                }
                u64::MAX
            }
        };
        self.fill_automatically(now, below, page)
    }

    /// Adds manual entries. Returns whether there are more than fit.
    fn fill_manually(&self, now: u32, from: Bound<Network>, page: &mut Filling) -> bool {
        let manual = self.manual.read().unwrap_or_else(PoisonError::into_inner);
        let in_force = manual.entries.range((from, Bound::Unbounded)).filter(|(_, entry)| entry.until > now);
        for (who, entry) in in_force {
            if !page.take(entry.show(*who), Cursor::Manual(*who)) {
                return true;
            }
        }
        false
    }

    fn fill_automatically(&self, now: u32, mut below: u64, mut page: Filling) -> Page {
        for _ in 0..CHUNKS {
            let places = self.changing().order.before(below, CHUNK);
            let Some((lowest, _)) = places.last() else {
                return Page { entries: page.entries, next: None };
            };
            below = *lowest;
            for (number, who) in places {
                let Some(entry) = self.automatic.get(&who).map(|entry| *entry) else { continue };
                let in_force = entry.number == low(number) && entry.until > now;
                if in_force && !page.take(entry.show(who), Cursor::Automatic(number)) {
                    return page.unfinished();
                }
            }
        }
        Page { entries: page.entries, next: Some(Cursor::Automatic(below)) }
    }
}

/// A page that is being filled.
struct Filling {
    entries: Vec<Entry>,
    last: Option<Cursor>,
    limit: usize,
}

impl Filling {
    /// Adds an entry. `false`: there was no room for it.
    fn take(&mut self, entry: Entry, at: Cursor) -> bool {
        let has_room = self.entries.len() < self.limit;
        if has_room {
            self.entries.push(entry);
            self.last = Some(at);
        }
        has_room
    }

    fn unfinished(self) -> Page {
        Page { entries: self.entries, next: self.last }
    }
}

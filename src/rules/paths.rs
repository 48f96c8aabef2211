//! The path index: finds the rule of a set that matches a request's path (contract section 2).
//!
//! All paths of a table stand in one array, each set sorted. Each path has a link to the longest other path of its set
//! that is a head of it. The longest match is found by one binary search and a walk along the links, whatever the size
//! of the set.
//!
//! Hosts with equal rules share a set. So a path does not know where its rule stands in the files: each host has the
//! places of its own rules ([`PathSet::source_of`]).

use super::path::RequestPath;
use super::{Ports, Source};

/// No such entry.
pub(super) const NONE: u32 = u32::MAX;

/// A piece of a shared string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    start: u32,
    len: u32,
}

impl Text {
    /// Appends `text` to `blob`. A text beyond 4 GiB is never found again, so its rule matches nothing.
    pub(super) fn push(blob: &mut String, text: &str) -> Self {
        let start = index(blob.len());
        blob.push_str(text);
        Self { start, len: index(text.len()) }
    }

    /// The text.
    pub(super) fn of(self, blob: &str) -> Option<&str> {
        let start = usize::try_from(self.start).ok()?;
        blob.get(start..start.checked_add(self.len())?)
    }

    /// Its length in bytes.
    pub(super) fn len(self) -> usize {
        usize::try_from(self.len).unwrap_or(usize::MAX)
    }

    /// The text without its first byte.
    pub(super) fn tail(self) -> Self {
        Self { start: self.start.saturating_add(1), len: self.len.saturating_sub(1) }
    }
}

/// An index in the form of the tables. A value beyond their range becomes [`NONE`], which is never found.
pub(super) fn index(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(NONE)
}

/// One path of a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathEntry {
    /// The path in compared form.
    pub(super) text: Text,
    /// The index within the set of the longest other path that is a head of this one.
    parent: u32,
    /// The target. [`NONE`]: the host's own target.
    pub(super) endpoints: u32,
    /// The preset to which the path belongs, if any.
    pub(super) preset: u32,
    /// What the rule demands and changes, if anything.
    pub(super) treatment: u32,
    /// The ports of the target.
    pub(super) ports: Ports,
    /// Plain requests are redirected.
    pub(super) redirect_https: bool,
    /// The rule is for the empty path only, not for paths that begin with it.
    pub(super) default: bool,
    /// The rule captures a tenant. If it has no target of its own, requests go to the tenant's target.
    pub(super) captures: bool,
    /// The path ends with `/`.
    ends_with_slash: bool,
}

impl PathEntry {
    /// A path that is in no set yet.
    pub(super) fn new(text: &str, blob: &mut String, ports: Ports) -> Self {
        Self {
            text: Text::push(blob, text),
            parent: NONE,
            endpoints: NONE,
            preset: NONE,
            treatment: NONE,
            ports,
            redirect_https: false,
            default: false,
            captures: false,
            ends_with_slash: text.ends_with('/'),
        }
    }
}

/// A path that is in no set yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewPath {
    pub(super) entry: PathEntry,
    /// Where its rule stands in the files.
    pub(super) source: Source,
}

/// The paths of a host or of its presets: a range of [`PathStore`], and where the rules of these paths stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PathSet {
    start: u32,
    len: u32,
    /// Where the places of the rules begin in [`Table::sources`](super::Table).
    sources: u32,
}

impl PathSet {
    /// How many paths.
    pub(super) fn len(self) -> usize {
        usize::try_from(self.len).unwrap_or(0)
    }

    /// The set without its last path.
    pub(super) fn without_last(self) -> Self {
        Self { len: self.len.saturating_sub(1), ..self }
    }

    /// The same paths, of rules whose places begin at `sources`.
    pub(super) fn with_sources(self, sources: u32) -> Self {
        Self { sources, ..self }
    }

    /// Where the place of the path with the index `at` is in [`Table::sources`](super::Table). `None`: the path is not of
    /// this set. The path right behind the set counts as one of it if `with_default` is true.
    pub(super) fn source_of(self, at: u32, with_default: bool) -> Option<u32> {
        let within = at.checked_sub(self.start)?;
        (within < self.len + u32::from(with_default)).then(|| self.sources + within)
    }
}

/// Every path of a table.
#[derive(Debug, Default, Clone)]
pub(super) struct PathStore {
    entries: Vec<PathEntry>,
    /// The texts; ASCII.
    pub(super) blob: String,
}

impl PathStore {
    /// Sorts the paths of a set and links them. Of equal paths the first one is kept.
    pub(super) fn arrange(&self, paths: &mut Vec<NewPath>) {
        let blob = self.blob.as_str();
        paths.sort_by_key(|path| path.entry.text.of(blob));
        paths.dedup_by_key(|path| path.entry.text.of(blob));
        link(paths, blob);
    }

    /// The set that [`Self::add`] makes of so many paths. It has no sources yet.
    pub(super) fn next_set(&self, paths: usize) -> PathSet {
        PathSet { start: index(self.entries.len()), len: index(paths), sources: NONE }
    }

    /// Stores the paths of a set, which are arranged.
    pub(super) fn add(&mut self, paths: &[NewPath]) -> PathSet {
        let set = self.next_set(paths.len());
        self.entries.extend(paths.iter().map(|path| path.entry));
        set
    }

    /// Whether two rules do the same, wherever they stand. Links are not compared: equal sets have equal links.
    pub(super) fn is_same_rule(&self, a: &PathEntry, b: &PathEntry) -> bool {
        // All fields are named, so that the compiler asks for a new one.
        let PathEntry {
            text: _,
            parent: _,
            ends_with_slash: _,
            endpoints,
            preset,
            treatment,
            ports,
            redirect_https,
            default,
            captures,
        } = *a;
        self.text(a) == self.text(b)
            && (endpoints, preset, treatment, ports) == (b.endpoints, b.preset, b.treatment, b.ports)
            && (redirect_https, default, captures) == (b.redirect_https, b.default, b.captures)
    }

    /// The path at the index `at`, if there is one.
    pub(super) fn get(&self, at: u32) -> Option<&PathEntry> {
        self.entries.get(usize::try_from(at).ok()?)
    }

    /// The indices of the paths of `set`. The host's default, if it has one, stands right behind them.
    pub(super) fn places(set: PathSet) -> std::ops::Range<u32> {
        set.start..set.start.saturating_add(set.len)
    }

    /// The paths of `set`, sorted.
    pub(super) fn set(&self, set: PathSet) -> &[PathEntry] {
        let start = usize::try_from(set.start).unwrap_or(usize::MAX);
        start.checked_add(set.len()).and_then(|end| self.entries.get(start..end)).unwrap_or_default()
    }

    /// The text of an entry.
    pub(super) fn text(&self, entry: &PathEntry) -> &str {
        entry.text.of(&self.blob).unwrap_or_default()
    }

    /// Whether `set` has exactly this path.
    pub(super) fn contains(&self, set: PathSet, text: &str) -> bool {
        self.set(set).binary_search_by_key(&text, |entry| self.text(entry)).is_ok()
    }

    /// The longest path of `set` that matches, with its index. `last_slash` is the position of the last `/` in the path.
    ///
    /// Every rule that is a head of the path stands before the path in the order. Every rule between the two has that
    /// head, too. So the wanted rule is the predecessor of the path, or is linked from it.
    pub(super) fn longest(
        &self,
        set: PathSet,
        path: RequestPath<'_>,
        last_slash: usize,
    ) -> Option<(u32, &PathEntry)> {
        let path = path.as_bytes();
        let entries = self.set(set);
        let mut at = entries.partition_point(|entry| self.text(entry).as_bytes() <= path).checked_sub(1)?;
        let common = common_head(self.text(entries.get(at)?).as_bytes(), path);
        loop {
            let entry = entries.get(at)?;
            let len = entry.text.len();
            if len <= common && (!entry.ends_with_slash || last_slash + 1 == len) {
                return Some((set.start + index(at), entry));
            }
            at = usize::try_from(entry.parent).ok()?;
        }
    }

    /// The number of entries, and the length of their texts.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.blob.len())
    }

    /// Forgets all entries that were added after the store had this size.
    pub(super) fn truncate(&mut self, (entries, texts): (usize, usize)) {
        self.entries.truncate(entries);
        self.blob.truncate(texts);
    }

    /// Frees memory that was reserved and not used.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.blob.shrink_to_fit();
    }
}

/// Sets the links of a sorted set. The candidates for a link are kept on a stack of heads.
fn link(paths: &mut [NewPath], blob: &str) {
    let mut open: Vec<(u32, Text)> = Vec::new();
    for (at, NewPath { entry, .. }) in paths.iter_mut().enumerate() {
        let text = entry.text.of(blob).unwrap_or_default();
        while open.pop_if(|(_, head)| !text.starts_with(head.of(blob).unwrap_or_default())).is_some() {}
        entry.parent = open.last().map_or(NONE, |&(parent, _)| parent);
        open.push((index(at), entry.text));
    }
}

fn common_head(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

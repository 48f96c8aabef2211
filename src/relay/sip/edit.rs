//! Changes to a header section: which octets are replaced by which text, in the order of the octets.

use std::ops::Range;

use smallvec::SmallVec;

/// Replacements that do not overlap. A message has at most a handful.
#[derive(Debug, Default)]
pub(super) struct Edits {
    list: SmallVec<[(Range<usize>, Vec<u8>); 4]>,
}

impl Edits {
    /// Replaces `range` by `by`. An empty range inserts. Of two insertions at the same place the earlier one stays
    /// first.
    pub(super) fn replace(&mut self, range: Range<usize>, by: impl Into<Vec<u8>>) {
        let at = self.list.partition_point(|(other, _)| other.start <= range.start);
        self.list.insert(at, (range, by.into()));
    }

    /// Inserts `text` before the octet at `at`.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<Vec<u8>>) {
        self.replace(at..at, text);
    }

    /// Removes `range`.
    pub(super) fn cut(&mut self, range: Range<usize>) {
        self.replace(range, Vec::new());
    }

    /// Whether nothing is changed.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The length of `head` after the changes.
    pub(super) fn length(&self, head: &[u8]) -> usize {
        let (out, put): (usize, usize) =
            self.list.iter().fold((0, 0), |(out, put), (range, by)| (out + range.len(), put + by.len()));
        (head.len() + put).saturating_sub(out)
    }

    /// Writes `head` with the changes to `out`.
    pub(super) fn apply(&self, head: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        for (range, by) in &self.list {
            out.extend_from_slice(head.get(at..range.start).unwrap_or_default());
            out.extend_from_slice(by);
            at = at.max(range.end);
        }
        out.extend_from_slice(head.get(at..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_apply_in_the_order_of_the_octets() {
        let mut edits = Edits::default();
        edits.cut(6..8);
        edits.insert(2, "one");
        edits.insert(2, "two");
        edits.replace(4..5, "X");
        let mut out = Vec::new();
        edits.apply(b"abcdefghij", &mut out);
        assert_eq!(edits.length(b"abcdefghij"), out.len());
        assert_eq!(out, b"abonetwocdXfij");
        assert!(!edits.is_empty());
    }
}

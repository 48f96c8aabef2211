//! The paths of a host on which some rule matches whole segments only, as a tree of segments (contract section 9).
//!
//! A rule matches whole segments if it captures a tenant, strips, demands a login, or is longer than a rule that
//! demands a login. Where several rules match, the first segment in which they differ decides. A segment with a name
//! beats a captured segment. A captured segment beats a part of a segment, and that beats none. So the longest rule
//! wins, and a name beats a capture.
//!
//! A path meets each node of the tree at most once. A rule captures at most one segment. So a look-up takes one step
//! for each segment, and one more for each segment behind it. The number of tenants does not matter.

use smallvec::SmallVec;

use super::paths::{NONE, index};
use super::{LONGEST_TENANT_ID, Naming, is_of_tenant_id};

/// The rules of one host.
#[derive(Debug, Default)]
pub(super) struct SegmentTree {
    /// The nodes. The first one is the root.
    nodes: Vec<Node>,
    /// Some rule demands a login.
    pub(super) demands_login: bool,
}

/// What can follow a sequence of segments.
#[derive(Debug)]
struct Node {
    /// The nodes behind whole segments with a name, sorted.
    literals: Vec<(Box<str>, u32)>,
    /// The nodes behind a captured segment: captured by id, and by friendly name.
    captured: [u32; 2],
    /// The rules for every segment that begins with this text, sorted. An empty text matches any last segment.
    heads: Vec<(Box<str>, u32)>,
    /// The rule that ends here.
    end: u32,
}

impl Default for Node {
    fn default() -> Self {
        Self { literals: Vec::new(), captured: [NONE; 2], heads: Vec::new(), end: NONE }
    }
}

/// A segment of a rule in compared form.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// The segment has this text.
    Literal(&'a str),
    /// The segment names a tenant.
    Captured(Naming),
}

/// The rule that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// The index of the rule among the paths of the table.
    pub(super) rule: u32,
    /// How many whole segments it has matched.
    pub(super) segments: usize,
    /// The index of the segment that names a tenant, and how it names it.
    pub(super) captured: Option<(usize, Naming)>,
    /// How many octets it has matched.
    len: usize,
}

impl Found {
    /// The rule for the empty path alone.
    pub(super) const fn of_default(rule: u32) -> Self {
        Self { rule, segments: 0, captured: None, len: 1 }
    }
}

/// A node that a path has reached: where the rest of the path begins, and how many segments are before that.
#[derive(Clone, Copy)]
struct Reached<'n> {
    node: &'n Node,
    at: usize,
    segments: usize,
}

impl SegmentTree {
    /// A tree without rules.
    pub(super) fn new(demands_login: bool) -> Self {
        Self { nodes: Vec::new(), demands_login }
    }

    /// Adds a rule. `whole`: it matches whole segments only. Of equal rules the first one is kept.
    pub(super) fn add<'a>(&mut self, steps: impl Iterator<Item = Step<'a>>, whole: bool, rule: u32) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut at = 0;
        let mut steps = steps.peekable();
        while let Some(step) = steps.next() {
            let is_last = steps.peek().is_none();
            if let Step::Literal(text) = step
                && is_last
                && (text.is_empty() || !whole)
                && let Some(node) = self.nodes.get_mut(at)
            {
                if let Err(free) = node.heads.binary_search_by(|(head, _)| (**head).cmp(text)) {
                    node.heads.insert(free, (text.into(), rule));
                }
                // A rule that ends with a slash has no segment behind the slash.
                if text.is_empty() {
                    return;
                }
            }
            at = self.step(at, step);
        }
        if let Some(node) = self.nodes.get_mut(at).filter(|node| node.end == NONE) {
            node.end = rule;
        }
    }

    /// The node behind a segment. It is made if it does not exist.
    fn step(&mut self, at: usize, step: Step<'_>) -> usize {
        let new = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else { return usize::MAX };
        let next = match step {
            Step::Literal(text) => match node.literals.binary_search_by(|(literal, _)| (**literal).cmp(text))
            {
                Ok(known) => node.literals.get(known).map_or(NONE, |(_, next)| *next),
                Err(free) => {
                    node.literals.insert(free, (text.into(), index(new)));
                    index(new)
                }
            },
            Step::Captured(naming) => {
                let [by_id, by_name] = &mut node.captured;
                let slot = if naming == Naming::Id { by_id } else { by_name };
                if *slot == NONE {
                    *slot = index(new);
                }
                *slot
            }
        };
        if next == index(new) {
            self.nodes.push(Node::default());
        }
        usize::try_from(next).unwrap_or(usize::MAX)
    }

    fn node(&self, at: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    /// The best rule for a path in compared form.
    pub(super) fn best(&self, path: &[u8]) -> Option<Found> {
        let root = Reached { node: self.nodes.first()?, at: 0, segments: 0 };
        self.line(root, path).into_iter().rev().find_map(|reached| {
            let captured = Naming::ALL.into_iter().filter_map(|naming| self.captured(reached, naming, path));
            // Of two equally long ones the first wins: the capture by id.
            let captured = captured.reduce(|one, other| if other.len > one.len { other } else { one });
            captured.or_else(|| reached.tail(path))
        })
    }

    /// The best rule that captures the next segment.
    fn captured(&self, from: Reached<'_>, naming: Naming, path: &[u8]) -> Option<Found> {
        let [by_id, by_name] = from.node.captured;
        let node = self.node(if naming == Naming::Id { by_id } else { by_name })?;
        let segment = segment(path, from.at)?;
        if !naming.fits(segment) {
            return None;
        }
        let behind = Reached { node, at: from.at + 1 + segment.len(), segments: from.segments + 1 };
        let found = self.line(behind, path).into_iter().rev().find_map(|reached| reached.tail(path))?;
        Some(Found { captured: Some((from.segments, naming)), ..found })
    }

    /// The nodes that a path reaches through segments with names, beginning with `from`.
    fn line<'n>(&'n self, from: Reached<'n>, path: &[u8]) -> SmallVec<[Reached<'n>; 8]> {
        let next = |reached: &Reached<'n>| {
            let segment = segment(path, reached.at)?;
            let literals = &reached.node.literals;
            let found = literals.binary_search_by(|(literal, _)| literal.as_bytes().cmp(segment)).ok()?;
            let node = self.node(literals.get(found)?.1)?;
            Some(Reached { node, at: reached.at + 1 + segment.len(), segments: reached.segments + 1 })
        };
        std::iter::successors(Some(from), next).collect()
    }
}

impl Reached<'_> {
    /// The rule for a part of the next segment, or the rule that ends at this node.
    fn tail(self, path: &[u8]) -> Option<Found> {
        let found = |rule, len| Found { rule, segments: self.segments, captured: None, len };
        let head = segment(path, self.at).and_then(|segment| {
            let (head, rule) = longest_head(&self.node.heads, segment)?;
            let is_last = self.at + 1 + segment.len() == path.len();
            (!head.is_empty() || is_last).then(|| found(rule, self.at + 1 + head.len()))
        });
        head.or_else(|| (self.node.end != NONE).then(|| found(self.node.end, self.at)))
    }
}

/// The segment behind the slash at `at`.
fn segment(path: &[u8], at: usize) -> Option<&[u8]> {
    let rest = path.get(at..)?.strip_prefix(b"/")?;
    rest.get(..memchr::memchr(b'/', rest).unwrap_or(rest.len()))
}

/// The longest of the sorted `heads` with which `text` begins. All heads of a text stand before it, and every entry
/// between a head and the text has that head as well. So it is enough to compare the nearest entry with the text.
fn longest_head<'h>(heads: &'h [(Box<str>, u32)], text: &[u8]) -> Option<(&'h str, u32)> {
    let mut text = text;
    loop {
        let before = heads.partition_point(|(head, _)| head.as_bytes() <= text);
        let (head, rule) = heads.get(before.checked_sub(1)?)?;
        let common = head.bytes().zip(text).take_while(|(one, other)| one == *other).count();
        if common == head.len() {
            return Some((head, *rule));
        }
        text = text.get(..common)?;
    }
}

impl Naming {
    /// Both namings. If a segment fits both, the first one counts.
    const ALL: [Self; 2] = [Self::Id, Self::Name];

    /// Whether a segment in compared form may name a tenant in this way. An id has 1 to 64 of `A-Z a-z 0-9 . _ -`
    /// (contract section 9). A name is any text. A segment with `;` names no tenant, because some servers cut it.
    fn fits(self, segment: &[u8]) -> bool {
        match self {
            Self::Id => {
                (1..=LONGEST_TENANT_ID).contains(&segment.len())
                    && segment.iter().all(|byte| is_of_tenant_id(*byte))
            }
            Self::Name => !segment.is_empty() && !segment.contains(&b';'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of these rules. The number of a rule is its index.
    fn tree(rules: &[(&str, bool)]) -> SegmentTree {
        let mut tree = SegmentTree::default();
        for (number, (path, whole)) in rules.iter().enumerate() {
            let steps = path.split('/').skip(1).map(|segment| match segment {
                "{tenant}" => Step::Captured(Naming::Id),
                "{tenant.name}" => Step::Captured(Naming::Name),
                text => Step::Literal(text),
            });
            tree.add(steps, *whole, index(number));
        }
        tree
    }

    fn best<'r>(rules: &[(&'r str, bool)], path: &str) -> Option<&'r str> {
        let found = tree(rules).best(path.as_bytes())?;
        rules.get(found.rule as usize).map(|(path, _)| *path)
    }

    #[test]
    fn a_name_beats_a_capture_and_then_the_longest_wins() {
        let rules = [
            ("", false),
            ("/t/{tenant}", true),
            ("/t/{tenant}/saml", true),
            ("/t/admin", true),
            ("/t/{tenant.name}/b/c", true),
            ("/t/ad", false),
            ("/x/", false),
        ];
        for (path, rule) in [
            ("/t/XYZ", "/t/{tenant}"),
            ("/t/XYZ/", "/t/{tenant}"),
            ("/t/XYZ/saml", "/t/{tenant}/saml"),
            ("/t/XYZ/saml/x", "/t/{tenant}/saml"),
            ("/t/XYZ/saml-admin", "/t/{tenant}"),
            ("/t/admin/saml", "/t/admin"),
            ("/t/admins", "/t/{tenant}"),
            ("/t/add;x", "/t/ad"),
            ("/t/XYZ/b/c", "/t/{tenant.name}/b/c"),
            ("/t/X%20Z/b/c/d", "/t/{tenant.name}/b/c"),
            ("/t/X%20Z/b", ""),
            ("/t/", ""),
            ("/t", ""),
            ("*", ""),
            ("/x/y", "/x/"),
            ("/x/y/z", ""),
        ] {
            assert_eq!(best(&rules, path), Some(rule), "{path}");
        }
        assert_eq!(best(&rules[1..], "*"), None);
    }

    #[test]
    fn what_was_matched_is_counted() {
        let rules = [("/a/{tenant}/b/", true), ("/a/{tenant}", true), ("/a/b", false), ("", false)];
        let tree = tree(&rules);
        let found = |path: &str| {
            let Found { rule, segments, captured, len } = tree.best(path.as_bytes()).unwrap();
            (rule, segments, captured.map(|(at, _)| at), len)
        };
        assert_eq!(found("/a/T/b/x"), (0, 3, Some(1), 7));
        assert_eq!(found("/a/T/b/x/y"), (1, 2, Some(1), 4));
        assert_eq!(found("/a/b/x"), (2, 2, None, 4));
        assert_eq!(found("/a/b%20c"), (2, 1, None, 4));
        assert_eq!(found("/z"), (3, 0, None, 0));
    }
}

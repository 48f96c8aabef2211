//! Names of header fields, compared as a CGI-like gateway may read them.
//!
//! Such a gateway hands fields on as variables. It replaces every octet of a name that is neither a letter nor a digit
//! by `_` (RFC 3875 section 4.1.18). Behind such a gateway `X-Tenant`, `x_tenant` and `X.Tenant` are the same field.

use foldhash::HashSet;
use smallvec::SmallVec;

/// An octet of a name in the form in which names are compared: letters in lower case, digits, and `-` for everything
/// else.
pub const fn folded(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() { octet.to_ascii_lowercase() } else { b'-' }
}

/// A name in the form in which names are compared.
pub fn folded_name(name: &str) -> String {
    name.bytes().map(|octet| char::from(folded(octet))).collect()
}

/// A name in the form in which names are compared. Nearly every name is short enough to need no allocation.
type Folded = SmallVec<[u8; 32]>;

fn fold(name: &[u8]) -> Folded {
    name.iter().copied().map(folded).collect()
}

/// A set of names. It remembers the order of insertion, so that the last names can be removed again.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FieldNames {
    set: HashSet<Folded>,
    in_order: Vec<Folded>,
    /// One bit for each length that occurs. The last bit stands for all lengths from 63.
    lengths: u64,
}

impl FieldNames {
    /// Adds a name, unless a spelling of it is in the set already.
    pub fn insert(&mut self, name: &str) {
        let name = fold(name.as_bytes());
        self.lengths |= length(&name);
        if self.set.insert(name.clone()) {
            self.in_order.push(name);
        }
    }

    /// Whether a spelling of `name` is in the set.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.lengths & length(name) != 0 && self.set.contains(&fold(name))
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }

    /// Removes every name but the first `count` names.
    pub fn truncate(&mut self, count: usize) {
        for name in self.in_order.drain(count.min(self.in_order.len())..) {
            self.set.remove(&name);
        }
        self.lengths = self.in_order.iter().fold(0, |lengths, name| lengths | length(name));
    }
}

fn length(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_2_a_name_is_found_in_every_spelling() {
        let mut names = FieldNames::default();
        assert!(names.is_empty() && !names.contains(b"") && !names.contains(b"X-Tenant"));
        let long = "X-".repeat(60);
        for name in ["X-Tenant", "x_tenant", &long] {
            names.insert(name);
        }
        assert_eq!(names.len(), 2);
        for spelling in
            ["X-Tenant", "x-tenant", "X_TENANT", "X.Tenant", "x~tenant", "x!TENANT", "x\u{60}tenant"]
        {
            assert!(names.contains(spelling.as_bytes()), "{spelling}");
        }
        assert!(names.contains(long.replace('-', "_").as_bytes()));
        for other in
            ["XTenant", "X-Tenant-", "-X-Tenant", "X-Tenants", "X--Tenant", "", "Y-Tenant", &long[1..]]
        {
            assert!(!names.contains(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn the_last_names_can_be_taken_out() {
        let mut names = FieldNames::default();
        ["a", "bb", "cc", "ddd"].into_iter().for_each(|name| names.insert(name));
        names.truncate(2);
        assert_eq!(
            [b"a".as_slice(), b"bb", b"cc", b"ddd"].map(|name| names.contains(name)),
            [true, true, false, false]
        );
        names.truncate(9);
        assert_eq!(names.len(), 2);
        names.insert("cc");
        assert!(names.contains(b"CC"));
    }
}

//! Which rules are in force: the table that Portward started with is the first, and each one that took its place counts.

use std::time::SystemTime;

/// The number of a table, and since when it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// 1 for the table that Portward started with. A reload brings another one, also where the files are the same, and so
    /// does a host that is enabled, disabled or changed. Certificates that are read again do not.
    pub number: u64,
    /// When this table was put in force.
    pub since: SystemTime,
}

impl Generation {
    /// That of a table which is the first, as far as is known.
    pub(super) fn first() -> Self {
        Self { number: 1, since: SystemTime::now() }
    }

    /// That of the next table.
    pub(super) fn next(self) -> Self {
        Self { number: self.number + 1, since: SystemTime::now() }
    }
}

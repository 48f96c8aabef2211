//! The generation of the rules in force. The table of the start is the first. Each table that replaces another one
//! counts.

use std::time::SystemTime;

/// The number of a table, and since when it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// 1 for the table of the start. A reload makes a new table, even if the files are the same. So does a host that is
    /// enabled, disabled or changed. Certificates that are read again do not.
    pub number: u64,
    /// When this table was put in force.
    pub since: SystemTime,
}

impl Generation {
    /// The generation of the first table.
    pub(super) fn first() -> Self {
        Self { number: 1, since: SystemTime::now() }
    }

    /// The generation of the next table.
    pub(super) fn next(self) -> Self {
        Self { number: self.number + 1, since: SystemTime::now() }
    }
}

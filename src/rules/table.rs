//! The builder and the table.

use std::collections::HashMap;
use std::path::PathBuf;

use super::{HostDef, Source};

/// A name or an alias that is defined twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name.
    pub name: Box<str>,
    /// The second place.
    pub here: Source,
    /// The first place.
    pub first: Source,
}

/// Makes a [`Table`].
#[derive(Debug, Default)]
pub struct Builder {
    hosts: Vec<HostDef>,
    names: HashMap<Box<str>, Source>,
}

impl Builder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host.
    pub fn add(&mut self, host: HostDef) -> Result<(), Vec<Conflict>> {
        let mut conflicts = Vec::new();
        for name in std::iter::once(&host.name).chain(&host.aliases) {
            match self.names.get(&name.name) {
                Some(first) => {
                    conflicts.push(Conflict { name: name.name.clone(), here: name.source, first: *first })
                }
                None => drop(self.names.insert(name.name.clone(), name.source)),
            }
        }
        self.hosts.push(host);
        if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
    }

    /// The table.
    pub fn build(self, files: Vec<PathBuf>) -> Table {
        Table { hosts: self.hosts, files }
    }
}

/// The rules.
#[derive(Debug)]
pub struct Table {
    /// The hosts.
    pub hosts: Vec<HostDef>,
    /// The files.
    pub files: Vec<PathBuf>,
}

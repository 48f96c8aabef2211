//! The tenants, which own hosts and paths (contract section 9).
//!
//! A tenant has an id, in which case counts, and may have a friendly name. It may belong to another tenant, its parent.
//! A tenant is alive if it and all tenants above it are enabled. That is computed when the tenants change, so a request
//! reads one flag.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::paths::{NONE, Text, index};
use super::{Endpoint, Source, TenantDef, Users};
use crate::credentials::{Hash, Secret};

/// Every tenant of a table.
#[derive(Debug, Default, Clone)]
pub struct Tenants {
    hasher: RandomState,
    ids: HashTable<u32>,
    names: HashTable<u32>,
    texts: String,
    list: Vec<TenantEntry>,
    /// The most expensive hash of all tenants' lines.
    dearest: Option<Hash>,
    /// How many tenants are from the rules files. The tenants behind them were made over the API.
    of_rules: Option<u32>,
}

/// One tenant. An index is [`NONE`] if there is no entry.
#[derive(Debug, Clone)]
struct TenantEntry {
    id: Text,
    name: Option<Text>,
    parent: u32,
    endpoints: Option<Arc<[Endpoint]>>,
    secrets: Arc<[Secret]>,
    users: Option<Users>,
    source: Source,
    enabled: bool,
    enabled_by_rules: bool,
    /// The tenant and all tenants above it are enabled.
    alive: bool,
    /// The tenant whose target it uses: itself, or the nearest tenant above that has one.
    aims: u32,
}

/// How far the computation for a tenant has come.
#[derive(Clone, Copy, PartialEq)]
enum Settled {
    No,
    OnTheWay,
    Yes,
}

fn entry(list: &[TenantEntry], at: u32) -> Option<&TenantEntry> {
    list.get(usize::try_from(at).ok()?)
}

fn is(settled: &[Settled], at: u32, state: Settled) -> bool {
    usize::try_from(at).ok().and_then(|at| settled.get(at)).is_some_and(|one| *one == state)
}

fn mark(settled: &mut [Settled], at: u32, state: Settled) {
    if let Some(one) = usize::try_from(at).ok().and_then(|at| settled.get_mut(at)) {
        *one = state;
    }
}

/// A tenant of a table.
#[derive(Debug, Clone, Copy)]
pub struct Tenant<'t> {
    tenants: &'t Tenants,
    at: u32,
    entry: &'t TenantEntry,
}

impl Tenants {
    /// Takes tenants in any order. Of equal ids and names the first one is kept. An unknown parent is ignored. `config`
    /// reports all such errors before.
    pub fn new(definitions: Vec<TenantDef>) -> Self {
        let mut tenants = Self::default();
        tenants.add(definitions);
        tenants
    }

    /// The same, with tenants of the API behind them. `self` must have none of those.
    pub fn extended(&self, definitions: Vec<TenantDef>) -> Self {
        let mut tenants = self.clone();
        tenants.of_rules = Some(index(tenants.list.len()));
        tenants.add(definitions);
        tenants
    }

    fn add(&mut self, definitions: Vec<TenantDef>) {
        let first = self.list.len();
        let mut parents = Vec::with_capacity(definitions.len());
        for definition in definitions {
            if self.by_id(&definition.id).is_none() {
                parents.push(definition.parent.clone());
                self.push(definition);
            }
        }
        for (at, parent) in (first..).zip(parents) {
            let parent = parent.and_then(|parent| self.by_id(&parent)).map_or(NONE, |parent| parent.at);
            if let Some(entry) = self.list.get_mut(at) {
                entry.parent = parent;
            }
        }
        self.settle();
        let lines = self.list.iter().filter_map(|entry| match &entry.users {
            Some(Users::Lines(logins)) => logins.dearest(),
            Some(Users::File(_)) | None => None,
        });
        self.dearest = lines.max_by_key(|hash| hash.price()).cloned();
    }

    fn push(&mut self, definition: TenantDef) {
        let at = index(self.list.len());
        let Self { hasher, ids, names, texts, list, .. } = self;
        let id = Text::push(texts, &definition.id);
        let name = definition.name.as_deref().map(|name| Text::push(texts, name));
        let hash_of = |text: Text| hasher.hash_one(text.of(texts).unwrap_or_default());
        let entry = |at: &u32| usize::try_from(*at).ok().and_then(|at| list.get(at));
        ids.insert_unique(hash_of(id), at, |at| entry(at).map_or(0, |entry| hash_of(entry.id)));
        if let Some(name) = name {
            let rehash = |at: &u32| entry(at).and_then(|entry| entry.name).map_or(0, hash_of);
            names.insert_unique(hash_of(name), at, rehash);
        }
        let enabled = definition.enabled;
        list.push(TenantEntry {
            id,
            name,
            parent: NONE,
            endpoints: definition.endpoints,
            secrets: definition.secrets,
            users: definition.users,
            source: definition.source,
            enabled,
            enabled_by_rules: enabled,
            alive: enabled,
            aims: NONE,
        });
    }

    /// Computes which tenants are alive, and whose target each uses. A tenant in a cycle, or below one, is not alive.
    fn settle(&mut self) {
        let mut settled = vec![Settled::No; self.list.len()];
        let mut way = Vec::new();
        for start in 0..index(self.list.len()) {
            let mut above = start;
            while let Some(entry) = entry(&self.list, above).filter(|_| is(&settled, above, Settled::No)) {
                mark(&mut settled, above, Settled::OnTheWay);
                way.push(above);
                above = entry.parent;
            }
            let is_cycle = is(&settled, above, Settled::OnTheWay);
            let above = entry(&self.list, above).filter(|_| !is_cycle);
            let mut inherited =
                (above.map_or(!is_cycle, |one| one.alive), above.map_or(NONE, |one| one.aims));
            while let Some(at) = way.pop() {
                mark(&mut settled, at, Settled::Yes);
                let Some(entry) = usize::try_from(at).ok().and_then(|at| self.list.get_mut(at)) else {
                    continue;
                };
                entry.alive = entry.enabled && inherited.0;
                entry.aims = if entry.endpoints.is_some() { at } else { inherited.1 };
                inherited = (entry.alive, entry.aims);
            }
        }
    }

    /// Enables and disables tenants, whatever the rules say. An unknown id is ignored.
    pub(super) fn set_enabled<'i>(&mut self, said: impl IntoIterator<Item = (&'i str, bool)>) {
        for (id, enabled) in said {
            let at = self.by_id(id).and_then(|tenant| usize::try_from(tenant.at).ok());
            if let Some(entry) = at.and_then(|at| self.list.get_mut(at)) {
                entry.enabled = enabled;
            }
        }
        self.settle();
    }

    /// The most expensive hash in a tenant's own lines. A login for a tenant that does not exist takes as long as this
    /// hash.
    pub fn dearest_hash(&self) -> Option<&Hash> {
        self.dearest.as_ref()
    }

    /// The tenant with exactly this id.
    pub fn by_id(&self, id: &str) -> Option<Tenant<'_>> {
        let is_it = |at: &u32| self.at(*at).is_some_and(|tenant| tenant.id() == id);
        self.ids.find(self.hasher.hash_one(id), is_it).and_then(|at| self.at(*at))
    }

    /// The tenant with exactly this friendly name.
    pub fn by_name(&self, name: &str) -> Option<Tenant<'_>> {
        let is_it = |at: &u32| self.at(*at).is_some_and(|tenant| tenant.name() == Some(name));
        self.names.find(self.hasher.hash_one(name), is_it).and_then(|at| self.at(*at))
    }

    /// The tenant with this number.
    pub(super) fn at(&self, at: u32) -> Option<Tenant<'_>> {
        let entry = self.list.get(usize::try_from(at).ok()?)?;
        Some(Tenant { tenants: self, at, entry })
    }

    /// Every tenant, in the order of the rules.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Tenant<'_>> {
        self.list.iter().enumerate().map(|(at, entry)| Tenant { tenants: self, at: index(at), entry })
    }

    /// The number of tenants.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are no tenants.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'t> Tenant<'t> {
    /// Its id.
    pub fn id(self) -> &'t str {
        self.entry.id.of(&self.tenants.texts).unwrap_or_default()
    }

    /// Its friendly name.
    pub fn name(self) -> Option<&'t str> {
        self.entry.name?.of(&self.tenants.texts)
    }

    /// Its parent.
    pub fn parent(self) -> Option<Self> {
        self.tenants.at(self.entry.parent)
    }

    /// The tenants above it, the nearest first. A cycle ends after as many steps as there are tenants.
    pub fn ancestors(self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), |above| above.parent()).take(self.tenants.len())
    }

    /// Whether it is `other`, or below it.
    pub fn is_within(self, other: Self) -> bool {
        self.at == other.at || self.ancestors().any(|above| above.at == other.at)
    }

    /// Whether it and everything above it are enabled.
    pub fn is_alive(self) -> bool {
        self.entry.alive
    }

    /// Whether the tenant itself is enabled.
    pub fn enabled(self) -> bool {
        self.entry.enabled
    }

    /// Whether the rules enable it. If [`Self::enabled`] differs, an administrator has changed it.
    pub fn enabled_by_rules(self) -> bool {
        self.entry.enabled_by_rules
    }

    /// Its own target.
    pub fn own_target(self) -> Option<&'t Arc<[Endpoint]>> {
        self.entry.endpoints.as_ref()
    }

    /// The target of its hosts and captured paths: its own, or that of the nearest tenant above that has one.
    pub fn target(self) -> Option<&'t Arc<[Endpoint]>> {
        self.tenants.at(self.entry.aims)?.own_target()
    }

    /// The tenant that disables it: itself, or the nearest disabled tenant above. `None`: it is alive.
    pub fn disabled_by(self) -> Option<Self> {
        std::iter::once(self).chain(self.ancestors()).find(|tenant| !tenant.enabled())
    }

    /// The secrets of its ephemeral credentials, the newest first. They are its own, and are not inherited.
    pub fn secrets(self) -> &'t [Secret] {
        &self.entry.secrets
    }

    /// The users who may log in as this tenant. They are not inherited.
    pub fn users(self) -> Option<&'t Users> {
        self.entry.users.as_ref()
    }

    /// Whether it was made over the API. All others are from the rules files.
    pub fn is_made(self) -> bool {
        self.tenants.of_rules.is_some_and(|of_rules| self.at >= of_rules)
    }

    /// Its position in the order of the rules, from 0.
    pub fn order(self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    /// Its number in the table.
    pub(super) fn number(self) -> u32 {
        self.at
    }

    /// Where its id stands in the files.
    pub fn source(self) -> Source {
        self.entry.source
    }
}

#[cfg(test)]
mod tests;

//! Parts of the table that hosts share. Equal address lists are stored once. So are the path sets of equal HTTP rules, and
//! those of equal lists of presets.

use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::hash_table::Entry as TableEntry;
use hashbrown::{HashMap, HashTable};
use smallvec::SmallVec;

use super::has_port;
use crate::rules::path::rule_path;
use crate::rules::paths::{NewPath, PathEntry, PathSet, PathStore, index};
use crate::rules::{Endpoint, Preset, Table};

/// Stores equal address lists once.
#[derive(Default)]
pub(super) struct Interned {
    hasher: RandomState,
    lists: HashTable<u32>,
}

impl Interned {
    /// Takes note of the list that the table already has at `at`.
    pub(super) fn enter(&mut self, table: &Table, at: u32) {
        let list = |at: u32| usize::try_from(at).ok().and_then(|at| table.endpoints.get(at));
        let hash = |at: u32| list(at).map_or(0, |list| hash_list(&self.hasher, list));
        let own = hash(at);
        self.lists.insert_unique(own, at, |at| hash(*at));
    }

    /// Makes room for so many lists.
    pub(super) fn reserve(&mut self, table: &Table, lists: usize) {
        let list = |at: u32| usize::try_from(at).ok().and_then(|at| table.endpoints.get(at));
        self.lists.reserve(lists, |at| list(*at).map_or(0, |list| hash_list(&self.hasher, list)));
    }

    /// The index of the list in the table, and the list that is stored there.
    pub(super) fn intern(&mut self, table: &mut Table, list: Arc<[Endpoint]>) -> (u32, Arc<[Endpoint]>) {
        let stored = &mut table.endpoints;
        // Many consecutive rules of a host name the same list.
        if let Some(last) = stored.last().filter(|last| Arc::ptr_eq(last, &list)) {
            return (index(stored.len() - 1), Arc::clone(last));
        }
        let at = |at: &u32| usize::try_from(*at).ok().and_then(|at| stored.get(at));
        let hash = hash_list(&self.hasher, &list);
        let same = |i: &u32| at(i).is_some_and(|other| Arc::ptr_eq(other, &list) || **other == *list);
        let rehash = |i: &u32| at(i).map_or(0, |list| hash_list(&self.hasher, list));
        match self.lists.entry(hash, same, rehash) {
            TableEntry::Occupied(taken) => {
                let found = *taken.get();
                (found, at(&found).map_or(list, Arc::clone))
            }
            TableEntry::Vacant(vacant) => {
                let new = index(stored.len());
                vacant.insert(new);
                stored.push(Arc::clone(&list));
                (new, list)
            }
        }
    }
}

/// A hash of the addresses alone, because lists rarely differ in options only.
fn hash_list(hasher: &RandomState, list: &[Endpoint]) -> u64 {
    let mut state = hasher.build_hasher();
    for endpoint in list {
        endpoint.address.hash(&mut state);
    }
    std::hash::Hasher::finish(&state)
}

/// The path sets of hosts, one for all hosts with equal HTTP rules. So the paths of 100,000 hosts that were made by one
/// template stay in the processor's cache.
#[derive(Default)]
pub(super) struct OwnSets {
    hasher: RandomState,
    /// Each set. A default counts as its last path.
    sets: HashTable<PathSet>,
}

impl OwnSets {
    /// The set of these paths, which are arranged. Each set has its default, if there is one, as its last path. `before`
    /// is the size of the store before it got the texts of these paths. They are taken out again if there is such a set.
    pub(super) fn intern(&mut self, table: &mut Table, paths: &[NewPath], before: (usize, usize)) -> PathSet {
        if paths.is_empty() {
            return PathSet::default();
        }
        let Self { hasher, sets } = self;
        let store = &table.paths;
        let new = || paths.iter().map(|path| &path.entry);
        let same = |set: &PathSet| {
            set.len() == paths.len()
                && store.set(*set).iter().zip(new()).all(|(a, b)| store.is_same_rule(a, b))
        };
        let rehash = |set: &PathSet| hash_paths(hasher, store, store.set(*set).iter());
        let set = match sets.entry(hash_paths(hasher, store, new()), same, rehash) {
            TableEntry::Occupied(taken) => {
                let set = *taken.get();
                table.paths.truncate(before);
                set
            }
            TableEntry::Vacant(vacant) => {
                vacant.insert(store.next_set(paths.len()));
                table.paths.add(paths)
            }
        };
        set.with_sources(table.add_sources(paths.iter().map(|path| path.source)))
    }
}

/// A hash of texts and targets alone, because other parts of rules rarely make the difference.
fn hash_paths<'p>(
    hasher: &RandomState,
    store: &PathStore,
    entries: impl Iterator<Item = &'p PathEntry>,
) -> u64 {
    let mut state = hasher.build_hasher();
    for entry in entries {
        (store.text(entry), entry.endpoints).hash(&mut state);
    }
    std::hash::Hasher::finish(&state)
}

/// The path sets of presets, one for each distinct list of presets.
#[derive(Default)]
pub(super) struct Presets {
    /// The sets by the memory addresses of their presets. `alive` keeps these addresses from being reused.
    sets: HashMap<SmallVec<[usize; 4]>, (PathSet, bool), RandomState>,
    alive: Vec<Arc<Preset>>,
}

impl Presets {
    /// The set, and whether its only path is the empty one. If two presets have the same path, the first one wins.
    pub(super) fn compile(&mut self, table: &mut Table, presets: &[Arc<Preset>]) -> (PathSet, bool) {
        if presets.is_empty() {
            return (PathSet::default(), false);
        }
        let key: SmallVec<[usize; 4]> = presets.iter().map(|p| Arc::as_ptr(p).addr()).collect();
        if let Some(known) = self.sets.get(&key) {
            return *known;
        }
        let (mut paths, mut scratch) = (Vec::new(), Vec::new());
        for preset in presets {
            let name = preset_index(table, &preset.name);
            for path in preset.paths.iter().filter(|path| has_port(path.ports)) {
                let text = rule_path(&path.path, &mut scratch).ok().and_then(|p| str::from_utf8(p).ok());
                let Some(text) = text else { continue };
                let mut entry = PathEntry::new(text, &mut table.paths.blob, path.ports);
                entry.preset = name;
                entry.redirect_https = path.redirect_https;
                paths.push(NewPath { entry, source: path.source });
            }
        }
        table.paths.arrange(&mut paths);
        let sources = table.add_sources(paths.iter().map(|path| path.source));
        let set = table.paths.add(&paths).with_sources(sources);
        let only_empty = set.len() == 1 && table.paths.contains(set, "");
        self.sets.insert(key, (set, only_empty));
        self.alive.extend(presets.iter().cloned());
        (set, only_empty)
    }
}

fn preset_index(table: &mut Table, name: &str) -> u32 {
    let known = table.presets.iter().position(|known| **known == *name);
    index(known.unwrap_or_else(|| {
        table.presets.push(Box::from(name));
        table.presets.len() - 1
    }))
}

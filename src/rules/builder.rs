//! Compiles hosts into the immutable table, one at a time.
//!
//! It finds the one kind of error that only the whole table shows: a name that is defined twice. All other errors were
//! found before. If a wrong path or port gets here, its rule matches nothing.

use std::fmt;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_table::Entry as TableEntry;
use smallvec::SmallVec;

use super::path::rule_path;
use super::paths::{NONE, NewPath, PathEntry, PathSet, PathStore, Text, index};
use super::segments::{SegmentTree, Step};
use super::table::{Alias, Entry, Slot, aliases_of, key};
use super::tenants::{Tenant, Tenants};
use super::{HostDef, HttpRule, NameDef, PathPattern, Ports, ServiceRule, Source, Table};
use super::{Naming, Segment, Treatment};
use crate::service::{PerService, Service, ServiceSet};

mod shared;

use self::shared::{Interned, OwnSets, Presets};

/// A name that is defined twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name, in normal form.
    pub name: Box<str>,
    /// The second definition.
    pub here: Source,
    /// The first definition.
    pub first: Source,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("hosts", &self.table.len()).finish_non_exhaustive()
    }
}

/// Takes hosts and makes a [`Table`] of them.
#[derive(Default)]
pub struct Builder {
    table: Table,
    endpoints: Interned,
    own_sets: OwnSets,
    presets: Presets,
    client_trust: HashMap<Arc<Path>, usize, RandomState>,
    /// Room for a path in its compared form.
    scratch: Vec<u8>,
}

impl Builder {
    /// A builder without hosts.
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder that adds hosts made over the API. `table` must have none yet ([`Table::without_made`]).
    pub fn on(table: Table) -> Self {
        let mut builder = Self::default();
        for at in 0..table.endpoints.len() {
            builder.endpoints.enter(&table, index(at));
        }
        let trusts = table.client_trust.iter().cloned().zip(0..);
        builder.client_trust.extend(trusts);
        builder.table = table;
        builder
    }

    /// Sets the tenants to which hosts may belong. Call it before the hosts are added.
    pub fn set_tenants(&mut self, tenants: Arc<Tenants>) {
        for target in tenants.iter().filter_map(Tenant::own_target) {
            self.endpoints.intern(&mut self.table, Arc::clone(target));
        }
        self.table.tenants = tenants;
    }

    /// Makes room for so many hosts. Each may have a target of its own.
    pub fn reserve(&mut self, hosts: usize) {
        self.table.reserve(hosts);
        self.endpoints.reserve(&self.table, hosts);
    }

    /// Adds a host with everything it has.
    ///
    /// # Errors
    /// Every name of the host that is taken already, by another host or by the host itself. Then nothing of the host is
    /// added.
    pub fn add(&mut self, host: HostDef) -> Result<(), Vec<Conflict>> {
        let at = index(self.table.hosts.len());
        let name = self.add_names(at, &host.name, &host.aliases)?;
        let endpoints = host.endpoints.map_or(NONE, |list| self.endpoints.intern(&mut self.table, list).0);
        let own_paths = self.add_paths(host.http, endpoints);
        let OwnPaths { set: own, default, .. } = own_paths;
        let (preset, preset_empty) = match endpoints {
            NONE => (PathSet::default(), false),
            _ => self.presets.compile(&mut self.table, &host.presets),
        };
        let (first_rule, ruled) = self.add_rules(host.rules);
        let own_empty = own.len() == 1 && self.table.paths.contains(own, "");
        let only_empty = !default
            && (own_empty || own.len() == 0)
            && (preset_empty || preset.len() == 0)
            && (own_empty || preset_empty);
        let tenant = host.tenant.and_then(|id| self.table.tenants.by_id(&id));
        let (tenant, is_alive) = tenant.map_or((NONE, true), |tenant| (tenant.number(), tenant.is_alive()));
        let entry = Entry {
            name,
            source: self.table.add_sources([host.name.source]),
            first_rule,
            ruled,
            endpoints,
            client_trust: self.add_client_trust(host.client_trust),
            own,
            preset,
            tree: self.add_tree(own_paths, preset),
            default,
            tenant,
            enabled: host.enabled && is_alive,
            own_enabled: host.enabled,
            enabled_by_rules: host.enabled,
            only_empty,
        };
        self.table.hosts.push(entry);
        Ok(())
    }

    /// The table. [`Source::file`] is an index into `files`.
    pub fn build(self, files: Vec<PathBuf>) -> Table {
        let mut table = self.extended(files);
        table.close_base();
        table
    }

    /// The table of [`Self::on`] with the hosts that were added. `files` as for [`Self::build`].
    pub fn extended(self, files: Vec<PathBuf>) -> Table {
        let mut table = self.table;
        table.files = files;
        let Table { hasher, slots, names, .. } = &mut table;
        slots.shrink_to_fit(|slot| hasher.hash_one(slot.key.of(names).unwrap_or_default()));
        table.names.shrink_to_fit();
        table.hosts.shrink_to_fit();
        table.aliases.shrink_to_fit();
        table.paths.shrink();
        table.sources.shrink_to_fit();
        table.rules.shrink_to_fit();
        table.endpoints.shrink_to_fit();
        table.treatments.shrink_to_fit();
        table.trees.shrink_to_fit();
        table.settle_domains();
        table
    }

    /// Enters all names of a host, or none of them.
    fn add_names(&mut self, host: u32, name: &NameDef, aliases: &[NameDef]) -> Result<Text, Vec<Conflict>> {
        let before = (self.table.names.len(), self.table.aliases.len());
        let mut conflicts = Vec::new();
        let primary = Text::push(&mut self.table.names, &name.name);
        let mut added: SmallVec<[Text; 4]> = SmallVec::new();
        if let Err(first) = self.enter(primary, host, name.source) {
            conflicts.push(Conflict { name: name.name.clone(), here: name.source, first });
        } else {
            added.push(primary);
        }
        for alias in aliases {
            let text = Text::push(&mut self.table.names, &alias.name);
            match self.enter(text, host, name.source) {
                Ok(()) => {
                    added.push(text);
                    self.table.aliases.push(Alias { name: text, host, source: alias.source });
                }
                Err(first) => {
                    conflicts.push(Conflict { name: alias.name.clone(), here: alias.source, first });
                }
            }
        }
        if conflicts.is_empty() {
            return Ok(primary);
        }
        for text in added {
            self.table.leave(text);
        }
        self.table.names.truncate(before.0);
        self.table.aliases.truncate(before.1);
        Err(conflicts)
    }

    /// Enters one name. `Err`: the name is taken, and this is the place of its first definition. `own` is the place of
    /// this host's primary name.
    fn enter(&mut self, name: Text, host: u32, own: Source) -> Result<(), Source> {
        let Table { hasher, slots, names, hosts, aliases, sources, .. } = &mut self.table;
        let key = key(name, names);
        let text = key.of(names).unwrap_or_default();
        let same = |slot: &Slot| slot.key.of(names) == Some(text);
        let rehash = |slot: &Slot| hasher.hash_one(slot.key.of(names).unwrap_or_default());
        match slots.entry(hasher.hash_one(text), same, rehash) {
            TableEntry::Vacant(vacant) => {
                vacant.insert(Slot { key, host });
                Ok(())
            }
            TableEntry::Occupied(taken) => {
                let other = taken.get().host;
                let alias = aliases_of(aliases, other).find(|alias| name.of(names) == alias.name.of(names));
                let host = || usize::try_from(other).ok().and_then(|at| hosts.get(at));
                let primary = || sources.get(usize::try_from(host()?.source).ok()?).copied();
                Err(alias.map(|alias| alias.source).or_else(primary).unwrap_or(own))
            }
        }
    }

    /// Adds the host's own paths, and its default. `target` is the host's own target.
    fn add_paths(&mut self, rules: Vec<HttpRule>, target: u32) -> OwnPaths {
        let before = self.table.paths.size();
        let (mut own, mut default) = (Vec::with_capacity(rules.len()), None);
        let (mut in_whole, mut shortest_login) = (false, None);
        for rule in rules.into_iter().filter(|rule| has_port(rule.target.ports)) {
            let Some(mut entry) = self.path_entry(&rule) else { continue };
            // A rule that captures a tenant may have no target: then the tenant's target is used. A rule for the
            // exchange has no target.
            let exchanges = rule.treatment.as_ref().is_some_and(|treatment| treatment.exchange.is_some());
            if !entry.captures || exchanges || !rule.target.endpoints.is_empty() {
                let (endpoints, _) = self.endpoints.intern(&mut self.table, rule.target.endpoints);
                // Hosts whose rules differ only in their target share these rules.
                let is_hosts = endpoints == target && !entry.captures;
                entry.endpoints = if is_hosts { NONE } else { endpoints };
            }
            entry.redirect_https = rule.redirect_https;
            in_whole |= entry.captures;
            if let Some(treatment) = rule.treatment {
                self.table.protect(&treatment);
                in_whole |= treatment.strip || treatment.login.is_some();
                if treatment.login.is_some() && !entry.default {
                    let len = shortest_match(&rule.path, entry.text.len());
                    shortest_login = Some(shortest_login.map_or(len, |shortest: usize| shortest.min(len)));
                }
                entry.treatment = self.add_treatment(treatment);
            }
            let path = NewPath { entry, source: rule.source };
            if !entry.default {
                own.push(path);
            } else if default.is_none() {
                default = Some(path);
            }
        }
        self.table.paths.arrange(&mut own);
        own.extend(default);
        let all = self.own_sets.intern(&mut self.table, &own, before);
        let set = if default.is_some() { all.without_last() } else { all };
        let demands_login = shortest_login.is_some();
        let heads_up_to = if in_whole { shortest_login.unwrap_or(usize::MAX) } else { usize::MAX };
        OwnPaths { set, default: default.is_some(), in_whole, demands_login, heads_up_to }
    }

    /// A path in compared form. `None`: no request can have this path.
    fn path_entry(&mut self, rule: &HttpRule) -> Option<PathEntry> {
        let Self { table, scratch, .. } = self;
        let mut entry = |text: &str| PathEntry::new(text, &mut table.paths.blob, rule.target.ports);
        let mut entry = match &rule.path {
            PathPattern::Default => entry("/"),
            PathPattern::Head(text) => entry(str::from_utf8(rule_path(text, scratch).ok()?).ok()?),
            PathPattern::Captured(segments) => entry(&captured_path(segments, scratch)?),
        };
        entry.default = rule.path == PathPattern::Default;
        entry.captures = rule.path.naming().is_some();
        Some(entry)
    }

    fn add_treatment(&mut self, mut treatment: Arc<Treatment>) -> u32 {
        if let Some(otherwise) = &treatment.otherwise {
            let (_, shared) = self.endpoints.intern(&mut self.table, Arc::clone(otherwise));
            Arc::make_mut(&mut treatment).otherwise = Some(shared);
        }
        self.table.treatments.push(treatment);
        index(self.table.treatments.len() - 1)
    }

    /// Adds the tree of a host's rules, if some of them match whole segments only.
    fn add_tree(&mut self, own: OwnPaths, preset: PathSet) -> u32 {
        if !own.in_whole {
            return NONE;
        }
        let table = &mut self.table;
        let mut tree = SegmentTree::new(own.demands_login);
        for rule in PathStore::places(own.set).chain(PathStore::places(preset)) {
            let Some(entry) = table.paths.get(rule) else { continue };
            let treatment = usize::try_from(entry.treatment).ok().and_then(|at| table.treatments.get(at));
            let whole = entry.captures
                || entry.text.len() > own.heads_up_to
                || treatment.is_some_and(|treatment| treatment.strip || treatment.login.is_some());
            let step = |text| match Naming::of(text).filter(|_| entry.captures) {
                Some(naming) => Step::Captured(naming),
                None => Step::Literal(text),
            };
            tree.add(table.paths.text(entry).split('/').skip(1).map(step), whole, rule);
        }
        table.trees.push(Arc::new(tree));
        index(table.trees.len() - 1)
    }

    /// Adds the rules of services that are decided once. Returns where the host's rules begin, and which services have
    /// one.
    fn add_rules(&mut self, mut rules: PerService<Option<ServiceRule>>) -> (u32, ServiceSet) {
        let first = index(self.table.rules.len());
        let mut ruled = ServiceSet::default();
        for service in Service::decided_once() {
            let Some(mut rule) = rules[service].take() else { continue };
            self.table.note_demand(&rule);
            rule.endpoints = self.endpoints.intern(&mut self.table, rule.endpoints).1;
            self.table.rules.push(rule);
            ruled.insert(service);
        }
        (first, ruled)
    }

    fn add_client_trust(&mut self, trust: Option<Arc<Path>>) -> u32 {
        let Some(trust) = trust else { return NONE };
        let next = self.table.client_trust.len();
        let at = *self.client_trust.entry(Arc::clone(&trust)).or_insert(next);
        if at == next {
            self.table.client_trust.push(trust);
        }
        index(at)
    }
}

/// The HTTP paths of a host.
#[derive(Debug, Clone, Copy)]
struct OwnPaths {
    set: PathSet,
    /// There is a rule with `default = true`. It stands right behind the set.
    default: bool,
    /// Some rule matches whole segments only.
    in_whole: bool,
    /// Some rule demands a login.
    demands_login: bool,
    /// Rules longer than this match whole segments only, because a shorter rule demands a login.
    heads_up_to: usize,
}

/// The length of the shortest path that a rule matches. `len` is the length of the rule's text.
fn shortest_match(path: &PathPattern, len: usize) -> usize {
    path.naming().map_or(len, |naming| len - naming.text().len() + 1)
}

/// The text of a path that captures a tenant, in compared form.
fn captured_path(segments: &[Segment], scratch: &mut Vec<u8>) -> Option<String> {
    let mut text = String::new();
    for segment in segments {
        match segment {
            Segment::Literal(literal) => {
                let path = format!("/{literal}");
                text.push_str(str::from_utf8(rule_path(&path, scratch).ok()?).ok()?);
            }
            Segment::TenantId => text.extend(["/", Naming::Id.text()]),
            Segment::TenantName => text.extend(["/", Naming::Name.text()]),
        }
    }
    Some(text)
}

fn has_port(ports: Ports) -> bool {
    ports.tcp.is_some() || ports.tls.is_some()
}

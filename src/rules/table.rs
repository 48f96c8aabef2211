//! The immutable table: who may be asked for, and where that goes.
//!
//! Compact on purpose: names and paths stand in one string each, everything else in arrays with 32-bit indices.
//! A look-up is one hash (two where a wildcard may match) and allocates nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;

use super::path::RequestPath;
use super::paths::{NONE, PathEntry, PathSet, PathStore, Text, index};
use super::{Endpoint, Ports, ServiceRule, Source};
use crate::reason::Reason;
use crate::service::{Decided, Service, ServiceSet};

/// Every host of the rules. Made by [`super::Builder`]; the default one is empty.
#[derive(Default, Clone)]
pub struct Table {
    pub(super) hasher: RandomState,
    /// By name; a wildcard by what follows its `*`, which begins with a dot as no name does.
    pub(super) slots: HashTable<Slot>,
    /// The text of all names, wildcards with their `*`.
    pub(super) names: String,
    pub(super) hosts: Vec<Entry>,
    /// In the order of `hosts`.
    pub(super) aliases: Vec<Alias>,
    pub(super) paths: PathStore,
    /// The names of the presets that are in use.
    pub(super) presets: Vec<Box<str>>,
    /// Of services that are decided once: each host's together, in the order of [`Service::ALL`].
    pub(super) rules: Vec<ServiceRule>,
    pub(super) endpoints: Vec<Arc<[Endpoint]>>,
    pub(super) client_trust: Vec<Arc<Path>>,
    pub(super) files: Vec<PathBuf>,
    /// What the rules files have; what is beyond was made over the API.
    pub(super) base: Base,
}

/// How much of a table is from the rules files: that stands before what was made over the API.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    names: usize,
    hosts: usize,
    aliases: usize,
    paths: (usize, usize),
    presets: usize,
    rules: usize,
    endpoints: usize,
    client_trust: usize,
    files: usize,
}

const _: () = assert!(size_of::<Entry>() == 64 && size_of::<ServiceRule>() == 40);

/// What a name leads to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) key: Text,
    pub(super) host: u32,
}

/// Another name of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alias {
    pub(super) name: Text,
    pub(super) host: u32,
    pub(super) source: Source,
}

/// One host. Indices are [`NONE`] where there is nothing. It fills one cache line, so that a look-up in a large
/// table waits for memory once here.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry {
    pub(super) name: Text,
    pub(super) source: Source,
    /// Where the host's part of [`Table::rules`] begins.
    pub(super) first_rule: u32,
    /// The host's own target, where the paths of presets go.
    pub(super) endpoints: u32,
    pub(super) client_trust: u32,
    pub(super) own: PathSet,
    pub(super) preset: PathSet,
    /// The rule with `default = true`, among the paths.
    pub(super) default: u32,
    /// The services that have a rule there.
    pub(super) ruled: ServiceSet,
    pub(super) enabled: bool,
    /// What the rules say of that. An administrator may have said otherwise.
    pub(super) enabled_by_rules: bool,
    /// The only HTTP rule is the empty path.
    pub(super) only_empty: bool,
}

impl Table {
    /// The host of that name, in normal form ([`super::name`]). An exact name beats a wildcard, which stands
    /// for exactly one label.
    pub fn host(&self, name: &str) -> Option<Host<'_>> {
        let at = match self.find(name) {
            Some(at) if !name.starts_with('.') => at,
            _ => self.find_wildcard(name)?,
        };
        let entry = self.hosts.get(usize::try_from(at).ok()?)?;
        Some(Host { table: self, at, entry })
    }

    /// The host that has this very name or alias, in normal form. Other than with [`Self::host`], a wildcard is found by its
    /// own text alone, as `*.example.net`.
    pub fn named(&self, name: &str) -> Option<Host<'_>> {
        self.host(name).filter(|host| host.name() == name || host.aliases().any(|(alias, _)| alias == name))
    }

    /// Enables or disables the host of this very name or alias, whatever the rules say of that. False: there is none.
    pub fn set_enabled(&mut self, name: &str, enabled: bool) -> bool {
        let at = self.named(name).and_then(|host| usize::try_from(host.at).ok());
        let Some(entry) = at.and_then(|at| self.hosts.get_mut(at)) else { return false };
        entry.enabled = enabled;
        true
    }

    fn find_wildcard(&self, name: &str) -> Option<u32> {
        let label = memchr::memchr2(b'.', b'/', name.as_bytes()).filter(|&len| len > 0)?;
        self.find(name.get(label..).filter(|rest| rest.starts_with('.'))?)
    }

    fn find(&self, key: &str) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let slot = self.slots.find(hash, |slot| slot.key.of(&self.names) == Some(key))?;
        Some(slot.host)
    }

    /// Everything that is there now is from the rules files.
    pub(super) fn close_base(&mut self) {
        self.base = Base {
            names: self.names.len(),
            hosts: self.hosts.len(),
            aliases: self.aliases.len(),
            paths: self.paths.size(),
            presets: self.presets.len(),
            rules: self.rules.len(),
            endpoints: self.endpoints.len(),
            client_trust: self.client_trust.len(),
            files: self.files.len(),
        };
    }

    /// A copy without the hosts that were made over the API.
    pub fn without_made(&self) -> Self {
        let mut table = self.clone();
        for at in self.base.hosts..self.hosts.len() {
            let host = index(at);
            let name = self.hosts.get(at).map(|entry| entry.name);
            let aliases = aliases_of(&self.aliases, host).map(|alias| alias.name);
            name.into_iter().chain(aliases).for_each(|name| table.leave(name));
        }
        let Base { names, hosts, aliases, paths, presets, rules, endpoints, client_trust, files } = self.base;
        table.names.truncate(names);
        table.hosts.truncate(hosts);
        table.aliases.truncate(aliases);
        table.paths.truncate(paths);
        table.presets.truncate(presets);
        table.rules.truncate(rules);
        table.endpoints.truncate(endpoints);
        table.client_trust.truncate(client_trust);
        table.files.truncate(files);
        table
    }

    /// Takes a name out, so that it leads nowhere.
    pub(super) fn leave(&mut self, name: Text) {
        let Self { hasher, slots, names, .. } = self;
        let Some(text) = key(name, names).of(names) else { return };
        if let Ok(taken) = slots.find_entry(hasher.hash_one(text), |slot| slot.key.of(names) == Some(text)) {
            taken.remove();
        }
    }

    /// How many hosts.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is no host at all.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Every host, in the order of the rules.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Host<'_>> {
        self.hosts.iter().enumerate().map(|(at, entry)| Host { table: self, at: index(at), entry })
    }

    /// Every name and alias, wildcards as `*.example.net`, each host's together, in the order of the rules.
    pub fn names(&self) -> impl Iterator<Item = (&str, Host<'_>)> {
        self.iter().flat_map(|host| {
            std::iter::once(host.name()).chain(host.aliases().map(|(name, _)| name)).map(move |n| (n, host))
        })
    }

    /// Every distinct list of addresses, once.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Arc<[Endpoint]>> {
        self.endpoints.iter()
    }

    /// Every distinct `client_trust` of a host, once.
    pub fn client_trusts(&self) -> impl ExactSizeIterator<Item = &Arc<Path>> {
        self.client_trust.iter()
    }

    /// The files, in the order of [`Source::file`].
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The file that `source` is in; empty if the source is not of this table.
    pub fn file(&self, source: Source) -> &Path {
        self.files.get(usize::from(source.file)).map_or(Path::new(""), PathBuf::as_path)
    }
}

/// Under which text a name is entered: a wildcard without its `*`.
pub(super) fn key(name: Text, names: &str) -> Text {
    if name.of(names).is_some_and(|name| name.starts_with('*')) { name.tail() } else { name }
}

/// The aliases of one host, found by the order of hosts.
pub(super) fn aliases_of(aliases: &[Alias], host: u32) -> impl Iterator<Item = &Alias> {
    let first = aliases.partition_point(|alias| alias.host < host);
    aliases.get(first..).unwrap_or_default().iter().take_while(move |alias| alias.host == host)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("hosts", &self.len()).finish_non_exhaustive()
    }
}

/// A host of a table.
#[derive(Clone, Copy)]
pub struct Host<'t> {
    table: &'t Table,
    at: u32,
    entry: &'t Entry,
}

impl fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Host").field(&self.name()).finish()
    }
}

/// Where a request's path leads.
#[derive(Debug, Clone, Copy)]
pub struct HttpMatch<'t> {
    /// Addresses, tried in order.
    pub endpoints: &'t Arc<[Endpoint]>,
    /// Where to knock.
    pub ports: Ports,
    /// Plain requests get a redirect to HTTPS.
    pub redirect_https: bool,
    /// Where the rule stands.
    pub source: Source,
    /// The rule's path in compared form; `/` for a default.
    pub path: &'t str,
    /// The rule says `default = true`.
    pub default: bool,
    /// The preset that the rule is from.
    pub preset: Option<&'t str>,
}

impl<'t> Host<'t> {
    /// The name by which the host is called in logs.
    pub fn name(self) -> &'t str {
        self.entry.name.of(&self.table.names).unwrap_or_default()
    }

    /// Its other names and where they stand.
    pub fn aliases(self) -> impl Iterator<Item = (&'t str, Source)> {
        let Table { aliases, names, .. } = self.table;
        aliases_of(aliases, self.at).map(|alias| (alias.name.of(names).unwrap_or_default(), alias.source))
    }

    /// Where the host's services and paths go that name no target of their own, if it says so.
    pub fn target(self) -> Option<&'t Arc<[Endpoint]>> {
        self.table.endpoints.get(usize::try_from(self.entry.endpoints).ok()?)
    }

    /// Whether it may be used; a disabled host refuses with [`Reason::Disabled`].
    pub fn enabled(self) -> bool {
        self.entry.enabled
    }

    /// Whether the rules enable it. Where that differs from [`Self::enabled`] an administrator has said otherwise.
    pub fn enabled_by_rules(self) -> bool {
        self.entry.enabled_by_rules
    }

    /// The host, unless it is disabled: to be asked before any service.
    ///
    /// # Errors
    /// [`Reason::Disabled`].
    pub fn require_enabled(self) -> Result<Self, Reason> {
        if self.enabled() { Ok(self) } else { Err(Reason::Disabled) }
    }

    /// Whether it was made over the API. All others are from the rules files.
    pub fn is_made(self) -> bool {
        usize::try_from(self.at).is_ok_and(|at| at >= self.table.base.hosts)
    }

    /// Its number in the order of the rules, from 0.
    pub fn number(self) -> usize {
        usize::try_from(self.at).unwrap_or(usize::MAX)
    }

    /// Where its name stands.
    pub fn source(self) -> Source {
        self.entry.source
    }

    /// The rule of a service that is decided once, if the host serves it.
    pub fn rule(self, service: Service) -> Option<&'t ServiceRule> {
        let Entry { first_rule, ruled, .. } = *self.entry;
        if !ruled.contains(service) {
            return None;
        }
        self.table.rules.get(usize::try_from(first_rule + ruled.before(service)).ok()?)
    }

    /// The rules of all services that are decided once, in the order of [`Service::ALL`].
    pub fn rules(self) -> impl Iterator<Item = (Service, &'t ServiceRule)> {
        Service::decided_once().filter_map(move |service| Some((service, self.rule(service)?)))
    }

    /// Whether there is any rule for `service`.
    pub fn serves(self, service: Service) -> bool {
        match service.decided() {
            Decided::Once => self.entry.ruled.contains(service),
            Decided::EachRequest => self.serves_http(),
        }
    }

    /// Who judges this host's clients in place of `tls.client_trust`.
    pub fn client_trust(self) -> Option<&'t Arc<Path>> {
        self.table.client_trust.get(usize::try_from(self.entry.client_trust).ok()?)
    }

    /// Whether it has any HTTP path.
    pub(super) fn serves_http(self) -> bool {
        let Entry { own, preset, default, .. } = self.entry;
        own.len() + preset.len() > 0 || *default != NONE
    }

    /// The rule for a path: the longest head, the host's own before a preset's; for `/` its default first.
    ///
    /// # Errors
    /// [`Reason::NoService`] if the host serves no HTTP, [`Reason::UnsafePath`] for an encoded slash on a host
    /// with any rule but the empty path, [`Reason::NoPath`] if no rule matches.
    pub fn http(self, path: &RequestPath<'_>) -> Result<HttpMatch<'t>, Reason> {
        if !self.serves_http() {
            return Err(Reason::NoService);
        }
        if path.encoded_slash() && !self.entry.only_empty {
            return Err(Reason::UnsafePath);
        }
        self.longest(*path).and_then(|entry| self.http_match(entry)).ok_or(Reason::NoPath)
    }

    fn longest(self, path: RequestPath<'_>) -> Option<&'t PathEntry> {
        let Table { paths, .. } = self.table;
        if path.as_bytes() == b"/"
            && let Some(default) = paths.get(self.entry.default)
        {
            return Some(default);
        }
        let last_slash = memchr::memrchr(b'/', path.as_bytes()).unwrap_or(0);
        let own = paths.longest(self.entry.own, path, last_slash);
        let preset = paths.longest(self.entry.preset, path, last_slash);
        match (own, preset) {
            (Some(own), Some(preset)) if preset.text.len() > own.text.len() => Some(preset),
            (own, preset) => own.or(preset),
        }
    }

    /// Every HTTP rule that is in force: the default, the host's own, then those of presets, sorted.
    pub fn http_rules(self) -> impl Iterator<Item = HttpMatch<'t>> {
        let Table { paths, .. } = self.table;
        let Entry { own, preset, default, .. } = *self.entry;
        let inherited = move |entry: &&PathEntry| !paths.contains(own, paths.text(entry));
        let entries = paths.get(default).into_iter().chain(paths.set(own));
        entries
            .chain(paths.set(preset).iter().filter(inherited))
            .filter_map(move |entry| self.http_match(entry))
    }

    fn http_match(self, entry: &'t PathEntry) -> Option<HttpMatch<'t>> {
        let table = self.table;
        let endpoints = if entry.endpoints == NONE { self.entry.endpoints } else { entry.endpoints };
        let preset = usize::try_from(entry.preset).ok().and_then(|at| table.presets.get(at));
        Some(HttpMatch {
            endpoints: table.endpoints.get(usize::try_from(endpoints).ok()?)?,
            ports: entry.ports,
            redirect_https: entry.redirect_https,
            source: entry.source,
            path: table.paths.text(entry),
            default: entry.default,
            preset: preset.map(Box::as_ref),
        })
    }
}

//! The immutable table: the hosts that may be asked for, and where they lead.
//!
//! It is compact on purpose. All names stand in one string and all paths in another. Everything else is in arrays with
//! 32-bit indices. A look-up takes one hash (two where a wildcard may match) and allocates nothing.

mod host;

use std::fmt;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashSet, HashTable};
use std::hash::BuildHasher as _;

use super::domain::Domains;
use super::paths::{PathSet, PathStore, Text, index};
use super::segments::SegmentTree;
use super::tenants::{Tenant, Tenants};
use super::{Address, Endpoint, Login, ServiceRule, Source, Treatment, Users};
use crate::field_names::FieldNames;
use crate::service::ServiceSet;
pub use host::{Captured, Host, HttpMatch};

/// Every host of the rules. [`super::Builder`] makes it. The default table is empty.
#[derive(Default, Clone)]
pub struct Table {
    pub(super) hasher: RandomState,
    /// The hosts by name. The key of a wildcard is the text after its `*`. It begins with a dot, and no name does.
    pub(super) slots: HashTable<Slot>,
    /// The text of all names, wildcards with their `*`.
    pub(super) names: String,
    pub(super) hosts: Vec<Entry>,
    /// The aliases, in the order of `hosts`.
    pub(super) aliases: Vec<Alias>,
    pub(super) paths: PathStore,
    /// Where hosts and HTTP rules stand in the files. They are apart, because no request asks for them.
    pub(super) sources: Vec<Source>,
    /// The names of the presets that are in use.
    pub(super) presets: Vec<Box<str>>,
    /// The rules of services that are decided once. The rules of a host stand together, in the order of
    /// [`Service::ALL`](crate::service::Service::ALL).
    pub(super) rules: Vec<ServiceRule>,
    pub(super) endpoints: Vec<Arc<[Endpoint]>>,
    pub(super) client_trust: Vec<Arc<Path>>,
    /// What rules demand and change, for the rules that do.
    pub(super) treatments: Vec<Arc<Treatment>>,
    /// The fields that any rule sets toward its target.
    pub(super) protected: Arc<FieldNames>,
    /// The trees of hosts on which some rule matches whole segments only.
    pub(super) trees: Vec<Arc<SegmentTree>>,
    /// Addresses and ports of SIP rules that demand credentials.
    pub(super) demanded: HashSet<(Address, NonZeroU16), RandomState>,
    pub(super) tenants: Arc<Tenants>,
    /// The tenants of the rules files, as the files define them.
    pub(super) tenants_of_rules: Arc<Tenants>,
    /// The SIP domains of tenants. A credential that Portward makes for a tenant is valid at its domains.
    pub(super) domains: Domains,
    pub(super) files: Vec<PathBuf>,
    /// How much of the table is from the rules files. The rest was made over the API.
    pub(super) base: Base,
}

/// How much of a table is from the rules files. Entries of the API stand behind these.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    names: usize,
    hosts: usize,
    aliases: usize,
    paths: (usize, usize),
    sources: usize,
    presets: usize,
    rules: usize,
    endpoints: usize,
    client_trust: usize,
    treatments: usize,
    protected: usize,
    trees: usize,
    files: usize,
}

const _: () = assert!(size_of::<Entry>() == 64 && size_of::<ServiceRule>() == 48);

/// The host to which a name leads.
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

/// One host. An index is [`NONE`](super::paths::NONE) if there is no entry. The struct fills one cache line, so that a look-up in a large
/// table waits for memory only once here.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Entry {
    pub(super) name: Text,
    /// Its place in [`Table::sources`].
    pub(super) source: u32,
    /// Where the host's rules in [`Table::rules`] begin.
    pub(super) first_rule: u32,
    /// The host's own target, which the paths of presets use.
    pub(super) endpoints: u32,
    pub(super) client_trust: u32,
    pub(super) own: PathSet,
    pub(super) preset: PathSet,
    /// The tree of its rules, if some of them match whole segments only.
    pub(super) tree: u32,
    /// The tenant that it belongs to.
    pub(super) tenant: u32,
    /// The services for which the host has a rule.
    pub(super) ruled: ServiceSet,
    /// The host and its tenant are enabled.
    pub(super) enabled: bool,
    /// The host itself is enabled, whatever its tenant's state is.
    pub(super) own_enabled: bool,
    /// The rules enable the host. An administrator may have changed that.
    pub(super) enabled_by_rules: bool,
    /// There is a rule with `default = true`. It stands among the paths right behind `own`, and so does its source.
    pub(super) default: bool,
    /// The only HTTP rule is the empty path.
    pub(super) only_empty: bool,
}

impl Table {
    /// Whether any SIP rule demands credentials.
    pub fn demands_credentials(&self) -> bool {
        !self.demanded.is_empty()
    }

    /// Whether a SIP rule demands credentials at one of these addresses and this port.
    pub fn demands_at(&self, endpoints: &[Endpoint], port: NonZeroU16) -> bool {
        endpoints.iter().any(|endpoint| self.demanded.contains(&(endpoint.address.clone(), port)))
    }

    /// Notes the target of a rule that demands credentials.
    pub(super) fn note_demand(&mut self, rule: &ServiceRule) {
        if rule.credentials.is_none() {
            return;
        }
        let websocket = rule.websocket.as_ref().map(|onward| onward.ports);
        let ports = [Some(rule.ports.ports()), websocket].into_iter().flatten();
        for port in ports.flat_map(|ports| [ports.tcp, ports.tls]).flatten() {
            let doors = rule.endpoints.iter().map(|endpoint| (endpoint.address.clone(), port));
            self.demanded.extend(doors);
        }
    }

    /// The host of this name, which is in normal form ([`super::name`]). An exact name beats a wildcard, which stands
    /// for exactly one label.
    pub fn host(&self, name: &str) -> Option<Host<'_>> {
        let at = match self.find(name) {
            Some(at) if !name.starts_with('.') => at,
            _ => self.find_wildcard(name)?,
        };
        let entry = self.hosts.get(usize::try_from(at).ok()?)?;
        Some(Host { table: self, at, entry })
    }

    /// The host with exactly this name or alias, in normal form. Unlike [`Self::host`], it finds a wildcard by the
    /// wildcard's own text only, such as `*.example.net`.
    pub fn named(&self, name: &str) -> Option<Host<'_>> {
        self.host(name).filter(|host| host.name() == name || host.aliases().any(|(alias, _)| alias == name))
    }

    /// Enables or disables the host with exactly this name or alias, whatever the rules say. False: there is no such
    /// host.
    pub fn set_enabled(&mut self, name: &str, enabled: bool) -> bool {
        let at = self.named(name).and_then(|host| usize::try_from(host.at).ok());
        let Some(entry) = at.and_then(|at| self.hosts.get_mut(at)) else { return false };
        entry.own_enabled = enabled;
        entry.enabled = enabled && self.tenants.at(entry.tenant).is_none_or(Tenant::is_alive);
        true
    }

    /// Enables and disables the tenants with these ids, whatever the rules say. Everything below them follows. An
    /// unknown id is ignored.
    pub fn set_tenants_enabled<'i>(&mut self, said: impl IntoIterator<Item = (&'i str, bool)>) {
        Arc::make_mut(&mut self.tenants).set_enabled(said);
        for entry in &mut self.hosts {
            entry.enabled = entry.own_enabled && self.tenants.at(entry.tenant).is_none_or(Tenant::is_alive);
        }
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

    /// Protects the fields that `treatment` sets: a client's own copies of them pass on no rule of the table.
    pub(super) fn protect(&mut self, treatment: &Treatment) {
        for field in &treatment.set {
            if !self.protected.contains(field.name.as_bytes()) {
                Arc::make_mut(&mut self.protected).insert(&field.name);
            }
        }
    }

    /// Marks everything that is there now as coming from the rules files.
    pub(super) fn close_base(&mut self) {
        self.tenants_of_rules = Arc::clone(&self.tenants);
        self.base = Base {
            names: self.names.len(),
            hosts: self.hosts.len(),
            aliases: self.aliases.len(),
            paths: self.paths.size(),
            sources: self.sources.len(),
            presets: self.presets.len(),
            rules: self.rules.len(),
            endpoints: self.endpoints.len(),
            client_trust: self.client_trust.len(),
            treatments: self.treatments.len(),
            protected: self.protected.len(),
            trees: self.trees.len(),
            files: self.files.len(),
        };
    }

    /// A copy without the hosts and tenants of the API. The tenants are enabled as the rules say.
    pub fn without_made(&self) -> Self {
        let mut table = self.clone();
        table.tenants = Arc::clone(&self.tenants_of_rules);
        for at in self.base.hosts..self.hosts.len() {
            let host = index(at);
            let name = self.hosts.get(at).map(|entry| entry.name);
            let aliases = aliases_of(&self.aliases, host).map(|alias| alias.name);
            name.into_iter().chain(aliases).for_each(|name| table.leave(name));
        }
        let Base { names, hosts, aliases, paths, presets, rules, endpoints, client_trust, .. } = self.base;
        let Base { sources, treatments, trees, protected, files, .. } = self.base;
        table.names.truncate(names);
        table.hosts.truncate(hosts);
        table.aliases.truncate(aliases);
        table.paths.truncate(paths);
        table.sources.truncate(sources);
        table.presets.truncate(presets);
        table.rules.truncate(rules);
        if !table.demanded.is_empty() {
            table.demanded.clear();
            self.rules.iter().take(rules).for_each(|rule| table.note_demand(rule));
        }
        table.endpoints.truncate(endpoints);
        table.client_trust.truncate(client_trust);
        table.treatments.truncate(treatments);
        if protected < table.protected.len() {
            Arc::make_mut(&mut table.protected).truncate(protected);
        }
        table.trees.truncate(trees);
        table.files.truncate(files);
        table.settle_domains();
        table
    }

    /// Makes room for so many hosts.
    pub(super) fn reserve(&mut self, count: usize) {
        let Self { hasher, slots, names, hosts, .. } = self;
        slots.reserve(count, |slot| hasher.hash_one(slot.key.of(names).unwrap_or_default()));
        hosts.reserve_exact(count);
    }

    /// Removes a name, so that it leads nowhere.
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

    /// The place in the files with this number.
    fn source(&self, at: u32) -> Source {
        usize::try_from(at).ok().and_then(|at| self.sources.get(at)).copied().unwrap_or_default()
    }

    /// Adds places in the files, and returns the number of the first one.
    pub(super) fn add_sources(&mut self, sources: impl IntoIterator<Item = Source>) -> u32 {
        let first = index(self.sources.len());
        self.sources.extend(sources);
        first
    }

    /// The host with this number.
    pub(super) fn at(&self, at: u32) -> Option<Host<'_>> {
        let entry = self.hosts.get(usize::try_from(at).ok()?)?;
        Some(Host { table: self, at, entry })
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

    /// Every tenant.
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The fields that any rule of any host sets toward its target (contract section 9). A client's own copy never
    /// passes, on any rule. `None`: no rule sets a field.
    pub fn protected(&self) -> Option<&Arc<FieldNames>> {
        Some(&self.protected).filter(|names| !names.is_empty())
    }

    /// The tenants of the rules files, as the files define them.
    pub(crate) fn tenants_of_rules(&self) -> &Arc<Tenants> {
        &self.tenants_of_rules
    }

    /// Every distinct list of addresses, once.
    pub fn endpoints(&self) -> impl ExactSizeIterator<Item = &Arc<[Endpoint]>> {
        self.endpoints.iter()
    }

    /// Every distinct `client_trust` of a host, once.
    pub fn client_trusts(&self) -> impl ExactSizeIterator<Item = &Arc<Path>> {
        self.client_trust.iter()
    }

    /// Every htpasswd file that a rule or a tenant names. A file may come several times.
    pub fn login_files(&self) -> impl Iterator<Item = &Arc<Path>> {
        let of_rules = self.treatments.iter().filter_map(|treatment| match &treatment.login {
            Some(Login::File(file)) => Some(file),
            Some(Login::Tenant) | None => None,
        });
        let of_tenants = self.tenants.iter().filter_map(|tenant| match tenant.users() {
            Some(Users::File(file)) => Some(file),
            Some(Users::Lines(_)) | None => None,
        });
        of_rules.chain(of_tenants)
    }

    /// The files, in the order of [`Source::file`].
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The files that were not written over the API.
    pub(crate) fn without_files_of_api(&self) -> &[PathBuf] {
        self.files.get(..self.base.files).unwrap_or(&self.files)
    }

    /// The file of `source`. Empty: the source is not of this table.
    pub fn file(&self, source: Source) -> &Path {
        self.files.get(usize::from(source.file)).map_or(Path::new(""), PathBuf::as_path)
    }
}

/// The key under which a name is entered: a wildcard without its `*`.
pub(super) fn key(name: Text, names: &str) -> Text {
    if name.of(names).is_some_and(|name| name.starts_with('*')) { name.tail() } else { name }
}

/// The aliases of one host. They are found quickly because aliases stand in the order of hosts.
pub(super) fn aliases_of(aliases: &[Alias], host: u32) -> impl Iterator<Item = &Alias> {
    let first = aliases.partition_point(|alias| alias.host < host);
    aliases.get(first..).unwrap_or_default().iter().take_while(move |alias| alias.host == host)
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("hosts", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

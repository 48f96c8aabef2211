//! The state that all connections share. The snapshot of the configuration is replaced as a whole at a reload. `shared`
//! has the state that outlives a reload.
//!
//! `folder` checks whether the folder of `state` can be used. `stored` keeps files there that outlive a restart, among
//! them `secret`, the key of SIP route tokens, and `tokens`, the tokens of the admin API. `overrides` has the hosts
//! that administrators have enabled or disabled. `made` has the hosts and tenants that were made over the API.
//! `lacking` warns of missing parts of the configuration.

pub(crate) mod folder;
mod generation;
mod lacking;
pub(crate) mod made;
pub(crate) mod overrides;
pub(crate) mod secret;
mod shared;
mod stored;
pub(crate) mod tokens;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::config::{Acme, Config, Diagnostic, Diagnostics, Foundation, Severity};
use crate::credentials::LoginFiles;
use crate::files;
use crate::rules::{Endpoint, Host, Table, Tenant};
use crate::tls::{Certificate, ClientTrusts, FilesState, Occasion, ServerTls, UpstreamTls};
pub use generation::Generation;
use lacking::{listens_for_certificates, needs_trust, unprovable, unproven};
use made::tenants::Tenants;
pub use shared::{LastReload, Shared, Worker};

/// Everything that a reload replaces, consistent in itself. It is immutable. Clones share all large parts.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// `portward.toml`.
    pub config: Arc<Config>,
    /// The rules.
    pub table: Arc<Table>,
    /// The table's number, and since when it is in force.
    pub generation: Generation,
    /// Server certificates.
    pub server_tls: Arc<ServerTls>,
    /// TLS on `admin.listen`, if a certificate is configured for it and is there.
    pub admin_tls: Option<Arc<rustls::ServerConfig>>,
    /// TLS toward targets.
    pub upstream_tls: Arc<UpstreamTls>,
    /// The CA certificates for clients.
    pub client_trusts: Arc<ClientTrusts>,
    /// The users of htpasswd files.
    pub login_files: Arc<LoginFiles>,
    /// Our own listening addresses.
    pub listeners: Vec<SocketAddr>,
    /// The state of the files of certificates, keys and trust when they were read.
    pub files_state: FilesState,
    /// The diagnostics about portward.toml, the rules and the overrides, from when they were read.
    said: Arc<Diagnostics>,
    /// The diagnostics about certificates, keys and trust.
    found: Diagnostics,
    /// Warnings about files that are still in use although they are gone.
    gone: Diagnostics,
    /// Files and folders of certificates, keys and trust that could not be read.
    unread: Vec<PathBuf>,
    /// The base on which hosts of the API are made.
    foundation: Arc<Foundation>,
    /// The tenants that were made over the API.
    tenants: Tenants,
    /// Hosts that were removed over the API a short time ago. Their relays end after the drain time.
    removed: Arc<Removed>,
}

/// Hosts and tenants that were removed over the API a short time ago, with the time.
#[derive(Debug, Default)]
struct Removed {
    hosts: HashMap<Arc<str>, Instant>,
    tenants: HashMap<Arc<str>, Instant>,
}

impl Snapshot {
    /// Adds the certificates to a configuration and its rules, and returns their faults. Warnings that do not matter
    /// are left out: those of server certificates without a TLS port, and those of trust without a TLS target.
    /// `previous` is the snapshot in force, if this is a reload.
    pub fn new(config: Config, table: Table, previous: Option<&Self>) -> (Self, Diagnostics) {
        let occasion = previous.map_or(Occasion::Start, |previous| Occasion::Reload(Some(previous)));
        Self::with(Arc::new(config), Arc::new(table), occasion)
    }

    /// The same configuration and rules, with the present contents of the files of certificates, keys and trust. If a
    /// file is missing or cannot be used, its earlier contents stay in use. Errors do not prevent this.
    pub fn renewed(&self) -> (Self, Diagnostics) {
        let (mut renewed, found) =
            Self::with(self.config.clone(), self.table.clone(), Occasion::Noticed(Some(self)));
        renewed.said = Arc::clone(&self.said);
        renewed.foundation = Arc::clone(&self.foundation);
        renewed.removed = Arc::clone(&self.removed);
        renewed.tenants = self.tenants.clone();
        (renewed, found)
    }

    /// The same with `table`, which has the same rules, but other hosts enabled.
    pub(crate) fn with_table(&self, table: Table) -> Self {
        Self { table: Arc::new(table), ..self.clone() }
    }

    /// The same with `table`, which has other hosts of the API. `found` are the diagnostics about them.
    ///
    /// # Errors
    /// Files that the hosts name cannot be used.
    pub(crate) fn with_hosts(&self, table: Table, found: Diagnostics) -> Result<Self, Diagnostics> {
        let mut after = self.with_table(table);
        let trusts = |table: &Table| table.client_trusts().cloned().collect::<BTreeSet<_>>();
        if trusts(&after.table) != trusts(&self.table) {
            let occasion = Occasion::Reload(Some(&*self.client_trusts));
            let known = after.table.client_trusts();
            let (trusts, vouching) = ClientTrusts::load(&self.config.tls.client_trust, known, occasion);
            let problems: Diagnostics = vouching.problems.into_iter().collect();
            if problems.errors() > 0 {
                return Err(problems);
            }
            after.client_trusts = Arc::new(trusts);
        }
        let files = |table: &Table| table.login_files().cloned().collect::<BTreeSet<_>>();
        if files(&after.table) != files(&self.table) {
            let occasion = Occasion::Reload(Some(&*self.login_files));
            let (login_files, problems) = LoginFiles::load(&after.table, occasion);
            if problems.errors() > 0 {
                return Err(problems);
            }
            after.login_files = Arc::new(login_files);
        }
        let mut said = Diagnostics::clone(&self.said);
        for file in [made::file(&self.config.state), Tenants::file(&self.config.state)] {
            said = said.without(&file);
        }
        said.append(found);
        after.said = Arc::new(said);
        after.removed = self.removed_until(&after.table);
        Ok(after)
    }

    /// The same with `table`, which has other tenants of the API. `found` are the diagnostics about them. `None`: the
    /// tenants are the same, but some were enabled or disabled.
    ///
    /// # Errors
    /// As [`Self::with_hosts`].
    pub(crate) fn with_tenants(
        &self,
        table: Table,
        found: Option<Diagnostics>,
        tenants: Tenants,
    ) -> Result<Self, Diagnostics> {
        let after = match found {
            Some(found) => self.with_hosts(table, found)?,
            None => self.with_table(table),
        };
        Ok(Self { tenants, ..after })
    }

    /// Hosts and tenants of the API that are in this snapshot or were removed before, and that `table` does not have.
    /// After the drain time they are forgotten, because their relays have ended.
    fn removed_until(&self, table: &Table) -> Arc<Removed> {
        let now = Instant::now();
        let is_recent = |at: Instant| now.duration_since(at) < self.config.limits.drain_timeout + DRAINED;
        let is_host = |name: &str| table.host(name).is_some_and(|host| host.name() == name);
        let is_tenant = |id: &str| table.tenants().by_id(id).is_some();
        let before = &self.table;
        let hosts = before.iter().filter(|host| host.is_made() && !is_host(host.name()));
        let hosts: Vec<Arc<str>> = hosts.map(|host| host.name().into()).collect();
        let tenants = before.tenants().iter().filter(|tenant| tenant.is_made() && !is_tenant(tenant.id()));
        let tenants: Vec<Arc<str>> = tenants.map(|tenant| tenant.id().into()).collect();
        let Removed { hosts: old_hosts, tenants: old_tenants } = &*self.removed;
        if hosts.is_empty() && tenants.is_empty() && old_hosts.is_empty() && old_tenants.is_empty() {
            return Arc::clone(&self.removed);
        }
        let kept = |old: &HashMap<Arc<str>, Instant>, new: Vec<Arc<str>>, is_there: &dyn Fn(&str) -> bool| {
            let old = old.iter().filter(|(name, at)| is_recent(**at) && !is_there(name));
            let old = old.map(|(name, at)| (Arc::clone(name), *at));
            old.chain(new.into_iter().map(|name| (name, now))).collect()
        };
        Arc::new(Removed {
            hosts: kept(old_hosts, hosts, &is_host),
            tenants: kept(old_tenants, tenants, &is_tenant),
        })
    }

    /// Whether relays to this host end after the drain time. The name is that of the table. The host was disabled, or
    /// removed over the API.
    pub fn withdraws(&self, host: &str) -> bool {
        let is_disabled = self.table.host(host).is_some_and(|host| !host.enabled());
        is_disabled || self.removed.hosts.contains_key(host)
    }

    /// The same for relays that came by a path of this tenant.
    pub fn withdraws_tenant(&self, id: &str) -> bool {
        let is_disabled = self.table.tenants().by_id(id).is_some_and(|tenant| !tenant.is_alive());
        is_disabled || self.removed.tenants.contains_key(id)
    }

    /// Whether relays to some host or tenant must end here but not in `other`, or the other way round.
    fn withdraws_others_than(&self, other: &Self) -> bool {
        let is_other_host = |host: Host<'_>| {
            let before = other.table.host(host.name()).filter(|before| before.name() == host.name());
            before.is_some_and(|before| before.enabled() != host.enabled())
        };
        let is_other_tenant = |tenant: Tenant<'_>| {
            let before = other.table.tenants().by_id(tenant.id());
            before.is_some_and(|before| before.is_alive() != tenant.is_alive())
        };
        !Arc::ptr_eq(&self.removed, &other.removed)
            || self.table.tenants().iter().any(is_other_tenant)
            || self.table.iter().any(is_other_host)
    }

    /// The tenants that were made over the API.
    pub(crate) fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// The base on which hosts of the API are made.
    pub(crate) fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// Keeps the diagnostics about portward.toml and the rules, the base of hosts of the API, and the tenants of the
    /// API.
    pub(crate) fn remember(&mut self, said: Diagnostics, foundation: Arc<Foundation>, tenants: Tenants) {
        self.said = Arc::new(said);
        self.foundation = foundation;
        self.tenants = tenants;
    }

    /// The warnings in force. They are about portward.toml and the rules as they were read, about certificates, keys
    /// and trust as they were read last, and about files that are in use although they are gone. Certificates near
    /// their end are those near it at `now`.
    pub fn warnings(&self, now: OffsetDateTime) -> Diagnostics {
        let mut warnings = Diagnostics::clone(&self.said);
        warnings.append(self.of_certificates(now));
        warnings
    }

    /// The warnings about certificates, keys and trust.
    pub fn of_certificates(&self, now: OffsetDateTime) -> Diagnostics {
        let is_of_then = |one: &&Diagnostic| self.certificates().any(|certificate| certificate.has_said(one));
        let mut found: Diagnostics =
            self.found.list().iter().filter(|one| !is_of_then(one)).cloned().collect();
        found.extend(self.certificates().filter_map(|certificate| certificate.validity_warning(now)));
        found
    }

    /// The warnings about files that are in use although they are gone.
    pub fn gone(&self) -> &Diagnostics {
        &self.gone
    }

    /// Whether a file can be read now that could not be read before.
    pub fn can_read_more(&self) -> bool {
        self.unread.iter().any(|path| is_readable(path))
    }

    /// The addresses that may be dialled: the targets of the rules, and the target of ACME challenges.
    fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let acme = match &self.config.tls.acme {
            Some(Acme::Target { endpoints, .. }) => &**endpoints,
            _ => &[],
        };
        self.table.endpoints().flat_map(|list| list.iter()).chain(acme)
    }

    /// Portward's own certificates: those for clients, and the certificate for targets.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.server_tls.certificates().chain(self.upstream_tls.certificate())
    }

    fn with(config: Arc<Config>, table: Arc<Table>, occasion: Occasion<'_, Self>) -> (Self, Diagnostics) {
        let files_state = FilesState::at(&config, &table);
        let (server_tls, shown) =
            ServerTls::load(&config.tls, occasion.of(|before| Some(&*before.server_tls)));
        let (upstream_tls, trusted) =
            UpstreamTls::load(&config.upstream, occasion.of(|before| Some(&*before.upstream_tls)));
        let (client_trusts, vouching) = ClientTrusts::load(
            &config.tls.client_trust,
            table.client_trusts(),
            occasion.of(|before| Some(&*before.client_trusts)),
        );
        let (login_files, of_logins) =
            LoginFiles::load(&table, occasion.of(|before| Some(&*before.login_files)));
        let problems = || [&shown, &trusted, &vouching].into_iter().flat_map(|found| &found.problems);
        let problems = problems().chain(of_logins.list());
        let unread: BTreeSet<_> = problems.map(|problem| &problem.place.file).collect();
        let unread = unread.into_iter().filter(|path| !is_readable(path)).cloned().collect();
        let mut found = Diagnostics::new();
        let shows = config.listen.listeners.iter().any(|l| l.transport.is_tls());
        let admin_name = config.admin.certificate.as_deref().filter(|_| config.admin.listen.is_some());
        found.extend(relevant(shown.problems, || shows || admin_name.is_some()));
        let admin_tls = admin_name.and_then(|name| server_tls.alone(name, config.tls.min_version));
        if let (Some(name), None) = (admin_name, &admin_tls) {
            found.push(server_tls.no_such(name));
        }
        if shows {
            found.extend(server_tls.uncovered(table.names().map(|(name, _)| name)));
        }
        found.extend(relevant(trusted.problems, || needs_trust(&table, &config)));
        let asks = listens_for_certificates(&config);
        found.extend(asks.then(|| unproven(&table, &config, &client_trusts)).flatten());
        found.extend(relevant(vouching.problems, || asks));
        found.extend(unprovable(&table, &config));
        found.append(of_logins);
        let gone: Diagnostics = [shown.gone, trusted.gone, vouching.gone].into_iter().flatten().collect();
        found.append(gone.clone());
        let snapshot = Self {
            config,
            table,
            generation: Generation::first(),
            server_tls: Arc::new(server_tls),
            admin_tls,
            upstream_tls: Arc::new(upstream_tls),
            client_trusts: Arc::new(client_trusts),
            login_files: Arc::new(login_files),
            listeners: Vec::new(),
            files_state,
            said: Arc::default(),
            found: found.clone(),
            gone,
            unread,
            foundation: Arc::default(),
            tenants: Tenants::default(),
            removed: occasion.before().map(|before| Arc::clone(&before.removed)).unwrap_or_default(),
        };
        (snapshot, found)
    }
}

/// How much longer than the drain time a relay may take to notice that it must end.
const DRAINED: Duration = Duration::from_secs(60);

/// Whether this process can read a file, or look into a folder.
fn is_readable(path: &Path) -> bool {
    if path.is_dir() { fs::read_dir(path).is_ok() } else { files::open(path).is_ok() }
}

/// The errors, and the warnings if they matter. Without warnings `matters` is not asked, because the answer may need a
/// look at every host.
fn relevant(mut problems: Vec<Diagnostic>, matters: impl FnOnce() -> bool) -> Vec<Diagnostic> {
    let is_error = |problem: &Diagnostic| problem.severity == Severity::Error;
    if !problems.iter().all(is_error) && !matters() {
        problems.retain(is_error);
    }
    problems
}

//! The state that all workers share, which outlives a reload, and the state that the connections of one worker share.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Snapshot;
use super::stored::Stored;
use super::tokens::AdminTokens;
use crate::config::{Diagnostic, Diagnostics};
use crate::credentials::nonce::Nonces;
use crate::credentials::remembered::Remembered;
use crate::credentials::verifier::Verifier;
use crate::guard::Guard;
use crate::log::{Level, Log};
use crate::proof::token::Tokens;
use crate::rules::{Address, FAILBACK};
use crate::stats::Stats;
use crate::upstream::{Dialer, Health, Pool, Resolver, State};

/// The result of the last reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When the reload ended.
    pub at: SystemTime,
    /// The sender of the order: a signal, or an administrator.
    pub by: String,
    /// Why the reload was refused. `None`: everything was replaced.
    pub refused: Option<String>,
}

/// The state that all workers share.
#[derive(Debug)]
pub struct Shared {
    /// The configuration in force.
    pub snapshot: ArcSwap<Snapshot>,
    /// Decides which addresses may connect.
    pub guard: Guard,
    /// Writes decision lines and notes.
    pub log: Log,
    /// Resolves DNS names of targets.
    pub resolver: Arc<Resolver>,
    /// The health of targets' addresses.
    pub health: Arc<Health>,
    /// Makes Portward's own entries for the route sets of SIP clients.
    pub sip_tokens: Arc<Tokens>,
    /// Verifies the logins that Portward itself demands.
    pub verifier: Verifier,
    /// The logins that were right a short time ago.
    pub remembered: Remembered,
    /// Makes nonces for challenges to SIP clients.
    pub nonces: Nonces,
    /// The tokens of the admin API.
    pub admin_tokens: Arc<AdminTokens>,
    /// Why the socket or the port of the administration is closed.
    admin_closed: Mutex<BTreeMap<&'static str, Diagnostic>>,
    /// Statistics: counters, live connections, the newest decisions.
    pub stats: Arc<Stats>,
    /// Counts reloads.
    pub reloads: watch::Sender<u64>,
    /// Counts changes that may end a relay.
    changes: AtomicU64,
    /// The drain is over: every tunnel must end.
    over: AtomicBool,
    next_id: AtomicU64,
    last_reload: ArcSwapOption<LastReload>,
    /// The state on disk.
    stored: Stored,
}

impl Shared {
    /// The shared state at the start, for this many workers.
    pub fn new(snapshot: Snapshot, log: Log, workers: u16) -> Self {
        let guard = Guard::default();
        let (stored, tokens) = Stored::of(&snapshot.config.state, &guard);
        let shared = Self {
            sip_tokens: Arc::new(tokens),
            verifier: Verifier::default(),
            remembered: Remembered::new(&super::secret::random()),
            nonces: Nonces::new(&super::secret::random()),
            admin_tokens: Arc::new(AdminTokens::of(&snapshot.config.state)),
            admin_closed: Mutex::default(),
            snapshot: ArcSwap::from_pointee(snapshot),
            stored,
            guard,
            log,
            resolver: Arc::default(),
            health: Arc::default(),
            reloads: watch::Sender::new(0),
            changes: AtomicU64::new(0),
            stats: Arc::new(Stats::of_workers(workers)),
            over: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            last_reload: ArcSwapOption::empty(),
        };
        shared.stats.keep_decisions(shared.snapshot.load().config.admin.decisions);
        shared.watch_names();
        shared
    }

    /// Puts a new snapshot in force. Running connections keep the snapshot that they have.
    pub fn replace(&self, snapshot: Snapshot) {
        self.put(snapshot);
        self.wake_relays();
    }

    /// The same, if only tenants have changed. Relays are woken only if one of them may have to end, or may go on.
    pub(crate) fn replace_beside(&self, snapshot: Snapshot) {
        let before = self.snapshot.load_full();
        self.put(snapshot);
        if self.snapshot.load().withdraws_others_than(&before) {
            self.wake_relays();
        }
    }

    fn put(&self, mut snapshot: Snapshot) {
        let before = self.snapshot.load_full();
        let is_same = Arc::ptr_eq(&before.table, &snapshot.table);
        snapshot.generation = if is_same { before.generation } else { before.generation.next() };
        self.snapshot.store(Arc::new(snapshot));
        self.stats.keep_decisions(self.snapshot.load().config.admin.decisions);
        self.watch_names();
        self.reloads.send_modify(|count| *count += 1);
    }

    /// Notes the result of a reload.
    pub fn note_reload(&self, how: LastReload) {
        self.last_reload.store(Some(Arc::new(how)));
    }

    /// The result of the last reload. `None`: there was none since the start.
    pub fn last_reload(&self) -> Option<Arc<LastReload>> {
        self.last_reload.load_full()
    }

    /// Whether the last reload was refused.
    pub fn was_reload_refused(&self) -> bool {
        self.last_reload().is_some_and(|last| last.refused.is_some())
    }

    /// Makes every tunnel end, because the drain is over.
    pub fn end_tunnels(&self) {
        self.over.store(true, Ordering::Release);
        self.wake_relays();
    }

    /// Makes every relay check whether it may go on.
    fn wake_relays(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.stats.wake_all();
    }

    /// The number of changes so far that may end a relay: a reload, the end of the drain.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether [`Self::end_tunnels`] has been called.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// The number of the next client connection.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Writes a note to the log.
    pub fn note(&self, level: Level, text: &str) {
        self.log.note(self.snapshot.load().config.log.format, level, text);
    }

    /// Reads state that has not been read from the folder of `state`, and writes state that has changed. It logs new
    /// faults and their end. The next call tries again.
    pub fn keep_state(&self) {
        let state = &self.snapshot.load().config.state;
        for (level, text) in self.stored.keep(state, &self.guard, &self.sip_tokens, &self.admin_tokens) {
            self.note(level, &text);
        }
    }

    /// The parts of the state that are not stored, and why, in a few words each.
    pub fn not_stored(&self) -> Vec<String> {
        self.stored.in_short()
    }

    /// The warnings in force: those of the snapshot, parts of the state that are not stored, and a closed
    /// administration.
    pub fn warnings(&self) -> Diagnostics {
        let mut warnings = self.snapshot.load().warnings(OffsetDateTime::now_utc());
        warnings.extend(self.stored.warnings());
        warnings.extend(self.admin_closed().values().cloned());
        warnings
    }

    /// Logs which addresses have changed their state.
    pub fn tell_health(&self) {
        let (changes, lost) = self.health.changes();
        for (address, change) in changes {
            let level = if change.now == State::Down { Level::Warning } else { Level::Info };
            self.note(level, &change.told(address));
        }
        if lost > 0 {
            self.note(Level::Warning, &format!("{lost} more targets have changed their state"));
        }
    }

    /// Notes why `what`, the socket or the port of the administration, is closed. It stands among the warnings until it
    /// is open. `None`: it is open, or is not wanted. Returns whether this is new.
    pub(crate) fn set_admin_closed(&self, what: &'static str, why: Option<Diagnostic>) -> bool {
        let mut closed = self.admin_closed();
        match why {
            Some(why) if closed.get(what) == Some(&why) => false,
            Some(why) => {
                closed.insert(what, why);
                true
            }
            None => closed.remove(what).is_some(),
        }
    }

    /// Why the socket or the port of the administration is closed. `None`: it is open, or is not wanted.
    pub(crate) fn why_admin_closed(&self, what: &str) -> Option<String> {
        self.admin_closed().get(what).map(|why| why.message.clone())
    }

    fn admin_closed(&self) -> MutexGuard<'_, BTreeMap<&'static str, Diagnostic>> {
        self.admin_closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch_names(&self) {
        let snapshot = self.snapshot.load();
        self.resolver.watch(snapshot.endpoints().filter_map(|endpoint| endpoint.address.name()));
    }

    /// Forgets addresses that belong to no target any more.
    pub fn forget_targets(&self) {
        let snapshot = self.snapshot.load();
        let (mut targets, mut longest) = (HashSet::new(), FAILBACK);
        for endpoint in snapshot.endpoints() {
            longest = longest.max(endpoint.options.failback.unwrap_or_default());
            match &endpoint.address {
                Address::Ip(ip) => drop(targets.insert(*ip)),
                Address::Name(name) => {
                    targets.extend(
                        self.resolver.last(name).and_then(Result::ok).iter().flat_map(|ips| ips.iter()),
                    );
                }
            }
        }
        let is_target = |address: SocketAddr| targets.contains(&address.ip());
        self.health.sweep(longest, is_target);
        self.stats.forget_targets(is_target);
    }
}

/// The state that the connections of one thread share.
#[derive(Debug)]
pub struct Worker {
    /// The state that all workers share.
    pub shared: Arc<Shared>,
    /// The worker's number.
    pub number: u16,
    /// Idle target connections.
    pub pool: Pool,
    /// Cancelled when Portward begins to drain.
    pub draining: CancellationToken,
}

impl Worker {
    /// Opens connections under `snapshot`.
    pub fn dialer<'a>(&'a self, snapshot: &'a Snapshot) -> Dialer<'a> {
        Dialer {
            tls: &snapshot.upstream_tls,
            resolver: &self.shared.resolver,
            health: &self.shared.health,
            listeners: &snapshot.listeners,
            timeout: snapshot.config.upstream.connect_timeout,
            counters: self.shared.stats.worker(self.number),
            targets: self.shared.stats.dialled_by(self.number),
        }
    }
}

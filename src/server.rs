//! The server: sockets, worker threads, accepting, reload and drain.
//!
//! This file has start, reload and stop. `listening` decides which sockets are open, `socket` opens them, and `worker`
//! accepts. `upkeep` does background work. `status` makes the line of `systemctl status`. `switch` enables and disables
//! hosts. `hosts` makes and removes hosts over the API. `tenants` does both for tenants. `drain` is the end.
//! `side_thread` is a thread for long work. `pulse` shows whether the workers are alive. `descriptors` raises the limit
//! of open files.
//!
//! Every worker is a thread with a runtime of its own and accepts from every socket. So a connection and both its legs
//! stay on one core from the first byte to the end. The sockets belong to the server: a reload opens and closes them,
//! and a worker only borrows them. Sockets from the service manager are taken over. Our own sockets are given to it to
//! keep, so that a restart refuses no client.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Diagnostic, Diagnostics, Everything, Location};
use crate::confine::Confined;
use crate::log::{Level, Log};
use crate::manager::{Inherited, Manager, Origin};
use crate::state::{LastReload, Shared, Snapshot, folder, made, overrides};

mod closed;
mod control;
mod descriptors;
mod drain;
mod hosts;
mod listening;
mod pulse;
mod serve;
mod side_thread;
mod socket;
mod status;
mod switch;
mod tenants;
mod upkeep;
mod worker;

pub use control::{By, Control, Reloaded, Stopping, SwitchError, Switched};

pub use hosts::{Condition, HostChange, HostChanged, HostUnchanged};
pub(crate) use tenants::TenantAct;
pub use tenants::{TenantChange, TenantUnchanged, TenantsChanged};

use control::Orders;
use listening::{is_at, open, take_over, unused};
use pulse::Pulse;
use socket::Socket;

/// Threads beyond this number would not make it faster.
const MOST_WORKERS: u16 = 1024;
/// How long the manager may take to receive the last messages.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why the server could not start, or why a reload was refused. It is complete: it can be shown as it is.
#[derive(Debug)]
pub struct ServerError {
    /// The text for people.
    pub text: String,
    /// The same for programs, as far as it concerns files.
    pub found: Diagnostics,
}

impl ServerError {
    fn because(text: String) -> Self {
        Self { text, found: Diagnostics::new() }
    }
}

impl From<&Diagnostics> for ServerError {
    fn from(found: &Diagnostics) -> Self {
        Self { text: found.render(false), found: found.clone() }
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for ServerError {}

/// The surroundings in which a server starts.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The service manager.
    pub manager: Manager,
    /// Sockets that were open before the start.
    pub inherited: Vec<Inherited>,
    /// The privileges that the process has given up.
    pub confined: Option<Confined>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    manager: Manager,
    /// The last status that the manager was told.
    told: Mutex<String>,
    control: Control,
    /// The queue of messages, until [`Server::serve`] takes it.
    orders: Mutex<Option<Orders>>,
    pulse: Arc<Pulse>,
    sockets: watch::Sender<Vec<Arc<Socket>>>,
    /// Sockets of a socket unit that are not used at the moment: a TLS port without a certificate.
    spare: Mutex<Vec<Arc<Socket>>>,
    draining: CancellationToken,
    stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Reads the configuration at `path`, opens the sockets and starts the workers. It needs no runtime.
    ///
    /// # Errors
    /// The fault of the configuration, or of a socket.
    pub fn start(path: &Path, log: Log, surroundings: Surroundings) -> Result<Self, ServerError> {
        let Surroundings { manager, inherited, confined } = surroundings;
        manager.starting();
        let descriptors = descriptors::raise_limit();
        let (mut snapshot, found) = read(path, None)?;
        let (before, stale) = take_over(&snapshot, inherited).map_err(ServerError::because)?;
        let (sockets, notes) = open(&snapshot, &before, &stale).map_err(ServerError::because)?;
        snapshot.listeners = own_addresses(&snapshot, &sockets);
        let spare = unused(&before, &sockets);
        let hosts = snapshot.table.len();
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS.into());
        let count = u16::try_from(count).unwrap_or(MOST_WORKERS);
        let shared = Arc::new(Shared::new(snapshot, log, count));
        warn(&shared, &found, &notes);
        descriptors::check(&shared, descriptors);
        if let Some(confined) = &confined {
            let level = if confined.is_complete() { Level::Info } else { Level::Warning };
            shared.note(level, &confined.to_string());
        }
        if let Some(owner) = folder::of_another_user(&shared.snapshot.load().config.state) {
            shared.note(Level::Warning, &owner);
        }
        shared.keep_state();
        let unused = before.iter().filter(|one| one.origin == Origin::Store && !is_at(&sockets, one));
        for address in unused.map(|one| one.listener.address).chain(stale.iter().map(|one| one.address)) {
            manager.forget(address);
        }
        drop(stale);
        for socket in &sockets {
            let again = is_at(&before, socket);
            if !again {
                socket.keep(&manager);
            }
            let how = if again { ", open since before" } else { "" };
            shared.note(Level::Info, &format!("listening on {socket}{how}"));
        }
        let draining = CancellationToken::new();
        let stop = CancellationToken::new();
        let (sockets, _) = watch::channel(sockets);
        let pulse = Arc::new(Pulse::new(count.into(), manager.watchdog()));
        let workers = (0..count)
            .map(|number| worker::start((number, count), &shared, &pulse, &sockets, &draining, &stop))
            .collect::<io::Result<_>>()
            .map_err(|error| ServerError::because(format!("error: cannot start a worker thread: {error}")))?;
        let version = env!("CARGO_PKG_VERSION");
        shared.note(Level::Info, &format!("portward {version} is ready: {hosts} hosts, {count} workers"));
        let path = path.to_owned();
        let spare = Mutex::new(spare);
        let (control, orders) = Control::new();
        let orders = Mutex::new(Some(orders));
        let server = Self {
            path,
            shared,
            manager,
            told: Mutex::default(),
            control,
            orders,
            pulse,
            sockets,
            spare,
            draining,
            stop,
            workers,
        };
        server.tell_ready();
        Ok(server)
    }

    /// The state that all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes orders while the server runs.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Reads everything again and puts it in force, or leaves everything as it is. The manager is told about both.
    ///
    /// # Errors
    /// The fault of the new configuration.
    fn reload(&self, by: By) -> Result<Reloaded, ServerError> {
        self.manager.reloading();
        let outcome = self.replace();
        let refused = outcome.as_ref().err().map(|refused| refused.text.clone());
        self.shared.note_reload(LastReload { at: SystemTime::now(), by: by.to_string(), refused });
        self.tell_ready();
        outcome
    }

    fn replace(&self) -> Result<Reloaded, ServerError> {
        let before = self.shared.snapshot.load_full();
        let (snapshot, found) = read(&self.path, Some(&before))?;
        let hosts = snapshot.table.len();
        if found.errors() > 0 {
            return Err((&found).into());
        }
        self.adopt(snapshot, &found, (Level::Info, &format!("reloaded: {hosts} hosts")))?;
        Ok(Reloaded { before, after: self.shared.snapshot.load_full(), found })
    }

    /// Reads certificates, keys and trust again. Configuration and rules stay as they are.
    fn renew(&self) -> Result<(), ServerError> {
        let (snapshot, found) = self.shared.snapshot.load().renewed();
        let done = match found.errors() {
            0 => (Level::Info, "certificates, keys and trust have changed and were read again"),
            _ => (
                Level::Error,
                "certificates, keys and trust have changed; where files cannot be used, the certificates, keys and trust \
                 in use stay as they are",
            ),
        };
        self.adopt(snapshot, &found, done)
    }

    /// Puts a snapshot in force.
    fn adopt(
        &self,
        mut snapshot: Snapshot,
        found: &Diagnostics,
        (level, done): (Level, &str),
    ) -> Result<(), ServerError> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let open_now = self.sockets.borrow().clone();
        let at_hand: Vec<_> = open_now.iter().chain(spare.iter()).cloned().collect();
        let (sockets, notes) = open(&snapshot, &at_hand, &[]).map_err(ServerError::because)?;
        snapshot.listeners = own_addresses(&snapshot, &sockets);
        self.shared.replace(snapshot);
        warn(&self.shared, found, &notes);
        for socket in sockets.iter().filter(|socket| !open_now.contains(socket)) {
            if !is_at(&at_hand, socket) {
                socket.keep(&self.manager);
            }
            self.shared.note(Level::Info, &format!("listening on {socket}"));
        }
        for socket in open_now.iter().filter(|socket| !sockets.contains(socket)) {
            if !is_at(&sockets, socket) && socket.origin == Origin::Store {
                self.manager.forget(socket.listener.address);
            }
            self.shared.note(Level::Info, &format!("no longer listening on {socket}"));
        }
        *spare = unused(&at_hand, &sockets);
        self.sockets.send_replace(sockets);
        self.shared.note(level, done);
        Ok(())
    }

    /// Stops the workers and everything that still runs on them.
    pub fn stop(self) {
        self.shared.keep_state();
        self.stop.cancel();
        for worker in self.workers {
            let _ = worker.join();
        }
        self.manager.flush(LAST_WORDS);
    }
}

/// Our own listening addresses: those of the services and of the administration.
fn own_addresses(snapshot: &Snapshot, sockets: &[Arc<Socket>]) -> Vec<SocketAddr> {
    let services = sockets.iter().map(|socket| socket.listener.address);
    services.chain(snapshot.config.admin.listen).collect()
}

/// Reads everything: configuration, rules, overrides, certificates. Errors in certificates are among the diagnostics.
/// They prevent a reload, but not a start.
fn read(path: &Path, before: Option<&Snapshot>) -> Result<(Snapshot, Diagnostics), ServerError> {
    let Everything { mut config, mut table, foundation, mut warnings } =
        config::load_all(path).map_err(|found| ServerError::from(&found))?;
    if let Some(before) = before {
        warnings.extend(fixed(path, &mut config, &before.config));
    }
    if let Some(error) = folder::unusable(&config.state) {
        warnings.push(error);
        return Err((&warnings).into());
    }
    let before_table = before.map(|before| &*before.table);
    let ground = made::Ground { foundation: &foundation, config: &config };
    let (mut found, tenants) = made::take(ground, &mut table, before_table);
    found.append(overrides::apply(&config.state, &mut table, before_table));
    let refused = found.errors() > 0;
    warnings.append(found);
    if refused {
        return Err((&warnings).into());
    }
    let (mut snapshot, found) = Snapshot::new(config, table, before);
    snapshot.remember(warnings.clone(), foundation, tenants);
    warnings.append(found);
    Ok((snapshot, warnings))
}

/// Keeps settings that a reload cannot change (contract section 4). The process has confined itself to the folders of
/// its start, and their contents belong to one run.
fn fixed(path: &Path, config: &mut Config, before: &Config) -> Vec<Diagnostic> {
    let keep = |key: &str, now: &mut PathBuf, before: &Path| {
        let wanted = std::mem::replace(now, before.to_owned());
        let message = format!(
            "{} can be written to after a restart only: `{key}` stays {} until then",
            wanted.display(),
            before.display()
        );
        (wanted != before).then(|| Diagnostic::warning(message, Location::whole(path)))
    };
    let state = keep("state", &mut config.state, &before.state);
    let socket = keep("admin.socket", &mut config.admin.socket, &before.admin.socket);
    state.into_iter().chain(socket).collect()
}

fn warn(shared: &Shared, found: &Diagnostics, notes: &[String]) {
    if !found.is_empty() {
        shared.note(Level::Warning, found.render(false).trim_end());
    }
    notes.iter().for_each(|note| shared.note(Level::Warning, note));
}

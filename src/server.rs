//! The server: sockets, worker threads, the door, reload and drain.
//!
//! Every worker is a thread with a runtime of its own and accepts from every socket, so a connection lives on one
//! core from its first byte to its end, and both its legs with it. The sockets themselves belong to the server: a
//! reload opens and closes them, a worker only borrows. What the service manager passes is taken over, and what we
//! open ourselves is given to it to keep, so that a restart refuses nobody.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Diagnostics, Everything};
use crate::confine::Confined;
use crate::conn::{self, Accepted, Facts};
use crate::guard::{kept, unix_now};
use crate::log::{Level, Log};
use crate::manager::{Inherited, Manager, Origin};
use crate::service::Transport;
use crate::state::{Shared, Snapshot, Worker};
use crate::tls::{Look, Reminder};

mod pulse;
mod socket;

use pulse::Pulse;
use socket::Socket;

/// How often kept target connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// How often refused addresses are summed up.
const SUMMARY: Duration = Duration::from_secs(60);
/// How often the files of certificates, keys and trust are looked at.
const GLANCE: Duration = Duration::from_secs(2);
/// How many connections are accepted in a row.
const BURST: u32 = 8;
/// How often the blacklist is written, if it has changed.
const KEEP: Duration = Duration::from_secs(5);
/// Descriptors that are no connection's.
const SPARE: u64 = 256;
/// How often the manager is told how the end comes on.
const PROGRESS: Duration = Duration::from_secs(1);
/// How long to wait before accepting again when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);

/// Why the server could not start, or a reload was refused. Complete: it can be shown as it is.
#[derive(Debug)]
pub struct Refused {
    /// For people.
    pub text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// What a server stands in.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Who is told how it goes.
    pub manager: Manager,
    /// Sockets that were open before.
    pub inherited: Vec<Inherited>,
    /// What the process has given up.
    pub confined: Option<Confined>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    shared: Arc<Shared>,
    manager: Manager,
    confined: Option<Confined>,
    pulse: Arc<Pulse>,
    sockets: watch::Sender<Vec<Arc<Socket>>>,
    /// Sockets of a socket unit for which there is no use just now: a TLS port without a certificate.
    spare: Mutex<Vec<Arc<Socket>>>,
    draining: CancellationToken,
    stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Reads the configuration at `path`, opens the sockets and starts the workers. Needs no runtime.
    ///
    /// # Errors
    /// What is wrong with the configuration, or with a socket.
    pub fn start(path: &Path, log: Log, surroundings: Surroundings) -> Result<Self, Refused> {
        let Surroundings { manager, inherited, confined } = surroundings;
        manager.starting();
        let descriptors = raise_descriptor_limit();
        let (mut snapshot, found) = read(path, None)?;
        let refused = |text| Refused { text };
        let before = take_over(&snapshot, inherited, &manager).map_err(refused)?;
        let (sockets, notes) = open(&snapshot, &before).map_err(refused)?;
        snapshot.listeners = sockets.iter().map(|socket| socket.listener.address).collect();
        let spare = unused(&before, &sockets);
        let hosts = snapshot.table.len();
        let shared = Arc::new(Shared::new(snapshot, log));
        warn(&shared, &found, &notes);
        check_descriptors(&shared, descriptors);
        if let Some(confined) = &confined {
            let level = if confined.is_complete() { Level::Info } else { Level::Warning };
            shared.note(level, &confined.to_string());
        }
        let kept = kept::read(&shared.snapshot.load().config.state, unix_now());
        shared.guard.blacklist().restore(kept.entries);
        kept.warning.iter().for_each(|warning| shared.note(Level::Warning, warning));
        for socket in
            before.iter().filter(|socket| socket.origin == Origin::Store && !is_at(&sockets, socket))
        {
            manager.forget(socket.listener.address);
        }
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
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let pulse = Arc::new(Pulse::new(count, manager.watchdog()));
        let workers = (0..count)
            .map(|number| start_worker(number, &shared, &pulse, &sockets, &draining, &stop))
            .collect::<io::Result<_>>()
            .map_err(|error| Refused { text: format!("error: cannot start a worker thread: {error}") })?;
        let version = env!("CARGO_PKG_VERSION");
        shared.note(Level::Info, &format!("portward {version} is ready: {hosts} hosts, {count} workers"));
        let path = path.to_owned();
        let spare = Mutex::new(spare);
        let server = Self { path, shared, manager, confined, pulse, sockets, spare, draining, stop, workers };
        server.manager.ready(&server.status());
        Ok(server)
    }

    /// What all connections share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Reads everything again and puts it in place, or leaves everything as it is. The manager hears of both.
    ///
    /// # Errors
    /// What is wrong with the new configuration.
    pub fn reload(&self) -> Result<(), Refused> {
        self.manager.reloading();
        let outcome = self.replace();
        let refused = if outcome.is_err() { "; the last reload was refused" } else { "" };
        self.manager.ready(&format!("{}{refused}", self.status()));
        outcome
    }

    fn replace(&self) -> Result<(), Refused> {
        let before = self.shared.snapshot.load_full();
        let (snapshot, found) = read(&self.path, Some(&before))?;
        let hosts = snapshot.table.len();
        self.adopt(snapshot, &found, &format!("reloaded: {hosts} hosts"))?;
        self.warn_of_reach();
        Ok(())
    }

    /// Folders to write to are fixed at the start.
    fn warn_of_reach(&self) {
        let config = &self.shared.snapshot.load().config;
        let beyond = |confined: &Confined| confined.out_of_reach(&config.state, &config.admin.socket);
        for folder in self.confined.as_ref().map(beyond).unwrap_or_default() {
            let text = format!(
                "{} can be written to after a restart only: Portward has confined itself to the folders of `state` and \
                 `admin.socket` that it started with",
                folder.display()
            );
            self.shared.note(Level::Warning, &text);
        }
    }

    /// Reads certificates, keys and trust again, and leaves configuration and rules as they are.
    fn renew(&self) -> Result<(), Refused> {
        let (snapshot, found) = self.shared.snapshot.load().renewed();
        self.adopt(snapshot, &found, "certificates, keys and trust have changed and were read again")
    }

    /// Puts a snapshot in place, if there is no error in it.
    fn adopt(&self, mut snapshot: Snapshot, found: &Diagnostics, done: &str) -> Result<(), Refused> {
        if found.errors() > 0 {
            return Err(refused(found));
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let open_now = self.sockets.borrow().clone();
        let at_hand: Vec<_> = open_now.iter().chain(spare.iter()).cloned().collect();
        let (sockets, notes) = open(&snapshot, &at_hand).map_err(|text| Refused { text })?;
        snapshot.listeners = sockets.iter().map(|socket| socket.listener.address).collect();
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
        self.shared.note(Level::Info, done);
        Ok(())
    }

    /// For `systemctl status`.
    fn status(&self) -> String {
        let hosts = self.shared.snapshot.load().table.len();
        format!("serving {hosts} hosts on {} sockets", self.sockets.borrow().len())
    }

    /// Works in the background until it is dropped: DNS, certificates that change or expire, old failures, summaries.
    pub async fn maintain(&self) {
        let resolving = self.shared.resolver.clone().run();
        let housekeeping = async {
            let mut reminder = Reminder::default();
            // What is near its end now was said when it was read.
            let _ = reminder.due(self.shared.snapshot.load().certificates(), OffsetDateTime::now_utc());
            loop {
                tokio::time::sleep(SUMMARY).await;
                self.shared.guard.sweep();
                let due = reminder.due(self.shared.snapshot.load().certificates(), OffsetDateTime::now_utc());
                due.iter().for_each(|line| self.shared.note(Level::Warning, line));
                self.shared.health.sweep();
                self.shared.guard.summary().iter().for_each(|line| self.shared.note(Level::Info, line));
                self.shared.log.confess(self.shared.snapshot.load().config.log.format);
            }
        };
        let administration = crate::admin::serve(self.shared.clone());
        let (files, blacklist, watchdog) = (self.watch_files(), self.keep_blacklist(), self.feed_watchdog());
        tokio::join!(resolving, housekeeping, files, blacklist, administration, watchdog);
    }

    /// Notices that files of certificates, keys and trust have changed, and reads them when they have come to rest: a
    /// certificate and its key are two files. What cannot be used is complained of once, and everything stays as it is.
    async fn watch_files(&self) {
        let (mut last, mut refused) = (self.shared.snapshot.load().look, None);
        loop {
            tokio::time::sleep(GLANCE).await;
            let (now, known) = {
                let snapshot = self.shared.snapshot.load();
                (Look::at(&snapshot.config, &snapshot.table), snapshot.look)
            };
            let at_rest = std::mem::replace(&mut last, now) == now;
            if now == known || !at_rest || refused == Some(now) {
                continue;
            }
            if let Err(error) = self.renew() {
                refused = Some(now);
                let text = format!(
                    "{}\nthe certificates, keys and trust in use stay as they are",
                    error.text.trim_end()
                );
                self.shared.note(Level::Error, &text);
            }
        }
    }

    /// Writes the blacklist to disk when it has changed. Where that fails a warning says so once, until it works again.
    async fn keep_blacklist(&self) {
        let mut complained = false;
        loop {
            tokio::time::sleep(KEEP).await;
            self.shared.guard.sweep_rates();
            if !self.shared.guard.blacklist().take_changed() {
                continue;
            }
            let shared = self.shared.clone();
            let written = tokio::task::spawn_blocking(move || write_blacklist(&shared)).await;
            let error = written.ok().and_then(Result::err);
            if let Some(error) = error.as_ref().filter(|_| !complained) {
                self.shared.note(Level::Warning, &format!("the blacklist cannot be kept on disk: {error}"));
            }
            complained = error.is_some();
        }
    }

    /// Tells the manager that we are alive, for as long as every worker is.
    async fn feed_watchdog(&self) {
        let Some(interval) = self.pulse.interval() else { return };
        let mut said = false;
        loop {
            match self.pulse.stalled() {
                None => self.manager.alive(),
                Some(number) if !said => {
                    said = true;
                    let text = format!("worker {number} does not answer: the watchdog is not fed any more");
                    self.shared.note(Level::Error, &text);
                }
                Some(_) => {}
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Stops accepting, lets what runs come to its end within `limits.drain_timeout`. The manager keeps the sockets:
    /// who connects meanwhile waits for the next run.
    pub async fn drain(&self) {
        let timeout = self.shared.snapshot.load().config.limits.drain_timeout;
        self.sockets.send_replace(Vec::new());
        self.draining.cancel();
        let deadline = Instant::now() + timeout;
        tokio::select! {
            () = self.drained(deadline) => {}
            () = self.feed_watchdog(), if self.pulse.interval().is_some() => {}
        }
        match self.shared.guard.connections() {
            0 => self.shared.note(Level::Info, "stopped: every connection had ended"),
            1 => self.shared.note(Level::Warning, "stopped: 1 connection was cut off"),
            left => self.shared.note(Level::Warning, &format!("stopped: {left} connections were cut off")),
        }
    }

    /// Waits until the last connection has ended, or until `deadline`.
    async fn drained(&self, deadline: Instant) {
        let mut tell = Instant::now();
        loop {
            let (now, connections) = (Instant::now(), self.shared.guard.connections());
            if connections == 0 || now >= deadline {
                return;
            }
            if now >= tell {
                tell = now + PROGRESS;
                let left = deadline.saturating_duration_since(now);
                let status = format!("draining: {connections} connections, {} s left", left.as_secs());
                self.manager.stopping(left, &status);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the workers and whatever still runs on them.
    pub fn stop(self) {
        if self.shared.guard.blacklist().take_changed()
            && let Err(error) = write_blacklist(&self.shared)
        {
            self.shared.note(Level::Warning, &format!("the blacklist cannot be kept on disk: {error}"));
        }
        self.stop.cancel();
        for worker in self.workers {
            let _ = worker.join();
        }
    }
}

/// Reads everything: configuration, rules, certificates. Errors of certificates are among the diagnostics: they stop a
/// reload, but not a start.
fn read(path: &Path, before: Option<&Snapshot>) -> Result<(Snapshot, Diagnostics), Refused> {
    let Everything { config, table, mut warnings } =
        config::load_all(path).map_err(|found| refused(&found))?;
    let (snapshot, found) = Snapshot::new(config, table, before);
    warnings.append(found);
    Ok((snapshot, warnings))
}

fn refused(found: &Diagnostics) -> Refused {
    Refused { text: found.render(false) }
}

fn warn(shared: &Shared, found: &Diagnostics, notes: &[String]) {
    if !found.is_empty() {
        shared.note(Level::Warning, found.render(false).trim_end());
    }
    notes.iter().for_each(|note| shared.note(Level::Warning, note));
}

/// The inherited sockets for which the configuration has a use, now or when a certificate comes. The store's others are
/// closed: their ports were taken out of portward.toml meanwhile. A socket unit's others are a contradiction.
fn take_over(
    snapshot: &Snapshot,
    inherited: Vec<Inherited>,
    manager: &Manager,
) -> Result<Vec<Arc<Socket>>, String> {
    let listeners = &snapshot.config.listen.listeners;
    let (mut sockets, mut errors) = (Vec::new(), Vec::new());
    for one in inherited {
        let (address, origin) = (one.address, one.origin);
        match listeners.iter().find(|listener| listener.address == address) {
            Some(listener) => match Socket::inherit(*listener, one) {
                Ok(socket) => sockets.push(Arc::new(socket)),
                Err(error) => errors.push(socket::complaint(listener, &error)),
            },
            None if origin == Origin::Store => manager.forget(address),
            None => errors.push(format!(
                "error: a socket on {address} was passed by LISTEN_FDS, but [listen] has no such address\n  \
                 help: make the socket unit's ListenStream= and portward.toml say the same, or disable the socket unit"
            )),
        }
    }
    if errors.is_empty() { Ok(sockets) } else { Err(errors.join("\n")) }
}

/// Whether one of `list` listens where `socket` does.
fn is_at(list: &[Arc<Socket>], socket: &Socket) -> bool {
    list.iter().any(|other| other.listener.address == socket.listener.address)
}

/// A socket unit's sockets among `at_hand` that none of `sockets` uses: they cannot be opened again, so they wait.
fn unused(at_hand: &[Arc<Socket>], sockets: &[Arc<Socket>]) -> Vec<Arc<Socket>> {
    at_hand.iter().filter(|one| one.origin == Origin::Unit && !is_at(sockets, one)).cloned().collect()
}

/// The sockets that a snapshot wants: those that are open already are taken over, whatever was spoken there before.
/// With them come warnings.
fn open(snapshot: &Snapshot, open: &[Arc<Socket>]) -> Result<(Vec<Arc<Socket>>, Vec<String>), String> {
    let (config, tls) = (&snapshot.config, &snapshot.server_tls);
    let (mut sockets, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for listener in &config.listen.listeners {
        if listener.transport == Transport::Tls && tls.acceptor(listener.service).is_none() {
            continue; // its own warning comes with the certificates
        }
        if let Some(socket) = open.iter().find(|socket| socket.listener.address == listener.address) {
            let is_same = socket.listener == *listener;
            sockets.push(if is_same { socket.clone() } else { Arc::new(socket.speaking(*listener)) });
            continue;
        }
        match Socket::open(*listener) {
            Ok(socket) => sockets.push(Arc::new(socket)),
            Err(error) if listener.address.is_ipv6() && socket::no_such_family(&error) => {
                notes.push(format!("no IPv6 in this kernel: {} stays closed", listener.address));
            }
            Err(error) => errors.push(socket::complaint(listener, &error)),
        }
    }
    if errors.is_empty() { Ok((sockets, notes)) } else { Err(errors.join("\n")) }
}

/// A thread with a runtime, accepting from every socket.
fn start_worker(
    number: usize,
    shared: &Arc<Shared>,
    pulse: &Arc<Pulse>,
    sockets: &watch::Sender<Vec<Arc<Socket>>>,
    draining: &CancellationToken,
    stop: &CancellationToken,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worker = Arc::new(Worker {
        shared: shared.clone(),
        pool: crate::upstream::Pool::default(),
        draining: draining.child_token(),
    });
    let (sockets, stop, pulse) = (sockets.subscribe(), stop.clone(), pulse.clone());
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = stop.cancelled() => {}
                () = accept_from(sockets, &worker) => {}
                () = sweep(&worker) => {}
                () = pulse.beat(number) => {}
            }
        });
        worker.pool.clear();
        runtime.shutdown_background();
    })
}

async fn sweep(worker: &Worker) {
    loop {
        tokio::time::sleep(SWEEP).await;
        worker.pool.sweep();
    }
}

/// Accepts from the sockets that are open, whichever those are just now.
async fn accept_from(mut sockets: watch::Receiver<Vec<Arc<Socket>>>, worker: &Arc<Worker>) {
    let mut accepting: HashMap<crate::config::Listener, tokio::task::JoinHandle<()>> = HashMap::new();
    loop {
        let wanted = sockets.borrow_and_update().clone();
        accepting.retain(|listener, task| {
            let stays = wanted.iter().any(|socket| socket.listener == *listener);
            if !stays {
                task.abort();
            }
            stays
        });
        for socket in wanted {
            accepting
                .entry(socket.listener)
                .or_insert_with(|| tokio::spawn(accept(socket.clone(), worker.clone())));
        }
        if sockets.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// The door: the guard first, before a byte is read.
async fn accept(socket: Arc<Socket>, worker: Arc<Worker>) {
    let listener = match socket.share() {
        Ok(listener) => listener,
        Err(error) => {
            return worker.shared.note(Level::Error, &format!("cannot accept on {socket}: {error}"));
        }
    };
    let socket::Socket { listener: kind, .. } = *socket;
    drop(socket);
    let is_exact = !kind.address.ip().is_unspecified();
    let mut burst = 0_u32;
    loop {
        burst = burst.wrapping_add(1);
        if burst.is_multiple_of(BURST) {
            // Whoever has been let in comes first: in a flood a phone's message would wait behind thousands of strangers.
            tokio::task::yield_now().await;
        }
        let (tcp, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            // The client has gone again; or there is no descriptor left, and trying at once would spin.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(_) => {
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let peer = std::net::SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let snapshot = worker.shared.snapshot.load();
        let config = &snapshot.config;
        let expects_proxy_header = config.proxy_protocol_from(peer.ip());
        let guard = &worker.shared.guard;
        let admitted =
            if expects_proxy_header { guard.admit_any(config) } else { guard.admit(peer.ip(), config) };
        let permit = match admitted {
            Ok(permit) => permit,
            Err(reason) => {
                guard.note_refused(peer.ip(), reason);
                continue;
            }
        };
        let facts = Facts {
            id: worker.shared.next_id(),
            client: peer,
            local: if is_exact { kind.address } else { tcp.local_addr().unwrap_or(kind.address) },
            service: kind.service,
            transport: kind.transport,
            since: Instant::now(),
        };
        drop(snapshot);
        tokio::spawn(conn::serve(Accepted { tcp, facts, permit, expects_proxy_header }, worker.clone()));
    }
}

fn write_blacklist(shared: &Shared) -> io::Result<()> {
    let entries = shared.guard.blacklist().entries(unix_now(), usize::MAX);
    kept::write(&shared.snapshot.load().config.state, &entries)
}

/// Two descriptors a connection, and some for files, sockets and kept connections.
fn check_descriptors(shared: &Shared, descriptors: Option<u64>) {
    let connections = shared.snapshot.load().config.limits.max_connections;
    let wanted = u64::from(connections) * 2 + SPARE;
    if let Some(there) = descriptors.filter(|there| *there < wanted) {
        let text = format!(
            "limits.max_connections is {connections}, which takes {wanted} file descriptors, but there are {there}: \
             connections will have to wait; raise LimitNOFILE of the unit, or lower max_connections"
        );
        shared.note(Level::Warning, &text);
    }
}

/// The soft limit of descriptors is raised to the hard one, which is returned; `None`: there is none.
fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current
}

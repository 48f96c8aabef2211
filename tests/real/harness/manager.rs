//! A service manager: it gets the daemon's messages (sd_notify(3)), keeps its sockets, and passes them to the next
//! daemon (sd_listen_fds(3)), as systemd does.

use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use tempfile::TempDir;

use super::eventually;

/// Moves the descriptors that are named before `--` to 3 and so on, and executes the program after it.
const PASS: &str = r#"
number=3
while [ "$1" != -- ]; do eval "exec $number<&$1 $1<&-"; number=$((number + 1)); shift; done
shift
export LISTEN_PID=$$ LISTEN_FDS=$((number - 3))
exec "$@"
"#;
/// A descriptor above all that the daemon's start uses, so that moving one never closes another.
const HIGH: RawFd = 100;

/// A manager that receives messages until it is dropped.
pub struct ServiceManager {
    dir: TempDir,
    heard: Arc<Mutex<Vec<String>>>,
    store: Arc<Mutex<Vec<(String, OwnedFd)>>>,
    watchdog: Mutex<Option<u64>>,
}

impl ServiceManager {
    /// A manager with an empty store.
    pub fn start() -> Arc<Self> {
        let (this, socket) = Self::silent();
        this.listen(socket);
        this
    }

    /// A manager that does not read its messages yet. The socket is for [`Self::listen`].
    pub fn silent() -> (Arc<Self>, UnixDatagram) {
        let dir = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        // As with systemd's, a service of any user can reach it.
        for path in [dir.path().to_owned(), dir.path().join("notify")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        let this =
            Arc::new(Self { dir, heard: Arc::default(), store: Arc::default(), watchdog: Mutex::new(None) });
        (this, socket)
    }

    /// Fills the kernel's buffer of a manager that does not read. The next sender must wait.
    pub fn fill(&self) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"STATUS=filled\n", self.socket()).is_ok() {}
    }

    /// Starts reading.
    pub fn listen(&self, socket: UnixDatagram) {
        let (heard, store) = (Arc::clone(&self.heard), Arc::clone(&self.store));
        thread::spawn(move || {
            while let Some((said, sockets)) = receive(&socket) {
                apply(&said, sockets, &mut store.lock().unwrap());
                heard.lock().unwrap().push(said);
            }
        });
    }

    /// From the next start on the manager wants a sign of life within that many microseconds.
    pub fn watch(&self, micros: u64) {
        *self.watchdog.lock().unwrap() = Some(micros);
    }

    /// The number of messages so far.
    pub fn mark(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// Every message after `mark`, with its lines in order.
    pub fn heard_since(&self, mark: usize) -> Vec<String> {
        self.heard.lock().unwrap().get(mark..).unwrap_or_default().to_vec()
    }

    /// Waits for a message after `mark` that contains all of `parts`.
    pub fn hears_after(&self, mark: usize, parts: &[&str]) -> String {
        let mut found = None;
        eventually(&format!("the manager hears {parts:?}"), || {
            found =
                self.heard_since(mark).into_iter().find(|said| parts.iter().all(|part| said.contains(part)));
            found.is_some()
        });
        found.unwrap()
    }

    /// Waits until the store has exactly these sockets.
    pub fn stores(&self, names: &[&str]) {
        let mut wanted: Vec<_> = names.iter().map(ToString::to_string).collect();
        wanted.sort();
        eventually(&format!("the store holds {wanted:?}"), || {
            let mut there: Vec<_> = self.store.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
            there.sort();
            there == wanted
        });
    }

    /// Puts a socket into the store as if a socket unit had opened it.
    pub fn pass(&self, name: &str, socket: impl Into<OwnedFd>) {
        self.store.lock().unwrap().push((name.to_owned(), socket.into()));
    }

    /// A command for `program` with the store's sockets. The returned copies are for the child. Drop them after the
    /// start.
    pub fn command(&self, program: &str) -> (Command, Vec<OwnedFd>) {
        let store = self.store.lock().unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", PASS, "manager"]);
        let mut copies = Vec::new();
        for (_, socket) in store.iter() {
            let copy = fcntl_dupfd_cloexec(socket.as_fd(), HIGH).unwrap();
            fcntl_setfd(&copy, FdFlags::empty()).unwrap();
            command.arg(copy.as_raw_fd().to_string());
            copies.push(copy);
        }
        let names: Vec<_> = store.iter().map(|(name, _)| name.as_str()).collect();
        command.env("LISTEN_FDNAMES", names.join(":")).env("NOTIFY_SOCKET", self.socket());
        if let Some(micros) = *self.watchdog.lock().unwrap() {
            command.env("WATCHDOG_USEC", micros.to_string());
        }
        command.args(["--", program]);
        (command, copies)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("notify")
    }
}

/// Receives one message, with its descriptors.
fn receive(socket: &UnixDatagram) -> Option<(String, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut beside, flags).ok()?;
    let mut sockets = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors);
        }
    }
    Some((String::from_utf8_lossy(&text[..got.bytes]).into_owned(), sockets))
}

/// FDSTORE=1 adds sockets, FDSTOREREMOVE=1 removes those with a name.
fn apply(said: &str, sockets: Vec<OwnedFd>, store: &mut Vec<(String, OwnedFd)>) {
    let named = said.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    if said.lines().any(|line| line == "FDSTORE=1") {
        store.extend(sockets.into_iter().map(|socket| (named.to_owned(), socket)));
    }
    if said.lines().any(|line| line == "FDSTOREREMOVE=1") {
        store.retain(|(name, _)| name != named);
    }
}

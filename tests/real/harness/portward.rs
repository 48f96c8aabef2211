//! The real program, as a daemon and as a command.

use std::collections::BTreeMap;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;

use super::{Child, Namespace, ServiceManager, TestCa, Wire, eventually, free_port, program};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_portward");

/// A user and a group that no machine has.
pub const OTHER: u32 = 64_321;

/// A configuration in a folder of its own. Change it, then call [`Setup::start`].
pub struct Setup {
    dir: TempDir,
    settings: BTreeMap<String, String>,
    certificates: Vec<(String, Vec<String>)>,
    surroundings: Surroundings,
    as_user: bool,
    ports: BTreeMap<&'static str, u16>,
}

/// The surroundings in which it is started.
enum Surroundings {
    Usual,
    OneProcessor,
    Descriptors(u32),
    /// In the folder of its configuration, with the configuration as a bare file name.
    Folder,
    /// In the network namespace of a process.
    Namespace(String),
    Manager(Arc<ServiceManager>),
}

impl Setup {
    /// Sets a value, given in TOML, for a dotted key.
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.settings.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Runs on one processor. So there is one worker, and every client can use every kept connection to a target.
    pub fn one_worker(mut self) -> Self {
        self.surroundings = Surroundings::OneProcessor;
        self
    }

    /// Gives it this many file descriptors.
    pub fn descriptors(mut self, count: u32) -> Self {
        self.surroundings = Surroundings::Descriptors(count);
        self
    }

    /// Runs it in the folder of its configuration, with the configuration as a bare file name.
    pub fn relative(mut self) -> Self {
        self.surroundings = Surroundings::Folder;
        self
    }

    /// Runs under a service manager, which keeps its sockets from one start to the next.
    pub fn under(mut self, manager: &Arc<ServiceManager>) -> Self {
        self.surroundings = Surroundings::Manager(Arc::clone(manager));
        self
    }

    /// Runs it as a user other than root, who owns everything in the folder. If the tests run as root this is
    /// [`OTHER`], otherwise it is the user of the tests.
    pub fn unprivileged(mut self) -> Self {
        self.as_user = true;
        self
    }

    /// Runs it in a network namespace. There [`Portward::http`] and similar ports cannot be reached from outside.
    pub fn inside(mut self, namespace: &Namespace) -> Self {
        self.surroundings = Surroundings::Namespace(namespace.pid());
        self
    }

    /// Also listens for a service, given by its key under `[listen]`. The port is [`Portward::port`].
    pub fn listen(mut self, service: &'static str) -> Self {
        let port = free_port();
        self.ports.insert(service, port);
        self.set(&format!("listen.{service}"), &format!("\"127.0.0.1:{port}\""))
            .set("log.forwarded", "\"all\"")
    }

    /// Adds a server certificate NAME.crt of the shared test CA. The first one replaces the usual certificate.
    pub fn certificate(mut self, name: &str, names: &[&str]) -> Self {
        self.certificates.push((name.to_owned(), names.iter().map(|name| (*name).to_owned()).collect()));
        self
    }

    /// The folder of all its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes the files for the other commands, without starting a daemon. Returns the configuration's file.
    pub fn write(&self) -> PathBuf {
        self.write_with(free_port(), free_port())
    }

    /// Starts the daemon and expects it to end by itself. Returns its exit code and its output.
    pub fn fails_to_start(&self, config: &Path) -> (Option<i32>, String) {
        let (mut daemon, _copies) = self.command();
        let mut child = Child::start(daemon.args(["run", "--config"]).arg(config));
        let status = child.wait();
        (status.code(), child.lines().join("\n"))
    }

    /// Starts the daemon and waits until it listens.
    pub fn start(self) -> Portward {
        for _ in 0..5 {
            let (http, https) = (free_port(), free_port());
            let file = self.write_with(http, https);
            let (mut daemon, copies) = self.command();
            let named = match self.surroundings {
                Surroundings::Folder => Path::new("portward.toml"),
                _ => &file,
            };
            let mut child = Child::start(daemon.args(["run", "--config"]).arg(named));
            drop(copies);
            // Its own message is enough. A connection that tests whether it listens would leave lines in its log.
            let mut ended = None;
            eventually("portward listens", || {
                ended = child.ended();
                ended.is_some() || child.lines().iter().any(|line| line.contains(" is ready: "))
            });
            if ended.is_none() {
                return Portward { http, https, child: Mutex::new(child), setup: self };
            }
            let lines = child.lines().join("\n");
            assert!(lines.contains("in use"), "portward ended:\n{lines}");
        }
        panic!("no free port for portward");
    }

    /// The command that starts the program, and the sockets for it.
    fn command(&self) -> (Command, Vec<OwnedFd>) {
        let other = (self.as_user && geteuid().is_root()).then(|| as_other(self.dir()));
        let program = other.as_deref().unwrap_or(PROGRAM);
        let command = match &self.surroundings {
            Surroundings::Usual => Command::new(program),
            Surroundings::OneProcessor => on_one_processor(),
            Surroundings::Descriptors(count) => with_descriptors(*count),
            Surroundings::Folder => in_folder(self.dir()),
            Surroundings::Namespace(pid) => in_namespace(pid),
            Surroundings::Manager(manager) => return manager.command(program),
        };
        (command, Vec::new())
    }

    fn write_with(&self, http: u16, https: u16) -> PathBuf {
        let dir = self.dir.path();
        let usual = [("server".to_owned(), vec!["*.example.net".to_owned(), "example.net".to_owned()])];
        let certificates = if self.certificates.is_empty() { usual.as_slice() } else { &self.certificates };
        for (name, names) in certificates {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            TestCa::shared().issue(&names).write(&dir.join("certs"), name);
        }
        TestCa::shared().write(&dir.join("ca.crt"));
        let mut text = String::new();
        for (key, value) in &self.settings {
            let value =
                value.replace("HTTPS_PORT", &https.to_string()).replace("HTTP_PORT", &http.to_string());
            text += &format!("{key} = {value}\n");
        }
        let file = dir.join("portward.toml");
        fs::write(&file, text).unwrap();
        file
    }
}

/// The program, on the first processor that the tests may use.
fn on_one_processor() -> Command {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let first = allowed.trim().split([',', '-']).next().unwrap();
    let mut command = Command::new(program("taskset", "util-linux"));
    command.args(["--cpu-list", first, PROGRAM]);
    command
}

/// The program, with a working directory.
fn in_folder(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder);
    command
}

/// A script that becomes [`OTHER`] and then executes the program, from a place that every user can reach. The folder
/// belongs to that user.
fn as_other(folder: &Path) -> String {
    let (reachable, wrapper) = (folder.join("portward"), folder.join("portward-as-other"));
    if !reachable.exists() {
        fs::hard_link(PROGRAM, &reachable).or_else(|_| fs::copy(PROGRAM, &reachable).map(drop)).unwrap();
    }
    let setpriv = program("setpriv", "util-linux");
    let script = format!(
        "#!/bin/sh\nexec {} --reuid {OTHER} --regid {OTHER} --clear-groups {} \"$@\"\n",
        setpriv.display(),
        reachable.display()
    );
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    give_away(folder);
    wrapper.to_str().unwrap().to_owned()
}

/// Gives everything to [`OTHER`] that is not that user's yet. A folder of another owner stays as it is.
fn give_away(path: &Path) {
    let there = fs::symlink_metadata(path).unwrap();
    if there.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let is_its_own = entry.metadata().unwrap().uid() == OTHER;
            if !is_its_own && entry.file_name() != "portward" {
                give_away(&entry.path());
            }
        }
    }
    lchown(path, Some(OTHER), Some(OTHER)).unwrap();
}

/// The program with a limit of file descriptors.
fn with_descriptors(count: u32) -> Command {
    let mut command = Command::new(program("prlimit", "util-linux"));
    command.args([&format!("--nofile={count}:{count}"), PROGRAM]);
    command
}

/// The program in the network namespace of a process.
fn in_namespace(pid: &str) -> Command {
    let mut command = Command::new(program("nsenter", "util-linux"));
    command.args(["--target", pid, "--net", "--mount", "--", PROGRAM]);
    command
}

/// A running daemon.
pub struct Portward {
    /// Its plain HTTP port.
    pub http: u16,
    /// Its HTTPS port.
    pub https: u16,
    child: Mutex<Child>,
    setup: Setup,
}

impl Portward {
    /// A configuration with these rules: both HTTP ports on loopback, everything logged, targets not verified.
    pub fn rules(rules: &str) -> Setup {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("rules")).unwrap();
        fs::write(dir.path().join("rules/test.toml"), rules).unwrap();
        let socket = dir.path().join("portward.sock");
        let settings = [
            ("rules", "\"rules\"".to_owned()),
            ("state", "\"state\"".to_owned()),
            ("listen.http", "\"127.0.0.1:HTTP_PORT\"".to_owned()),
            ("listen.https", "\"127.0.0.1:HTTPS_PORT\"".to_owned()),
            ("tls.certificates", "\"certs\"".to_owned()),
            ("upstream.verify", "\"none\"".to_owned()),
            ("blacklist.allow", "[\"127.0.0.0/8\"]".to_owned()),
            ("log.forwarded", "[\"http\"]".to_owned()),
            ("admin.socket", format!("{:?}", socket.to_string_lossy())),
        ];
        let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Setup {
            dir,
            settings,
            certificates: Vec::new(),
            surroundings: Surroundings::Usual,
            as_user: false,
            ports: BTreeMap::new(),
        }
    }

    /// Starts one with these rules and nothing special.
    pub fn with_rules(rules: &str) -> Self {
        Self::rules(rules).start()
    }

    /// A client on the plain port.
    pub fn plain(&self) -> Wire {
        Wire::plain(self.http)
    }

    /// A client on the TLS port that asks for `name`.
    pub fn tls(&self, name: &str) -> Wire {
        Wire::tls(self.https, name)
    }

    /// The port of a service, if [`Setup::listen`] was called for it.
    pub fn port(&self, service: &str) -> u16 {
        self.setup.ports[service]
    }

    /// One client after the other, on the plain port and on the TLS port. Each connects when its turn comes.
    pub fn both(&self, name: &'static str) -> impl Iterator<Item = Wire> {
        [false, true].into_iter().map(move |tls| if tls { self.tls(name) } else { self.plain() })
    }

    /// A connection to the TLS port on which TLS has not begun yet.
    pub fn plain_to_tls(&self) -> Wire {
        Wire::plain(self.https)
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.setup.dir().join("portward.toml")
    }

    /// The folder of all its files.
    pub fn dir(&self) -> &Path {
        self.setup.dir()
    }

    /// Writes other rules. They are not reloaded yet.
    pub fn write_rules(&self, rules: &str) {
        // In one step, as an administrator's editor does it. So a reload never sees half a file.
        let new = self.dir().join("test.toml.new");
        fs::write(&new, rules).unwrap();
        fs::rename(new, self.dir().join("rules/test.toml")).unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.child.lock().unwrap().signal(signal);
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        self.child.lock().unwrap().signal(Signal::HUP);
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.child.lock().unwrap().signal(Signal::TERM);
    }

    /// From the next start on it runs as a user other than root: [`Setup::unprivileged`].
    pub fn unprivileged(mut self) -> Self {
        self.setup.as_user = true;
        self
    }

    /// From the next start on it runs as the user of the tests.
    pub fn privileged(mut self) -> Self {
        self.setup.as_user = false;
        self
    }

    /// Stops it and starts it again with the same files. The ports of HTTP change.
    pub fn restart(self) -> Self {
        if self.child.lock().unwrap().ended().is_none() {
            self.terminate();
            self.wait();
        }
        self.setup.start()
    }

    /// The same with another setting.
    pub fn restart_with(mut self, key: &str, value: &str) -> Self {
        self.setup.settings.insert(key.to_owned(), value.to_owned());
        self.restart()
    }

    /// Waits until it has ended by itself. Returns its exit code.
    pub fn wait(&self) -> Option<i32> {
        self.child.lock().unwrap().wait().code()
    }

    /// Fails the test if the daemon has ended.
    pub fn assert_alive(&self) {
        let mut child = self.child.lock().unwrap();
        let ended = child.ended();
        assert!(ended.is_none(), "portward has ended ({ended:?}):\n{}", child.lines().join("\n"));
    }

    /// How many lines it has written so far.
    pub fn mark(&self) -> usize {
        self.child.lock().unwrap().mark()
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.child.lock().unwrap().lines()
    }

    /// Every line after `mark`.
    pub fn lines_since(&self, mark: usize) -> Vec<String> {
        self.child.lock().unwrap().lines_since(mark)
    }

    /// Waits for a line that contains all of `parts`.
    pub fn line(&self, parts: &[&str]) -> String {
        self.line_after(0, parts)
    }

    /// Waits for a line after `mark` that contains all of `parts`.
    pub fn line_after(&self, mark: usize, parts: &[&str]) -> String {
        self.child.lock().unwrap().line_after(mark, parts)
    }

    /// Waits for the decision line after `mark` that contains all of `parts`, from `REVERSE-PROXY` on.
    pub fn decision_after(&self, mark: usize, parts: &[&str]) -> String {
        let mut all = vec!["REVERSE-PROXY "];
        all.extend(parts);
        let line = self.line_after(mark, &all);
        let start = line.find("REVERSE-PROXY ").unwrap();
        line[start..].to_owned()
    }

    /// Waits for the decision line that contains all of `parts`, from `REVERSE-PROXY` on.
    pub fn decision(&self, parts: &[&str]) -> String {
        self.decision_after(0, parts)
    }

    /// A field of /proc/PID/status (proc(5)): its first word.
    pub fn status(&self, field: &str) -> String {
        let pid = self.child.lock().unwrap().pid().as_raw_nonzero();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let pid = self.child.lock().unwrap().pid().as_raw_nonzero();
        let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        // A socket may be closed while the folder is read.
        let links = links.filter_map(|link| fs::read_link(link.unwrap().path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// How many sockets it has open at rest. A thread that has just started opens some of its own, and on a busy machine
    /// that is after the line that says that Portward is ready. So the number must stand still first.
    pub fn sockets_at_rest(&self) -> usize {
        let (mut count, mut same) = (self.sockets(), 0);
        eventually("the number of sockets stands still", || {
            thread::sleep(Duration::from_millis(20));
            let now = self.sockets();
            same = if now == count { same + 1 } else { 0 };
            count = now;
            same == 15
        });
        count
    }

    /// A number of kB from /proc/PID/status.
    pub fn memory(&self, field: &str) -> u64 {
        self.status(field).parse().unwrap()
    }
}

impl Portward {
    /// The processor time so far, in hundredths of a second (proc(5): user and system time).
    pub fn processor_ticks(&self) -> u64 {
        let pid = self.child.lock().unwrap().pid().as_raw_nonzero();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let behind = stat.rsplit_once(") ").unwrap().1;
        behind.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }
}

/// The result of a command.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub errors: String,
}

impl Output {
    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.errors)
    }
}

/// Runs `portward ARGS` to its end, for at most `seconds`.
pub fn command(seconds: u64, dir: &Path, args: &[&str]) -> Output {
    let (out, errors) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut process = Guarded(
        Command::new(PROGRAM)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(errors.try_clone().unwrap())
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "portward {args:?} does not end: {}{}", text(&out), text(&errors));
        thread::sleep(Duration::from_millis(10));
    };
    Output { code: status.code().unwrap_or(-1), out: text(&out), errors: text(&errors) }
}

struct Guarded(std::process::Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Deref for Guarded {
    type Target = std::process::Child;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

fn text(mut file: &fs::File) -> String {
    use std::io::{Read as _, Seek as _};
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

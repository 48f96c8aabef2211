//! Network namespaces: machines with networks of their own, which are invisible from outside.
//!
//! A namespace has no name. It lives as long as a process in it. That process ends with the test, however the test
//! ends. Programs in it also have a `/run` of their own. All other files are those of the machine.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Child, eventually, program};

/// The process that keeps a namespace alive. Five minutes are more than any test may take.
const HOLDER: &str =
    "mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && echo ready >&2 && exec sleep 300";

/// A network namespace. At first it has only loopback.
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    /// Makes a namespace. If that is impossible the test fails and says what is missing.
    pub fn new() -> Self {
        assert!(
            geteuid().is_root(),
            "this test makes network namespaces with programs of several users in them: run it as root"
        );
        program("ip", "iproute2");
        program("nsenter", "util-linux");
        let unshare = program("unshare", "util-linux");
        let mut holder =
            Child::start(Command::new(unshare).args(["--net", "--mount", "--", "sh", "-c", HOLDER]));
        eventually("a network namespace", || {
            let ended = holder.ended().is_some();
            assert!(!ended, "network namespaces cannot be made here: {}", holder.lines().join("\n"));
            holder.lines().iter().any(|line| line == "ready")
        });
        Self { holder }
    }

    /// Makes a namespace that has an interface with the address 192.0.2.10, which leads nowhere. baresip and browsers
    /// send sound only over such an interface.
    pub fn with_interface() -> Self {
        let namespace = Self::new();
        namespace.run("ip link add eth0 type veth peer name nowhere");
        namespace.run("ip address add 192.0.2.10/24 dev eth0");
        namespace.run("ip link set nowhere up");
        namespace.run("ip link set eth0 up");
        namespace
    }

    /// The process that keeps it alive. `ip link … netns PID` moves interfaces into it.
    pub fn pid(&self) -> String {
        self.holder.pid().as_raw_nonzero().to_string()
    }

    /// A command that runs in it, in the folder `/`. The started process is the program itself.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.pid(), "--net", "--mount", "--"]).arg(program);
        command
    }

    /// Runs a command, given as words with spaces between them. It must succeed. Returns its output.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split(' ');
        let output = self.command(words.next().unwrap()).args(words).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Runs code of the test in it. Sockets that are opened there stay there, and so do threads that are started.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.pid())).unwrap();
        let enter = || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            body()
        };
        thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }
}

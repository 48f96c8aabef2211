//! The example's network: a client, two machines and a PBX in namespaces of their own, and a bridge in another one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Child, Namespace, Portward, Setup, Target, Wire, ok, program};

/// The addresses of the example.
pub(super) const FLOATING: &str = "192.0.2.20:90";
pub(super) const FLOATING_IPV6: &str = "[2001:db8:20::20]:90";
pub(super) const A: &str = "192.0.2.21";
pub(super) const B: &str = "192.0.2.22";
/// How often the client tries until it is served. An attempt takes at most a second.
const TRIES: u32 = 40;

/// A file of the example.
pub(super) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/keepalived").join(name)
}

/// Replaces a text that stands in the shipped file exactly once.
pub(super) fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} in the shipped file");
    text.replace(from, to)
}

/// A host whose PBX has this address, and the host that the check asks for.
pub(super) fn portward(target: &str, port: u16) -> Setup {
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"{target}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    );
    let setup = Portward::rules(&rules).set("blacklist.allow", "[]");
    fs::copy(shipped("health.toml"), setup.dir().join("rules/health.toml")).unwrap();
    setup
}

/// A machine with Portward and keepalived.
pub(super) struct Machine {
    address: &'static str,
    portward: Option<Portward>,
    pub(super) keepalived: Child,
    namespace: Namespace,
}

impl Machine {
    pub(super) fn portward(&self) -> &Portward {
        self.portward.as_ref().unwrap()
    }

    /// Starts Portward again after it has ended.
    pub(super) fn restart(&mut self) {
        self.portward = self.portward.take().map(Portward::restart);
    }

    pub(super) fn has_the_address(&self) -> bool {
        self.namespace.run("ip -brief address show dev eth0").contains(" 192.0.2.20/24")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It is asked to end, so that it ends its own children, too.
        if self.keepalived.ended().is_none() {
            self.keepalived.signal(Signal::TERM);
        }
        for _ in 0..100 {
            if self.keepalived.ended().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// All machines. `a` and `b` end first.
pub(super) struct Network {
    pub(super) a: Machine,
    pub(super) b: Machine,
    pbx: Namespace,
    target: Option<Target>,
    client: Namespace,
    pub(super) switch: Namespace,
}

impl Network {
    /// Starts everything. Both machines listen on `listen`.
    pub(super) fn start(listen: &str) -> Self {
        let keepalived = program("keepalived", "keepalived");
        let switch = Namespace::new();
        switch.run("ip link add br0 type bridge");
        switch.run("ip link set br0 up");
        let join = |name: &str, number: u8| {
            let machine = Namespace::new();
            let pid = machine.pid();
            switch.run(&format!("ip link add port-{name} type veth peer name eth0 netns {pid}"));
            switch.run(&format!("ip link set port-{name} master br0 up"));
            machine.run(&format!("ip address add 192.0.2.{number}/24 dev eth0"));
            machine.run(&format!("ip address add 2001:db8:20::{number}/64 dev eth0 nodad"));
            machine.run("ip link set eth0 up");
            machine
        };
        let (client, pbx) = (join("client", 1), join("pbx", 41));
        let target = pbx.inside(|| {
            Target::listen(Ipv4Addr::new(192, 0, 2, 41), None, |conn| {
                while conn.try_request().is_some() {
                    let peer = conn.peer().to_string();
                    if conn.try_send(ok(&peer)).is_err() {
                        return;
                    }
                }
            })
        });
        let start = |name: &str, address: &'static str, number: u8| {
            let namespace = join(name, number);
            let portward =
                portward("192.0.2.41", target.port()).set("listen.http", listen).inside(&namespace).start();
            // The script is in a folder that the check's user may enter.
            namespace
                .run(&format!("install -m 755 {} /run/check-portward", shipped("check-portward").display()));
            let config = fs::read_to_string(shipped("keepalived.conf")).unwrap();
            let config = replaced(
                &config,
                "/usr/share/portward/examples/keepalived/check-portward",
                "/run/check-portward",
            );
            let config = replaced(
                &config,
                "    # virtual_ipaddress_excluded {\n    #     2001:db8:20::20/64\n    # }\n",
                "    virtual_ipaddress_excluded {\n        2001:db8:20::20/64\n    }\n",
            );
            let file = portward.dir().join("keepalived.conf");
            fs::write(&file, config).unwrap();
            let mut command = namespace.command(&keepalived);
            command.args(["--dont-fork", "--vrrp", "--log-console", "--no-syslog", "--log-detail"]);
            // The name of the machine. Elsewhere it is the host name.
            command.args(["--config-id", &format!("portward-{name}"), "--use-file"]).arg(file);
            let keepalived = Child::start(&mut command);
            Machine { address, portward: Some(portward), keepalived, namespace }
        };
        let a = start("a", A, 21);
        // The machine that starts first gets the address. These tests do not cover a simultaneous start.
        a.keepalived.line_after(0, &["(portward) Entering MASTER STATE"]);
        let b = start("b", B, 22);
        stands_by(&b, 0);
        Self { a, b, pbx, target: Some(target), client, switch }
    }

    fn machine(&self, address: &str) -> &Machine {
        if self.a.address == address { &self.a } else { &self.b }
    }

    fn connect(&self, address: &str) -> std::io::Result<TcpStream> {
        let address: SocketAddr = address.parse().unwrap();
        let stream = self.client.inside(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        Ok(stream)
    }

    /// Asks on a new connection. Returns the machine that served.
    fn ask(&self, address: &str, path: &str) -> Option<String> {
        let mut stream = self.connect(address).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        Some(body.to_owned())
    }

    /// Asks until that machine serves, and checks it by the answers, by its own log line, and by the PBX's view.
    pub(super) fn is_served_by(&self, machine: &str, address: &str, path: &str) {
        let since = Instant::now();
        let served = (0..TRIES).any(|_| {
            let served = self.ask(address, path).as_deref() == Some(machine);
            if !served {
                thread::sleep(Duration::from_millis(200));
            }
            served
        });
        assert!(served, "{TRIES} tries, and {machine} does not serve {path}");
        println!("{path}: served by {machine} after {:.1} s", since.elapsed().as_secs_f64());
        for number in 0..5 {
            let path = format!("{path}/{number}");
            assert_eq!(self.ask(address, &path).as_deref(), Some(machine), "{path}");
            let line = ["http://one.example.net GET", &format!("{path} "), "-> 192.0.2.41:"];
            self.machine(machine).portward().decision(&line);
            let seen = self.target.as_ref().unwrap().transcript();
            assert_eq!(seen.matches(&format!("GET {path} HTTP/1.1\r\n")).count(), 1, "{path}: {seen}");
        }
    }

    /// Asks for six seconds. A machine that wants the address takes it within four.
    pub(super) fn stays_with(&self, machine: &str, call: &mut Wire) {
        for _ in 0..12 {
            thread::sleep(Duration::from_millis(500));
            assert_eq!(self.ask(FLOATING, "/more").as_deref(), Some(machine));
            assert_eq!(call.get("one.example.net", "/stays").text(), machine);
        }
    }

    /// A connection that stays open.
    pub(super) fn call(&self, machine: &str) -> Wire {
        let mut wire = Wire::over(self.connect(FLOATING).unwrap());
        assert_eq!(wire.get("one.example.net", "/stays").text(), machine);
        wire
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The target must be dropped in the namespace where it listens. Otherwise its thread would wait for ever.
        let target = self.target.take();
        self.pbx.inside(|| drop(target));
    }
}

/// Waits until keepalived says that it is on standby.
pub(super) fn stands_by(machine: &Machine, mark: usize) {
    machine.keepalived.line_after(mark, &["(portward) Entering BACKUP STATE"]);
}

//! Two boxes, one address: the keepalived example as it is shipped, with the real Portward and the real keepalived.
//!
//! A client, two boxes and a PBX have network namespaces of their own; a bridge in a further one joins them. Of the
//! shipped `keepalived.conf` nothing is changed but the folder of the check. The PBX answers with the address that a
//! request came from, so that every answer says which box served it; the boxes' own decision lines must say the same.
//! How long the address takes to move is printed, not asserted: every wait is bounded by a number of tries.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::sip::{next_message, pbx, request, request_to};
use crate::harness::{Child, Namespace, Portward, Target, Wire, ok, program, within};

/// The addresses of the example.
const FLOATING: &str = "192.0.2.20:90";
const FLOATING_IPV6: &str = "[2001:db8:20::20]:90";
const A: &str = "192.0.2.21";
const B: &str = "192.0.2.22";
/// How often the client tries until it is served: an attempt takes a second at most.
const TRIES: u32 = 40;

/// A file of the example.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/examples/keepalived").join(name)
}

/// Replaces what stands in the shipped file exactly once.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} in the shipped file");
    text.replace(from, to)
}

/// A host whose PBX is at this address, and the host that the check asks for.
fn portward(target: &str, port: u16) -> crate::harness::Setup {
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"{target}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    );
    let setup = Portward::rules(&rules).set("blacklist.allow", "[]");
    fs::copy(shipped("health.toml"), setup.dir().join("rules/health.toml")).unwrap();
    setup
}

/// A box: Portward and keepalived.
struct Machine {
    address: &'static str,
    portward: Option<Portward>,
    keepalived: Child,
    namespace: Namespace,
}

impl Machine {
    fn portward(&self) -> &Portward {
        self.portward.as_ref().unwrap()
    }

    /// Starts Portward again where it has ended.
    fn restart(&mut self) {
        self.portward = self.portward.take().map(Portward::restart);
    }

    fn has_the_address(&self) -> bool {
        self.namespace.run("ip -brief address show dev eth0").contains(" 192.0.2.20/24")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // So that it ends its own children, too.
        self.keepalived.signal(Signal::TERM);
        for _ in 0..100 {
            if self.keepalived.ended().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// All machines; `a` and `b` end first.
struct Network {
    a: Machine,
    b: Machine,
    pbx: Namespace,
    target: Option<Target>,
    client: Namespace,
    switch: Namespace,
}

impl Network {
    /// Starts everything; both boxes listen on what `listen` says.
    fn start(listen: &str) -> Self {
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
            // In a folder that the check's user may enter.
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
            // The name of the box, which is the machine's own elsewhere.
            command.args(["--config-id", &format!("portward-{name}"), "--use-file"]).arg(file);
            let keepalived = Child::start(&mut command);
            Machine { address, portward: Some(portward), keepalived, namespace }
        };
        let a = start("a", A, 21);
        // The first to start has the address: which of two gets it that start at once is no matter of these tests.
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

    /// Asks on a new connection; the box that served.
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

    /// Asks until that box serves, and shows that it does: by the answers, by its own line, by what the PBX saw.
    fn is_served_by(&self, machine: &str, address: &str, path: &str) {
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

    /// Asks for six seconds: a box that wants the address takes it within four.
    fn stays_with(&self, machine: &str, call: &mut Wire) {
        for _ in 0..12 {
            thread::sleep(Duration::from_millis(500));
            assert_eq!(self.ask(FLOATING, "/more").as_deref(), Some(machine));
            assert_eq!(call.get("one.example.net", "/stays").text(), machine);
        }
    }

    /// A connection that stays.
    fn call(&self, machine: &str) -> Wire {
        let mut wire = Wire::over(self.connect(FLOATING).unwrap());
        assert_eq!(wire.get("one.example.net", "/stays").text(), machine);
        wire
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // Where it listens, or its thread would wait for ever.
        let target = self.target.take();
        self.pbx.inside(|| drop(target));
    }
}

/// Waits until keepalived says that it stands by.
fn stands_by(machine: &Machine, mark: usize) {
    machine.keepalived.line_after(mark, &["(portward) Entering BACKUP STATE"]);
}

/// Both listen on the floating address before they have it, which takes IP_FREEBIND, and on loopback for the check.
#[test]
fn the_address_leaves_a_portward_that_died_and_one_that_hangs() {
    within(110, || {
        let mut network = Network::start(&format!("[\"{FLOATING}\", \"127.0.0.1:90\"]"));
        for machine in [&network.a, &network.b] {
            machine.portward().line(&["listening on 192.0.2.20:90 (http)"]);
        }
        network.is_served_by(A, FLOATING, "/start");
        assert!(network.a.has_the_address() && !network.b.has_the_address());
        let mut call = network.call(A);

        network.a.portward().signal(Signal::KILL);
        network.a.portward().wait();
        network.is_served_by(B, FLOATING, "/killed");
        assert!(
            call.try_send("GET /lost HTTP/1.1\r\nHost: one.example.net\r\n\r\n").is_err()
                || call.rest().is_empty()
        );

        let mut call = network.call(B);
        let mark = network.a.keepalived.mark();
        network.a.restart();
        stands_by(&network.a, mark);
        network.stays_with(B, &mut call);

        let (mark, mut call) = (network.b.keepalived.mark(), network.call(B));
        network.b.portward().signal(Signal::STOP);
        network.is_served_by(A, FLOATING, "/hung");
        // The other box knows nothing of the connection, and says so.
        assert!(
            call.try_send("GET /lost HTTP/1.1\r\nHost: one.example.net\r\n\r\n").is_err()
                || call.rest().is_empty()
        );
        let mut call = network.call(A);
        network.b.portward().signal(Signal::CONT);
        stands_by(&network.b, mark);
        assert_eq!(call.get("one.example.net", "/stays").text(), A);
        assert!(network.a.has_the_address() && !network.b.has_the_address());
        for machine in [&network.a, &network.b] {
            let lines = machine.portward().lines().join("\n");
            assert!(!lines.contains("rejected") && !lines.contains("blacklisted"), "{lines}");
        }
    });
}

/// Both listen on a port alone; an IPv6 address moves, too.
#[test]
fn the_address_leaves_a_box_whose_cable_is_cut() {
    within(110, || {
        let network = Network::start("90");
        network.is_served_by(A, FLOATING, "/start");
        network.is_served_by(A, FLOATING_IPV6, "/start-ipv6");
        network.switch.run("ip link set port-a down");
        network.is_served_by(B, FLOATING, "/cut");
        network.is_served_by(B, FLOATING_IPV6, "/cut-ipv6");
        let (mark, mut call) = (network.a.keepalived.mark(), network.call(B));
        network.switch.run("ip link set port-a up");
        stands_by(&network.a, mark);
        network.stays_with(B, &mut call);
        assert!(network.b.has_the_address() && !network.a.has_the_address());
    });
}

/// Runs the check against a port of loopback.
fn check(port: u16) -> bool {
    check_by(port, &[])
}

/// The same with further words.
fn check_by(port: u16, more: &[&str]) -> bool {
    let port = port.to_string();
    Command::new(shipped("check-portward")).args(["127.0.0.1", &port]).args(more).status().unwrap().success()
}

#[test]
fn the_check_sees_who_answers_and_leaves_no_trace() {
    within(60, || {
        let hung = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!check(hung.local_addr().unwrap().port()), "the kernel alone takes the connection");
        let nobody = crate::harness::free_port();
        assert!(!check(nobody), "nobody listens");
        let portward = portward("127.0.0.1", 9).set("log.forwarded", "[]").start();
        for _ in 0..30 {
            assert!(check(portward.http));
        }
        // By another name.
        let rules = portward.dir().join("rules/health.toml");
        let other = replaced(
            &fs::read_to_string(&rules).unwrap(),
            "name = \"health.invalid\"",
            "name = \"health.example.net\"",
        );
        fs::write(&rules, other).unwrap();
        portward.hang_up();
        portward.line(&["reloaded: 2 hosts"]);
        assert!(check_by(portward.http, &["health.example.net"]));
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("REVERSE-PROXY"), "{lines}");
        // Without the rule: refused without a word, then listed, and still alive.
        for _ in 0..30 {
            assert!(check(portward.http));
        }
        portward.line(&["127.0.0.1 blacklisted for 5m"]);
        // By its TLS port, where plain text is refused, it is seen as well.
        assert!(check(portward.https));
        portward.signal(Signal::STOP);
        assert!(!check(portward.http), "it hangs");
        portward.signal(Signal::CONT);
        assert!(check(portward.http));
    });
}

/// Who copies the key of one box to the other has calls find their PBX through either.
#[test]
fn a_call_is_hung_up_through_the_other_box() {
    within(60, || {
        let pbx = pbx("pbx");
        let start = |key: Option<&[u8]>| {
            let rules = format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {} }}\n",
                pbx.port()
            );
            let setup = Portward::rules(&rules).listen("sip").set("sip.public_address", "\"rp.example.net\"");
            if let Some(key) = key {
                fs::create_dir(setup.dir().join("state")).unwrap();
                fs::write(setup.dir().join("state/sip-route.key"), key).unwrap();
            }
            setup.start()
        };
        let a = start(None);
        let mut phone = Wire::plain(a.port("sip"));
        phone.send(request_to("INVITE", "a@one.example.net", "<sip:b@one.example.net>", "", ""));
        let token = next_message(&mut phone).unwrap().header("record-route").unwrap().to_owned();
        let bye = |box_: &Portward| {
            let mut phone = Wire::plain(box_.port("sip"));
            let route = format!("Route: {token}\r\n");
            phone.send(request_to(
                "BYE",
                "a@elsewhere.example",
                "<sip:b@one.example.net>;tag=pbx",
                &route,
                "",
            ));
            next_message(&mut phone).map(|answer| answer.status())
        };
        let key = fs::read(a.dir().join("state/sip-route.key")).unwrap();
        assert_eq!(bye(&start(Some(&key))), Some(200));
        // With a key of its own it does not know the token; a registration goes its way all the same.
        let other = start(None);
        assert_eq!(bye(&other), None);
        other.decision(&["BYE rejected: method"]);
        let mut phone = Wire::plain(other.port("sip"));
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(next_message(&mut phone).unwrap().status(), 200);
    });
}

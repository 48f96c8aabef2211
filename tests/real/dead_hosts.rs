//! Item 37: hosts that stop answering. They are in networks of their own, in which packets vanish without an error.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Namespace, Portward, Target, Wire, ok, within};

const FRONT: &str = "10.73.0.1";
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 73, 0, 3);

/// A host with a target that tells its own name.
pub struct Host {
    namespace: Namespace,
    pub target: Option<Target>,
}

impl Drop for Host {
    fn drop(&mut self) {
        // The target must be dropped in the namespace where it listens. Otherwise its thread would wait for ever.
        let target = self.target.take();
        self.namespace.inside(|| drop(target));
    }
}

/// Portward and two hosts on one network. The kernel knows their link addresses permanently, so it never looks them up.
pub struct Network {
    pub portward: Portward,
    front: Namespace,
    pub first: Host,
    second: Host,
    switch: Namespace,
}

fn answers(name: &'static str) -> impl Fn(&mut crate::harness::Conn) + Send + Sync + 'static {
    move |conn| {
        while let Some(request) = conn.try_request() {
            // The time is so long that simultaneous requests need a connection each.
            let works = if request.target() == "/long" && name == "first" { 60_000 } else { 300 };
            thread::sleep(Duration::from_millis(works));
            if conn.try_send(ok(name)).is_err() {
                return;
            }
        }
    }
}

impl Network {
    pub fn start() -> Self {
        let switch = Namespace::new();
        switch.run("ip link add br0 type bridge");
        switch.run("ip link set br0 up");
        let join = |number: u8| {
            let machine = Namespace::new();
            let pid = machine.pid();
            switch.run(&format!("ip link add port-{number} type veth peer name eth0 netns {pid}"));
            switch.run(&format!("ip link set port-{number} master br0 up"));
            machine.run(&format!("ip link set eth0 address 02:00:00:00:00:0{number}"));
            machine.run(&format!("ip address add 10.73.0.{number}/24 dev eth0"));
            machine.run("ip link set eth0 up");
            machine
        };
        let (front, first, second) = (join(1), join(2), join(3));
        for number in [2, 3] {
            let entry = format!("10.73.0.{number} lladdr 02:00:00:00:00:0{number} dev eth0 nud permanent");
            front.run(&format!("ip neigh replace {entry}"));
        }
        let target = first.inside(|| Target::listen(FIRST, None, answers("first")));
        let port = target.port();
        let first = Host { namespace: first, target: Some(target) };
        let target =
            second.inside(|| Target::listen_at(SocketAddr::from((SECOND, port)), None, answers("second")));
        let second = Host { namespace: second, target: Some(target) };
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = [\"{FIRST}\", \"{SECOND}\"]\n\
             http = [{{ path = \"\", tcp = {port} }}]\n\
             [[host]]\nname = \"alone.example.net\"\ntarget = \"{FIRST}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
        );
        let portward = Portward::rules(&rules)
            .set("listen.http", &format!("\"{FRONT}:90\""))
            .set("upstream.connect_timeout", "\"2s\"")
            .set("blacklist.allow", "[\"10.0.0.0/8\"]")
            .inside(&front)
            .start();
        Self { portward, front, first, second, switch }
    }

    /// A connection of a client on Portward's machine. It waits long for answers.
    pub fn client(&self) -> Wire {
        let address: SocketAddr = format!("{FRONT}:90").parse().unwrap();
        let wire = Wire::over(self.front.inside(|| TcpStream::connect(address)).unwrap());
        wire.set_patience(Duration::from_secs(60));
        wire
    }

    /// From now on every packet to and from the first host is lost, without an error.
    pub fn lose_the_first_host(&self) {
        self.switch.run("bridge link set dev port-2 state 0");
    }

    /// How many connections Portward and its clients have begun (RFC 4022, tcpActiveOpens).
    pub fn opened(&self) -> u64 {
        let snmp = self.front.run("cat /proc/self/net/snmp");
        let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:"));
        let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
        let at = names.split(' ').position(|name| name == "ActiveOpens").unwrap();
        values.split(' ').nth(at).unwrap().parse().unwrap()
    }
}

pub const GET: &str = "GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
const LONG: &str = "GET /long HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello";
const ALONE: &str = "GET / HTTP/1.1\r\nHost: alone.example.net\r\n\r\n";

/// Kept connections to a host that is gone: requests that may be repeated go to the next address, the others are
/// refused. Both happen long before `response_timeout`, which is ten minutes.
#[test]
fn requests_on_kept_connections_to_a_dead_host_are_answered_in_time() {
    within(110, || {
        let network = Network::start();
        // A client stays with its worker, and that worker keeps the connection that its request has opened.
        let mut clients: Vec<Wire> = (0..3).map(|_| network.client()).collect();
        clients.iter_mut().for_each(|client| client.send(GET));
        assert!(clients.iter_mut().all(|client| client.response().text() == "first"));
        network.lose_the_first_host();
        let begin = Instant::now();
        let opened = network.opened();
        for (client, request) in clients.iter_mut().zip([GET, POST, ALONE]) {
            client.send(request);
        }
        let answers: Vec<_> = clients.iter_mut().map(Wire::response).collect();
        println!("answered after {:.1} s", begin.elapsed().as_secs_f64());
        assert_eq!(answers[0].text(), "second", "{answers:?}");
        assert!(matches!(answers[1].status(), 502 | 504), "{answers:?}");
        assert!(matches!(answers[2].status(), 502 | 504), "{answers:?}");
        assert!(begin.elapsed() < Duration::from_secs(50));
        network.portward.decision(&["//one.example.net POST / ", "rejected: target-down"]);
        let seen = network.second.target.as_ref().unwrap().transcript();
        assert!(seen.contains("GET / HTTP/1.1") && !seen.contains("POST"), "{seen}");
        // GET has opened a connection to the second host. ALONE has dialled the first one again, once.
        assert!(network.opened() - opened <= 3, "{} connections", network.opened() - opened);
        // Later requests go to the living host at once.
        let begin = Instant::now();
        assert_eq!(network.client().ask(GET).text(), "second");
        assert_eq!(network.client().ask(POST).text(), "second");
        println!("then after {:.1} s", begin.elapsed().as_secs_f64());
        let seen = network.first.target.as_ref().unwrap().transcript();
        assert!(!seen.contains("POST"), "{seen}");
    });
}

/// Idle connections notice by themselves that their host is dead. So do connections on whose answer a client waits.
#[test]
fn idle_and_busy_connections_notice_that_their_host_is_dead() {
    within(110, || {
        let network = Network::start();
        let (mut idle, mut busy) = (network.client(), network.client());
        idle.send(GET);
        busy.send(LONG);
        assert_eq!(idle.response().text(), "first");
        network.lose_the_first_host();
        // Keep-alive probes begin after 15 seconds and give up after 20. The first host would have answered after 60.
        assert_eq!(busy.response().text(), "second");
        thread::sleep(Duration::from_secs(10));
        let begin = Instant::now();
        assert_eq!(idle.ask(GET).text(), "second");
        // The kept connection is gone. The address is dialled in vain at most once, and that is all.
        println!("answered after {:.1} s", begin.elapsed().as_secs_f64());
        assert!(begin.elapsed() < Duration::from_secs(15));
    });
}

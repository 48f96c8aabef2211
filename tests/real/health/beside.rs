//! A dead address together with other faults: a slow address, one that has failed once, another dead one, and clients
//! that behave oddly meanwhile.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use super::{becomes, changes, ip, state_of, target, target_at};
use crate::harness::{Portward, Target, TestCa, Wire, eventually, free_port, ok, within};

/// A port whose queue of connections is full. To Portward it looks as if packets were lost.
struct BlackHole {
    queue: socket2::Socket,
    fill: Vec<TcpStream>,
}

impl BlackHole {
    fn at(address: SocketAddr) -> Self {
        let queue = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        queue.bind(&address.into()).unwrap();
        queue.listen(0).unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(300));
        let fill: Vec<_> = (0..3).map(connect).collect();
        assert!(fill.iter().any(Result::is_err), "the queue is full");
        Self { queue, fill: fill.into_iter().flatten().collect() }
    }

    /// After `pause` it accepts connections, and runs `script` on them.
    fn opens(self, pause: Duration, script: impl Fn(&mut Wire) + Send + Sync + 'static) {
        let script = Arc::new(script);
        thread::spawn(move || {
            thread::sleep(pause);
            drop(self.fill);
            // The queue has room for all simultaneous connections. Without room the kernel would repeat a SYN too late
            // for this test.
            self.queue.listen(128).unwrap();
            while let Ok((socket, _)) = self.queue.accept() {
                let script = Arc::clone(&script);
                thread::spawn(move || script(&mut Wire::over(socket.into())));
            }
        });
    }
}

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from((ip(last), port))
}

/// A host with these addresses.
fn rules(addresses: &[u8], rule: &str) -> String {
    let list: Vec<_> = addresses.iter().map(|last| format!("\"{}\"", ip(*last))).collect();
    format!("[[host]]\nname = \"one.example.net\"\ntarget = [{}]\n{rule}\n", list.join(", "))
}

/// How many connections to an address were not answered in time.
fn timed_out(portward: &Portward, address: SocketAddr) -> u64 {
    state_of(portward, &address.to_string())["failures"]["timed-out"].as_u64().unwrap_or_default()
}

fn says(name: &'static str) -> impl Fn(&mut Wire) + Send + Sync + 'static {
    move |wire| {
        while wire.try_request().is_some() {
            if wire.try_send(ok(name)).is_err() {
                return;
            }
        }
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n";

/// The second address failed once, a moment ago. It is tried before the dead one, which would make all clients wait.
#[test]
fn a_dead_first_address_is_not_waited_for_when_the_second_has_failed_once() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let fails = Arc::new(AtomicBool::new(false));
        let fails_once = Arc::clone(&fails);
        let second = target(92, None, move |conn| {
            if fails_once.swap(false, Ordering::SeqCst) {
                return conn.reset();
            }
            conn.speak_tls(ServerConnection::new(identity.server_config()).unwrap());
            if conn.try_request().is_some() {
                let _ =
                    conn.try_send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecond");
            }
        });
        let dead = at(91, second.port());
        let _hole = BlackHole::at(dead);
        let rule = format!("http = [{{ path = \"\", tcp = false, tls = {} }}]", second.port());
        let setup = Portward::rules(&rules(&[91, 92], &rule)).set("upstream.connect_timeout", "\"2s\"");
        let portward = setup.start();
        assert_eq!(portward.plain().ask(GET).text(), "second");
        becomes(&portward, &dead.to_string(), "down");
        fails.store(true, Ordering::SeqCst);
        assert_eq!(portward.plain().ask(GET).status(), 502, "both fail");
        let before = timed_out(&portward, dead);
        for _ in 0..20 {
            assert_eq!(portward.plain().ask(GET).text(), "second");
        }
        assert_eq!(timed_out(&portward, dead), before, "nobody waits for the dead one");
    });
}

/// The second address is slow. Clients that come while one waits for it do not wait for the dead one instead.
#[test]
fn a_dead_first_address_is_not_waited_for_when_the_second_is_slow() {
    within(60, || {
        let port = free_port();
        let (dead, slow) = (at(93, port), at(94, port));
        let (_hole, second) = (BlackHole::at(dead), BlackHole::at(slow));
        let rule = format!("http = [{{ path = \"\", tcp = {port} }}]");
        let setup = Portward::rules(&rules(&[93, 94], &rule)).set("upstream.connect_timeout", "\"5s\"");
        let portward = setup.start();
        // The first request finds out that the first address is dead. Then it waits for the second one.
        let mut first = portward.plain();
        first.set_patience(Duration::from_secs(30));
        first.send(GET);
        becomes(&portward, &dead.to_string(), "down");
        let before = timed_out(&portward, dead);
        let mut others: Vec<Wire> = (0..10).map(|_| portward.plain()).collect();
        others.iter_mut().for_each(|client| client.set_patience(Duration::from_secs(30)));
        others.iter_mut().for_each(|client| client.send(GET));
        second.opens(Duration::from_millis(2_000), says("second"));
        assert!(others.iter_mut().all(|client| client.response().text() == "second"));
        assert_eq!(first.response().text(), "second");
        assert_eq!(timed_out(&portward, dead), before, "nobody waits for the dead one");
    });
}

/// Both addresses swallow everything. Only one client waits for the whole time at first, and each other one does so
/// later.
#[test]
fn what_was_cut_short_gets_its_whole_time_when_nothing_else_works() {
    within(60, || {
        let port = free_port();
        let (first, second) = (BlackHole::at(at(95, port)), BlackHole::at(at(96, port)));
        let rule = format!("http = [{{ path = \"\", tcp = {port} }}]");
        let setup = Portward::rules(&rules(&[95, 96], &rule)).set("upstream.connect_timeout", "\"6s\"");
        let portward = setup.start();
        let mut clients: Vec<Wire> = (0..10).map(|_| portward.plain()).collect();
        clients.iter_mut().for_each(|client| client.set_patience(Duration::from_secs(40)));
        clients.iter_mut().for_each(|client| client.send(GET));
        // Later than both short waits.
        first.opens(Duration::from_millis(4_000), says("first"));
        for client in &mut clients {
            assert_eq!(client.response().text(), "first");
        }
        drop(second);
    });
}

/// A checked address was down. Now its certificate has another name than the check uses, so checks cannot tell its
/// state. Connections that use the other name bring it back.
#[test]
fn a_checked_address_whose_checks_cannot_tell_comes_back_by_connections() {
    within(60, || {
        let identity = TestCa::shared().issue(&["two.example.net"]);
        let name = |name: &'static str| move |conn: &mut crate::harness::Conn| says(name)(conn);
        let second = target(98, Some(&identity), name("second"));
        let port = second.port();
        let mut said = String::new();
        for host in ["one", "two"] {
            said += &format!(
                "[[host]]\nname = \"{host}.example.net\"\ntarget = [\"{}\", \"{}\"]\n\
                 http = [{{ path = \"\", tcp = false, tls = {port} }}]\n",
                ip(97),
                ip(98)
            );
        }
        said += &format!(
            "[target.\"{}\"]\ncheck = \"tls\"\ncheck_interval = \"1s\"\nfall = 1\nverify = \"ca\"\n",
            ip(97)
        );
        let setup = Portward::rules(&said);
        TestCa::shared().write(&setup.dir().join("trust.pem"));
        let portward = setup.set("upstream.trust", "\"trust.pem\"").start();
        let address = at(97, port).to_string();
        becomes(&portward, &address, "down");
        let two = || portward.plain().get("two.example.net", "/").text();
        assert_eq!(two(), "second");
        let first = target_at_with(97, port, &identity, name("first"));
        eventually("it is checked", || first.connections() > 0);
        eventually("a connection finds out", || two() == "first");
        becomes(&portward, &address, "up");
    });
}

fn target_at_with(
    last: u8,
    port: u16,
    identity: &crate::harness::Identity,
    script: impl Fn(&mut crate::harness::Conn) + Send + Sync + 'static,
) -> Target {
    Target::listen_at(at(last, port), Some(identity), script)
}

/// All clients come at once when their only PBX is back, and it is slow. Some wait for TLS in vain. That does not mark
/// it down, because another client is served meanwhile.
#[test]
fn a_storm_at_a_pbx_that_is_slow_does_not_mark_it_down_again() {
    within(110, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let hangs = Arc::new(AtomicBool::new(true));
        let is_hung = Arc::clone(&hangs);
        let pbx = target(99, None, move |conn| {
            if is_hung.load(Ordering::SeqCst) {
                while !conn.some().is_empty() {}
                return;
            }
            conn.speak_tls(ServerConnection::new(identity.server_config()).unwrap());
            if conn.try_request().is_some() {
                let _ = conn.try_send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        let address = at(99, pbx.port()).to_string();
        let said = rules(&[99], &format!("http = [{{ path = \"\", tcp = false, tls = {} }}]", pbx.port()));
        let setup = Portward::rules(&said).set("upstream.connect_timeout", "\"6s\"");
        let portward = setup.start();
        let asks = || {
            let mut client = portward.plain();
            client.set_patience(Duration::from_secs(60));
            client.send(GET);
            client
        };
        let late = || {
            let failures = state_of(&portward, &address)["failures"]["tls-timed-out"].as_u64();
            failures.unwrap_or_default()
        };
        assert_eq!(asks().response().status(), 502);
        becomes(&portward, &address, "down");
        hangs.store(false, Ordering::SeqCst);
        assert_eq!(asks().response().status(), 200);
        becomes(&portward, &address, "up");
        hangs.store(true, Ordering::SeqCst);
        let (before, late_before) = (pbx.connections(), late());
        let _storm: Vec<Wire> = (0..20).map(|_| asks()).collect();
        eventually("all are connected", || pbx.connections() >= before + 20);
        hangs.store(false, Ordering::SeqCst);
        // It is noted only once a second that an address is reached.
        thread::sleep(Duration::from_millis(1_100));
        assert_eq!(asks().response().status(), 200);
        eventually("they have waited in vain", || late() >= late_before + 20);
        assert_eq!(state_of(&portward, &address)["state"], "up");
        assert_eq!(changes(&portward, &address).len(), 2, "down, up");
    });
}

/// A PBX was away for a moment, and there is a second one. All the time a scanner asks for odd names under the
/// wildcard, which fail at the first PBX. It must not use up every chance by which others could find the first PBX
/// again.
#[test]
fn a_scanner_with_odd_names_does_not_keep_a_pbx_last() {
    within(110, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let script = move |name: &'static str, refuses: bool| {
            let identity = identity.clone();
            move |conn: &mut crate::harness::Conn| {
                let octets = conn.some();
                if refuses && octets.windows(3).any(|part| part == b"odd") {
                    // A fatal alert: unrecognized_name (RFC 6066 section 3).
                    let _ = conn.try_send([21, 3, 3, 0, 2, 2, 112]);
                    return;
                }
                conn.give_back(&octets);
                conn.speak_tls(ServerConnection::new(identity.server_config()).unwrap());
                while conn.try_request().is_some() {
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{name}",
                        name.len()
                    );
                    if conn.try_send(answer).is_err() {
                        return;
                    }
                }
            }
        };
        let second = target(102, None, script("second", false));
        let port = second.port();
        let said = format!(
            "[[host]]\nname = \"*.example.net\"\ntarget = [\"{}\", \"{}\"]\n\
             http = [{{ path = \"\", tcp = false, tls = {port} }}]\n",
            ip(101),
            ip(102)
        );
        let portward = Portward::with_rules(&said);
        let one = || portward.plain().get("one.example.net", "/").text();
        assert_eq!(one(), "second");
        let _first = target_at(101, port, script("first", true));
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        portward.plain().get("odd.example.net", "/");
                    }
                });
            }
            let end = Instant::now() + Duration::from_secs(30);
            let mut found = false;
            while !found && Instant::now() < end {
                found = one() == "first";
                thread::sleep(Duration::from_millis(100));
            }
            over.store(true, Ordering::SeqCst);
            assert!(found, "the first one is found again");
        });
        assert_eq!(state_of(&portward, &at(101, port).to_string())["state"], "up");
    });
}

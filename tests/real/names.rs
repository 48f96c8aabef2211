//! Names of targets, and name servers of every kind (item 33; contract section 7). The network is the test's own, and
//! so is the name server. It is silent, late, fails, or answers.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Namespace, Portward, Target, Wire, command, eventually, within};

/// The type of IPv4 addresses (RFC 1035 section 3.2.2).
const A: u16 = 1;

/// A name server on 127.0.0.1 of a namespace. The first label of a name says what it does.
struct NameServer {
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    _files: TempDir,
    resolv: PathBuf,
    hosts: PathBuf,
}

impl NameServer {
    fn start(namespace: &Namespace) -> Self {
        let files = TempDir::new().unwrap();
        let (resolv, hosts) = (files.path().join("resolv.conf"), files.path().join("hosts"));
        fs::write(&resolv, "search test\nnameserver 127.0.0.1\noptions edns0 trust-ad\n").unwrap();
        fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.1 in-hosts.test\n").unwrap();
        for (file, place) in [(&resolv, "/etc/resolv.conf"), (&hosts, "/etc/hosts")] {
            namespace.run(&format!("mount --bind {} {place}", file.display()));
        }
        let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let counted = Arc::clone(&asked);
        namespace.inside(move || {
            let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
            thread::spawn(move || {
                let mut question = [0; 1500];
                while let Ok((length, peer)) = socket.recv_from(&mut question) {
                    let Some((name, kind, end)) = parse(&question[..length]) else { continue };
                    let count = {
                        let mut counted = counted.lock().unwrap();
                        let count = counted.entry(name.clone()).or_default();
                        *count += 1;
                        *count
                    };
                    let (head, socket) = (question[..end].to_vec(), socket.try_clone().unwrap());
                    let answer =
                        move |code, addresses| drop(socket.send_to(&answer(&head, code, addresses), peer));
                    let here = if kind == A { 1 } else { 0 };
                    match name
                        .split('.')
                        .next()
                        .unwrap()
                        .trim_end_matches(|c: char| c.is_ascii_digit() || c == '-')
                    {
                        "silent" => {}
                        "good" => answer(0, here),
                        "late" => drop(thread::spawn(move || {
                            thread::sleep(Duration::from_millis(2_500));
                            answer(0, here);
                        })),
                        "half" if kind == A => answer(0, 1),
                        "half" => {}
                        "mends" if count > 2 => answer(0, here),
                        "mends" | "fails" => answer(2, 0),
                        _ => answer(3, 0),
                    }
                }
            });
        });
        Self { asked, _files: files, resolv, hosts }
    }

    fn asked(&self, prefix: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(_, count)| count)
            .sum()
    }
}

/// Name, type and end of the question (RFC 1035 section 4.1.2).
pub fn parse(message: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}

/// A response with that code and that many addresses, all of them 127.0.0.1, with a time to live of one second.
fn answer(question: &[u8], code: u8, addresses: u8) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] = 0x84 | question[2] & 1;
    answer[3] = 0x80 | code;
    answer[6..12].copy_from_slice(&[0, addresses, 0, 0, 0, 0]);
    for _ in 0..addresses {
        // A pointer to the name, type A, class IN, TTL 1.
        answer.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

fn host(name: &str, target: &str, port: u16) -> String {
    format!("[[host]]\nname = \"{name}\"\ntarget = \"{target}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n")
}

fn get(namespace: &Namespace, portward: &Portward, host: &str) -> u16 {
    let port = portward.http;
    namespace.inside(|| Wire::plain(port).get(host, "/").status())
}

/// Threads and descriptors of the process.
fn cost(portward: &Portward) -> (usize, usize) {
    let pid = portward.status("Pid:");
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    (count("task"), count("fd"))
}

#[test]
fn item_33_three_thousand_silent_names_cost_little_and_hold_nothing_up() {
    within(110, || {
        let namespace = Namespace::new();
        let server = NameServer::start(&namespace);
        let target = namespace.inside(|| Target::named("here"));
        let good = host("good.example.net", "good.test", target.port())
            + &host("hosts.example.net", "in-hosts.test", target.port());
        let silent: String = (0..3_000)
            .map(|number| {
                host(&format!("{number}.example.net"), &format!("silent-{number}.test"), target.port())
            })
            .collect();
        let portward = Portward::rules(&(silent + &good)).inside(&namespace).start();
        let idle = cost(&portward);
        // More than one round of the simultaneous queries.
        eventually("silent names are asked for", || server.asked("silent") > 100);
        assert_eq!(get(&namespace, &portward, "good.example.net"), 200);
        assert_eq!(get(&namespace, &portward, "hosts.example.net"), 200);
        let config = portward.config().display().to_string();
        let added = command(20, portward.dir(), &["blacklist", "add", "203.0.113.9", "--config", &config]);
        assert_eq!(added.code, 0, "{added:?}");
        eventually("the blacklist is written", || {
            fs::read_to_string(portward.dir().join("state/blacklist.jsonl"))
                .is_ok_and(|text| text.contains("203.0.113.9"))
        });
        let (threads, descriptors) = cost(&portward);
        assert!(threads <= 24, "{threads} threads");
        assert!(descriptors <= idle.1.max(32) + 200, "{descriptors} descriptors, {} before", idle.1);

        // Their queries end when the names are removed. Nothing is left of them.
        portward.write_rules(&good);
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded: 2 hosts"]);
        eventually("no question is left", || cost(&portward).1 <= 40);
        assert_eq!(get(&namespace, &portward, "good.example.net"), 200);
        portward.assert_alive();
    });
}

#[test]
fn item_33_late_failing_and_half_dumb_name_servers() {
    within(110, || {
        let namespace = Namespace::new();
        let server = NameServer::start(&namespace);
        let target = namespace.inside(|| Target::named("here"));
        let names = ["good", "late", "half", "mends", "fails", "unknown", "short", "moved"];
        let rules: String = names
            .iter()
            .map(|name| match *name {
                // Found by the search list.
                "short" => host("short.example.net", "good-2", target.port()),
                "moved" => host("moved.example.net", "moved.invalid", target.port()),
                name => host(&format!("{name}.example.net"), &format!("{name}.test"), target.port()),
            })
            .collect();
        let portward = Portward::rules(&rules).inside(&namespace).start();
        for (name, status) in [
            ("good", 200),
            ("late", 200),
            ("half", 200),
            ("short", 200),
            ("fails", 502),
            ("unknown", 502),
            ("moved", 502),
        ] {
            assert_eq!(get(&namespace, &portward, &format!("{name}.example.net")), status, "{name}");
        }
        eventually("one that fails for a while", || get(&namespace, &portward, "mends.example.net") == 200);

        // It was good, and the name server is silent now. The last good answer is kept.
        let asked = server.asked("good");
        fs::write(&server.resolv, "nameserver 127.0.0.99\n").unwrap();
        fs::write(&server.hosts, "127.0.0.1 localhost moved.invalid\n").unwrap();
        eventually("/etc/hosts is read again", || get(&namespace, &portward, "moved.example.net") == 200);
        assert_eq!(get(&namespace, &portward, "good.example.net"), 200);
        // The change back is noticed as well: resolv.conf is read again.
        fs::write(&server.resolv, "nameserver 127.0.0.1\nsearch test\n").unwrap();
        eventually("the name server is asked again", || server.asked("good") > asked + 1);
        assert!(server.asked("good") < 1_000, "a TTL of a second is no reason to ask without a pause");
    });
}

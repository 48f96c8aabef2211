//! Targets that are DNS names: their addresses come and go without a reload (contract section 7).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{becomes, targets};
use crate::harness::{Namespace, Portward, Target, Wire, eventually, ok, within};
use crate::names::parse;

/// The addresses, and their time to live in seconds.
type Zone = Arc<Mutex<(Vec<IpAddr>, u32)>>;
/// A time to live that makes the server silent about IPv6, as if that half of the answer were lost.
const HALF: u32 = 2;
/// The type of IPv6 addresses (RFC 3596 section 2.1).
const AAAA: u16 = 28;

/// A name server on 127.0.0.1 of a namespace: every name that begins with `pbx` has the addresses of the zone.
fn serve(namespace: &Namespace, zone: &Zone) -> (TempDir, Arc<Mutex<usize>>) {
    let files = TempDir::new().unwrap();
    let (resolv, hosts) = (files.path().join("resolv.conf"), files.path().join("hosts"));
    fs::write(&resolv, "nameserver 127.0.0.1\noptions timeout:1\n").unwrap();
    fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    for (file, place) in [(&resolv, "/etc/resolv.conf"), (&hosts, "/etc/hosts")] {
        namespace.run(&format!("mount --bind {} {place}", file.display()));
    }
    let (zone, asked) = (Arc::clone(zone), Arc::new(Mutex::new(0)));
    let count = Arc::clone(&asked);
    namespace.inside(move || {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut question) {
                let Some((name, kind, end)) = parse(&question[..length]) else { continue };
                if name.starts_with("silent") {
                    continue;
                }
                let mut answer = question[..end].to_vec();
                let (addresses, ttl) = zone.lock().unwrap().clone();
                let is_known = name.starts_with("pbx");
                if kind == AAAA && ttl == HALF {
                    continue;
                }
                let is_asked = |ip: &IpAddr| is_known && kind == if ip.is_ipv4() { 1 } else { AAAA };
                let addresses: Vec<_> = addresses.into_iter().filter(is_asked).collect();
                *count.lock().unwrap() += usize::from(is_known && kind == 1);
                // RFC 1035 section 4.1.1: a response, NXDOMAIN for other names.
                answer[2] = 0x84 | question[2] & 1;
                answer[3] = if is_known { 0x80 } else { 0x83 };
                answer[6..12].copy_from_slice(&[0, addresses.len() as u8, 0, 0, 0, 0]);
                for address in addresses {
                    answer.extend([0xC0, 12, 0, kind as u8, 0, 1]);
                    answer.extend(ttl.to_be_bytes());
                    match address {
                        IpAddr::V4(ip) => answer.extend([&[0, 4][..], &ip.octets()].concat()),
                        IpAddr::V6(ip) => answer.extend([&[0, 16][..], &ip.octets()].concat()),
                    }
                }
                let _ = socket.send_to(&answer, peer);
            }
        });
    });
    (files, asked)
}

fn listen(namespace: &Namespace, last: u8, port: u16, name: &'static str) -> Target {
    let address = SocketAddr::from((Ipv4Addr::new(127, 0, 3, last), port));
    let script = move |conn: &mut crate::harness::Conn| {
        while let Some(request) = conn.try_request() {
            if request.target() == "/long" {
                thread::sleep(Duration::from_secs(12));
            }
            if conn.try_send(ok(name)).is_err() {
                return;
            }
        }
    };
    namespace.inside(|| Target::listen_at(address, None, script))
}

/// Row: the PBX moves. Its new address is used and checked without a reload. The old one is not used any more, but its
/// open connections stay.
#[test]
fn addresses_of_a_name_come_and_go_without_a_reload() {
    within(110, || {
        let namespace = Namespace::new();
        let address = |last| IpAddr::from(Ipv4Addr::new(127, 0, 3, last));
        let zone: Zone = Arc::new(Mutex::new((vec![address(1)], 1)));
        let (_files, asked) = serve(&namespace, &zone);
        let first = listen(&namespace, 1, 0, "first");
        let second = listen(&namespace, 2, first.port(), "second");
        let port = first.port();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"pbx.test\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n\
             [target.\"pbx.test\"]\ncheck = \"http\"\ncheck_interval = \"1s\"\n",
        );
        let portward = Portward::rules(&rules).inside(&namespace).start();
        let http = portward.http;
        let client = || namespace.inside(|| Wire::plain(http));
        let mut kept = client();
        assert_eq!(kept.get("one.example.net", "/").text(), "first");
        becomes(&portward, &format!("127.0.3.1:{port}"), "up");

        // A second address is added, and is checked. Then the first one is removed.
        zone.lock().unwrap().0.push(address(2));
        becomes(&portward, &format!("127.0.3.2:{port}"), "up");
        let mut long = client();
        long.send("GET /long HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        eventually("a long one runs", || first.transcript().contains("/long"));
        zone.lock().unwrap().0 = vec![address(2)];
        eventually("it is used", || kept.get("one.example.net", "/").text() == "second");
        eventually("the first one is no target any more", || {
            targets(&portward).iter().all(|one| one["address"] != "127.0.3.1")
        });
        assert_eq!(client().get("one.example.net", "/").text(), "second");
        assert_eq!(long.response().text(), "first", "what runs goes on");
        eventually("connections that wait for a request are closed", || {
            (0..first.connections()).all(|number| first.closed(number))
        });
        // It is added again, and is checked again.
        let before = first.connections();
        zone.lock().unwrap().0 = vec![address(1), address(2)];
        eventually("it is checked again", || first.connections() > before + 2);
        becomes(&portward, &format!("127.0.3.1:{port}"), "up");
        // A time to live of one second does not lead to a query every second.
        let asked = *asked.lock().unwrap();
        assert!(asked < 40, "{asked} questions");
        assert!(second.connections() > 0);
    });
}

/// A long time to live is not waited for, because a PBX may move.
#[test]
fn a_name_is_asked_for_again_though_its_time_to_live_is_a_day() {
    within(110, || {
        let namespace = Namespace::new();
        let zone: Zone = Arc::new(Mutex::new((vec![Ipv4Addr::new(127, 0, 3, 1).into()], 86_400)));
        let (_files, asked) = serve(&namespace, &zone);
        let rules = "[[host]]\nname = \"one.example.net\"\ntarget = \"pbx.test\"\nhttp = [\"/\"]\n";
        let _portward = Portward::rules(rules).inside(&namespace).start();
        eventually("it is asked for", || *asked.lock().unwrap() == 1);
        thread::sleep(Duration::from_secs(20));
        assert_eq!(*asked.lock().unwrap(), 1, "it is not asked for all the time");
        eventually("it is asked for again", || *asked.lock().unwrap() == 2);
    });
}

/// `portward check` shows how each name resolves. A name that does not resolve is no error, and does not take long.
#[test]
fn check_says_how_names_of_targets_resolve() {
    within(60, || {
        let namespace = Namespace::new();
        let zone: Zone =
            Arc::new(Mutex::new(([1, 2].map(|last| Ipv4Addr::new(127, 0, 3, last).into()).to_vec(), 60)));
        let (_files, _asked) = serve(&namespace, &zone);
        let rules: String = ["pbx.test", "unknown.test", "silent.test", "silent-2.test"]
            .iter()
            .map(|name| format!("[[host]]\nname = \"{name}\"\ntarget = \"{name}\"\nhttp = [\"/\"]\n"))
            .collect();
        let portward = Portward::rules(&rules).inside(&namespace).start();
        let config = portward.config().display().to_string();
        let check = |more: &[&str]| {
            let mut command = namespace.command(env!("CARGO_BIN_EXE_portward"));
            let begin = std::time::Instant::now();
            let output = command.args(["check", "--config", &config]).args(more).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            assert!(begin.elapsed() < Duration::from_secs(12), "{:?}", begin.elapsed());
            String::from_utf8(output.stdout).unwrap()
        };
        let said = check(&[]);
        for line in [
            "note: the target pbx.test resolves to 127.0.3.1, 127.0.3.2\n",
            "note: the target unknown.test does not resolve now: the name does not exist, or has no address\n",
            "note: the target silent.test does not resolve now: no name server has answered for that name\n",
        ] {
            assert!(said.contains(line), "{said}");
        }
        let all: serde_json::Value = serde_json::from_str(&check(&["--json"])).unwrap();
        let of = |name: &str| all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
        assert_eq!(of("pbx.test")["addresses"], serde_json::json!(["127.0.3.1", "127.0.3.2"]));
        assert_eq!(
            (&of("silent.test")["severity"], &of("silent.test")["cause"]),
            (&"note".into(), &"dns-failed".into())
        );
        assert_eq!(of("unknown.test")["cause"], "name-not-found");
    });
}

/// One port of a name.
const RULES: &str =
    "[[host]]\nname = \"one.example.net\"\ntarget = \"pbx.test\"\nhttp = [{ path = \"\", tcp = 80 }]\n";

/// The addresses that `/v1/targets` names.
fn addresses(portward: &Portward) -> Vec<String> {
    let all = targets(portward);
    all.iter().filter_map(|one| Some(one["address"].as_str()?.to_owned())).collect()
}

/// The server answers for IPv4 and is silent about IPv6. The known IPv6 addresses stay. When the server says that there
/// are none, they are removed.
#[test]
fn half_an_answer_takes_nothing_away() {
    within(110, || {
        let namespace = Namespace::new();
        let (old, new) = ([127, 0, 3, 1].into(), [127, 0, 3, 2].into());
        let zone: Zone = Arc::new(Mutex::new((vec![old, Ipv6Addr::LOCALHOST.into()], 1)));
        let (_files, asked) = serve(&namespace, &zone);
        let portward = Portward::rules(RULES).inside(&namespace).start();
        eventually("both are there", || addresses(&portward).len() == 2);
        *zone.lock().unwrap() = (vec![new], HALF);
        eventually("the new one is there", || addresses(&portward).contains(&"127.0.3.2".to_owned()));
        let before = *asked.lock().unwrap();
        eventually("it is asked again", || *asked.lock().unwrap() > before + 1);
        let known = addresses(&portward);
        assert!(known.len() == 2 && known.contains(&"::1".to_owned()), "{known:?}");
        *zone.lock().unwrap() = (vec![new], 1);
        eventually("the other half has gone", || addresses(&portward) == ["127.0.3.2"]);
    });
}

/// A name has too many addresses. Sixteen are used. Otherwise a request could dial for ever.
#[test]
fn sixteen_addresses_of_a_name_are_used() {
    within(110, || {
        let namespace = Namespace::new();
        let all = (1..=26).map(|last| Ipv4Addr::new(127, 0, 3, last).into()).collect();
        let zone: Zone = Arc::new(Mutex::new((all, 1)));
        let (_files, asked) = serve(&namespace, &zone);
        let portward = Portward::rules(RULES).inside(&namespace).start();
        eventually("they are there", || addresses(&portward).len() == 16);
        let first = addresses(&portward);
        let http = portward.http;
        let refused = namespace.inside(|| Wire::plain(http)).get("one.example.net", "/");
        assert_eq!(refused.status(), 502);
        let dialled = targets(&portward).iter().filter(|one| one["failures"]["refused"] == 1).count();
        assert_eq!(dialled, 16);
        // Name servers rotate their answers.
        zone.lock().unwrap().0.reverse();
        let before = *asked.lock().unwrap();
        eventually("it is asked again", || *asked.lock().unwrap() > before + 1);
        assert_eq!(addresses(&portward), first);
    });
}

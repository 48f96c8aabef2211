//! Checks of every kind against right and wrong peers. Each peer has an address of its own, and all are checked at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustls::ServerConnection;

use super::{becomes, changes, ip, state_of, target, target_at};
use crate::harness::sip::{answer, next_message};
use crate::harness::{
    Conn, Portward, Slapd, Target, TestCa, Wire, directory, eventually, free_port, ok, within,
};

/// A peer of a check, and the expected result.
struct Peer {
    name: &'static str,
    /// `http = …`, `sip = …` with the peer's port.
    rule: fn(u16) -> String,
    check: &'static str,
    script: Box<dyn Fn(&mut Conn) + Send + Sync>,
    expected: (&'static str, Option<&'static str>),
}

fn http(port: u16) -> String {
    format!("http = [{{ path = \"\", tcp = {port} }}]")
}

fn https(port: u16) -> String {
    format!("http = [{{ path = \"\", tcp = false, tls = {port} }}]")
}

fn sip(port: u16) -> String {
    format!("sip = {{ tcp = {port}, tls = false }}")
}

fn sips(port: u16) -> String {
    format!("sip = {{ tcp = 1, tls = {port} }}")
}

fn ldap(port: u16) -> String {
    format!("ldap = {{ tcp = {port}, tls = false }}")
}

/// Answers HTTP requests: 200 for `/health`, 500 for others.
fn web(conn: &mut Conn) {
    while let Some(request) = conn.try_request() {
        let good = request.target() == "/health";
        let said = if good { ok("well") } else { b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_vec() };
        if conn.try_send(said).is_err() {
            return;
        }
    }
}

fn silent(conn: &mut Conn) {
    while !conn.some().is_empty() {}
}

fn phones(status: &'static str) -> Box<dyn Fn(&mut Conn) + Send + Sync> {
    Box::new(move |conn| {
        while let Some(request) = next_message(conn) {
            assert_eq!(request.method(), "OPTIONS", "{request:?}");
            if conn.try_send(answer(&request, status, "pbx")).is_err() {
                return;
            }
        }
    })
}

/// Begins TLS after a possible PROXY header.
fn in_tls(conn: &mut Conn, then: impl Fn(&mut Conn)) {
    let identity = TestCa::shared().issue(&["pbx.example.net"]);
    conn.speak_tls(ServerConnection::new(identity.server_config()).unwrap());
    then(conn);
}

fn peers() -> Vec<Peer> {
    let peer = |name, rule, check, script, expected| Peer { name, rule, check, script, expected };
    vec![
        peer("tcp", http, "check = \"tcp\"", Box::new(silent), ("up", None)),
        peer("tls", https, "check = \"tls\"", Box::new(|conn| in_tls(conn, silent)), ("up", None)),
        peer(
            "tls that never ends",
            https,
            "check = \"tls\"",
            Box::new(silent),
            ("down", Some("tls-timed-out")),
        ),
        peer(
            "no TLS",
            https,
            "check = \"tls\"",
            Box::new(|conn| conn.send("HTTP/1.1 400 Bad\r\n\r\n")),
            ("down", Some("not-tls")),
        ),
        peer("web", http, "check = \"http\"\ncheck_path = \"/health\"", Box::new(web), ("up", None)),
        peer("web 500", http, "check = \"http\"", Box::new(web), ("down", Some("unavailable"))),
        peer(
            "ssh",
            http,
            "check = \"http\"",
            Box::new(|conn| conn.send("SSH-2.0-OpenSSH_9.2\r\n")),
            ("down", Some("bad-answer")),
        ),
        peer(
            "web in TLS",
            https,
            "check = \"http\"\ncheck_path = \"/health\"",
            Box::new(|conn| in_tls(conn, web)),
            ("up", None),
        ),
        peer("pbx", sip, "check = \"sip\"", phones("200 OK"), ("up", None)),
        peer("pbx 404", sip, "check = \"sip\"", phones("404 Not Here"), ("up", None)),
        peer(
            "pbx 503",
            sip,
            "check = \"sip\"",
            phones("503 Service Unavailable"),
            ("down", Some("unavailable")),
        ),
        peer("pbx hangs", sip, "check = \"sip\"", Box::new(silent), ("down", Some("no-answer"))),
        peer(
            "pbx closes",
            sip,
            "check = \"sip\"",
            Box::new(|conn| drop(conn.some())),
            ("down", Some("closed")),
        ),
        peer(
            "pbx in TLS",
            sips,
            "check = \"sip\"",
            Box::new(|conn| in_tls(conn, |conn| phones("200 OK")(conn))),
            ("up", None),
        ),
        peer(
            "no directory",
            ldap,
            "check = \"ldap\"",
            Box::new(|conn| {
                conn.some();
                conn.send("HTTP/1.1 400 Bad Request\r\n\r\n");
            }),
            ("down", Some("bad-answer")),
        ),
        peer(
            "PROXY v1",
            http,
            "check = \"http\"\nproxy_protocol = \"v1\"",
            Box::new(|conn| {
                let octets = conn.exactly(15);
                if octets == b"PROXY UNKNOWN\r\n" && conn.try_request().is_some() {
                    conn.send(ok("well"));
                }
            }),
            ("up", None),
        ),
        // Version 2, command LOCAL, no address (the PROXY protocol, section 2.2).
        peer(
            "PROXY v2",
            http,
            "check = \"http\"\nproxy_protocol = \"v2\"",
            Box::new(|conn| {
                let octets = conn.exactly(16);
                if octets == b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" && conn.try_request().is_some() {
                    conn.send(ok("well"));
                }
            }),
            ("up", None),
        ),
    ]
}

/// Row: a check of every kind tells a right peer from a wrong one, and names the cause.
#[test]
fn a_check_of_every_kind_tells_a_right_peer_from_a_wrong_one() {
    within(110, || {
        let (mut rules, mut all) = (String::new(), Vec::new());
        for (number, Peer { name, rule, check, script, expected }) in (10..).zip(peers()) {
            let target = target(number, None, script);
            rules += &format!(
                "[[host]]\nname = \"h{number}.example.net\"\ntarget = \"{0}\"\n{1}\n[target.\"{0}\"]\n{check}\n\
                 check_interval = \"1s\"\nrise = 1\nfall = 2\nserver_name = \"pbx.example.net\"\n",
                ip(number),
                rule(target.port())
            );
            let address = format!("{}:{}", ip(number), target.port());
            all.push((name, address, expected, target));
        }
        let refused = free_port();
        rules += &format!(
            "[[host]]\nname = \"refused.example.net\"\ntarget = \"127.0.1.9\"\n{}\n[target.\"127.0.1.9\"]\n\
             check = \"tcp\"\ncheck_interval = \"1s\"\n",
            http(refused)
        );
        let portward = Portward::with_rules(&rules);
        for (name, address, (state, why), target) in &all {
            let reached = || state_of(&portward, address)["state"] == *state;
            eventually(&format!("{name} ({address}) is {state}: {}", state_of(&portward, address)), reached);
            let seen = state_of(&portward, address);
            assert_eq!((seen["why"].as_str(), &seen["checked"]), (*why, &true.into()), "{name}: {seen}");
            // The kernel has accepted the connection; the target counts it a moment later.
            eventually(&format!("{name} was asked"), || target.connections() >= 1);
        }
        becomes(&portward, &format!("127.0.1.9:{refused}"), "down");
        // The log has the state once, and it does not change.
        for (name, address, (state, _), _) in &all {
            eventually("it is told", || !changes(&portward, address).is_empty());
            let told = changes(&portward, address);
            assert!(told.len() == 1 && told[0].contains(&format!("is {state}")), "{name}: {told:?}");
        }
    });
}

/// Each check judges its own service. A PBX that answers 503 to OPTIONS still serves its web pages and its directory.
#[test]
fn a_check_judges_its_own_service_alone() {
    within(60, || {
        let (pbx, web) = (target(5, None, phones("503 No")), target(5, None, web));
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\n{1}\n{2}\n[target.\"{0}\"]\ncheck = \"sip\"\n\
             check_interval = \"1s\"\nfall = 1\n",
            ip(5),
            sip(pbx.port()),
            http(web.port())
        );
        let portward = Portward::with_rules(&rules);
        becomes(&portward, &format!("{}:{}", ip(5), pbx.port()), "down");
        let page = format!("{}:{}", ip(5), web.port());
        assert_eq!(state_of(&portward, &page)["state"], "unknown");
        assert_eq!(web.connections(), 0, "nobody asks there");
        assert_eq!(portward.plain().get("one.example.net", "/health").text(), "well");
        assert_eq!(state_of(&portward, &page)["state"], "up");
    });
}

/// `check_port` decides the state of the rules' ports, whatever service is on it.
#[test]
fn a_check_port_speaks_for_the_others() {
    within(60, || {
        let (health, web) = (target(6, None, web), target(6, None, silent));
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\n{1}\n[target.\"{0}\"]\ncheck = \"http\"\n\
             check_path = \"/health\"\ncheck_port = {2}\ncheck_interval = \"1s\"\nfall = 1\n",
            ip(6),
            http(web.port()),
            health.port()
        );
        let portward = Portward::with_rules(&rules);
        let judged = format!("{}:{}", ip(6), web.port());
        becomes(&portward, &judged, "up");
        assert_eq!(web.connections(), 0, "the port itself is not asked");
        drop(health);
        becomes(&portward, &judged, "down");
    });
}

/// A `check_port` that is the TLS port of its rule is checked by TLS, though the rule has a plain port as well.
#[test]
fn a_check_port_of_tls_is_asked_by_tls() {
    within(60, || {
        let encrypted = target(7, None, |conn| in_tls(conn, web));
        let plain = target(7, None, web);
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\n\
             http = [{{ path = \"\", tcp = {1}, tls = {2} }}]\n[target.\"{0}\"]\ncheck = \"http\"\ncheck_path = \"/health\"\n\
             check_port = {2}\ncheck_interval = \"1s\"\nfall = 1\nserver_name = \"pbx.example.net\"\n",
            ip(7),
            plain.port(),
            encrypted.port()
        );
        let portward = Portward::with_rules(&rules);
        becomes(&portward, &format!("{}:{}", ip(7), plain.port()), "up");
        becomes(&portward, &format!("{}:{}", ip(7), encrypted.port()), "up");
        assert_eq!(plain.connections(), 0, "the plain port is not asked");
    });
}

/// Row: the check finds a web server down that accepts connections but never answers. Requests go to the next address.
#[test]
fn a_web_server_that_hangs_gives_way_to_the_next_address() {
    within(60, || {
        let hung = target(8, None, silent);
        let port = hung.port();
        let standby = target_at(9, port, web);
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = [\"{0}\", \"{1}\"]\n{2}\n[target.\"{0}\"]\n\
             check = \"http\"\ncheck_path = \"/health\"\ncheck_interval = \"1s\"\nfall = 1\n",
            ip(8),
            ip(9),
            http(port)
        );
        let portward = Portward::with_rules(&rules);
        let address = format!("{}:{port}", ip(8));
        becomes(&portward, &address, "down");
        assert_eq!(state_of(&portward, &address)["why"], "no-answer");
        assert_eq!(portward.plain().get("one.example.net", "/health").text(), "well");
        assert_eq!(standby.connections(), 1);
    });
}

/// Row: a directory that is stopped is down although its port accepts connections. It is up when it continues.
#[test]
fn a_real_directory_hangs_and_goes_on() {
    within(110, || {
        let slapd = Slapd::start("one", "dc=example,dc=net", 1);
        let rules = format!(
            "[[host]]\nname = \"example.net\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {}, tls = {} }}\n\
             [target.\"127.0.0.1\"]\ncheck = \"ldap\"\ncheck_interval = \"1s\"\nfall = 2\n",
            slapd.plain, slapd.tls
        );
        let portward = Portward::with_rules(&rules);
        let ports = [slapd.plain, slapd.tls].map(|port| format!("127.0.0.1:{port}"));
        ports.iter().for_each(|port| becomes(&portward, port, "up"));
        slapd.hang();
        ports.iter().for_each(|port| becomes(&portward, port, "down"));
        slapd.go_on();
        ports.iter().for_each(|port| becomes(&portward, port, "up"));
        // The same with our own directory.
        let own = directory::directory(&[], "", 1);
        let rules = format!(
            "[[host]]\nname = \"example.net\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {}, tls = false }}\n\
             [target.\"127.0.0.1\"]\ncheck = \"ldap\"\ncheck_interval = \"1s\"\n",
            own.port()
        );
        portward.write_rules(&rules);
        portward.hang_up();
        becomes(&portward, &format!("127.0.0.1:{}", own.port()), "up");
    });
}

/// A thousand targets that are silent: at most 64 connections of checks are open at a time.
#[test]
fn checks_have_sixty_four_connections_at_most() {
    within(110, || {
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (now, highest) = (Arc::clone(&open), Arc::clone(&most));
        // It listens on every address of loopback.
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        let all = Target::listen_at(any, None, move |conn| {
            highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            silent(conn);
            now.fetch_sub(1, Ordering::SeqCst);
        });
        let rules: String = (0..1_000)
            .map(|number| {
                let address = format!("127.1.{}.{}", number / 250, number % 250 + 1);
                format!(
                    "[[host]]\nname = \"h{number}.example.net\"\ntarget = \"{address}\"\n{}\n[target.\"{address}\"]\n\
                     check = \"http\"\ncheck_interval = \"2s\"\ncheck_timeout = \"1s\"\n",
                    http(all.port())
                )
            })
            .collect();
        let portward = Portward::with_rules(&rules);
        eventually("many are checked", || all.connections() >= 300);
        let most = most.load(Ordering::SeqCst);
        // The target notices the end of one connection a little after the next one has begun.
        assert!((32..=64 + 8).contains(&most), "{most} connections at a time");
        thread::sleep(Duration::from_secs(1));
        let sockets = portward.sockets();
        assert!(sockets <= 64 + 40, "{sockets} sockets");
    });
}

/// A target that refuses our certificate is marked down neither by a connection nor by a check. In TLS 1.3 it refuses
/// after the handshake.
#[test]
fn a_target_that_refuses_our_certificate_is_not_marked() {
    within(60, || {
        let strict = TestCa::shared().issue(&["one.example.net"]);
        let script = move |conn: &mut Conn| {
            conn.speak_tls(ServerConnection::new(strict.strict_server_config()).unwrap());
            silent(conn);
        };
        let pbx = target(7, None, script);
        let rules = |check: &str| {
            format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\n{1}\n[target.\"{0}\"]\n{check}\n\
                 server_name = \"one.example.net\"\n",
                ip(7),
                sips(pbx.port())
            )
        };
        let portward = Portward::rules(&rules("")).listen("sips").start();
        let address = format!("{}:{}", ip(7), pbx.port());
        let mut phone = Wire::tls(portward.port("sips"), "one.example.net");
        let _ = phone.try_send(crate::harness::sip::request("REGISTER", "a@one.example.net", ""));
        assert_eq!(phone.rest(), b"");
        assert_ne!(state_of(&portward, &address)["state"], "down");
        portward.write_rules(&rules("check = \"sip\"\ncheck_interval = \"1s\"\nfall = 1"));
        portward.hang_up();
        let before = pbx.connections();
        eventually("it is checked", || pbx.connections() >= before + 3);
        let seen = state_of(&portward, &address);
        assert_ne!(seen["state"], "down", "{seen}");
        assert!(changes(&portward, &address).iter().all(|line| !line.contains("is down")));
    });
}

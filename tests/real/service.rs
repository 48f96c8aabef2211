//! Portward under a service manager: the messages to it, the sockets that it keeps and passes, and a restart that
//! refuses no client (contract section 8, last paragraph). packaging/smoke has tests with systemd itself.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use crate::harness::{
    Child, Portward, ServiceManager, Setup, Target, WebSocketEcho, Wire, eventually, free_port, program,
    web_socket, within,
};

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    )
}

/// Listens for HTTP on one port, the same at every start, and for nothing else.
fn on_port(setup: Setup, port: u16) -> Setup {
    setup.set("listen.http", &format!("\"127.0.0.1:{port}\"")).set("listen.https", "[]")
}

fn stored(port: u16) -> String {
    format!("stored-127.0.0.1_{port}")
}

/// How many sockets listen on a port, whatever their address (proc(5), /proc/net/tcp: 0A is LISTEN).
fn listeners(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let here = format!(":{port:04X}");
    let listens = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&here)) && fields.nth(1) == Some("0A")
    };
    table.lines().filter(listens).count()
}

#[test]
fn a_restart_refuses_nobody() {
    within(60, || {
        let (manager, port) = (ServiceManager::start(), free_port());
        let target = Target::named("here");
        let portward = on_port(Portward::rules(&rules(target.port())), port).under(&manager).start();
        manager.stores(&[&stored(port)]);
        assert_eq!(Wire::plain(port).get("one.example.net", "/").text(), "here");
        portward.terminate();
        assert_eq!(portward.wait(), Some(0));
        // No Portward runs. A client that connects now waits.
        let mut waiting: Vec<Wire> = (0..20).map(|_| Wire::plain(port)).collect();
        for wire in &mut waiting {
            wire.send("GET /meanwhile HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        }
        let portward = portward.restart();
        portward.line(&[&format!("listening on 127.0.0.1:{port} (http), open since before")]);
        for wire in &mut waiting {
            assert_eq!(wire.head().status(), 200);
        }
        manager.stores(&[&stored(port)]);
        assert_eq!(target.transcript().matches("GET /meanwhile ").count(), 20);
    });
}

#[test]
fn while_a_process_drains_newcomers_wait_for_the_next() {
    within(60, || {
        let (manager, port) = (ServiceManager::start(), free_port());
        let target = WebSocketEcho::plain();
        let setup =
            on_port(Portward::rules(&rules(target.port())), port).set("limits.drain_timeout", "\"2s\"");
        let portward = setup.under(&manager).start();
        let (mut tunnel, _) = web_socket(Wire::plain(port), "one.example.net", "/websocket").unwrap();
        let mark = manager.mark();
        portward.terminate();
        manager
            .hears_after(mark, &["STOPPING=1", "EXTEND_TIMEOUT_USEC=", "STATUS=draining: 1 connections, "]);
        let mut newcomer = Wire::plain(port);
        newcomer.send("GET /new HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let echo = tokio_tungstenite::tungstenite::Message::text("still there");
        tunnel.send(echo.clone()).unwrap();
        assert_eq!(tunnel.read().unwrap(), echo, "a tunnel goes on while Portward drains");
        assert_eq!(portward.wait(), Some(0));
        assert!(tunnel.read().is_err(), "and ends when it is over");
        let portward = portward.restart();
        assert!(newcomer.head().status() >= 200);
        portward.decision(&["GET /new HTTP/1.1 -> "]);
    });
}

#[test]
fn the_manager_hears_how_it_goes() {
    within(60, || {
        let manager = ServiceManager::start();
        manager.watch(400_000);
        let target = Target::named("here");
        let portward = on_port(Portward::rules(&rules(target.port())), free_port()).under(&manager).start();
        manager.hears_after(0, &["EXTEND_TIMEOUT_USEC="]);
        manager.hears_after(0, &["READY=1", "STATUS=serving 1 hosts on 1 sockets"]);

        // systemd.service(5), Type=notify-reload: RELOADING=1 with the time, then READY=1.
        let mark = manager.mark();
        portward.hang_up();
        manager.hears_after(mark, &["RELOADING=1", "MONOTONIC_USEC="]);
        manager.hears_after(mark, &["READY=1", "STATUS=serving 1 hosts"]);
        let mark = manager.mark();
        portward.write_rules("[[host]]\nname = 7\n");
        portward.hang_up();
        let all = manager.hears_after(mark, &["READY=1", "the last reload was refused"]);
        assert!(all.contains("serving 1 hosts"), "{all}");
        let said = manager.heard_since(mark);
        let place = |part| said.iter().position(|one| one.contains(part));
        assert!(place("RELOADING=1") < place("READY=1"), "{said:?}");

        let mark = manager.mark();
        eventually("the watchdog is fed again and again", || {
            manager.heard_since(mark).iter().filter(|said| said.as_str() == "WATCHDOG=1\n").count() >= 5
        });
        portward.assert_alive();
    });
}

/// Item 20: the manager is told of the end even if no connection is open.
#[test]
fn item_20_stopping_is_said_with_nothing_open() {
    within(60, || {
        let manager = ServiceManager::start();
        let target = Target::named("here");
        let portward = on_port(Portward::rules(&rules(target.port())), free_port()).under(&manager).start();
        manager.hears_after(0, &["READY=1"]);
        let mark = manager.mark();
        portward.terminate();
        assert_eq!(portward.wait(), Some(0));
        manager.hears_after(mark, &["STOPPING=1", "EXTEND_TIMEOUT_USEC=", "STATUS=draining: 0 connections"]);
    });
}

/// Item 20: a notify socket that is not read blocks neither the start, nor signals, nor the end. When it is read at
/// last, all messages are there, in order.
#[test]
fn item_20_a_manager_that_does_not_read_blocks_nothing() {
    within(60, || {
        let (manager, socket) = ServiceManager::silent();
        manager.fill();
        manager.watch(200_000);
        let target = Target::named("here");
        let port = free_port();
        let portward = on_port(Portward::rules(&rules(target.port())), port).under(&manager).start();
        assert_eq!(Wire::plain(port).get("one.example.net", "/").text(), "here");
        for _ in 0..3 {
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["reloaded: 1 hosts"]);
        }
        portward.terminate();
        assert_eq!(portward.wait(), Some(0), "{:?}", portward.lines());

        let portward = portward.restart();
        manager.listen(socket);
        manager.hears_after(0, &["READY=1", "STATUS=serving 1 hosts"]);
        manager.stores(&[&stored(port)]);
        let mark = manager.mark();
        eventually("the watchdog is fed again", || {
            manager.heard_since(mark).iter().filter(|said| said.as_str() == "WATCHDOG=1\n").count() >= 3
        });
        portward.terminate();
        manager.hears_after(mark, &["STOPPING=1"]);
    });
}

#[test]
fn the_store_follows_the_configuration() {
    within(60, || {
        let (manager, first, second) = (ServiceManager::start(), free_port(), free_port());
        let target = Target::named("here");
        let portward = on_port(Portward::rules(&rules(target.port())), first).under(&manager).start();
        manager.stores(&[&stored(first)]);
        let listen = |from: u16, to: u16| {
            let text = fs::read_to_string(portward.config()).unwrap();
            fs::write(portward.config(), text.replace(&format!(":{from}\""), &format!(":{to}\""))).unwrap();
        };
        listen(first, second);
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded: 1 hosts"]);
        manager.stores(&[&stored(second)]);
        let refused = |port: u16| TcpStream::connect(("127.0.0.1", port)).is_err();
        eventually("nobody keeps the old port open", || refused(first));
        assert_eq!(Wire::plain(second).get("one.example.net", "/").text(), "here");

        // A port that leaves the configuration while Portward does not run is closed at the next start. (The next start
        // writes the configuration anew, with the first port.)
        let portward = portward.restart();
        manager.stores(&[&stored(first)]);
        eventually("nobody keeps the other port open", || refused(second));
        assert_eq!(Wire::plain(first).get("one.example.net", "/").text(), "here");
        portward.assert_alive();
    });
}

/// From every address to one and back, by reloads and by restarts. One listening socket would keep the other from
/// opening.
#[test]
fn an_address_may_become_narrower_and_wider() {
    within(60, || {
        let (manager, port) = (ServiceManager::start(), free_port());
        let (narrow, wide) = (format!("\"127.0.0.1:{port}\""), format!("\"0.0.0.0:{port}\""));
        let (stored_narrow, stored_wide) = (stored(port), format!("stored-0.0.0.0_{port}"));
        let target = Target::named("here");
        let setup =
            Portward::rules(&rules(target.port())).set("listen.http", &wide).set("listen.https", "[]");
        let mut portward = setup.under(&manager).start();
        manager.stores(&[&stored_wide]);
        for (from, to, stored) in [(&wide, &narrow, &stored_narrow), (&narrow, &wide, &stored_wide)] {
            let text = fs::read_to_string(portward.config()).unwrap();
            fs::write(portward.config(), text.replace(from.as_str(), to)).unwrap();
            let mark = portward.mark();
            portward.hang_up();
            portward.line_after(mark, &["reloaded: 1 hosts"]);
            manager.stores(&[stored]);
            eventually("the old socket is closed", || listeners(port) == 1);
            assert_eq!(Wire::plain(port).get("one.example.net", "/").text(), "here");
        }
        for (to, stored) in [(&narrow, &stored_narrow), (&wide, &stored_wide)] {
            portward = portward.restart_with("listen.http", to);
            manager.stores(&[stored]);
            eventually("the old socket is closed", || listeners(port) == 1);
            assert_eq!(Wire::plain(port).get("one.example.net", "/").text(), "here");
        }
        // A second Portward is kept out, as before.
        assert!(TcpListener::bind(("127.0.0.1", port)).is_err());
    });
}

/// A socket unit's socket for a TLS port is kept until there is a certificate.
#[test]
fn a_socket_of_a_unit_waits_for_its_certificate() {
    within(60, || {
        let (manager, port) = (ServiceManager::start(), free_port());
        let address: SocketAddr = ([127, 0, 0, 1], port).into();
        manager.pass("portward.socket", TcpListener::bind(address).unwrap());
        let target = Target::named("here");
        let setup = Portward::rules(&rules(target.port()))
            .set("listen.https", &format!("\"{address}\""))
            .set("tls.certificates", "\"later\"");
        let portward = setup.under(&manager).start();
        portward.line(&["there is no server certificate"]);
        let issued = portward.dir().join("certs");
        fs::rename(issued, portward.dir().join("later")).unwrap();
        portward.hang_up();
        portward.line(&[&format!("listening on {address} (https)")]);
        assert_eq!(Wire::tls(port, "one.example.net").get("one.example.net", "/").text(), "here");
        let names = manager.heard_since(0).join("\n");
        assert!(
            !names.contains(&format!("FDNAME={}", stored(port))),
            "the unit brings it anew each time: {names}"
        );
    });
}

/// systemd's own tool opens the socket and passes it (LISTEN_FDS).
#[test]
fn systemd_passes_a_socket() {
    within(60, || {
        let port = free_port();
        let target = Target::named("here");
        let config = on_port(Portward::rules(&rules(target.port())), port);
        let file = config.write();
        let activate = program("systemd-socket-activate", "systemd");
        let mut child = Child::start(
            Command::new(activate)
                .arg(format!("--listen=127.0.0.1:{port}"))
                .args([env!("CARGO_BIN_EXE_portward"), "run", "--config"])
                .arg(&file),
        );
        // The first connection makes systemd's tool start Portward.
        child.line_after(0, &["Listening on"]);
        assert_eq!(Wire::plain(port).get("one.example.net", "/").text(), "here");
        child.line_after(0, &[&format!("listening on 127.0.0.1:{port} (http), open since before")]);
        assert!(child.ended().is_none());
    });
}

/// The passed sockets must agree with the configuration. A socket that cannot be used is named.
#[test]
fn a_wrong_socket_prevents_the_start() {
    within(60, || {
        let target = Target::named("here");
        let refused = |socket: std::os::fd::OwnedFd, parts: &[&str]| {
            let manager = ServiceManager::start();
            manager.pass("portward.socket", socket);
            let setup = Portward::rules(&rules(target.port())).under(&manager);
            let (code, lines) = setup.fails_to_start(&setup.write());
            assert_eq!(code, Some(1), "{lines}");
            assert!(parts.iter().all(|part| lines.contains(part)), "{parts:?} is not in {lines}");
        };
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap().to_string();
        refused(other.into(), &[&address, "LISTEN_FDS", "[listen] has no such address"]);
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        refused(datagrams.into(), &["the socket 3 (portward.socket)", "cannot be used"]);
        let both = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        refused(both.into(), &["the socket 3 (portward.socket)", "BindIPv6Only=ipv6-only"]);
    });
}

/// Relative paths are relative to the file, whose own path may be relative. All of these paths stay accessible.
#[test]
fn a_relative_configuration_keeps_its_socket_and_its_state() {
    within(60, || {
        let target = Target::named("here");
        let setup = Portward::rules(&rules(target.port())).set("admin.socket", "\"portward.sock\"");
        let portward = on_port(setup, free_port()).relative().start();
        let socket = portward.dir().join("portward.sock");
        eventually("the socket is there", || socket.exists());
        assert!(portward.dir().join("state/sip-route.key").exists());
        assert!(!portward.lines().join("\n").contains("no administration"));
    });
}

/// Contract section 8: the process gives up the rights that it does not need, and says so once. The kernel enforces it.
#[test]
fn the_daemon_confines_itself() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&rules(target.port()));
        let lines: Vec<_> = portward.lines().into_iter().filter(|line| line.contains("confined: ")).collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let state = portward.dir().join("state").display().to_string();
        for part in
            ["no new privileges", "not to be dumped or traced", "Landlock", "executes nothing", &state]
        {
            assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
        }
        assert_eq!(portward.status("NoNewPrivs:"), "1");
        // proc(5): the files of a process that is not dumpable belong to root. Here everything is root's anyway. So the
        // test only shows that no other folder can be written to.
        let mark = portward.mark();
        let text = fs::read_to_string(portward.config()).unwrap();
        fs::write(portward.config(), text.replace("state = \"state\"", "state = \"/nowhere\"")).unwrap();
        portward.hang_up();
        portward.line_after(mark, &["/nowhere can be written to after a restart only"]);
        assert_eq!(Wire::plain(portward.http).get("one.example.net", "/").text(), "here");
    });
}

//! Fail-over: the addresses of a target are tried in order, for every service. Later the first one is used again.

use std::thread;
use std::time::{Duration, Instant};

use portward::demo::ras::request as registration;

use super::{becomes, changes, ip, target, target_at};
use crate::harness::h323::{self, confirmed_by};
use crate::harness::kamailio::Kamailio;
use crate::harness::sip::{next_message, request, serve};
use crate::harness::{Conn, Portward, Target, Wire, directory, eventually, ok, within};

/// A host whose target has these addresses, with a rule, and with settings of each address.
fn rules(addresses: &[u8], rule: &str, said: &str) -> String {
    let list: Vec<_> = addresses.iter().map(|last| format!("\"{}\"", ip(*last))).collect();
    let mut rules = format!("[[host]]\nname = \"one.example.net\"\ntarget = [{}]\n{rule}\n", list.join(", "));
    for last in addresses.iter().filter(|_| !said.is_empty()) {
        rules += &format!("[target.\"{}\"]\n{said}\n", ip(*last));
    }
    rules
}

fn says(name: &'static str) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    move |conn| {
        while conn.try_request().is_some() {
            if conn.try_send(ok(name)).is_err() {
                return;
            }
        }
    }
}

/// Closes after each answer, so that every request needs a new connection.
fn one_request(conn: &mut Conn) {
    if conn.try_request().is_some() {
        let _ = conn.try_send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfirst");
    }
}

fn registers_at(wire: &mut Wire) -> String {
    wire.send(request("REGISTER", "a@one.example.net", ""));
    let answer = next_message(wire).expect("an answer");
    answer.header("server").unwrap().to_owned()
}

/// Row: two of three addresses are down, one by a refused connection, the other by a reset in the TLS handshake.
#[test]
fn two_of_three_addresses_are_down() {
    within(60, || {
        let identity = crate::harness::TestCa::shared().issue(&["one.example.net"]);
        let third = target(33, Some(&identity), says("third"));
        let resets = target_at(32, third.port(), |conn| {
            conn.some();
            conn.reset();
        });
        let rule = format!("http = [{{ path = \"\", tcp = false, tls = {} }}]", third.port());
        let portward = Portward::with_rules(&rules(&[31, 32, 33], &rule, ""));
        for request in ["GET", "POST"] {
            for mut client in portward.both("one.example.net") {
                let head =
                    format!("{request} / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n");
                assert_eq!(client.ask(head).text(), "third", "a POST has not been sent to the others yet");
            }
        }
        let addresses = [31, 32, 33].map(|last| format!("{}:{}", ip(last), third.port()));
        for (address, (state, why)) in addresses.iter().zip([("down", "refused"), ("down", ""), ("up", "")]) {
            becomes(&portward, address, state);
            eventually("it is told", || !changes(&portward, address).is_empty());
            let told = changes(&portward, address);
            assert!(told.len() == 1 && told[0].contains(state) && told[0].contains(why), "{told:?}");
        }
        assert_eq!(resets.connections(), 1, "what has failed is left alone for ten seconds");
    });
}

/// Row: for each service that decides once, the next address is tried when the first refuses.
#[test]
fn every_service_fails_over() {
    within(60, || {
        let phone = target(42, None, |conn| serve(conn, "second"));
        let gatekeeper = target(42, None, |conn| h323::serve(conn, "second"));
        let directory = directory::directory(&["cn=a,dc=one,dc=example,dc=net"], "secret", 1);
        let web = target(42, None, says("second"));
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = [\"{}\", \"{}\"]\nsip = {{ tcp = {}, tls = false }}\n\
             h323 = {{ tcp = {}, tls = false }}\nhttp = [{{ path = \"\", tcp = {} }}]\n\
             ldap = {{ target = [\"{}\", \"127.0.0.1\"], tcp = {}, tls = false }}\n",
            ip(41),
            ip(42),
            phone.port(),
            gatekeeper.port(),
            web.port(),
            ip(41),
            directory.port()
        );
        let portward = Portward::rules(&rules).listen("sip").listen("h323").listen("ldap").start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "second");
        assert_eq!(registers_at(&mut Wire::plain(portward.port("sip"))), "second");
        let mut terminal = Wire::plain(portward.port("h323"));
        terminal.send(registration(7, "one.example.net", "009033410004"));
        assert_eq!(confirmed_by(&mut terminal), "second");
        let mut client = Wire::plain(portward.port("ldap"));
        client.send(directory::bind(1, "cn=a,dc=one,dc=example,dc=net", "secret"));
        assert_eq!(directory::answer(&mut client, 1).0, ldap3_proto::proto::LdapResultCode::Success);
        for port in [web.port(), phone.port(), gatekeeper.port(), directory.port()] {
            becomes(&portward, &format!("{}:{port}", ip(41)), "down");
        }
    });
}

/// Rows: the first PBX is back. Browsers use it at once, phones only after `failback`. An open tunnel stays at its PBX.
#[test]
fn http_comes_back_at_once_and_phones_after_failback() {
    within(110, || {
        let (phone, web) = (target(52, None, |conn| serve(conn, "second")), target(52, None, says("second")));
        let gatekeeper = target(52, None, |conn| h323::serve(conn, "second"));
        let rule = format!(
            "sip = {{ tcp = {}, tls = false }}\nh323 = {{ tcp = {}, tls = false }}\nhttp = [{{ path = \"\", tcp = {} }}]",
            phone.port(),
            gatekeeper.port(),
            web.port()
        );
        let said = "check = \"tcp\"\ncheck_interval = \"1s\"\nfall = 1\nrise = 1\nfailback = \"8s\"";
        let setup = Portward::rules(&rules(&[51, 52], &rule, said)).listen("sip").listen("h323");
        let portward = setup.start();
        let first = |port: u16| format!("{}:{port}", ip(51));
        let ports = [phone.port(), gatekeeper.port(), web.port()];
        ports.iter().for_each(|port| becomes(&portward, &first(*port), "down"));
        let mut tunnel = Wire::plain(portward.port("sip"));
        assert_eq!(registers_at(&mut tunnel), "second");

        let _back = (
            target_at(51, phone.port(), |conn| serve(conn, "first")),
            target_at(51, gatekeeper.port(), |conn| h323::serve(conn, "first")),
            target_at(51, web.port(), says("first")),
        );
        ports.iter().for_each(|port| becomes(&portward, &first(*port), "up"));
        let up = Instant::now();
        let page = portward.plain().get("one.example.net", "/").text();
        let server = registers_at(&mut Wire::plain(portward.port("sip")));
        let mut terminal = Wire::plain(portward.port("h323"));
        terminal.send(registration(7, "one.example.net", "009033410004"));
        let confirmed = confirmed_by(&mut terminal);
        // A slow machine may have taken longer than this. Then there is nothing to check.
        if up.elapsed() < Duration::from_secs(4) {
            assert_eq!((&*page, &*server, &*confirmed), ("first", "second", "second"));
        }
        eventually("phones return", || registers_at(&mut Wire::plain(portward.port("sip"))) == "first");
        eventually("terminals return", || {
            let mut terminal = Wire::plain(portward.port("h323"));
            terminal.send(registration(7, "one.example.net", "009033410004"));
            confirmed_by(&mut terminal) == "first"
        });
        assert_eq!(registers_at(&mut tunnel), "second", "the tunnel stays");
    });
}

/// Row: a PBX that is up for a second and away for the next. The log has few lines. The other PBX serves the clients,
/// or they get an error.
#[test]
fn a_pbx_that_flaps_every_second_fills_no_log() {
    within(110, || {
        let second = target(62, None, says("second"));
        let port = second.port();
        let rule = format!("http = [{{ path = \"\", tcp = {port} }}]");
        let alone = format!(
            "[[host]]\nname = \"alone.example.net\"\ntarget = \"{}\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n",
            ip(63)
        );
        let portward = Portward::with_rules(&(rules(&[61, 62], &rule, "") + &alone));
        let mut client = portward.plain();
        for round in 0..24 {
            let up = (round % 2 == 0).then(|| [61, 63].map(|last| target_at(last, port, one_request)));
            let end = Instant::now() + Duration::from_millis(500);
            while Instant::now() < end {
                assert_eq!(client.get("one.example.net", "/").status(), 200);
                assert!(matches!(portward.plain().get("alone.example.net", "/").status(), 200 | 502));
                thread::sleep(Duration::from_millis(50));
            }
            drop(up);
        }
        for last in [61, 63] {
            let told = changes(&portward, &format!("{}:{port}", ip(last)));
            assert!((1..=6).contains(&told.len()), "{told:#?}");
        }
    });
}

/// Row: all phones come at once when their PBX has been restarted. None of them marks it down again.
#[test]
fn a_registration_storm_after_a_restart_marks_nothing_down() {
    within(110, || {
        let mut kamailio = Kamailio::start("example.net");
        let rules = format!(
            "[[host]]\nname = \"example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = {} }}\n\
             [target.\"127.0.0.1\"]\ncheck = \"sip\"\ncheck_interval = \"1s\"\nfall = 2\nrise = 1\n",
            kamailio.plain, kamailio.tls
        );
        let portward = Portward::rules(&rules).listen("sip").listen("sips").start();
        let ports = [kamailio.plain, kamailio.tls].map(|port| format!("127.0.0.1:{port}"));
        ports.iter().for_each(|port| becomes(&portward, port, "up"));
        let storm = |wanted: &str| {
            let mut phones: Vec<Wire> = (0..120)
                .map(|number| match number % 4 {
                    0 => Wire::tls(portward.port("sips"), "example.net"),
                    _ => Wire::plain(portward.port("sip")),
                })
                .collect();
            phones.iter_mut().for_each(|phone| {
                let _ = phone.try_send(request("REGISTER", "a@example.net", ""));
            });
            let answers = phones.iter_mut().map(next_message);
            answers
                .filter(|answer| answer.as_ref().is_some_and(|answer| answer.start.contains(wanted)))
                .count()
        };
        assert_eq!(storm("401"), 120);
        kamailio.stop();
        ports.iter().for_each(|port| becomes(&portward, port, "down"));
        assert_eq!(storm("401"), 0);
        kamailio.go_on();
        ports.iter().for_each(|port| becomes(&portward, port, "up"));
        assert_eq!(storm("401"), 120);
        thread::sleep(Duration::from_secs(3));
        for port in &ports {
            let told = changes(&portward, port);
            assert_eq!(told.len(), 3, "up, down, up: {told:?}");
        }
    });
}

/// A target with a full queue of connections takes no more of them. To Portward it looks dead. It is up again as soon
/// as it takes one.
#[test]
fn a_target_that_accepts_slowly_costs_one_timeout_and_comes_back() {
    within(110, || {
        let second = target(72, None, says("second"));
        let slow = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let address = std::net::SocketAddr::from((ip(71), second.port()));
        slow.bind(&address.into()).unwrap();
        slow.listen(0).unwrap();
        // One or two untaken connections fill its queue.
        let fill: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)))
            .collect();
        assert!(fill.iter().any(Result::is_err), "the queue is full");
        let rule = format!("http = [{{ path = \"\", tcp = {} }}]", second.port());
        let setup = Portward::rules(&rules(&[71, 72], &rule, "")).set("upstream.connect_timeout", "\"2s\"");
        let portward = setup.start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "second");
        becomes(&portward, &address.to_string(), "down");
        let begin = Instant::now();
        for _ in 0..20 {
            assert_eq!(portward.plain().get("one.example.net", "/").text(), "second");
        }
        println!("twenty requests after {:.1} s", begin.elapsed().as_secs_f64());
        assert!(begin.elapsed() < Duration::from_secs(8), "it is not waited for each time");
        drop((fill, slow));
        let _first: Target = target_at(71, second.port(), says("first"));
        let end = Instant::now() + Duration::from_secs(40);
        while portward.plain().get("one.example.net", "/").text() != "first" {
            assert!(Instant::now() < end, "it is tried again after ten seconds");
            thread::sleep(Duration::from_millis(200));
        }
        becomes(&portward, &address.to_string(), "up");
    });
}

//! A log line about a failed target names its address and the cause, for every service (contract section 8).

use std::net::SocketAddr;
use std::time::Duration;

use portward::demo::ras;
use serde_json::Value;

use crate::harness::{
    Identity, Portward, Setup, Target, TestCa, Wire, directory, free_port, kamailio::Kamailio, sip, within,
};

const HOST: &str = "one.example.net";

/// The services with their keys, in the order of [`ask`].
const SERVICES: [&str; 4] = ["http", "sip", "ldap", "h323"];

/// A host whose services all lead to that port. `words` are further keys of the rules.
fn rules(target: &str, words: &str) -> String {
    let check = if words.contains("tcp = false") { ", check_certificate = false" } else { "" };
    format!(
        "[[host]]\nname = \"{HOST}\"\ntarget = {target}\nhttp = [{{ path = \"\", {words} }}]\n\
         sip = {{ {words}{check} }}\nldap = {{ {words} }}\nh323 = {{ {words}{check} }}\n"
    )
}

fn plain(port: u16) -> String {
    format!("tcp = {port}, tls = false")
}

fn tls(port: u16) -> String {
    format!("tcp = false, tls = {port}")
}

fn setup(rules: &str) -> Setup {
    Portward::rules(rules)
        .listen("sip")
        .listen("ldap")
        .listen("h323")
        .set("upstream.connect_timeout", "\"1s\"")
        .set("upstream.trust", "\"ca.crt\"")
        .set("upstream.verify", "\"ca\"")
}

/// Asks for the host by one service. Returns the connection, because its end may matter.
fn ask(portward: &Portward, service: &str) -> Wire {
    let mut wire = match service {
        "http" => portward.plain(),
        other => Wire::plain(portward.port(other)),
    };
    match service {
        "http" => wire.send(format!("GET /a?t=s3cret HTTP/1.1\r\nHost: {HOST}\r\n\r\n")),
        "sip" => wire.send(sip::request("REGISTER", &format!("a@{HOST}"), "")),
        "ldap" => wire.send(directory::bind(1, &format!("{HOST}\\a"), "s3cret")),
        _ => wire.send(ras::request(1, HOST, "a")),
    }
    wire
}

/// Every service is refused, and the log line has these words.
fn every_service_says(portward: &Portward, words: &str) {
    for service in SERVICES {
        let mark = portward.mark();
        let _wire = ask(portward, service);
        let line = portward.decision_after(mark, &[&format!(" rejected: {words}")]);
        assert!(line.ends_with(words), "{service}: {line}");
        assert!(!line.contains("s3cret"), "{line}");
    }
}

#[test]
fn causes_of_a_target_that_cannot_be_connected_to() {
    within(60, || {
        let port = free_port();
        let portward = setup(&rules("\"127.0.0.1\"", &plain(port))).start();
        every_service_says(&portward, &format!("target-down 127.0.0.1:{port} refused"));
        // Each of several addresses is named, in the order of the attempts.
        let portward = setup(&rules("[\"127.0.0.2\", \"127.0.0.1\"]", &plain(port))).start();
        every_service_says(
            &portward,
            &format!("target-down 127.0.0.2:{port} refused, 127.0.0.1:{port} refused"),
        );
        // The name does not exist. A name server that does not answer is another cause.
        let portward = setup(&rules("\"pbx.invalid\"", &plain(port))).start();
        let _wire = ask(&portward, "sip");
        let line = portward.decision(&[" rejected: target-down pbx.invalid:"]);
        assert!(
            line.ends_with(&format!(":{port} name-not-found")) || line.ends_with(" dns-failed"),
            "{line}"
        );
    });
}

/// The accept queue of the listener is full, and connection requests are swallowed.
#[test]
fn causes_of_a_target_that_does_not_answer_to_tcp() {
    within(60, || {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fill: Vec<_> = (0..8)
            .filter_map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect();
        assert!(fill.len() < 8, "the queue does not fill");
        let portward = setup(&rules("\"127.0.0.1\"", &plain(address.port()))).start();
        every_service_says(&portward, &format!("target-down {address} timed-out"));
    });
}

#[test]
fn causes_of_a_target_that_fails_after_it_was_connected_to() {
    within(60, || {
        let hangs_up = Target::scripted(|conn| drop(conn.some()));
        let portward =
            setup(&rules("\"127.0.0.1\"", &plain(hangs_up.port()))).set("log.ended", "\"all\"").start();
        let failed = format!("127.0.0.1:{} closed", hangs_up.port());
        for service in SERVICES {
            let mark = portward.mark();
            let _wire = ask(&portward, service);
            match service {
                "http" => drop(portward.decision_after(mark, &[&format!("rejected: target-down {failed}")])),
                _ => {
                    let line = portward.line_after(mark, &["ended by target in relay (target-down): "]);
                    assert!(line.ends_with(&format!(" s, {failed}")), "{line}");
                }
            }
        }
        let babbles = Target::scripted(|conn| {
            let _ = conn.some();
            let _ = conn.try_send("\0\0nonsense\r\n\r\n");
            let _ = conn.some();
        });
        let portward =
            setup(&rules("\"127.0.0.1\"", &plain(babbles.port()))).set("log.ended", "\"all\"").start();
        for service in ["http", "sip", "ldap"] {
            let mark = portward.mark();
            let _wire = ask(&portward, service);
            let failed = format!("target-down 127.0.0.1:{} bad-answer", babbles.port());
            portward.decision_after(mark, &[&format!("rejected: {failed}")]);
        }
        let silent = Target::recorder();
        let portward = setup(&rules("\"127.0.0.1\"", &plain(silent.port())))
            .set("limits.response_timeout", "\"1s\"")
            .start();
        let _wire = ask(&portward, "http");
        portward.decision(&[&format!("rejected: target-down 127.0.0.1:{} no-answer", silent.port())]);
    });
}

/// A server that answers the first octets with a fatal alert, or with something else.
fn says(octets: &'static [u8]) -> Target {
    Target::scripted(move |conn| {
        let _ = conn.some();
        let _ = conn.try_send(octets);
        let _ = conn.some();
    })
}

#[test]
fn causes_of_a_target_without_a_tls_handshake() {
    within(100, || {
        for (octets, cause) in [
            (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "not-tls"),
            (b"SIP/2.0 400 Bad Request\r\n\r\n", "not-tls"),
            (&[21, 3, 1, 0, 2, 2, 70], "no-common-version"),
            (&[21, 3, 1, 0, 2, 2, 40], "no-common-cipher"),
            (&[21, 3, 1, 0, 2, 2, 116], "our-certificate-refused"),
            (&[21, 3, 1, 0, 2, 2, 48], "our-certificate-refused"),
            (&[21, 3, 1, 0, 2, 2, 112], "name-refused"),
            (&[21, 3, 1, 0, 2, 2, 80], "handshake-refused"),
            (&[22, 3, 3, 0, 4, 2, 0, 0, 0], "bad-handshake"),
        ] {
            let target = says(octets);
            let portward = setup(&rules("\"127.0.0.1\"", &tls(target.port()))).start();
            every_service_says(&portward, &format!("target-tls 127.0.0.1:{} {cause}", target.port()));
        }
        let hangs_up = Target::scripted(|conn| drop(conn.some()));
        let portward = setup(&rules("\"127.0.0.1\"", &tls(hangs_up.port()))).start();
        every_service_says(&portward, &format!("target-tls 127.0.0.1:{} tls-closed", hangs_up.port()));
        let silent = Target::recorder();
        let portward = setup(&rules("\"127.0.0.1\"", &tls(silent.port()))).start();
        every_service_says(&portward, &format!("target-tls 127.0.0.1:{} tls-timed-out", silent.port()));
    });
}

#[test]
fn causes_of_a_targets_certificate() {
    within(100, || {
        let stranger = TestCa::new("Somebody").issue(&[HOST]);
        let own = TestCa::shared();
        let days = |from, to| own.issue_for(&[HOST], (from, to));
        let cases: [(&str, Identity, String); 6] = [
            ("unknown-ca", stranger.clone(), String::new()),
            ("wrong-name", own.issue(&["other.example.net"]), String::new()),
            ("expired", days(-20, -10), String::new()),
            ("not-yet-valid", days(10, 20), String::new()),
            ("wrong-pin", own.issue(&[HOST]), format!("pin = \"{}\"", stranger.pin())),
            ("wrong-name", own.issue(&[HOST]), "server_name = \"pbx.inside.example\"".to_owned()),
        ];
        for (cause, identity, options) in cases {
            let target = Target::scripted_tls(&identity, |conn| drop(conn.try_request()));
            let rules =
                rules("\"127.0.0.1\"", &tls(target.port())) + &format!("[target.\"127.0.0.1\"]\n{options}\n");
            let portward = setup(&rules).start();
            every_service_says(&portward, &format!("target-tls 127.0.0.1:{} {cause}", target.port()));
            assert_eq!(target.bytes(), 0, "{cause}: nothing went to it");
        }
    });
}

/// In TLS 1.3 a target refuses Portward's certificate after the handshake has ended on our side. So the client is
/// forwarded.
#[test]
fn causes_of_a_target_that_wants_our_certificate() {
    within(60, || {
        let kamailio = Kamailio::demanding(HOST);
        let portward = setup(&rules("\"127.0.0.1\"", &tls(kamailio.tls))).set("log.ended", "\"all\"").start();
        let _wire = ask(&portward, "sip");
        let line = portward.line(&["ended by target in relay (target-down): "]);
        assert!(line.ends_with(&format!("127.0.0.1:{} our-certificate-refused", kamailio.tls)), "{line}");
    });
}

/// Targets that no path of the rules names, and targets of WebSockets: their failures are described in the same words.
#[test]
fn causes_of_acme_targets_and_of_websockets() {
    within(60, || {
        let port = free_port();
        let portward = setup(&rules("\"127.0.0.1\"", &plain(port)))
            .set("tls.acme_target", &format!("\"127.0.0.1:{port}\""))
            .start();
        let failed = format!("rejected: target-down 127.0.0.1:{port} refused");
        let path = "/.well-known/acme-challenge/token";
        assert_eq!(portward.plain().get(HOST, path).status(), 502);
        portward.decision(&[&format!("GET {path} HTTP/1.1 {failed}")]);
        let upgrade = format!(
            "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(portward.plain().ask(upgrade).status(), 502);
        portward.decision(&[&format!("GET /socket HTTP/1.1 {failed}")]);
    });
}

#[test]
fn causes_are_fields_in_json_with_the_clients_port() {
    within(60, || {
        let stranger = TestCa::new("Somebody").issue(&[HOST]);
        let target = Target::scripted_tls(&stranger, |conn| drop(conn.try_request()));
        let rules = rules("[\"127.0.0.2\", \"127.0.0.1\", \"pbx.invalid\"]", &tls(target.port()));
        let portward = setup(&rules).set("log.format", "\"json\"").start();
        let wire = ask(&portward, "http");
        let line = portward.line(&["\"target-tls\""]);
        let json: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json["reason"], "target-tls");
        assert_eq!(json["cause"], "unknown-ca");
        assert_eq!(json["target"], format!("127.0.0.1:{}", target.port()));
        assert_eq!(json["port"], wire.local_port(), "{line}");
        let failures: Vec<_> = json["failures"].as_array().unwrap().iter().collect();
        assert_eq!(failures.len(), 3, "{line}");
        assert_eq!(failures[0]["cause"], "refused");
    });
}

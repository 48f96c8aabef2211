//! The port itself: TLS, and reloads.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use super::{Admin, RULES, ask, bearer, json, start, usual};
use crate::harness::{Portward, Setup, TestCa, Wire, curl, eventually, free_port, within};

/// Changes a line of portward.toml and reloads.
fn reload_with(admin: &Admin, key: &str, value: &str) {
    let file = admin.portward.config();
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> =
        text.lines().filter(|line| !line.starts_with(&format!("{key} ="))).map(ToOwned::to_owned).collect();
    lines.push(format!("{key} = {value}\n"));
    fs::write(&file, lines.join("\n")).unwrap();
    admin.portward.hang_up();
}

/// Two certificates. The second one is for the administration. It is not the default for clients without SNI.
fn two() -> Setup {
    Portward::rules(RULES)
        .certificate("a", &["one.example.net"])
        .certificate("b", &["portward.example.net", "one.example.net"])
        .set("admin.certificate", "\"b\"")
        .set("admin.names", "[\"portward.example.net\"]")
}

#[test]
fn issue_19_over_tls_the_named_certificate_is_shown_and_renewed() {
    within(90, || {
        let admin = start(two());
        let token = bearer(&admin.token());
        let url = format!("https://portward.example.net:{}/v1/status", admin.port);
        let at = format!("portward.example.net:{}:127.0.0.1", admin.port);
        let ca = admin.portward.dir().join("ca.crt").display().to_string();
        let said = curl(&["--cacert", &ca, "--resolve", &at, "-H", &token, "-w", "%{http_code}", &url]).out;
        assert!(said.ends_with("200"), "{said}");
        // This certificate is shown for every name.
        let first = Wire::tls(admin.port, "one.example.net").server_certificate();
        assert_eq!(first, Wire::tls(admin.port, "portward.example.net").server_certificate());
        // Cookies are sent by TLS only.
        let wire = Wire::tls(admin.port, "portward.example.net");
        let host = format!("portward.example.net:{}", admin.port);
        let json_field = "Content-Type: application/json";
        let body = format!("{{\"token\":\"{}\"}}", admin.token());
        let answer = ask(wire, &host, ("POST", "/v1/session"), (&[json_field], &body));
        let set = answer.header("set-cookie").unwrap().to_owned();
        assert!(set.starts_with("__Host-portward=") && set.ends_with("; Secure"), "{set}");
        let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
        let change = |origin: &str| {
            let wire = Wire::tls(admin.port, "portward.example.net");
            ask(wire, &host, ("POST", "/v1/reload"), (&[&cookie, origin, json_field], "")).status()
        };
        assert_eq!(change(&format!("Origin: http://{host}")), 403);
        assert_eq!(change(&format!("Origin: https://{host}")), 200);
        let link = admin.socket("POST", "/v1/session").1["link"].as_str().unwrap().to_owned();
        assert!(link.starts_with(&format!("https://{host}/login?code=")), "{link}");
        // Plain text is not answered.
        let mut plain = Wire::plain(admin.port);
        plain.send(format!("GET /v1/status HTTP/1.1\r\nHost: {host}\r\n{token}\r\n\r\n"));
        assert!(!String::from_utf8_lossy(&plain.rest()).contains("HTTP/1.1"));
        TestCa::shared().issue(&["portward.example.net"]).write(&admin.portward.dir().join("certs"), "b");
        admin.portward.hang_up();
        eventually("the new certificate is shown", || {
            Wire::tls(admin.port, "portward.example.net").server_certificate() != first
        });
    });
}

#[test]
fn issue_19_a_reload_moves_closes_and_opens_the_port() {
    within(90, || {
        let admin = usual();
        let token = bearer(&admin.token());
        let other = free_port();
        reload_with(&admin, "admin.listen", &format!("\"127.0.0.1:{other}\""));
        admin.portward.line(&[&format!("administration on 127.0.0.1:{other}")]);
        eventually("the old port is closed", || {
            std::net::TcpStream::connect(("127.0.0.1", admin.port)).is_err()
        });
        let host = format!("127.0.0.1:{other}");
        assert_eq!(ask(Wire::plain(other), &host, ("GET", "/v1/status"), (&[&token], "")).status(), 200);
        reload_with(&admin, "admin.listen", "\"\"");
        eventually("it is closed", || std::net::TcpStream::connect(("127.0.0.1", other)).is_err());
        assert_eq!(admin.socket("GET", "/v1/status").0, 200);
        // From now on there is a certificate.
        reload_with(&admin, "admin.certificate", "\"server\"");
        reload_with(&admin, "admin.listen", &format!("\"127.0.0.1:{other}\""));
        eventually("it is open", || std::net::TcpStream::connect(("127.0.0.1", other)).is_ok());
        let wire = Wire::tls(other, "one.example.net");
        assert_eq!(ask(wire, &host, ("GET", "/v1/status"), (&[&token], "")).status(), 200);
    });
}

#[test]
fn issue_19_a_port_that_cannot_be_opened_is_a_warning_until_it_is_free() {
    within(90, || {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let portward = Portward::rules(RULES).set("admin.listen", &format!("\"127.0.0.1:{port}\"")).start();
        portward
            .line(&[&format!("administration: 127.0.0.1:{port} cannot be opened: Address already in use")]);
        let admin = Admin { portward, port };
        let warned =
            || admin.socket("GET", "/v1/status").1["warnings"].to_string().contains("cannot be opened");
        assert!(warned());
        let listener = || {
            let all = admin.socket("GET", "/v1/listeners").1["listeners"].clone();
            all.as_array()
                .unwrap()
                .iter()
                .find(|one| one["scheme"] == "http" && one["service"] == "admin")
                .cloned()
                .unwrap()
        };
        assert_eq!(
            (&listener()["open"], &listener()["address"]),
            (&false.into(), &format!("127.0.0.1:{port}").into())
        );
        assert!(listener()["why"].as_str().unwrap().contains("Address already in use"));
        drop(taken);
        eventually("it is free", || !warned());
        assert_eq!((&listener()["open"], &listener()["why"]), (&true.into(), &Value::Null));
        assert_eq!(admin.status("GET", "/v1/status", &[&bearer(&admin.token())]), 200);
    });
}

#[test]
fn issue_19_without_its_certificate_the_port_stays_closed() {
    within(90, || {
        let port = free_port();
        let setup = Portward::rules(RULES)
            .set("admin.listen", &format!("\"127.0.0.1:{port}\""))
            .set("admin.certificate", "\"nothing\"");
        let admin = Admin { portward: setup.start(), port };
        admin.portward.line(&["admin.certificate is \"nothing\", but there is no such certificate"]);
        let (_, status) = admin.socket("GET", "/v1/status");
        assert!(status["warnings"].to_string().contains("admin.listen stays closed"), "{status}");
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        let listeners = admin.socket("GET", "/v1/listeners").1["listeners"].to_string();
        assert!(listeners.contains("there is no certificate nothing"), "{listeners}");
        TestCa::shared()
            .issue(&["portward.example.net"])
            .write(&admin.portward.dir().join("certs"), "nothing");
        admin.portward.hang_up();
        eventually("it is open", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    });
}

#[test]
fn issue_19_the_port_is_a_listener_of_our_own() {
    within(60, || {
        let admin = usual();
        let rules = RULES.replace("tcp = 9 ", &format!("tcp = {} ", admin.port));
        admin.portward.write_rules(&rules);
        let answer = admin.ask("POST", "/v1/reload", &[&bearer(&admin.token())], "");
        assert_eq!(answer.status(), 422);
        assert!(json(&answer)["error"].as_str().unwrap().contains("this leads back to Portward itself"));
    });
}

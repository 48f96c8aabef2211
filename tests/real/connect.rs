//! `portward check --connect` connects to every port of every target, verifies certificates, and reports faults
//! (contract section 8, *check*; issue 19, item 3).

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;

use crate::harness::{Identity, Output, Target, TestCa, command, free_port, within};

/// A folder with a configuration that trusts the shared CA, and these rules.
fn site(rules: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    TestCa::shared().write(&dir.path().join("ca.crt"));
    let config = "rules = \"rules.toml\"\nstate = \"state\"\n[listen]\nhttp = \"127.0.0.1:9\"\n[upstream]\ntrust = \"ca.crt\"\nconnect_timeout = \"1s\"\n";
    fs::write(dir.path().join("portward.toml"), config).unwrap();
    fs::write(dir.path().join("rules.toml"), rules).unwrap();
    dir
}

fn host(name: &str, target: &str, words: &str) -> String {
    format!("[[host]]\nname = \"{name}\"\ntarget = \"{target}\"\nhttp = [{{ path = \"\", {words} }}]\n")
}

fn check(dir: &Path, more: &[&str]) -> Output {
    command(60, dir, &[&["check", "--config", "portward.toml", "--connect"], more].concat())
}

fn targets(output: &Output) -> Vec<Value> {
    let json: Value = serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("{output:?}"));
    json["targets"].as_array().unwrap().clone()
}

/// A TLS target. Its certificate needs the names in the tests' rules.
fn tls(identity: &Identity) -> Target {
    Target::scripted_tls(identity, |conn| while !conn.some().is_empty() {})
}

#[test]
fn item_3_good_targets_of_every_service() {
    within(60, || {
        let plain = Target::recorder();
        let encrypted = tls(&TestCa::shared().issue(&["good.example.net"]));
        let ports = format!("tcp = {}, tls = {}", plain.port(), encrypted.port());
        let rules = format!(
            "{}sip = {{ {ports} }}\nh323 = {{ {ports} }}\nldap = {{ {ports} }}\n",
            host("good.example.net", "127.0.0.1", &ports)
        );
        let dir = site(&rules);
        let output = check(dir.path(), &[]);
        assert_eq!(output.code, 0, "{output:?}");
        // The plain port counts once. By TLS the presented certificate may differ between services.
        assert!(output.out.contains("tried 5 addresses and ports of targets: nothing wrong\n"), "{output:?}");
        let all = targets(&check(dir.path(), &["--json"]));
        assert_eq!(all.iter().filter(|one| one["ok"] == true).count(), 5, "{all:?}");
        assert_eq!((&all[0]["carrier"], &all[1]["carrier"]), (&Value::from("tcp"), &Value::from("tls")));
        // The plain port got a connection, but no octet.
        assert!(plain.received(0).is_empty());
    });
}

#[test]
fn item_3_what_is_wrong_is_said_of_each_address_and_port() {
    within(60, || {
        let ca = TestCa::shared();
        let good = Target::recorder();
        let closed = free_port();
        let wrong_name = tls(&ca.issue(&["other.example.net"]));
        let unknown = tls(&TestCa::new("a stranger").issue(&["unknown.example.net"]));
        let expired = tls(&ca.issue_for(&["expired.example.net"], (-9, -1)));
        let early = tls(&ca.issue_for(&["early.example.net"], (2, 9)));
        let babbles = Target::scripted(|conn| {
            let _ = conn.some();
            let _ = conn.try_send("HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let silent = Target::recorder();
        let pinned_identity = ca.issue(&["whatever.example.net"]);
        let pinned = tls(&pinned_identity);
        let only = |port: u16| format!("tcp = false, tls = {port}");
        let rules = [
            format!("[[host]]\nname = \"two.example.net\"\ntarget = [\"127.0.0.1\", \"127.0.0.9\"]\nhttp = [{{ path = \"\", tcp = {}, tls = {closed} }}]\n", good.port()),
            host("name.example.net", "127.0.0.1", &only(wrong_name.port())),
            host("unknown.example.net", "127.0.0.1", &only(unknown.port())),
            host("expired.example.net", "127.0.0.1", &only(expired.port())),
            host("early.example.net", "127.0.0.1", &only(early.port())),
            host("plain.example.net", "127.0.0.1", &only(babbles.port())),
            host("silent.example.net", "127.0.0.1", &only(silent.port())),
            host("gone.example.net", "pbx.invalid", "tcp = 80, tls = false"),
            host("pinned.example.net", "127.0.0.3", &only(1)),
            // This one is not tried, because its host is disabled.
            format!("{}enabled = false\n", host("off.example.net", "127.0.0.1", &format!("tcp = {closed}, tls = false"))),
        ]
        .concat();
        let dir = site(&rules);
        let output = check(dir.path(), &["--json"]);
        assert_eq!(output.code, 1, "{output:?}");
        let all = targets(&output);
        let cause = |address: &str, port: u16| {
            let one = all.iter().find(|one| one["address"] == address && one["port"] == port);
            one.unwrap_or_else(|| panic!("{address}:{port} in {all:?}"))["cause"].clone()
        };
        for (address, port, expected) in [
            ("127.0.0.1", good.port(), None),
            ("127.0.0.9", good.port(), Some("refused")),
            ("127.0.0.1", closed, Some("refused")),
            ("127.0.0.9", closed, Some("refused")),
            ("127.0.0.1", wrong_name.port(), Some("wrong-name")),
            ("127.0.0.1", unknown.port(), Some("unknown-ca")),
            ("127.0.0.1", expired.port(), Some("expired")),
            ("127.0.0.1", early.port(), Some("not-yet-valid")),
            ("127.0.0.1", babbles.port(), Some("not-tls")),
            ("127.0.0.1", silent.port(), Some("tls-timed-out")),
        ] {
            assert_eq!(cause(address, port), expected.map_or(Value::Null, Value::from), "{address}:{port}");
        }
        let unresolved = all.iter().find(|one| one["target"] == "pbx.invalid").unwrap();
        assert_eq!(unresolved["address"], Value::Null);
        assert!(["name-not-found", "dns-failed"].contains(&unresolved["cause"].as_str().unwrap()));
        assert_eq!(all.len(), 12, "{all:?}");

        // The text output has the address, the host and advice.
        let said = check(dir.path(), &[]);
        let line = format!(
            "error: 127.0.0.1:{} (https, for name.example.net) wrong-name: its certificate is for another name",
            wrong_name.port()
        );
        assert!(said.errors.contains(&line), "{said:?}");
        assert!(said.out.contains("tried 12 addresses and ports of targets: 11 wrong\n"), "{said:?}");

        // A pin alone decides. A wrong one is named.
        for (pin, code) in [(pinned_identity.pin(), 0), (ca.issue(&["x.example.net"]).pin(), 1)] {
            let rules = host("pinned.example.net", "127.0.0.1", &only(pinned.port()));
            let dir = site(&format!("{rules}[target.\"127.0.0.1\"]\npin = \"{pin}\"\n"));
            let output = check(dir.path(), &[]);
            assert_eq!(
                (output.code, output.errors.contains(" wrong-pin: ")),
                (code, code == 1),
                "{output:?}"
            );
        }
    });
}

/// In TLS 1.3 a server says only after the handshake that it wants a certificate.
#[test]
fn item_3_a_target_that_does_not_accept_portward_s_certificate() {
    within(60, || {
        let identity = TestCa::shared().issue(&["strict.example.net"]);
        let config = identity.strict_server_config();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), tcp);
                let _ = tls.read(&mut [0; 16]);
            }
        });
        let dir = site(&host("strict.example.net", "127.0.0.1", &format!("tcp = false, tls = {port}")));
        let output = check(dir.path(), &["--json"]);
        assert_eq!(targets(&output)[0]["cause"], "our-certificate-refused", "{output:?}");
    });
}

/// Many ports are tried at once. One after the other this would take more than a minute.
#[test]
fn item_3_many_silent_targets_are_tried_at_once() {
    within(60, || {
        let silent = Target::recorder();
        let hosts = (0..100).map(|n| {
            host(&format!("h{n}.example.net"), "127.0.0.1", &format!("tcp = false, tls = {}", silent.port()))
        });
        let dir = site(&hosts.collect::<String>());
        let output = check(dir.path(), &["--json"]);
        let all = targets(&output);
        assert_eq!(all.len(), 100, "each name is verified");
        assert!(all.iter().all(|one| one["cause"] == "tls-timed-out"));
    });
}

#[test]
fn item_3_without_a_configuration_or_with_errors_nothing_is_connected_to() {
    within(60, || {
        let dir = site("[[host]]\nname = \"a.example.net\"\ntarget = \"127.0.0.1.5\"\nhttp = [\"/\"]\n");
        let output = check(dir.path(), &[]);
        assert_eq!(output.code, 1, "{output:?}");
        assert!(
            output.errors.contains("no target was connected to: the configuration has errors"),
            "{output:?}"
        );
        let output = command(60, dir.path(), &["check", "--connect", "rules.toml"]);
        assert_eq!(output.code, 2, "{output:?}");
    });
}

//! testssl.sh searches for weaknesses of the HTTPS port and the SIPS port.

use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{CrlDistributionPoint, SanType};

use super::authority::{Authority, Wanted, write};
use super::{HOST, front};
use crate::harness::{Target, program, within};

/// The findings above LOW. The others are for people.
fn weaknesses(report: &Path) -> Vec<String> {
    let findings: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    let findings = findings.as_array().unwrap();
    assert!(findings.len() > 60, "it has looked at next to nothing: {findings:?}");
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let bad = |finding: &&serde_json::Value| {
        ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains(&text(finding, "severity").as_str())
    };
    findings
        .iter()
        .filter(bad)
        .map(|f| format!("{}: {} ({})", text(f, "id"), text(f, "finding"), text(f, "severity")))
        .collect()
}

#[test]
fn testssl_finds_nothing() {
    within(280, || {
        // Findings about certificates and pages depend on these. So they are good ones here.
        let page = Target::http(|_, _| {
            "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=31536000\r\nX-Frame-Options: DENY\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'self'\r\nContent-Length: 4\r\n\r\nhere"
        });
        let rules = format!(
            "[[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\nsip = {{ tcp = {0}, tls = false }}\n",
            page.port()
        );
        let front = front(&rules).set("tls.certificates", "\"made\"").set("limits.inspect_timeout", "\"3s\"");
        let ca = Authority::root("A CA");
        let wanted = Wanted {
            alternative: vec![SanType::DnsName(HOST.try_into().unwrap())],
            usage: Some(rcgen::ExtendedKeyUsagePurpose::ServerAuth),
            revocation: vec![CrlDistributionPoint { uris: vec!["http://127.0.0.1/ca.crl".to_owned()] }],
            ..Wanted::named(HOST)
        };
        let issued = ca.issue(&wanted);
        write(&front.dir().join("made"), &[("server.crt", &issued.pem), ("server.key", &issued.key)]);
        write(front.dir(), &[("testssl-ca.crt", &ca.pem)]);
        let portward = front.start();
        let ports = [portward.https, portward.port("sips")];
        let reports = ports.map(|port| portward.dir().join(format!("testssl-{port}.json")));
        let mut running = Vec::new();
        for (port, report) in ports.iter().zip(&reports) {
            let child = Command::new(program("timeout", "coreutils"))
                .args(["--kill-after=5", "240"])
                .arg(program("testssl", "testssl.sh"))
                .args([
                    "--quiet",
                    "--color",
                    "0",
                    "--warnings",
                    "off",
                    "--nodns",
                    "none",
                    "--ip",
                    "127.0.0.1",
                ])
                .args(["-p", "-s", "-f", "-P", "-S", "-h", "-U", "--add-ca"])
                .arg(portward.dir().join("testssl-ca.crt"))
                .arg("--jsonfile")
                .arg(report)
                .arg(format!("{HOST}:{port}"))
                .current_dir(portward.dir())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            running.push(child.unwrap());
        }
        for mut child in running {
            child.wait().unwrap();
        }
        for report in reports {
            assert_eq!(weaknesses(&report), Vec::<String>::new());
        }
    });
}

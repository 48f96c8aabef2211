//! Clients and certificates of OpenSSL that rustls would not make.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::CustomExtension;

use super::authority::{Authority, Wanted, write};
use super::{HOST, Pbx, Spoken, front};
use crate::harness::{program, sip, within};

/// The server's answer to `openssl s_client` after it has sent `octets`.
fn s_client(dir: &Path, port: u16, more: &[&str], octets: &str) -> String {
    let mut child = Command::new(program("timeout", "coreutils"))
        .arg("20")
        .arg(program("openssl", "openssl"))
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}"), "-servername", HOST])
        .args(more)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(octets.as_bytes()).unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut answer = Vec::new();
    let mut some = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
        match std::io::Read::read(&mut stdout, &mut some) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&some[..count]),
        }
    }
    drop(stdin);
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8_lossy(&answer).into_owned()
}

fn openssl(dir: &Path, args: &[&str]) {
    let output = Command::new(program("openssl", "openssl")).args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn certificates_of_openssl_and_ones_that_nobody_decodes() {
    within(120, || {
        let pbx = Pbx::start();
        let front = front(&pbx.host(HOST, "", ""));
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path();
        // A CA and its certificates: RSA, Ed25519, version 1.
        openssl(
            dir,
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-keyout",
                "ca.key",
                "-out",
                "ca.crt",
                "-subj",
                "/CN=RSA CA",
                "-days",
                "9",
            ],
        );
        for (name, key) in [("rsa", "rsa:2048"), ("ed", "ed25519"), ("v1", "rsa:2048")] {
            let (file, request) = (format!("{name}.key"), format!("{name}.csr"));
            openssl(
                dir,
                &["req", "-newkey", key, "-nodes", "-keyout", &file, "-out", &request, "-subj", "/CN=ckl"],
            );
            let certificate = format!("{name}.crt");
            let mut sign = vec![
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-out",
                &certificate,
                "-days",
                "9",
            ];
            if name != "v1" {
                write(dir, &[("ext", "extendedKeyUsage=clientAuth\n")]);
                sign.extend(["-extfile", "ext"]);
            }
            openssl(dir, &sign);
        }
        let mut odd = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
        odd.set_criticality(true);
        let odd = Authority::trusted().issue(&Wanted { extension: Some(odd), ..Wanted::named("ckl") });
        write(dir, &[("odd.crt", &odd.pem), ("odd.key", &odd.key)]);
        // A device has made its own certificate, as a CA's. It is trusted for itself.
        openssl(
            dir,
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "own.key", "-out", "own.crt",
                "-subj", "/CN=ckl", "-days", "9",
            ],
        );
        openssl(
            dir,
            &[
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "own2.key", "-out", "own2.crt",
                "-subj", "/CN=ckl", "-days", "9",
            ],
        );
        let trust = front.dir().join("trust");
        std::fs::copy(dir.join("ca.crt"), trust.join("rsa.crt")).unwrap();
        std::fs::copy(dir.join("own.crt"), trust.join("own.crt")).unwrap();
        let portward = front.start();
        let register = sip::request("REGISTER", "ckl@dvl-ckl2.net", "");
        for (name, way, verdict) in [
            ("rsa", "TLS", "ok(ckl)"),
            ("ed", "TLS", "ok(ckl)"),
            ("own", "TLS", "ok(ckl)"),
            ("own2", "plain", "untrusted"),
            ("v1", "plain", "unusable"),
            ("odd", "plain", "unusable"),
        ] {
            for version in ["-tls1_2", "-tls1_3"] {
                let mark = portward.mark();
                let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
                let said = s_client(
                    dir,
                    portward.port("sips"),
                    &["-cert", &certificate, "-key", &key, version],
                    &register,
                );
                assert!(said.contains(&format!("Server: {way}\r\n")), "{name} {version}: {said}");
                portward.decision_after(mark, &[&format!("REGISTER cert={verdict} -> ")]);
            }
        }
        assert_eq!(pbx.seen(Spoken::Sip), [6, 6]);
        // With a certificate of another client, but without its key, the handshake fails.
        let mark = portward.mark();
        let said = s_client(dir, portward.port("sips"), &["-cert", "rsa.crt", "-key", "ed.key"], &register);
        assert_eq!(said, "");
        assert_eq!(pbx.seen(Spoken::Sip), [6, 6], "{:?}", portward.lines_since(mark));
    });
}

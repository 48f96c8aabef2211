//! The commands: `explain` agrees with the daemon, and `cert dev` makes certificates for the tests.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{HOST, Pbx, Spoken, by_tls, front, proven};
use crate::harness::{Output, Target, client_config_with, command, within};

fn explain(dir: &Path, args: &[&str]) -> Output {
    command(20, dir, &[&["explain", "--config", "portward.toml"], args].concat())
}

#[test]
fn explain_shows_the_way_of_a_registration() {
    within(60, || {
        let pbx = Pbx::start();
        let rejecting = pbx.host("strict.example", ", on_failed_check = \"reject\"", "");
        let front = front(&(pbx.host(HOST, "", "") + &rejecting));
        front.write();
        let [sip, h323] = [&pbx.sip, &pbx.h323]
            .map(|ports| ports.each_ref().map(|target| format!("127.0.0.1:{}", target.port())));
        for (args, to, code) in [
            (&["sips:ckl@dvl-ckl2.net", "--cert", "CN=ckl"][..], format!("{} (TLS)", sip[1]), 0),
            (
                &["sips:ckl@dvl-ckl2.net", "--cert", "CN=other,EMAIL=ckl@dvl-ckl2.net"],
                format!("{} (TLS)", sip[1]),
                0,
            ),
            (&["sips:ckl@dvl-ckl2.net", "--cert", "CN=other"], format!("{} (plain)", sip[0]), 0),
            (&["sips:ckl@dvl-ckl2.net"], format!("{} (plain)", sip[0]), 0),
            (&["sip:ckl@dvl-ckl2.net", "--cert", "CN=ckl"], format!("{} (plain)", sip[0]), 0),
            (&["sips:ckl;x=1@dvl-ckl2.net", "--cert", "CN=ckl"], format!("{} (plain)", sip[0]), 0),
            (&["sips:ckl@strict.example", "--cert", "CN=other"], "rejected: certificate".to_owned(), 1),
            (
                &["h323s:hq@dvl-ckl2.net", "--cert", "CN=009033410004", "--alias", "009033410004"],
                format!("{} (TLS)", h323[1]),
                0,
            ),
            (
                &["h323s:hq@dvl-ckl2.net", "--cert", "CN=009033410004", "--alias", "ckl"],
                format!("{} (plain)", h323[0]),
                0,
            ),
            (
                &["h323s:hq@dvl-ckl2.net", "--cert", "CN=ckl", "--alias", "ckl", "--number", "200"],
                format!("{} (plain)", h323[0]),
                0,
            ),
            (&["h323s:hq@dvl-ckl2.net", "--cert", "CN=ckl"], format!("{} (TLS)", h323[1]), 0),
            (&["h323s:hq@dvl-ckl2.net"], format!("{} (plain)", h323[0]), 0),
        ] {
            let said = explain(front.dir(), args);
            assert!(said.out.contains(&to) && said.code == code, "{args:?}: {said:?}");
        }
        let said = explain(front.dir(), &["--json", "sips:ckl@dvl-ckl2.net", "--cert", "CN=other"]);
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(json["certificate"]["proven"], false);
        assert_eq!(json["certificate"]["why"], "other does not prove ckl");
        assert_eq!(explain(front.dir(), &["sips:ckl@dvl-ckl2.net", "--cert", "ckl"]).code, 2);
    });
}

/// Issue 16, item 3: a phone's registration goes where `explain` says, even if the name is withheld or unusual. The
/// client has a certificate with the name.
#[test]
fn item_3_explain_agrees_with_the_daemon_about_phones() {
    within(60, || {
        let pbx = Pbx::start();
        let daemon = front(&pbx.host(HOST, "", "")).set("sip.default_host", "\"dvl-ckl2.net\"").start();
        let ports = pbx.sip.each_ref().map(Target::port);
        for (user, host, name) in [
            ("ckl", HOST, "ckl"),
            ("ckl", HOST, "other"),
            ("ckl:secret", HOST, "ckl"),
            ("ckl;x=1", HOST, "ckl"),
            ("c%6bl", HOST, "ckl"),
            ("ckl", "anonymous.invalid", "ckl"),
            ("anonymous", "anonymous.invalid", "anonymous"),
            ("ckl", "DVL-CKL2.net.", "ckl"),
            ("ckl", "elsewhere.example", "ckl"),
            ("ckl", "a,b", "ckl"),
        ] {
            let config = daemon.config().display().to_string();
            let (url, cert) = (format!("sips:{user}@{host}"), format!("CN={name}"));
            let said = command(20, daemon.dir(), &["explain", "--config", &config, &url, "--cert", &cert]);
            let mark = daemon.mark();
            let mut client = by_tls(&daemon, Spoken::Sip, &proven(name));
            let by = Spoken::Sip.register(&mut client, user, host);
            let line = daemon.decision_after(mark, &[" sips:"]);
            match by.as_deref() {
                Some("plain") => assert!(said.out.contains(&format!(":{} (plain)", ports[0])), "{said:?}"),
                Some("TLS") => assert!(said.out.contains(&format!(":{} (TLS)", ports[1])), "{said:?}"),
                _ => {
                    let (_, rejected) = line.split_once("rejected: ").expect("a refusal");
                    assert!(said.out.contains(&format!(" rejected: {rejected}\n")), "{line}: {said:?}");
                }
            }
        }
    });
}

#[test]
fn development_certificates_show_the_verdicts() {
    within(60, || {
        let pbx = Pbx::start();
        let front = front(&pbx.host(HOST, "", "")).set("tls.client_trust", "\"made/client-trust\"");
        front.write();
        let made = command(
            30,
            front.dir(),
            &[
                "cert",
                "dev",
                "--config",
                "portward.toml",
                "--out",
                "made",
                "--client",
                "ckl",
                "--client",
                "009033410004",
            ],
        );
        assert_eq!(made.code, 0, "{made:?}");
        let dir = front.dir().join("made/clients");
        let portward = front.start();
        for (file, name, way, verdict) in [
            ("ckl", "ckl", "TLS", "ok(ckl)"),
            ("009033410004", "009033410004-SIP1", "TLS", "ok(009033410004)"),
            ("009033410004", "ckl", "plain", "ok(009033410004)"),
            ("expired", "ckl", "plain", "expired"),
            ("foreign", "ckl", "plain", "untrusted"),
        ] {
            let read = |kind: &str| std::fs::read_to_string(dir.join(format!("{file}.{kind}"))).unwrap();
            let chain = vec![CertificateDer::from_pem_slice(read("crt").as_bytes()).unwrap()];
            let config: Arc<_> = client_config_with(rustls::DEFAULT_VERSIONS, chain, &read("key"));
            let mark = portward.mark();
            let mut client = by_tls(&portward, Spoken::Sip, &config);
            assert_eq!(Spoken::Sip.register(&mut client, name, HOST).as_deref(), Some(way), "{file}");
            portward.decision_after(mark, &[&format!("REGISTER cert={verdict} -> ")]);
        }
    });
}

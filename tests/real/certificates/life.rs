//! Certificates are replaced while everything runs, without a command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use portward::tls::{DevCa, Validity};

use super::authority::{Authority, Wanted, write};
use super::{HOST, Pbx, Spoken, by_tls, front};
use crate::harness::{Portward, Target, TestCa, Wire, eventually, within};

#[test]
fn a_replaced_certificate_is_noticed_and_drops_nothing() {
    within(110, || {
        let target = Target::named("here");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        let portward = Arc::new(Portward::with_rules(&rules));
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..4)
            .map(|number| {
                let (portward, stop) = (portward.clone(), stop.clone());
                thread::spawn(move || {
                    let mut kept = portward.tls("one.example.net");
                    let mut count = 0;
                    while !stop.load(Ordering::SeqCst) {
                        // Half of the requests use one connection, the others a new one each.
                        if number % 2 == 0 {
                            kept = portward.tls("one.example.net");
                        }
                        assert_eq!(kept.get("one.example.net", "/").text(), "here");
                        count += 1;
                        thread::sleep(Duration::from_millis(5));
                    }
                    count
                })
            })
            .collect();
        let certs = portward.dir().join("certs");
        let shown = || Wire::tls(portward.https, "one.example.net").server_certificate();
        for round in 0..2 {
            let mark = portward.mark();
            let fresh = TestCa::shared().issue(&["*.example.net"]);
            let before = shown();
            // Half of it is no certificate yet, and changes nothing.
            std::fs::write(certs.join("server.crt"), &fresh.certificate).unwrap();
            if round == 0 {
                portward.line_after(mark, &["the certificates, keys and trust in use stay as they are"]);
                assert_eq!(shown(), before);
            }
            std::fs::write(certs.join("server.key"), &fresh.key).unwrap();
            eventually("the new one is shown", || shown() == fresh.der.to_vec());
            portward.line_after(mark, &["have changed and were read again"]);
        }
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            let count = client.join().expect("no request fails");
            assert!(count > 10, "only {count} requests were made");
        }
        // The rules were not read again with the certificates, because they may be in the middle of an edit.
        let mark = portward.mark();
        portward.write_rules("this is no TOML");
        TestCa::shared().issue(&["*.example.net"]).write(&certs, "server");
        portward.line_after(mark, &["have changed and were read again"]);
        assert_eq!(portward.tls("one.example.net").get("one.example.net", "/").text(), "here");
    });
}

#[test]
fn trust_that_changes_is_noticed_too() {
    within(60, || {
        let pbx = Pbx::start();
        let front = front(&pbx.host(HOST, "", ""));
        let trust = front.dir().join("trust");
        let portward = front.start();
        let chain = Authority::trusted().issue(&Wanted::named("ckl"));
        let config = chain.client(&rustls::version::TLS13);
        let register = || {
            let mut client = by_tls(&portward, Spoken::H323, &config);
            Spoken::H323.register(&mut client, "ckl", HOST)
        };
        assert_eq!(register().as_deref(), Some("TLS"));
        let mark = portward.mark();
        write(&trust, &[("telephones.crl", &Authority::trusted().revoke(&[&chain], 30))]);
        portward.line_after(mark, &["have changed and were read again"]);
        assert_eq!(register().as_deref(), Some("plain"));
    });
}

/// The keys that other tools write: PKCS#8, SEC1 and PKCS#1.
#[test]
fn keys_come_in_every_form() {
    within(60, || {
        let target = Target::named("here");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        for (make, begins) in [
            ("ecparam -name prime256v1 -genkey -noout -out server.key", "BEGIN EC PRIVATE KEY"),
            ("genrsa -traditional -out server.key 2048", "BEGIN RSA PRIVATE KEY"),
            ("genpkey -algorithm ed25519 -out server.key", "BEGIN PRIVATE KEY"),
        ] {
            let setup = Portward::rules(&rules).set("tls.certificates", "\"made\"");
            let dir = setup.dir().join("made");
            write(&dir, &[]);
            let openssl = |args: &str| {
                let status = std::process::Command::new(crate::harness::program("openssl", "openssl"))
                    .args(args.split(' '))
                    .current_dir(&dir)
                    .stderr(std::process::Stdio::null())
                    .status();
                assert!(status.unwrap().success(), "{args}");
            };
            openssl(make);
            openssl(
                "req -x509 -new -key server.key -out server.crt -days 9 -subj /CN=one.example.net -addext subjectAltName=DNS:one.example.net",
            );
            let key = std::fs::read_to_string(dir.join("server.key")).unwrap();
            assert!(key.contains(begins), "{key}");
            let portward = setup.start();
            let ca = dir.join("server.crt").display().to_string();
            let resolve = format!("one.example.net:{}:127.0.0.1", portward.https);
            let url = format!("https://one.example.net:{}/", portward.https);
            let seen = crate::harness::curl(&["--resolve", &resolve, "--cacert", &ca, &url]);
            assert_eq!(seen.out, "here", "{seen:?}");
        }
    });
}

#[test]
fn what_expires_is_said_at_the_start_and_by_the_commands_and_prevents_nothing() {
    within(60, || {
        let target = Target::named("here");
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\naliases = [\"uncovered.example.org\"]\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        let setup = Portward::rules(&rules).set("tls.certificates", "\"made\"");
        let ca = DevCa::new().unwrap();
        for (name, days) in [("expired", -1), ("soon", 10), ("good", 100)] {
            let issued = ca.server_valid(&["*.example.net"], Validity::days(-40, days)).unwrap();
            write(
                &setup.dir().join("made"),
                &[(&format!("{name}.crt"), &issued.cert_pem), (&format!("{name}.key"), &issued.key_pem)],
            );
        }
        let portward = setup.start();
        for said in [
            "the certificate expired on",
            "in 9 days",
            "no certificate covers uncovered.example.org",
            "can be read by every user",
        ] {
            portward.line(&[said]);
        }
        let config = portward.config().display().to_string();
        let check = crate::harness::command(20, portward.dir(), &["check", "--config", &config]);
        assert_eq!(check.code, 0, "warnings only: {check:?}");
        for said in ["the certificate expired on", "in 9 days", "no certificate covers uncovered.example.org"]
        {
            assert!(check.all().contains(said), "{said}: {check:?}");
        }
        let list = crate::harness::command(20, portward.dir(), &["cert", "list", "--config", &config]);
        for said in ["EXPIRED", "9 days left", "99 days left", "no certificate covers uncovered.example.org"]
        {
            assert!(list.all().contains(said), "{said}: {list:?}");
        }
    });
}

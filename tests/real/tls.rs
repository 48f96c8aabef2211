//! TLS on both sides: certificates by name, versions, and which port of the target is used (contract sections 4 and 5).

use crate::harness::{Nginx, Portward, Recorder, Target, TestCa, Wire, client_config, ok, within};

fn one(ports: &str) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", {ports} }}]\n"
    )
}

/// The table of contract section 5. nginx tells which of its ports was reached.
#[test]
fn the_port_of_the_target_follows_the_clients() {
    within(120, || {
        let nginx = Nginx::start("one.example.net");
        let (tcp, tls) = (nginx.plain, nginx.tls);
        let both = format!("tcp = {tcp}, tls = {tls}");
        let only_tcp = format!("tcp = {tcp}");
        let only_tls = format!("tls = {tls}");
        for (by_tls, ports, reached) in [
            (false, &only_tcp, tcp),
            (false, &both, tcp),
            (false, &only_tls, tls),
            (true, &only_tls, tls),
            (true, &both, tls),
            (true, &only_tcp, tcp),
        ] {
            let portward = Portward::with_rules(&one(ports));
            let mut client = if by_tls { portward.tls("one.example.net") } else { portward.plain() };
            let answer = client.get("one.example.net", "/");
            let scheme = if reached == tls { "https" } else { "http" };
            assert!(
                answer.text().contains(&format!("port={reached}\nscheme={scheme}\n")),
                "by TLS: {by_tls}, {ports}: {answer:?}"
            );
            portward.decision(&[&format!("-> 127.0.0.1:{reached}(new)")]);
        }
    });
}

#[test]
fn the_certificate_is_chosen_by_name() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&one(&format!("tcp = {}", target.port())))
            .certificate("b-wild", &["*.example.net"])
            .certificate("c-exact", &["exact.example.net", "other.example.org"])
            .certificate("a-first", &["first.example.com"])
            .set("tls.default", "\"b-wild\"")
            .start();
        let names = |wire: &Wire| String::from_utf8_lossy(&wire.server_certificate()).into_owned();
        for (name, expected) in [
            ("first.example.com", "first.example.com"),
            ("one.example.net", "*.example.net"),
            ("two.example.net", "*.example.net"),
            ("exact.example.net", "exact.example.net"),
            ("other.example.org", "exact.example.net"),
            ("OTHER.example.org", "exact.example.net"),
        ] {
            let wire = portward.tls(name);
            assert!(names(&wire).contains(expected), "{name}");
            assert_eq!(wire.alpn(), None, "nothing was offered");
        }
        // SNI chooses the certificate and nothing else: the Host decides.
        let answer = portward.tls("first.example.com").get("one.example.net", "/");
        assert_eq!(answer.text(), "here", "{answer:?}");

        // An unknown name, and no name, get the default certificate. The client may refuse it then.
        let seen =
            openssl(&["s_client", "-connect", &format!("127.0.0.1:{}", portward.https), "-noservername"]);
        assert!(seen.contains("*.example.net"), "{seen}");
        let seen = openssl(&[
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", portward.https),
            "-servername",
            "x.invalid",
        ]);
        assert!(seen.contains("*.example.net"), "{seen}");
    });
}

fn openssl(args: &[&str]) -> String {
    let output = std::process::Command::new(crate::harness::program("timeout", "coreutils"))
        .arg("20")
        .arg(crate::harness::program("openssl", "openssl"))
        .args(args)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn alpn_offers_http_1_1_only() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&one(&format!("tcp = {}", target.port())));
        for (offer, agreed) in
            [("http/1.1", "ALPN protocol: http/1.1"), ("h2,http/1.1", "ALPN protocol: http/1.1")]
        {
            let address = format!("127.0.0.1:{}", portward.https);
            let seen = openssl(&[
                "s_client",
                "-connect",
                &address,
                "-servername",
                "one.example.net",
                "-alpn",
                offer,
            ]);
            assert!(seen.contains(agreed), "{offer}: {seen}");
        }
    });
}

#[test]
fn versions_are_bounded() {
    within(60, || {
        let target = Target::named("here");
        let rules = one(&format!("tcp = {}", target.port()));
        let usual = Portward::with_rules(&rules);
        let strict = Portward::rules(&rules).set("tls.min_version", "\"1.3\"").start();
        let old = || client_config(&[&rustls::version::TLS12]);
        let new = || client_config(&[&rustls::version::TLS13]);
        for config in [old(), new()] {
            let mut wire = usual.plain_to_tls().try_into_tls(config, "one.example.net").unwrap();
            assert_eq!(wire.get("one.example.net", "/").text(), "here");
        }
        assert!(strict.plain_to_tls().try_into_tls(new(), "one.example.net").is_ok());
        let mark = strict.mark();
        assert!(strict.plain_to_tls().try_into_tls(old(), "one.example.net").is_err());
        strict.line_after(mark, &["rejected: tls-failed"]);

        for flag in ["-tls1", "-tls1_1"] {
            let address = format!("127.0.0.1:{}", usual.https);
            let seen = openssl(&["s_client", "-connect", &address, flag, "-cipher", "DEFAULT@SECLEVEL=0"]);
            assert!(!seen.contains("BEGIN CERTIFICATE"), "{flag}: {seen}");
        }
    });
}

#[test]
fn a_client_that_does_not_trust_us_is_tls_failed() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::rules(&one(&format!("tcp = {}", recorder.port())))
            .certificate("server", &["elsewhere.example.com"])
            .start();
        let config = client_config(rustls::DEFAULT_VERSIONS);
        assert!(portward.plain_to_tls().try_into_tls(config, "one.example.net").is_err());
        portward.line(&["rejected: tls-failed"]);
        recorder.assert_untouched("no handshake, no request");
    });
}

/// The HTTPS port does not request a client certificate, because browsers would ask their users for one.
#[test]
fn browsers_are_not_asked_for_a_certificate() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&one(&format!("tcp = {}", target.port())));
        let address = format!("127.0.0.1:{}", portward.https);
        let seen = openssl(&["s_client", "-connect", &address, "-servername", "one.example.net", "-msg"]);
        assert!(seen.contains("ServerHello"), "{seen}");
        assert!(!seen.contains("CertificateRequest"), "{seen}");
    });
}

/// How a TLS target is judged: (its certificate, the configuration, whether the request may pass).
#[test]
fn the_targets_certificate_is_judged_as_configured() {
    within(120, || {
        let trusted = TestCa::shared().issue(&["one.example.net"]);
        let other_name = TestCa::shared().issue(&["pbx.inside.example"]);
        let stranger = TestCa::new("Somebody else").issue(&["one.example.net"]);
        let cases = [
            ("verified, trusted", &trusted, "ca", String::new(), true),
            ("verified, unknown CA", &stranger, "ca", String::new(), false),
            ("verified, other name", &other_name, "ca", String::new(), false),
            (
                "verified, server_name says so",
                &other_name,
                "ca",
                "server_name = \"pbx.inside.example\"".into(),
                true,
            ),
            ("not verified, unknown CA", &stranger, "none", String::new(), true),
            ("not verified, but this target is", &stranger, "none", "verify = \"ca\"".into(), false),
            ("verified, but not this target", &stranger, "ca", "verify = \"none\"".into(), true),
            ("pinned", &stranger, "ca", format!("pin = \"{}\"", stranger.pin()), true),
            ("pinned to another", &trusted, "ca", format!("pin = \"{}\"", stranger.pin()), false),
            (
                "pinned to another, not verified",
                &trusted,
                "none",
                format!("pin = \"{}\"", stranger.pin()),
                false,
            ),
        ];
        for (what, identity, verify, options, passes) in cases {
            let target = Target::scripted_tls(identity, |conn| {
                while conn.try_request().is_some() {
                    let name = conn.asked_name().unwrap_or_default();
                    conn.send(ok(&name));
                }
            });
            let rules =
                one(&format!("tls = {}", target.port())) + &format!("[target.\"127.0.0.1\"]\n{options}\n");
            let portward = Portward::rules(&rules)
                .set("upstream.verify", &format!("\"{verify}\""))
                .set("upstream.trust", "\"ca.crt\"")
                .start();
            let answer = portward.plain().get("one.example.net", "/");
            if passes {
                assert_eq!(answer.status(), 200, "{what}: {answer:?}");
                let name =
                    if options.contains("server_name") { "pbx.inside.example" } else { "one.example.net" };
                assert_eq!(answer.text(), name, "{what}: the SNI that the target saw");
            } else {
                assert_eq!(answer.status(), 502, "{what}: {answer:?}");
                portward.decision(&["rejected: target-tls"]);
                assert_eq!(target.bytes(), 0, "{what}: {}", target.transcript());
            }
        }
    });
}

#[test]
fn a_tls_port_of_the_target_that_speaks_no_tls_is_target_tls() {
    within(60, || {
        let target: Recorder = Target::scripted(|conn| {
            let _ = conn.some();
            let _ = conn.try_send("HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let portward = Portward::with_rules(&one(&format!("tls = {}", target.port())));
        let answer = portward.plain().get("one.example.net", "/");
        assert_eq!(answer.status(), 502, "{answer:?}");
        portward.decision(&["rejected: target-tls"]);
        assert!(!target.transcript().contains("GET /"));
    });
}

/// A TLS port without a certificate is a warning, and opens at the reload that brings one.
#[test]
fn a_tls_port_opens_when_its_certificate_comes() {
    within(60, || {
        let target = Target::named("here");
        let setup =
            Portward::rules(&one(&format!("tcp = {}", target.port()))).set("tls.certificates", "\"later\"");
        std::fs::create_dir(setup.dir().join("later")).unwrap();
        let portward = setup.start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
        assert!(std::net::TcpStream::connect(("127.0.0.1", portward.https)).is_err());
        TestCa::shared().issue(&["one.example.net"]).write(&portward.dir().join("later"), "server");
        portward.hang_up();
        crate::harness::eventually("the TLS port opens", || {
            std::net::TcpStream::connect(("127.0.0.1", portward.https)).is_ok()
        });
        assert_eq!(portward.tls("one.example.net").get("one.example.net", "/").text(), "here");
    });
}

/// A web server might take every client that comes with Portward's certificate for Portward. So the certificate is
/// shown only if the rules say so.
#[test]
fn our_own_certificate_is_shown_only_where_the_rules_say_so() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        for (options, shown) in [("", "false"), ("present_certificate = true", "true")] {
            let target = Target::scripted_tls(&identity, |conn| {
                while conn.try_request().is_some() {
                    let shown = conn.was_shown_a_certificate().to_string();
                    conn.send(ok(&shown));
                }
            });
            let rules =
                one(&format!("tls = {}", target.port())) + &format!("[target.\"127.0.0.1\"]\n{options}\n");
            let setup = Portward::rules(&rules).set("upstream.certificate", "\"own/rp.crt\"");
            TestCa::shared().issue(&["rp.example.net"]).write(&setup.dir().join("own"), "rp");
            let portward = setup.start();
            assert_eq!(portward.plain().get("one.example.net", "/").text(), shown, "{options}");
        }
    });
}

/// A reload reads trust anchors again, and connections from before are not reused.
#[test]
fn trust_changes_with_a_reload() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let target = Target::scripted_tls(&identity, |conn| {
            while conn.try_request().is_some() {
                conn.send(ok("here"));
            }
        });
        let setup = Portward::rules(&one(&format!("tls = {}", target.port())))
            .set("upstream.verify", "\"ca\"")
            .set("upstream.trust", "\"trust\"");
        let trust = setup.dir().join("trust");
        std::fs::create_dir(&trust).unwrap();
        let portward = setup.one_worker().start();
        let status = || portward.plain().get("one.example.net", "/").status();
        assert_eq!(status(), 502);
        TestCa::shared().write(&trust.join("ca.crt"));
        portward.hang_up();
        crate::harness::eventually("the CA is trusted", || status() == 200);
        std::fs::remove_file(trust.join("ca.crt")).unwrap();
        TestCa::new("Somebody else").write(&trust.join("other.crt"));
        portward.hang_up();
        crate::harness::eventually("the CA is not trusted any more", || status() == 502);
    });
}

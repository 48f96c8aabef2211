//! Failed logins at the PBX, with the limits of contract section 6.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{address, is_served, judged, rules};
use crate::harness::directory::bind;
use crate::harness::h323::next_message;
use crate::harness::kamailio::Kamailio;
use crate::harness::sip::{answer, request};
use crate::harness::{
    Nginx, PASSWORD, Portward, Slapd, Target, TestCa, Wire, command, ldap_tool, sip, within,
};
use portward::demo::ras;
use portward::relay::h323::answer::{PROTOCOL_IDENTIFIER, tunnel};

/// Whether the address is listed, shown by its next request, which counts as one more offence.
fn is_listed(portward: &Portward, number: u8) -> bool {
    !is_served(portward, address(number))
}

/// A registration with these credentials, 25 times on one connection. The PBX answers `status` each time, with `more`
/// lines.
fn sip_row(portward: &Portward, number: u8, method: &str, credentials: &dyn Fn(usize) -> String) {
    let mut wire = Wire::plain_from(address(number), portward.port("sip"));
    for round in 0..25 {
        if wire.try_send(request(method, "a@one.example.net", &credentials(round))).is_err() {
            return;
        }
        if sip::next_message(&mut wire).is_none() {
            return;
        }
    }
}

/// The credentials of a request, by its number.
type Credentials<'a> = Box<dyn Fn(usize) -> String + 'a>;

#[test]
fn sip_where_the_line_is() {
    within(90, || {
        // The request's Subject tells the PBX what to do. Each challenge has a nonce of its own.
        let count = AtomicUsize::new(0);
        let phones = Target::scripted(move |conn| {
            while let Some(request) = sip::next_message(conn) {
                let nonce = count.fetch_add(1, Ordering::SeqCst);
                let says = request.header("Subject").unwrap_or_default().to_owned();
                let challenge = match says.as_str() {
                    "stale" => {
                        format!("WWW-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\", stale=true\r\n")
                    }
                    "fixed" => "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\r\n".to_owned(),
                    "403" => String::new(),
                    _ => format!("Proxy-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\"\r\n"),
                };
                let status = if says == "403" { "403 Forbidden" } else { "401 Unauthorized" };
                let said = answer(&request, status, "pbx").replace("Server:", &format!("{challenge}Server:"));
                if conn.try_send(said).is_err() {
                    return;
                }
            }
        });
        let portward = judged(&rules(9, phones.port(), 9, 9)).start();
        let digest = |nonce: &str| {
            format!(
                "Authorization: Digest username=\"a\", realm=\"x\", nonce=\"{nonce}\", response=\"0\"\r\n"
            )
        };
        let rows: [(&str, Credentials<'_>, bool); 8] = [
            // A wrong password: an answer to a challenge, or a refusal in spite of one.
            ("REGISTER", Box::new(|_| format!("Subject: fixed\r\n{}", digest("n"))), true),
            ("REGISTER", Box::new(|_| format!("Subject: 403\r\n{}", digest("n"))), true),
            // An unknown nonce, an expired one, and no credentials.
            ("REGISTER", Box::new(|_| format!("Subject: fixed\r\n{}", digest("other"))), false),
            ("REGISTER", Box::new(|round| format!("Subject: x\r\n{}", digest(&round.to_string()))), false),
            ("REGISTER", Box::new(|_| format!("Subject: stale\r\n{}", digest("n"))), false),
            ("REGISTER", Box::new(|_| "Subject: 403\r\n".to_owned()), false),
            ("REGISTER", Box::new(|_| "Subject: fixed\r\n".to_owned()), false),
            ("INVITE", Box::new(|_| format!("Subject: 403\r\n{}", digest("n"))), true),
        ];
        for (number, (method, credentials, counts)) in rows.iter().enumerate() {
            let number = u8::try_from(number + 1).unwrap();
            sip_row(&portward, number, method, credentials);
            assert_eq!(is_listed(&portward, number), *counts, "row {number}");
        }
    });
}

#[test]
fn sip_at_kamailio_with_a_wrong_password() {
    within(60, || {
        let kamailio = Kamailio::start("one.example.net");
        let portward = judged(&rules(9, kamailio.plain, 9, 9)).start();
        let mut wire = Wire::plain_from(address(1), portward.port("sip"));
        let mut nonce = String::new();
        for _ in 0..30 {
            let credentials = format!(
                "Contact: <sip:a@127.0.0.1>\r\nAuthorization: Digest username=\"a\", realm=\"one.example.net\", nonce=\"{nonce}\", \
                 uri=\"sip:one.example.net\", response=\"00000000000000000000000000000000\"\r\n"
            );
            if wire.try_send(request("REGISTER", "a@one.example.net", &credentials)).is_err() {
                break;
            }
            let Some(answer) = sip::next_message(&mut wire) else { break };
            assert_eq!(answer.status(), 401);
            let challenge = answer.header("WWW-Authenticate").unwrap();
            nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        }
        // The first request answered no challenge.
        portward.line(&["127.0.9.1 blacklisted for 5m: 21 suspicious requests in a minute"]);
        assert!(sip::next_message(&mut wire).is_none(), "its connection is closed");
    });
}

#[test]
fn ldap_at_slapd_with_a_wrong_password() {
    within(60, || {
        let slapd = Slapd::start("one", "dc=one,dc=example,dc=net", 1);
        let portward = judged(&rules(9, 9, slapd.plain, 9)).start();
        let name = "cn=contacts,dc=one,dc=example,dc=net";
        let mut wire = Wire::plain_from(address(1), portward.port("ldap"));
        for id in 0..25 {
            if wire.try_send(bind(id + 1, name, "wrong")).is_err() || wire.some().is_empty() {
                break;
            }
        }
        assert!(is_listed(&portward, 1));
        // OpenLDAP's own tool, from the usual address: "no such object" is not a wrong password.
        let url = format!("ldap://127.0.0.1:{}", portward.port("ldap"));
        for _ in 0..25 {
            let said =
                ldap_tool("ldapsearch", &["-x", "-H", &url, "-D", name, "-w", PASSWORD, "-b", "dc=nowhere"]);
            assert_eq!(said.code, 32, "{said:?}");
        }
        assert!(is_served(&portward, "127.0.0.1".parse().unwrap()));
    });
}

#[test]
fn http_at_nginx_with_a_wrong_password() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let nginx = Nginx::with_config(&identity, |plain, tls, dir| {
            std::fs::write(format!("{dir}/users"), "a:{PLAIN}right\n").unwrap();
            format!(
                "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr crit;\nevents {{ }}\nhttp {{\n\
                 access_log off;\nclient_body_temp_path {dir}/body;\nproxy_temp_path {dir}/proxy;\nfastcgi_temp_path {dir}/f;\n\
                 uwsgi_temp_path {dir}/u;\nscgi_temp_path {dir}/s;\nserver {{ listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls};\n\
                 location / {{ auth_basic x; auth_basic_user_file {dir}/users; return 200; }}\n\
                 location /open {{ auth_basic x; auth_basic_user_file {dir}/users; try_files /none =204; }} }} }}\n"
            )
        });
        let portward = judged(&rules(nginx.plain, 9, 9, 9)).start();
        let ask = |number: u8, authorization: &str, rounds: usize| {
            let mut wire = Wire::plain_from(address(number), portward.http);
            for _ in 0..rounds {
                let text = format!("GET /open HTTP/1.1\r\nHost: one.example.net\r\n{authorization}\r\n");
                if wire.try_send(text).is_err()
                    || wire.try_head().is_none_or(|head| {
                        let length =
                            head.header("content-length").map_or(0, |length| length.parse().unwrap());
                        wire.exactly(length);
                        false
                    })
                {
                    return;
                }
            }
        };
        ask(1, "Authorization: Basic YTp3cm9uZw==\r\n", 25);
        assert!(is_listed(&portward, 1));
        ask(2, "Authorization: Basic YTpyaWdodA==\r\n", 25);
        ask(3, "", 25);
        ask(4, "Authorization: Bearer abc\r\n", 25);
        ask(5, "Authorization: NTLM TlRMTVNTUAABAAAA\r\n", 25);
        for number in 2..=5 {
            assert!(!is_listed(&portward, number), "{number}");
        }
    });
}

#[test]
fn http_digest_with_the_current_nonce_only() {
    within(60, || {
        let target = Target::http(|request, _| {
            let nonce = request.header("x-give").unwrap_or("n").to_owned();
            format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\"\r\nContent-Length: 0\r\n\r\n"
            )
        });
        let portward = judged(&rules(target.port(), 9, 9, 9)).start();
        let ask = |number: u8, lines: &dyn Fn(usize) -> String| {
            let mut wire = Wire::plain_from(address(number), portward.http);
            for round in 0..25 {
                let text = format!("GET /open HTTP/1.1\r\nHost: one.example.net\r\n{}\r\n", lines(round));
                if wire.try_send(text).is_err() || wire.try_head().is_none() {
                    return;
                }
            }
        };
        ask(1, &|_| "Authorization: Digest username=\"a\", nonce=\"n\"\r\n".to_owned());
        ask(2, &|round| {
            format!("X-Give: {round}\r\nAuthorization: Digest username=\"a\", nonce=\"n{round}\"\r\n")
        });
        assert!(is_listed(&portward, 1));
        assert!(!is_listed(&portward, 2));
    });
}

/// Issue 15, A2: a target that offers several algorithms gives a nonce with each. Each of them is remembered.
#[test]
fn http_every_challenge_of_an_answer_counts() {
    within(60, || {
        let target = Target::http(|request, _| {
            let fields = match request.header("x-give") {
                Some("lines") => {
                    "WWW-Authenticate: Digest realm=\"x\", nonce=\"a\", algorithm=SHA-256\r\n\
                     WWW-Authenticate: Digest realm=\"x\", nonce=\"b\"\r\n"
                }
                _ => {
                    "WWW-Authenticate: Basic realm=\"x\", Digest realm=\"x\", nonce=\"a\", algorithm=SHA-256, \
                     Digest realm=\"x\", nonce=\"b\"\r\n"
                }
            };
            format!("HTTP/1.1 401 Unauthorized\r\n{fields}Content-Length: 0\r\n\r\n")
        });
        let portward = judged(&rules(target.port(), 9, 9, 9)).start();
        let rows = [("list", "a", true), ("list", "b", true), ("lines", "b", true), ("lines", "c", false)];
        for (number, (give, nonce, counts)) in rows.into_iter().enumerate() {
            let number = u8::try_from(number + 1).unwrap();
            let mut wire = Wire::plain_from(address(number), portward.http);
            for _ in 0..25 {
                let text = format!(
                    "GET /open HTTP/1.1\r\nHost: one.example.net\r\nX-Give: {give}\r\n\
                     Authorization: Digest username=\"a\", nonce=\"{nonce}\"\r\n\r\n"
                );
                if wire.try_send(text).is_err() || wire.try_head().is_none() {
                    break;
                }
            }
            assert_eq!(is_listed(&portward, number), counts, "{give} {nonce}");
        }
    });
}

#[test]
fn h323_rejections_for_security() {
    within(60, || {
        // RegistrationReject: securityDenial, duplicateAlias, securityError with a wrong password, with a wrong clock.
        let reject = |reason: &[u8]| {
            let ras = [&[0x14, 0x00, 0x00, 0x00][..], &PROTOCOL_IDENTIFIER, reason].concat();
            tunnel(&[&ras])
        };
        let rows = [
            (reject(&[0x83, 0x01, 0x00]), true),
            (reject(&[0x60]), false),
            (reject(&[0x89, 0x01, 0x20]), true),
            (reject(&[0x89, 0x01, 0x00]), false),
        ];
        for (number, (octets, counts)) in rows.into_iter().enumerate() {
            let gatekeeper = Target::scripted(move |conn| {
                while next_message(conn).is_some() {
                    if conn.try_send(&octets).is_err() {
                        return;
                    }
                }
            });
            let portward = judged(&rules(9, 9, 9, gatekeeper.port())).start();
            let number = u8::try_from(number + 1).unwrap();
            let mut wire = Wire::plain_from(address(number), portward.port("h323"));
            for sequence in 0..25 {
                if wire.try_send(ras::request(sequence + 1, "one.example.net", "a")).is_err()
                    || next_message(&mut wire).is_none()
                {
                    break;
                }
            }
            assert_eq!(is_listed(&portward, number), counts, "row {number}");
        }
    });
}

#[test]
fn failed_logins_can_be_left_out() {
    within(60, || {
        let slapd = Slapd::start("one", "dc=one,dc=example,dc=net", 1);
        let portward = judged(&rules(9, 9, slapd.plain, 9)).set("blacklist.failed_logins", "false").start();
        let mut wire = Wire::plain_from(address(1), portward.port("ldap"));
        for id in 0..25 {
            wire.send(bind(id + 1, "cn=contacts,dc=one,dc=example,dc=net", "wrong"));
            assert!(!wire.some().is_empty());
        }
        assert!(is_served(&portward, address(1)));
        let config = portward.config().display().to_string();
        let list = command(20, portward.dir(), &["blacklist", "--config", &config]);
        assert_eq!(list.out, "no address is listed\n");
    });
}

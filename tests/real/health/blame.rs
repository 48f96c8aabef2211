//! A client's behaviour never makes a PBX unusable for others (contract section 8, Health).

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use rustls::ServerConnection;

use super::{changes, ip, state_of, target};
use crate::harness::sip::{request, serve};
use crate::harness::{Nginx, Portward, TestCa, Wire, ok, within};

/// Row: requests that make the target hang up, connections that are aborted at every point, and nonsense.
#[test]
fn clients_that_provoke_hang_ups_mark_nothing_down() {
    within(110, || {
        // The target closes on every unexpected request.
        let web = target(81, None, |conn| {
            while let Some(request) = conn.try_request() {
                if request.target() != "/good" {
                    return conn.reset();
                }
                conn.send(ok("good"));
            }
        });
        let pbx = target(81, None, |conn| {
            let octets = conn.some();
            if String::from_utf8_lossy(&octets).contains("nonsense") {
                return conn.reset();
            }
            conn.give_back(&octets);
            serve(conn, "pbx");
        });
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{}\"\nhttp = [{{ path = \"\", tcp = {} }}]\n\
             sip = {{ tcp = {}, tls = false }}\n",
            ip(81),
            web.port(),
            pbx.port()
        );
        let portward = Portward::rules(&rules).listen("sip").listen("sips").start();
        for round in 0..10 {
            assert_eq!(portward.plain().get("one.example.net", "/good").text(), "good");
            for path in ["/bad", "/../x", "/%00"] {
                let mut client = portward.plain();
                let _ = client.try_send(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
                // Every second client does not wait for an answer.
                if round % 2 == 0 {
                    client.rest();
                }
            }
            // The client leaves before the target was reached, within the request, and within TLS.
            let mut client = portward.plain();
            client.send("POST /good HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 100000\r\n\r\nx");
            client.reset();
            drop(client);
            let mut client = portward.plain_to_tls();
            let _ = client.try_send([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
            client.reset();
            drop(client);
            let mut phone = Wire::plain(portward.port("sip"));
            phone.send(request("REGISTER", "a@one.example.net", "X: nonsense\r\n"));
            phone.reset();
            drop(phone);
            let mut phone = Wire::tls(portward.port("sips"), "one.example.net");
            let _ = phone.try_send(request("REGISTER", "a@one.example.net", "X: nonsense\r\n"));
            phone.rest();
        }
        for port in [web.port(), pbx.port()] {
            let address = format!("{}:{port}", ip(81));
            assert_eq!(state_of(&portward, &address)["state"], "up");
            assert!(changes(&portward, &address).iter().all(|line| !line.contains("down")));
        }
    });
}

/// Under a wildcard clients choose the name. If a server has no certificate for an odd name, that shows nothing about
/// other names.
#[test]
fn odd_names_under_a_wildcard_mark_nothing_down() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let nginx = Nginx::with_config(&identity, |plain, tls, dir| {
            format!(
                "daemon off;\nmaster_process off;\npid {dir}/nginx.pid;\nerror_log stderr warn;\nevents {{ }}\nhttp {{\n\
                 access_log off;\nclient_body_temp_path {dir}/body;\nproxy_temp_path {dir}/proxy;\n\
                 fastcgi_temp_path {dir}/fastcgi;\nuwsgi_temp_path {dir}/uwsgi;\nscgi_temp_path {dir}/scgi;\n\
                 server {{ listen 127.0.0.1:{plain} default_server; listen 127.0.0.1:{tls} ssl default_server; \
                 ssl_reject_handshake on; return 404; }}\n\
                 server {{ listen 127.0.0.1:{tls} ssl; server_name one.example.net; ssl_certificate {dir}/server.crt; \
                 ssl_certificate_key {dir}/server.key; return 200 one; }}\n}}\n"
            )
        });
        let rules = format!(
            "[[host]]\nname = \"*.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = false, tls = {} }}]\n",
            nginx.tls
        );
        let portward = Portward::with_rules(&rules);
        let address = format!("127.0.0.1:{}", nginx.tls);
        for _ in 0..5 {
            assert_eq!(portward.plain().get("odd.example.net", "/").status(), 502);
            assert_eq!(portward.plain().get("one.example.net", "/").text(), "one");
        }
        assert_eq!(state_of(&portward, &address)["state"], "up");
        assert!(changes(&portward, &address).iter().all(|line| !line.contains("down")));
    });
}

/// With the PROXY protocol the target knows the client before TLS. If it refuses a client there, it is not down for
/// others.
#[test]
fn a_client_whom_the_target_turns_away_marks_nothing_down() {
    within(60, || {
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let web = target(83, None, move |conn| {
            let mut header = Vec::new();
            while !header.ends_with(b"\r\n") {
                header.extend(conn.exactly(1));
            }
            if String::from_utf8_lossy(&header).contains("127.0.0.99") {
                return conn.reset();
            }
            conn.speak_tls(ServerConnection::new(identity.server_config()).unwrap());
            while conn.try_request().is_some() {
                conn.send(ok("here"));
            }
        });
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"{0}\"\nhttp = [{{ path = \"\", tcp = false, tls = {1} }}]\n\
             [target.\"{0}\"]\nproxy_protocol = \"v1\"\n",
            ip(83),
            web.port()
        );
        let portward = Portward::with_rules(&rules);
        for _ in 0..3 {
            let banned = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 99));
            assert_eq!(Wire::plain_from(banned, portward.http).get("one.example.net", "/").status(), 502);
            assert_eq!(portward.plain().get("one.example.net", "/").text(), "here");
        }
        thread::sleep(Duration::from_millis(1_500));
        let address = format!("{}:{}", ip(83), web.port());
        assert_eq!(state_of(&portward, &address)["state"], "up");
        assert!(changes(&portward, &address).iter().all(|line| !line.contains("down")));
    });
}

//! Open connections of an address at the moment when it is listed.

use super::{address, judged, rules, scan};
use crate::harness::directory::bind;
use crate::harness::h323::{gatekeeper, next_message};
use crate::harness::sip::{pbx, request};
use crate::harness::{PASSWORD, Slapd, Target, Wire, command, sip, within};
use portward::demo::ras;

#[test]
fn they_are_closed_but_for_those_that_a_pbx_has_confirmed() {
    within(90, || {
        let (web, phones, gatekeeper) = (Target::named("here"), pbx("pbx"), gatekeeper("gk"));
        let slapd = Slapd::start("one", "dc=one,dc=example,dc=net", 1);
        let portward = judged(&rules(web.port(), phones.port(), slapd.plain, gatekeeper.port())).start();
        let from = address(1);
        let connect = |service: &str| Wire::plain_from(from, portward.port(service));
        // Three connections that a PBX has confirmed …
        let mut phone = connect("sip");
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
        let mut endpoint = connect("h323");
        endpoint.send(ras::request(1, "one.example.net", "endpoint"));
        assert!(next_message(&mut endpoint).is_some());
        let mut directory = connect("ldap");
        directory.send(bind(1, "cn=contacts,dc=one,dc=example,dc=net", PASSWORD));
        assert!(!directory.some().is_empty());
        // … and some that no PBX has confirmed.
        let mut caller = connect("sip");
        caller.send(request("INVITE", "b@one.example.net", ""));
        assert_eq!(sip::next_message(&mut caller).unwrap().status(), 200);
        let mut browser = Wire::plain_from(from, portward.http);
        assert_eq!(browser.get("one.example.net", "/open").text(), "here");
        let mut silent = connect("h323");
        // Three confirmed names: 60 are tolerated.
        (0..61).for_each(|_| scan(&portward, from));
        portward.line(&["127.0.9.1 blacklisted for 5m: 61 suspicious requests in a minute"]);
        for closed in [&mut caller, &mut browser, &mut silent] {
            assert_eq!(closed.rest(), b"");
        }
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
        endpoint.send(ras::request(2, "one.example.net", "endpoint"));
        assert!(next_message(&mut endpoint).is_some());
        directory.send(bind(2, "cn=contacts,dc=one,dc=example,dc=net", PASSWORD));
        assert!(!directory.some().is_empty());

        // A manual entry closes all of them.
        let config = portward.config().display().to_string();
        let added = command(20, portward.dir(), &["blacklist", "--config", &config, "add", "127.0.9.1"]);
        assert_eq!(added.code, 0, "{added:?}");
        for closed in [&mut phone, &mut endpoint, &mut directory] {
            assert_eq!(closed.rest(), b"");
        }
    });
}

/// Nothing more is answered on the connection that brought the last offence.
#[test]
fn a_client_that_is_listed_on_its_connection_is_closed() {
    within(60, || {
        let web = Target::named("here");
        let portward = judged(&rules(web.port(), 9, 9, 9)).start();
        let mut client = Wire::plain_from(address(1), portward.http);
        let all: String = (0..40)
            .map(|number| format!("GET /missing{number} HTTP/1.1\r\nHost: one.example.net\r\n\r\n"))
            .collect();
        client.send(all + "GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let answers = String::from_utf8(client.rest()).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 404 ").count(), 21, "{answers}");
        assert!(!answers.contains("200 OK"), "{answers}");
        assert_eq!(web.connections(), 0);
        // The same, with offences one after the other, on a kept connection.
        let mut kept = Wire::plain_from(address(2), portward.http);
        assert_eq!(kept.get("one.example.net", "/open").text(), "here");
        for number in 0..21 {
            assert_eq!(kept.get("one.example.net", &format!("/missing{number}")).status(), 404);
        }
        assert_eq!(kept.rest(), b"");
    });
}

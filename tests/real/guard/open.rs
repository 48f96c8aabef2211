//! Open connections of an address that is listed just then.

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
        // Three that a PBX has confirmed …
        let mut phone = connect("sip");
        phone.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(sip::next_message(&mut phone).unwrap().status(), 200);
        let mut endpoint = connect("h323");
        endpoint.send(ras::request(1, "one.example.net", "endpoint"));
        assert!(next_message(&mut endpoint).is_some());
        let mut directory = connect("ldap");
        directory.send(bind(1, "cn=contacts,dc=one,dc=example,dc=net", PASSWORD));
        assert!(!directory.some().is_empty());
        // … and some that nobody knows.
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

        // By hand everybody goes.
        let config = portward.config().display().to_string();
        let added = command(20, portward.dir(), &["blacklist", "--config", &config, "add", "127.0.9.1"]);
        assert_eq!(added.code, 0, "{added:?}");
        for closed in [&mut phone, &mut endpoint, &mut directory] {
            assert_eq!(closed.rest(), b"");
        }
    });
}

//! Registrations and calls through recording targets: what a PBX sees of a browser, and what the browser gets back.

use super::browser::{Browser, CONTACT, VIA, request};
use super::phone::Phone;
use super::{pbx, serve, setup};
use crate::harness::kamailio::Kamailio;
use crate::harness::{Target, TestCa, eventually, within};

#[test]
fn item_1_a_register_by_wss_reaches_a_tcp_pbx_and_its_answer_comes_back() {
    within(60, || {
        let pbx = pbx();
        let portward = setup(&format!("tcp = {}", pbx.port())).start();
        for (mut browser, scheme) in [(Browser::wss(&portward), "sipwss"), (Browser::ws(&portward), "sipws")]
        {
            let number = pbx.connections();
            let answer = browser.register("a");
            assert_eq!(answer.all("via"), [VIA]);
            assert_eq!(answer.all("contact"), [format!("{CONTACT};x=y")]);
            portward.decision(&[&format!(" {scheme}:a@pbx.example.net REGISTER"), " -> 127.0.0.1:"]);
            let seen = String::from_utf8(pbx.received(number)).unwrap();
            let end = seen.split("Via: SIP/2.0/TCP ").nth(1).unwrap().split(';').next().unwrap().to_owned();
            assert!(end.starts_with("127.0.0.1:") && !seen.contains(".invalid"), "{seen}");
            // The PBX gets what the browser sent, except for the named edits.
            let sent = request("REGISTER", "a", &format!("Contact: {CONTACT}\r\n"));
            let expected = sent
                .replace("SIP/2.0/WSS df7jal23ls0d.invalid", &format!("SIP/2.0/TCP {end}"))
                .replace("@df7jal23ls0d.invalid;transport=ws", &format!("@{end};transport=tcp"))
                .replace("Route: <sip:web.example.net;transport=ws;lr>\r\n", "")
                .replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(seen, expected);
            // The next call is to the browser's own Contact.
            let call = browser.message();
            assert_eq!(call.start, "INVITE sip:k3j4@df7jal23ls0d.invalid;transport=ws SIP/2.0");
            assert_eq!((call.all("via").len(), call.text().as_str()), (1, "v=0\r\n"));
            drop(browser);
            eventually("the connection to the PBX ends with the browser's", || pbx.closed(number));
        }
    });
}

#[test]
fn item_1_a_tls_pbx_is_reached_by_section_5() {
    within(60, || {
        let plain = pbx();
        let tls =
            Target::scripted_tls(&TestCa::shared().issue(&["pbx.example.net"]), |conn| serve(conn, false));
        let portward = setup(&format!("tcp = {}, tls = {}", plain.port(), tls.port())).start();
        let answer = Browser::wss(&portward).register("a");
        assert_eq!(answer.all("via"), [VIA]);
        let seen = String::from_utf8(tls.received(0)).unwrap();
        assert!(seen.contains("\r\nVia: SIP/2.0/TLS 127.0.0.1:"), "{seen}");
        assert!(seen.contains(";transport=tls>;+sip.instance"), "{seen}");
        Browser::ws(&portward).register("a");
        assert_eq!((plain.connections(), tls.connections()), (1, 1));
    });
}

/// Both ways, by each of the PBX's ports: calls, a change of a call by either side, hang-up from either side.
#[test]
fn item_1_browsers_call_each_other_through_kamailio() {
    within(120, || {
        for (tcp, tls) in [(true, false), (false, true), (true, true)] {
            let kamailio = Kamailio::start("pbx.example.net");
            let ports = [(tcp, "tcp", kamailio.plain), (tls, "tls", kamailio.tls)];
            let ports = ports.iter().filter(|(is_used, ..)| *is_used);
            let ports: Vec<_> = ports.map(|(_, name, port)| format!("{name} = {port}")).collect();
            let (rule, recorded) = (ports.join(", "), tls);
            let mut setup = setup(&rule);
            if recorded {
                setup = setup.set("sip.public_address", "\"rp.example.net\"");
            }
            let portward = setup.start();
            let mut alice = Phone::new(Browser::wss(&portward), "alice", "pbx.example.net");
            let mut bob = Phone::new(Browser::ws(&portward), "bob", "pbx.example.net");
            alice.register();
            bob.register();
            let [calling, called] = alice.call(&mut bob);
            alice.change(&calling, 3, &mut bob);
            bob.change(&called, 1, &mut alice);
            alice.hang_up(&calling, 4, &mut bob);
            let [calling, called] = bob.call(&mut alice);
            alice.hang_up(&called, 1, &mut bob);
            drop((calling, called));
            portward.assert_alive();
        }
    });
}

/// The browser's network has changed. It registers again on another connection, and ends there the call that it had on
/// the first one. The token in its Route names the target of that request (contract section 3).
#[test]
fn item_1_a_call_goes_on_after_the_browsers_network_has_changed() {
    within(120, || {
        let kamailio = Kamailio::start("pbx.example.net");
        let rule = format!("tcp = {}", kamailio.plain);
        let portward = setup(&rule).set("sip.public_address", "\"rp.example.net\"").start();
        let mut alice = Phone::new(Browser::wss(&portward), "alice", "pbx.example.net");
        let mut bob = Phone::new(Browser::wss(&portward), "bob", "pbx.example.net");
        alice.register();
        bob.register();
        let [calling, _] = alice.call(&mut bob);
        assert!(calling.route().contains("@rp.example.net;transport=ws;lr>"), "{}", calling.route());
        alice.go_on(Browser::wss(&portward));
        alice.hang_up(&calling, 3, &mut bob);
        alice.go_on(Browser::wss(&portward));
        alice.register();
        let [_, called] = bob.call(&mut alice);
        alice.hang_up(&called, 1, &mut bob);
    });
}

//! `sip.public_address`: dialogs that lead through Portward, and come back to it on another connection (contract section 3).

use crate::harness::sip::{answer, next_message, request, request_to, serve};
use crate::harness::{Message, Portward, Recorder, Target, TestCa, Wire, within};

/// A PBX that calls the client back when it registers, and answers every later request.
fn calling_pbx() -> Target {
    Target::scripted(|conn| {
        while let Some(request) = next_message(conn) {
            let call = request.method() == "REGISTER";
            if request.start.starts_with("SIP/2.0") {
                continue;
            }
            let recorded = "Record-Route: <sip:pbx.example.net;lr>\r\n";
            let invite =
                request_to("INVITE", "b@one.example.net", "<sip:a@one.example.net>", recorded, "v=0\r\n");
            let said =
                [answer(&request, "200 OK", "one"), if call { invite } else { String::new() }].concat();
            if conn.try_send(said).is_err() {
                return;
            }
        }
    })
}

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {port} }}\n\
         [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {port} }}\n"
    )
}

fn start(port: u16) -> Portward {
    let setup = Portward::rules(&rules(port)).listen("sip").listen("sips");
    setup.set("sip.public_address", "{ tcp = \"rp.example.net:5060\", tls = \"[2001:db8::1]\" }").start()
}

/// Registers and takes the call. Returns the client's connection, and the PBX's INVITE as the client saw it.
fn called(mut client: Wire) -> (Wire, Message) {
    client.send(request("REGISTER", "a@one.example.net", ""));
    assert_eq!(next_message(&mut client).unwrap().status(), 200);
    let invite = next_message(&mut client).unwrap();
    assert_eq!(invite.method(), "INVITE");
    (client, invite)
}

#[test]
fn the_client_sees_our_entry_and_the_pbx_never_does() {
    within(60, || {
        let pbx = calling_pbx();
        let portward = start(pbx.port());
        for (wire, address) in [
            (Wire::plain(portward.port("sip")), "@rp.example.net:5060;transport=tcp;lr>"),
            (Wire::tls(portward.port("sips"), "one.example.net"), "@[2001:db8::1];transport=tls;lr>"),
        ] {
            let (mut client, invite) = called(wire);
            let recorded = invite.all("record-route");
            assert!(recorded[0].starts_with("<sip:pw-") && recorded[0].ends_with(address), "{invite:?}");
            assert_eq!(recorded[1..], ["<sip:pbx.example.net;lr>"]);
            client.send(answer(&invite, "200 OK", "phone"));
            // The client makes a call, too: our entry is the last one of the response.
            let call = request_to(
                "INVITE",
                "a@one.example.net",
                "<sip:b@one.example.net>",
                "Record-Route: <sip:x;lr>\r\n",
                "",
            );
            client.send(call);
            let response = next_message(&mut client).unwrap();
            let recorded = response.all("record-route");
            assert_eq!(recorded[0], "<sip:x;lr>", "{response:?}");
            assert!(recorded[1].ends_with(address), "{response:?}");
            // In the dialog our entry comes back on top of Route.
            let route = format!("Route: {},<sip:x;lr>\r\n", recorded[1]);
            client.send(request_to(
                "BYE",
                "a@one.example.net",
                "<sip:b@one.example.net>;tag=pbx",
                &route,
                "",
            ));
            assert_eq!(next_message(&mut client).unwrap().status(), 200);
        }
        for number in 0..2 {
            let received = String::from_utf8(pbx.received(number)).unwrap();
            assert!(received.contains("Record-Route: <sip:pbx.example.net;lr>\r\n"), "{received}");
            assert!(received.contains("Route: <sip:x;lr>\r\n"), "{received}");
            assert!(!received.contains("pw-") && !received.contains("rp.example"), "{received}");
        }
    });
}

#[test]
fn a_call_is_hung_up_on_a_new_connection() {
    within(60, || {
        let pbx = calling_pbx();
        let portward = start(pbx.port());
        let (client, invite) = called(Wire::plain(portward.port("sip")));
        drop(client);
        let token = invite.all("record-route")[0].to_owned();
        let bye = |route: &str, to: &str| {
            request_to("BYE", "a@elsewhere.example", to, &format!("Route: {route}\r\n"), "")
        };
        for wire in [Wire::plain(portward.port("sip")), Wire::tls(portward.port("sips"), "one.example.net")] {
            let mut client = wire;
            client.send(bye(&token, "<sip:b@one.example.net>;tag=pbx"));
            assert_eq!(next_message(&mut client).unwrap().status(), 200);
        }
        let connections = pbx.connections();
        let other_host = token.replace("one.example.net", "two.example.net");
        for (route, to) in [
            (token.as_str(), "<sip:b@one.example.net>"),
            (other_host.as_str(), "<sip:b@one.example.net>;tag=pbx"),
            ("<sip:rp.example.net:5060;transport=tcp;lr>", "<sip:b@one.example.net>;tag=pbx"),
        ] {
            let mark = portward.mark();
            let mut client = Wire::plain(portward.port("sip"));
            client.send(bye(route, to));
            assert_eq!(client.rest(), b"", "{route} {to}");
            portward.decision_after(mark, &["BYE rejected: method"]);
        }
        assert_eq!(pbx.connections(), connections);
    });
}

#[test]
fn a_token_outlives_a_restart() {
    within(60, || {
        let pbx = calling_pbx();
        let state = tempfile::tempdir().unwrap();
        let start = || {
            let setup = Portward::rules(&rules(pbx.port()))
                .listen("sip")
                .set("sip.public_address", "\"rp.example.net\"");
            setup.set("state", &format!("{:?}", state.path().to_string_lossy())).start()
        };
        let portward = start();
        let (_, invite) = called(Wire::plain(portward.port("sip")));
        drop(portward);
        let portward = start();
        let route = format!("Route: {}\r\n", invite.all("record-route")[0]);
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request_to("BYE", "a@elsewhere.example", "<sip:b@x>;tag=pbx", &route, ""));
        assert_eq!(next_message(&mut client).unwrap().status(), 200);
    });
}

#[test]
fn tls_goes_where_section_5_says() {
    within(60, || {
        let plain = crate::harness::sip::pbx("plain");
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let tls = Target::scripted_tls(&identity, |conn| serve(conn, "tls"));
        let never = Recorder::recorder();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tls = {tls}, check_certificate = false }}\n\
             [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.2\"\nsip = {{ target = \"127.0.0.1\", tcp = {plain}, rewrite_transport = true }}\n\
             [[host]]\nname = \"three.example.net\"\nsip = {{ target = \"localhost\", tcp = {plain}, tls = {never} }}\n\
             [[host]]\nname = \"four.example.net\"\nsip = {{ target = \"localhost\", tcp = {plain}, tls = {never}, on_failed_check = \"reject\" }}\n",
            tls = tls.port(),
            plain = plain.port(),
            never = never.port()
        );
        let portward = Portward::rules(&rules).listen("sip").listen("sips").start();
        let contact = "Contact: <sip:a@10.0.0.1:5061;transport=tls>\r\n";
        let over_tls = |host: &str| {
            let mut client = Wire::tls(portward.port("sips"), "one.example.net");
            let from = format!("a@{host}");
            client.send(request("REGISTER", &from, contact).replace("SIP/2.0/TCP", "SIP/2.0/TLS"));
            next_message(&mut client)
        };
        let server =
            |message: Option<Message>| message.map(|message| message.header("server").unwrap().to_owned());
        assert_eq!(server(over_tls("one.example.net")).as_deref(), Some("tls"));
        let rewritten = over_tls("two.example.net").expect("an answer");
        assert_eq!(rewritten.header("server"), Some("plain"));
        assert!(rewritten.header("via").unwrap().starts_with("SIP/2.0/TLS "), "{rewritten:?}");
        let received = String::from_utf8(plain.received(0)).unwrap();
        assert!(
            received.contains("Via: SIP/2.0/TCP 10.0.0.1") && received.contains("transport=tcp>"),
            "{received}"
        );
        // With both ports TLS is only for proven clients, and this one is not proven.
        assert_eq!(server(over_tls("three.example.net")).as_deref(), Some("plain"));
        assert_eq!(server(over_tls("four.example.net")), None);
        portward.decision(&["a@four.example.net REGISTER", "rejected: certificate"]);
        assert_eq!(never.connections(), 0);
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", "a@one.example.net", ""));
        assert_eq!(server(next_message(&mut client)).as_deref(), Some("tls"));
    });
}

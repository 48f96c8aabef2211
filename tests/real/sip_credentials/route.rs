//! Our route token names a host that demands credentials. It decides where a request goes, and proves nothing about its
//! client (contract section 9: To tag or route token or not).

use super::{Challenge, Credential, House, Request, ask, log_in, server};
use crate::harness::sip::{next_message, pbx};
use crate::harness::{Wire, within};

const ALICE: &str = "alice@pbx.example";
const DIALOG: &str = "<sip:bob@pbx.example>;tag=pbx";

/// A house whose dialogs lead through Portward, a call of alice's there, and the Route of the call's requests.
fn called(more: &str) -> (House, Wire, String) {
    let rules = format!("[[host]]\nname = \"pbx.example\"\nsip = {{ SIP }}\n{more}");
    let house = House::start(&rules, |setup| setup.set("sip.public_address", "\"rp.example\""));
    let mut caller = house.tcp();
    let invite = Request::of("INVITE", ALICE).to("bob@pbx.example").with("Record-Route: <sip:x;lr>\r\n");
    let answer = log_in(&mut caller, &invite, &Credential::good("alice"));
    assert_eq!(server(&answer), Some("pbx"));
    let recorded = answer.all("record-route");
    let own = recorded.iter().find(|value| value.contains("sip:pw-")).expect("a route of ours");
    let route = format!("Route: {own}\r\n");
    (house, caller, route)
}

#[test]
fn w5_a_route_token_is_no_way_round_credentials() {
    within(100, || {
        let open = pbx("open");
        let other = format!(
            "[[host]]\nname = \"open.example\"\nsip = {{ target = \"127.0.0.1\", tcp = {} }}\n",
            open.port()
        );
        let (house, _caller, route) = called(&other);
        let before = house.pbx.bytes();
        let mark = house.portward.mark();
        for from in
            [ALICE, "alice@open.example", "alice@elsewhere.example", "<sip:anonymous@anonymous.invalid>"]
        {
            for to in [DIALOG, "bob@pbx.example", "<sip:bob@elsewhere.example>;tag=made-up"] {
                for method in ["INVITE", "BYE", "MESSAGE", "REFER", "UPDATE", "OPTIONS", "REGISTER"] {
                    for mut client in [house.tcp(), house.tls()] {
                        let request = Request::of(method, from).to(to).with(&route);
                        client.send(request.text());
                        // Either it is challenged or refused, or its connection is closed, or it registers at the host
                        // of its From.
                        let answer = next_message(&mut client);
                        assert_ne!(answer.as_ref().and_then(server), Some("pbx"), "{request:?}");
                    }
                }
                let mut client = house.tcp();
                client.send(Request::of("ACK", from).to(to).with(&route).text());
                client.try_send(Request::of("CANCEL", from).to(to).with(&route).text()).unwrap_or_default();
                assert_ne!(next_message(&mut client).as_ref().and_then(server), Some("pbx"), "{from} {to}");
            }
        }
        assert_eq!(house.pbx.bytes(), before, "nothing reached the PBX");
        let lines = house.portward.lines_since(mark).join("\n");
        assert!(!lines.contains(&format!("-> 127.0.0.1:{}", house.pbx.port())), "{lines}");
    });
}

/// A telephone whose network has changed continues its call on a new connection, after it has proven itself.
#[test]
fn w5_a_call_goes_on_by_its_route_token_after_a_new_login() {
    within(100, || {
        let (house, caller, route) = called("");
        drop(caller);
        let bye = Request::of("BYE", ALICE).to(DIALOG).with(&route);
        for mut client in [house.tcp(), house.tls()] {
            let before = house.pbx.bytes();
            let challenge = Challenge::first(&ask(&mut client, &bye));
            assert_eq!(house.pbx.bytes(), before);
            let mut other = house.tcp();
            let asked = Challenge::first(&ask(&mut other, &bye));
            other.send(bye.answered(&asked, &Credential::good("mallory"), 1).text());
            assert_eq!(next_message(&mut other).map(|answer| answer.status()), Some(403));
            assert_eq!(house.pbx.bytes(), before);
            let answer = ask(&mut client, &bye.answered(&challenge, &Credential::good("alice"), 1));
            assert_eq!(server(&answer), Some("pbx"));
        }
        house.portward.decision(&["BYE", " rejected: other-name"]);
        assert!(!house.pbx.transcript().contains("pw-"), "the PBX sees no route of ours");
    });
}

//! A6: the effect of a token in Route beside a certificate (contract sections 3 and 5).

use rcgen::SanType;
use rustls::version::TLS13;

use super::authority::{Authority, Wanted};
use super::{HOST, Pbx, Spoken, by_tls, front, proven};
use crate::harness::{Portward, sip, within};

const OTHER: &str = "other.example";

/// The token of HOST, from a call that a user of HOST makes.
fn token(portward: &Portward) -> String {
    let mut client = by_tls(portward, Spoken::Sip, &proven("somebody"));
    client.send(sip::request("INVITE", &format!("somebody@{HOST}"), ""));
    let answer = sip::next_message(&mut client).unwrap();
    answer.all("record-route").last().unwrap().to_string()
}

/// The PBX that answers a request of a dialog, first on a connection.
fn answered(portward: &Portward, chain: &Wanted, method: &str, from: &str, route: &str) -> Option<String> {
    let config = Authority::trusted().issue(chain).client(&TLS13);
    let mut client = by_tls(portward, Spoken::Sip, &config);
    let route = format!("Route: {route}\r\n");
    client.send(sip::request_to(method, from, &format!("<sip:bob@{HOST}>;tag=pbx"), &route, ""));
    Some(sip::next_message(&mut client)?.header("Server")?.to_owned())
}

fn uri(uri: &str) -> Wanted {
    Wanted { alternative: vec![SanType::URI(uri.try_into().unwrap())], ..Wanted::default() }
}

#[test]
fn the_proof_is_for_the_host_that_the_token_names() {
    within(60, || {
        let (here, there) = (Pbx::start(), Pbx::start());
        let rules = here.host(HOST, "", "") + &there.host(OTHER, "", "");
        let portward = front(&rules).set("sip.public_address", "\"rp.example.net\"").start();
        let token = token(&portward);
        let escaped = token.replacen("pw-", "%70%77%2D", 1);
        let proxy = format!("<sips:RP.example.net:5061;lr>, {token}");
        for route in [&token, &escaped, &proxy] {
            let ask = |chain: &Wanted, from: &str| answered(&portward, chain, "BYE", from, route);
            // The client is proven for the other host. At this one it is not.
            let alice = uri(&format!("sip:alice@{OTHER}"));
            for from in
                [format!("alice@{OTHER}"), format!("alice@{HOST}"), "alice@nowhere.example".to_owned()]
            {
                assert_eq!(ask(&alice, &from).as_deref(), Some("plain"), "{from} {route}");
            }
            // A common name is valid at every host, but From must be at this one.
            let named = Wanted::named("alice");
            assert_eq!(ask(&named, &format!("alice@{OTHER}")).as_deref(), Some("plain"), "{route}");
            assert_eq!(ask(&named, &format!("alice@{HOST}")).as_deref(), Some("TLS"), "{route}");
            let alice = uri(&format!("sip:alice@{HOST}"));
            assert_eq!(ask(&alice, &format!("alice@{HOST}")).as_deref(), Some("TLS"), "{route}");
        }
        assert_eq!(there.seen(Spoken::Sip), [0, 0]);
        // A request that belongs to no dialog is routed by its From, whatever its Route is.
        let alice = uri(&format!("sip:alice@{OTHER}"));
        let from = format!("alice@{OTHER}");
        assert_eq!(answered(&portward, &alice, "PUBLISH", &from, &token), None);
        let seen = here.seen(Spoken::Sip);
        let mark = portward.mark();
        assert!(answered(&portward, &alice, "REGISTER", &from, &token).is_some());
        portward.decision_after(mark, &[&format!("sips:{from} REGISTER")]);
        assert_eq!(here.seen(Spoken::Sip), seen);
        assert_eq!(there.seen(Spoken::Sip).iter().sum::<usize>(), 1);
    });
}

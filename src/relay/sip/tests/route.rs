//! Routes in a client's messages: tokens, preloaded routes, and texts that become a start line.

use super::*;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Inspector};
use crate::proof::own_routes::PublicAddress;

const TARGET: &str = "sip:callee@u2.domain.com";

fn bye(uri: &str, more: &str) -> String {
    request("BYE", uri, "sip:a@pbx.example", "<sip:b@pbx.example>;tag=1", more, "")
}

/// Every character of a text as a percent escape.
fn escaped(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02x}")).collect()
}

fn host(text: &str, address: Option<PublicAddress<'_>>) -> Option<String> {
    let tokens = Tokens::new(KEY);
    match Inspector::of_client().inspect(text.as_bytes()) {
        Inspect::Found { ask: Ask::Message(message), len } => {
            OwnRoutes { tokens: &tokens, address, front: None }
                .dialog(&text.as_bytes()[..len], &message)
                .map(|named| named.host)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a5_what_becomes_the_request_uri_is_a_uri() {
    let own = format!("sip:{}", ours());
    for last in [
        "<sip:x SIP/2.0\r\n X: y\r\n Z:>",
        "<sip:callee@x\r\n SIP/2.0>",
        "<sip:callee@x\ty>",
        "<sip:a@b@c>",
        "\"no address\"",
        "<\r\n sip:callee@x>",
    ] {
        let routed = bye(&own, &format!("Route: <sip:p1;lr>, {last}\r\n"));
        let (on, back, ended) = up(&mut watch(None, false, false), &routed);
        let refused = Some(by_client(Reason::Malformed));
        assert_eq!((on.as_str(), back.as_str(), ended), ("", "", refused), "{last}");
    }
    // Only the parts that a Request-URI may have are moved (RFC 3261 §19.1.1).
    for (last, moved) in [
        ("<sip:c?d@x;transport=tcp;Method=INVITE;y?Route=z&Subject=w>", "sip:c?d@x;transport=tcp;y"),
        ("<sips:x?To=y>", "sips:x"),
        ("<tel:+49;phone-context=x>", "tel:+49;phone-context=x"),
    ] {
        let routed = bye(&own, &format!("Route: {last}\r\n"));
        assert_eq!(up(&mut watch(None, false, false), &routed).0, bye(moved, ""), "{last}");
    }
    // A next hop that wants strict routing becomes the Request-URI, too. A text that cannot become a Request-URI stays
    // in Route.
    let next = |next: &str| bye(TARGET, &format!("Route: <{own}>, {next}\r\n"));
    let strict = up(&mut watch(None, false, false), &next("<sip:p2?X=y>")).0;
    assert_eq!(strict, bye("sip:p2", &format!("Route: <{TARGET}>\r\n")));
    for odd in ["<sip:p2 SIP/2.0\r\n X: y>", "sip:p2;x=y"] {
        let stays = up(&mut watch(None, false, false), &next(odd)).0;
        assert_eq!(stays, bye(TARGET, &format!("Route: {odd}\r\n")));
    }
}

#[test]
fn a6_an_escaped_token_is_the_same_token() {
    let (token, _) = ours().split_once('@').map(|(token, rest)| (token.to_owned(), rest.to_owned())).unwrap();
    for spelt in [token.replace('-', "%2d"), token.replace('-', "%2D"), escaped(&token)] {
        let route = format!("Route: <sip:{spelt}@rp.example;transport=tcp;lr>, <sip:p;lr>\r\n");
        assert_eq!(host(&bye(TARGET, &route), None).as_deref(), Some("pbx.example"), "{spelt}");
        let (on, ..) = up(&mut watch(None, false, false), &bye(TARGET, &route));
        assert_eq!(on, bye(TARGET, "Route: <sip:p;lr>\r\n"));
    }
    for other in [token.replace("pw-", "%50w-"), token.replace('-', "%2"), format!("{token}%00")] {
        let route = format!("Route: <sip:{other}@rp.example;transport=tcp;lr>\r\n");
        assert_eq!(host(&bye(TARGET, &route), None), None, "{other}");
    }
}

#[test]
fn a6_only_a_request_of_a_dialog_may_come_first_by_its_token() {
    let route = format!("Route: <sip:{}>\r\n", ours());
    let first = |method: &str, to: &str| host(&request(method, TARGET, "sip:a@x", to, &route, ""), None);
    for method in
        ["ACK", "BYE", "INVITE", "INFO", "UPDATE", "NOTIFY", "REFER", "SUBSCRIBE", "PRACK", "MESSAGE"]
    {
        assert_eq!(first(method, "<sip:b@x>;tag=1").as_deref(), Some("pbx.example"), "{method}");
        assert_eq!(first(method, "<sip:b@x>"), None, "{method} out of a dialog");
    }
    for method in ["REGISTER", "PUBLISH", "X-OTHER"] {
        assert_eq!(first(method, "<sip:b@x>;tag=1"), None, "{method}");
    }
}

#[test]
fn a6_a_preloaded_route_is_taken_off_and_decides_nothing() {
    let own = format!("<sip:{}>", ours());
    let seen = |address: &str, tls: bool, route: &str| {
        let text = invite("sip:a@pbx.example", &format!("Route: {route}\r\n"));
        let on = up(&mut watch(Some(address), tls, false), &text).0;
        let kept = on.split("Route: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap().to_owned());
        assert_eq!(
            on.replace(&format!("Route: {}\r\n", kept.as_deref().unwrap_or("")), ""),
            invite("sip:a@pbx.example", "")
        );
        kept.unwrap_or_default()
    };
    for (address, tls, route) in [
        ("rp.example", false, "<sip:rp.example;lr>"),
        ("rp.example", false, "<sip:RP.example.>"),
        ("rp.example", false, "\"Proxy\" <SIPS:rp.example:5060;transport=tcp;lr=on>;x=y"),
        ("rp.example:5060", false, "<sip:rp.example;lr>"),
        ("rp.example", true, "<sip:rp.example:5061;transport=tls;lr>"),
        ("rp.example:5061", true, "<sips:rp.example;lr>"),
        ("203.0.113.1:15061", true, "<sip:203.0.113.1:15061;transport=tls;lr>"),
        ("[2001:db8::1]", true, "<sip:[2001:DB8:0::1];lr>"),
        ("rp.example", false, "sip:rp.example;lr"),
    ] {
        assert_eq!(seen(address, tls, route), "", "{address} {route}");
        // Entries below ours are the PBX's.
        assert_eq!(seen(address, tls, &format!("{route}, <sip:p;lr>")), "<sip:p;lr>");
    }
    for (address, tls, route) in [
        ("rp.example", false, "<sip:rp.example:5061;lr>"),
        ("rp.example:5070", false, "<sip:rp.example;lr>"),
        ("rp.example", false, "<sip:xrp.example;lr>"),
        ("rp.example", false, "<tel:rp.example>"),
        ("rp.example", false, "<sip:p;lr>, <sip:rp.example;lr>"),
    ] {
        assert_eq!(seen(address, tls, route), route);
    }
    // Beside an entry with a token: the phone has put its proxy on top of a dialog's route set.
    let both = format!("<sip:rp.example;lr>, {own}, <sip:p;lr>");
    assert_eq!(seen("rp.example", false, &both), "<sip:p;lr>");
    let address = PublicAddress::new("rp.example", false);
    assert_eq!(host(&bye(TARGET, &format!("Route: {both}\r\n")), address).as_deref(), Some("pbx.example"));
    assert_eq!(host(&bye(TARGET, "Route: <sip:rp.example;lr>\r\n"), address), None);
    // An entry below our own is the PBX's, even if it has the same address.
    assert_eq!(seen("rp.example", false, &format!("{own}, <sip:rp.example;lr>")), "<sip:rp.example;lr>");
}

#[test]
fn a5_transport_is_rewritten_in_parameters_only() {
    let mut watch = watch(None, true, true);
    let contact = |transport: &str| {
        format!(
            "Contact: <sip:a;transport=tls@h;Transport={transport};x>, sip:b@h;transport={transport};y=\"z\"\r\n"
        )
    };
    let register = |contact: &str| {
        request("REGISTER", "sip:pbx.example", "sip:a@pbx.example", "<sip:a@pbx.example>", contact, "")
    };
    let (on, ..) = up(&mut watch, &register(&contact("tls")));
    assert_eq!(on, register(&contact("tcp")).replace("SIP/2.0/TLS", "SIP/2.0/TCP"));
    let call = bye("sip:a;transport=tcp@h;transport=tcp", "");
    assert_eq!(down(&mut watch, &call), bye("sip:a;transport=tcp@h;transport=tls", ""));
}

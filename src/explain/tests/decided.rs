//! What is explained is what is decided: for SIP and LDAP messages that were written by hand.

use super::*;

/// The same registrations as a phone writes them, with further fields in another order. They are decided without
/// `explain`.
#[test]
fn item_3_explained_is_decided_for_sip() {
    let given = loaded("[sip]\ndefault_host = \"dvl-ckl2.net\"\n");
    let tokens = Tokens::new([7; 32]);
    for from in [
        "ckl@dvl-ckl2.net",
        "ckl@strict.example",
        "x@hq.dvl-ckl2.net",
        "x@off.net",
        "ckl@anonymous.invalid",
        "ckl;x=1@dvl-ckl2.net",
        "dvl-ckl2.net",
        "ckl@dvl-ckl2.net.",
        "ckl@dvl-ckl2.net/branch-b",
    ] {
        for (scheme, came_by) in [("sip", Transport::Plain), ("sips", Transport::Tls)] {
            for names in ["", "CN=ckl", "CN=other", "EMAIL=ckl@dvl-ckl2.net"] {
                let head = format!(
                    "REGISTER sip:registrar.example SIP/2.0\r\nContent-Length: 0\r\nCSeq: 7 REGISTER\r\n\
                     i: 1@phone\r\nt: \"C\" <sip:{from}>\r\nf: \"C\" <sip:{from}>;tag=1\r\n\
                     v: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\r\n"
                );
                let Inspect::Found { ask: sip::Ask::Message(message), .. } =
                    sip::Inspector::of_client().inspect(head.as_bytes())
                else {
                    panic!("{head}")
                };
                let names = Names::parse(names);
                let terms = given.config.sip_terms(&given.table, &tokens, came_by);
                let asked = terms.asked(head.as_bytes(), &message);
                let request = (head.as_bytes(), &message);
                let expected = match terms.decide(asked.as_ref(), came_by, request, names.as_ref()) {
                    Ok(Decided::Routed(route)) => Ok((route.transport, route.port, route.host.name())),
                    Ok(Decided::Answered(_)) => panic!("{head}"),
                    Err(refused) => Err(refused.refusal.reason),
                };
                let url = format!("{scheme}:{from}");
                let client = Client { names, ..Client::default() };
                let explanation = answer(&given, &url, &client);
                let found = match &explanation.verdict {
                    Verdict::Forward { transport, port, .. } => {
                        Ok((*transport, *port, explanation.host.as_ref().unwrap().name.as_str()))
                    }
                    Verdict::Rejected { reason, .. } => Err(*reason),
                    other => panic!("{other:?}"),
                };
                assert_eq!(found, expected, "{url} {:?}", client.names);
            }
        }
    }
}

#[test]
fn item_3_explained_is_decided_for_ldap() {
    let usual = loaded("");
    let default = loaded("[ldap]\ndefault_host = \"dvl-ckl2.net\"\n");
    for (given, bind, expected) in [
        (&usual, Some(r"dvl-ckl2.net\contacts"), "172.31.31.2:389 Plain"),
        (&usual, Some("cn=a, dc=dvl-ckl2, dc=net"), "172.31.31.2:389 Plain"),
        (&usual, Some("contacts@elsewhere.example"), "unknown-host"),
        (&usual, Some("contacts@hq.dvl-ckl2.net"), "no-service"),
        (&usual, Some("contacts"), "no-name"),
        (&usual, Some(""), "no-name"),
        (&usual, Some(r"dvl-ckl2.net\a@hq.dvl-ckl2.net"), "malformed"),
        (&usual, None, "172.31.31.2:389 Plain"),
        (&default, Some("contacts"), "172.31.31.2:389 Plain"),
        (&default, Some(""), "172.31.31.2:389 Plain"),
        (&default, Some("contacts@elsewhere.example"), "unknown-host"),
    ] {
        let client = Client { bind: bind.map(str::to_owned), ..Client::default() };
        for scheme in ["ldap", "ldaps"] {
            let url = format!("{scheme}://dvl-ckl2.net:389/");
            assert_eq!(short(&answer(given, &url, &client)), expected, "{url} {bind:?}");
        }
        let Some(bind) = bind else { continue };
        // A bind with short lengths, the messageID 5 and another password.
        let simple = [&[2, 1, 3, 4, u8::try_from(bind.len()).unwrap()], bind.as_bytes(), &[0x80, 1, b'x']];
        let simple = simple.concat();
        let head = [0x30, u8::try_from(simple.len()).unwrap() + 5, 2, 1, 5, 0x60];
        let bytes = [&head[..], &[u8::try_from(simple.len()).unwrap()], &simple].concat();
        let Inspect::Found { ask: ldap::Ask::Bind(read), .. } = ldap::Inspector.inspect(&bytes) else {
            panic!("{bind}")
        };
        let terms = given.config.ldap_terms(&given.table);
        let decided = match terms.host(&read) {
            Ok(host) => terms.decide(Transport::Plain, host).map_err(|refused| refused.refusal.reason),
            Err(reason) => Err(reason),
        };
        let decided =
            decided.map_or_else(|reason| reason.to_string(), |_| "172.31.31.2:389 Plain".to_owned());
        assert_eq!(decided, expected, "{bind}");
    }
    for (url, expected) in [
        ("ldap://", "172.31.31.2:389 Plain"),
        ("ldap://hq.dvl-ckl2.net", "no-service"),
        ("ldaps://a@b", "malformed"),
    ] {
        assert_eq!(short(&answer(&default, url, &Client::default())), expected, "{url}");
    }
    let long = Client { bind: Some("x".repeat(20_000)), ..Client::default() };
    assert_eq!(short(&answer(&usual, "ldap://x", &long)), "too-large");
}

//! Refused messages. Nothing of them reaches a directory.

use std::net::TcpStream;

use ldap3_proto::proto::LdapResultCode::{
    self, InvalidCredentials, ProtocolError, Success, UnwillingToPerform,
};

use super::{Front, plain_host};
use crate::harness::directory::{answer, bind, directory, encode, named as extended, sasl, search, unbind};
use crate::harness::{PASSWORD, Target, Wire, eventually, ldap_tool, within};

/// Two hosts on the same target. One is disabled.
fn rules(target: &Target) -> String {
    let off = plain_host("off.example", target.port()).replace("target =", "enabled = false\ntarget =");
    let web = "[[host]]\nname = \"web.example\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n";
    plain_host("dvl-ckl2.net", target.port()) + &plain_host("nobody.example", target.port()) + &off + web
}

/// Messages of strangers, each with its log line.
fn strangers() -> Vec<(Vec<u8>, &'static str)> {
    let good = bind(1, r"dvl-ckl2.net\contacts", PASSWORD);
    let mut too_large = bind(1, r"dvl-ckl2.net\contacts", &"p".repeat(17_000));
    too_large.truncate(2000);
    vec![
        (
            bind(1, r"elsewhere.example\contacts", PASSWORD),
            "ldap://elsewhere.example BIND contacts rejected: unknown-host",
        ),
        (
            bind(1, "cn=a,dc=elsewhere,dc=example", PASSWORD),
            "ldap://elsewhere.example BIND a rejected: unknown-host",
        ),
        (bind(1, "cn=dc\\=net,o=dvl-ckl2.net", PASSWORD), "ldap://- BIND dc=net rejected: no-name"),
        (bind(1, "a@web.example", PASSWORD), "ldap://web.example BIND a rejected: no-service"),
        (bind(1, "a@off.example", PASSWORD), "ldap://off.example BIND a rejected: disabled"),
        (bind(1, "a@b..c", PASSWORD), "ldap://b..c BIND a rejected: malformed"),
        // Anonymous binds. A name with an empty password is one, too (RFC 4513 §5.1.2).
        (bind(1, "", ""), "ldap://- BIND rejected: no-name"),
        (bind(1, r"dvl-ckl2.net\contacts", ""), "BIND contacts rejected: no-name"),
        (bind(1, "", PASSWORD), "ldap://- BIND rejected: no-name"),
        (bind(1, "   ", PASSWORD), "ldap://- BIND rejected: no-name"),
        (bind(1, "@dvl-ckl2.net", PASSWORD), "ldap://- BIND rejected: malformed"),
        (bind(1, r"dvl-ckl2.net\ ", PASSWORD), "ldap://- BIND rejected: malformed"),
        (bind(1, ",", PASSWORD), "ldap://- BIND rejected: malformed"),
        // Issue 15, A1: a directory written in C would read this as StartTLS.
        (extended(1, "1.3.6.1.4.1.1466.20037\0"), "ldap://- rejected: malformed"),
        (bind(1, "contacts", PASSWORD), "ldap://- BIND contacts rejected: no-name"),
        // A name with two readings.
        (bind(1, r"dvl-ckl2.net\a@elsewhere.example", PASSWORD), "ldap://- BIND rejected: malformed"),
        (bind(1, "cn=a;dc=dvl-ckl2;o=x,dc=net", PASSWORD), "ldap://- BIND rejected: malformed"),
        (
            bind(1, "cn=a;dc=elsewhere,dc=example", PASSWORD),
            "ldap://elsewhere.example BIND a rejected: unknown-host",
        ),
        (sasl(1, "PLAIN", b"\0contacts\0s3cret-of-all"), "ldap://- BIND rejected: no-name"),
        (sasl(1, "EXTERNAL", b""), "ldap://- BIND rejected: method"),
        (sasl(1, "GSSAPI", b"\x60"), "ldap://- BIND rejected: method"),
        (sasl(1, "DIGEST-MD5", b""), "ldap://- BIND rejected: method"),
        (search(1, "dc=dvl-ckl2,dc=net"), "ldap://- SEARCH rejected: method"),
        // A search in front of a bind, in one segment.
        ([search(1, ""), good.clone()].concat(), "ldap://- SEARCH rejected: method"),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), "ldap://- rejected: malformed"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03".to_vec(), "ldap://- rejected: malformed"),
        (vec![0x30, 0x80], "ldap://- rejected: malformed"),
        (vec![0x30, 0x85, 0, 0, 0, 0, 0], "ldap://- rejected: malformed"),
        // A length of 4 GiB, of which no octet comes.
        (
            b"\x30\x84\xff\xff\xff\xff\x02\x01\x01\x60\x84\xff\xff\xff\xf0\x02\x01\x03".to_vec(),
            "ldap://- rejected: too-large",
        ),
        (too_large, "ldap://- rejected: too-large"),
        // An unbind as the first message is no offence.
        (unbind(1), "ldap://- rejected: aborted"),
    ]
}

#[test]
fn strangers_are_closed_without_a_byte_and_reach_nobody() {
    within(120, || {
        let recorder = Target::recorder();
        let front = Front::with_rules(&rules(&recorder));
        for (octets, expected) in strangers() {
            for tls in [false, true] {
                let mark = front.portward.mark();
                let mut client = if tls { front.tls() } else { front.plain() };
                client.send(&octets);
                assert_eq!(client.rest(), b"", "{expected}");
                let expected =
                    if tls { expected.replace("ldap://", "ldaps://") } else { expected.to_owned() };
                let scheme = if tls { " ldaps://" } else { " ldap://" };
                let line = front.portward.decision_after(mark, &[scheme, "rejected: "]);
                assert!(line.ends_with(&expected), "{line}, not {expected}");
            }
        }
        recorder.assert_untouched("strangers");
        front.portward.assert_alive();
    });
}

#[test]
fn strangers_are_answered_if_that_is_wanted() {
    within(60, || {
        let recorder = Target::recorder();
        let front = Front::start(Front::rules(&rules(&recorder)).set("reject", "\"answer\""));
        for (octets, _) in strangers() {
            let mut client = front.plain();
            client.send(&octets);
            // An unreadable message is answered with a notice of disconnection, whose messageID is 0 (RFC 4511 §4.4.1).
            if octets[0] != 0x30 || octets[1] >= 0x80 || octets[5] == 0x77 {
                assert_eq!(
                    answer(&mut client, 0),
                    (ProtocolError, Some("1.3.6.1.4.1.1466.20036".to_owned()))
                );
            } else if octets != unbind(1) {
                assert_eq!(answer(&mut client, 1).0, UnwillingToPerform, "{octets:02x?}");
            }
            assert_eq!(client.rest(), b"", "{octets:02x?}");
        }
        recorder.assert_untouched("strangers");
        // A directory that is down is not the client's fault.
        let port = recorder.port();
        drop(recorder);
        eventually("the directory is gone", || TcpStream::connect(("127.0.0.1", port)).is_err());
        let mut client = front.plain();
        client.send(bind(1, "a@dvl-ckl2.net", PASSWORD));
        assert_eq!(answer(&mut client, 1).0, LdapResultCode::Unavailable);
        assert_eq!(client.rest(), b"");
        front.portward.decision(&["ldap://dvl-ckl2.net BIND a rejected: target-down"]);
    });
}

#[test]
fn the_tools_hear_nothing_from_a_wrong_domain() {
    within(60, || {
        let recorder = Target::recorder();
        let front = Front::with_rules(&rules(&recorder));
        let url = format!("ldap://127.0.0.1:{}", front.ldap);
        for who in [
            &["-D", "cn=a,dc=elsewhere,dc=example", "-w", PASSWORD][..],
            &["-D", "a@dvl-ckl2.net", "-w", ""],
            &[],
        ] {
            let mut args = vec!["-x", "-H", &url];
            args.extend(who);
            let said = ldap_tool("ldapwhoami", &args);
            assert!(said.errors.contains("Can't contact LDAP server (-1)"), "{who:?}: {said:?}");
        }
        let said = ldap_tool("ldapwhoami", &["-Y", "EXTERNAL", "-H", &url]);
        assert_ne!(said.code, 0, "{said:?}");
        recorder.assert_untouched("a wrong domain");
    });
}

#[test]
fn a_default_host_takes_whoever_names_no_domain() {
    within(60, || {
        let recorder = Target::recorder();
        let target = directory(&["contacts"], PASSWORD, 2);
        let rules = plain_host("dvl-ckl2.net", target.port()) + &plain_host("other.example", recorder.port());
        let setup = Front::rules(&rules).set("ldap.default_host", "\"dvl-ckl2.net\"");
        let front = Front::start(setup);
        let done = |octets: Vec<u8>| {
            let mut client = front.plain();
            client.send(octets);
            answer(&mut client, 1).0
        };
        assert_eq!(done(bind(1, "contacts", PASSWORD)), Success);
        front.portward.decision(&["ldap://dvl-ckl2.net BIND contacts -> "]);
        assert_eq!(done(bind(1, "", "")), Success);
        // With an empty password the name does not count.
        assert_eq!(done(bind(1, r"other.example\a", "")), Success);
        // SASL without a security layer gets the directory's answer.
        assert_eq!(done(sasl(1, "PLAIN", b"\0a\0b")), Success);
        // Issue 15, A8: a bind with an empty name is anonymous, and goes to the host of anonymous binds.
        assert_eq!(done(bind(1, "", PASSWORD)), Success);
        // A later bind is compared with the host as usual.
        let mut client = front.plain();
        client.send(bind(1, "", ""));
        assert_eq!(answer(&mut client, 1).0, Success);
        client.send(bind(2, "a@other.example", PASSWORD));
        assert_eq!(answer(&mut client, 2).0, UnwillingToPerform);
        client.send(bind(3, "", PASSWORD));
        assert_eq!(answer(&mut client, 3).0, Success);
        // An operation before a bind is not passed on (contract section 2).
        let (mut client, seen) = (front.plain(), target.connections());
        client.send(search(1, ""));
        assert_eq!(client.rest(), b"");
        front.portward.decision(&["ldap://- SEARCH rejected: method"]);
        assert_eq!(target.connections(), seen);
        // EXTERNAL would log in as Portward, and a security layer would hide everything.
        for mechanism in ["EXTERNAL", "GSSAPI", "GSS-SPNEGO", "DIGEST-MD5", "UNHEARD-OF"] {
            let mut client = front.plain();
            client.send(sasl(1, mechanism, b""));
            assert_eq!(client.rest(), b"", "{mechanism}");
        }
        recorder.assert_untouched("a default host");
    });
}

#[test]
fn a_search_after_a_failed_bind_reaches_nobody() {
    within(60, || {
        let target = directory(&["a@dvl-ckl2.net"], PASSWORD, 2);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        let (wrong, good) = (bind(1, "a@dvl-ckl2.net", "wrong"), bind(1, "a@dvl-ckl2.net", PASSWORD));
        let delete = encode(3, ldap3_proto::proto::LdapOp::DelRequest("cn=a".to_owned()));
        let before = target.bytes();
        let count = |target: &Target| target.bytes() - before;
        // After the answer to the bind.
        let mut client = front.plain();
        client.send(&wrong);
        assert_eq!(answer(&mut client, 1).0, InvalidCredentials);
        client.send(search(2, ""));
        assert_eq!(client.rest(), b"");
        front.portward.decision(&["rejected: method"]);
        assert_eq!(count(&target), wrong.len());
        // In the same segment: the refusal of the bind arrives, the search does not.
        let mut client = front.tls();
        client.send([&wrong[..], &search(2, "")].concat());
        assert_eq!(answer(&mut client, 1).0, InvalidCredentials);
        assert_eq!(client.rest(), b"");
        assert_eq!(count(&target), 2 * wrong.len());
        // A failed second bind closes the gate again.
        let mut client = front.plain();
        client.send(&good);
        assert_eq!(answer(&mut client, 1).0, Success);
        client.send(&wrong);
        assert_eq!(answer(&mut client, 1).0, InvalidCredentials);
        client.send(&delete);
        assert_eq!(client.rest(), b"");
        assert_eq!(count(&target), 3 * wrong.len() + good.len());
        // Abandon passes at any time, and another bind opens the gate.
        let mut client = front.plain();
        client.send(&wrong);
        assert_eq!(answer(&mut client, 1).0, InvalidCredentials);
        client.send(encode(2, ldap3_proto::proto::LdapOp::AbandonRequest(1)));
        client.send(&good);
        assert_eq!(answer(&mut client, 1).0, Success);
        client.send(search(4, ""));
        assert_eq!(crate::harness::directory::entries(&mut client, 4), (2, Success));
    });
}

#[test]
fn silence_and_half_a_bind_have_a_deadline() {
    within(60, || {
        let recorder = Target::recorder();
        let setup = Front::rules(&rules(&recorder)).set("limits.inspect_timeout", "\"1s\"");
        let front = Front::start(setup);
        let mark = front.portward.mark();
        let mut silent = front.plain();
        let octets = bind(1, "a@dvl-ckl2.net", PASSWORD);
        let mut half: Wire = front.plain();
        half.send(&octets[..octets.len() - 1]);
        assert_eq!((silent.rest(), half.rest()), (Vec::new(), Vec::new()));
        front.portward.decision_after(mark, &["rejected: silent"]);
        front.portward.decision_after(mark, &["rejected: timeout"]);
        recorder.assert_untouched("half a bind");
    });
}

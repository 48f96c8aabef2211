//! Item 16: the root DSE, which clients read before they bind (contract section 2). It is refused without counting, or
//! Portward answers.

use ldap3_proto::proto::LdapResultCode::{Success, UnavailableCriticalExtension, UnwillingToPerform};
use ldap3_proto::proto::{LdapDerefAliases, LdapMsg, LdapOp, LdapSearchRequest};
use ldap3_proto::{LdapFilter, LdapSearchScope};

use super::{Front, plain_host};
use crate::harness::directory::{answer, bind, directory, encode, next, search, start_tls, unbind};
use crate::harness::{PASSWORD, Slapd, Target, Wire, client_config, eventually, ldap_tool, within};

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// A search of the root DSE for these attributes.
fn root_dse(id: i32, names: &[&str], types_only: bool) -> Vec<u8> {
    encode(
        id,
        LdapOp::SearchRequest(LdapSearchRequest {
            base: String::new(),
            scope: LdapSearchScope::Base,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: types_only,
            filter: LdapFilter::Present("objectclass".to_owned()),
            attrs: names.iter().map(|name| (*name).to_owned()).collect(),
        }),
    )
}

/// The attributes of the found entry, each with its values. The search must end after it.
fn found(client: &mut Wire, id: i32) -> Vec<(String, Vec<String>)> {
    let LdapMsg { msgid, op: LdapOp::SearchResultEntry(entry), .. } = next(client).expect("an entry") else {
        panic!("no entry")
    };
    assert_eq!((msgid, &*entry.dn), (id, ""));
    assert_eq!(answer(client, id).0, Success);
    let text = |value: Vec<u8>| String::from_utf8(value).unwrap();
    let attributes = entry.attributes.into_iter();
    attributes.map(|one| (one.atype, one.vals.into_iter().map(text).collect())).collect()
}

fn names(found: &[(String, Vec<String>)]) -> Vec<&str> {
    found.iter().map(|(name, _)| &**name).collect()
}

fn front(target: &Target, answers: bool) -> Front {
    let setup = Front::rules(&plain_host("dvl-ckl2.net", target.port())).set("blacklist.allow", "[]");
    Front::start(if answers { setup.set("ldap.root_dse", "true") } else { setup })
}

const NAMES: &[&str] = &[r"dvl-ckl2.net\a"];

#[test]
fn item_16_the_root_dse_is_refused_without_counting() {
    within(60, || {
        let target = Target::recorder();
        for reject in ["\"close\"", "\"answer\""] {
            let setup = Front::rules(&plain_host("dvl-ckl2.net", target.port()));
            let front = Front::start(setup.set("blacklist.allow", "[]").set("reject", reject));
            for number in 0..25 {
                for mut client in [front.plain(), front.tls()] {
                    let mark = front.portward.mark();
                    client.send(root_dse(number + 1, &["*", "+"], false));
                    if reject.contains("answer") {
                        assert_eq!(answer(&mut client, number + 1).0, UnwillingToPerform);
                    }
                    assert_eq!(client.rest(), b"");
                    front.portward.decision_after(mark, &["://- SEARCH rejected: method"]);
                }
            }
            assert!(!front.portward.lines().join("\n").contains("blacklisted"));
            // Any other search still counts.
            for _ in 0..21 {
                let mut client = front.plain();
                let _ = client.try_send(search(1, ""));
                let _ = client.rest();
            }
            front.portward.line(&["127.0.0.1 blacklisted"]);
        }
        target.assert_untouched("nobody has bound");
    });
}

#[test]
fn item_16_the_root_dse_is_answered_and_the_client_goes_on() {
    within(60, || {
        let target = directory(NAMES, PASSWORD, 3);
        let front = front(&target, true);
        let mut client = front.plain();
        client.send(root_dse(1, &[], false));
        assert_eq!(
            found(&mut client, 1),
            [
                ("objectClass".to_owned(), vec!["top".to_owned()]),
                ("supportedLDAPVersion".to_owned(), vec!["3".to_owned()]),
                ("supportedExtension".to_owned(), vec![START_TLS.to_owned()]),
            ]
        );
        for (id, names_wanted, expected) in [
            (2, &["*", "+"][..], &["objectClass", "supportedLDAPVersion", "supportedExtension"][..]),
            (3, &["+"], &["supportedLDAPVersion", "supportedExtension"]),
            (4, &["1.1"], &[]),
            (5, &["namingContexts", "SUPPORTEDextension", "subschemaSubentry"], &["supportedExtension"]),
        ] {
            client.send(root_dse(id, names_wanted, false));
            assert_eq!(names(&found(&mut client, id)), expected, "{names_wanted:?}");
        }
        client.send(root_dse(6, &[], true));
        let types = found(&mut client, 6);
        assert!(types.len() == 3 && types.iter().all(|(_, values)| values.is_empty()), "{types:?}");
        // A critical control that we do not know (RFC 4511 §4.1.11).
        let mut critical = root_dse(7, &[], false);
        let control = b"\xa0\x0d\x30\x0b\x04\x06\x31\x2e\x32\x2e\x33\x34\x01\x01\xff";
        critical.extend_from_slice(control);
        critical[1] += u8::try_from(control.len()).unwrap();
        client.send(critical);
        assert_eq!(answer(&mut client, 7).0, UnavailableCriticalExtension);
        // The connection goes on: StartTLS, the search once more, and the bind.
        client.send(start_tls(8));
        assert_eq!(answer(&mut client, 8).0, Success);
        let mut client =
            client.try_into_tls(client_config(rustls::DEFAULT_VERSIONS), "dvl-ckl2.net").unwrap();
        client.send([root_dse(9, &["+"], false), bind(10, NAMES[0], PASSWORD)].concat());
        assert_eq!(names(&found(&mut client, 9)), ["supportedLDAPVersion"], "TLS is spoken already");
        assert_eq!(answer(&mut client, 10).0, Success);
        client.send(search(11, "dc=x"));
        assert_eq!(crate::harness::directory::entries(&mut client, 11), (3, Success));
        // After the bind the directory answers.
        client.send(root_dse(12, &[], false));
        assert_eq!(crate::harness::directory::entries(&mut client, 12), (3, Success));
        let mut client = front.tls();
        client.send(root_dse(1, &["supportedExtension"], false));
        assert_eq!(found(&mut client, 1), [], "no StartTLS by ldaps");
    });
}

#[test]
fn item_16_a_client_that_only_reads_it_has_done_nothing_and_is_bounded() {
    within(60, || {
        let target = directory(NAMES, PASSWORD, 1);
        let setup = Front::rules(&plain_host("dvl-ckl2.net", target.port()));
        let setup = setup.set("ldap.root_dse", "true").set("blacklist.allow", "[]");
        let front = Front::start(setup.set("limits.inspect_timeout", "\"2s\""));
        // Clients that leave, clients that send an unbind, and clients that stay silent.
        let mut silent = Vec::new();
        for number in 0..25 {
            let mut client = front.plain();
            client.send(root_dse(1, &[], false));
            found(&mut client, 1);
            match number % 3 {
                0 => drop(client),
                1 => client.send(unbind(2)),
                _ => silent.push(client),
            }
        }
        for client in &mut silent {
            assert_eq!(client.rest(), b"");
        }
        eventually("their lines", || {
            front.portward.lines().join("\n").matches("rejected: silent").count() == silent.len()
        });
        // At most ten are answered.
        for _ in 0..21 {
            let mut client = front.plain();
            client.send(root_dse(1, &[], false).repeat(11));
            for _ in 0..10 {
                found(&mut client, 1);
            }
            assert_eq!(client.rest(), b"");
        }
        front.portward.line(&["ldap://- SEARCH rejected: method"]);
        // Any other search is refused as before.
        let mut client = front.plain();
        client.send([root_dse(1, &[], false), search(2, "")].concat());
        found(&mut client, 1);
        assert_eq!(client.rest(), b"");
        assert!(!front.portward.lines().join("\n").contains("blacklisted"));
        let mut client = front.plain();
        client.send(bind(1, NAMES[0], PASSWORD));
        assert_eq!(answer(&mut client, 1).0, Success);
        assert_eq!(target.connections(), 1);
    });
}

#[test]
fn a_client_that_breaks_off_before_the_root_dse_comes_goes_in_peace() {
    within(60, || {
        let front = front(&Target::recorder(), true);
        for _ in 0..5 {
            let mark = front.portward.mark();
            let mut client = front.plain();
            client.send(root_dse(1, &[], false).repeat(3));
            client.reset();
            drop(client);
            let line = front.portward.line_after(mark, &["ldap://- ended"]);
            assert!(line.contains(" ended by client in ask: "), "{line}");
        }
        assert!(!front.portward.lines().join("\n").contains("rejected"));
    });
}

/// After the directory has refused a bind, the client is anonymous again, and may ask again.
#[test]
fn item_16_the_root_dse_after_a_refused_bind_does_not_count() {
    within(60, || {
        let target = directory(NAMES, PASSWORD, 1);
        for answers in [true, false] {
            let setup = Front::rules(&plain_host("dvl-ckl2.net", target.port()));
            let setup = setup.set("blacklist.allow", "[]").set("blacklist.failed_logins", "false");
            let front = Front::start(setup.set("ldap.root_dse", &answers.to_string()));
            for _ in 0..22 {
                let mut client = front.plain();
                client.send(bind(1, NAMES[0], "wrong"));
                answer(&mut client, 1);
                client.send(root_dse(2, &["+"], false));
                if answers {
                    assert_eq!(names(&found(&mut client, 2)), ["supportedLDAPVersion"]);
                    client.send(bind(3, NAMES[0], PASSWORD));
                    assert_eq!(answer(&mut client, 3).0, Success);
                } else {
                    assert_eq!(client.rest(), b"");
                }
            }
            assert!(!front.portward.lines().join("\n").contains("blacklisted"));
        }
    });
}

#[test]
fn item_16_ldapsearch_reads_the_root_dse_and_binds_with_semicolons() {
    within(60, || {
        let hq = Slapd::start("hq", "dc=dvl-ckl2,dc=net", 1);
        let setup = Front::rules(&plain_host("dvl-ckl2.net", hq.plain)).set("ldap.root_dse", "true");
        let front = Front::start(setup);
        let url = format!("ldap://127.0.0.1:{}", front.ldap);
        // A client of version 3 need not bind. ldapsearch -x binds anonymously. With -P 3 and an empty list of SASL
        // mechanisms it does not.
        let who = "cn=contacts;dc=dvl-ckl2; dc=net";
        let said = ldap_tool(
            "ldapsearch",
            &["-x", "-LLL", "-H", &url, "-D", who, "-w", PASSWORD, "-b", "dc=dvl-ckl2,dc=net", "(uid=user1)"],
        );
        assert!(said.code == 0 && said.out.contains("Person Number 1"), "{said:?}");
        front.portward.decision(&["ldap://dvl-ckl2.net BIND contacts -> "]);
        // ldapsearch looks for SASL mechanisms in the root DSE, without an earlier bind.
        let said = ldap_tool("ldapsearch", &["-LLL", "-H", &url, "-b", "", "-s", "base", "+"]);
        assert!(said.errors.contains("No such attribute") || said.errors.contains("SASL"), "{said:?}");
        assert!(
            !front.portward.lines().join("\n").contains("SEARCH rejected"),
            "{:?}",
            front.portward.lines()
        );
    });
}

//! Two real directories behind Portward, and OpenLDAP's tools in front of it.

use super::{Front, host, plain_host};
use crate::harness::directory::directory;
use crate::harness::{PASSWORD, Said, Slapd, ldap_tool, within};

const HQ: &str = "dc=dvl-ckl2,dc=net";
const OTHER: &str = "dc=other,dc=example";

fn ports(slapd: &Slapd) -> String {
    format!("tcp = {}, tls = {}", slapd.plain, slapd.tls)
}

/// Runs `ldapsearch` as `who`, for `filter` below `base`.
fn find(url: &str, more: &[&str], who: &str, base: &str, filter: &str) -> Said {
    let mut args = vec!["-x", "-LLL", "-H", url, "-D", who, "-w", PASSWORD, "-b", base];
    args.extend(more);
    args.push(filter);
    ldap_tool("ldapsearch", &args)
}

#[test]
fn each_domain_has_its_directory_by_ldap_start_tls_and_ldaps() {
    within(60, || {
        let (hq, other) = (Slapd::start("hq", HQ, 3), Slapd::start("other", OTHER, 3));
        let rules = host("dvl-ckl2.net", &ports(&hq)) + &host("other.example", &ports(&other));
        let front = Front::with_rules(&rules);
        let (ldap, ldaps) =
            (format!("ldap://127.0.0.1:{}", front.ldap), format!("ldaps://127.0.0.1:{}", front.ldaps));
        for (url, more, scheme, by_tls) in
            [(&ldap, &[][..], "ldap", false), (&ldap, &["-ZZ"], "ldaps", true), (&ldaps, &[], "ldaps", true)]
        {
            for (domain, base, name, slapd) in
                [("dvl-ckl2.net", HQ, "hq", &hq), ("other.example", OTHER, "other", &other)]
            {
                let mark = front.portward.mark();
                let said =
                    find(url, more, &format!("cn=contacts,{base}"), base, "(objectClass=organization)");
                assert_eq!(said.code, 0, "{url} {more:?}: {said:?}");
                assert!(said.out.contains(&format!("description: {name}\n")), "{said:?}");
                // Contract section 5: a client that came by TLS, StartTLS included, goes on by TLS.
                let port = if by_tls { slapd.tls } else { slapd.plain };
                let line = front.portward.decision_after(mark, &[" -> "]);
                let expected =
                    format!(" 127.0.0.1 {scheme}://{domain} BIND contacts -> 127.0.0.1:{port}(new)");
                assert!(line.ends_with(&expected), "{line}");
            }
        }
        // "Who am I?": an extended operation after a bind.
        let said = ldap_tool(
            "ldapwhoami",
            &["-x", "-H", &ldaps, "-D", &format!("uid=user2,ou=people,{HQ}"), "-w", PASSWORD],
        );
        assert_eq!(
            (said.code, said.out.trim()),
            (0, "dn:uid=user2,ou=people,dc=dvl-ckl2,dc=net"),
            "{said:?}"
        );
        // The client sees the directory's own refusal.
        let said =
            ldap_tool("ldapwhoami", &["-x", "-H", &ldap, "-D", &format!("cn=contacts,{HQ}"), "-w", "wrong"]);
        assert_eq!(said.code, 49, "{said:?}");
        // Either side may end it first: the tool sends an unbind, at which slapd hangs up as well.
        front.portward.line(&["ldap://", "in relay (failed-login): 56 bytes up"]);
        // Version 2, as old phones use it.
        let said = find(&ldap, &["-P", "2"], &format!("cn=contacts,{HQ}"), HQ, "(uid=user1)");
        assert!(said.code == 0 && said.out.contains("Person Number 1"), "{said:?}");
        assert!(front.portward.lines().iter().all(|line| !line.contains(PASSWORD)));
    });
}

#[test]
fn the_domain_may_be_spelt_in_any_way_that_the_directory_takes() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 1);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", hq.plain));
        let url = format!("ldap://127.0.0.1:{}", front.ldap);
        for who in [
            "cn=contacts, dc=dvl-ckl2, dc=net",
            "CN = Contacts , DC = DVL-CKL2,DC=Net",
            r"cn=contacts,dc=dvl\2dckl2,dc=net",
            "cn=contacts,0.9.2342.19200300.100.1.25=dvl-ckl2,domainComponent=net",
        ] {
            let said = find(&url, &[], who, HQ, "(uid=user1)");
            assert!(said.code == 0 && said.out.contains("Person Number 1"), "{who}: {said:?}");
        }
        // A name that the directory itself does not accept is refused by the directory (34: invalidDNSyntax).
        let said = find(&url, &[], "cn=contacts,dc=#160864766c2d636b6c32,dc=net", HQ, "(uid=user1)");
        assert_eq!(said.code, 34, "{said:?}");
    });
}

#[test]
fn five_hundred_entries_at_once_and_by_pages() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 500);
        let front = Front::with_rules(&host("dvl-ckl2.net", &ports(&hq)));
        let who = format!("cn=contacts,{HQ}");
        for (url, more) in [
            (format!("ldap://127.0.0.1:{}", front.ldap), &[][..]),
            (format!("ldaps://127.0.0.1:{}", front.ldaps), &[]),
            (format!("ldap://127.0.0.1:{}", front.ldap), &["-E", "pr=100/noprompt"]),
            (format!("ldap://127.0.0.1:{}", front.ldap), &["-ZZ", "-E", "pr=100/noprompt"]),
        ] {
            let said = find(&url, more, &who, HQ, "(uid=*)");
            let found =
                said.out.matches("\ndn: uid=").count() + usize::from(said.out.starts_with("dn: uid="));
            assert_eq!((said.code, found), (0, 500), "{url} {more:?}: {}", said.errors);
        }
    });
}

#[test]
fn a_directory_that_takes_domain_backslash_user() {
    within(60, || {
        let target = directory(&[r"dvl-ckl2.net\contacts", "contacts@dvl-ckl2.net"], PASSWORD, 2);
        // A registration location makes it another host.
        let branch = directory(&[r"dvl-ckl2.net/branch-b\contacts"], PASSWORD, 1);
        let front = Front::with_rules(
            &(plain_host("dvl-ckl2.net", target.port())
                + &plain_host("dvl-ckl2.net/branch-b", branch.port())),
        );
        let url = format!("ldap://127.0.0.1:{}", front.ldap);
        let said = find(&url, &[], r"dvl-ckl2.net/branch-b\contacts", "", "(cn=*)");
        assert_eq!((said.code, said.out.matches("dn: ").count()), (0, 1), "{said:?}");
        front.portward.decision(&["ldap://dvl-ckl2.net/branch-b BIND contacts -> "]);
        for who in [r"dvl-ckl2.net\contacts", "contacts@dvl-ckl2.net"] {
            let mark = front.portward.mark();
            let said = find(&url, &[], who, "", "(cn=*)");
            assert_eq!((said.code, said.out.matches("dn: ").count()), (0, 2), "{said:?}");
            front.portward.decision_after(mark, &["ldap://dvl-ckl2.net BIND contacts -> "]);
        }
    });
}

#[test]
fn the_target_s_only_port_is_used_whatever_the_client_came_by() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 1);
        let who = format!("cn=contacts,{HQ}");
        for (rule, port) in [
            (format!("tcp = {}, tls = false", hq.plain), hq.plain),
            (format!("tcp = false, tls = {}", hq.tls), hq.tls),
        ] {
            let front = Front::with_rules(&host("dvl-ckl2.net", &rule));
            for (url, more) in [
                (format!("ldap://127.0.0.1:{}", front.ldap), &[][..]),
                (format!("ldap://127.0.0.1:{}", front.ldap), &["-ZZ"]),
                (format!("ldaps://127.0.0.1:{}", front.ldaps), &[]),
            ] {
                let mark = front.portward.mark();
                let said = find(&url, more, &who, HQ, "(uid=user1)");
                assert_eq!(said.code, 0, "{url} {more:?} {rule}: {said:?}");
                front.portward.decision_after(mark, &[&format!("-> 127.0.0.1:{port}(new)")]);
            }
        }
    });
}

/// As applications do it: bind as a service account, search, and bind as the user that was found.
#[test]
fn an_application_searches_and_binds_as_whom_it_found() {
    use crate::harness::directory::{answer, bind, entries, search};
    use ldap3_proto::proto::LdapResultCode::{InvalidCredentials, Success};
    within(60, || {
        let hq = Slapd::start("hq", HQ, 5);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", hq.plain));
        let mut client = front.tls();
        client.send(bind(1, &format!("cn=contacts,{HQ}"), PASSWORD));
        assert_eq!(answer(&mut client, 1).0, Success);
        client.send(search(2, &format!("ou=people,{HQ}")));
        assert_eq!(entries(&mut client, 2), (6, Success));
        // The user's domain is the connection's own, or unknown to the rules, or missing.
        client.send(bind(3, &format!("uid=user4,ou=people,{HQ}"), PASSWORD));
        assert_eq!(answer(&mut client, 3).0, Success);
        client.send(bind(4, "uid=nobody,dc=elsewhere,dc=example", PASSWORD));
        assert_eq!(answer(&mut client, 4).0, InvalidCredentials);
        client.send(bind(5, "uid=guest,o=extern", PASSWORD));
        assert_eq!(answer(&mut client, 5).0, Success);
        client.send(search(6, "o=extern"));
        assert_eq!(entries(&mut client, 6), (2, Success));
    });
}

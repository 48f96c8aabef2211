//! LDAP: at slapd, and at a directory of our own that accepts other forms of names.

use ldap3_proto::LdapResultCode;

use super::{Dice, SEEDS, address, is_served, judged, rules, the_21st_lists};
use crate::harness::directory::{self, bind, search};
use crate::harness::{PASSWORD, Slapd, Target, Wire, within};

/// One account of slapd in one of its spellings.
fn spelt(dice: &mut Dice) -> String {
    let kind = dice.one(&["cn", "CN", "commonName", "2.5.4.3", " cn "]);
    let value = dice.one(&["contacts", "Contacts", "CONTACTS", "\\63ontacts", "con\\74acts", "  contacts "]);
    let dc = dice.one(&["dc", "DC", "domainComponent", "0.9.2342.19200300.100.1.25"]);
    let [one, example, net] =
        [["one", "One", "\\6fne"], ["example", "EXAMPLE", "exampl\\65"], ["net", "Net", "ne\\74"]];
    let comma = dice.one(&[",", ", ", " , "]);
    let parts = [
        format!("{kind}={value}"),
        format!("{dc}={}", dice.one(&one)),
        format!("{dc}={}", dice.one(&example)),
        format!("{dc}={}", dice.one(&net)),
    ];
    parts.join(comma)
}

#[test]
fn c_ldap_at_slapd() {
    within(90, || {
        let (web, slapd) = (Target::named("here"), Slapd::start("one", "dc=one,dc=example,dc=net", 1));
        let portward = judged(&rules(web.port(), 9, 9, slapd.plain)).start();
        for number in 1..=SEEDS {
            let connect = || Wire::plain_from(address(number), portward.port("ldap"));
            // A client with one password binds under many spellings of its name. It still counts as one name only.
            let mut good = Dice(u64::from(number));
            let mut wire = connect();
            for id in 1..=30 {
                let name = spelt(&mut good);
                wire.send(bind(id, &name, PASSWORD));
                let (code, _) = directory::answer(&mut wire, id);
                assert_eq!(code, LdapResultCode::Success, "{name}");
            }
            let mut kept = Some(wire);
            let mut id = 30;
            the_21st_lists(&portward, number, |dice| {
                let mut wire = kept.take().unwrap_or_else(connect);
                id += 1;
                let mut octets = bind(id, &spelt(dice), dice.one(&["a", "b", "wrong"]));
                let behind = dice.roll(3) == 0;
                if behind {
                    octets.extend(search(id + 1, "dc=one,dc=example,dc=net"));
                }
                if wire.try_send(octets).is_err() {
                    return;
                }
                if let Some(answer) = directory::next(&mut wire) {
                    assert_eq!(answer.msgid, id);
                }
                id += 1;
                if !behind && dice.roll(2) == 0 {
                    kept = Some(wire);
                }
            });
        }
    });
}

#[test]
fn c_ldap_one_account_is_one_name_and_its_connection_no_refuge() {
    const NAMES: [&str; 8] = [
        "one.example.net\\ckl",
        "ONE.example.net\\CKL",
        "two.example.net\\ckl",
        "ckl@one.example.net",
        "ckl@two.example.net.",
        "c k l@one.example.net",
        "c\u{301}kl@one.example.net",
        "uid=ckl,dc=one,dc=example,dc=net",
    ];
    within(60, || {
        let (web, directory) = (Target::named("here"), directory::directory(&NAMES, PASSWORD, 0));
        let portward = judged(&rules(web.port(), 9, 9, directory.port())).start();
        let mut wire = Wire::plain_from(address(1), portward.port("ldap"));
        let mut phone = Wire::plain_from(address(1), portward.port("ldap"));
        phone.send(bind(1, NAMES[0], PASSWORD));
        assert_eq!(directory::answer(&mut phone, 1).0, LdapResultCode::Success);
        for (name, id) in NAMES.iter().zip(1..) {
            wire.send(bind(id, name, PASSWORD));
            assert_eq!(directory::answer(&mut wire, id).0, LdapResultCode::Success, "{name}");
        }
        for id in 10..30 {
            wire.send(bind(id, NAMES[0], "wrong"));
            assert_eq!(directory::answer(&mut wire, id).0, LdapResultCode::InvalidCredentials);
        }
        assert!(is_served(&portward, address(1)), "20 do not list it");
        // A good bind in between changes nothing.
        wire.send(bind(30, NAMES[0], PASSWORD));
        assert_eq!(directory::answer(&mut wire, 30).0, LdapResultCode::Success);
        wire.send(bind(31, NAMES[0], "wrong"));
        while directory::next(&mut wire).is_some() {}
        assert!(!is_served(&portward, address(1)));
        phone.send(search(2, ""));
        assert!(directory::next(&mut phone).is_some(), "the other connection stays");
    });
}

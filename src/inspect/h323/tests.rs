//! Every capture and test vector, with the expected outcome.

use std::path::Path;

use super::*;

mod hidden;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/fixtures/h323").join(name)).expect(name)
}

/// A TPKT with a Facility that tunnels these RAS messages.
fn tunnel(messages: &[&[u8]]) -> Vec<u8> {
    crate::relay::h323::answer::tunnel(messages)
}

/// A TPKT with a Facility that holds this H323-UserInformation.
fn facility(information: &[u8]) -> Vec<u8> {
    let len = u16::try_from(information.len() + 1).expect("short").to_be_bytes();
    let signal = [&[8, 2, 0, 0, 0x62, 0x7e, len[0], len[1], 5][..], information].concat();
    let len = u16::try_from(signal.len() + 4).expect("short").to_be_bytes();
    [&[3, 0, len[0], len[1]][..], &signal].concat()
}

fn open(octets: &[u8]) -> Inspect<Ask> {
    let mut kept = Opening::default();
    let mut said = Inspect::NeedMore;
    for end in 0..=octets.len() {
        let now = kept.inspect(&octets[..end]);
        if octets.len() < 1_000 || end + 8 > octets.len() {
            assert_eq!(now, Opening::default().inspect(&octets[..end]), "{end}");
        }
        if said != Inspect::NeedMore {
            assert_eq!(now, said, "{end}");
        }
        said = now;
    }
    let mut longer = octets.to_vec();
    longer.extend_from_slice(b"\x03\0\0\x04whatever");
    if said != Inspect::NeedMore {
        assert_eq!(Opening::default().inspect(&longer), said);
    }
    said
}

fn registration(octets: &[u8]) -> Registration {
    match open(octets) {
        Inspect::Found { ask: Ask::Registration(registration), len } => {
            assert_eq!(len, octets.len());
            registration
        }
        other => panic!("{other:?}"),
    }
}

fn shown(aliases: &[Alias]) -> Vec<String> {
    let one = |alias: &Alias| match alias {
        Alias::Digits(text) => format!("dialledDigits:{text}"),
        Alias::H323(text) => format!("h323-ID:{text}"),
        Alias::Url(text) => format!("url-ID:{text}"),
        Alias::Email(text) => format!("email-ID:{text}"),
        Alias::Other => "other".to_owned(),
    };
    aliases.iter().map(one).collect()
}

fn aliases(expect: &serde_json::Value) -> Vec<&str> {
    expect["aliases"].as_array().expect("a list").iter().map(|alias| alias.as_str().expect("text")).collect()
}

#[test]
fn every_vector_says_what_is_expected_of_it() {
    let expected: serde_json::Value = serde_json::from_slice(&fixture("vectors/expect.json")).expect("JSON");
    let mut seen = 0;
    for (name, row) in expected.as_object().expect("an object") {
        let octets = fixture(&format!("vectors/{name}.bin"));
        let octets = match row["kind"].as_str().expect("a kind") {
            "ras" => tunnel(&[&octets]),
            "tpkt" | "tpkt-ras" => octets,
            // The element is longer than any TPKT, and so has fragments. It is tested as the octets of the element
            // alone.
            "uuie" => {
                assert!(h225::user_information(&octets).is_none(), "{name}");
                seen += 1;
                continue;
            }
            other => panic!("{other}"),
        };
        seen += 1;
        if row["kind"] == "tpkt-ras" {
            assert_eq!(open(&octets), Inspect::Reject(Reason::Malformed), "{name}");
            continue;
        }
        let expect = &row["expect"];
        if name == "tcp_setup" {
            let Inspect::Found { ask: Ask::Setup(setup), .. } = open(&octets) else { panic!("{name}") };
            // The expected aliases are the caller's. The aliases of the called party decide.
            assert_eq!(shown(&setup.destinations), ["dialledDigits:200"], "{name}");
            continue;
        }
        let registration = registration(&octets);
        assert_eq!(registration.identifier.as_deref(), expect["gk"].as_str(), "{name}");
        if !expect["aliases"].is_null() {
            assert_eq!(shown(&registration.aliases), aliases(expect), "{name}");
        }
    }
    assert_eq!(seen, 18);
}

#[test]
fn every_capture_of_a_real_client() {
    for (name, expected) in [
        ("mock_00_tcp_tpkt_c2s_FACILITY_empty_h46017_RRQ", Some((Verb::Registration, "h323-ID:phone-1"))),
        ("mock_02_tcp_tpkt_c2s_FACILITY_empty_h46017_GRQ", Some((Verb::Gatekeeper, "h323-ID:phone-1"))),
        ("mock_04_tcp_tpkt_c2s_FACILITY_empty_h46017_URQ", None),
        ("mock_13_tcp_tpkt_c2s_RELEASECOMPLETE_releaseComplete", None),
    ] {
        let octets = fixture(&format!("captures/{name}.bin"));
        match (open(&octets), expected) {
            (Inspect::Found { ask: Ask::Registration(registration), .. }, Some((verb, alias))) => {
                assert_eq!(registration.verb, verb, "{name}");
                assert_eq!(registration.identifier.as_deref(), Some("pbx-alpha"), "{name}");
                assert_eq!(shown(&registration.aliases), [alias, "dialledDigits:4711"], "{name}");
            }
            (Inspect::Reject(Reason::Method), None) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in [
        "01_tcp_tpkt_s2c_FACILITY_empty_h46017_RCF",
        "03_tcp_tpkt_s2c_FACILITY_empty_h46017_GCF",
        "05_tcp_tpkt_s2c_FACILITY_empty_h46017_UCF",
    ] {
        let octets = fixture(&format!("captures/mock_{name}.bin"));
        assert_eq!(size(&octets), Ok(Some(octets.len())), "{name}");
        assert_eq!(open(&octets), Inspect::Reject(Reason::Method), "{name}");
    }
    let Inspect::Found { ask: Ask::Setup(setup), .. } =
        open(&fixture("captures/mock_12_tcp_tpkt_c2s_SETUP_setup.bin"))
    else {
        panic!("no setup")
    };
    assert_eq!(shown(&setup.destinations), ["h323-ID:h323:4712"]);
    assert_eq!(setup.domain(), Ok(None));
}

#[test]
fn every_trap() {
    let mut wrong = Vec::new();
    for (name, expected) in [
        ("ras_alias_isup", true),
        ("ras_alias_others", true),
        ("ras_alias_unknown8_69", true),
        ("ras_rrq_200_aliases", true),
        // The encoder of this message put an extra octet into every extended SEQUENCE. pycrate cannot read it either.
        ("ras_rrq_gateway", false),
        ("ras_rrq_only_ttl", true),
        ("uuie_bigid", true),
        ("uuie_generic_no_h245tunnelling", true),
        ("uuie_nested_10", true),
        ("uuie_nested_30", true),
        // Parameters are nested deeper than devices nest them.
        ("uuie_nested_40", false),
        ("uuie_nested_60", false),
        ("uuie_nested_100", false),
        ("uuie_plus_trailing", true),
        ("uuie_trailing_in_raw", true),
        ("uuie_v1_facility", false),
    ] {
        let octets = fixture(&format!("vectors/traps/{name}.bin"));
        let octets = if name.starts_with("ras") { tunnel(&[&octets]) } else { facility(&octets) };
        let said = if octets.len() > OPENING_LIMIT {
            Inspector::new(MESSAGE_LIMIT).inspect(&octets)
        } else {
            open(&octets)
        };
        if matches!(said, Inspect::Found { ask: Ask::Registration(_), .. }) != expected {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn a_gateway_with_its_protocols() {
    use crate::relay::h323::answer::PROTOCOL_IDENTIFIER;
    // One protocol, voice, with the addition supportedPrefixes.
    let gateway = [0x08, 0x80, 1, 0x3c, 0x05, 4, 1, 0, 0, 0x30, 0];
    let rest = [1, 0x40, 0, 0, b'a', 0, 0, b'x', 0, 4, 0, 0, 0];
    let ras = [&[0x0c, 0xc0, 0, 8][..], &PROTOCOL_IDENTIFIER, &[0, 0, 0], &gateway, &rest].concat();
    let registration = registration(&tunnel(&[&ras]));
    assert_eq!((registration.sequence, registration.identifier.as_deref()), (9, Some("x")));
    assert_eq!(shown(&registration.aliases), ["h323-ID:a"]);
}

#[test]
fn domains_of_destinations() {
    for (alias, domain) in [
        (Alias::H323("ckl@dvl-ckl2.net".into()), Some("dvl-ckl2.net")),
        (Alias::H323("ckl@dvl-ckl2.net/branch-b".into()), Some("dvl-ckl2.net/branch-b")),
        (Alias::Url("h323:ckl@dvl-ckl2.net:1720;x=y".into()), Some("dvl-ckl2.net")),
        (Alias::Url("sips:ckl@[2001:db8::1]:5061".into()), Some("[2001:db8::1]")),
        (Alias::Url("h323:4712".into()), None),
        (Alias::Email("ckl@dvl-ckl2.net?subject=x".into()), Some("dvl-ckl2.net")),
        (Alias::Email("ckl@".into()), None),
        (Alias::Digits("4711".into()), None),
        (Alias::Other, None),
    ] {
        assert_eq!(identifier::domain(&alias), domain, "{alias:?}");
    }
    let two = |one: &str, two: &str| Setup {
        call_reference: 1,
        destinations: vec![Alias::H323(one.into()), Alias::Digits("1".into()), Alias::Email(two.into())],
        speaks: Speaks::default(),
    };
    assert_eq!(two("a@x.example", "b@X.example").domain(), Ok(Some("X.example")));
    assert_eq!(two("a@x.example", "b@y.example").domain(), Err(Reason::Malformed));
}

#[test]
fn the_outside_of_messages() {
    let frame =
        |signal: &[u8]| [&[3, 0, 0, u8::try_from(signal.len() + 4).expect("short")][..], signal].concat();
    let rrq = fixture("captures/mock_00_tcp_tpkt_c2s_FACILITY_empty_h46017_RRQ.bin");
    let element = rrq[11..].to_vec();
    assert_eq!(element[0], 0x7e);
    let facility = |signal: &[u8]| {
        [&[3, 0][..], &u16::try_from(signal.len() + 4).expect("short").to_be_bytes(), signal].concat()
    };
    let head = [8, 2, 0, 0, 0x62];
    for (octets, expected) in [
        // The User-user element twice: once in a message of its own, and once after a single-octet element.
        (facility(&[&head[..], &element, &element].concat()), Err(Reason::Malformed)),
        (facility(&[&head[..], &[0xa1], &element].concat()), Ok(())),
        (facility(&[&[8, 1, 9, 0x62][..], &element].concat()), Ok(())),
        (facility(&[&[8, 0, 0x62][..], &element].concat()), Ok(())),
        (facility(&[&[8, 3, 0, 0, 0, 0x62][..], &element].concat()), Err(Reason::Malformed)),
        (frame(&[9, 2, 0, 0, 0x62]), Err(Reason::Malformed)),
        (frame(&[8, 2, 0, 0, 0x62, 0x28, 9]), Err(Reason::Malformed)),
        (frame(&[8, 2, 0, 0, 0x62, 0x7e, 0, 0]), Err(Reason::Malformed)),
        (frame(&[8, 2, 0, 0, 0x62, 0x7e, 0, 2, 4, 0]), Err(Reason::Malformed)),
        (frame(&[8]), Err(Reason::Malformed)),
    ] {
        match (open(&octets), expected) {
            (Inspect::Found { ask: Ask::Registration(_), .. }, Ok(())) => {}
            (Inspect::Reject(reason), Err(expected)) => assert_eq!(reason, expected, "{octets:02x?}"),
            (other, _) => panic!("{octets:02x?}: {other:?}"),
        }
    }
}

/// The message has a readable element beside an unreadable one. A parser that reads more might find another
/// registration there.
#[test]
fn what_cannot_be_read_spoils_its_neighbour() {
    let good = fixture("vectors/ras_rrq.bin");
    let half = &good[..20];
    assert!(matches!(open(&tunnel(&[&good])), Inspect::Found { ask: Ask::Registration(_), .. }));
    for messages in [[&good[..], half], [half, &good]] {
        assert_eq!(open(&tunnel(&messages)), Inspect::Reject(Reason::Malformed));
        let octets = tunnel(&messages);
        assert_eq!(Inspector::new(MESSAGE_LIMIT).inspect(&octets), Inspect::Reject(Reason::Malformed));
    }
}

#[test]
fn what_a_gatekeeper_says_of_a_registration() {
    let reject = |head: [u8; 2], reason: &[u8]| {
        let protocol = &crate::relay::h323::answer::PROTOCOL_IDENTIFIER;
        let ras = |number: u8| [&head[..], &[0, number], protocol, reason].concat();
        reply(&tunnel(&[&ras(6), &ras(8)])).answers
    };
    for (head, reason, expected) in [
        ([0x14, 0x00], &[0x83, 0x01, 0x00][..], Answer::Denied),
        ([0x14, 0x00], &[0x89, 0x01, 0x00], Answer::Rejected),
        ([0x14, 0x00], &[0x89, 0x01, 0x10], Answer::Denied),
        ([0x14, 0x00], &[0x89, 0x01, 0x20], Answer::Denied),
        ([0x14, 0x00], &[0x89, 0x01, 0x38], Answer::Rejected),
        ([0x14, 0x00], &[0x82, 0x01, 0x00], Answer::Rejected),
        ([0x14, 0x00], &[0x60], Answer::Rejected),
        ([0x14, 0x00], &[0x40, 0x00], Answer::Rejected),
        // GatekeeperReject: securityDenial, securityError, undefinedReason.
        ([0x08, 0x00], &[0x80, 0x01, 0x00], Answer::Denied),
        ([0x08, 0x00], &[0x83, 0x01, 0x20], Answer::Denied),
        ([0x08, 0x00], &[0x83, 0x01, 0x00], Answer::Rejected),
        ([0x08, 0x00], &[0x60], Answer::Rejected),
    ] {
        assert_eq!(reject(head, reason), [(7, expected), (9, expected)], "{head:02x?} {reason:02x?}");
    }
    let request = crate::demo::ras::request(1, "dvl-ckl2.net", "a");
    let Inspect::Found { ask: Ask::Registration(asked), .. } = Opening::default().inspect(&request) else {
        panic!("no registration")
    };
    let said = reply(&crate::demo::ras::confirm(&asked, "gk"));
    assert_eq!(
        (&said.answers[..], &said.gatekeepers[..]),
        (&[(1, Answer::Confirmed)][..], &["gk".to_owned()][..])
    );
    assert_eq!((&said.endpoints[..], said.aliases.len()), (&["ep1".to_owned()][..], 0));
    assert_eq!(reply(&request).answers, []);
    assert_eq!(reply(&[3, 0, 0, 4]), Reply::default());
}

/// `rasn`, a general PER decoder, finds the same in every RAS message that Portward reads.
#[test]
fn another_reader_finds_the_same() {
    let mut compared = 0;
    for folder in ["vectors", "vectors/traps"] {
        for entry in std::fs::read_dir(Path::new("tests/fixtures/h323").join(folder)).expect(folder) {
            let path = entry.expect(folder).path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            if !name.starts_with("ras_") {
                continue;
            }
            let octets = std::fs::read(&path).expect(&name);
            let message = tunnel(&[&octets]);
            let Inspect::Found { ask: Ask::Registration(ours), .. } = Opening::default().inspect(&message)
            else {
                continue;
            };
            let aliases: Vec<String> = ours.aliases.iter().map(|alias| alias.text().to_owned()).collect();
            assert_eq!(oracle::request(&octets), Some((ours.sequence, ours.identifier, aliases)), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 8, "{compared}");
}

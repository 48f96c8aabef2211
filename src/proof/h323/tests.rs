//! What a certificate proves of registrations and of the messages after them.

use super::*;
use crate::inspect::h323::{Setup, Verb};

fn rrq(aliases: &[Alias]) -> Registration {
    Registration {
        aliases: aliases.to_vec(),
        unnamed: aliases.is_empty(),
        ..Registration::new(Verb::Registration, 1)
    }
}

fn grq(aliases: &[Alias]) -> Registration {
    Registration { aliases: aliases.to_vec(), ..Registration::new(Verb::Gatekeeper, 1) }
}

fn names() -> Names {
    Names::parse("CN=ckl,EMAIL=ckl@dvl-ckl2.net").unwrap()
}

const HOST: &str = "dvl-ckl2.net";

fn name(text: &str) -> Alias {
    Alias::H323(text.to_owned())
}

fn number(text: &str) -> Alias {
    Alias::Digits(text.to_owned())
}

#[test]
fn every_alias_must_be_proven() {
    use Finding::{NoName, Proven, Unproven};
    let url = |text: &str| Alias::Url(text.to_owned());
    let email = |text: &str| Alias::Email(text.to_owned());
    for (aliases, strict, loose) in [
        (vec![name("ckl")], Proven, Proven),
        (
            vec![name("ckl"), name("CKL"), url("h323:ckl@dvl-ckl2.net"), email("ckl@dvl-ckl2.net")],
            Proven,
            Proven,
        ),
        (vec![name("ckl"), name("other")], Unproven, Unproven),
        (vec![name("ckl"), number("200")], Unproven, Proven),
        (vec![number("200")], Unproven, Unproven),
        (vec![number("200"), name("other")], Unproven, Unproven),
        (vec![name("ckl"), Alias::Other], Unproven, Unproven),
        (vec![name("ckl\0")], Unproven, Unproven),
        (vec![name("")], Unproven, Unproven),
        (vec![url("mailto:ckl@dvl-ckl2.net")], Unproven, Unproven),
        (vec![email("ckl@other.example")], Unproven, Unproven),
    ] {
        let all = rrq(&aliases);
        assert_eq!(registration(&names(), &all, HOST, Numbers::Never), strict, "{aliases:?}");
        assert_eq!(registration(&names(), &all, HOST, Numbers::WithName), loose, "{aliases:?}");
    }
    assert_eq!(registration(&names(), &grq(&[]), HOST, Numbers::Never), NoName);
    assert_eq!(registration(&names(), &rrq(&[]), HOST, Numbers::Never), Unproven);
    let adds = Registration { adds: true, ..rrq(&[name("ckl")]) };
    assert_eq!(registration(&names(), &adds, HOST, Numbers::WithName), Unproven);
    let phone = Names::parse("CN=200").unwrap();
    assert_eq!(registration(&phone, &rrq(&[number("200")]), HOST, Numbers::Never), Proven);
}

#[test]
fn the_verdict_holds_for_the_connection() {
    let begin = |first: &Registration| Verified::begin(names(), Numbers::Never, first, HOST);
    let setup = Ask::Setup(Setup { call_reference: 1, destinations: Vec::new(), speaks: Speaks::default() });
    let keep_alive = Registration { keep_alive: true, unnamed: false, ..rrq(&[]) };
    assert!(begin(&rrq(&[name("x")])).is_none() && begin(&rrq(&[])).is_none());
    assert!(begin(&keep_alive).is_none(), "nobody was registered here");
    let ask = |registration: &Registration| Ask::Registration(registration.clone());

    let mut found = begin(&grq(&[])).unwrap();
    for (ask, reason) in [
        (setup.clone(), Reason::OtherName),
        (ask(&keep_alive), Reason::OtherName),
        (ask(&rrq(&[])), Reason::OtherName),
        (ask(&rrq(&[name("x")])), Reason::OtherName),
        (ask(&grq(&[name("x")])), Reason::OtherName),
        (Ask::Other(Other::Unreadable), Reason::Malformed),
        (Ask::Other(Other::Early { readable: false }), Reason::Malformed),
    ] {
        assert_eq!(found.clone().judge(&ask, Some(HOST)), Err(reason), "{ask:?}");
    }
    assert_eq!(found.judge(&ask(&grq(&[])), Some(HOST)), Ok(()));
    for registered in [begin(&rrq(&[name("ckl")])).unwrap(), {
        found.judge(&ask(&rrq(&[name("ckl")])), Some(HOST)).unwrap();
        found
    }] {
        let adds = Registration { adds: true, ..rrq(&[name("ckl")]) };
        for (ask, said) in [
            (setup.clone(), Ok(())),
            (ask(&keep_alive), Ok(())),
            (ask(&rrq(&[name("ckl")])), Ok(())),
            (ask(&grq(&[])), Ok(())),
            (Ask::KeepAlive, Ok(())),
            (Ask::Other(Other::Late), Ok(())),
            (ask(&adds), Err(Reason::OtherName)),
            (ask(&rrq(&[])), Err(Reason::OtherName)),
            (ask(&rrq(&[name("ckl"), number("1")])), Err(Reason::OtherName)),
            (Ask::Other(Other::Unreadable), Err(Reason::Malformed)),
        ] {
            assert_eq!(registered.clone().judge(&ask, Some(HOST)), said, "{ask:?}");
        }
    }
}

/// Messages that pycrate encodes from the standard's ASN.1.
#[test]
fn what_else_a_registration_claims_is_seen() {
    use crate::inspect::Inspect;
    use crate::inspect::h323::{Inspector, MESSAGE_LIMIT};
    use crate::relay::h323::answer::tunnel;
    use Finding::{NoName, Proven, Unproven};
    for (file, strict, loose) in [
        ("name", Proven, Proven),
        ("name_number", Unproven, Proven),
        ("number", Unproven, Unproven),
        ("party", Unproven, Unproven),
        ("none", Unproven, Unproven),
        ("alive", NoName, NoName),
        ("additive", Unproven, Unproven),
        ("pattern", Unproven, Unproven),
        ("gateway", Proven, Proven),
        ("gateway_prefix", Unproven, Unproven),
        ("gateway_newer", Unproven, Unproven),
    ] {
        let octets = std::fs::read(format!("tests/fixtures/h323/claims/{file}.bin")).unwrap();
        let found = Inspector::new(MESSAGE_LIMIT).inspect(&tunnel(&[&octets]));
        let Inspect::Found { ask: Ask::Registration(read), .. } = found else { panic!("{file}: {found:?}") };
        assert_eq!(read.identifier.as_deref(), Some(HOST), "{file}");
        assert_eq!(registration(&names(), &read, HOST, Numbers::Never), strict, "{file}: {read:?}");
        assert_eq!(registration(&names(), &read, HOST, Numbers::WithName), loose, "{file}: {read:?}");
    }
}

/// Issue 15, A7: calls and RAS messages of `ckl`, whose endpoint is `ep1`, and of another user.
#[test]
fn a_message_that_speaks_for_another_is_seen() {
    use crate::inspect::Inspect;
    use crate::inspect::h323::{Inspector, MESSAGE_LIMIT};
    let confirmed = Reply { endpoints: vec!["ep1".to_owned()], ..Reply::default() };
    let mut seen = [0; 3];
    for file in std::fs::read_dir("tests/fixtures/h323/speaks").unwrap() {
        let path = file.unwrap().path();
        let octets = std::fs::read(&path).unwrap();
        let found = Inspector::new(MESSAGE_LIMIT).inspect(&octets);
        let Inspect::Found { ask, .. } = found else { panic!("{path:?}: {found:?}") };
        let kind = path.file_name().unwrap().to_str().unwrap().split('_').next().unwrap();
        let (index, expected) = match kind {
            "own" => (0, [Ok(()), Ok(())]),
            "other" => (1, [Err(Reason::OtherName), Err(Reason::OtherName)]),
            "number" => (2, [Err(Reason::OtherName), Ok(())]),
            other => panic!("{other}"),
        };
        seen[index] += 1;
        for (numbers, expected) in [Numbers::Never, Numbers::WithName].into_iter().zip(expected) {
            let mut verified = Verified::begin(names(), numbers, &rrq(&[name("ckl")]), HOST).unwrap();
            verified.learn(&confirmed);
            assert_eq!(verified.clone().judge(&ask, Some(HOST)), expected, "{path:?}: {ask:?}");
            // Endpoints and aliases that the gatekeeper itself has given are the client's own.
            verified.learn(&Reply {
                endpoints: vec!["ep2".to_owned()],
                aliases: vec![number("200"), name("other")],
                ..Reply::default()
            });
            let given = kind == "number"
                || path.to_str().unwrap().contains("endpoint")
                || path.to_str().unwrap().ends_with("other_setup.bin");
            if given {
                assert_eq!(verified.judge(&ask, Some(HOST)), Ok(()), "{path:?}: {ask:?}");
            }
        }
    }
    assert!(seen[0] > 25 && seen[1] > 25 && seen[2] == 3, "{seen:?}");
}

#[test]
fn nobody_has_an_endpoint_before_the_gatekeeper_gives_one() {
    let speaks = |endpoint: &str| Speaks { endpoints: vec![endpoint.to_owned()], ..Speaks::default() };
    let first = rrq(&[name("ckl")]);
    let mut verified = Verified::begin(names(), Numbers::Never, &first, HOST).unwrap();
    assert_eq!(verified.judge(&Ask::Ras(speaks("ep1")), None), Err(Reason::OtherName));
    let bundled = Registration { speaks: speaks("ep1"), ..first.clone() };
    assert!(Verified::begin(names(), Numbers::Never, &bundled, HOST).is_none());
    // A device that registers again names its earlier endpoint.
    let back = Registration { endpoints: vec!["ep0".to_owned()], ..first };
    let mut verified = Verified::begin(names(), Numbers::Never, &back, HOST).unwrap();
    verified.learn(&Reply { endpoints: vec!["ep1".to_owned()], ..Reply::default() });
    assert_eq!(verified.judge(&Ask::Registration(back), Some(HOST)), Err(Reason::OtherName));
}

/// An endpoint without an identifier is recognised by its addresses.
#[test]
fn addresses_are_those_that_were_registered() {
    let first = Registration { addresses: vec![1, 2, 3], ..rrq(&[name("ckl")]) };
    let mut verified = Verified::begin(names(), Numbers::Never, &first, HOST).unwrap();
    let at = |addresses: &[u8]| Ask::Ras(Speaks { addresses: vec![addresses.to_vec()], ..Speaks::default() });
    assert_eq!(verified.judge(&at(&[1, 2, 3]), None), Ok(()));
    assert_eq!(verified.judge(&at(&[1, 2]), None), Err(Reason::OtherName));
}

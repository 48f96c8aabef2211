//! Issue 15, A3: registrations in forms that other parsers may find and no device sends. B9: lists that claim more
//! elements than they have.

use super::*;

/// A registration that can be read: a RegistrationRequest of `boss` at `dvl-ckl2.net`.
fn rrq() -> Vec<u8> {
    let tunnelled = crate::demo::ras::request(1, "dvl-ckl2.net", "boss");
    let start = tunnelled.windows(2).position(|part| part == [0x0c, 0xc0]).expect("a RasMessage");
    tunnelled[start..].to_vec()
}

/// The shortest length determinant.
fn with_length(octets: &[u8]) -> Vec<u8> {
    let head = match octets.len() {
        short @ ..0x80 => vec![u8::try_from(short).expect("short")],
        long => (0x8000 | u16::try_from(long).expect("short")).to_be_bytes().to_vec(),
    };
    [&head, octets].concat()
}

/// A length determinant of two octets, for every length.
fn with_long_length(octets: &[u8]) -> Vec<u8> {
    [&(0x8000 | u16::try_from(octets.len()).expect("short")).to_be_bytes()[..], octets].concat()
}

/// The octets in fragments. The last fragment is empty or short.
fn in_fragments(octets: &[u8]) -> Vec<u8> {
    let (first, rest) = octets.split_at(16_384);
    [&[0xc1], first, &with_length(rest)].concat()
}

/// GenericData 17 with a raw parameter 1. `raw` includes its length.
fn generic(raw: &[u8]) -> Vec<u8> {
    [&[1, 0x40, 0, 17, 0, 0, 0x40, 0, 1, 0][..], raw].concat()
}

/// H323-UserInformation: empty, h245Tunnelling, and genericData with its length.
fn user(generic: &[u8]) -> Vec<u8> {
    [&[0x28, 0x10, 1, 0, 0x10, 0x81, 1, 0x80][..], generic].concat()
}

/// The whole message in the usual forms.
fn usual() -> Vec<u8> {
    user(&with_length(&generic(&with_length(&rrq()))))
}

/// An H323-UserInformation of each kind.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let ras = rrq();
    let generics = generic(&with_length(&ras));
    let long = [&ras[..], &vec![0; 16_384]].concat();
    let empty_large = [&[0x2c, 0x00, 1, 1, 1, 0, 0x10, 0x81, 1, 0x80][..], &with_length(&generics)].concat();
    let with = |head: &[u8]| [head, &with_length(&generics)].concat();
    vec![
        ("a fragment of the raw octets", user(&in_fragments(&generic(&in_fragments(&long))))),
        ("a fragment of the open type", user(&in_fragments(&[&generics[..], &vec![0; 16_384]].concat()))),
        ("an empty fragment behind it", user(&[&with_length(&generics)[..], &[0xc0, 0]].concat())),
        ("fragments of 0", user(&[&[0xc0][..], &with_length(&generics)].concat())),
        ("a long length of the open type", user(&with_long_length(&generics))),
        ("a long length of the raw octets", user(&with_length(&generic(&with_long_length(&ras))))),
        ("a long length of another addition", with(&[0x28, 0x10, 1, 0, 0x10, 0x81, 0x80, 1, 0x80])),
        ("the alternative of the body in its large form", empty_large),
        ("a body with something behind it", with(&[0x28, 0x10, 2, 0, 0, 0x10, 0x81, 1, 0x80])),
        ("a bit with something behind it", with(&[0x28, 0x10, 1, 0, 0x10, 0x81, 2, 0x80, 0])),
        ("octets behind the list", user(&with_length(&[&generics[..], &[0]].concat()))),
        (
            "a list that is longer than its open type",
            user(&[&with_length(&generics[..20]), &generics[20..]].concat()),
        ),
        ("an open type of no octets", user(&[&[0][..], &generics].concat())),
        ("an addition that no version has", with(&[0x28, 0x10, 1, 0, 0x12, 0x80, 0x20, 1, 0x80])),
        ("octets behind the whole", [&usual()[..], &[1]].concat()),
        (
            "octets behind the RAS message",
            user(&with_length(&generic(&with_length(&[&ras[..], &[0, 9]].concat())))),
        ),
        ("a second RAS message behind the first", user(&with_length(&generic(&with_length(&ras.repeat(2)))))),
        (
            "17 as a later number",
            user(&with_length(&[&[1, 0x44, 1, 17, 0, 0, 0x40, 0, 1, 0][..], &with_length(&ras)].concat())),
        ),
        (
            "1 as a later number",
            user(&with_length(&[&[1, 0x40, 0, 17, 0, 0, 0x44, 1, 1, 0][..], &with_length(&ras)].concat())),
        ),
        ("a parameter without content", user(&with_length(&[1, 0x40, 0, 17, 0, 0, 0x00, 0, 1]))),
        (
            "a parameter of text",
            user(&with_length(&[&[1, 0x40, 0, 17, 0, 0, 0x40, 0, 1, 0x08][..], &with_length(&ras)].concat())),
        ),
        ("half of it", usual()[..usual().len() - 9].to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// A TPKT of these octets.
fn framed(signal: &[u8]) -> Vec<u8> {
    let len = u16::try_from(signal.len() + 4).expect("short").to_be_bytes();
    [&[3, 0, len[0], len[1]][..], signal].concat()
}

/// A User-user element.
fn element(user: &[u8]) -> Vec<u8> {
    let len = u16::try_from(user.len() + 1).expect("short").to_be_bytes();
    [&[0x7e, len[0], len[1], 5][..], user].concat()
}

/// Messages of each kind. The User-user element itself is correct in all of them.
fn outsides() -> Vec<(&'static str, Vec<u8>)> {
    let user = element(&usual());
    let other = element(&[0x28, 0x00, 1, 0]);
    let behind = |head: &[u8]| [head, &user].concat();
    let mut wrong = user.clone();
    wrong[3] = 4;
    let setup = fixture("captures/mock_12_tcp_tpkt_c2s_SETUP_setup.bin");
    let mut facility = setup[4..].to_vec();
    facility[4] = 0x62;
    let mut no_setup = behind(&[8, 2, 0, 0, 5]);
    let end = no_setup.len() - user.len();
    no_setup.truncate(end);
    no_setup.extend(&other);
    vec![
        ("the second of two elements", [&[8, 2, 0, 0, 0x62][..], &other, &user].concat()),
        ("the first of two elements", [&[8, 2, 0, 0, 0x62][..], &user, &other].concat()),
        ("another discriminator", [&[8, 2, 0, 0, 0x62][..], &wrong].concat()),
        ("another protocol", behind(&[9, 2, 0, 0, 0x62])),
        ("a longer call reference", behind(&[8, 3, 0, 0, 0, 0x62])),
        ("spare bits of the call reference's length", behind(&[8, 0x12, 0, 0, 0x62])),
        ("another codeset", behind(&[8, 2, 0, 0, 0x62, 0x96])),
        ("another codeset, some elements before", behind(&[8, 2, 0, 0, 0x62, 0x96, 0x28, 1, b'x', 0xa1])),
        ("another codeset, for this one alone", behind(&[8, 2, 0, 0, 0x62, 0x9e])),
        ("a type in the next octet", behind(&[8, 2, 0, 0, 0, 0x62])),
        ("a type that is none", behind(&[8, 2, 0, 0, 0])),
        ("a part of a message", behind(&[8, 2, 0, 0, 0x60])),
        ("an element that is longer than the message", behind(&[8, 2, 0, 0, 0x62, 0x28, 0xff])),
        ("a call in a message that is none", facility),
        ("a Setup that is no call", no_setup),
        ("an element that is too short", behind(&[8, 2, 0, 0, 0x62])[..20].to_vec()),
    ]
}

#[test]
fn what_only_another_reader_finds_is_malformed_first_and_later() {
    let usual = facility(&usual());
    assert_eq!(shown(&registration(&usual).aliases), ["h323-ID:boss"]);
    let types = [0x62, 0x6e, 0x7b, 0x7d, 0x07, 0x5a];
    let of_type = |kind: u8, user: &[u8]| framed(&[&[8, 2, 0, 0, kind], &element(user)[..]].concat());
    let mut hidden = vec![("the large form of the bitmap", fixture("hidden/large_form.bin"))];
    for (form, user) in forms() {
        hidden.extend(types.map(|kind| (form, of_type(kind, &user))));
    }
    hidden.extend(outsides().into_iter().map(|(form, signal)| (form, framed(&signal))));
    for (form, octets) in hidden {
        let later = Inspector::new(MESSAGE_LIMIT).inspect(&octets);
        assert_eq!(later, Inspect::Reject(Reason::Malformed), "{form}");
        let too_long = octets.len() > OPENING_LIMIT;
        let reason = if too_long { Reason::TooLarge } else { Reason::Malformed };
        assert_eq!(Opening::default().inspect(&octets), Inspect::Reject(reason), "{form}");
    }
}

/// Zeros after a message are the rest of a buffer that its sender did not shorten. They have been examined.
#[test]
fn zeros_behind_a_message_are_no_message() {
    let padded = user(&with_length(&generic(&with_length(&[&rrq()[..], &[0; 7]].concat()))));
    for user in [padded, [&usual()[..], &[0; 7]].concat()] {
        assert_eq!(shown(&registration(&facility(&user)).aliases), ["h323-ID:boss"]);
    }
}

/// Issue 15, A3: messages of real devices must pass.
#[test]
fn keep_alives_decide_nothing_and_end_nothing() {
    let registration = crate::demo::ras::request(1, "dvl-ckl2.net", "boss");
    for keep_alive in [
        &[3, 0, 0, 4][..],
        &[3, 0, 0, 9, 8, 2, 0, 0, 0x75],
        &[3, 0, 0, 0x0b, 8, 2, 0, 0, 0x62, 0x1c, 0],
        &[3, 0, 0, 9, 8, 2, 0, 0, 0x6e],
        &[3, 0, 0, 0x10, 8, 2, 0, 0, 0x7d, 8, 2, 0x80, 0x9e, 0x14, 1, 0],
        &[3, 0, 0, 9, 8, 2, 0, 0, 0x7b],
        // ESCAPE. A FACILITY with a Display, without a call reference, and with two empty elements. PROGRESS.
        &[3, 0, 0, 9, 8, 2, 0, 0, 0],
        &[3, 0, 0, 12, 8, 2, 0, 0, 0x62, 0x28, 1, b'x'],
        &[3, 0, 0, 7, 8, 0, 0x62],
        &[3, 0, 0, 13, 8, 2, 0, 0, 0x62, 0x1c, 0, 0x1c, 0],
        &[3, 0, 0, 9, 8, 2, 0, 0, 0x03],
    ] {
        let said = Inspector::new(MESSAGE_LIMIT).inspect(keep_alive);
        let Inspect::Found { ask: Ask::KeepAlive | Ask::Other(Other::Early { readable: true }), len } = said
        else {
            panic!("{keep_alive:02x?}: {said:?}")
        };
        assert_eq!(len, keep_alive.len());
        let mut opening = Opening::default();
        assert_eq!(opening.inspect(keep_alive), Inspect::NeedMore);
        assert!(opening.is_idle(keep_alive), "item 17: nothing of a request has come");
        let mut opening = Opening::default();
        let both = [keep_alive, &registration].concat();
        let Inspect::Found { ask: Ask::Registration(_), len } = opening.inspect(&both) else { panic!() };
        assert!(len == both.len() && !opening.is_unclear());
    }
}

#[test]
fn every_message_of_a_call_and_every_request_can_be_read() {
    let mut seen = 0;
    for file in Path::new("tests/fixtures/h323/speaks").read_dir().expect("fixtures") {
        let path = file.expect("a file").path();
        let octets = std::fs::read(&path).expect("readable");
        let said = Inspector::new(MESSAGE_LIMIT).inspect(&octets);
        assert!(matches!(said, Inspect::Found { len, .. } if len == octets.len()), "{path:?}: {said:?}");
        // A connection may not begin with a request for an endpoint that is not registered on it.
        if matches!(said, Inspect::Found { ask: Ask::Ras(_), .. }) {
            assert_eq!(open(&octets), Inspect::Reject(Reason::Method), "{path:?}");
        }
        seen += 1;
    }
    assert!(seen > 60);
}

/// Issue 15, B9: a list that claims 16,383 elements in two octets is read only as far as it has octets.
#[test]
fn lists_that_claim_more_than_they_hold_are_malformed() {
    let octets = fixture("hidden/supported_prefixes.bin");
    assert_eq!(open(&octets), Inspect::Reject(Reason::Malformed));
}

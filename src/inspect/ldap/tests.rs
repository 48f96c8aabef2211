//! The laws of an inspector over every prefix, the kinds of messages, and a comparison with `ldap3_proto`.

use ldap3_proto::LdapCodec;
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapExtendedRequest, LdapMsg, LdapOp, LdapSearchRequest, SaslCredentials,
};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;

fn encode(id: i32, op: LdapOp, ctrl: Vec<LdapControl>) -> Vec<u8> {
    let mut octets = BytesMut::new();
    LdapCodec::default().encode(LdapMsg { msgid: id, op, ctrl }, &mut octets).unwrap();
    octets.to_vec()
}

fn bind(version: i64, name: &str, cred: LdapBindCred) -> Vec<u8> {
    encode(1, LdapOp::BindRequest(LdapBindRequest { version, dn: name.to_owned(), cred }), Vec::new())
}

pub(super) fn simple(name: &str, password: &str) -> Vec<u8> {
    bind(3, name, LdapBindCred::Simple(password.to_owned()))
}

pub(super) fn sasl(mechanism: &str, credentials: &[u8]) -> Vec<u8> {
    let cred = SaslCredentials { mechanism: mechanism.to_owned(), credentials: credentials.to_vec() };
    bind(3, "", LdapBindCred::SASL(cred))
}

pub(super) fn extended(name: &str, value: Option<&[u8]>) -> Vec<u8> {
    let request = LdapExtendedRequest { name: name.to_owned(), value: value.map(<[u8]>::to_vec) };
    encode(7, LdapOp::ExtendedRequest(request), Vec::new())
}

fn search() -> Vec<u8> {
    let request = LdapSearchRequest {
        base: "dc=dvl-ckl2,dc=net".to_owned(),
        scope: ldap3_proto::LdapSearchScope::Subtree,
        aliases: ldap3_proto::proto::LdapDerefAliases::Never,
        sizelimit: 0,
        timelimit: 0,
        typesonly: false,
        filter: ldap3_proto::LdapFilter::Present("cn".to_owned()),
        attrs: Vec::new(),
    };
    encode(5, LdapOp::SearchRequest(request), Vec::new())
}

fn paged() -> Vec<LdapControl> {
    vec![LdapControl::SimplePagedResults { size: 10, cookie: Vec::new() }]
}

/// An element from tag and content. The length has the shortest form, or four octets.
pub(super) fn element(tag: u8, content: &[u8], four: bool) -> Vec<u8> {
    let len = u32::try_from(content.len()).unwrap();
    let mut octets = vec![tag];
    match u8::try_from(len) {
        Ok(len @ 0..=0x7f) if !four => octets.push(len),
        _ => {
            octets.push(0x84);
            octets.extend(len.to_be_bytes());
        }
    }
    octets.extend(content);
    octets
}

pub(super) fn message(id: &[u8], tag: u8, content: &[u8], after: &[u8], four: bool) -> Vec<u8> {
    let inside = [element(0x02, id, four), element(tag, content, four), after.to_vec()].concat();
    element(0x30, &inside, four)
}

/// Gives every prefix to one inspector and to a fresh one. The answers must be equal, stable and bounded. Returns the
/// last answer.
#[track_caller]
pub(super) fn laws(input: &[u8]) -> Inspect<Ask> {
    let mut kept = Inspector;
    let mut decided: Option<Inspect<Ask>> = None;
    for end in 0..=input.len() {
        let answer = kept.inspect(&input[..end]);
        assert_eq!(answer, Inspector.inspect(&input[..end]));
        match (&decided, &answer) {
            (Some(before), now) => assert_eq!(before, now, "at {end} of {input:02x?}"),
            (None, Inspect::NeedMore) => assert!(end < LDAP_LIMIT),
            (None, found) => {
                if let Inspect::Found { len, .. } = found {
                    assert!(*len <= end);
                }
                decided = Some(answer);
            }
        }
    }
    decided.unwrap_or(Inspect::NeedMore)
}

#[track_caller]
pub(super) fn found(input: &[u8]) -> (Ask, usize) {
    // Further octets do not change the answer.
    let more = [input, &[0x30, 0x80, 0xff]].concat();
    match laws(&more) {
        Inspect::Found { ask, len } => (ask, len),
        other => panic!("{other:?}: {input:02x?}"),
    }
}

#[track_caller]
pub(super) fn bound(input: &[u8]) -> Bind {
    match found(input) {
        (Ask::Bind(bind), len) => {
            assert_eq!(len, input.len());
            bind
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn binds() {
    let Bind { id, name, proof } = bound(&simple(r"dvl-ckl2.net\contacts", "pwd"));
    let (domain, user) = name.unwrap();
    assert_eq!((id, &*domain, &*user, proof), (1, &b"dvl-ckl2.net"[..], &b"contacts"[..], Proof::Password));
    assert_eq!(bound(&simple("cn=a,dc=x", "")).proof, Proof::Empty);
    assert_eq!(bound(&simple("", "")).proof, Proof::Empty);
    assert_eq!(bound(&simple("", "pwd")).proof, Proof::Empty);
    assert!(bound(&simple("a@b@c", "pwd")).name.is_err());
    assert_eq!(bound(&bind(2, "cn=a,dc=x", LdapBindCred::Simple("p".to_owned()))).proof, Proof::Password);
    for (mechanism, proof) in [
        ("PLAIN", Proof::Sasl),
        ("SCRAM-SHA-256", Proof::Sasl),
        ("scram-sha-1-plus", Proof::Sasl),
        ("EXTERNAL", Proof::SaslRefused),
        ("GSSAPI", Proof::SaslRefused),
        ("GSS-SPNEGO", Proof::SaslRefused),
        ("DIGEST-MD5", Proof::SaslRefused),
        ("PLAINER", Proof::SaslRefused),
        ("", Proof::SaslRefused),
    ] {
        assert_eq!(bound(&sasl(mechanism, b"\0a\0b")).proof, proof, "{mechanism}");
    }
}

#[test]
fn a_bind_with_a_control_in_windows_lengths_and_with_a_password_that_is_no_text() {
    let request = LdapBindRequest {
        version: 3,
        dn: "a@b.example".to_owned(),
        cred: LdapBindCred::Simple("p".to_owned()),
    };
    let octets = encode(1, LdapOp::BindRequest(request), paged());
    assert_eq!(&*bound(&octets).name.unwrap().0, b"b.example");
    let parts =
        [element(2, &[3], true), element(4, b"a@b.example", true), element(0x80, b"\xff\xfe\0", true)]
            .concat();
    let octets = message(&[0, 0, 0x12, 0x34], 0x60, &parts, &[], true);
    let bind = bound(&octets);
    assert_eq!((bind.id, bind.proof), (0x1234, Proof::Password));
}

#[test]
fn start_tls_and_other_operations() {
    assert_eq!(found(&extended("1.3.6.1.4.1.1466.20037", None)), (Ask::StartTls { id: 7 }, 31));
    // Who am I? (RFC 4532), a name that is longer than StartTLS, and a shorter one.
    for name in ["1.3.6.1.4.1.4203.1.11.3", "1.3.6.1.4.1.1466.200370", "1.2"] {
        let octets = extended(name, Some(b"value"));
        let size = octets.len() as u64;
        let (ask, len) = found(&octets);
        assert_eq!(ask, Ask::Other { id: 7, operation: Operation::Extended, size }, "{name}");
        assert!(len < octets.len());
    }
    let octets = search();
    let size = octets.len() as u64;
    assert_eq!(found(&octets).0, Ask::Other { id: 5, operation: Operation::Search, size });
    let unbind = message(&[9], 0x42, &[], &[], false);
    assert_eq!(found(&unbind).0, Ask::Other { id: 9, operation: Operation::Unbind, size: 7 });
    for (tag, operation) in [
        (0x66, Operation::Modify),
        (0x68, Operation::Add),
        (0x4a, Operation::Delete),
        (0x6c, Operation::ModifyDn),
        (0x6e, Operation::Compare),
        (0x50, Operation::Abandon),
    ] {
        let octets = message(&[9], tag, b"?", &[], false);
        assert_eq!(found(&octets).0, Ask::Other { id: 9, operation, size: 8 });
    }
}

#[test]
fn a_claimed_length_of_4_gib_costs_nothing() {
    // A bind and StartTLS with this length are refused as soon as the operation is known …
    let claimed = |tag: u8| {
        let mut octets = vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, tag];
        octets.extend([0x84, 0xff, 0xff, 0xff, 0xf0]);
        octets
    };
    assert_eq!(laws(&claimed(0x60)), Inspect::Reject(Reason::TooLarge));
    let start_tls = [claimed(0x77), element(0x80, START_TLS, false)].concat();
    assert_eq!(laws(&start_tls), Inspect::Reject(Reason::TooLarge));
    // … and for other operations the length is only a number.
    let size = 6 + 0xffff_ffff;
    assert_eq!(
        laws(&claimed(0x68)),
        Inspect::Found { ask: Ask::Other { id: 1, operation: Operation::Add, size }, len: 15 }
    );
    // A name of 4 GiB is no object identifier.
    let named = [claimed(0x77), vec![0x80, 0x84, 0xff, 0xff, 0, 0]].concat();
    assert_eq!(laws(&named), Inspect::Reject(Reason::Malformed));
}

#[test]
fn a_bind_of_16_kib_is_the_longest() {
    let fixed = simple("a@b", "").len() + 3 * 4;
    let longest = simple("a@b", &"p".repeat(LDAP_LIMIT - fixed));
    assert!(longest.len() <= LDAP_LIMIT && longest.len() > LDAP_LIMIT - 16, "{}", longest.len());
    assert_eq!(bound(&longest).proof, Proof::Password);
    assert_eq!(laws(&simple("a@b", &"p".repeat(LDAP_LIMIT))), Inspect::Reject(Reason::TooLarge));
}

#[test]
fn what_is_no_request_is_refused() {
    let parts = |version: u8, name: &[u8], auth: u8| {
        [element(2, &[version], false), element(4, name, false), element(auth, b"p", false)].concat()
    };
    let whole = |content: &[u8], after: &[u8]| message(&[1], 0x60, content, after, false);
    let good = parts(3, b"a@b", 0x80);
    assert!(matches!(laws(&whole(&good, &[])), Inspect::Found { .. }));
    for bad in [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\0\x01\0\x01".to_vec(),
        b"\x80\x2e\x01\x03".to_vec(),
        // Versions 1, 4 and -1, no authentication, Kerberos of version 2, and a password in the constructed form.
        whole(&parts(1, b"a@b", 0x80), &[]),
        whole(&parts(4, b"a@b", 0x80), &[]),
        whole(&parts(0xff, b"a@b", 0x80), &[]),
        whole(&good[..good.len() - 3], &[]),
        whole(&parts(3, b"a@b", 0x81), &[]),
        whole(&parts(3, b"a@b", 0xa0), &[]),
        // Octets after the parts of the bind. After the bind: no controls, controls twice, octets that are no control.
        whole(&[&good[..], &[4, 0]].concat(), &[]),
        whole(&good, &[4, 0]),
        whole(&good, &[0xa0, 0, 0xa0, 0]),
        whole(&good, &[0xa0, 2, 4, 0]),
        whole(&good, &[0xa0, 5, 0x30, 9, 4, 1, 0]),
        // A name that is no OCTET STRING, and a name in the constructed form.
        whole(
            &[element(2, &[3], false), element(0x0c, b"a@b", false), element(0x80, b"p", false)].concat(),
            &[],
        ),
        whole(
            &[element(2, &[3], false), element(0x24, b"a@b", false), element(0x80, b"p", false)].concat(),
            &[],
        ),
        // StartTLS with a value and with controls. An extended request without a name.
        extended("1.3.6.1.4.1.1466.20037", Some(b"")),
        message(&[1], 0x77, &element(0x80, START_TLS, false), &[0xa0, 0], false),
        message(&[1], 0x77, &element(0x81, START_TLS, false), &[], false),
        message(&[1], 0x77, &[], &[], false),
        message(&[1], 0x77, &[0x80, 0x84], &[], false),
        message(&[1], 0x77, &[0x80, 9, b'1'], &[], false),
        // A response, an unknown operation, and SASL's security layer.
        message(&[1], 0x61, &[0x0a, 1, 0, 4, 0, 4, 0], &[], false),
        message(&[1], 0x7e, &[], &[], false),
        // An Unbind and an Abandon with too much content.
        message(&[1], 0x42, b"?", &[], false),
        message(&[1], 0x50, &[], &[], false),
        message(&[1], 0x50, &[0; 5], &[], false),
        message(&[1], 0x42, &[], &element(0xa0, &[0; LDAP_LIMIT], false), false),
        b"\0\0\0\x20\x30\x0c".to_vec(),
    ] {
        assert_eq!(laws(&bad), Inspect::Reject(Reason::Malformed), "{bad:02x?}");
    }
    // An element that is longer than its container.
    for end in 0..good.len() {
        assert_eq!(laws(&whole(&good[..end], &[])), Inspect::Reject(Reason::Malformed), "{end}");
    }
}

/// Both parsers agree which messages are binds with a name and an empty password.
#[test]
fn ldap3_proto_reads_the_same() {
    let seeds = [
        simple(r"dvl-ckl2.net\contacts", "pwd"),
        simple("cn=a, dc=x, dc=y", ""),
        sasl("PLAIN", b"\0a\0b"),
        extended("1.3.6.1.4.1.1466.20037", None),
    ];
    let mut read_by_both = 0;
    for seed in seeds {
        for at in 0..seed.len() {
            for octet in [0, 1, 2, 3, 4, 0x30, 0x60, 0x77, 0x7f, 0x80, 0x81, 0x84, 0xa0, 0xa3, 0xff] {
                let mut input = seed.clone();
                input[at] = octet;
                let Inspect::Found { ask, len } = laws(&input) else { continue };
                let mut octets = BytesMut::from(&input[..]);
                let second = LdapCodec::default().decode(&mut octets);
                match (ask, second) {
                    (Ask::Bind(bind), Ok(Some(LdapMsg { msgid, op: LdapOp::BindRequest(request), .. }))) => {
                        read_by_both += 1;
                        assert_eq!(bind.id, u32::try_from(msgid).unwrap());
                        assert_eq!(bind.name, bind_name(request.dn.as_bytes()));
                        assert_eq!(len, input.len() - octets.len());
                        match request.cred {
                            LdapBindCred::Simple(password) => {
                                let anonymous = password.is_empty() || request.dn.trim().is_empty();
                                assert_eq!(bind.proof == Proof::Empty, anonymous);
                            }
                            _ => assert!(matches!(bind.proof, Proof::Sasl | Proof::SaslRefused)),
                        }
                    }
                    (Ask::StartTls { id }, Ok(Some(LdapMsg { msgid, op, .. }))) => {
                        read_by_both += 1;
                        assert_eq!(id, u32::try_from(msgid).unwrap());
                        assert!(
                            matches!(op, LdapOp::ExtendedRequest(request) if request.name.as_bytes() == START_TLS)
                        );
                    }
                    // `ldap3_proto` refuses passwords that are no UTF-8, and errors inside other operations.
                    (Ask::Bind(_), Err(_)) => assert!(str::from_utf8(&input).is_err()),
                    (Ask::StartTls { .. }, other) => panic!("{other:?}: {input:02x?}"),
                    (Ask::Bind(_), other) => panic!("{other:?}: {input:02x?}"),
                    (Ask::Other { .. }, _) => {}
                }
            }
        }
    }
    assert!(read_by_both > 500, "{read_by_both}");
}

#[test]
fn answers() {
    let whole = message(&[4], 0x61, &[0x0a, 1, 49, 4, 0, 4, 0], &[], true);
    let expected = Answer { size: whole.len() as u64, bind: Some((4, 49)) };
    for end in 0..=whole.len() {
        match answer(&whole[..end]) {
            Ok(None) => assert!(end < ANSWER_LIMIT),
            other => assert_eq!(other, Ok(Some(expected))),
        }
    }
    assert_eq!(answer(&whole), Ok(Some(expected)));
    let entry = message(&[4], 0x64, &[0; 1000], &[], false);
    assert_eq!(answer(&entry[..20]), Ok(Some(Answer { size: entry.len() as u64, bind: None })));
    // An unsolicited notification has the messageID 0.
    assert!(matches!(answer(&message(&[0], 0x78, &[0x0a, 1, 52], &[], false)), Ok(Some(_))));
    for bad in
        [&[4, 1, 0][..], &[0x0a, 0], &[0x0a, 5, 0, 0, 0, 0, 0], &[0x0a, 2, 1], &[0x0a, 1], &[0x0a, 1, 0x80]]
    {
        assert_eq!(answer(&message(&[4], 0x61, bad, &[], false)), Err(Reason::Malformed), "{bad:?}");
    }
    assert_eq!(answer(b"HTTP"), Err(Reason::Malformed));
}

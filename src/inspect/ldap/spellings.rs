//! Other spellings of the same thing (issue 15, A1 and A8), and their cost (B9). A directory may compare more loosely
//! than this room. A message in such a spelling is either read in the same way here or refused.

use super::tests::{bound, element, extended, found, laws, message, simple};
use super::*;

const MALFORMED: Inspect<Ask> = Inspect::Reject(Reason::Malformed);

/// An extended request with the name `name`, in the octets that `spell` makes of it.
fn named(name: &[u8], spell: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    message(&[7], 0x77, &spell(name), &[], false)
}

#[test]
fn a1_start_tls_has_one_name_whatever_a_directory_compares_it_with() {
    for name in [
        // `strcmp` takes each of these for StartTLS.
        "1.3.6.1.4.1.1466.20037\0",
        "1.3.6.1.4.1.1466.20037\0.1",
        // A directory that trims blanks or normalises numbers takes each of these for StartTLS.
        " 1.3.6.1.4.1.1466.20037",
        "1.3.6.1.4.1.1466.20037 ",
        "1.3.6.1.4.1.1466.20037\n",
        "1.3.6.1.4.1.1466.020037",
        "01.3.6.1.4.1.1466.20037",
        "1.3.6.1.4.1.1466.20037.",
        ".1.3.6.1.4.1.1466.20037",
        "1.3.6.1.4.1.1466..20037",
        "1. 3.6.1.4.1.1466.20037",
        "OID.1.3.6.1.4.1.1466.20037",
        "startTLS",
        "",
    ] {
        assert_eq!(laws(&extended(name, None)), MALFORMED, "{name:?}");
        assert_eq!(laws(&extended(name, Some(b"value"))), MALFORMED, "{name:?}");
    }
    // A name without an end is not waited for.
    let long = "1.".repeat(64) + "1";
    assert_eq!(laws(&extended(&long, None)), MALFORMED);
    // Other identifiers with the same beginning are different operations.
    for name in ["1.3.6.1.4.1.1466.200370", "1.3.6.1.4.1.1466.20036", "1.3.6.1.4.1.1466"] {
        let ask = found(&extended(name, None)).0;
        assert!(matches!(ask, Ask::Other { operation: Operation::Extended, .. }), "{name}");
    }
}

#[test]
fn a1_a_length_may_be_spelt_in_any_definite_form() {
    let short: fn(&[u8]) -> Vec<u8> = |name| element(0x80, name, false);
    let four: fn(&[u8]) -> Vec<u8> = |name| element(0x80, name, true);
    let one: fn(&[u8]) -> Vec<u8> = |name| [&[0x80, 0x81, 22], name].concat();
    for spell in [short, four, one] {
        let octets = named(START_TLS, spell);
        assert_eq!(found(&octets), (Ask::StartTls { id: 7 }, octets.len()));
    }
    let windows = message(&[0, 0, 0, 7], 0x77, &element(0x80, START_TLS, true), &[], true);
    assert_eq!(found(&windows), (Ask::StartTls { id: 7 }, windows.len()));
    // The indefinite form and lengths of more than four octets are no LDAP (RFC 4511 §5.1).
    for spell in [
        (|name| [&[0x80, 0x80], name, &[0, 0]].concat()) as fn(&[u8]) -> Vec<u8>,
        |name| [&[0x80, 0x85, 0, 0, 0, 0, 22], name].concat(),
        |name| element(0xa0, name, false),
        |name| [&[0x9f, 0, 22], name].concat(),
        |name| [element(0x80, name, false), element(0x81, b"", false)].concat(),
    ] {
        assert_eq!(laws(&named(START_TLS, spell)), MALFORMED, "{:02x?}", spell(b"name"));
    }
}

#[test]
fn a1_an_operation_has_one_tag_and_a_message_one_number() {
    let content =
        [element(2, &[3], false), element(4, b"a@b.example", false), element(0x80, b"p", false)].concat();
    let bind = |id: &[u8], tag: u8| message(id, tag, &content, &[], false);
    for id in [&[1][..], &[0, 1], &[0, 0, 1], &[0, 0, 0, 1]] {
        assert_eq!(bound(&bind(id, 0x60)).id, 1, "{id:?}");
    }
    for id in [&[][..], &[0], &[0, 0, 0, 0], &[0xff], &[0x80, 0, 0, 0], &[0, 0, 0, 0, 1], &[0, 0x80, 0, 0, 1]]
    {
        assert_eq!(laws(&bind(id, 0x60)), MALFORMED, "{id:?}");
    }
    // A bind in the primitive form, a bind of another class, and an unbind in the constructed form.
    for tag in [0x40, 0x20, 0xa0, 0xe0, 0x62, 0x6a, 0x70, 0x57, 0x43, 0x00, 0x30] {
        assert_eq!(laws(&bind(&[1], tag)), MALFORMED, "{tag:02x}");
    }
    // [APPLICATION 0] with its number in a further octet.
    let inside = [&[2, 1, 1, 0x7f, 0, u8::try_from(content.len()).unwrap()], &content[..]].concat();
    assert_eq!(laws(&element(0x30, &inside, false)), MALFORMED);
}

#[test]
fn a1_a_version_and_a_proof_have_one_meaning() {
    let bind = |version: &[u8], name: u8, proof: &[u8]| {
        let content = [element(2, version, false), element(name, b"a@b.example", false), proof.to_vec()];
        message(&[1], 0x60, &content.concat(), &[], false)
    };
    let simple = element(0x80, b"p", false);
    for version in [&[3][..], &[2], &[0, 3], &[0, 0, 0, 3]] {
        assert_eq!(bound(&bind(version, 4, &simple)).proof, Proof::Password);
    }
    for version in [&[][..], &[1], &[4], &[0xfd], &[1, 3], &[0, 0, 0, 0, 3]] {
        assert_eq!(laws(&bind(version, 4, &simple)), MALFORMED, "{version:?}");
    }
    let plain = element(4, b"PLAIN", false);
    for proof in [
        // The password in another form, twice, and with further octets. Kerberos of version 2.
        element(0xa0, &element(4, b"p", false), false),
        [&simple[..], &simple].concat(),
        [&simple[..], &element(4, b"", false)].concat(),
        element(0x81, b"p", false),
        element(0x83, &plain, false),
        element(0xa3, &[], false),
        element(0xa3, &[&plain[..], &plain, &plain].concat(), false),
        element(0xa3, &element(0x0c, b"PLAIN", false), false),
    ] {
        assert_eq!(laws(&bind(&[3], 4, &proof)), MALFORMED, "{proof:02x?}");
    }
    // A mechanism must match as a whole, not in part.
    for (mechanism, proof) in [
        (&b"plain"[..], Proof::Sasl),
        (b"SCRAM-SHA-512-PLUS", Proof::Sasl),
        (b"PLAIN\0", Proof::SaslRefused),
        (b"PLAIN ", Proof::SaslRefused),
        (b"SCRAM-SHA-1\0GSSAPI", Proof::SaslRefused),
        (b"SCRAM-SHA-1 EXTERNAL", Proof::SaslRefused),
        (b"EXTERNAL\0", Proof::SaslRefused),
        (b"external", Proof::SaslRefused),
    ] {
        let sasl = element(0xa3, &element(4, mechanism, false), false);
        assert_eq!(bound(&bind(&[3], 4, &sasl)).proof, proof, "{mechanism:?}");
    }
}

#[test]
fn a1_a_control_does_not_change_whose_bind_it_is() {
    let content =
        [element(2, &[3], false), element(4, b"a@b.example", false), element(0x80, b"p", false)].concat();
    let bind = |controls: &[u8]| message(&[1], 0x60, &content, &element(0xa0, controls, false), false);
    let control = |parts: &[Vec<u8>]| element(0x30, &parts.concat(), false);
    let oid = |text: &str| element(4, text.as_bytes(), false);
    let critical = || element(1, &[0xff], false);
    // The password policy, the authorization identity (RFC 3829), several controls at once, none.
    let policy = control(&[oid("1.3.6.1.4.1.42.2.27.8.5.1")]);
    let identity = control(&[oid("2.16.840.1.113730.3.4.16"), critical(), element(4, b"", false)]);
    for good in [vec![], policy.clone(), identity.clone(), [policy.clone(), identity].concat()] {
        assert_eq!(bound(&bind(&good)).proof, Proof::Password);
    }
    for bad in [
        // Proxied authorization in several spellings.
        control(&[oid("2.16.840.1.113730.3.4.18"), critical(), element(4, b"u:b", false)]),
        control(&[oid("2.16.840.1.113730.3.4.18")]),
        control(&[oid("2.16.840.1.113730.3.4.12"), element(4, b"dn:", false)]),
        control(&[oid("2.16.840.1.113730.3.4.18\0"), critical()]),
        control(&[oid("2.16.840.1.113730.3.4.018"), critical()]),
        [policy, control(&[element(4, b"2.16.840.1.113730.3.4.18", true)])].concat(),
        // Octets that are no control.
        control(&[]),
        control(&[oid("")]),
        control(&[oid("1.2"), element(1, &[], false)]),
        control(&[oid("1.2"), element(4, b"", false), critical()]),
        control(&[oid("1.2"), element(4, b"", false), element(4, b"", false)]),
        control(&[element(0x0c, b"1.2", false)]),
    ] {
        assert_eq!(laws(&bind(&bad)), MALFORMED, "{bad:02x?}");
    }
}

#[test]
fn a8_an_empty_name_is_anonymous_whatever_the_password() {
    for name in ["", " ", "      ", "\u{a0}", "\u{2003} \u{3000}"] {
        for password in ["", "p"] {
            let bind = bound(&simple(name, password));
            assert_eq!((bind.wants(), bind.proven_user()), (Wants::Anonymous, &b""[..]), "{name:?}");
        }
    }
    // A user without a domain asks for no domain, as long as its name is not empty.
    assert_eq!(bound(&simple("admin", "p")).wants(), Wants::NoDomain);
    assert_eq!(bound(&simple(r"\admin", "p")).wants(), Wants::NoDomain);
    // A domain without a user, empty components, and texts that are no names.
    for name in [
        "@b.example",
        " @b.example",
        r"b.example\",
        r"b.example\ ",
        r"\",
        "@",
        ",",
        "=",
        "+",
        ",dc=b",
        "\"\"",
    ] {
        let bind = bound(&simple(name, "p"));
        assert_eq!((bind.wants(), bind.user()), (Wants::Never(Reason::Malformed), &b""[..]), "{name:?}");
    }
    // Only a password with a name confirms the name.
    assert_eq!(bound(&simple("a@b.example", "p")).proven_user(), b"a");
    assert_eq!(bound(&simple("a@b.example", "")).proven_user(), b"");
}

/// How many elements are read from `input`, which is given octet by octet up to the decision.
fn cost(input: &[u8]) -> usize {
    let before = elements_read();
    for end in 0..=input.len() {
        if Inspector.inspect(&input[..end]) != Inspect::NeedMore {
            break;
        }
    }
    elements_read() - before
}

/// B9: a short message is read once. A message that is not complete costs only its envelope, whatever its content.
#[test]
fn b9_the_work_is_linear_even_octet_by_octet() {
    let room = LDAP_LIMIT - 100;
    let content =
        |name: &[u8]| [element(2, &[3], true), element(4, name, true), element(0x80, b"p", true)].concat();
    let short = content(b"a@b.example");
    let bind = |content: &[u8], after: &[u8]| message(&[1], 0x60, content, after, true);
    let control = element(0x30, &element(4, b"1.2", false), false);
    let nested = (0..room / 6).fold(Vec::new(), |inside, _| element(0x30, &inside, true));
    for (what, input) in [
        ("controls of no octets", bind(&short, &element(0xa0, &[0x30, 0].repeat(room / 2 - 50), true))),
        (
            "the shortest controls",
            bind(&short, &element(0xa0, &control.repeat(room / control.len() - 10), true)),
        ),
        (
            "a control with many parts",
            bind(&short, &element(0xa0, &element(0x30, &[4, 0].repeat(room / 2 - 50), true), true)),
        ),
        ("parts of a bind of no octets", bind(&[4, 0].repeat(room / 2), &[])),
        ("elements within elements", bind(&nested[..room], &[])),
        ("elements within elements, as controls", bind(&short, &nested[..room - 100])),
        ("a name of many components", bind(&content(&b"dc=a,".repeat(room / 5 - 20)), &[])),
        ("a name of many values in BER", bind(&content(&b"cn=#0400,".repeat(room / 9 - 10)), &[])),
        (
            "a name in hexadecimal digits",
            bind(&content(&[&b"cn=#"[..], &b"04".repeat(room / 2 - 50)].concat()), &[]),
        ),
        ("many values of one component", bind(&content(&b"cn=#0400+".repeat(room / 9 - 10)), &[])),
        ("an object identifier", named(&b"1.".repeat(60), |name| element(0x80, name, true))),
        ("an unbind with much behind it", message(&[1], 0x42, &[], &[4, 0].repeat(room / 2), true)),
    ] {
        assert!(input.len() <= LDAP_LIMIT, "{what}: {}", input.len());
        let read = cost(&input);
        // The envelope has three elements and is examined once for each octet. The content has at most one element in
        // two octets.
        assert!(read <= 4 * input.len(), "{what}: {read} for {} octets", input.len());
        let before = elements_read();
        drop(Inspector.inspect(&input));
        let at_once = elements_read() - before;
        assert!(at_once <= 10 + input.len() / 2, "{what}: {at_once} for {} octets at once", input.len());
    }
}

//! A search of the root DSE (RFC 4511 §4.5.1, RFC 4512 §5.1): the server's description of itself, which many clients
//! read before they bind. Every other search is not answered here.

use super::super::Inspect;
use super::ber::{Elements, Malformed, head};
use super::message::{LDAP_LIMIT, Operation, Outside};
use super::oid;

/// A search of the root DSE, with the parts that the answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootDse {
    /// The messageID.
    pub id: u32,
    /// Whether the filter is true for the root DSE.
    pub matches: bool,
    /// Whether only the names of the attributes are wanted.
    pub types_only: bool,
    /// Which of the attributes that Portward has are wanted.
    pub wanted: Attributes,
    /// Whether it has a critical control. Portward knows no control (§4.1.11).
    pub is_critical: bool,
}

/// Attributes of the root DSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// `objectClass`.
    pub object_class: bool,
    /// `supportedLDAPVersion`.
    pub versions: bool,
    /// `supportedExtension`.
    pub extensions: bool,
}

const OBJECT_CLASS: [&[u8]; 2] = [b"objectClass", b"2.5.4.0"];
const VERSIONS: [&[u8]; 2] = [b"supportedLDAPVersion", b"1.3.6.1.4.1.1466.101.120.15"];
const EXTENSIONS: [&[u8]; 2] = [b"supportedExtension", b"1.3.6.1.4.1.1466.101.120.7"];

/// Examines the beginning of a search. [`Inspect::Found`] has `None` as soon as it is another search or cannot be read.
/// A search of the root DSE is found when the whole message has come.
pub fn root_dse(input: &[u8]) -> Inspect<Option<RootDse>> {
    match search(input) {
        Ok(Some((search, len))) => Inspect::Found { ask: Some(search), len },
        Ok(None) => Inspect::NeedMore,
        Err(Malformed) => Inspect::Found { ask: None, len: 0 },
    }
}

/// The search and its length. `None`: more octets are needed.
fn search(input: &[u8]) -> Result<Option<(RootDse, usize)>, Malformed> {
    let Some((outside, operation)) = Outside::of_request(input)? else { return Ok(None) };
    let size = usize::try_from(outside.size).map_err(|_| Malformed)?;
    if operation != Operation::Search || size > LDAP_LIMIT {
        return Err(Malformed);
    }
    let Some(message) = input.get(..size) else {
        return is_root(input.get(outside.before..).unwrap_or_default()).map(|()| None);
    };
    let end = usize::try_from(outside.content).map_err(|_| Malformed)? + outside.before;
    let content = message.get(outside.before..end).ok_or(Malformed)?;
    is_root(content)?;
    let mut parts = Elements(content);
    // baseObject and scope are known. derefAliases, sizeLimit and timeLimit do not matter here.
    for tag in [0x04, 0x0a, 0x0a, 0x02, 0x02] {
        parts.expect(tag)?;
    }
    let types_only = is_true(parts.expect(0x01)?)?;
    let matches = is_true_of_root(parts.take()?)?;
    let wanted = wanted(parts.expect(0x30)?)?;
    if !parts.is_empty() {
        return Err(Malformed);
    }
    let is_critical = is_critical(message.get(end..).unwrap_or_default())?;
    Ok(Some((RootDse { id: outside.id, matches, types_only, wanted, is_critical }, size)))
}

/// Checks that the baseObject is empty and the scope is baseObject, as far as the content has come.
fn is_root(content: &[u8]) -> Result<(), Malformed> {
    let Some(base) = head(content)? else { return Ok(()) };
    if (base.tag, base.content) != (0x04, 0) {
        return Err(Malformed);
    }
    let rest = content.get(base.size..).unwrap_or_default();
    let Some(scope) = head(rest)? else { return Ok(()) };
    let value = rest.get(scope.size);
    let fits = (scope.tag, scope.content) == (0x0a, 1);
    if fits && value.is_none_or(|value| *value == 0) { Ok(()) } else { Err(Malformed) }
}

fn is_true(content: &[u8]) -> Result<bool, Malformed> {
    match content {
        [value] => Ok(*value != 0),
        _ => Err(Malformed),
    }
}

/// Whether a filter is true for the root DSE. Only filters that clients use for it are known (RFC 4512 §5.1): an
/// attribute is present, its class is `top`, or nothing is demanded (RFC 4526).
fn is_true_of_root((tag, content): (u8, &[u8])) -> Result<bool, Malformed> {
    let is = |names: [&[u8]; 2], name: &[u8]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    Ok(match tag {
        0x87 => [OBJECT_CLASS, VERSIONS].into_iter().any(|names| is(names, content)),
        0xa0 => content.is_empty(),
        0xa3 => {
            let mut parts = Elements(content);
            let (name, value) = (parts.expect(0x04)?, parts.expect(0x04)?);
            is(OBJECT_CLASS, name) && value.eq_ignore_ascii_case(b"top")
        }
        _ => false,
    })
}

/// The attributes of a selection (RFC 4511 §4.5.1.8). `*` and an empty selection mean all attributes: clients that read
/// the root DSE want its operational attributes, and directories return them.
fn wanted(list: &[u8]) -> Result<Attributes, Malformed> {
    let all = Attributes { object_class: true, versions: true, extensions: true };
    let mut list = Elements(list);
    if list.is_empty() {
        return Ok(all);
    }
    let mut wanted = Attributes::default();
    while !list.is_empty() {
        let name = list.expect(0x04)?;
        let is = |names: [&[u8]; 2]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        match name {
            b"*" => wanted = all,
            // Operational attributes (RFC 3673).
            b"+" => (wanted.versions, wanted.extensions) = (true, true),
            _ => {
                wanted.object_class |= is(OBJECT_CLASS);
                wanted.versions |= is(VERSIONS);
                wanted.extensions |= is(EXTENSIONS);
            }
        }
    }
    Ok(wanted)
}

/// Whether a control after an operation is critical.
fn is_critical(after: &[u8]) -> Result<bool, Malformed> {
    let mut outer = Elements(after);
    let Some((tag, list)) = outer.take_if_any()? else { return Ok(false) };
    if tag != 0xa0 || !outer.is_empty() {
        return Err(Malformed);
    }
    let mut list = Elements(list);
    let mut critical = false;
    while !list.is_empty() {
        let mut control = Elements(list.expect(0x30)?);
        if !oid::is_numeric(control.expect(0x04)?) {
            return Err(Malformed);
        }
        if let Some((0x01, value)) = control.take_if_any()? {
            critical |= is_true(value)?;
        }
    }
    Ok(critical)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Attributes = Attributes { object_class: true, versions: true, extensions: true };

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
    }

    /// A search with these parts, with short lengths.
    fn message(base: &[u8], scope: u8, types: u8, filter: &[u8], names: &[&[u8]], after: &[u8]) -> Vec<u8> {
        let names: Vec<u8> = names.iter().flat_map(|name| element(0x04, name)).collect();
        let content = [
            &element(0x04, base)[..],
            &[0x0a, 1, scope, 0x0a, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, types],
            filter,
            &element(0x30, &names),
        ]
        .concat();
        element(0x30, &[&[2, 1, 7][..], &element(0x63, &content), after].concat())
    }

    fn present(name: &[u8]) -> Vec<u8> {
        element(0x87, name)
    }

    fn found(octets: &[u8]) -> Option<RootDse> {
        match root_dse(octets) {
            Inspect::Found { ask, len } => {
                assert_eq!(len, if ask.is_some() { octets.len() } else { 0 });
                ask
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn item_16_a_search_of_the_root_dse_is_known() {
        let any = present(b"objectclass");
        let search = found(&message(b"", 0, 0, &any, &[], b"")).unwrap();
        assert_eq!(
            search,
            RootDse { id: 7, matches: true, types_only: false, wanted: ALL, is_critical: false }
        );
        assert!(found(&message(b"", 0, 0xff, &any, &[], b"")).unwrap().types_only);
        for (names, wanted) in [
            (&[&b"*"[..]][..], ALL),
            (&[b"1.1"], Attributes::default()),
            (&[b"+"], Attributes { object_class: false, ..ALL }),
            (
                &[b"supportedldapversion", b"namingContexts"],
                Attributes { versions: true, ..Attributes::default() },
            ),
            (&[b"1.3.6.1.4.1.1466.101.120.7"], Attributes { extensions: true, ..Attributes::default() }),
            (&[b"OBJECTCLASS", b"+"], ALL),
        ] {
            assert_eq!(found(&message(b"", 0, 0, &any, names, b"")).unwrap().wanted, wanted, "{names:?}");
        }
        let top = element(0xa3, &[element(0x04, b"objectClass"), element(0x04, b"TOP")].concat());
        for (filter, matches) in [
            (top, true),
            (element(0xa0, b""), true),
            (present(b"supportedLDAPVersion"), true),
            (present(b"cn"), false),
            (element(0xa2, &any), false),
        ] {
            assert_eq!(found(&message(b"", 0, 0, &filter, &[], b"")).unwrap().matches, matches, "{filter:?}");
        }
    }

    #[test]
    fn item_16_controls_are_critical_or_not() {
        let any = present(b"objectClass");
        let control = |critical: &[u8]| {
            element(
                0xa0,
                &element(0x30, &[&element(0x04, b"2.16.840.1.113730.3.4.2")[..], critical].concat()),
            )
        };
        for (critical, expected) in [(&b""[..], false), (b"\x01\x01\x00", false), (b"\x01\x01\xff", true)] {
            let search = found(&message(b"", 0, 0, &any, &[], &control(critical))).unwrap();
            assert_eq!(search.is_critical, expected, "{critical:?}");
        }
    }

    #[test]
    fn item_16_any_other_search_is_none() {
        let any = present(b"objectClass");
        for octets in [
            message(b"dc=x", 0, 0, &any, &[], b""),
            message(b" ", 0, 0, &any, &[], b""),
            message(b"", 1, 0, &any, &[], b""),
            message(b"", 2, 0, &any, &[], b""),
            message(b"", 0, 0, b"", &[], b""),
            message(b"", 0, 0, &any, &[], b"\x30\x00"),
            vec![0x30, 5, 2, 1, 1, 0x42, 0],
        ] {
            assert_eq!(found(&octets), None, "{octets:02x?}");
        }
    }

    /// The laws of an inspector: once it has answered, the answer is the same for every longer input.
    #[test]
    fn item_16_the_answer_is_stable_over_every_prefix() {
        let any = present(b"objectClass");
        for octets in [message(b"", 0, 0, &any, &[b"*"], b""), message(b"dc=x", 0, 0, &any, &[], b"")] {
            let mut said = None;
            for end in 0..=octets.len() {
                let now = root_dse(&octets[..end]);
                assert!(said.is_none() || said.as_ref() == Some(&now), "{end}");
                if now != Inspect::NeedMore {
                    said = Some(now);
                }
            }
            assert!(said.is_some());
        }
        // Lengths as Windows writes them.
        let long = [
            &[0x30, 0x84, 0, 0, 0, 43, 2, 1, 1, 0x63, 0x84, 0, 0, 0, 34][..],
            &[4, 0x84, 0, 0, 0, 0, 0x0a, 1, 0, 0x0a, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
            &present(b"objec"),
            &[0x30, 0x84, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(found(&long).map(|search| search.wanted), Some(ALL));
        // A search that is too long counts as any other operation.
        let huge = b"\x30\x84\x00\x01\x00\x00\x02\x01\x01\x63\x84\x00\x00\xff\xf0\x04\x00\x0a\x01\x00";
        assert_eq!(found(huge), None);
    }
}

//! The memory that hostile lengths take: every allocation of the inspector and of the gate is counted.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a failed expectation is the point")]

mod counting;

use counting::cost;
use portward::inspect::Inspect;
use portward::inspect::ldap::{Ask, Bind, Inspector, LDAP_LIMIT, bind_name};
use portward::io::Buffer;
use portward::reason::Reason;
use portward::relay::ldap::{BindAction, Gate, LdapPolicy};
use portward::relay::watched::{Next, Replies, Watch as _};

/// The beginning of a message whose lengths claim 4 GiB, up to the operation's length.
fn claims(tag: u8) -> Vec<u8> {
    let mut octets = vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 1, tag];
    octets.extend([0x84, 0xff, 0xff, 0xff, 0xf0]);
    octets
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("small").to_be_bytes();
    [&[tag, 0x82, len[0], len[1]], content].concat()
}

fn bind(name: &[u8]) -> Vec<u8> {
    let parts = [element(2, &[3]), element(4, name), element(0x80, b"password")].concat();
    element(0x30, &[element(2, &[1]), element(0x60, &parts)].concat())
}

struct Anybody;

impl LdapPolicy for Anybody {
    fn judge(&mut self, _: &Bind) -> BindAction {
        BindAction::Pass
    }

    fn login_succeeded(&mut self, _: &[u8]) {}

    fn login_failed(&mut self) {}
}

#[test]
fn what_is_claimed_costs_nothing_and_what_is_sent_costs_no_more_than_itself() {
    // A claim allocates nothing, read octet by octet.
    for (octets, expected) in [(claims(0x60), Some(Reason::TooLarge)), (claims(0x68), None)] {
        for end in 0..=octets.len() {
            let (answer, bytes) = cost(|| Inspector.inspect(&octets[..end]));
            assert_eq!(bytes, 0, "{end}");
            match answer {
                Inspect::Reject(reason) => assert_eq!(Some(reason), expected),
                Inspect::Found { ask: Ask::Other { .. }, .. } => assert!(expected.is_none()),
                other => assert_eq!(other, Inspect::NeedMore),
            }
        }
    }
    // Half a bind of 16 KiB allocates nothing either, however often it is looked at.
    let long = bind(&[b"cn=".as_slice(), &vec![b'a'; LDAP_LIMIT - 60], b",dc=x"].concat());
    let ((), bytes) = cost(|| {
        for end in 0..long.len() {
            assert_eq!(Inspector.inspect(&long[..end]), Inspect::NeedMore);
        }
    });
    assert_eq!(bytes, 0);
    // An ordinary bind needs no allocation.
    let ordinary = bind(br"dvl-ckl2.net\contacts");
    let (_, bytes) = cost(|| Inspector.inspect(&ordinary));
    assert_eq!(bytes, 0);
    // The longest names cost a few times their own length, whatever they contain.
    let room = LDAP_LIMIT - 100;
    let repeat = |piece: &str| piece.repeat(room / piece.len()).into_bytes();
    for name in [
        repeat("a"),
        [b"cn=".to_vec(), repeat("\\41")].concat(),
        [repeat("cn=a,"), b"dc=x".to_vec()].concat(),
        [repeat("cn=a+"), b"dc=x".to_vec()].concat(),
        [b"cn=#".to_vec(), repeat("04")].concat(),
        [repeat("dc=a,"), b"dc=x".to_vec()].concat(),
    ] {
        let ((), bytes) = cost(|| drop(bind_name(&name)));
        assert!(bytes <= 6 * name.len(), "{bytes} for {}", name.len());
    }
    // At the gate: the first octets of an add and of a found entry, of 4 GiB each.
    let mut gate = Gate::new(Anybody, false);
    let (mut onward, mut back) = (Buffer::default(), Buffer::default());
    let mut replies = Replies { onward: &mut onward, back: &mut back };
    assert_eq!(gate.hear_client(&ordinary, &mut replies), Next::Pass(ordinary.len() as u64));
    let success = element(0x30, &[element(2, &[1]), element(0x61, &[10, 1, 0, 4, 0, 4, 0])].concat());
    assert_eq!(gate.hear_target(&success, &mut replies), Next::Pass(success.len() as u64));
    let (next, bytes) = cost(|| gate.hear_client(&claims(0x68), &mut replies));
    assert_eq!(next, Next::Pass(6 + 0xffff_ffff));
    let (found, more) = cost(|| gate.hear_target(&claims(0x64), &mut replies));
    assert_eq!(found, Next::Pass(6 + 0xffff_ffff));
    // These bytes include the allocations of the messages themselves.
    assert!(bytes + more <= 64, "{bytes} and {more}");
}

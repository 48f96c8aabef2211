//! The gate, message by message, without a network.

use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapBindResponse, LdapMsg, LdapOp, LdapResult, LdapResultCode,
};
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;
use crate::ending::{Responsible, Stage};
use crate::inspect::ldap::elements_read;
use crate::io::Buffer;

/// Refuses the user `other`, ends the connection at `moved`, and passes all others.
#[derive(Debug, Default)]
struct ByUser {
    failed: u32,
    /// The name that the directory has accepted last.
    confirmed: Option<Vec<u8>>,
}

const MOVED: Ending = Ending::because(Stage::Relay, Responsible::Policy, Reason::Disabled);

impl LdapPolicy for ByUser {
    fn judge(&mut self, bind: &Bind) -> BindAction {
        match bind.user() {
            b"other" => BindAction::Refuse,
            b"moved" => BindAction::End(MOVED),
            _ => BindAction::Pass,
        }
    }

    fn login_failed(&mut self) {
        self.failed += 1;
    }

    fn login_succeeded(&mut self, name: &[u8]) {
        self.confirmed = Some(name.to_vec());
    }
}

struct Talk {
    gate: Gate<ByUser>,
    back: Buffer,
}

impl Talk {
    fn new() -> Self {
        Self { gate: Gate::new(ByUser::default(), false), back: Buffer::default() }
    }

    fn client(&mut self, octets: &[u8]) -> Next {
        let mut onward = Buffer::default();
        let next = self.gate.hear_client(octets, &mut Replies { onward: &mut onward, back: &mut self.back });
        assert!(onward.is_empty());
        next
    }

    #[track_caller]
    fn passes(&mut self, octets: &[u8]) {
        assert_eq!(self.client(octets), Next::Pass(octets.len() as u64));
    }

    #[track_caller]
    fn waits(&mut self, octets: &[u8]) {
        assert_eq!(self.client(octets), Next::NeedMore);
        assert!(self.gate.holds_client());
    }

    #[track_caller]
    fn target_says(&mut self, id: i32, code: LdapResultCode) {
        let octets = response(id, code);
        let mut onward = Buffer::default();
        let mut back = Buffer::default();
        let next = self.gate.hear_target(&octets, &mut Replies { onward: &mut onward, back: &mut back });
        assert_eq!(next, Next::Pass(octets.len() as u64));
        assert!(back.is_empty());
    }

    /// The answers so far.
    fn answers(&mut self) -> Vec<LdapMsg> {
        let mut octets = BytesMut::from(self.back.filled());
        self.back.consume(octets.len());
        std::iter::from_fn(|| LdapCodec::default().decode(&mut octets).unwrap()).collect()
    }
}

fn encode(msg: LdapMsg) -> Vec<u8> {
    let mut octets = BytesMut::new();
    LdapCodec::default().encode(msg, &mut octets).unwrap();
    octets.to_vec()
}

fn bind(id: i32, user: &str) -> Vec<u8> {
    let cred = LdapBindCred::Simple("p".to_owned());
    let request = LdapBindRequest { version: 3, dn: format!("{user}@x.example"), cred };
    encode(LdapMsg::new(id, LdapOp::BindRequest(request)))
}

fn response(id: i32, code: LdapResultCode) -> Vec<u8> {
    let res = LdapResult { code, matcheddn: String::new(), message: "text".to_owned(), referral: Vec::new() };
    encode(LdapMsg::new(id, LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None })))
}

const UNBIND: &[u8] = &[0x30, 5, 2, 1, 9, 0x42, 0];
const ABANDON: &[u8] = &[0x30, 6, 2, 1, 9, 0x50, 1, 3];
const DELETE: &[u8] = &[0x30, 7, 2, 1, 8, 0x4a, 2, b'a', b'='];
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x07\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

fn method(counts: bool) -> Next {
    let ending = by_client(Reason::Method);
    Next::End(if counts { ending } else { ending.uncounted() })
}

#[test]
fn success_opens_the_gate_and_nothing_else_does() {
    let mut talk = Talk::new();
    talk.passes(&bind(1, "a"));
    talk.waits(DELETE);
    talk.target_says(1, LdapResultCode::Success);
    talk.passes(DELETE);
    talk.passes(ABANDON);
    // A bind closes the gate, whatever user it names. A failed bind keeps it closed.
    talk.passes(&bind(2, "b"));
    talk.waits(ABANDON);
    // An answer with another messageID does not answer the bind.
    talk.target_says(1, LdapResultCode::Success);
    talk.waits(DELETE);
    talk.target_says(2, LdapResultCode::InvalidCredentials);
    assert_eq!(talk.gate.policy().failed, 1);
    talk.passes(ABANDON);
    // The operation was sent before its client could know of the failure.
    assert_eq!(talk.client(DELETE), method(false));

    for code in
        [LdapResultCode::SaslBindInProgress, LdapResultCode::UnwillingToPerform, LdapResultCode::Referral]
    {
        let mut talk = Talk::new();
        talk.passes(&bind(1, "a"));
        talk.target_says(1, code);
        assert_eq!(talk.gate.policy().failed, 0);
        assert_eq!(talk.client(DELETE), method(true));
    }
    // A bind in several steps.
    let mut talk = Talk::new();
    talk.passes(&bind(1, "a"));
    talk.waits(&bind(2, "a"));
    talk.target_says(1, LdapResultCode::SaslBindInProgress);
    talk.passes(&bind(2, "a"));
    talk.target_says(2, LdapResultCode::Success);
    talk.passes(DELETE);
}

#[test]
fn a_refused_bind_is_answered_and_leaves_nobody_logged_in() {
    let mut talk = Talk::new();
    // The bind that decided the connection is not judged again.
    talk.passes(&bind(1, "other"));
    talk.target_says(1, LdapResultCode::Success);
    let second = bind(2, "other");
    assert_eq!(talk.client(&second), Next::Replace { count: second.len(), pass: 0 });
    let answers = talk.answers();
    assert!(matches!(
        &answers[..],
        [LdapMsg { msgid: 2, op: LdapOp::BindResponse(response), .. }]
            if response.res.code == LdapResultCode::UnwillingToPerform
    ));
    assert!(!talk.gate.holds_client());
    let mut same = Talk::new();
    std::mem::swap(&mut same, &mut talk);
    assert_eq!(same.client(DELETE), method(true));
    // A later bind of another user to the same directory passes.
    same.passes(&bind(3, "a"));
    same.target_says(3, LdapResultCode::Success);
    same.passes(DELETE);
    assert_eq!(same.client(&bind(4, "moved")), Next::End(MOVED));
    assert!(same.answers().is_empty());
}

#[test]
fn start_tls_is_answered_here() {
    let mut talk = Talk::new();
    talk.passes(&bind(1, "a"));
    talk.waits(START_TLS);
    talk.target_says(1, LdapResultCode::Success);
    let answered = Next::Replace { count: START_TLS.len(), pass: 0 };
    assert_eq!(talk.client(START_TLS), answered);
    let answers = talk.answers();
    assert!(matches!(
        &answers[..],
        [LdapMsg { msgid: 7, op: LdapOp::ExtendedResponse(response), .. }]
            if response.res.code == LdapResultCode::OperationsError
                && response.name.as_deref() == Some("1.3.6.1.4.1.1466.20037")
    ));
    talk.passes(DELETE);
}

#[test]
fn after_good_bye_nothing_passes_and_nothing_waits_for_it() {
    let mut talk = Talk::new();
    talk.passes(&bind(1, "a"));
    talk.passes(UNBIND);
    let more = [&bind(2, "a")[..], b"whatever"].concat();
    assert_eq!(talk.client(&more), Next::Replace { count: more.len(), pass: 0 });
}

/// Issue 15, B9: a bind of 16 KiB that waits is not read again for every octet that comes behind it.
#[test]
fn what_waits_is_looked_at_by_its_outside_alone() {
    let mut talk = Talk::new();
    talk.passes(&bind(1, "a"));
    let long = bind(2, &"a".repeat(16_000));
    let mut octets = long.clone();
    talk.waits(&octets);
    let before = elements_read();
    for octet in DELETE.repeat(100) {
        octets.push(octet);
        talk.waits(&octets);
    }
    assert_eq!(elements_read() - before, 3 * 100 * DELETE.len());
    // When it is its turn it is read like any other bind.
    talk.target_says(1, LdapResultCode::Success);
    assert_eq!(talk.client(&octets), Next::Pass(long.len() as u64));
}

/// Issue 15, B10: the directory owes an answer to every bind. After an Unbind it owes nothing.
#[test]
fn a_bind_is_owed_an_answer_and_an_unbind_takes_leave() {
    let mut talk = Talk::new();
    for id in 1..3 {
        talk.passes(&bind(id, "a"));
        assert!(talk.gate.owes());
        talk.target_says(id, LdapResultCode::Success);
        talk.passes(DELETE);
        assert!(!talk.gate.owes() && !talk.gate.leaves());
    }
    talk.passes(&bind(3, "a"));
    talk.passes(UNBIND);
    assert!(talk.gate.leaves());
}

/// Issue 15, A8: a directory's success confirms a name only if the bind had a name and a password.
#[test]
fn an_anonymous_success_confirms_no_name() {
    let simple = |name: &str, password: &str| {
        let cred = LdapBindCred::Simple(password.to_owned());
        let request = LdapBindRequest { version: 3, dn: name.to_owned(), cred };
        encode(LdapMsg::new(1, LdapOp::BindRequest(request)))
    };
    for (name, password, confirmed) in [
        ("a@x.example", "p", &b"a"[..]),
        ("a@x.example", "", b""),
        ("", "p", b""),
        ("  ", "p", b""),
        ("", "", b""),
    ] {
        let mut talk = Talk::new();
        talk.passes(&simple(name, password));
        talk.target_says(1, LdapResultCode::Success);
        assert_eq!(talk.gate.policy().confirmed.as_deref(), Some(confirmed), "{name:?} {password:?}");
    }
}

#[test]
fn what_is_refused_is_answered_if_that_is_wanted() {
    for (octets, expected) in
        [(DELETE, LdapResultCode::UnwillingToPerform), (b"\x16\x03\x01", LdapResultCode::ProtocolError)]
    {
        let mut talk = Talk { gate: Gate::new(ByUser::default(), true), back: Buffer::default() };
        talk.passes(&bind(1, "a"));
        talk.target_says(1, LdapResultCode::InvalidCredentials);
        assert!(matches!(talk.client(octets), Next::End(_)));
        let answers = talk.answers();
        let [LdapMsg { op, .. }] = &answers[..] else { panic!("{answers:?}") };
        let result = match op {
            LdapOp::DelResponse(result) => result,
            LdapOp::ExtendedResponse(response) => &response.res,
            other => panic!("{other:?}"),
        };
        assert_eq!(result.code, expected);
    }
}

#[test]
fn a_target_s_messages_go_through_and_what_is_no_ldap_does_not() {
    let mut gate = Gate::new(ByUser::default(), false);
    let (mut onward, mut back) = (Buffer::default(), Buffer::default());
    let mut say =
        |octets: &[u8]| gate.hear_target(octets, &mut Replies { onward: &mut onward, back: &mut back });
    // The first octets of an entry of 4 GiB have arrived. They pass at once and are not held.
    let entry = [0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 2, 1, 2, 0x64, 0x84, 0xff, 0xff, 0xff, 0xf0];
    assert_eq!(say(&entry), Next::Pass(6 + 0xffff_ffff));
    assert_eq!(say(&entry[..9]), Next::NeedMore);
    // RFC 4511 §4.4.1: an unsolicited notification.
    let notice = answer::disconnection();
    assert_eq!(say(&notice), Next::Pass(notice.len() as u64));
    assert_eq!(say(b"HTTP/1.1 400"), Next::End(TARGET_DOWN));
}

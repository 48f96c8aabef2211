//! Logins, and whether the PBX accepts them (contract section 6). The messages are not changed for this.
//!
//! Every answer is judged by the request that it answers. Several requests may be under way, and answers come in any
//! order. A login has failed in two cases. One is a 401 or 407 to credentials with a nonce that this target has given
//! to this address. The other is a 403 to any credentials.
//!
//! Two answers are no failed logins. One is a challenge that calls the nonce stale. The other is a 403 to a call or a
//! subscription of a user who has registered on this connection: the user's password was right, but the call is barred.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU64;
use std::sync::LazyLock;
use std::time::Instant;

use super::SipPolicy;
use crate::inspect::digest::{Credentials, challenges, credentials, next_nonce, username};
use crate::inspect::sip::{FieldKind, Message};

/// How many requests with credentials may be under way on one connection. A trunk may start as many calls within the
/// second in which its PBX checks their passwords.
const UNDER_WAY: usize = 256;

/// No PBX answers later than this, in seconds (RFC 3261 §16.6, timer C).
const ANSWERED_WITHIN: u32 = 300;

/// How long a request that the PBX has accepted is remembered, in seconds. Another request may have the same Call-ID
/// and CSeq, and the first answer may have been meant for that one.
const PASSED: u32 = 32;

/// The result of a request with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// A registration was confirmed.
    Confirmed,
    /// The PBX refused a request as a failed login.
    Failed,
}

/// More requests with credentials are under way than can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

/// The requests with credentials that wait for an answer, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Logins {
    under_way: VecDeque<Request>,
    /// The digest of the name of the user who has registered with a password.
    registered: Option<NonZeroU64>,
}

/// A request with credentials.
#[derive(Debug, Clone, Copy)]
struct Request {
    /// The digest of Call-ID and CSeq, which the answer repeats.
    transaction: u64,
    /// The digest of its nonce. The PBX may give out this nonce before it answers: some targets give the same nonce for
    /// a while.
    nonce: Option<NonZeroU64>,
    /// The digest of the user's name, if the request names exactly one user.
    user: Option<NonZeroU64>,
    /// When it came, in seconds.
    at: u32,
    /// One of its nonces had been given out before.
    answers_challenge: bool,
    registers: bool,
    /// The PBX seems to have accepted it.
    passed: bool,
}

impl Logins {
    /// Takes note of a request that is passed on to the PBX.
    pub(super) fn asked(
        &mut self,
        head: &[u8],
        request: &Message,
        policy: &impl SipPolicy,
    ) -> Result<(), TooMany> {
        let mut fields = request.fields_of(FieldKind::Credentials).map(|field| field.value.of_input(head));
        // An ACK and a response get no answer.
        let Some(method) = request.method(head).filter(|method| *method != b"ACK") else { return Ok(()) };
        let Some(first) = fields.next() else { return Ok(()) };
        let several = request.fields_of(FieldKind::Credentials).nth(1).is_some();
        let mut asked = Request {
            transaction: transaction(head, request),
            nonce: None,
            user: username(first).filter(|_| !several).and_then(NonZeroU64::new),
            at: now(),
            answers_challenge: false,
            registers: method == b"REGISTER",
            passed: false,
        };
        for field in std::iter::once(first).chain(fields) {
            if let Credentials::Digest(nonce) = credentials(field) {
                asked.nonce = asked.nonce.or(NonZeroU64::new(nonce));
                asked.answers_challenge = asked.answers_challenge || policy.has_given(nonce);
            }
        }
        self.forget(asked.at);
        if self.under_way.len() >= UNDER_WAY {
            let passed = self.under_way.iter().position(|request| request.passed).ok_or(TooMany)?;
            self.under_way.remove(passed);
        }
        self.under_way.push_back(asked);
        Ok(())
    }

    /// Forgets requests that will not be answered any more.
    fn forget(&mut self, now: u32) {
        let lives = |request: &Request| {
            now.saturating_sub(request.at) < if request.passed { PASSED } else { ANSWERED_WITHIN }
        };
        while self.under_way.front().is_some_and(|request| !lives(request)) {
            self.under_way.pop_front();
        }
    }

    /// Judges an answer of the PBX. `policy` hears of its nonces at once.
    pub(super) fn answered(
        &mut self,
        head: &[u8],
        answer: &Message,
        status: u16,
        policy: &mut impl SipPolicy,
    ) -> Option<Login> {
        let request = self.request(head, answer, status);
        let registers = answer.cseq_method.of_input(head) == b"REGISTER";
        match status {
            200..300 => {
                let fields = answer.fields_of(FieldKind::AuthenticationInfo);
                let next = fields.filter_map(|field| next_nonce(field.value.of_input(head)));
                next.for_each(|nonce| policy.gave(nonce));
                if let Some(request) = request.filter(|request| registers && request.answers_challenge) {
                    self.registered = request.user.or(self.registered);
                }
                registers.then_some(Login::Confirmed)
            }
            403 => {
                let request = request?;
                let known = request.user.is_some() && request.user == self.registered;
                (request.registers || !known).then_some(Login::Failed)
            }
            401 | 407 => {
                // This is asked before the nonces of this answer are noted.
                let guessed = request.is_some_and(|request| {
                    request.answers_challenge
                        || request.nonce.is_some_and(|nonce| policy.has_given(nonce.get()))
                });
                let mut stale = false;
                for field in answer.fields_of(FieldKind::Challenge) {
                    for challenge in challenges(field.value.of_input(head)) {
                        stale |= challenge.stale;
                        policy.gave(challenge.nonce);
                    }
                }
                (guessed && !stale).then_some(Login::Failed)
            }
            _ => None,
        }
    }

    /// The request that is answered. A refusal removes it, so a second refusal from another branch counts no more.
    /// After any other answer it stays, and is forgotten before others: another request may have the same Call-ID and
    /// CSeq.
    fn request(&mut self, head: &[u8], answer: &Message, status: u16) -> Option<Request> {
        if self.under_way.is_empty() || status <= 100 {
            return None;
        }
        let transaction = transaction(head, answer);
        let is_it = |request: &Request| request.transaction == transaction;
        if matches!(status, 401 | 403 | 407) {
            return self.under_way.iter().position(is_it).and_then(|at| self.under_way.remove(at));
        }
        let request = self.under_way.iter_mut().find(|request| is_it(request) && !request.passed)?;
        request.passed = true;
        Some(*request)
    }
}

/// Seconds since the first call.
fn now() -> u32 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    u32::try_from(BEGIN.elapsed().as_secs()).unwrap_or(u32::MAX)
}

/// A hash of what a response repeats of its request (RFC 3261 §8.2.6.2).
fn transaction(head: &[u8], message: &Message) -> u64 {
    static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let part = |span: crate::inspect::Span| span.of_input(head);
    HASHER.hash_one((part(message.call_id), message.cseq, part(message.cseq_method)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::sip::{Ask, Inspector};
    use crate::proof::token::Tokens;
    use crate::relay::sip::SipAction;

    /// Remembers nonces as the guard does.
    #[derive(Default)]
    struct Given(HashSet<u64>);

    impl SipPolicy for Given {
        fn judge(&mut self, _: &[u8], _: &Message) -> SipAction {
            SipAction::Pass
        }

        fn gave(&mut self, nonce: u64) {
            self.0.insert(nonce);
        }

        fn has_given(&self, nonce: u64) -> bool {
            self.0.contains(&nonce)
        }

        fn login(&mut self, _: Login, _: &[u8], _: &Message) {}

        fn tokens(&self) -> &Tokens {
            unreachable!("nobody asks")
        }
    }

    #[derive(Default)]
    struct Talk {
        logins: Logins,
        given: Given,
    }

    impl Talk {
        fn asks(&mut self, method: &str, call: u32, login: &str) -> Result<(), TooMany> {
            let login =
                if login.is_empty() { String::new() } else { format!("Authorization: Digest {login}\r\n") };
            let head = format!(
                "{method} sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:a@x>\r\n\
                 Call-ID: {call}\r\nCSeq: {call} {method}\r\n{login}Content-Length: 0\r\n\r\n"
            );
            let Inspect::Found { ask: Ask::Message(request), .. } =
                Inspector::of_client().inspect(head.as_bytes())
            else {
                panic!("{head}")
            };
            self.logins.asked(head.as_bytes(), &request, &self.given)
        }

        fn answers(&mut self, status: u16, method: &str, call: u32, lines: &str) -> Option<Login> {
            let head = format!(
                "SIP/2.0 {status} X\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:a@x>;tag=b\r\n\
                 Call-ID: {call}\r\nCSeq: {call} {method}\r\n{lines}Content-Length: 0\r\n\r\n"
            );
            let Inspect::Found { ask: Ask::Message(answer), .. } =
                Inspector::of_target().inspect(head.as_bytes())
            else {
                panic!("{head}")
            };
            self.logins.answered(head.as_bytes(), &answer, status, &mut self.given)
        }
    }

    const CHALLENGE: &str = "WWW-Authenticate: Digest nonce=\"n\"\r\n";

    #[test]
    fn answers_in_any_order_count_once_each() {
        let mut talk = Talk::default();
        assert_eq!(talk.answers(401, "REGISTER", 1, CHALLENGE), None, "nobody had logged in");
        for call in 2..12 {
            talk.asks("MESSAGE", call, "username=a, nonce=n").unwrap();
        }
        for call in (2..12).rev() {
            assert_eq!(talk.answers(100, "MESSAGE", call, ""), None);
            assert_eq!(talk.answers(407, "MESSAGE", call, ""), Some(Login::Failed), "{call}");
            assert_eq!(talk.answers(407, "MESSAGE", call, ""), None, "of another branch");
        }
        assert!(talk.logins.under_way.is_empty());
    }

    #[test]
    fn another_request_with_the_same_call_id_hides_nothing() {
        let mut talk = Talk::default();
        talk.answers(401, "REGISTER", 1, CHALLENGE);
        talk.asks("MESSAGE", 2, "").unwrap();
        talk.asks("MESSAGE", 2, "nonce=n").unwrap();
        assert_eq!(talk.answers(404, "MESSAGE", 2, ""), None, "to the one without credentials");
        assert_eq!(talk.answers(401, "MESSAGE", 2, ""), Some(Login::Failed));
    }

    #[test]
    fn a_nonce_may_be_given_while_its_login_is_under_way() {
        let mut talk = Talk::default();
        for call in 1..4 {
            talk.asks("REGISTER", call, "nonce=n").unwrap();
        }
        assert_eq!(talk.answers(401, "REGISTER", 1, CHALLENGE), None);
        assert_eq!(talk.answers(401, "REGISTER", 2, CHALLENGE), Some(Login::Failed));
        let stale = "WWW-Authenticate: Basic realm=x, Digest nonce=\"m\", stale=true\r\n";
        assert_eq!(talk.answers(401, "REGISTER", 3, stale), None);
        // A nonce in the answer to a good login counts as well.
        talk.answers(200, "REGISTER", 4, "Authentication-Info: nextnonce=\"next\"\r\n");
        talk.asks("INVITE", 5, "nonce=next").unwrap();
        assert_eq!(talk.answers(401, "INVITE", 5, ""), Some(Login::Failed));
    }

    #[test]
    fn a_403_is_call_barring_for_a_registered_user() {
        let mut talk = Talk::default();
        talk.answers(401, "REGISTER", 1, CHALLENGE);
        // Credentials that the PBX does not check prove no user.
        talk.asks("OPTIONS", 2, "username=a, nonce=n").unwrap();
        assert_eq!(talk.answers(200, "OPTIONS", 2, ""), None);
        talk.asks("REGISTER", 3, "username=a, nonce=other").unwrap();
        assert_eq!(talk.answers(200, "REGISTER", 3, ""), Some(Login::Confirmed));
        talk.asks("INVITE", 4, "username=a, nonce=n").unwrap();
        assert_eq!(talk.answers(403, "INVITE", 4, ""), Some(Login::Failed));
        talk.asks("REGISTER", 5, "username=a, nonce=n").unwrap();
        assert_eq!(talk.answers(200, "REGISTER", 5, ""), Some(Login::Confirmed));
        for (call, method, user, expected) in [
            (6, "INVITE", "a", None),
            (7, "SUBSCRIBE", "a", None),
            (8, "INVITE", "b", Some(Login::Failed)),
            (9, "REGISTER", "a", Some(Login::Failed)),
        ] {
            talk.asks(method, call, &format!("username={user}, nonce=n")).unwrap();
            assert_eq!(talk.answers(403, method, call, ""), expected, "{method} {user}");
        }
        assert_eq!(talk.answers(403, "INVITE", 10, ""), None, "without credentials");
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut talk = Talk::default();
        for call in 0..UNDER_WAY {
            talk.asks("INVITE", u32::try_from(call).unwrap(), "nonce=n").unwrap();
        }
        assert_eq!(talk.asks("INVITE", 1_000, "nonce=n"), Err(TooMany));
        // A call that rings makes room, and so does a call that has ended.
        talk.answers(180, "INVITE", 3, "");
        talk.answers(486, "INVITE", 4, "");
        talk.asks("INVITE", 1_001, "nonce=n").unwrap();
        talk.asks("INVITE", 1_002, "nonce=n").unwrap();
        assert_eq!(talk.asks("INVITE", 1_003, "nonce=n"), Err(TooMany));
        talk.asks("INVITE", 1_004, "").unwrap();
        talk.asks("ACK", 1_005, "nonce=n").unwrap();
    }
}

//! Looks at every message of a routed SIP connection, in both directions (contract section 3).

use super::answer::{FORBIDDEN, TOO_LARGE, respond};
use super::change::{change, length, prove, without};
use super::disguise::Disguise;
use super::edit::Edits;
use super::login::Logins;
use super::policy::{SipAction, SipPolicy};
use super::record::Recording;
use super::transport;
use crate::inspect::Inspect;
use crate::inspect::sip::{
    Ask, Faulty, HEAD_LIMIT, Inspector, Kind, LongHead, MESSAGE_LIMIT, Message, TARGET_HEAD_LIMIT,
};
use crate::proof::own_routes::{OwnRoutes, PublicAddress};
use crate::reason::Reason;
use crate::relay::watched::{Next, Replies, TARGET_DOWN, Watch, by_client};
use crate::route::proving::Changes;

/// A client that came by WebSocket.
#[derive(Debug)]
pub struct Browser {
    /// The Host of the handshake, as it came.
    pub named: Box<[u8]>,
    /// The WebSocket is in TLS.
    pub tls: bool,
    /// Hides the browser from a PBX that is reached by TCP or TLS. `None`: the PBX is reached by WebSocket.
    pub disguise: Option<Disguise>,
}

/// The watch of one connection.
#[derive(Debug)]
pub struct SipWatch<P> {
    policy: P,
    recording: Option<Box<Recording>>,
    /// Via and Contact are rewritten.
    rewrites: bool,
    /// The client came by WebSocket.
    browser: Option<Box<Browser>>,
    /// The longest message toward the PBX, in octets (contract section 3, `max_message`).
    max_message: u32,
    client: Inspector,
    target: Inspector,
    /// A message of the target that is too long to be read. It is being passed on unread.
    unread: Option<Box<LongHead>>,
    /// How many octets of a refused request's body are still to come. They are dropped.
    skip: u32,
    /// The client's last octets were one CRLF. A second CRLF completes a ping.
    half_ping: bool,
    logins: Logins,
    /// A ping went on to the PBX although Portward answered it. The PBX's pong is not for the client.
    pong_due: bool,
    /// Whether the PBX still owes its first answer.
    first: First,
}

/// The state of the PBX's first answer. An ACK gets no answer (RFC 3261 §17.1.1.3), and an ACK may come first on a
/// connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// No request has been passed on.
    Unasked,
    /// A request has been passed on, and the PBX has not sent anything.
    Owed,
    /// The PBX has sent something.
    Came,
}

impl<P: SipPolicy> SipWatch<P> {
    /// A watch that asks `policy`. `rewrites`: Via and Contact are rewritten. `max_message`: the longest message toward
    /// the PBX, in octets.
    pub fn new(policy: P, recording: Option<Recording>, rewrites: bool, max_message: u32) -> Self {
        Self {
            policy,
            recording: recording.map(Box::new),
            rewrites,
            browser: None,
            max_message,
            client: Inspector::of_client(),
            target: Inspector::of_target(),
            unread: None,
            skip: 0,
            half_ping: false,
            logins: Logins::default(),
            pong_due: false,
            first: First::Unasked,
        }
    }

    /// The same for a client that came by WebSocket. Every refusal is answered (contract section 9).
    pub fn for_browser(self, browser: Browser) -> Self {
        Self { browser: Some(Box::new(browser)), ..self }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// RFC 5626 §3.5.1: Portward answers a ping, hop by hop. It also passes the ping on to keep the PBX's connection
    /// alive.
    fn keep_alive(&mut self, replies: &mut Replies<'_>) -> Next {
        if self.half_ping {
            replies.back.extend(b"\r\n");
            self.pong_due = true;
        }
        self.half_ping = !self.half_ping;
        Next::Pass(2)
    }

    fn of_client(&mut self, head: &[u8], message: &Message, replies: &mut Replies<'_>) -> Next {
        let mut edits = Edits::default();
        let is_ack = message.method(head) == Some(b"ACK");
        let is_too_much = length(head.len(), message) > u64::from(MESSAGE_LIMIT);
        if is_ack && !is_too_much && self.policy.tokens().is_acknowledged(head, message) {
            return self.drop_message(head, message);
        }
        let sentence = match message.method(head) {
            Some(_) => self.policy.screen(head, message, None),
            None => SipAction::Pass,
        };
        let sentence = match message.method(head) {
            _ if sentence != SipAction::Pass => sentence,
            Some(b"REGISTER") => self.policy.judge(head, message),
            Some(b"INVITE") if message.to_tag.is_empty() => self.policy.judge(head, message),
            Some(_) => self.policy.hold(head, message),
            None => {
                self.policy.foreign(head, message, &mut |field| edits.cut(field.line.range()));
                SipAction::Pass
            }
        };
        let mut changes = Changes::default();
        let sentence = match message.method(head) {
            Some(_) if sentence == SipAction::Pass => self.policy.prove(head, message, &mut changes),
            _ => sentence,
        };
        match sentence {
            SipAction::End(ending) => {
                if self.browser.is_some() {
                    self.answer(FORBIDDEN, head, message, replies);
                }
                return Next::End(ending);
            }
            SipAction::Refuse { status, ending } => {
                self.answer(status, head, message, replies);
                return Next::End(ending);
            }
            _ if is_too_much => {
                self.answer(TOO_LARGE, head, message, replies);
                return Next::End(by_client(Reason::TooLarge).uncounted());
            }
            SipAction::Pass => {}
            SipAction::Answer { status, more } => {
                self.answer_with(status, &more, (head, message), replies);
                return self.drop_message(head, message);
            }
            SipAction::Forbid => {
                self.answer(FORBIDDEN, head, message, replies);
                return self.drop_message(head, message);
            }
        }
        prove(&changes, head, &mut edits);
        let address = self.recording.as_ref().and_then(|recording| recording.address());
        let front = self
            .browser
            .as_ref()
            .and_then(|browser| PublicAddress::of_websocket(&browser.named, browser.tls));
        let own = OwnRoutes { tokens: self.policy.tokens(), address, front };
        if let Err(reason) = change(&own, self.rewrites, (head, message), &mut edits) {
            return Next::End(by_client(reason));
        }
        if let Some(disguise) = disguise(&mut self.browser) {
            disguise.hide(head, message, &mut edits);
        }
        if length(edits.length(head), message) > u64::from(self.max_message) {
            self.policy.too_long(head, message);
            self.answer(TOO_LARGE, head, message, replies);
            return self.drop_message(head, message);
        }
        // The PBX judges the login in what it sees. Credentials for Portward itself are no login there.
        let seen = without(message, &changes.cut);
        if self.logins.asked(head, seen.as_ref().unwrap_or(message), &self.policy).is_err() {
            return Next::End(by_client(Reason::Limit));
        }
        let is_answered = message.method(head).is_some() && !is_ack;
        if is_answered && self.first == First::Unasked {
            self.first = First::Owed;
        }
        onward(head, message, &edits, replies)
    }

    /// Answers a faulty request. No octet of it is passed on.
    fn turn_away(&mut self, head: &[u8], faulty: &Faulty, replies: &mut Replies<'_>) -> Next {
        let message = &faulty.message;
        match self.policy.screen(head, message, Some(faulty)) {
            SipAction::Answer { status, more } => {
                self.answer_with(status, &more, (head, message), replies);
                self.drop_message(head, message)
            }
            SipAction::Refuse { status, ending } => {
                self.answer(status, head, message, replies);
                Next::End(ending)
            }
            SipAction::End(ending) => {
                if self.browser.is_some() {
                    self.answer(FORBIDDEN, head, message, replies);
                }
                Next::End(ending)
            }
            SipAction::Pass | SipAction::Forbid => Next::End(by_client(Reason::Malformed)),
        }
    }

    /// Answers a request, unless it is an ACK, which has no answer (RFC 3261 §17).
    fn answer(&self, status: &str, head: &[u8], message: &Message, replies: &mut Replies<'_>) {
        self.answer_with(status, "", (head, message), replies);
    }

    /// The same with further header fields.
    fn answer_with(
        &self,
        status: &str,
        more: &str,
        (head, message): (&[u8], &Message),
        replies: &mut Replies<'_>,
    ) {
        if message.method(head).is_some_and(|method| method != b"ACK") {
            let tag = self.policy.tokens().tag(message.call_id.of_input(head), message.cseq);
            respond(status, head, message, &tag, more, replies.back.vec());
        }
    }

    /// Passes on the part of a PBX's too long message that is there. Nothing is added to such a message, and a login
    /// that it answers is not seen. But the connection goes on.
    fn pass_unread(&mut self, mut long: Box<LongHead>, octets: &[u8]) -> Next {
        match long.pass(octets) {
            Ok(passed) => {
                if passed.is_last {
                    return Next::Pass(passed.octets);
                }
                self.unread = Some(long);
                Next::Part(passed.octets)
            }
            Err(_) => Next::End(TARGET_DOWN),
        }
    }

    fn drop_message(&mut self, head: &[u8], message: &Message) -> Next {
        self.skip = message.body;
        Next::Replace { count: head.len(), pass: 0 }
    }
}

/// The browser's own values, if they are hidden from the PBX.
fn disguise(browser: &mut Option<Box<Browser>>) -> Option<&mut Disguise> {
    browser.as_mut()?.disguise.as_mut()
}

/// The message with its edits. Without edits it passes as it came.
fn onward(head: &[u8], message: &Message, edits: &Edits, replies: &mut Replies<'_>) -> Next {
    if edits.is_empty() {
        return Next::Pass(head.len() as u64 + u64::from(message.body));
    }
    edits.apply(head, replies.onward.vec());
    Next::Replace { count: head.len(), pass: u64::from(message.body) }
}

impl<P: SipPolicy> Watch for SipWatch<P> {
    const CLIENT_LIMIT: usize = HEAD_LIMIT;
    const TARGET_LIMIT: usize = TARGET_HEAD_LIMIT;

    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        if self.skip > 0 {
            let count = octets.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.skip -= u32::try_from(count).unwrap_or(self.skip);
            return Next::Replace { count, pass: 0 };
        }
        self.client.examine(self.policy.examines());
        match self.client.inspect(octets) {
            Inspect::NeedMore => Next::NeedMore,
            Inspect::Reject(reason) => Next::End(by_client(reason)),
            Inspect::Found { ask: Ask::KeepAlive, .. } => {
                self.client.reset();
                self.keep_alive(replies)
            }
            Inspect::Found { ask: Ask::Message(message), len } => {
                self.client.reset();
                self.half_ping = false;
                self.of_client(octets.get(..len).unwrap_or_default(), &message, replies)
            }
            Inspect::Found { ask: Ask::Faulty(faulty), len } => {
                self.client.reset();
                self.half_ping = false;
                self.turn_away(octets.get(..len).unwrap_or_default(), &faulty, replies)
            }
        }
    }

    fn owes(&self) -> bool {
        self.first == First::Owed
    }

    fn hear_target(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        self.first = First::Came;
        if let Some(long) = self.unread.take() {
            return self.pass_unread(long, octets);
        }
        match self.target.inspect(octets) {
            Inspect::NeedMore => Next::NeedMore,
            Inspect::Reject(Reason::TooLarge) => {
                self.target.reset();
                self.pass_unread(Box::default(), octets)
            }
            // The PBX does not speak SIP, or sends a faulty message. That never counts against the client.
            Inspect::Reject(_) | Inspect::Found { ask: Ask::Faulty(_), .. } => Next::End(TARGET_DOWN),
            Inspect::Found { ask: Ask::KeepAlive, .. } => {
                self.target.reset();
                let is_ping = octets.starts_with(b"\r\n\r\n");
                if is_ping && self.browser.is_some() {
                    // Browsers know no keep-alive except that of WebSocket.
                    replies.back.extend(b"\r\n");
                    return Next::Replace { count: 4, pass: 0 };
                }
                if is_ping {
                    return Next::Pass(4);
                }
                if self.browser.is_some() {
                    return Next::Replace { count: 2, pass: 0 };
                }
                match std::mem::take(&mut self.pong_due) {
                    true => Next::Replace { count: 2, pass: 0 },
                    false => Next::Pass(2),
                }
            }
            Inspect::Found { ask: Ask::Message(message), len } => {
                self.target.reset();
                let head = octets.get(..len).unwrap_or_default();
                if let Kind::Response { status } = message.kind
                    && let Some(login) = self.logins.answered(head, &message, status, &mut self.policy)
                {
                    self.policy.login(login, head, &message);
                }
                self.policy.heard(head, &message);
                let mut edits = Edits::default();
                if let Some(recording) = &self.recording {
                    recording.record(head, &message, &mut edits);
                }
                if let Some(disguise) = disguise(&mut self.browser) {
                    disguise.reveal(head, &message, &mut edits);
                }
                if self.rewrites {
                    transport::to_tls(head, &message, &mut edits);
                }
                onward(head, &message, &edits, replies)
            }
        }
    }
}

//! A message before the decision: how it is answered, and how the log shows it.

use crate::conn::certificate::Worth;
use crate::inspect::sip::{Fault, MESSAGE_LIMIT, Message};
use crate::log::Subject;
use crate::proof::token::Tokens;
use crate::relay::sip::respond;

/// A message before the decision.
pub(in crate::conn) struct First {
    pub(super) head: Box<[u8]>,
    pub(super) message: Message,
    /// What is wrong with the message, and whether its end is known.
    pub(super) fault: Option<(Fault, bool)>,
    /// The client in the message, for the log: `user@host` of From.
    pub(super) who: Vec<u8>,
    /// The verdict on the client's certificate, for the log.
    pub(super) cert: Worth,
}

impl First {
    /// Answers the message. ACKs and responses get no answer (RFC 3261 §17).
    pub(super) fn answer(&self, tokens: &Tokens, status: &str, more: &str, out: &mut Vec<u8>) {
        let Self { head, message, .. } = self;
        if message.method(head).is_some_and(|method| method != b"ACK") {
            let tag = tokens.tag(message.call_id.of_input(head), message.cseq);
            respond(status, head, message, &tag, more, out);
        }
    }

    pub(super) fn new(head: &[u8], message: Message, fault: Option<(Fault, bool)>) -> Self {
        let who = who(head, &message);
        Self { head: head.into(), message, fault, who, cert: Worth::default() }
    }

    /// Whether the message is too long to be read to its end.
    pub(super) fn is_too_much(&self) -> bool {
        self.head.len() as u64 + u64::from(self.message.body) > u64::from(MESSAGE_LIMIT)
    }
}

/// `user@host` of From, or the whole URI if it has no host.
pub(super) fn who(head: &[u8], message: &Message) -> Vec<u8> {
    let (user, host) = (message.from.user.of_input(head), message.from.host.of_input(head));
    match (user, host) {
        (_, []) => message.from.uri.of_input(head).to_vec(),
        ([], host) => host.to_vec(),
        (user, host) => [user, b"@", host].concat(),
    }
}

/// A request as the log shows it.
pub(super) fn subject<'a>(who: &'a [u8], head: &'a [u8], request: &Message, cert: &'a Worth) -> Subject<'a> {
    cert.subject(who, request.method(head).unwrap_or_default(), b"")
}

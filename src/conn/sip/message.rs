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
    /// What is wrong with it, and whether it is known where it ends.
    pub(super) fault: Option<(Fault, bool)>,
    /// The client in it, for the log: `user@host` of From.
    pub(super) who: Vec<u8>,
    /// The verdict on the client's certificate, for the log.
    pub(super) cert: Worth,
}

impl First {
    /// Answers it, unless it is an ACK or a response, which have no answer (RFC 3261 §17).
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

    /// Whether it is longer than is read to its end.
    pub(super) fn is_too_much(&self) -> bool {
        self.head.len() as u64 + u64::from(self.message.body) > u64::from(MESSAGE_LIMIT)
    }
}

/// `user@host` of From, or the whole URI where it has no host.
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

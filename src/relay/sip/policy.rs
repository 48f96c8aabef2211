//! What the watch of a connection asks the policy, which knows the rules, and what the answers are.

use super::login::Login;
use crate::ending::Ending;
use crate::inspect::sip::{Faulty, Field, Message};
use crate::proof::token::Tokens;
use crate::route::proving::Changes;

/// What is to become of a later registration or call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipAction {
    /// It goes where the connection goes.
    Pass,
    /// It is answered 403; the connection stays and nothing counts.
    Forbid,
    /// It is answered so; the connection stays.
    Answer {
        /// Code and phrase.
        status: &'static str,
        /// Further header fields, each with its CRLF.
        more: String,
    },
    /// It ends the connection.
    End(Ending),
    /// It is answered so, and ends the connection.
    Refuse {
        /// Code and phrase.
        status: &'static str,
        /// How the connection ends.
        ending: Ending,
    },
}

/// Knows the rules, and which names the client's certificate proves. `head` is the header section of the message each time.
pub trait SipPolicy {
    /// Whether requests are held to what RFC 3261 §8.1.1 demands ([`Inspector::examine`](crate::inspect::sip::Inspector::examine)).
    fn examines(&self) -> bool {
        false
    }
    /// What any request is held to before it is asked where it may go. With a fault it may not pass.
    fn screen(&mut self, _head: &[u8], _request: &Message, _faulty: Option<&Faulty>) -> SipAction {
        SipAction::Pass
    }
    /// Where a REGISTER, or an INVITE without a To tag, may go, and whether it may use the names in it.
    fn judge(&mut self, head: &[u8], request: &Message) -> SipAction;
    /// Whether any other request of the client may use the names in it. It may if no certificate has proven the connection.
    fn hold(&mut self, _head: &[u8], _request: &Message) -> SipAction {
        SipAction::Pass
    }
    /// Whether any request may go on as far as its client must have proven itself with a credential. `changes` is what is
    /// changed of it then.
    fn prove(&mut self, _head: &[u8], _request: &Message, _changes: &mut Changes) -> SipAction {
        SipAction::Pass
    }
    /// A message of the PBX: a request may open a dialog with the client, an answer may confirm one.
    fn heard(&mut self, _head: &[u8], _message: &Message) {}
    /// Gives `cut` the fields of a client's response with names that the certificate does not prove.
    fn foreign(&self, _head: &[u8], _response: &Message, _cut: &mut dyn FnMut(&Field)) {}
    /// A message of the client that is longer than the PBX may be sent goes nowhere.
    fn too_long(&mut self, _head: &[u8], _message: &Message) {}
    /// The PBX has given the client a nonce, by its digest.
    fn gave(&mut self, _nonce: u64) {}
    /// Whether it gave it to the client's address, on any connection.
    fn has_given(&self, _nonce: u64) -> bool {
        false
    }
    /// What the PBX has made of a login; `head` and `answer` are its answer.
    fn login(&mut self, login: Login, head: &[u8], answer: &Message);
    /// Makes tags and knows route entries.
    fn tokens(&self) -> &Tokens;
}

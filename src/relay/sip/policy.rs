//! What the watch of a connection asks the policy, and the policy's answers. The policy knows the rules.

use super::login::Login;
use crate::ending::Ending;
use crate::inspect::sip::{Faulty, Field, Message};
use crate::proof::token::Tokens;
use crate::route::proving::Changes;

/// The decision about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipAction {
    /// It is passed on to the connection's target.
    Pass,
    /// It is answered 403; the connection stays and nothing counts.
    Forbid,
    /// It is answered with this status. The connection stays.
    Answer {
        /// Code and phrase.
        status: &'static str,
        /// Further header fields, each with its CRLF.
        more: String,
    },
    /// It ends the connection.
    End(Ending),
    /// It is answered with this status, and the connection ends.
    Refuse {
        /// Code and phrase.
        status: &'static str,
        /// How the connection ends.
        ending: Ending,
    },
}

/// Knows the rules, and which names the client's certificate proves. `head` is always the header section of the
/// message.
pub trait SipPolicy {
    /// Whether requests must satisfy RFC 3261 §8.1.1 ([`Inspector::examine`](crate::inspect::sip::Inspector::examine)).
    fn examines(&self) -> bool {
        false
    }
    /// Checks that come before any other question. A request with a fault may not pass.
    fn screen(&mut self, _head: &[u8], _request: &Message, _faulty: Option<&Faulty>) -> SipAction {
        SipAction::Pass
    }
    /// Decides where a REGISTER, or an INVITE without a To tag, may go, and whether it may use the names in it.
    fn judge(&mut self, head: &[u8], request: &Message) -> SipAction;
    /// Decides whether any other request of the client may use the names in it. All names pass unless a certificate has
    /// proven the connection.
    fn hold(&mut self, _head: &[u8], _request: &Message) -> SipAction {
        SipAction::Pass
    }
    /// Decides whether a request may pass although its client must prove itself with a credential. `changes` gets the
    /// changes to the request in that case.
    fn prove(&mut self, _head: &[u8], _request: &Message, _changes: &mut Changes) -> SipAction {
        SipAction::Pass
    }
    /// Takes note of a message of the PBX: a request may open a dialog with the client, a response may confirm one.
    fn heard(&mut self, _head: &[u8], _message: &Message) {}
    /// Passes to `cut` those fields of a client's response that contain names which the certificate does not prove.
    fn foreign(&self, _head: &[u8], _response: &Message, _cut: &mut dyn FnMut(&Field)) {}
    /// Takes note of a client's message that was dropped because it is longer than the PBX allows.
    fn too_long(&mut self, _head: &[u8], _message: &Message) {}
    /// Takes note of a nonce that the PBX has given to the client. `_nonce` is its digest.
    fn gave(&mut self, _nonce: u64) {}
    /// Whether the PBX has given this nonce to the client's address, on any connection.
    fn has_given(&self, _nonce: u64) -> bool {
        false
    }
    /// Takes note of the result of a login. `head` and `answer` are the PBX's answer.
    fn login(&mut self, login: Login, head: &[u8], answer: &Message);
    /// Makes tags and verifies route entries.
    fn tokens(&self) -> &Tokens;
}

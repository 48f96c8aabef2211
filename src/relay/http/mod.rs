//! One HTTP exchange: a decided request goes to its target, and the response comes back (RFC 9112).
//!
//! Both directions run at once in one task, because a target may answer early and a client may wait for 100 (Continue).
//! At most one buffer of a body is held.

mod asked;
mod exchange;
mod head;
mod pace;

pub use asked::Asked;
pub use exchange::{After, ExchangeError, Exchanged, Failure, Outgoing, Patience, Witness, exchange};
pub use head::{AnswerEdits, request_head};
pub(crate) use head::{OWN_FIELDS, own_document, own_json, own_nothing, own_response};

//! LDAP requests (RFC 4511): who is asked for, read so strictly that no directory can read it otherwise.
//!
//! The framing and the bind are read here and not by `ldap3_proto`, which is what Portward's own answers are written
//! with and what the tests hold this room against: it waits for a length of 4 GiB as for any other, copies passwords,
//! refuses those that are no UTF-8, and does not mind what follows in a bind. Here:
//!
//! | rule | source |
//! |---|---|
//! | tags of one octet, definite lengths of four octets at most, which need not be minimal | §5.1 |
//! | the messageID is 1 to 2^31-1, the operation is a request | §4.1.1, §4.1.1.1 |
//! | a bind has at most [`LDAP_LIMIT`] octets, version 2 or 3, and nothing behind its parts | §4.2 |
//! | an empty password is anonymous whatever the name is | RFC 4513 §5.1.2 |
//! | StartTLS has neither a value nor controls | §4.14.1 |
//! | controls are well-formed as far as their frame goes | §4.1.11 |
//!
//! Of a bind and of StartTLS the whole message is waited for; any other operation is known by its outside, and its
//! content may be of any length. This room decides what a message *is*; where it may go is the rules' business.

mod answer;
mod ber;
mod bind;
mod dn;
mod message;
mod name;

pub use answer::{Answer, answer};
pub use bind::{Bind, Proof, Wants};
pub use message::Operation;
pub use name::{Domain, Unclear, User, read as bind_name};

use super::Inspect;
use crate::reason::Reason;
use ber::{Elements, Malformed};
use message::Outside;

/// The longest bind, and the longest StartTLS. A Kerberos ticket of many groups would fit; 16 KiB is also what
/// Active Directory takes from a stranger.
pub const LDAP_LIMIT: usize = 16 * 1024;

/// How many octets of a message of a server are needed for an [`Answer`].
pub const ANSWER_LIMIT: usize = 32;

/// RFC 4511 §4.14.
pub const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// What a message of a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// To be known as somebody.
    Bind(Bind),
    /// To speak TLS from now on.
    StartTls {
        /// The messageID.
        id: u32,
    },
    /// Anything else. `len` is what the outside takes and, of an extended request, its name.
    Other {
        /// The messageID.
        id: u32,
        /// What it is.
        operation: Operation,
        /// The octets of the whole message.
        size: u64,
    },
}

/// Reads one message of a client. Looks at a bounded number of octets until a bind is complete, and at that once, so
/// there is nothing to remember.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inspector;

impl Inspector {
    /// Looks at the octets so far; `input` must begin with what was given before.
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Ask> {
        match read(input) {
            Ok(Some((ask, len))) => Inspect::Found { ask, len },
            Ok(None) => Inspect::NeedMore,
            Err(reason) => Inspect::Reject(reason),
        }
    }
}

impl From<Malformed> for Reason {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

fn read(input: &[u8]) -> Result<Option<(Ask, usize)>, Reason> {
    let Some((outside, operation)) = Outside::of_request(input)? else { return Ok(None) };
    let Outside { id, before, content, size, .. } = outside;
    let other = Ask::Other { id, operation, size };
    if operation != Operation::Bind {
        if operation != Operation::Extended {
            return Ok(Some((other, before)));
        }
        let Some((name, len)) = request_name(input.get(before..).unwrap_or_default(), content)? else {
            return Ok(None);
        };
        if name != START_TLS {
            return Ok(Some((other, before + len)));
        }
    }
    let size = usize::try_from(size).ok().filter(|size| *size <= LDAP_LIMIT).ok_or(Reason::TooLarge)?;
    let Some(message) = input.get(..size) else { return Ok(None) };
    let end = usize::try_from(content).map_err(|_| Reason::TooLarge)? + before;
    let content = message.get(before..end).ok_or(Reason::Malformed)?;
    let after = message.get(end..).ok_or(Reason::Malformed)?;
    let ask = if operation == Operation::Bind {
        controls(after)?;
        Ask::Bind(bind::read(id, content)?)
    } else if after.is_empty() && content.len() == START_TLS.len() + 2 {
        Ask::StartTls { id }
    } else {
        return Err(Reason::Malformed);
    };
    Ok(Some((ask, size)))
}

/// The requestName of an extended request whose content has `content` octets, and how many of them it takes.
/// One that is too long for StartTLS is not waited for.
fn request_name(input: &[u8], content: u32) -> Result<Option<(&[u8], usize)>, Reason> {
    if content < 2 || input.first().is_some_and(|tag| *tag != 0x80) {
        return Err(Reason::Malformed);
    }
    let Some(head) = ber::head(input)? else {
        let short = usize::try_from(content).is_ok_and(|content| content <= input.len());
        return if short { Err(Reason::Malformed) } else { Ok(None) };
    };
    let len = u64::try_from(head.size).unwrap_or(u64::MAX) + u64::from(head.content);
    if len > u64::from(content) {
        return Err(Reason::Malformed);
    }
    let Some(len) = usize::try_from(len).ok().filter(|len| len - head.size <= START_TLS.len()) else {
        return Ok(Some((&[], head.size)));
    };
    Ok(input.get(head.size..len).map(|name| (name, len)))
}

/// What follows an operation: nothing, or one element that holds controls.
fn controls(after: &[u8]) -> Result<(), Reason> {
    if after.is_empty() {
        return Ok(());
    }
    let mut outer = Elements(after);
    let mut list = Elements(outer.expect(0xa0)?);
    while !list.is_empty() {
        list.expect(0x30)?;
    }
    if outer.is_empty() { Ok(()) } else { Err(Reason::Malformed) }
}

#[cfg(test)]
mod tests;

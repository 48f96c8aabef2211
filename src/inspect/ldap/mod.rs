//! LDAP requests (RFC 4511): which host a message asks for. They are read so strictly that no directory can read them
//! differently.
//!
//! The framing and the bind are read here and not by `ldap3_proto`. That crate waits for a message of 4 GiB, copies
//! passwords, refuses passwords that are no UTF-8, and ignores further octets in a bind. Portward's own answers are
//! written with it, and the tests compare this room with it. The rules here are:
//!
//! | rule | source |
//! |---|---|
//! | tags of one octet, definite lengths of four octets at most, which need not be minimal | §5.1 |
//! | the messageID is 1 to 2^31-1, the operation is a request | §4.1.1, §4.1.1.1 |
//! | a bind has at most [`LDAP_LIMIT`] octets, version 2 or 3, and nothing after its parts | §4.2 |
//! | a bind without a password or without a name is anonymous | RFC 4513 §5.1.1, §5.1.2 |
//! | the name of an extended request is a numeric object identifier and nothing else | §4.1.2, RFC 4512 §1.4 |
//! | StartTLS has neither a value nor controls | §4.14.1 |
//! | the controls of a bind are well-formed and do not change its identity | §4.1.11, RFC 4370 |
//!
//! An object identifier has one spelling here. Directories in C compare it as a NUL-terminated string (389 Directory
//! Server and Samba with `strcmp`), and others normalise it first. So any other spelling is refused.
//!
//! `ber` reads BER elements, `message` the envelope of a message, `bind` a bind, `name` (with `dn` and
//! `user`) the name in it, `oid` object identifiers, `root_dse` a search of the root DSE, and `answer` the messages of a
//! directory. `spellings` has the tests of other spellings.
//!
//! A bind and StartTLS are read when the whole message has come. For any other operation the envelope is enough, and
//! its content may have any length. This room decides what a message *is*. The rules decide where it may go.

mod answer;
mod ber;
mod bind;
mod dn;
mod message;
mod name;
mod oid;
mod root_dse;
mod user;

pub use answer::{Answer, answer};
pub use bind::{Bind, Proof, Wants};
pub use message::{LDAP_LIMIT, Operation};
pub use name::read as bind_name;
pub use root_dse::{Attributes, RootDse, root_dse};
pub use user::{Domain, Unclear, User};

use super::Inspect;
use crate::reason::Reason;
use ber::{Elements, Malformed};
use message::Outside;

/// How many octets of a server's message are needed for an [`Answer`].
pub const ANSWER_LIMIT: usize = 32;

/// The longest object identifier that is read. The identifiers registered for LDAP have at most about 40 octets.
const OID_LIMIT: usize = 128;

/// Proxied authorization (RFC 4370), and its earlier version (draft-weltman-ldapv3-proxy-04): the operation is done
/// under another identity. Neither is meant for a bind.
const PROXIED: [&[u8]; 2] = [b"2.16.840.1.113730.3.4.18", b"2.16.840.1.113730.3.4.12"];

/// The object identifier of StartTLS (RFC 4511 §4.14).
pub const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// The kind of a client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A login.
    Bind(Bind),
    /// A request to begin TLS.
    StartTls {
        /// The messageID.
        id: u32,
    },
    /// Any other operation. `len` is the length of the envelope. For an extended request it includes the name.
    Other {
        /// The messageID.
        id: u32,
        /// The operation.
        operation: Operation,
        /// The length of the whole message in octets.
        size: u64,
    },
}

/// Reads one message of a client. Until a bind is complete only a bounded number of octets is examined, and a complete
/// bind is examined once. So there is no state to remember.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inspector;

impl Inspector {
    /// Examines the octets so far. `input` must begin with the octets of the previous call.
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Ask> {
        match read(input) {
            Ok(Some((ask, len))) => Inspect::Found { ask, len },
            Ok(None) => Inspect::NeedMore,
            Err(reason) => Inspect::Reject(reason),
        }
    }
}

/// The operation in the envelope of a message, and the length of the message. `None`: more octets are needed. The cost
/// does not depend on the length of the message.
///
/// # Errors
/// [`Reason::Malformed`]: it is no request.
pub fn operation(input: &[u8]) -> Result<Option<(Operation, u64)>, Reason> {
    Ok(Outside::of_request(input)?.map(|(outside, operation)| (operation, outside.size)))
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
        controls_of_bind(after)?;
        Ask::Bind(bind::read(id, content)?)
    } else {
        let mut parts = Elements(content);
        parts.expect(REQUEST_NAME)?;
        if !parts.is_empty() || !after.is_empty() {
            return Err(Reason::Malformed);
        }
        Ask::StartTls { id }
    };
    Ok(Some((ask, size)))
}

/// The tag of the requestName of an extended request (RFC 4511 §4.12).
const REQUEST_NAME: u8 = 0x80;

/// The requestName of an extended request whose content has `content` octets, and the length of the name's element.
fn request_name(input: &[u8], content: u32) -> Result<Option<(&[u8], usize)>, Malformed> {
    if content < 2 || input.first().is_some_and(|tag| *tag != REQUEST_NAME) {
        return Err(Malformed);
    }
    let Some(head) = ber::head(input)? else {
        let short = usize::try_from(content).is_ok_and(|content| content <= input.len());
        return if short { Err(Malformed) } else { Ok(None) };
    };
    let size = usize::try_from(head.content).ok().filter(|size| *size <= OID_LIMIT).ok_or(Malformed)?;
    let len = head.size + size;
    if u64::try_from(len).unwrap_or(u64::MAX) > u64::from(content) {
        return Err(Malformed);
    }
    let Some(name) = input.get(head.size..len) else { return Ok(None) };
    if oid::is_numeric(name) { Ok(Some((name, len))) } else { Err(Malformed) }
}

/// Checks the octets after a bind: nothing, or one element with controls (RFC 4511 §4.1.11). A control has an object
/// identifier, an optional criticality, and an optional value.
fn controls_of_bind(after: &[u8]) -> Result<(), Malformed> {
    if after.is_empty() {
        return Ok(());
    }
    let mut outer = Elements(after);
    let mut list = Elements(outer.expect(0xa0)?);
    while !list.is_empty() {
        let mut control = Elements(list.expect(0x30)?);
        let kind = control.expect(0x04)?;
        if !oid::is_numeric(kind) || PROXIED.contains(&kind) {
            return Err(Malformed);
        }
        let mut next = control.take_if_any()?;
        if let Some((0x01, critical)) = next {
            if critical.len() != 1 {
                return Err(Malformed);
            }
            next = control.take_if_any()?;
        }
        if !matches!(next, None | Some((0x04, _))) || !control.is_empty() {
            return Err(Malformed);
        }
    }
    if outer.is_empty() { Ok(()) } else { Err(Malformed) }
}

/// How many elements this thread has read so far.
#[cfg(test)]
pub(crate) fn elements_read() -> usize {
    ber::READ.get()
}

#[cfg(test)]
mod spellings;
#[cfg(test)]
mod tests;

//! What a directory says, as far as the relay must know: how long the message is, and whether it ends a bind.

use super::ANSWER_LIMIT;
use super::ber::{head, natural};
use super::message::{OUTSIDE, Outside};
use crate::reason::Reason;

const _: () = assert!(OUTSIDE + 6 <= ANSWER_LIMIT);

/// The outside of a message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The octets of the whole message.
    pub size: u64,
    /// Of a BindResponse, the messageID and the resultCode (RFC 4511 §4.2.2).
    pub bind: Option<(u32, u32)>,
}

/// Looks at the first octets of a message of a server, of which the first [`ANSWER_LIMIT`] always suffice; `None`: it
/// takes more of them.
///
/// # Errors
/// [`Reason::Malformed`]: no LDAPMessage.
pub fn answer(input: &[u8]) -> Result<Option<Answer>, Reason> {
    let Some(outside) = Outside::read(input)? else { return Ok(None) };
    let Outside { id, tag, before, size, content } = outside;
    if tag != 0x61 {
        return Ok(Some(Answer { size, bind: None }));
    }
    let inside = input.get(before..).unwrap_or_default();
    if content < 3 || inside.first().is_some_and(|tag| *tag != 0x0a) {
        return Err(Reason::Malformed);
    }
    let Some(code) = head(inside)? else { return Ok(None) };
    if !(1..=4).contains(&code.content) || code.size > 2 {
        return Err(Reason::Malformed);
    }
    let len = usize::try_from(code.content).map_err(|_| Reason::Malformed)?;
    if u64::from(content) < u64::try_from(code.size + len).unwrap_or(u64::MAX) {
        return Err(Reason::Malformed);
    }
    let Some(digits) = inside.get(code.size..code.size + len) else { return Ok(None) };
    Ok(Some(Answer { size, bind: Some((id, natural(digits)?)) }))
}

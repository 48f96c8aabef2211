//! Messages of a directory, as far as the relay needs them: the length of a message, and whether it ends a bind.

use super::ANSWER_LIMIT;
use super::ber::{head, natural};
use super::message::{OUTSIDE, Outside};
use crate::reason::Reason;

/// The tag of a BindResponse.
const BIND_RESPONSE: u8 = 0x61;

const _: () = assert!(OUTSIDE + 6 <= ANSWER_LIMIT);

/// The envelope of a server's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The octets of the whole message.
    pub size: u64,
    /// The messageID and the resultCode, if it is a BindResponse (RFC 4511 §4.2.2).
    pub bind: Option<(u32, u32)>,
}

/// Examines the first octets of a server's message. [`ANSWER_LIMIT`] octets are always enough. `None`: more octets are
/// needed.
///
/// # Errors
/// [`Reason::Malformed`]: it is no LDAPMessage.
pub fn answer(input: &[u8]) -> Result<Option<Answer>, Reason> {
    if let Some(size) = entry(input) {
        return Ok(Some(Answer { size, bind: None }));
    }
    let Some(outside) = Outside::read(input)? else { return Ok(None) };
    let Outside { id, tag, before, size, content } = outside;
    if tag != BIND_RESPONSE {
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

/// The length of a message that is no BindResponse, as nearly all messages are. This is a quick version of
/// [`Outside::read`]. `None`: [`Outside::read`] has to be called.
#[inline]
fn entry(input: &[u8]) -> Option<u64> {
    let (&[0x30, first], rest) = input.split_first_chunk()? else { return None };
    let (size, content, rest) = match (first, rest) {
        (0..=0x7f, rest) => (2, u32::from(first), rest),
        (0x81, [a, rest @ ..]) => (3, u32::from(*a), rest),
        (0x82, [a, b, rest @ ..]) => (4, u32::from_be_bytes([0, 0, *a, *b]), rest),
        (0x84, [a, b, c, d, rest @ ..]) => (6, u32::from_be_bytes([*a, *b, *c, *d]), rest),
        _ => return None,
    };
    let (number, tag) = match rest {
        [0x02, 1, 0..=0x7f, tag, ..] => (1, *tag),
        [0x02, 2, 0..=0x7f, _, tag, ..] => (2, *tag),
        [0x02, 4, 0..=0x7f, _, _, _, tag, ..] => (4, *tag),
        _ => return None,
    };
    // The messageID and the operation have at least two octets each for tag and length.
    let sound = tag != BIND_RESPONSE && tag & 0x1f != 0x1f && content >= 2 + number + 2;
    sound.then(|| size + u64::from(content))
}

//! TPKT (RFC 1006 §6): version 3, a reserved octet that is ignored, and the total length in two octets.

use crate::reason::Reason;

const HEADER: usize = 4;

/// The content of the frame at the beginning of `input`, and the frame's length. `None`: it is not complete.
///
/// # Errors
/// It is no TPKT, or longer than `limit`.
pub(super) fn frame(input: &[u8], limit: usize) -> Result<Option<(&[u8], usize)>, Reason> {
    let Some(size) = size(input, limit)? else { return Ok(None) };
    Ok(input.get(HEADER..size).map(|content| (content, size)))
}

/// The length of the frame in octets. `None`: its header is not complete.
pub(super) fn size(input: &[u8], limit: usize) -> Result<Option<usize>, Reason> {
    if input.first().is_some_and(|version| *version != 3) {
        return Err(Reason::Malformed);
    }
    let Some(&[_, _, high, low]) = input.first_chunk() else { return Ok(None) };
    match usize::from(u16::from_be_bytes([high, low])) {
        ..HEADER => Err(Reason::Malformed),
        size if size > limit => Err(Reason::TooLarge),
        size => Ok(Some(size)),
    }
}

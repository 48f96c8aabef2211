//! A message that is all that a WebSocket message holds (RFC 7118 §5). Of its fields Content-Length alone is looked at.

use std::ops::Range;

use super::field::lengths;
use super::message::is_start;
use super::sanity::is_request;

/// What a WebSocket message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enclosed {
    /// A ping alone (RFC 5626 §3.5.1), which wants an answer.
    Ping,
    /// Nothing that says anything: a pong, or empty lines.
    Nothing,
    /// A SIP message, of which nothing is known but its length.
    Message {
        /// How many octets of empty lines stand before it.
        skip: usize,
        /// It says nothing of its length: where that can be put in, and how many octets its body has.
        missing: Option<(usize, usize)>,
    },
    /// A SIP message whose Content-Length is not that of what follows its header section, or stands there twice.
    OtherLength {
        /// Where the header section ends.
        head: usize,
        /// Where the first value of Content-Length stands.
        length: Range<usize>,
    },
    /// No SIP message.
    Else,
}

/// Reads what a WebSocket message holds.
pub fn enclosed(message: &[u8]) -> Enclosed {
    let mut skip = 0;
    while message.get(skip..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
        skip += 2;
    }
    if skip == message.len() {
        return if skip == 4 { Enclosed::Ping } else { Enclosed::Nothing };
    }
    let rest = message.get(skip..).unwrap_or_default();
    let Some(start) = memchr::memmem::find(rest, b"\r\n") else { return Enclosed::Else };
    let Some(empty) = memchr::memmem::find(rest, b"\r\n\r\n") else { return Enclosed::Else };
    // A request that is not sound is examined later, and answered.
    if !rest.get(..start).is_some_and(|line| is_start(line) || is_request(line)) {
        return Enclosed::Else;
    }
    let head = rest.get(..empty + 4).unwrap_or_default();
    let body = rest.len() - head.len();
    let mut lengths = lengths(head, start + 2).map(|length| length.range());
    let Some(length) = lengths.next() else {
        return Enclosed::Message { skip, missing: Some((skip + empty + 2, body)) };
    };
    let value = head.get(length.clone()).unwrap_or_default();
    let is_right = number(value) == Some(body) && lengths.next().is_none();
    match is_right {
        true => Enclosed::Message { skip, missing: None },
        false => {
            Enclosed::OtherLength { head: skip + head.len(), length: skip + length.start..skip + length.end }
        }
    }
}

/// The length of the first message in `octets`, with its body. Not all of the body need be there. `None`: the
/// header section has not ended, or [`Inspector`](super::Inspector) has to tell.
pub fn message_length(octets: &[u8]) -> Option<usize> {
    let empty = memchr::memmem::find(octets, b"\r\n\r\n")?;
    let head = octets.get(..empty + 4)?;
    let start = memchr::memmem::find(head, b"\r\n")?;
    let mut lengths = lengths(head, start + 2);
    let length = lengths.next().and_then(|length| number(length.of_input(head)))?;
    (lengths.next().is_none() && is_start(head.get(..start)?))
        .then(|| head.len().checked_add(length))
        .flatten()
}

/// A number of digits alone.
fn number(text: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

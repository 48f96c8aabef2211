//! The SIP message in a WebSocket message, which must hold nothing else (RFC 7118 §5). Only its Content-Length is read.

use std::ops::Range;

use super::field::lengths;
use super::message::is_start;
use super::sanity::is_request;

/// The content of a WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enclosed {
    /// Only a ping (RFC 5626 §3.5.1), which wants an answer.
    Ping,
    /// Nothing with a meaning: a pong, or empty lines.
    Nothing,
    /// A SIP message. Only its length was examined.
    Message {
        /// How many octets of empty lines come before it.
        skip: usize,
        /// If it has no Content-Length: the offset at which the field can be inserted, and the length of its body in
        /// octets.
        missing: Option<(usize, usize)>,
    },
    /// A SIP message with a wrong Content-Length, or with two of them.
    OtherLength {
        /// The end of the header section.
        head: usize,
        /// The range of the first Content-Length value.
        length: Range<usize>,
    },
    /// No SIP message.
    Else,
}

/// Reads the content of a WebSocket message.
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
    // A request that is not sound is examined later, and is answered.
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

/// The length of the first message in `octets`, with its body. The body need not be complete. `None`: the header
/// section has not ended, or [`Inspector`](super::Inspector) has to decide.
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

/// A number that has only digits.
fn number(text: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(text).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

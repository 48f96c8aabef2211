//! A message that is all that a WebSocket message holds (RFC 7118 §5).

use std::ops::Range;

use super::field::{FieldKind, fields};
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
    let mut lengths = fields(head, start + 2)
        .filter_map(Result::ok)
        .filter(|field| field.kind == FieldKind::ContentLength)
        .map(|field| field.value.range());
    let Some(length) = lengths.next() else {
        return Enclosed::Message { skip, missing: Some((skip + empty + 2, body)) };
    };
    let value = head.get(length.clone()).and_then(|value| std::str::from_utf8(value).ok());
    let digits = value.filter(|value| value.bytes().all(|digit| digit.is_ascii_digit()));
    let is_right = digits.is_some_and(|digits| digits.parse() == Ok(body)) && lengths.next().is_none();
    match is_right {
        true => Enclosed::Message { skip, missing: None },
        false => {
            Enclosed::OtherLength { head: skip + head.len(), length: skip + length.start..skip + length.end }
        }
    }
}

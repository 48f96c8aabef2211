//! Inspectors: bytes become an identity. This module is pure: it has no tokio, no clock, no configuration and no log.
//!
//! Each protocol has one small struct. The laws of every inspector are:
//! 1. *stable*: once it answers [`Inspect::Found`] or [`Inspect::Reject`], the answer is the same for every longer
//!    input;
//! 2. *bounded*: never [`Inspect::NeedMore`] at or past the protocol's limit;
//! 3. *total*: no panic, no recursion, no allocation that the input's size does not justify;
//! 4. *cheap*: linear, even when the bytes come one at a time (the scan offsets are kept between calls).
//!
//! An inspector's own state never changes an answer: a fresh inspector gives the same answer for the same input.
//!
//! `http`, `sip`, `ldap` and `h323` are the services. `proxy` is the PROXY header before them. `digest` reads the
//! credentials and challenges of HTTP and SIP. `websocket` reads the frames that carry SIP from a browser.

use crate::reason::Reason;

pub mod digest;
pub mod h323;
pub mod http;
pub mod ldap;
pub mod proxy;
pub mod sip;
pub mod websocket;

/// The answer of an inspector about the bytes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspect<Ask> {
    /// The message names the host that it asks for.
    Found {
        /// The content of the message.
        ask: Ask,
        /// How many bytes of the input the message takes.
        len: usize,
    },
    /// Not enough bytes yet.
    NeedMore,
    /// The bytes must not pass, whatever follows.
    Reject(Reason),
}

/// A range of bytes of the inspected input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `part`, which must be a slice of `whole` (as a parser returns it). Otherwise the span is empty.
    pub(crate) fn of(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if part.is_empty() || start.saturating_add(part.len()) > whole.len() {
            return Self::default();
        }
        let end = start + part.len();
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    /// The bytes of the span in the input that was inspected.
    pub fn of_input(self, input: &[u8]) -> &[u8] {
        input.get(self.range()).unwrap_or_default()
    }

    /// The range of the span in the input.
    pub fn range(self) -> std::ops::Range<usize> {
        let offset = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
        offset(self.start)..offset(self.end)
    }

    /// Whether the span is empty.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

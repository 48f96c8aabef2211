//! Finds the end of a head. The head may come byte by byte, and no byte is examined twice.

use memchr::memchr;

use super::{HEAD_LIMIT, TARGET_HEAD_LIMIT};
use crate::reason::Reason;

/// The result of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head is `input[start..end]`, with its empty line.
    End {
        /// The beginning of the head, after empty lines that some clients send before a request (RFC 9112 §2.2).
        start: usize,
        /// The end of the head (exclusive).
        end: usize,
    },
    /// No end yet.
    More,
    /// The input cannot become a head.
    Reject(Reason),
}

/// Offsets of a scan, kept between calls on a growing input.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Scanner {
    /// The number of bytes that were examined.
    scanned: usize,
    /// The beginning of the current line.
    line: usize,
    /// The beginning of the head, after empty lines.
    start: usize,
    /// Whether it is a target's head: a line may end with LF alone, and the head may be longer.
    is_response: bool,
    /// Whether a value continues on another line (RFC 9112 §5.2). This is checked only in a response.
    folded: bool,
}

impl Scanner {
    /// A scanner for the head of a response.
    pub(super) const fn of_response() -> Self {
        Self { scanned: 0, line: 0, start: 0, is_response: true, folded: false }
    }

    /// Whether a line was seen that continues the line before it.
    pub(super) const fn is_folded(&self) -> bool {
        self.folded
    }

    /// The beginning of the head, as far as the bytes were examined.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// Searches for the empty line that ends a head. `input` must begin with the bytes of the previous call.
    pub(super) fn scan(&mut self, input: &[u8]) -> Scan {
        let limit = if self.is_response { TARGET_HEAD_LIMIT } else { HEAD_LIMIT };
        let window = input.get(..limit).unwrap_or(input);
        while let Some(rest) = window.get(self.scanned..)
            && let Some(found) = memchr(b'\n', rest)
        {
            let newline = self.scanned + found;
            let line = window.get(self.line..newline).unwrap_or_default();
            let text = match line.strip_suffix(b"\r") {
                Some(text) => text,
                None if self.is_response => line,
                None => return Scan::Reject(Reason::Malformed), // a bare LF
            };
            self.folded |= self.is_response && matches!(text.first(), Some(b' ' | b'\t'));
            if text.is_empty() {
                if self.line > self.start {
                    return Scan::End { start: self.start, end: newline + 1 };
                }
                self.start = newline + 1;
            }
            self.scanned = newline + 1;
            self.line = newline + 1;
        }
        self.scanned = window.len();
        if window.len() == limit { Scan::Reject(Reason::TooLarge) } else { Scan::More }
    }
}

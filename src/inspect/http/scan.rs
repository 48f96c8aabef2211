//! Finds the end of a head, byte by byte if it must, and never looks at a byte twice.

use memchr::memchr;

use super::{HEAD_LIMIT, TARGET_HEAD_LIMIT};
use crate::reason::Reason;

/// What the scan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head is `input[start..end]`, its empty line included.
    End {
        /// After the empty lines that some clients send before a request (RFC 9112 §2.2).
        start: usize,
        /// One past the head.
        end: usize,
    },
    /// No end yet.
    More,
    /// No head can follow.
    Reject(Reason),
}

/// Offsets of a scan, kept between calls on a growing input.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Scanner {
    /// Everything before was looked at.
    scanned: usize,
    /// Where the current line begins.
    line: usize,
    /// Where the head begins: after the empty lines before it.
    start: usize,
    /// It is a target's: a line may end with LF alone, and the head may be longer.
    is_response: bool,
    /// A value goes on in another line (RFC 9112 §5.2). Only looked for in a response.
    folded: bool,
}

impl Scanner {
    /// For the head of a response.
    pub(super) const fn of_response() -> Self {
        Self { scanned: 0, line: 0, start: 0, is_response: true, folded: false }
    }

    /// Whether a line was seen that belongs to the one before it.
    pub(super) const fn is_folded(&self) -> bool {
        self.folded
    }

    /// Where the head begins, as far as was looked.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// Looks for the empty line that ends a head. `input` must begin with what was given before.
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

//! Chunked bodies on their way through: how many of the available bytes belong to the message, and which of them are
//! forwarded.
//!
//! The chunks (RFC 9112 §7.1) are filtered in place. A well-formed chunk keeps its bytes, so a large body costs one
//! look at each chunk's size line and no copy. Leading zeros of sizes and extensions are cut out. Trailer fields for
//! framing, routing, authentication and hop-by-hop use are dropped (RFC 9110 §6.5.1). Bytes that are no chunk end the
//! message with an error.

use std::sync::Arc;

use smallvec::SmallVec;

use super::field::passes_in_trailer;
use super::framing::Progress;
use super::{TARGET_TRAILER_LIMIT, TRAILER_LIMIT};
use crate::field_names::FieldNames;
use crate::reason::Reason;

/// The most octets of chunk extensions in a message. Extensions are hardly used, but attackers flood with them (RFC
/// 9112 §7.1.1).
const EXTENSION_LIMIT: u16 = 4096;

/// The position in a chunked body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a size line, after so many digits.
    Size(u8),
    /// In white space after the size.
    Blank,
    /// In an extension, before CR.
    Extension,
    /// After the CR of a size line.
    SizeLf,
    /// In data. `left` says how many bytes of the chunk are left.
    Data,
    /// After the data.
    DataCr,
    DataLf,
    /// At the beginning of a trailer line.
    Trailer,
    /// In a trailer line.
    TrailerLine,
    TrailerLf,
    /// After the CR of the last line.
    LastLf,
    Done,
}

/// The reader of a chunked body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    /// The size of the chunk while it is read, then the number of data bytes still to come.
    left: u64,
    /// Whether the framing is forwarded with the data.
    keep: bool,
    /// See [`super::Framing::kindly`].
    pub(super) kindly: bool,
    /// See [`super::Framing::without`].
    pub(super) withheld: Option<Arc<FieldNames>>,
    extension: u16,
    /// The current trailer line.
    line: Vec<u8>,
    trailers: usize,
    /// The octets that are forwarded after the rest: trailer lines, and the last chunk's size line if it did not fit in
    /// place.
    tail: Vec<u8>,
}

impl Chunks {
    pub(super) fn new(keep: bool) -> Self {
        let (line, tail) = (Vec::new(), Vec::new());
        Self {
            state: State::Size(0),
            left: 0,
            keep,
            kindly: false,
            withheld: None,
            extension: 0,
            line,
            trailers: 0,
            tail,
        }
    }

    pub(super) fn filter(&mut self, data: &mut [u8]) -> Result<Progress, Reason> {
        let mut at = 0;
        let mut kept = 0;
        while let Some(byte) = data.get(at).copied() {
            if self.state == State::Data {
                let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len() - at);
                if at != kept {
                    data.copy_within(at..at + here, kept);
                }
                (at, kept) = (at + here, kept + here);
                self.left -= here as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            if self.state == State::Done {
                break;
            }
            if byte == b'\n' && self.kindly && self.ends_line() {
                self.bare_line_end(data, at, &mut kept)?;
                at += 1;
                if self.owes_tail() {
                    break;
                }
                continue;
            }
            let mut passes = self.step(byte)?;
            if self.ends_last_size(byte) {
                // Zeros are not forwarded as they come. A single zero is the size of the last chunk, and takes the
                // place of another byte.
                if at > kept
                    && let Some(slot) = data.get_mut(kept)
                {
                    *slot = b'0';
                    kept += 1;
                } else {
                    self.tail.extend_from_slice(b"0\r\n");
                    passes = false;
                }
            }
            if passes && let Some(slot) = data.get_mut(kept) {
                *slot = byte;
                kept += 1;
            }
            at += 1;
        }
        Ok(Progress { kept, taken: at })
    }

    /// Whether the last chunk and its trailers have come.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The octets of [`super::Framing::tail`].
    pub(super) fn take_tail(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.tail)
    }

    /// Whether a line may end here.
    const fn ends_line(&self) -> bool {
        matches!(
            self.state,
            State::Size(1..)
                | State::Blank
                | State::Extension
                | State::DataCr
                | State::Trailer
                | State::TrailerLine
        )
    }

    /// An LF at `at` in the place of CR LF. There is room for one of the two octets. The other may have to wait for the
    /// tail.
    fn bare_line_end(&mut self, data: &mut [u8], at: usize, kept: &mut usize) -> Result<(), Reason> {
        let mut passing: SmallVec<[u8; 3]> = SmallVec::new();
        if self.step(b'\r')? {
            if self.ends_last_size(b'\r') {
                passing.push(b'0');
            }
            passing.push(b'\r');
        }
        if self.step(b'\n')? {
            passing.push(b'\n');
        }
        for byte in passing {
            match data.get_mut(*kept).filter(|_| *kept <= at) {
                Some(slot) => {
                    *slot = byte;
                    *kept += 1;
                }
                None => self.tail.push(byte),
            }
        }
        Ok(())
    }

    /// Whether the tail is to be forwarded now. The last chunk and its trailers are forwarded together.
    pub(super) fn owes_tail(&self) -> bool {
        let is_behind_last_size = match self.state {
            State::SizeLf => self.left == 0,
            State::Trailer | State::TrailerLine | State::TrailerLf | State::LastLf => true,
            _ => false,
        };
        !self.tail.is_empty() && !is_behind_last_size
    }

    /// Takes a byte of framing. Returns whether it is forwarded.
    fn step(&mut self, byte: u8) -> Result<bool, Reason> {
        let framing = self.keep;
        let (state, passes) = match (self.state, byte) {
            (State::Size(digits @ 0..16), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    _ => (byte | 0x20) - b'a' + 10,
                };
                self.left = self.left << 4 | u64::from(digit);
                if i64::try_from(self.left).is_err() {
                    return Err(Reason::TooLarge); // many targets keep it in a signed number
                }
                (State::Size(digits + 1), framing && self.left > 0)
            }
            (State::Size(1..) | State::Blank | State::Extension, b'\r') => (State::SizeLf, framing),
            (State::Size(1..) | State::Blank, b';') => (State::Extension, false),
            (State::Size(1..), b' ' | b'\t') => (State::Blank, false),
            (State::Blank, b' ' | b'\t') => {
                self.count_extension()?;
                (State::Blank, false)
            }
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.count_extension()?;
                (State::Extension, false)
            }
            (State::SizeLf, b'\n') if self.left == 0 => (State::Trailer, framing && self.tail.is_empty()),
            (State::SizeLf, b'\n') => (State::Data, framing),
            (State::DataCr, b'\r') => (State::DataLf, framing),
            (State::DataLf, b'\n') => (State::Size(0), framing),
            (State::Trailer, b'\r') => (State::LastLf, framing && self.tail.is_empty()),
            (State::Trailer | State::TrailerLine, b'\t' | b' '..=b'~' | 0x80..) => {
                self.trailers += 1;
                let limit = if self.kindly { TARGET_TRAILER_LIMIT } else { TRAILER_LIMIT };
                if self.trailers > limit {
                    return Err(Reason::TooLarge);
                }
                self.line.push(byte);
                (State::TrailerLine, false)
            }
            (State::TrailerLine, b'\r') => (State::TrailerLf, false),
            (State::TrailerLf, b'\n') => {
                self.end_trailer_line()?;
                (State::Trailer, false)
            }
            (State::LastLf, b'\n') => {
                let empty = self.tail.is_empty();
                if !empty {
                    self.tail.extend_from_slice(b"\r\n");
                }
                (State::Done, framing && empty)
            }
            _ => return Err(Reason::Malformed),
        };
        self.state = state;
        Ok(passes)
    }

    /// Whether `byte`, which was just taken, is the CR of the last chunk's size line, and the framing is forwarded.
    fn ends_last_size(&self, byte: u8) -> bool {
        byte == b'\r' && self.keep && self.left == 0 && self.state == State::SizeLf
    }

    fn count_extension(&mut self) -> Result<(), Reason> {
        // A target's extensions are only left out. Their number is not limited for a target.
        if self.kindly {
            return Ok(());
        }
        self.extension += 1;
        if self.extension > EXTENSION_LIMIT { Err(Reason::TooLarge) } else { Ok(()) }
    }

    /// A trailer line is complete. It is forwarded or dropped, or is no field line.
    fn end_trailer_line(&mut self) -> Result<(), Reason> {
        let mut lines = [httparse::EMPTY_HEADER; 1];
        if self.kindly
            && let Some(colon) = memchr::memchr(b':', &self.line)
        {
            let name = self.line.get(..colon).unwrap_or_default().trim_ascii_end().len();
            self.line.drain(name..colon);
        }
        self.line.extend_from_slice(b"\r\n\r\n");
        let name = match httparse::parse_headers(&self.line, &mut lines) {
            Ok(httparse::Status::Complete((len, [field]))) if len == self.line.len() => field.name,
            _ => return Err(Reason::Malformed),
        };
        let withheld = self.withheld.as_ref().is_some_and(|names| names.contains(name.as_bytes()));
        if self.keep && !withheld && passes_in_trailer(name.as_bytes()) {
            self.line.truncate(self.line.len() - 2);
            self.tail.append(&mut self.line);
        }
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;

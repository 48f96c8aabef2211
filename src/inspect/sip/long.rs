//! A target's header section that is too long to be read. Only the end of its message is searched, so that it can be
//! forwarded unchanged.

use super::field::FieldKind;
use super::uri::trim;
use crate::reason::Reason;

/// How much of a line is kept: enough for a Content-Length with some blanks.
const LINE_LIMIT: usize = 64;

/// Searches for the end of one message.
#[derive(Debug, Default)]
pub struct LongHead {
    /// The beginning of the line that is not complete.
    line: Vec<u8>,
    /// Whether that line is longer than the part that was kept.
    is_cut: bool,
    /// Whether the start line has ended.
    started: bool,
    /// Whether the last field was Content-Length, so that a fold would belong to it.
    in_length: bool,
    length: Option<u32>,
}

/// The part of a message that may be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The number of octets. The last part includes the body, which need not have come yet.
    pub octets: u64,
    /// Whether the octets end the message.
    pub is_last: bool,
}

impl LongHead {
    /// Examines the next octets of the message. Each octet must be given once.
    ///
    /// # Errors
    /// [`Reason::Malformed`]: the end of the message cannot be found.
    pub fn pass(&mut self, octets: &[u8]) -> Result<Passed, Reason> {
        let mut seen = 0;
        while let Some(rest) = octets.get(seen..)
            && let Some(end) = memchr::memchr(b'\n', rest)
        {
            self.keep(rest.get(..end).unwrap_or_default());
            seen += end + 1;
            if self.started && matches!(self.line.as_slice(), b"\r" | b"") {
                let body = self.length.ok_or(Reason::Malformed)?;
                return Ok(Passed { octets: seen as u64 + u64::from(body), is_last: true });
            }
            self.end_line()?;
        }
        self.keep(octets.get(seen..).unwrap_or_default());
        Ok(Passed { octets: octets.len() as u64, is_last: false })
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LINE_LIMIT - self.line.len().min(LINE_LIMIT);
        self.is_cut |= part.len() > room;
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
    }

    /// A line is complete.
    fn end_line(&mut self) -> Result<(), Reason> {
        let is_fold = matches!(self.line.first(), Some(b' ' | b'\t'));
        if is_fold && self.in_length {
            return Err(Reason::Malformed);
        }
        if !is_fold && std::mem::replace(&mut self.started, true) {
            let colon = memchr::memchr(b':', &self.line).unwrap_or(self.line.len());
            let (name, value) = self.line.split_at_checked(colon).unwrap_or_default();
            self.in_length = FieldKind::of(trim(name)) == FieldKind::ContentLength;
            if self.in_length {
                let digits = trim(value.get(1..).unwrap_or_default());
                let length = super::message::decimal(digits).filter(|_| !self.is_cut);
                if self.length.replace(length.ok_or(Reason::Malformed)?).is_some() {
                    return Err(Reason::Malformed);
                }
            }
        }
        self.line.clear();
        self.is_cut = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many octets of `text` belong to the message, if it comes in pieces of `size`.
    fn end(text: &str, size: usize) -> Result<Option<u64>, Reason> {
        let (mut long, mut before) = (LongHead::default(), 0);
        for piece in text.as_bytes().chunks(size) {
            let passed = long.pass(piece)?;
            if passed.is_last {
                return Ok(Some(before + passed.octets));
            }
            assert_eq!(passed.octets, piece.len() as u64);
            before += passed.octets;
        }
        Ok(None)
    }

    #[test]
    fn n36_the_end_of_a_long_message_is_found_in_any_segmentation() {
        let contact = format!("Contact: <sip:{}@a>\r\n", "x".repeat(100));
        for (length, body) in
            [("l: 5\r\n", 5), ("CONTENT-LENGTH \t: \t 70000 \r\n", 70_000), ("Content-Length:0\r\n", 0)]
        {
            let head = format!(
                "SIP/2.0 200 OK\r\n{contact}Contact: <sip:a>,\r\n Content-Length: 9,\r\n\tl: 8\r\n{length}{contact}\r\n"
            );
            for size in 1..head.len() {
                let text = format!("{head}hello");
                assert_eq!(end(&text, size), Ok(Some(head.len() as u64 + body)), "{length} in {size}");
            }
            assert_eq!(end(&head[..head.len() - 2], 7), Ok(None));
        }
    }

    #[test]
    fn n36_a_long_message_without_a_clear_end_is_refused() {
        let blanks = format!("l:{}7\r\n", " ".repeat(LINE_LIMIT));
        for lines in [
            "",
            "l: 5\r\nContent-Length: 5\r\n",
            "l: 5\r\n 6\r\n",
            "l:\r\n 5\r\n",
            "l: +5\r\n",
            "l: 5x\r\n",
            "l: 4294967296\r\n",
            &blanks,
        ] {
            let text = format!("SIP/2.0 200 OK\r\n{lines}\r\n");
            assert_eq!(end(&text, 3), Err(Reason::Malformed), "{lines:?}");
        }
    }
}

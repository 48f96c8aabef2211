//! A decoder for UTF-8 that takes one byte at a time (RFC 3629 section 4).
//!
//! It refuses overlong forms, surrogates, values beyond U+10FFFF, and the C1 controls (U+0080 to U+009F). A less strict
//! decoder could see a dot or a slash in such bytes, or nothing at all.

use super::unsafe_path::Unsafe;

/// The position within a character.
#[derive(Clone, Copy)]
pub(super) struct Utf8 {
    /// How many continuation bytes are still to come.
    missing: u8,
    /// The least value of the next byte. `high` is the greatest.
    low: u8,
    high: u8,
    /// The lead byte was C2, which begins the C1 controls among others.
    c2: bool,
    /// The bits of the character so far.
    bits: u32,
}

impl Default for Utf8 {
    fn default() -> Self {
        Self { missing: 0, low: 0x80, high: 0xbf, c2: false, bits: 0 }
    }
}

impl Utf8 {
    /// Takes the next byte. Returns the character that the byte completes. `None`: more bytes follow.
    pub(super) fn next(&mut self, byte: u8) -> Result<Option<char>, Unsafe> {
        if self.missing > 0 {
            if !(self.low..=self.high).contains(&byte) {
                return Err(Unsafe::Utf8);
            }
            if self.c2 && byte <= 0x9f {
                return Err(Unsafe::Control);
            }
            let (missing, bits) = (self.missing - 1, self.bits << 6 | u32::from(byte & 0x3f));
            *self = Self { missing, bits, ..Self::default() };
            return Ok(if missing == 0 { char::from_u32(bits) } else { None });
        }
        let (missing, low, high) = match byte {
            0x00..=0x7f => return Ok(Some(char::from(byte))),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xe1..=0xef => (2, 0x80, 0xbf),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return Err(Unsafe::Utf8),
        };
        // The more bytes follow, the fewer bits of the character the lead byte has.
        let bits = u32::from(byte & (0x3f >> missing));
        *self = Self { missing, low, high, c2: byte == 0xc2, bits };
        Ok(None)
    }

    /// Checks that no character is incomplete at the end.
    pub(super) fn end(self) -> Result<(), Unsafe> {
        if self.missing > 0 { Err(Unsafe::Utf8) } else { Ok(()) }
    }
}

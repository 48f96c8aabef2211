//! The path of a request, made safe to compare with rules (contract section 2).
//!
//! A path is compared in one form: escapes of unreserved characters (RFC 3986 section 2.3) are decoded, the hex digits
//! of all other escapes are in upper case, and bytes that need an escape are escaped. A path that has more than one
//! reading is refused. So a path that passes under a rule is served inside that rule's prefix by every server. That
//! includes servers that decode once or twice, that cut `;…` off segments or not, that collapse slashes, that take `\`
//! for `/`, that drop trailing dots and spaces, that are careless with UTF-8, or that take a character for the ASCII
//! character that looks like it.
//!
//! It decides nothing about rules. The path is forwarded as it came.

use super::likeness::Likeness;
pub(crate) use super::reading::decoded;
pub use super::unsafe_path::Unsafe;
use super::utf8::Utf8;

/// A path in its compared form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPath<'a> {
    text: &'a [u8],
    encoded_slash: bool,
}

impl<'a> RequestPath<'a> {
    /// The compared form: ASCII. It begins with `/`, or is `*`.
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// Whether `%2F` occurs. Only a host whose only rule is the empty path may accept such a path.
    pub fn encoded_slash(self) -> bool {
        self.encoded_slash
    }
}

/// Brings the path of a request target (without its query) to its compared form. An empty path becomes `/`. `*`
/// (OPTIONS, RFC 9112 section 3.2.4) stays, and only the empty rule matches it.
///
/// Ordinary paths are borrowed. Others are built in `buf`, whose content is replaced.
///
/// # Errors
/// Why the path may have more than one meaning.
pub fn request_path<'a>(raw: &'a [u8], buf: &'a mut Vec<u8>) -> Result<RequestPath<'a>, Unsafe> {
    match raw {
        b"" => return Ok(RequestPath { text: b"/", encoded_slash: false }),
        b"*" => return Ok(RequestPath { text: raw, encoded_slash: false }),
        [b'/', ..] => {}
        _ => return Err(Unsafe::NoLeadingSlash),
    }
    if is_ordinary(raw) {
        return Ok(RequestPath { text: raw, encoded_slash: false });
    }
    let encoded_slash = Reading::new(raw, buf).finish()?;
    Ok(RequestPath { text: buf, encoded_slash })
}

/// Checks whether `path` can be a rule's path. It must be empty, or as safe as a request's path must be. It must not
/// contain `%2F`, because no request that the rule could match may contain it.
///
/// # Errors
/// The part of the path that no rule can have.
pub fn check_rule_path(path: &str) -> Result<(), Unsafe> {
    rule_path(path, &mut Vec::new()).map(|_| ())
}

/// The compared form of a rule's path.
pub(super) fn rule_path<'a>(path: &'a str, buf: &'a mut Vec<u8>) -> Result<&'a [u8], Unsafe> {
    if path.is_empty() {
        return Ok(b"");
    }
    if !path.starts_with('/') {
        return Err(Unsafe::NoLeadingSlash);
    }
    let path = request_path(path.as_bytes(), buf)?;
    if path.encoded_slash {
        return Err(Unsafe::EncodedSlash);
    }
    if path.text.contains(&b';') || memchr::memmem::find(path.text, b"%3B").is_some() {
        return Err(Unsafe::Parameter);
    }
    Ok(path.text)
}

/// The class of a byte in the quick check.
const ORDINARY: u8 = 0;
const SLASH: u8 = 1;
const DOT: u8 = 2;
const SPECIAL: u8 = 4;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [SPECIAL; 256];
    let mut byte = 0_u8;
    loop {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[byte as usize] = match byte {
                b'/' => SLASH,
                b'.' => DOT,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@' => {
                    ORDINARY
                }
                _ if is_unreserved(byte) => ORDINARY,
                _ => SPECIAL,
            };
        }
        if byte == u8::MAX {
            return table;
        }
        byte += 1;
    }
}

/// Whether a byte is unreserved (RFC 3986 section 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether every byte stands for itself and no segment is empty or begins with a dot.
fn is_ordinary(raw: &[u8]) -> bool {
    // There is no branch for each byte, because most paths are ordinary to the end.
    let (mut special, mut after_slash) = (0, 0);
    for &byte in raw {
        let class = CLASS.get(usize::from(byte)).copied().unwrap_or(SPECIAL);
        special |= (class & SPECIAL) | (class & after_slash);
        after_slash = if class == SLASH { SLASH | DOT } else { 0 };
    }
    special == 0
}

/// The state of one careful pass over a path.
struct Reading<'a> {
    raw: &'a [u8],
    at: usize,
    out: &'a mut Vec<u8>,
    segment: Segment,
    utf8: Utf8,
    encoded_slash: bool,
}

/// The state of the current segment. `/` and `%2F` both end a segment.
#[derive(Clone, Copy, Default)]
struct Segment {
    /// How many bytes stand before the first `;`, decoded.
    len: usize,
    /// One of these bytes is neither a dot nor a space.
    solid: bool,
    /// A `;`, or an encoded `?` or `#`, was seen. Some servers cut the segment here.
    cut: bool,
    /// The character at the cut was a `;`.
    parameter: bool,
}

impl<'a> Reading<'a> {
    fn new(raw: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        out.clear();
        out.reserve(raw.len());
        Self { raw, at: 0, out, segment: Segment::default(), utf8: Utf8::default(), encoded_slash: false }
    }

    /// Reads the whole path. Returns whether there was an encoded slash.
    fn finish(mut self) -> Result<bool, Unsafe> {
        while let Some(&byte) = self.raw.get(self.at) {
            if byte == b'%' {
                self.escape()?;
            } else {
                self.bare(byte)?;
            }
        }
        self.utf8.end()?;
        self.segment.end()?;
        Ok(self.encoded_slash)
    }

    fn bare(&mut self, byte: u8) -> Result<(), Unsafe> {
        let character = self.utf8.next(byte)?;
        match byte {
            b'/' => {
                if self.at > 0 {
                    self.segment.end()?;
                }
                if self.raw.get(self.at + 1) == Some(&b'/') {
                    return Err(Unsafe::EmptySegment);
                }
                self.segment = Segment::default();
                self.out.push(byte);
            }
            b'\\' => return Err(Unsafe::Backslash),
            b'?' | b'#' => return Err(Unsafe::Query),
            0x00..=0x20 | 0x7f => return Err(Unsafe::Control),
            b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                self.segment.add(byte);
                self.push_escape(byte);
            }
            0x80.. => {
                self.segment.add_beyond_ascii(character)?;
                self.push_escape(byte);
            }
            _ => {
                self.segment.add(byte);
                self.out.push(byte);
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Unsafe> {
        let byte = escape_at(self.raw, self.at).ok_or(Unsafe::MalformedEscape)?;
        let character = self.utf8.next(byte)?;
        match byte {
            b'/' => {
                self.segment.end()?;
                self.segment = Segment::default();
                self.encoded_slash = true;
            }
            b'\\' => return Err(Unsafe::Backslash),
            0x00..=0x1f | 0x7f => return Err(Unsafe::Control),
            b'%' if makes_escape(self.raw, self.at + 3) => return Err(Unsafe::EncodedPercent),
            b'?' | b'#' => self.segment.cut = true,
            0x80.. => self.segment.add_beyond_ascii(character)?,
            _ => self.segment.add(byte),
        }
        if is_unreserved(byte) {
            self.out.push(byte);
        } else {
            self.push_escape(byte);
        }
        self.at += 3;
        Ok(())
    }

    fn push_escape(&mut self, byte: u8) {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + (nibble - 10) };
        self.out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0x0f)]);
    }
}

impl Segment {
    fn add(&mut self, byte: u8) {
        if self.cut {
            self.parameter |= byte == b';' && self.len == 0;
        } else if byte == b';' {
            self.cut = true;
            self.parameter = true;
        } else {
            self.len += 1;
            self.solid |= !matches!(byte, b'.' | b' ');
        }
    }

    /// Adds a character beyond ASCII. `None`: more bytes of it follow.
    fn add_beyond_ascii(&mut self, character: Option<char>) -> Result<(), Unsafe> {
        match character.map(Likeness::of) {
            Some(Likeness::Slash) => {
                self.end()?;
                *self = Self::default();
            }
            Some(Likeness::Dot) => self.add(b'.'),
            Some(Likeness::None) => self.add(b'x'),
            None => {}
        }
        Ok(())
    }

    fn end(self) -> Result<(), Unsafe> {
        match self {
            Self { len: 0, parameter: true, .. } => Err(Unsafe::EmptySegment),
            Self { len: 1.., solid: false, .. } => Err(Unsafe::DotSegment),
            _ => Ok(()),
        }
    }
}

/// The byte that the escape at `at` stands for. `None`: there is no escape.
fn escape_at(raw: &[u8], at: usize) -> Option<u8> {
    let [b'%', high, low] = *raw.get(at..)?.first_chunk::<3>()? else { return None };
    Some(hex(high)? << 4 | hex(low)?)
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Whether a decoded `%` in front of `at` would begin another escape: two hex digits, or `u` and four (the form of old
/// IIS). Each of them may be bare or encoded.
fn makes_escape(raw: &[u8], at: usize) -> bool {
    let mut decoded = [0_u8; 5];
    let mut at = at;
    for slot in &mut decoded {
        let Some(&bare) = raw.get(at) else { break };
        let (byte, width) = escape_at(raw, at).map_or((bare, 1), |byte| (byte, 3));
        *slot = byte;
        at += width;
    }
    let [first, rest @ ..] = decoded;
    let [second, ..] = rest;
    let is_hex = |byte: u8| byte.is_ascii_hexdigit();
    (is_hex(first) && is_hex(second)) || (first.eq_ignore_ascii_case(&b'u') && rest.into_iter().all(is_hex))
}

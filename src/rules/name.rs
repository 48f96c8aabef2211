//! Host names in one normal form, so that names of the rules and names from clients can be compared byte by byte.
//!
//! The normal form is lower case ASCII without a trailing dot. An IP literal is in canonical text without brackets (a
//! mapped IPv4 address as IPv4). A registration location may follow after one slash. This module only decides whether a
//! text is a name. A port is never part of a name.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use idna::AsciiDenyList;

/// Longest name in bytes, its location included: the limit of RFC 1035 section 2.3.4.
pub const MAX_NAME: usize = 255;

/// Longest label in bytes (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// The buffer into which [`from_wire`] writes a name. It needs no allocation and is reused.
#[derive(Debug, Clone)]
pub struct NameBuf([u8; MAX_NAME]);

impl Default for NameBuf {
    fn default() -> Self {
        Self([0; MAX_NAME])
    }
}

/// Why a text is no host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// The text is empty.
    Empty,
    /// More than [`MAX_NAME`] bytes.
    TooLong,
    /// A character that no name may have.
    Character(char),
    /// Two dots in a row, or one in front.
    EmptyLabel,
    /// A label of more than 63 bytes.
    LongLabel,
    /// It looks like an IP address, but is invalid.
    Address,
    /// An IPv6 address with a port needs brackets.
    Brackets,
    /// A `*` that is not the whole first label, or that stands before an address.
    Wildcard,
    /// An empty registration location, or a second slash.
    Location,
    /// Not a valid internationalised domain name (UTS 46).
    Idn,
    /// A port that is not a number up to 65535.
    Port,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty; a name is like hq.example.net"),
            Self::TooLong => write!(f, "the name is too long; {MAX_NAME} bytes are allowed"),
            Self::Character(c) => write!(
                f,
                "the character {c:?} cannot be part of a name; letters, digits, '-', '_' and '.' can"
            ),
            Self::EmptyLabel => f.write_str("there is nothing between two dots, or before the first one"),
            Self::LongLabel => write!(f, "a part between dots is too long; {MAX_LABEL} bytes are allowed"),
            Self::Address => {
                f.write_str("this is no IP address; one is like 192.0.2.1 or 2001:db8::1, without a port")
            }
            Self::Brackets => f.write_str("an IPv6 address stands in brackets here, like [2001:db8::1]:80"),
            Self::Wildcard => {
                f.write_str("'*' stands for the whole first label of a domain name, like *.example.net")
            }
            Self::Location => {
                f.write_str("one location may follow after one slash, like example.net/branch-b")
            }
            Self::Idn => f.write_str("this is no valid internationalised domain name"),
            Self::Port => f.write_str("the port is not a number from 0 to 65535"),
        }
    }
}

impl std::error::Error for BadName {}

/// Brings a name of the configuration to its normal form. It may be a wildcard (`*.example.net`) and may have a
/// registration location (`example.net/branch-b`).
///
/// # Errors
/// The fault of the name.
pub fn normalise(text: &str) -> Result<Box<str>, BadName> {
    let mut buf = NameBuf::default();
    let Some(domain) = text.strip_prefix("*.") else {
        return Ok(Box::from(normalise_plain(text, &mut buf)?));
    };
    let domain = normalise_plain(domain, &mut buf).map_err(|bad| match bad {
        BadName::Address => BadName::Wildcard,
        other => other,
    })?;
    let host = domain.split('/').next().unwrap_or(domain);
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if host.contains(':') || host.rsplit('.').next().is_some_and(numeric) {
        return Err(BadName::Wildcard);
    }
    if domain.len() + 2 > MAX_NAME {
        return Err(BadName::TooLong);
    }
    Ok(format!("*.{domain}").into_boxed_str())
}

fn normalise_plain<'b>(text: &str, buf: &'b mut NameBuf) -> Result<&'b str, BadName> {
    // Nearly every name is a plain domain, and a text that is one can be nothing else.
    if let Ok(len) = domain(text.as_bytes(), buf) {
        return written(len, buf);
    }
    if text.contains('*') {
        return Err(BadName::Wildcard);
    }
    let (host, location) = match text.split_once('/') {
        Some((host, location)) => (host, Some(location)),
        None => (text, None),
    };
    if host.is_ascii() {
        return canonical(text.as_bytes(), buf);
    }
    // The time to find the ASCII form grows with the square of the number of characters. The ASCII form has at least as
    // many bytes, except for characters that are dropped from names. A real name does not have hundreds of those.
    if host.chars().count() > MAX_NAME {
        return Err(BadName::TooLong);
    }
    // The deny list keeps a full-width slash, for example, from becoming a real slash.
    let ascii = idna::domain_to_ascii_cow(host.as_bytes(), AsciiDenyList::URL).map_err(|_| BadName::Idn)?;
    match location {
        None => canonical(ascii.as_bytes(), buf),
        Some(location) => canonical(format!("{ascii}/{location}").as_bytes(), buf),
    }
}

/// Brings a name that a client sent to its normal form, which is that of [`normalise`]. Allocates nothing.
///
/// The caller has cut off a port. An IPv6 address may have brackets or not, and a location may follow. The result never
/// begins with `*`.
///
/// # Errors
/// The fault of the name.
pub fn from_wire<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Result<&'b str, BadName> {
    canonical(raw, buf)
}

/// The ASCII form of a name in a protocol that uses Unicode: its internationalised labels are converted. An invalid
/// name stays as it is, and [`from_wire`] refuses it.
pub fn ascii(name: &str) -> Cow<'_, str> {
    let Some(name) = Some(name).filter(|name| !name.is_ascii()) else { return Cow::Borrowed(name) };
    normalise(name).map_or(Cow::Borrowed(name), |ascii| Cow::Owned(ascii.into()))
}

/// Splits an HTTP Host value, `uri-host [ ":" port ]` (RFC 9110 section 7.2, RFC 3986 section 3.2.2), into the
/// host, with its brackets if it has them, and the port. A colon with nothing behind it is no port.
///
/// # Errors
/// Refuses user information, path, query, spaces and control bytes, a port that is no number, and an IPv6
/// address without brackets.
pub fn split_host_port(raw: &[u8]) -> Result<(&[u8], Option<u16>), BadName> {
    let (host, rest) = if raw.first() == Some(&b'[') {
        let end = memchr::memchr(b']', raw).ok_or(BadName::Address)?;
        raw.split_at_checked(end + 1).ok_or(BadName::Address)?
    } else {
        let end = memchr::memchr(b':', raw).unwrap_or(raw.len());
        raw.split_at_checked(end).unwrap_or((raw, &[]))
    };
    if let Some(&byte) = host.iter().find(|byte| !byte.is_ascii_graphic() || b"@/\\?#".contains(byte)) {
        return Err(BadName::Character(char::from(byte)));
    }
    if host.is_empty() {
        return Err(BadName::Empty);
    }
    match rest.split_first() {
        None => Ok((host, None)),
        Some((b':', digits)) => Ok((host, port(digits)?)),
        Some((&byte, _)) => Err(BadName::Character(char::from(byte))),
    }
}

fn port(digits: &[u8]) -> Result<Option<u16>, BadName> {
    if digits.is_empty() {
        return Ok(None);
    }
    if digits.contains(&b':') {
        return Err(BadName::Brackets);
    }
    let mut value = 0_u16;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return Err(BadName::Port);
        }
        let digit = u16::from(digit - b'0');
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(BadName::Port)?;
    }
    Ok(Some(value))
}

/// The normal form of an ASCII name that is not a wildcard.
fn canonical<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Result<&'b str, BadName> {
    let (host, location) = match memchr::memchr(b'/', raw) {
        Some(at) => (raw.get(..at).unwrap_or_default(), raw.get(at + 1..)),
        None => (raw, None),
    };
    let mut len = if host.first() == Some(&b'[') || host.contains(&b':') {
        address(host, buf)?
    } else {
        domain(host, buf)?
    };
    if let Some(location) = location {
        len = append_location(location, len, buf)?;
    }
    written(len, buf)
}

/// The name in the first `len` bytes. Only ASCII has been written, so this cannot fail.
fn written(len: usize, buf: &NameBuf) -> Result<&str, BadName> {
    buf.0.get(..len).and_then(|name| str::from_utf8(name).ok()).ok_or(BadName::TooLong)
}

fn address(raw: &[u8], buf: &mut NameBuf) -> Result<usize, BadName> {
    let text = match raw.strip_prefix(b"[") {
        Some(rest) => rest.strip_suffix(b"]").ok_or(BadName::Address)?,
        None => raw,
    };
    let text = str::from_utf8(text).map_err(|_| BadName::Address)?;
    let address: Ipv6Addr = text.parse().map_err(|_| BadName::Address)?;
    let mut out = Cursor { buf: &mut buf.0, len: 0 };
    match address.to_ipv4_mapped() {
        Some(mapped) => write!(out, "{mapped}"),
        None => write!(out, "{address}"),
    }
    .map_err(|_| BadName::TooLong)?;
    Ok(out.len)
}

fn domain(raw: &[u8], buf: &mut NameBuf) -> Result<usize, BadName> {
    let raw = raw.strip_suffix(b".").unwrap_or(raw);
    if raw.is_empty() {
        return Err(BadName::Empty);
    }
    let out = buf.0.get_mut(..raw.len()).ok_or(BadName::TooLong)?;
    let (mut label, mut dots) = (0_usize, 0_usize);
    for (slot, &byte) in out.iter_mut().zip(raw) {
        *slot = LOWER.get(usize::from(byte)).copied().unwrap_or_default();
        match *slot {
            0 => return Err(BadName::Character(char::from(byte))),
            b'.' => {
                check_label(label)?;
                label = 0;
                dots += 1;
            }
            _ => label += 1,
        }
    }
    check_label(label)?;
    // Four numbers can only mean an address. With leading zeros some readers would read them as octal (RFC 6943 3.1.1).
    let numeric = || raw.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    let is_ipv4 = || str::from_utf8(raw).is_ok_and(|text| text.parse::<Ipv4Addr>().is_ok());
    if dots == 3 && numeric() && !is_ipv4() {
        return Err(BadName::Address);
    }
    Ok(raw.len())
}

fn check_label(len: usize) -> Result<(), BadName> {
    match len {
        0 => Err(BadName::EmptyLabel),
        1..=MAX_LABEL => Ok(()),
        _ => Err(BadName::LongLabel),
    }
}

/// The normal form of each byte of a domain. Zero: the byte cannot be part of one.
static LOWER: [u8; 256] = lower();

const fn lower() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
            {
                table[byte as usize] = byte.to_ascii_lowercase();
            }
        }
        byte += 1;
    }
    table
}

fn append_location(raw: &[u8], at: usize, buf: &mut NameBuf) -> Result<usize, BadName> {
    if raw.is_empty() || raw.contains(&b'/') {
        return Err(BadName::Location);
    }
    let end = at + 1 + raw.len();
    let out = buf.0.get_mut(at..end).ok_or(BadName::TooLong)?;
    let bytes = std::iter::once(&b'/').chain(raw);
    for (slot, &byte) in out.iter_mut().zip(bytes) {
        // Characters with a special meaning in a URI or in a log cannot be part of a location.
        if !byte.is_ascii_graphic() || b"\\@:*?#%;\"<>[]^`{|}".contains(&byte) {
            return Err(BadName::Character(char::from(byte)));
        }
        *slot = byte.to_ascii_lowercase();
    }
    Ok(end)
}

/// Formats into a fixed buffer.
struct Cursor<'b> {
    buf: &'b mut [u8; MAX_NAME],
    len: usize,
}

impl fmt::Write for Cursor<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let out = self.buf.get_mut(self.len..end).ok_or(fmt::Error)?;
        out.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

//! Distinguished names in their string form (RFC 4514). The `DC=` components make the domain, and the value of the
//! first component is the user. A component with several values is a set, so their order has no meaning. The user is
//! then the least value.
//!
//! Names are read as strictly as routing needs it. A name that two directories could read differently is
//! [`Unclear`]: two `DC` in one component (a set has no order), `DC`s with something else in between (the last run is the
//! domain to some), control characters. Quoted values, a semicolon in the place of a comma (both RFC 2253 §4) and
//! spaces around the separators have one meaning and are read.

use super::ber::Elements;
use super::oid;
use super::user::{Domain, Unclear, User};

/// `dc` and its other names: RFC 4519 §2.4, RFC 2247 §3.
const DC: [&[u8]; 3] = [b"dc", b"domaincomponent", b"0.9.2342.19200300.100.1.25"];

/// The optional prefix of an object identifier (RFC 2253 §4).
const OID: &[u8] = b"oid.";

/// Reads a name that has an attribute type and `=` in front.
///
/// # Errors
/// It is no distinguished name, or it has several readings.
pub(super) fn read(text: &[u8]) -> Result<(Domain, User), Unclear> {
    let mut rest = Rest(text);
    let mut domain = Domain::default();
    let mut user = User::default();
    // Whether a run of `DC` components has begun, and whether it has ended.
    let (mut begun, mut ended) = (false, false);
    for first in std::iter::once(true).chain(std::iter::repeat(false)) {
        let mut seen = 0_usize;
        loop {
            let is_dc = rest.attribute_type()?;
            let mut value = User::default();
            rest.value(is_dc, &mut value)?;
            if is_dc {
                seen += 1;
                add(&mut domain, &value)?;
            } else if first && !value.is_empty() && (user.is_empty() || comes_before(&value, &user)) {
                user = value;
            }
            if !rest.eat(b'+') {
                break;
            }
        }
        match seen {
            0 => ended |= begun,
            1 if !ended => begun = true,
            _ => return Err(Unclear),
        }
        if rest.0.is_empty() {
            return Ok((domain, user));
        }
        if !rest.eat(b',') && !rest.eat(b';') {
            return Err(Unclear);
        }
    }
    Err(Unclear)
}

/// Whether a value is less than another, without regard to case (RFC 4517 §4.2.11).
fn comes_before(one: &[u8], other: &[u8]) -> bool {
    let folded = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase();
    folded(one) < folded(other)
}

/// Appends a `DC` value to the domain. RFC 2247 §2 has one label in each value. A value with several labels and dots is
/// read too, because the domain is the same.
fn add(domain: &mut Domain, value: &[u8]) -> Result<(), Unclear> {
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let labels = value.split(|byte| *byte == b'.').all(|label| !label.is_empty());
    if !labels || !value.iter().all(sound) {
        return Err(Unclear);
    }
    if !domain.is_empty() {
        domain.push(b'.');
    }
    domain.extend_from_slice(value);
    Ok(())
}

/// The unread rest of the name.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.0.first() == Some(&byte);
        if eaten {
            self.next();
        }
        eaten
    }

    fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// Reads an attribute type and the `=` after it (RFC 4512 §1.4: `descr` or `numericoid`. The latter may have the
    /// prefix `OID.`, RFC 2253 §4). Returns whether it is `DC`.
    fn attribute_type(&mut self) -> Result<bool, Unclear> {
        self.spaces();
        let len = self.0.iter().position(|byte| matches!(byte, b' ' | b'=')).ok_or(Unclear)?;
        let (name, rest) = self.0.split_at_checked(len).ok_or(Unclear)?;
        self.0 = rest;
        let name = match name.split_at_checked(OID.len()) {
            Some((prefix, number)) if prefix.eq_ignore_ascii_case(OID) => number,
            _ => name,
        };
        let is_descr = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.len() == len
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let sound = is_descr || oid::is_numeric(name);
        self.spaces();
        if !sound || !self.eat(b'=') {
            return Err(Unclear);
        }
        Ok(DC.iter().any(|dc| name.eq_ignore_ascii_case(dc)))
    }

    /// Reads an attribute value and the spaces around it, and decodes it into `out`.
    fn value(&mut self, is_dc: bool, out: &mut User) -> Result<(), Unclear> {
        self.spaces();
        match self.0.first() {
            Some(b'#') => {
                self.next();
                self.hex_value(is_dc, out)?;
                self.spaces();
            }
            Some(b'"') => {
                self.next();
                self.quoted(out)?;
                self.spaces();
            }
            _ => self.string(out)?,
        }
        Ok(())
    }

    /// A string value (RFC 4514 §2.4). Spaces at the end count only if they are escaped.
    fn string(&mut self, out: &mut User) -> Result<(), Unclear> {
        let mut kept = 0;
        while let Some(&byte) = self.0.first() {
            match byte {
                b',' | b';' | b'+' => break,
                b'"' | b'<' | b'>' => return Err(Unclear),
                b'\\' => {
                    self.next();
                    let byte = self.escaped()?;
                    out.push(byte);
                    kept = out.len();
                }
                b' ' => {
                    self.next();
                    out.push(byte);
                }
                _ => {
                    self.next();
                    out.push(byte);
                    kept = out.len();
                }
            }
        }
        out.truncate(kept);
        Ok(())
    }

    /// A quoted value (RFC 2253 §4), up to the closing quotation mark.
    fn quoted(&mut self, out: &mut User) -> Result<(), Unclear> {
        loop {
            match self.next().ok_or(Unclear)? {
                b'"' => return Ok(()),
                b'\\' => {
                    let byte = self.escaped()?;
                    out.push(byte);
                }
                byte => out.push(byte),
            }
        }
    }

    /// The octet after a backslash: a character that must be escaped, or two hexadecimal digits.
    fn escaped(&mut self) -> Result<u8, Unclear> {
        let first = self.next().ok_or(Unclear)?;
        if b" \"#+,;<=>\\".contains(&first) {
            return Ok(first);
        }
        let second = self.next().ok_or(Unclear)?;
        pair(first, second).filter(|byte| *byte != 0).ok_or(Unclear)
    }

    /// The hexadecimal digits of a value's BER encoding. Its content matters only in a `DC`.
    fn hex_value(&mut self, is_dc: bool, out: &mut User) -> Result<(), Unclear> {
        let len = self.0.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(len).ok_or(Unclear)?;
        self.0 = rest;
        if digits.is_empty() || digits.len() % 2 > 0 {
            return Err(Unclear);
        }
        let mut octets = User::new();
        octets.extend(digits.chunks_exact(2).filter_map(|two| match two {
            [first, second] => pair(*first, *second),
            _ => None,
        }));
        let mut elements = Elements(&octets);
        // The tags of OCTET STRING, UTF8String, PrintableString and IA5String.
        match elements.take() {
            Ok((0x04 | 0x0c | 0x13 | 0x16, content)) if elements.is_empty() && !content.contains(&0) => {
                out.extend_from_slice(content);
            }
            _ if is_dc => return Err(Unclear),
            _ => {}
        }
        Ok(())
    }
}

fn pair(first: u8, second: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(first)? << 4 | digit(second)?)
}

#[cfg(test)]
mod tests;

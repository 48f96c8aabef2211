//! A digest login at Portward itself (RFC 7616, RFC 8760, RFC 3261 §22.4). The Authorization or Proxy-Authorization
//! field is read strictly, and a password is compared with it. Pure.
//!
//! A field that two parsers could read differently is no login: a repeated parameter, a backslash in a quoted string,
//! `username*`, a session variant. `qop=auth` is demanded, because a response without `nc` can be replayed.

use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::is_same;
use crate::inspect::digest::parameters;

/// The hash algorithm of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `MD5`. It is also used if no algorithm is named.
    Md5,
    /// `SHA-256` (RFC 8760).
    Sha256,
}

impl Algorithm {
    /// All algorithms.
    pub const ALL: [Self; 2] = [Self::Md5, Self::Sha256];

    /// The name in header fields and in `sip.digest`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn of(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// The hash of these parts in hexadecimal. The parts are separated by colons.
    fn hash(self, parts: &[&[u8]]) -> String {
        match self {
            Self::Md5 => hex(&hashed(Md5::new(), parts)),
            Self::Sha256 => hex(&hashed(Sha256::new(), parts)),
        }
    }
}

fn hashed<H: md5::Digest>(mut hash: H, parts: &[&[u8]]) -> Vec<u8> {
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut text, octet| {
        for digit in [octet >> 4, octet & 0xf] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}

/// A digest login, as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestLogin<'a> {
    /// The user's name.
    pub username: &'a [u8],
    /// The realm of the user.
    pub realm: &'a [u8],
    /// The nonce of the challenge.
    pub nonce: &'a [u8],
    /// The URI of the request. It must be the Request-URI.
    pub uri: &'a [u8],
    /// The hash algorithm.
    pub algorithm: Algorithm,
    /// How often the nonce has been used, including this time.
    pub nc: u32,
    nc_text: &'a [u8],
    cnonce: &'a [u8],
    qop: &'a [u8],
    response: &'a [u8],
}

impl<'a> DigestLogin<'a> {
    /// Reads the value of a field. `None`: it is no digest login, or it could be read in two ways.
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let mut found: [Option<&'a [u8]>; NAMES.len()] = [None; NAMES.len()];
        for (name, value) in parameters(value)? {
            // Unknown parameters decide nothing. But the extended form of a known one is refused.
            if name.ends_with(b"*") || value.contains(&b'\\') {
                return None;
            }
            let at = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
            if let Some(place) = at.and_then(|at| found.get_mut(at)) {
                *place = Some(value);
            }
        }
        Self::of(found)
    }

    fn of(found: [Option<&'a [u8]>; NAMES.len()]) -> Option<Self> {
        let [username, realm, nonce, uri, response, qop, nc_text, cnonce, algorithm, userhash] = found;
        let algorithm = algorithm.map_or(Some(Algorithm::Md5), Algorithm::of)?;
        let (qop, nc_text, cnonce) = (qop?, nc_text?, cnonce?);
        let is_hex = nc_text.len() == 8 && nc_text.iter().all(u8::is_ascii_hexdigit);
        let is_wanted = qop.eq_ignore_ascii_case(b"auth") && !cnonce.is_empty() && is_hex;
        if !is_wanted || userhash.is_some_and(|hashed| !hashed.eq_ignore_ascii_case(b"false")) {
            return None;
        }
        let nc = u32::from_str_radix(std::str::from_utf8(nc_text).ok()?, 16).ok()?;
        let (username, realm, nonce, uri, response) = (username?, realm?, nonce?, uri?, response?);
        let login = Self { username, realm, nonce, uri, algorithm, nc, nc_text, cnonce, qop, response };
        (nc > 0 && !username.is_empty() && !uri.is_empty()).then_some(login)
    }

    /// Whether it was made for this request with this password. The comparison takes constant time. Letters of the
    /// response may have either case.
    pub fn fits(&self, method: &[u8], request_uri: &[u8], password: &[u8]) -> bool {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let who = hash(&[self.username, self.realm, password]);
        let what = hash(&[method, self.uri]);
        let right = hash(&[who.as_bytes(), self.nonce, self.nc_text, self.cnonce, self.qop, what.as_bytes()]);
        let given = self.response.to_ascii_lowercase();
        self.uri == request_uri && is_same(right.as_bytes(), &given)
    }
}

/// The parameters with a meaning, in the order of [`DigestLogin::of`].
const NAMES: [&[u8]; 10] = [
    b"username",
    b"realm",
    b"nonce",
    b"uri",
    b"response",
    b"qop",
    b"nc",
    b"cnonce",
    b"algorithm",
    b"userhash",
];

#[cfg(test)]
mod tests;

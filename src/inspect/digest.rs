//! Credentials and challenges of HTTP authentication, which SIP uses as well (RFC 9110 §11, RFC 7616, RFC 3261 §22), as
//! far as the guard needs them: the scheme, the nonce, and whether the nonce is stale.
//!
//! [`is_ambiguous`] finds credentials that two parsers could read differently. Both protocols refuse them. Otherwise a
//! client could guess passwords in a form that Portward reads as no login, and none of its guesses would count.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use smallvec::SmallVec;

/// The kind of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// A password in the clear.
    Basic,
    /// An answer to a challenge. The value is the digest of the challenge's nonce.
    Digest(u64),
    /// Any other login: tokens, logins of the connection, and credentials that cannot be read.
    Other,
}

/// A Digest challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The digest of its nonce.
    pub nonce: u64,
    /// The previous nonce was too old. The login itself is not refused (`stale`).
    pub stale: bool,
}

/// Reads an Authorization or Proxy-Authorization field.
pub fn credentials(value: &[u8]) -> Credentials {
    let (scheme, rest) = split(value);
    if scheme.eq_ignore_ascii_case(b"basic") {
        return Credentials::Basic;
    }
    if !scheme.eq_ignore_ascii_case(b"digest") {
        return Credentials::Other;
    }
    named(rest, b"nonce").map_or(Credentials::Other, |nonce| Credentials::Digest(digest(nonce)))
}

/// All Digest challenges of a WWW-Authenticate or Proxy-Authenticate field. The field may list several challenges, and
/// challenges of other schemes between them (RFC 9110 §11.6.1). A challenge without a nonce is left out.
pub fn challenges(value: &[u8]) -> impl Iterator<Item = Challenge> {
    let mut elements = Elements::of(value).peekable();
    std::iter::from_fn(move || {
        loop {
            // Parameters before the first scheme belong to no challenge.
            let first = elements.next()?;
            if !first.scheme.eq_ignore_ascii_case(b"digest") {
                continue;
            }
            let (mut nonce, mut stale) = (None, false);
            let mut read = |element: &Element<'_>| {
                if nonce.is_none() && element.name.eq_ignore_ascii_case(b"nonce") {
                    nonce = Some(digest(element.value));
                }
                stale |= element.name.eq_ignore_ascii_case(b"stale")
                    && element.value.eq_ignore_ascii_case(b"true");
            };
            read(&first);
            while let Some(element) = elements.next_if(|element| element.scheme.is_empty()) {
                read(&element);
            }
            if let Some(nonce) = nonce {
                return Some(Challenge { nonce, stale });
            }
        }
    })
}

/// The schemes that a WWW-Authenticate field offers, in order (RFC 9110 §11.6.1).
pub fn schemes(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let elements = Elements::of(value).flat_map(|element| [element.scheme, element.lone]);
    elements.filter(|scheme| !scheme.is_empty())
}

/// The nonce that an Authentication-Info or Proxy-Authentication-Info field gives for the next login (RFC 7616 §3.5).
pub fn next_nonce(value: &[u8]) -> Option<u64> {
    named(value, b"nextnonce").map(digest)
}

/// The digest of the name in Digest credentials.
pub fn username(value: &[u8]) -> Option<u64> {
    let (scheme, rest) = split(value);
    named(rest, b"username").filter(|_| scheme.eq_ignore_ascii_case(b"digest")).map(hash)
}

/// The realm of Digest credentials, with quoted pairs resolved (RFC 9110 §5.6.4).
pub fn realm(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (scheme, rest) = split(value);
    let realm = named(rest, b"realm").filter(|_| scheme.eq_ignore_ascii_case(b"digest"))?;
    if memchr::memchr(b'\\', realm).is_none() {
        return Some(Cow::Borrowed(realm));
    }
    let mut escaped = false;
    let mut is_of_it = |octet: &u8| {
        escaped = *octet == b'\\' && !escaped;
        !escaped
    };
    Some(Cow::Owned(realm.iter().copied().filter(|octet| is_of_it(octet)).collect()))
}

/// The value of the first parameter with this name.
fn named<'a>(rest: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    Elements::of(rest).find(|element| element.name.eq_ignore_ascii_case(name)).map(|element| element.value)
}

/// How many parameters of credentials are examined at most. RFC 7616 knows twelve.
const PARAMETER_LIMIT: usize = 32;

/// Whether two parsers could find two logins in an Authorization or Proxy-Authorization field. Three things cause that:
/// a Digest parameter that occurs twice (RFC 9110 §11.2 allows each name once), `username` beside `username*`, or text
/// between the parameters that is no parameter. Of two parameters some parsers take the first and some the last, and
/// some parsers skip unknown text.
///
/// Of the other schemes only Basic is examined: it has one word. No decision depends on credentials of any other
/// scheme.
pub fn is_ambiguous(value: &[u8]) -> bool {
    let (scheme, rest) = split(value);
    let word = scheme.iter().position(|octet| !octet.is_ascii_alphanumeric() && *octet != b'-');
    if let Some(word) = word.and_then(|end| scheme.get(..end)) {
        // Kamailio reads `Digest,nonce=…` as Digest.
        return word.eq_ignore_ascii_case(b"digest") || word.eq_ignore_ascii_case(b"basic");
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        return rest.trim_ascii().iter().any(|octet| octet.is_ascii_whitespace() || b",\"".contains(octet));
    }
    scheme.eq_ignore_ascii_case(b"digest") && listed(rest).is_none()
}

/// Names and values of parameters. A value has no quotes around it, and its escapes are unchanged.
pub type Parameters<'a> = SmallVec<[(&'a [u8], &'a [u8]); 12]>;

/// The parameters of Digest credentials, in their order. `None`: the credentials have another scheme, or are ambiguous
/// ([`is_ambiguous`]).
pub fn parameters(value: &[u8]) -> Option<Parameters<'_>> {
    let (scheme, rest) = split(value);
    listed(rest).filter(|_| scheme.eq_ignore_ascii_case(b"digest"))
}

/// Reads a list of `name=value` in which each name occurs once, with or without the `*` of its extended form (RFC 9110
/// §11.2, §5.6.1).
fn listed(mut rest: &[u8]) -> Option<Parameters<'_>> {
    let mut all = Parameters::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return Some(all),
            Some((b',', more)) => {
                rest = more;
                continue;
            }
            _ => {}
        }
        let (one, behind) = one_parameter(rest)?;
        rest = behind;
        let is_again =
            |(other, _): &(&[u8], &[u8])| without_star(other).eq_ignore_ascii_case(without_star(one.0));
        if all.len() == PARAMETER_LIMIT || all.iter().any(is_again) {
            return None;
        }
        all.push(one);
    }
}

/// The name of a parameter without the `*` of its extended form (RFC 8187).
fn without_star(name: &[u8]) -> &[u8] {
    name.strip_suffix(b"*").unwrap_or(name)
}

/// A parameter, and the octets after it.
type First<'a> = ((&'a [u8], &'a [u8]), &'a [u8]);

/// The first parameter, and the octets after it. There must be nothing or a comma after it.
fn one_parameter(rest: &[u8]) -> Option<First<'_>> {
    let (whole, more) = rest.split_at_checked(memchr::memchr(b'=', rest)?)?;
    let whole = whole.trim_ascii_end();
    let name = without_star(whole);
    if name.is_empty() || !name.iter().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(octet)) {
        return None;
    }
    let value = more.get(1..)?.trim_ascii_start();
    let (value, behind) = match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let (text, behind) = quoted.split_at(quoted_end(quoted)?);
            // Some parsers remove a backslash from a nonce and some keep it. No real nonce has one.
            let is_nonce = name.eq_ignore_ascii_case(b"nonce");
            let is_plain = is_one_string(text) && !(is_nonce && text.contains(&b'\\'));
            is_plain.then_some((text, behind.get(1..)?))?
        }
        None => {
            let is_end = |octet: &u8| *octet == b',' || octet.is_ascii_whitespace();
            let (bare, behind) = value.split_at(value.iter().position(is_end).unwrap_or(value.len()));
            let is_bare = |octet: &u8| octet.is_ascii_graphic() && !b"\"\\".contains(octet);
            bare.iter().all(is_bare).then_some((bare, behind))?
        }
    };
    let behind = behind.trim_ascii_start();
    matches!(behind.first(), None | Some(b',')).then_some(((whole, value), behind))
}

/// Whether the quoted string is the same for every parser: a parser that does not know `\"` must find no parameters in
/// it, and no parser may find a line end in it.
fn is_one_string(quoted: &[u8]) -> bool {
    let has_quote = memchr::memchr(b'"', quoted).is_some();
    !quoted.iter().any(|octet| octet.is_ascii_control() || has_quote && b",=".contains(octet))
}

/// The end of a quoted string. Its first quote is directly before `quoted`.
fn quoted_end(quoted: &[u8]) -> Option<usize> {
    let mut escaped = false;
    quoted.iter().position(|octet| {
        let end = *octet == b'"' && !escaped;
        escaped = *octet == b'\\' && !escaped;
        end
    })
}

/// How many octets of a nonce are compared.
const NONCE_LIMIT: usize = 32;

/// The digest of a nonce. Servers tolerate differences in how a client writes a nonce. So everything that some servers
/// ignore is left out: case (hexadecimal digits), and the octets after the first ones (Kamailio reads base64 only as
/// far as it needs).
fn digest(nonce: &[u8]) -> u64 {
    let octets = nonce.iter().map(u8::to_ascii_lowercase);
    let normal: SmallVec<[u8; NONCE_LIMIT]> = octets.take(NONCE_LIMIT).collect();
    hash(&normal)
}

fn hash(text: &[u8]) -> u64 {
    // A collision does not help a guesser: the guard then takes the guessed nonce for a nonce that was given, and
    // counts the guess.
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
}

/// The scheme, and the text after it.
fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii_start();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    value.split_at(end)
}

/// One element of a list of challenges or credentials: a parameter, a scheme, or a scheme with its first parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element<'a> {
    /// The scheme that begins here. It may be empty.
    scheme: &'a [u8],
    /// The parameter's name. It may be empty.
    name: &'a [u8],
    /// The parameter's value, without quotes and with its escapes unchanged.
    value: &'a [u8],
    /// A word that stands alone. It may be empty. It is a scheme without parameters, or a part of a list that should
    /// have been quoted.
    lone: &'a [u8],
}

/// The elements of a field. Text within quotes is no parameter.
#[derive(Debug, Clone)]
struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    fn of(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Takes octets off the front as long as `wanted` holds.
    fn take(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|octet| !wanted(*octet)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take(|octet| octet.is_ascii_whitespace());
    }

    fn word(&mut self) -> &'a [u8] {
        let word = self.take(|octet| !octet.is_ascii_whitespace() && !matches!(octet, b'=' | b',' | b'"'));
        self.blanks();
        word
    }

    /// The value after `=`.
    fn value(&mut self) -> &'a [u8] {
        self.blanks();
        let Some(quoted) = self.rest.strip_prefix(b"\"") else {
            return self.take(|octet| octet != b',').trim_ascii_end();
        };
        let (value, behind) = quoted.split_at(quoted_end(quoted).unwrap_or(quoted.len()));
        self.rest = behind.get(1..).unwrap_or_default();
        value
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let none: &[u8] = b"";
        self.take(|octet| octet.is_ascii_whitespace() || octet == b',');
        if self.rest.is_empty() {
            return None;
        }
        let mut element = Element { scheme: none, name: self.word(), value: none, lone: none };
        if !matches!(self.rest.first(), None | Some(b'=' | b',' | b'"')) {
            // Of two words the first is a scheme.
            element.scheme = element.name;
            element.name = self.word();
        }
        match self.rest.first() {
            Some(b'=') => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                element.value = self.value();
            }
            // The parameters after a word that stands alone belong to the scheme before it. So more nonces are
            // remembered and never fewer.
            None | Some(b',') => element.lone = std::mem::take(&mut element.name),
            // This is neither a name nor a value, so it is skipped.
            Some(_) => {
                self.take(|octet| octet != b',');
                element.name = none;
            }
        }
        Some(element)
    }
}

#[cfg(test)]
mod tests;

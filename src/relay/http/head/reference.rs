//! URLs of an answer, as the client has to see them (RFC 3986 section 4.1): a target from which a part of the path was taken
//! off, or that knows itself by another name, speaks of URLs that the client does not have.
//!
//! What leads to the same host gets the part back that was taken off, unless it has it already. Everything else stays as it
//! is: URLs of other hosts and schemes, and whatever two readers may read in two ways.

use super::put;
use crate::rules::name::split_host_port;

/// What URLs get back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undo {
    /// What a trusted peer has taken off before, and then the part that the rule takes off. Both may be empty; neither ends with
    /// a slash.
    pub(super) whole: Vec<u8>,
    /// Where the rule's own part begins in it.
    pub(super) own: usize,
    /// The path that the target was asked for; `/` where nothing was left of it.
    pub(super) asked: Vec<u8>,
    /// Nothing was left of the path: the client's own has no slash where the target's ends.
    pub(super) nothing_left: bool,
    /// Names, with a port if there is one, by which the client and what is in front of us know this host.
    pub(super) hosts: Vec<Box<[u8]>>,
    /// The name that the target was told in their place (`host = "target"`).
    pub(super) told: Option<Box<[u8]>>,
    /// The port at which the target was reached. Web servers put their own port behind the name that they were told.
    pub(super) port: u16,
}

/// Whose URL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// This host's, as the client knows it.
    Own,
    /// This host's, as only the target knows it.
    Told,
    /// Another's.
    Foreign,
}

impl Undo {
    /// The part that the rule takes off.
    pub(super) fn prefix(&self) -> &[u8] {
        self.whole.get(self.own..).unwrap_or_default()
    }

    /// Writes a URL or a relative reference, with what it gets back.
    pub(super) fn put(&self, out: &mut Vec<u8>, value: &[u8]) {
        if !self.put_changed(out, value) {
            out.extend_from_slice(value);
        }
    }

    /// Writes it if it changes. False: it stays as it is, and nothing was written.
    fn put_changed(&self, out: &mut Vec<u8>, value: &[u8]) -> bool {
        if value.iter().any(u8::is_ascii_control) {
            return false;
        }
        let lower = |len: usize| value.get(..len).unwrap_or_default().to_ascii_lowercase();
        let scheme = if lower(7) == b"http://" {
            7
        } else if lower(8) == b"https://" {
            8
        } else if value.starts_with(b"//") {
            2
        } else if value.first() == Some(&b'/') {
            return value.get(1) != Some(&b'\\') && self.put_path(out, value);
        } else {
            return self.put_relative(out, value);
        };
        let (before, rest) = value.split_at_checked(scheme).unwrap_or_default();
        let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or_default();
        match self.whose(authority) {
            Whose::Foreign => false,
            Whose::Own => {
                let start = out.len();
                put(out, &[before, authority]);
                let changed = self.put_path(out, path);
                if !changed {
                    out.truncate(start);
                }
                changed
            }
            // The client cannot know that name, so the URL goes on without it. Two slashes would begin another name.
            Whose::Told if path.get(1).is_some_and(|octet| matches!(octet, b'/' | b'\\')) => false,
            Whose::Told => {
                if !self.put_path(out, path) {
                    out.extend_from_slice(if path.starts_with(b"/") { b"" } else { b"/" });
                    out.extend_from_slice(path);
                }
                true
            }
        }
    }

    /// Writes a path that begins with a slash, or nothing of one, with what follows it, behind the part that was taken off.
    fn put_path(&self, out: &mut Vec<u8>, value: &[u8]) -> bool {
        let end = value.iter().position(|octet| matches!(octet, b'?' | b'#')).unwrap_or(value.len());
        let (path, rest) = value.split_at_checked(end).unwrap_or_default();
        let path = without_dots(path);
        if self.prefix().is_empty() || self.has_prefix(&path) {
            return false;
        }
        put(out, &[self.prefix(), if path.is_empty() { b"/" } else { &path }, rest]);
        true
    }

    /// A reference that is relative to the URL of the request is right as it is, because the client's URL ends like the
    /// target's. Not so where it leads above the part that was taken off, or where nothing was left beside that part.
    fn put_relative(&self, out: &mut Vec<u8>, value: &[u8]) -> bool {
        let end = value.iter().position(|octet| matches!(octet, b'?' | b'#')).unwrap_or(value.len());
        let (path, rest) = value.split_at_checked(end).unwrap_or_default();
        let first = path.split(|octet| *octet == b'/').next().unwrap_or_default();
        let has_scheme = first.contains(&b':');
        let climbs = path.split(|octet| *octet == b'/').any(|segment| dots(segment) == 2);
        if path.is_empty() || has_scheme || path.contains(&b'\\') || !(climbs || self.nothing_left) {
            return false;
        }
        let folder = memchr::memrchr(b'/', &self.asked).and_then(|at| self.asked.get(..=at)).unwrap_or(b"/");
        let joined = [folder, path, rest].concat();
        self.put_path(out, &joined)
    }

    /// Whether a path begins with the part that was taken off, in whole segments, however its octets are escaped.
    pub(super) fn has_prefix(&self, path: &[u8]) -> bool {
        let begins_with = |prefix: &[u8]| {
            let mut rest = Unescaped(path);
            !prefix.is_empty()
                && Unescaped(prefix).all(|octet| rest.next() == Some(octet))
                && matches!(rest.0.first(), None | Some(b'/'))
        };
        begins_with(&self.whole) || begins_with(self.prefix())
    }

    /// Whether a cookie's domain (RFC 6265 section 5.2.3) is of the name that only the target knows, and of none by which a client
    /// knows this host.
    pub(super) fn is_only_told(&self, domain: &[u8]) -> bool {
        let domain = domain.strip_prefix(b".").unwrap_or(domain).to_ascii_lowercase();
        let covers = |host: &[u8]| {
            let host = Authority::read(host).map(|host| host.name).unwrap_or_default();
            host.strip_suffix(domain.as_slice()).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
        };
        let is_told = self.told.as_deref().is_some_and(covers);
        !domain.is_empty() && is_told && !self.hosts.iter().any(|host| covers(host))
    }

    /// Whose an authority is. Ports that are standard for one of the two schemes are none, because a target behind a proxy that
    /// speaks TLS may not know the client's scheme.
    fn whose(&self, authority: &[u8]) -> Whose {
        let Some(asked) = Authority::read(authority) else { return Whose::Foreign };
        let is = |host: &[u8]| Authority::read(host).is_some_and(|host| asked.is_of(&host));
        let is_at_target = |host: &[u8]| {
            asked.port == Some(self.port) && Authority::read(host).is_some_and(|host| asked.name == host.name)
        };
        if self.hosts.iter().any(|host| is(host)) {
            Whose::Own
        } else if self.told.as_deref().is_some_and(is) || self.hosts.iter().any(|host| is_at_target(host)) {
            Whose::Told
        } else {
            Whose::Foreign
        }
    }
}

/// A name with a port.
struct Authority {
    name: Vec<u8>,
    port: Option<u16>,
}

impl Authority {
    /// `None`: it has user information, or is none.
    fn read(text: &[u8]) -> Option<Self> {
        let (name, port) = split_host_port(text).ok()?;
        let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
        Some(Self { name, port: port.filter(|port| !matches!(port, 80 | 443)) })
    }

    fn is_of(&self, host: &Self) -> bool {
        self.name == host.name && (self.port.is_none() || self.port == host.port)
    }
}

/// The octets of a path, escapes decoded (RFC 3986 section 2.1).
struct Unescaped<'a>(&'a [u8]);

impl Iterator for Unescaped<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        let digit = |octet: &u8| char::from(*octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if let (b'%', [high, low, rest @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            self.0 = rest;
            return Some(high << 4 | low);
        }
        self.0 = rest;
        Some(*first)
    }
}

/// How many dots a segment is, if it is one or two of them and nothing else (RFC 3986 section 5.2.4; escaped ones count, as in
/// browsers), else 0.
fn dots(segment: &[u8]) -> usize {
    match segment.len() {
        1..=6 if Unescaped(segment).all(|octet| octet == b'.') => match Unescaped(segment).count() {
            count @ 1..=2 => count,
            _ => 0,
        },
        _ => 0,
    }
}

/// A path as a client resolves it: without segments that are dots, which would lead out of what is put in front.
fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut is_folder = false;
    for segment in path.split(|octet| *octet == b'/').skip(1) {
        let dots = dots(segment);
        is_folder = dots > 0;
        match dots {
            0 => kept.push(segment),
            1 => {}
            _ => drop(kept.pop()),
        }
    }
    let mut out = Vec::with_capacity(path.len());
    kept.iter().for_each(|segment| put(&mut out, &[b"/", segment]));
    if is_folder {
        out.push(b'/');
    }
    out
}

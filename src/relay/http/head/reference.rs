//! URLs of an answer, in the form that the client needs (RFC 3986 section 4.1). A target may be asked for a shorter
//! path than the client's, or under another name. Then its URLs are not those of the client.
//!
//! A URL of the same host gets back the part that was taken off the path, unless it has it already. All others stay
//! unchanged: URLs of other hosts and schemes, and every URL that has two readings.

use super::put;
use crate::rules::name::split_host_port;

/// What is put back into URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undo {
    /// The part of the path that a trusted peer has taken off before, followed by the part that the rule takes off.
    /// Both may be empty. Neither ends with a slash.
    pub(super) whole: Vec<u8>,
    /// Where the rule's own part begins in `whole`.
    pub(super) own: usize,
    /// The path that the target was asked for. `/` if nothing was left of it.
    pub(super) asked: Vec<u8>,
    /// Nothing was left of the path. So the client's path has no slash where the target's path ends with one.
    pub(super) nothing_left: bool,
    /// The names of this host, some with a port, as the client and the proxies in front of Portward know it.
    pub(super) hosts: Vec<Box<[u8]>>,
    /// The name that the target got instead (`host = "target"`).
    pub(super) told: Option<Box<[u8]>>,
    /// The port of the target. Web servers append their own port to the name that they got.
    pub(super) port: u16,
}

/// The host to which a URL belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UrlOwner {
    /// This host, under a name that the client knows.
    Own,
    /// This host, under the name that only the target knows.
    Told,
    /// Another host.
    Foreign,
}

impl Undo {
    /// The part that the rule takes off.
    pub(super) fn prefix(&self) -> &[u8] {
        self.whole.get(self.own..).unwrap_or_default()
    }

    /// Writes a URL or a relative reference, with the part put back.
    pub(super) fn put(&self, out: &mut Vec<u8>, value: &[u8]) {
        if !self.put_changed(out, value) {
            out.extend_from_slice(value);
        }
    }

    /// Writes the URL if it must change. False: it stays as it is, and nothing was written.
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
        match self.url_owner(authority) {
            UrlOwner::Foreign => false,
            UrlOwner::Own => {
                let start = out.len();
                put(out, &[before, authority]);
                let changed = self.put_path(out, path);
                if !changed {
                    out.truncate(start);
                }
                changed
            }
            // The client cannot know that name, so the URL is written without it. A path with two slashes would look
            // like another host.
            UrlOwner::Told if path.get(1).is_some_and(|octet| matches!(octet, b'/' | b'\\')) => false,
            UrlOwner::Told => {
                if !self.put_path(out, path) {
                    out.extend_from_slice(if path.starts_with(b"/") { b"" } else { b"/" });
                    out.extend_from_slice(path);
                }
                true
            }
        }
    }

    /// Writes a path, with the part that was taken off in front and its query behind. The path is absolute or empty.
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

    /// Writes a reference that is relative to the URL of the request. Usually it stays as it is, because the client's
    /// URL ends like the target's. It must change if it leads above the part that was taken off, or if nothing was left
    /// beside that part.
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

    /// Whether a path begins with the part that was taken off. Whole segments are compared, with their escapes decoded.
    pub(super) fn has_prefix(&self, path: &[u8]) -> bool {
        let begins_with = |prefix: &[u8]| {
            let mut rest = Unescaped(path);
            !prefix.is_empty()
                && Unescaped(prefix).all(|octet| rest.next() == Some(octet))
                && matches!(rest.0.first(), None | Some(b'/'))
        };
        begins_with(&self.whole) || begins_with(self.prefix())
    }

    /// Whether a cookie's domain (RFC 6265 section 5.2.3) covers the name that only the target knows, and none of the
    /// names that the client knows.
    pub(super) fn is_only_told(&self, domain: &[u8]) -> bool {
        let domain = domain.strip_prefix(b".").unwrap_or(domain).to_ascii_lowercase();
        let covers = |host: &[u8]| {
            let host = Authority::read(host).map(|host| host.name).unwrap_or_default();
            host.strip_suffix(domain.as_slice()).is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
        };
        let is_told = self.told.as_deref().is_some_and(covers);
        !domain.is_empty() && is_told && !self.hosts.iter().any(|host| covers(host))
    }

    /// The host of an authority. A standard port of either scheme counts as no port, because a target behind a proxy
    /// that speaks TLS may not know the client's scheme.
    fn url_owner(&self, authority: &[u8]) -> UrlOwner {
        let Some(asked) = Authority::read(authority) else { return UrlOwner::Foreign };
        let is = |host: &[u8]| Authority::read(host).is_some_and(|host| asked.is_of(&host));
        let is_at_target = |host: &[u8]| {
            asked.port == Some(self.port) && Authority::read(host).is_some_and(|host| asked.name == host.name)
        };
        if self.hosts.iter().any(|host| is(host)) {
            UrlOwner::Own
        } else if self.told.as_deref().is_some_and(is) || self.hosts.iter().any(|host| is_at_target(host)) {
            UrlOwner::Told
        } else {
            UrlOwner::Foreign
        }
    }
}

/// A name with a port.
struct Authority {
    name: Vec<u8>,
    port: Option<u16>,
}

impl Authority {
    /// Reads an authority. `None`: it has user information, or is invalid.
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

/// The number of dots, if the segment is `.` or `..` (RFC 3986 section 5.2.4), otherwise 0. Escaped dots count, as they
/// do in browsers.
fn dots(segment: &[u8]) -> usize {
    match segment.len() {
        1..=6 if Unescaped(segment).all(|octet| octet == b'.') => match Unescaped(segment).count() {
            count @ 1..=2 => count,
            _ => 0,
        },
        _ => 0,
    }
}

/// The path as a client resolves it. Dot segments are removed, because they could lead out of the part that is put in
/// front.
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

//! The route of a live connection. It is small, because each idle connection has one.

use std::net::{IpAddr, SocketAddr};

/// Longer names are cut.
const NAME: usize = 255;

/// The names of one connection in one allocation, and the address of its target. Empty before the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// Identity, host and verdict, one after the other.
    text: Box<[u8]>,
    /// Their lengths: the two parts of the identity, the host, and the verdict.
    lengths: [u8; 4],
    address: Option<IpAddr>,
    port: u16,
}

fn cut(name: &[u8]) -> &[u8] {
    name.get(..name.len().min(NAME)).unwrap_or_default()
}

impl Route {
    /// Sets all fields. If the route is the same again, as for each request of a browser, this is only a comparison.
    pub(super) fn set(&mut self, identity: [&[u8]; 2], host: &str, verdict: &str, target: SocketAddr) {
        let [user, name] = identity;
        let parts = [cut(user), cut(name), cut(host.as_bytes()), cut(verdict.as_bytes())];
        let lengths = parts.map(|part| part.len() as u8);
        let is_same = u32::from_ne_bytes(lengths) == u32::from_ne_bytes(self.lengths) && {
            let mut rest = &*self.text;
            parts
                .iter()
                .all(|part| part.is_empty() || rest.split_off(..part.len()).is_some_and(|said| said == *part))
        };
        if !is_same {
            (self.text, self.lengths) = (parts.concat().into(), lengths);
        }
        (self.address, self.port) = (Some(target.ip()), target.port());
    }

    fn field(&self, number: usize) -> &[u8] {
        let length = |at: &u8| usize::from(*at);
        let start: usize = self.lengths.iter().take(number).map(length).sum();
        let len = self.lengths.get(number).map(length).unwrap_or_default();
        self.text.get(start..start + len).unwrap_or_default()
    }

    /// Whether the connection is decided.
    pub fn is_decided(&self) -> bool {
        self.address.is_some()
    }

    /// The identity that was asked for: `user@host` of a SIP request, user and host of a bind, host of an HTTP request,
    /// or gatekeeper identifier. It is as the client sent it, so it must be escaped.
    pub fn identity(&self) -> String {
        let [user, name] = [0, 1].map(|at| String::from_utf8_lossy(self.field(at)));
        if user.is_empty() || name.is_empty() { format!("{user}{name}") } else { format!("{user}@{name}") }
    }

    /// The host, by its name in the rules.
    pub fn host(&self) -> String {
        String::from_utf8_lossy(self.field(2)).into_owned()
    }

    /// The verdict on the client's certificate. Empty: no certificate was requested.
    pub fn verdict(&self) -> String {
        String::from_utf8_lossy(self.field(3)).into_owned()
    }

    /// The target's address.
    pub fn target(&self) -> Option<SocketAddr> {
        self.address.map(|address| SocketAddr::new(address, self.port))
    }

    /// Whether `host` is the host of the rules, or the host that was asked for. Case does not count.
    pub(super) fn is_about(&self, host: &str) -> bool {
        let asked = self.field(1);
        let bare = memchr::memrchr(b'@', asked).and_then(|at| asked.get(at + 1..)).unwrap_or(asked);
        let asked = crate::rules::name::split_host_port(bare).map_or(bare, |(bare, _)| bare);
        [self.field(2), asked].iter().any(|name| name.eq_ignore_ascii_case(host.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_gives_back_what_was_set() {
        let mut route = Route::default();
        assert!(!route.is_decided() && route.identity().is_empty());
        let target: SocketAddr = "172.31.31.2:5061".parse().unwrap();
        route.set([b"ckl", b"hq.example"], "*.example", "ok(ckl)", target);
        assert_eq!((route.identity(), route.host()), ("ckl@hq.example".to_owned(), "*.example".to_owned()));
        assert_eq!((route.verdict(), route.target()), ("ok(ckl)".to_owned(), Some(target)));
        for name in ["HQ.example", "*.Example"] {
            assert!(route.is_about(name), "{name}");
        }
        assert!(!route.is_about("ckl"));
        let (text, other) = (route.text.as_ptr(), "172.31.31.3:5061".parse().unwrap());
        route.set([b"ckl", b"hq.example"], "*.example", "ok(ckl)", other);
        assert_eq!((route.text.as_ptr(), route.target()), (text, Some(other)), "nothing was allocated");
        route.set([b"", b"hq.example:8080"], "hq.example", "", other);
        assert_eq!((route.identity(), route.verdict()), ("hq.example:8080".to_owned(), String::new()));
        assert!(route.is_about("hq.example"));
        route.set([&[0xff; 300], b"x"], "h", "", other);
        assert_eq!(route.identity().chars().count(), 255 + 2);
    }
}

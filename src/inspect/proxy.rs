//! The PROXY protocol header, versions 1 and 2, that a balancer in front of Portward sends before everything else.
//!
//! The crate `proxy-header` decodes and encodes. It answers "too short" for many inputs that can never become a header.
//! So the signature and the declared length are checked here first.

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxiedAddress, ProxyHeader};

use super::Inspect;
use crate::reason::Reason;

/// The longest header: a version 2 header with addresses and a kilobyte of TLVs. A version 1 header has 107 bytes at
/// most.
pub const PROXY_LIMIT: usize = 16 + 1024;

const V1: &[u8] = b"PROXY ";
const V1_LIMIT: usize = 107;
/// The signature of version 2 (section 2.2 of the specification).
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The client, and the address that it connected to. `None`: the balancer speaks for itself (UNKNOWN, LOCAL).
pub type Conveyed = Option<(SocketAddr, SocketAddr)>;

/// Examines the first bytes of a connection. They are few, so no offsets are kept between calls.
pub fn inspect(input: &[u8]) -> Inspect<Conveyed> {
    let known = |signature: &[u8]| signature.iter().zip(input).all(|(a, b)| a == b);
    let limit = if known(V1) {
        if input.len() >= V1_LIMIT { V1_LIMIT } else { usize::MAX }
    } else if known(V2) {
        match input.get(14..16).and_then(|length| <[u8; 2]>::try_from(length).ok()) {
            Some(length) => 16 + usize::from(u16::from_be_bytes(length)),
            None => usize::MAX,
        }
    } else {
        return Inspect::Reject(Reason::Malformed);
    };
    if limit != usize::MAX && limit > PROXY_LIMIT {
        return Inspect::Reject(Reason::TooLarge);
    }
    let window = input.get(..limit).unwrap_or(input);
    if window.starts_with(V1) && !window.ends_with(b"\n") && !window.contains(&b'\n') {
        let more = window.len() < V1_LIMIT;
        return if more { Inspect::NeedMore } else { Inspect::Reject(Reason::Malformed) };
    }
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    match ProxyHeader::parse(window, config) {
        Ok((header, len)) => {
            let canonical =
                |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
            let ask = header.proxied_address().map(|a| (canonical(a.source), canonical(a.destination)));
            Inspect::Found { ask, len }
        }
        Err(Error::BufferTooShort) if limit == usize::MAX || input.len() < limit => Inspect::NeedMore,
        Err(_) => Inspect::Reject(Reason::Malformed),
    }
}

/// The header that tells a target the client's address.
pub fn encode(version_2: bool, client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(V1_LIMIT);
    // Both addresses in a header have the same family. A mixed pair is written as IPv6.
    let (client, local) = match (client, local) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) | (SocketAddr::V6(_), SocketAddr::V6(_)) => (client, local),
        (client, local) => (mapped(client), mapped(local)),
    };
    let header = ProxyHeader::with_address(ProxiedAddress::stream(client, local));
    let encoded = if version_2 { header.encode_v2(&mut bytes) } else { header.encode_v1(&mut bytes) };
    if encoded.is_err() {
        bytes.clear();
        bytes.extend_from_slice(b"PROXY UNKNOWN\r\n");
    }
    bytes
}

/// The header of a connection that Portward opens for itself. The target uses the addresses of the connection.
pub fn encode_own(version_2: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(V1_LIMIT);
    let header = ProxyHeader::with_local();
    let encoded = if version_2 { header.encode_v2(&mut bytes) } else { header.encode_v1(&mut bytes) };
    if encoded.is_err() {
        bytes.clear();
    }
    bytes
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        v6 @ SocketAddr::V6(_) => v6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: (&str, &str) = ("192.0.2.1:1000", "192.0.2.2:453");

    fn pair() -> (SocketAddr, SocketAddr) {
        (PAIR.0.parse().unwrap(), PAIR.1.parse().unwrap())
    }

    #[test]
    fn what_is_encoded_is_understood_and_the_laws_hold() {
        let (client, local) = pair();
        let v6 = ("[2001:db8::1]:9".parse().unwrap(), "[2001:db8::2]:10".parse().unwrap());
        for (version_2, (client, local)) in
            [(false, (client, local)), (true, (client, local)), (false, v6), (true, v6)]
        {
            let mut bytes = encode(version_2, client, local);
            let len = bytes.len();
            bytes.extend_from_slice(b"GET /");
            for end in 0..=bytes.len() {
                let answer = inspect(&bytes[..end]);
                if end < len {
                    assert_eq!(answer, Inspect::NeedMore, "{end} of {len}");
                } else {
                    assert_eq!(answer, Inspect::Found { ask: Some((client, local)), len });
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_early() {
        for input in [
            b"G".as_slice(),
            b"PROXX",
            b"\r\n\r\n\0\r\nQUIX",
            b"PROXY TCP4 1 2 3 4\r\n",
            b"PROXY TCP9 192.0.2.1 192.0.2.2 1 2\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
            &[b"PROXY ".as_slice(), &[b'x'; 110]].concat(),
        ] {
            assert!(matches!(inspect(input), Inspect::Reject(_)), "{input:?}");
        }
        assert_eq!(inspect(b"PROXY UNKNOWN\r\n"), Inspect::Found { ask: None, len: 15 });
    }
}

//! The format of a target's failures in the text of a decision: a few octets each.
//!
//! Each has the number of the cause, the length of a name or 0, the port, and the name or the address in IPv6 form.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::cause::{Cause, FailedAt, Failure};

/// How many octets are kept of a name.
const NAME: usize = 64;

/// Writes a failure. A long name is cut.
pub(super) fn encode(failure: &Failure, octets: &mut Vec<u8>) {
    let (name, port) = match &failure.at {
        FailedAt::Address(address) => (&[][..], address.port()),
        FailedAt::Name(name, port) => (name.as_bytes(), *port),
    };
    let name = name.get(..name.len().min(NAME)).unwrap_or_default();
    octets.extend([failure.cause as u8, name.len() as u8]);
    octets.extend(port.to_be_bytes());
    match &failure.at {
        FailedAt::Address(address) => octets.extend(as_v6(address.ip()).octets()),
        FailedAt::Name(..) => octets.extend(name),
    }
}

/// Reads the next failure.
pub(super) fn decode(octets: &mut &[u8]) -> Option<Failure> {
    let &[cause, length, high, low] = octets.split_off(..4)? else { return None };
    let cause = *Cause::ALL.get(usize::from(cause))?;
    let port = u16::from_be_bytes([high, low]);
    let at = match length {
        0 => {
            let address: [u8; 16] = octets.split_off(..16)?.try_into().ok()?;
            FailedAt::Address(SocketAddr::new(Ipv6Addr::from(address).to_canonical(), port))
        }
        length => {
            let name = octets.split_off(..usize::from(length))?;
            FailedAt::Name(String::from_utf8_lossy(name).into(), port)
        }
    };
    Some(Failure { at, cause })
}

fn as_v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_failed() {
        let failures = [
            Failure { at: FailedAt::Address("192.0.2.1:443".parse().unwrap()), cause: Cause::Refused },
            Failure { at: FailedAt::Name("pbx.example".into(), 5061), cause: Cause::NameNotFound },
            Failure {
                at: FailedAt::Address("[2001:db8::1]:1300".parse().unwrap()),
                cause: Cause::NoCertificate,
            },
        ];
        let mut octets = Vec::new();
        failures.iter().for_each(|failure| encode(failure, &mut octets));
        let mut rest = &octets[..];
        let read: Vec<_> = std::iter::from_fn(|| decode(&mut rest)).collect();
        assert_eq!(read, failures);
        for length in 0..octets.len() {
            let mut rest = &octets[..length];
            assert!(std::iter::from_fn(|| decode(&mut rest)).count() < 3, "{length}");
        }
    }
}

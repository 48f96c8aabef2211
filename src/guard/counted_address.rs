//! An address as the guard counts it. IPv4 addresses are counted one by one, also if they are mapped into IPv6. IPv6
//! addresses are counted by /64, because one subscriber has a /64.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 addresses are stored in the IPv6 prefix 0:1::/32, which is reserved (RFC 4291 §2.4).
pub(super) const V4: u64 = 1 << 32;

/// An IPv4 address or an IPv6 /64, in eight octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountedAddress(u64);

impl From<IpAddr> for CountedAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(V4 | u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self(u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX)),
        }
    }
}

impl CountedAddress {
    /// The eight octets as a number, for cursors.
    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`Self::bits`].
    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Whether it is an IPv4 address.
    pub(super) fn is_v4(self) -> bool {
        self.0 >> 32 == V4 >> 32
    }

    /// The network that it stands for.
    pub fn network(self) -> IpNet {
        match u32::try_from(self.0 ^ V4) {
            Ok(v4) => IpNet::from(IpAddr::from(Ipv4Addr::from_bits(v4))),
            Err(_) => {
                let v6 = Ipv6Addr::from_bits(u128::from(self.0) << 64);
                IpNet::new(v6.into(), 64).unwrap_or(IpNet::from(IpAddr::from(v6)))
            }
        }
    }

    /// Parses the text that an administrator writes: an address, or an IPv6 prefix of 64 bits.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(address.into());
        }
        let network: IpNet = text.parse().ok()?;
        let whole = match network {
            IpNet::V4(v4) => v4.prefix_len() == 32,
            IpNet::V6(v6) => v6.prefix_len() == 64 || v6.prefix_len() == 128,
        };
        whole.then(|| network.addr().into())
    }
}

impl fmt::Display for CountedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network() {
            IpNet::V4(v4) => v4.addr().fmt(f),
            IpNet::V6(v6) => v6.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_prefixes_are_told_apart() {
        for (text, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("0.0.0.0", "0.0.0.0"),
            ("255.255.255.255", "255.255.255.255"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(CountedAddress::parse(text).unwrap().to_string(), shown, "{text}");
        }
        assert_ne!(CountedAddress::parse("192.0.2.7"), CountedAddress::parse("192.0.2.8"));
        for text in ["192.0.2.0/24", "2001:db8::/32", "x", ""] {
            assert_eq!(CountedAddress::parse(text), None, "{text}");
        }
    }
}

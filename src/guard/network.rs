//! An address or a network, as an administrator lists it: an address as the guard counts it, or all addresses with the
//! same first bits.
//!
//! It uses the eight octets of [`CountedAddress`]. An IPv4 network of `n` bits has `32 + n` bits there. IPv6 networks of more
//! than 64 bits count as the /64 that they are in, as addresses do.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::counted_address::CountedAddress;

/// The length of a single address in bits.
const WHOLE: u8 = 64;
/// The number of leading bits that all IPv4 networks share.
const V4_BITS: u8 = 32;

/// An address or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// The first address.
    first: CountedAddress,
    /// How many of its 64 bits all addresses share.
    length: u8,
}

impl From<CountedAddress> for Network {
    fn from(address: CountedAddress) -> Self {
        Self { first: address, length: WHOLE }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        CountedAddress::from(address).into()
    }
}

impl Network {
    /// Parses the text that an administrator writes: an address or a network. It is the inverse of [`fmt::Display`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::wanted(text).ok()
    }

    /// As [`Self::parse`].
    ///
    /// # Errors
    /// What is wrong with the text, and what would be right.
    pub fn wanted(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.into());
        }
        let network = text.parse::<IpNet>().map(canonical).map_err(|_| {
            "this is neither an address nor a network; write one as 203.0.113.9, 2001:db8::9, 203.0.113.0/24 or 2001:db8::/32"
                .to_owned()
        })?;
        let length = match network {
            IpNet::V4(v4) => v4.prefix_len() + V4_BITS,
            IpNet::V6(v6) => v6.prefix_len().min(WHOLE),
        };
        if length < WHOLE && network.addr() != network.network() {
            return Err(format!(
                "the address has bits beyond the prefix; write {}, or {} for this address alone",
                network.trunc(),
                network.addr()
            ));
        }
        let first = CountedAddress::from(network.network());
        if matches!(network, IpNet::V6(_)) && first.is_v4() && length >= V4_BITS {
            return Err("0:1::/32 is reserved (RFC 4291 section 2.4): no client comes from there".to_owned());
        }
        Ok(Self { first, length })
    }

    /// The network with this length (of 64 bits) that contains `address`.
    pub(super) fn around(address: CountedAddress, length: u8) -> Self {
        let first = CountedAddress::from_bits(address.bits() & mask(length));
        Self { first, length: length.min(WHOLE) }
    }

    /// How many of the 64 bits all its addresses share.
    pub(super) fn length(self) -> u8 {
        self.length
    }

    /// The first address.
    pub(super) fn first(self) -> CountedAddress {
        self.first
    }

    /// Whether a network with this length (of 64 bits) can contain `address`. Networks of IPv4 and IPv6 never overlap.
    pub(super) fn can_have(address: CountedAddress, length: u8) -> bool {
        !address.is_v4() || length >= V4_BITS
    }

    /// The address, if the network is a single address.
    pub fn address(self) -> Option<CountedAddress> {
        (self.length == WHOLE).then_some(self.first)
    }

    /// Whether `address` is in it.
    pub fn contains(self, address: CountedAddress) -> bool {
        Self::can_have(address, self.length) && Self::around(address, self.length) == self
    }

    /// Whether all of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.first)
    }

    /// The network as the type of other crates.
    pub fn network(self) -> IpNet {
        let length = match self.first.is_v4() && self.length >= V4_BITS {
            true => self.length - V4_BITS,
            false => self.length,
        };
        let first = match self.first.network() {
            IpNet::V6(v6) => IpAddr::from(v6.addr()),
            IpNet::V4(v4) => IpAddr::from(v4.addr()),
        };
        IpNet::new(first, length).unwrap_or(IpNet::from(first))
    }

    /// The text for cursors.
    pub(super) fn to_cursor(self) -> String {
        let bits = self.first.bits();
        match self.length {
            WHOLE => format!("{bits:x}"),
            length => format!("{bits:x}-{length}"),
        }
    }

    /// The inverse of [`Self::to_cursor`].
    pub(super) fn from_cursor(text: &str) -> Option<Self> {
        let (bits, length) = text.split_once('-').map_or((text, None), |(bits, rest)| (bits, Some(rest)));
        let length = length.map_or(Some(WHOLE), |length| length.parse().ok())?;
        let first = CountedAddress::from_bits(u64::from_str_radix(bits, 16).ok()?);
        (length <= WHOLE).then_some(Self { first, length })
    }
}

/// The mask of a network with this length.
fn mask(length: u8) -> u64 {
    u64::MAX.checked_shl(u32::from(WHOLE.saturating_sub(length))).unwrap_or_default()
}

/// Turns a mapped IPv4 network into the IPv4 network itself.
fn canonical(network: IpNet) -> IpNet {
    let mapped = network.addr().to_canonical();
    match network.prefix_len().checked_sub(96) {
        Some(length) if mapped.is_ipv4() && network.addr().is_ipv6() => {
            IpNet::new(mapped, length).unwrap_or(network)
        }
        _ => network,
    }
}

/// An address as [`CountedAddress`] shows it, a network with the length of its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => self.network().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::wanted(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn item_7_networks_are_read_and_shown() {
        for (text, shown) in [
            ("203.0.113.9", "203.0.113.9"),
            ("203.0.113.9/32", "203.0.113.9"),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::/31", "::/31"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("2001:db8::9", "2001:db8::/64"),
            ("2001:db8::9/64", "2001:db8::/64"),
            ("2001:db8::8:0/112", "2001:db8::/64"),
            ("2001:db8:0:100::/56", "2001:db8:0:100::/56"),
        ] {
            let read = network(text);
            assert_eq!(read.to_string(), shown, "{text}");
            assert_eq!(Network::parse(shown), Some(read), "{text}");
            assert_eq!(Network::from_cursor(&read.to_cursor()), Some(read), "{text}");
        }
        for (text, why) in [
            ("203.0.113.9/24", "write 203.0.113.0/24, or 203.0.113.9 for this address alone"),
            ("203.0.113.0/33", "neither an address nor a network"),
            ("203.0.113.*", "neither an address nor a network"),
            ("0:1::/32", "reserved"),
            ("", "neither an address nor a network"),
        ] {
            assert!(Network::wanted(text).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn item_7_families_never_meet() {
        for (net, inside, outside) in [
            ("203.0.113.0/24", "203.0.113.255", "203.0.114.0"),
            ("203.0.113.0/24", "::ffff:203.0.113.1", "2001:db8::1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.1"),
            ("::/16", "::1", "203.0.113.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("2001:db8:0:1::/64", "2001:db8:0:1::9", "2001:db8:0:2::9"),
            ("203.0.113.9", "203.0.113.9", "203.0.113.8"),
        ] {
            let counted = |text: &str| CountedAddress::from(text.parse::<IpAddr>().unwrap());
            let net = network(net);
            assert!(net.contains(counted(inside)) && !net.contains(counted(outside)), "{net}");
            assert!(net.covers(net) && net.covers(counted(inside).into()), "{net}");
            assert!(!net.covers(counted(outside).into()), "{net}");
        }
        assert!(network("203.0.113.0/24").covers(network("203.0.113.128/25")));
        assert!(!network("203.0.113.128/25").covers(network("203.0.113.0/24")));
    }
}

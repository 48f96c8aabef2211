//! The part of the configuration that the guard needs (contract sections 6 and 7). It is made once when a configuration
//! is read, and is never changed after that. It is pure: it answers questions about an address, and remembers nothing.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Network, RequestRate};
use crate::reason::Reason;

/// At most one in so many of [`ConnectionLimits::max_connections`] may be reserved.
pub const RESERVED_PART: u32 = 4;

/// `[blacklist]`, the limits of connections in `[limits]`, and the balancers of `[listen]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// An address is listed for more offences than this within a minute.
    pub suspicious_per_minute: u32,
    /// How long the guard lists an address. `None`: until it is removed.
    pub expiration: Option<Duration>,
    /// Whether logins that a PBX refuses are offences.
    pub failed_logins: bool,
    /// Networks that are never listed and have no limit for each address.
    pub allow: Vec<IpNet>,
    /// Networks that are always refused.
    pub block: Vec<IpNet>,
    /// Networks in `proxy_protocol_from` and `forwarded_from`. Their connections carry what the clients behind them do.
    pub balancers: Vec<IpNet>,
    /// The limits of connections.
    pub connections: ConnectionLimits,
}

/// The keys of `[limits]` that limit connections, and SIP requests on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Client connections in all.
    pub max_connections: u32,
    /// Client connections of one address.
    pub max_connections_per_address: u32,
    /// New client connections of one address in a second. 0: any number.
    pub new_connections_per_second: u32,
    /// Undecided connections in all.
    pub max_undecided: u32,
    /// Undecided connections of one address.
    pub max_undecided_per_address: u32,
    /// SIP requests of an address. `None`: any number.
    pub sip_requests: Option<RequestRate>,
    /// SIP requests of a user whose name a certificate or a credential proves, or a PBX has confirmed. `None`: any
    /// number.
    pub sip_requests_per_user: Option<RequestRate>,
    /// The part of [`Self::max_connections`] that is only for SIP and H.323.
    pub reserved: u32,
}

impl Policy {
    /// Whether `address` is in `blacklist.block`.
    pub fn blocks(&self, address: IpAddr) -> bool {
        contains(&self.block, address)
    }

    /// Whether `address` is in `blacklist.allow`.
    pub fn allows(&self, address: IpAddr) -> bool {
        contains(&self.allow, address)
    }

    /// The first network of `blacklist.allow` that has an address in common with `who`.
    pub fn allowing(&self, who: Network) -> Option<IpNet> {
        touching(&self.allow, who)
    }

    /// The first network of `proxy_protocol_from` and `forwarded_from` that has an address in common with `who`.
    pub fn balancing(&self, who: Network) -> Option<IpNet> {
        touching(&self.balancers, who)
    }

    /// Why connections of `address` are refused, if they are. `listed` says whether the address is on the blacklist. It
    /// is called only if the answer depends on it.
    pub fn refuses(&self, address: IpAddr, listed: impl FnOnce() -> bool) -> Option<Reason> {
        if self.blocks(address) {
            return Some(Reason::Blocked);
        }
        (!self.allows(address) && listed()).then_some(Reason::Blacklisted)
    }

    /// Whether `address` can be listed for what it does. Networks in `allow` are never listed. Balancers are not listed
    /// either, because they pass on what others do (contract section 6).
    pub fn judges(&self, address: IpAddr) -> bool {
        !self.allows(address) && !contains(&self.balancers, address)
    }
}

/// The first network that has an address in common with `who`.
fn touching(networks: &[IpNet], who: Network) -> Option<IpNet> {
    let who = who.network();
    networks.iter().find(|network| network.contains(&who) || who.contains(*network)).copied()
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The policy with the default values.
    pub(in crate::guard) fn usual() -> Policy {
        Policy {
            suspicious_per_minute: 20,
            expiration: Some(Duration::from_secs(300)),
            failed_logins: true,
            allow: Vec::new(),
            block: Vec::new(),
            balancers: Vec::new(),
            connections: ConnectionLimits {
                max_connections: 50_000,
                max_connections_per_address: 500,
                new_connections_per_second: 200,
                max_undecided: 10_000,
                max_undecided_per_address: 50,
                sip_requests: None,
                sip_requests_per_user: None,
                reserved: 1_000,
            },
        }
    }

    #[test]
    fn whom_the_policy_names_is_judged_as_it_says() {
        let networks = |text: &str| vec![text.parse().unwrap()];
        let (allow, block) = (networks("192.0.2.0/28"), networks("192.0.2.8/29"));
        let policy = Policy { allow, block, balancers: networks("2001:db8::/32"), ..usual() };
        // The columns: allowed, blocked, judged.
        for (address, expected) in [
            ("192.0.2.1", [true, false, false]),
            ("192.0.2.9", [true, true, false]),
            ("2001:db8::1", [false, false, false]),
            ("198.51.100.1", [false, false, true]),
        ] {
            let address = address.parse().unwrap();
            let found = [policy.allows(address), policy.blocks(address), policy.judges(address)];
            assert_eq!(found, expected, "{address}");
        }
        let allow = ["192.0.2.0/28", "2001:db8:0:1::7/128"].map(|text| text.parse().unwrap()).to_vec();
        let policy = Policy { allow, ..policy };
        for (who, allowing) in [
            ("192.0.2.1", Some("192.0.2.0/28")),
            ("::ffff:192.0.2.1", Some("192.0.2.0/28")),
            ("192.0.2.16", None),
            ("2001:db8:0:1::9", Some("2001:db8:0:1::7/128")),
            ("2001:db8::1", None),
            ("192.0.0.0/16", Some("192.0.2.0/28")),
            ("192.0.2.4/30", Some("192.0.2.0/28")),
            ("2001:db8::/32", Some("2001:db8:0:1::7/128")),
            ("::/0", Some("2001:db8:0:1::7/128")),
            ("198.51.100.0/24", None),
        ] {
            let found = policy.allowing(Network::parse(who).unwrap());
            assert_eq!(found, allowing.map(|text| text.parse().unwrap()), "{who}");
        }
    }
}

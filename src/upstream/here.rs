//! Whether an address is one of this machine's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses that no machine has: reserved (RFC 1112 section 4), and the prefix that is discarded (RFC 6666).
const NOBODY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1))];

/// Whether `ip` is an address of this machine, on whatever interface, and however many an interface has. Nothing is sent.
///
/// A socket can be bound to the addresses of the machine and to no other. Where the kernel allows more (`ip_nonlocal_bind`, for
/// addresses that move from one machine to another) it is asked from where it would send: to an address of its own it sends from
/// that address, if the interface has only one.
pub(super) fn is_here(ip: IpAddr) -> bool {
    let binds = |ip: IpAddr| UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok();
    if !binds(ip) {
        return false;
    }
    let binds_everywhere = NOBODY.into_iter().filter(|one| one.is_ipv4() == ip.is_ipv4()).any(binds);
    !binds_everywhere || sends_from(ip) == Some(ip)
}

/// From which address the kernel would send to `ip`.
fn sends_from(ip: IpAddr) -> Option<IpAddr> {
    let any = if ip.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    // The port does not matter: to connect a socket of UDP sends nothing.
    socket.connect(SocketAddr::new(ip, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issue_19_every_address_of_this_machine_is_here_and_no_other() {
        for here in ["127.0.0.1", "127.0.0.4", "::1"] {
            assert!(is_here(here.parse().unwrap()), "{here}");
        }
        for elsewhere in
            ["203.0.113.7", "198.51.100.7", "2001:db8:ffff::7"].into_iter().map(|ip| ip.parse().unwrap())
        {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
        // What the kernel says of its own accord holds for the first address of an interface alone.
        assert_eq!(sends_from("127.0.0.4".parse().unwrap()), "127.0.0.1".parse().ok());
    }
}

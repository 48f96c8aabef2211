//! Finds out whether an address belongs to this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Addresses that no machine has: a reserved one (RFC 1112 section 4), and one of the discard-only prefix (RFC 6666).
const NOBODY: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(240, 0, 0, 1)), IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1))];

/// Whether `ip` is an address of this machine, on any interface. An interface may have several addresses. Nothing is
/// sent.
///
/// A socket can only be bound to addresses of the machine. Some kernels allow more (`ip_nonlocal_bind`, for addresses
/// that move between machines). Then the kernel is asked for the source address of packets to `ip`. To an address of
/// its own it sends from that address, if the interface has only one.
pub(super) fn is_here(ip: IpAddr) -> bool {
    let binds = |ip: IpAddr| UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok();
    if !binds(ip) {
        return false;
    }
    let binds_everywhere = NOBODY.into_iter().filter(|one| one.is_ipv4() == ip.is_ipv4()).any(binds);
    !binds_everywhere || sends_from(ip) == Some(ip)
}

/// The source address that the kernel would use for packets to `ip`.
fn sends_from(ip: IpAddr) -> Option<IpAddr> {
    let any = if ip.is_ipv4() { IpAddr::from(Ipv4Addr::UNSPECIFIED) } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    // The port does not matter: connecting a UDP socket sends nothing.
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
        // Without a bind the kernel's answer is right only for the first address of an interface.
        assert_eq!(sends_from("127.0.0.4".parse().unwrap()), "127.0.0.1".parse().ok());
    }
}

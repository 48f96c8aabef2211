//! Plain or TLS to the target: the first table of contract section 5.
//!
//! Check Certificate is not decided here. Where it is in force, the verdict on the certificate chooses.

use std::num::NonZeroU16;

use super::Ports;
use crate::service::Transport;

/// The port for a client that came by `came_by`: the same transport if the target has it, else the other one.
///
/// `None`: no port is defined at all. Neither `config` nor [`super::Builder`] lets that through.
pub fn choose(came_by: Transport, ports: Ports) -> Option<(Transport, NonZeroU16)> {
    let plain = ports.tcp.map(|port| (Transport::Plain, port));
    let tls = ports.tls.map(|port| (Transport::Tls, port));
    match came_by {
        Transport::Plain => plain.or(tls),
        Transport::Tls => tls.or(plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_of_section_5() {
        let (tcp, tls) = (NonZeroU16::new(80), NonZeroU16::new(443));
        let row = |came_by, tcp, tls| {
            choose(came_by, Ports { tcp, tls }).map(|(transport, port)| (transport, port.get()))
        };
        assert_eq!(row(Transport::Plain, tcp, None), Some((Transport::Plain, 80)));
        assert_eq!(row(Transport::Plain, tcp, tls), Some((Transport::Plain, 80)));
        assert_eq!(row(Transport::Plain, None, tls), Some((Transport::Tls, 443)));
        assert_eq!(row(Transport::Tls, None, tls), Some((Transport::Tls, 443)));
        assert_eq!(row(Transport::Tls, tcp, tls), Some((Transport::Tls, 443)));
        assert_eq!(row(Transport::Tls, tcp, None), Some((Transport::Plain, 80)));
        assert_eq!(row(Transport::Tls, None, None), None);
    }
}

//! Messages for sockets that did not open. Sockets that failed for the same reason, because of the same user's program,
//! share a line.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::accounts;
use crate::config::Listener;

/// A socket that did not open, and the error.
pub(super) type Closed = (Listener, io::Error);

/// The message for all of these sockets, and advice.
pub(super) fn complaint(closed: &[Closed]) -> String {
    let mut groups: Vec<(String, &'static str, Vec<&Listener>)> = Vec::new();
    for (listener, error) in closed {
        let (why, help) = reason(listener.address, error);
        match groups.iter_mut().find(|(known, other, _)| *known == why && *other == help) {
            Some((.., listeners)) => listeners.push(listener),
            None => groups.push((why, help, vec![listener])),
        }
    }
    let line = |(why, help, listeners): &(String, &str, Vec<&Listener>)| {
        let help = if help.is_empty() { String::new() } else { format!("\n  help: {help}") };
        format!("error: cannot listen on {}: {why}{help}", shown(listeners))
    };
    groups.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn reason(address: SocketAddr, error: &io::Error) -> (String, &'static str) {
    match error.kind() {
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            (error.to_string(), "ports below 1024 need root or CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::AddrInUse => {
            let help = "another program listens there, or another Portward; `ss -ltnp` as root shows which";
            match user(Path::new("/proc"), address) {
                Some(user) => (format!("{error}, by a program of the user {user}"), help),
                None => (error.to_string(), help),
            }
        }
        _ => (error.to_string(), ""),
    }
}

/// The listeners in a form such as `0.0.0.0:90 and [::]:90 (http), 0.0.0.0:453 (https)`.
fn shown(listeners: &[&Listener]) -> String {
    let mut text = String::new();
    for (index, listener) in listeners.iter().enumerate() {
        let same = |other: Option<&&Listener>| {
            other.is_some_and(|other| {
                (other.service, other.transport) == (listener.service, listener.transport)
            })
        };
        let before = index.checked_sub(1).and_then(|index| listeners.get(index));
        if index > 0 {
            text.push_str(if same(before) { " and " } else { ", " });
        }
        let _ = write!(text, "{}", listener.address);
        if !same(listeners.get(index + 1)) {
            let _ = write!(text, " ({})", listener.service.scheme(listener.transport));
        }
    }
    text
}

/// The user whose program has taken `address`. `None`: the kernel does not show it. A confined process cannot find out
/// which program it is.
fn user(proc: &Path, address: SocketAddr) -> Option<String> {
    let table = if address.is_ipv6() { "net/tcp6" } else { "net/tcp" };
    let table = fs::read_to_string(proc.join(table)).ok()?;
    let number = listening(&table, address.port())?;
    Some(accounts::name(number).unwrap_or_else(|| number.to_string()))
}

/// The user whose socket in `/proc/net/tcp` listens on `port` (Linux, Documentation/networking/proc_net_tcp.rst).
fn listening(table: &str, port: u16) -> Option<u32> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let mut rows = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.find_map(|row| match row.as_slice() {
        [_, local, _, state, _, _, _, user, ..] if local.ends_with(&suffix) && *state == LISTEN => {
            user.parse().ok()
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Service;

    fn all(error: fn() -> io::Error) -> Vec<Closed> {
        let ports = Service::by_transport().zip(65_001..);
        let both = ports.flat_map(|((service, transport), port)| {
            ["0.0.0.0", "[::]"].map(|ip| Listener {
                service,
                transport,
                address: format!("{ip}:{port}").parse().unwrap(),
            })
        });
        both.map(|listener| (listener, error())).collect()
    }

    #[test]
    fn item_24_sixteen_listeners_are_one_line() {
        let said = complaint(&all(|| io::ErrorKind::AddrInUse.into()));
        assert_eq!(said.matches("error:").count(), 1, "{said}");
        assert!(said.starts_with("error: cannot listen on 0.0.0.0:65001 and [::]:65001 (http), "), "{said}");
        assert!(
            said.contains("(h323s): ") && said.contains("\n  help: another program listens there"),
            "{said}"
        );
    }

    #[test]
    fn whose_socket_listens_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 00000000:005A 00000000:0000 0A 00000000:00000000 00:00000000 00000000   110        0 4711 1 0 100 0 0 10 0\n   \
            1: 0100007F:005A 0100007F:0A5A 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1\n";
        assert_eq!(listening(table, 90), Some(110));
        assert_eq!(listening(table, 0x0A5A), None);
    }
}

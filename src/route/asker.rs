//! The client of an HTTP request that a balancer passes on, as far as the balancer is believed (contract section 7).

use std::net::IpAddr;

use crate::inspect::http::{Kind, Request, forwarded_for, node_address};

/// The client's address: the right-most address in X-Forwarded-For that is not a believed peer. Without X-Forwarded-For
/// the field Forwarded is read. `peer` is believed. `request` was read from `head`.
pub fn asker(peer: IpAddr, is_believed: impl Fn(IpAddr) -> bool, head: &[u8], request: &Request) -> IpAddr {
    let values = |kind| {
        let fields = request.fields.iter().rev().filter(move |field| field.kind == kind);
        fields.map(|field| field.value.of_input(head))
    };
    let has_list = values(Kind::XForwardedFor).next().is_some();
    if has_list {
        let nodes = values(Kind::XForwardedFor).flat_map(|value| value.rsplit(|octet| *octet == b','));
        first_stranger(peer, is_believed, nodes.map(Some))
    } else {
        first_stranger(peer, is_believed, values(Kind::Forwarded).flat_map(forwarded_for))
    }
}

/// The first node from the right that is not a believed peer. If a node has no address, the last believed one counts.
fn first_stranger<'a>(
    peer: IpAddr,
    is_believed: impl Fn(IpAddr) -> bool,
    nodes: impl Iterator<Item = Option<&'a [u8]>>,
) -> IpAddr {
    let mut believed = peer;
    for node in nodes {
        let Some(address) = node.and_then(node_address) else { return believed };
        believed = address;
        if !is_believed(believed) {
            break;
        }
    }
    believed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::http::Inspector;

    fn asked_by(fields: &str) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let Inspect::Found { ask, len } = Inspector::default().inspect(text.as_bytes()) else {
            panic!("{text}")
        };
        let inside = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        asker([10, 0, 0, 1].into(), inside, &text.as_bytes()[..len], &ask).to_string()
    }

    #[test]
    fn the_first_stranger_from_the_right_asks() {
        for (fields, client) in [
            ("", "10.0.0.1"),
            ("X-Forwarded-For: 192.0.2.1, 192.0.2.2, 10.0.0.2\r\n", "192.0.2.2"),
            ("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.3\r\n", "192.0.2.1"),
            ("X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.2\r\n", "10.0.0.2"),
            ("X-Forwarded-For: 10.0.0.4\r\nForwarded: for=192.0.2.1\r\n", "10.0.0.4"),
            ("Forwarded: for=192.0.2.1, for=\"[2001:db8::1]:80\";proto=https\r\n", "2001:db8::1"),
        ] {
            assert_eq!(asked_by(fields), client, "{fields}");
        }
    }
}

//! The client that a proxy in front of Portward names, in the nodes of X-Forwarded-For and Forwarded (RFC 7239 §6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a node. It may be bare or have a port after a colon. An IPv6 address may have brackets. Mapped IPv4
/// addresses count as IPv4. `None`: the node is a name, `unknown`, or cannot be read.
pub fn node_address(node: &[u8]) -> Option<IpAddr> {
    let node = std::str::from_utf8(node).ok()?.trim();
    let node = node.strip_prefix('"').and_then(|node| node.strip_suffix('"')).unwrap_or(node);
    if let Ok(address) = node.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = address.parse::<Ipv6Addr>().ok()?;
        return is_port(port).then(|| IpAddr::from(address).to_canonical());
    }
    let (address, _) = node.split_once(':')?;
    let address = address.parse::<Ipv4Addr>().ok()?;
    node.strip_prefix(&address.to_string()).is_some_and(is_port).then_some(address.into())
}

/// Nothing, or a colon with a port. The port is a number, or a name in its place (RFC 7239 §6.2).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    let is_number = port.len() <= 5 && port.bytes().all(|octet| octet.is_ascii_digit());
    let is_hidden = port.starts_with('_') && port.bytes().all(|octet| octet.is_ascii_graphic());
    !port.is_empty() && (is_number || is_hidden)
}

/// The `for` of each element of a Forwarded field, from the right. `None`: the element has no `for`.
///
/// A client may leave a quote open, so that the text which a proxy appends would be within the quote. In that case
/// every comma separates elements. This is safe, because a proxy writes no comma within quotes.
pub fn forwarded_for(value: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let elements: Vec<&[u8]> = if is_closed(value) {
        split_unquoted(value, b',').collect()
    } else {
        value.split(|octet| *octet == b',').collect()
    };
    elements.into_iter().rev().filter(|element| !element.trim_ascii().is_empty()).map(|element| {
        split_unquoted(element, b';').find_map(|pair| {
            let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
            name.trim_ascii().eq_ignore_ascii_case(b"for").then(|| value.get(1..)).flatten()
        })
    })
}

/// Whether every quoted string in a value is closed. Text that is appended after an open quote would be part of the
/// quoted string.
pub fn is_closed(value: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for octet in value {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// The parts of a text between separators that are not within quotes.
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return !quoted && *octet == separator,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_14_nodes_have_ports_and_brackets() {
        for (node, address) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1:4711 ", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("\"[2001:db8::1]:443\"", "2001:db8::1"),
            ("\"192.0.2.1:_port\"", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ] {
            assert_eq!(node_address(node.as_bytes()), Some(address.parse().unwrap()), "{node}");
        }
        for node in [
            "unknown",
            "_hidden",
            "",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:123456",
            "192.0.2.1:1:2",
            "[192.0.2.1]",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "h.example:1",
            "192.0.2.01:1",
        ] {
            assert_eq!(node_address(node.as_bytes()), None, "{node}");
        }
    }

    #[test]
    fn item_14_forwarded_is_read_from_the_right() {
        let read = |text: &'static str| -> Vec<_> {
            forwarded_for(text.as_bytes())
                .map(|node| node.map(|node| std::str::from_utf8(node).unwrap()))
                .collect()
        };
        assert_eq!(
            read("for=192.0.2.1;by=x, proto=https , FOR=\"[2001:db8::1]:1\";host=\"a,b;for=9\""),
            [Some("\"[2001:db8::1]:1\""), None, Some("192.0.2.1")]
        );
        assert_eq!(read(""), []);
        assert_eq!(read("for=1.1.1.1,"), [Some("1.1.1.1")]);
    }

    /// The client's part, and the part that the proxy has appended.
    #[test]
    fn item_14_an_open_quote_hides_no_element() {
        for sent in
            ["for=\"", "for=1.1.1.1;x=\"", "for=1.1.1.1;x=\"\\\"", "for=1.1.1.1;x=\"\\", "\"\"\"", "x, \""]
        {
            for appended in ["192.0.2.7", "\"[2001:db8::9]:1\"", "\"192.0.2.7:99\""] {
                for more in ["", ";proto=https", ";host=\"h:8\";proto=https"] {
                    let value = format!("{sent}, for={appended}{more}");
                    let last = forwarded_for(value.as_bytes()).next().unwrap();
                    assert_eq!(last, Some(appended.as_bytes()), "{value}");
                }
            }
        }
    }
}

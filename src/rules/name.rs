//! Host names in configuration text.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Why a text is no host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadName(&'static str);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadName {}

/// The form in which names are compared.
pub fn normalise(text: &str) -> Result<Box<str>, BadName> {
    let (host, location) = match text.split_once('/') {
        Some((host, location)) => (host, Some(location)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let host = if let Ok(ip) = bare.parse::<IpAddr>() {
        match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => Ipv6Addr::to_string(&ip),
        }
    } else {
        domain(host)?
    };
    match location {
        None => Ok(host.into()),
        Some("") => Err(BadName("there is nothing after the slash")),
        Some(location) => Ok(format!("{host}/{}", location.to_lowercase()).into()),
    }
}

fn domain(host: &str) -> Result<String, BadName> {
    let (star, rest) = match host.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", host),
    };
    let ascii = idna::domain_to_ascii(rest).map_err(|_| BadName("it is no valid domain name"))?;
    let ascii = ascii.strip_suffix('.').unwrap_or(&ascii);
    if ascii.is_empty() {
        return Err(BadName("it is empty"));
    }
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
    if !ascii.bytes().all(good) {
        return Err(BadName("a name has letters, digits, hyphens and dots"));
    }
    if ascii.len() > 253 || ascii.split('.').any(|l| l.is_empty() || l.len() > 63) {
        return Err(BadName("a label has 1 to 63 characters, a name 253"));
    }
    Ok(format!("{star}{ascii}"))
}

//! Parses texts with a meaning: durations, addresses, networks, host names. It is pure. Each error says what would be
//! right.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::report::Fault;
use super::syntax::pasted_in;
use crate::guard::{HIGHEST_REQUEST_RATE, RequestRate};
use crate::rules::{self, Address, Endpoint};

/// The longest deadline or expiration. A longer one is surely a mistake.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Reads a duration: `"500ms"`, `"10s"`, `"5m"`, `"2h"`, `"1d"`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    let bad = |message: &str| {
        Fault::new(message).help("write a number and a unit: \"500ms\", \"10s\", \"5m\", \"2h\" or \"1d\"")
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    if digits.is_empty() {
        return Err(bad("this is not a duration"));
    }
    let milliseconds: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return Err(bad("the duration has no unit")),
        _ => {
            return Err(bad("the unit of the duration is unknown")
                .at(unit_at..text.len())
                .label("unknown unit"));
        }
    };
    let duration = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(milliseconds));
    match duration.map(Duration::from_millis) {
        Some(Duration::ZERO) => Err(bad("the duration must be longer than nothing")),
        Some(duration) if duration <= LONGEST => Ok(duration),
        _ => Err(Fault::new("the duration is longer than a year")),
    }
}

/// Reads a duration, or `"never"`, which is `None`.
pub(super) fn expiration(text: &str) -> Result<Option<Duration>, Fault> {
    const ENDLESS: [&str; 16] = [
        "never",
        "permanent",
        "permanently",
        "perm",
        "forever",
        "always",
        "endless",
        "infinite",
        "infinity",
        "inf",
        "unlimited",
        "indefinitely",
        "none",
        "off",
        "0",
        "-1",
    ];
    match text {
        "never" => Ok(None),
        _ if ENDLESS.contains(&text.to_ascii_lowercase().as_str()) => {
            Err(Fault::new("this is not a duration")
                .help("write \"never\" for an entry that stays until it is removed"))
        }
        _ => duration(text).map(Some),
    }
}

/// Reads a rate: `"50/s"`, `"600/m"`.
pub(super) fn request_rate(text: &str) -> Result<RequestRate, Fault> {
    let bad = |message: String| {
        Fault::new(message)
            .help("write a number and a unit: \"50/s\" a second, or \"600/m\" a minute; \"\" for any number")
    };
    let (count, unit) = text.split_once('/').ok_or_else(|| bad("this is not a rate".to_owned()))?;
    let within = match unit.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        _ => return Err(bad("the unit of the rate is unknown".to_owned())),
    };
    match count.trim().parse() {
        Ok(count) if (1..=HIGHEST_REQUEST_RATE).contains(&count) => Ok(RequestRate { count, within }),
        _ => Err(bad(format!("the count of the rate must be a number from 1 to {HIGHEST_REQUEST_RATE}"))),
    }
}

/// Reads a size: `"4000B"`, `"16KiB"`, `"1MiB"`. The bounds are whole KiB.
pub(super) fn size(text: &str, bounds: RangeInclusive<u32>) -> Result<u32, Fault> {
    let bad = |message: &str| {
        Fault::new(message).help("write a number and a unit: \"4000B\", \"16KiB\" or \"1MiB\"")
    };
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit_at);
    if digits.is_empty() {
        return Err(bad("this is not a size"));
    }
    let octets: u64 = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "" => return Err(bad("the size has no unit")),
        _ => {
            return Err(bad("the unit of the size is unknown").at(unit_at..text.len()).label("unknown unit"));
        }
    };
    let size = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(octets));
    let size = size.and_then(|size| u32::try_from(size).ok()).filter(|size| bounds.contains(size));
    size.ok_or_else(|| {
        let [least, most] = [*bounds.start(), *bounds.end()].map(shown_size);
        Fault::new(format!("the size must be from {least} to {most}"))
    })
}

/// A size in the form that an administrator writes.
pub(super) fn shown_size(octets: u32) -> String {
    match (octets >> 20, octets >> 10) {
        (mib @ 1.., _) if octets.is_multiple_of(1 << 20) => format!("{mib}MiB"),
        (_, kib @ 1..) if octets.is_multiple_of(1 << 10) => format!("{kib}KiB"),
        _ => format!("{octets}B"),
    }
}

/// Reads a port from 1 to 65535.
pub(super) fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

/// Reads an address with a port: `"192.0.2.1:90"` or `"[::1]:90"`.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Fault> {
    if let Ok(address) = text.parse::<SocketAddr>()
        && address.port() != 0
    {
        return Ok(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let right = "write \"192.0.2.1:90\", \"[2001:db8::1]:90\", or the port alone as a number";
    if text.parse::<IpAddr>().is_ok() {
        return Err(Fault::new("the address has no port").help(right));
    }
    if port(text).is_some() {
        return Err(Fault::new("a port alone is a number, not a string").help(format!("write {text}")));
    }
    let Some(colon) = text.rfind(':') else {
        return Err(Fault::new("this is neither a port nor ADDRESS:PORT").help(right));
    };
    let (host, after) = text.split_at(colon);
    let number = after.trim_start_matches(':');
    if port(number).is_none() {
        return Err(Fault::new("the port must be a number from 1 to 65535")
            .at(colon + 1..text.len())
            .help(right));
    }
    Err(Fault::new("this is not an IP address").at(0..host.len()).help(right))
}

/// Reads `"192.0.2.0/24"` or a single address. A mapped IPv4 network is read as the IPv4 network itself.
pub(super) fn network(text: &str) -> Result<IpNet, Fault> {
    let right = "write \"192.0.2.0/24\", \"2001:db8::/32\" or a single address";
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address.to_canonical()));
    }
    let Some((address, length)) = text.split_once('/') else {
        return Err(Fault::new("this is not an IP network").help(right));
    };
    let Ok(ip) = address.parse::<IpAddr>() else {
        return Err(Fault::new("this is not an IP address").at(0..address.len()).help(right));
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let length_at = address.len() + 1..text.len();
    let Some(length) = length.parse::<u8>().ok().filter(|n| *n <= longest) else {
        return Err(Fault::new(format!("the prefix length must be 0 to {longest}"))
            .at(length_at)
            .help(right));
    };
    let mapped = ip.to_canonical();
    let (ip, length) = match length.checked_sub(96) {
        Some(short) if mapped.is_ipv4() && ip.is_ipv6() => (mapped, short),
        _ => (ip, length),
    };
    let net = IpNet::new(ip, length)
        .map_err(|_| Fault::new("the prefix length is too long").at(length_at).help(right))?;
    if net.addr() != net.network() {
        let meant = net.trunc();
        return Err(Fault::new("the address has bits beyond the prefix")
            .help(format!("write \"{meant}\", or \"{}\" for this address alone", net.addr())));
    }
    Ok(net)
}

/// Reads a host name of the rules. It may be a wildcard, have a location, be an IDN or an IP literal.
pub(super) fn rule_name(text: &str) -> Result<Box<str>, Fault> {
    if let Some(fault) = pasted_in(text) {
        return Err(fault);
    }
    rules::name::normalise(text).map_err(|why| {
        let without_port = text.rsplit_once(':').filter(|(_, after)| port(after).is_some());
        if let Some((name, _)) = without_port
            && rules::name::normalise(name).is_ok()
        {
            return Fault::new("a host name has no port: it counts for every port")
                .at(name.len()..text.len())
                .help(format!("write \"{name}\""));
        }
        let fault = Fault::new(format!("this is not a host name: {why}"));
        if text.contains("://") {
            fault.help("write the name alone, without scheme and path")
        } else if without_port.is_some() {
            fault.help("write the name alone, without a port")
        } else {
            fault.help("write a name as \"hq.example.net\", \"*.example.net\" or \"example.net/location\"")
        }
    })
}

/// Reads an IP address or a DNS name to connect to, without wildcard and location.
pub(super) fn host(text: &str) -> Result<Host, Fault> {
    let right = "write an IP address or a DNS name";
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(Host::Ip(ip.to_canonical()));
    }
    if text.is_empty() {
        return Err(Fault::new("the address is empty").help(right));
    }
    if let Some(fault) = pasted_in(text) {
        return Err(fault);
    }
    if text.contains("://") {
        return Err(Fault::new("this is neither an IP address nor a DNS name")
            .help("write the name alone, without scheme and path"));
    }
    if let Some((_, after)) = text.rsplit_once(':') {
        let fault = Fault::new("this is not an IP address");
        return Err(if port(after).is_some() {
            fault.help("write the address without a port")
        } else {
            fault
        });
    }
    if text.contains(['/', '*']) {
        return Err(Fault::new("this is neither an IP address nor a DNS name").help(right));
    }
    if text.trim_end_matches('.').rsplit('.').next().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Fault::new("this is not an IP address")
            .help("an IPv4 address has four numbers from 0 to 255, as \"192.0.2.1\""));
    }
    rules::name::normalise(text)
        .map(Host::Name)
        .map_err(|why| Fault::new(format!("this is neither an IP address nor a DNS name: {why}")).help(right))
}

/// The result of [`host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Ip(IpAddr),
    Name(Box<str>),
}

/// Reads `host[:port]`, and returns it in its canonical form.
pub(super) fn host_and_port(text: &str) -> Result<Box<str>, Fault> {
    let right = "write \"192.0.2.1\", \"pbx.example.net:5060\" or \"[2001:db8::1]:5060\"";
    let (name, number) = match text.parse::<IpAddr>() {
        Ok(_) => (text, None),
        Err(_) => match text.rsplit_once(':') {
            Some((name, _)) if name.contains(':') && !name.ends_with(']') => (text, None),
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        },
    };
    let host = host(name).map_err(|fault| fault.at(0..name.len()).help(right))?;
    let host = match host {
        Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        Host::Ip(ip) => ip.to_string(),
        Host::Name(name) => name.into(),
    };
    match number.map(|number| port(number).ok_or(number)) {
        None => Ok(host.into()),
        Some(Ok(port)) => Ok(format!("{host}:{port}").into()),
        Some(Err(_)) => Err(Fault::new("the port must be a number from 1 to 65535")
            .at(name.len() + 1..text.len())
            .help(right)),
    }
}

/// Reads a target with its port. `usual` is the port if none is written.
pub(super) fn endpoint(text: &str, usual: u16) -> Result<(Endpoint, NonZeroU16), Fault> {
    let both = host_and_port(text)?;
    let (name, port) = match both.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, self::port(port).unwrap_or(usual)),
        _ => (&*both, usual),
    };
    let address = match host(name)? {
        Host::Ip(ip) => Address::Ip(ip),
        Host::Name(name) => Address::Name(name),
    };
    let port =
        NonZeroU16::new(port).ok_or_else(|| Fault::new("the port must be a number from 1 to 65535"))?;
    Ok((Endpoint { address, options: Arc::default() }, port))
}

/// Reads a path of the file system, relative to the folder of `file`.
pub(super) fn path(file: &Path, text: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() {
        return Err(Fault::new("the path is empty"));
    }
    if text.contains('\0') {
        return Err(Fault::new("a path has no NUL characters"));
    }
    Ok(beside(file, text))
}

/// `text` relative to the folder of `file`.
pub(super) fn beside(file: &Path, text: impl AsRef<Path>) -> PathBuf {
    file.parent().map_or_else(|| text.as_ref().to_owned(), |folder| folder.join(text.as_ref()))
}

#[cfg(test)]
mod tests;

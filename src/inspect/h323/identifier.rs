//! Host names in H.323 messages (contract section 2).

use super::Alias;

/// The host in `[physical-location@]domain[/registration-location]`: the text after the first `@`. A second `@` stays
/// in the text, and no host name has one.
pub fn host(identifier: &str) -> &str {
    identifier.split_once('@').map_or(identifier, |(_, host)| host)
}

/// The domain of `user@domain` in a url-ID, an email-ID or an h323-ID. The scheme (which is part of the user here), the
/// port, parameters and headers are removed (RFC 3508 §4, RFC 3261 §19.1).
pub(super) fn domain(alias: &Alias) -> Option<&str> {
    let (Alias::Url(_) | Alias::Email(_) | Alias::H323(_)) = alias else { return None };
    let (_, domain) = alias.text().split_once('@')?;
    let domain = domain.split([';', '?', '>', ' ']).next()?;
    let host = match domain.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(end) => domain.get(..end + 2)?,
        None => without_port(domain),
    };
    Some(host).filter(|host| !host.is_empty())
}

fn without_port(domain: &str) -> &str {
    match domain.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => domain,
    }
}

//! SIP URIs and the name-addr that holds one (RFC 3261 §19.1, §20.10, §25.1).
//!
//! This parser is strict wherever two parsers could find different hosts in the same octets: such a text is no URI. It
//! is lenient in parts that no decision depends on, above all the user part.

/// The scheme of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`, `urn:` and every other scheme without a host of the rules.
    Other,
}

/// The parts of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The user without its password, as written. It may be empty.
    pub user: &'a [u8],
    /// The host without its port. An IPv6 reference keeps its brackets, and a registration location after a slash
    /// stays. It is empty in a URI of another scheme.
    pub host: &'a [u8],
    /// The port.
    pub port: Option<u16>,
    /// The parameters with their first `;`. It may be empty.
    pub params: &'a [u8],
}

/// The content of From, To, Contact, Route and Record-Route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// The URI, without angle brackets.
    pub uri: &'a [u8],
    /// The header field's own parameters with their first `;`. It may be empty.
    pub params: &'a [u8],
    /// Whether the URI is in angle brackets.
    pub enclosed: bool,
}

/// White space of RFC 3261 §25.1, with the line end of a folded line.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without white space around it.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// Divides a URI into its parts. `None`: it is no URI, or could be read in two ways.
pub fn uri(text: &[u8]) -> Option<Uri<'_>> {
    let colon = memchr::memchr(b':', text)?;
    let (scheme, rest) = (text.get(..colon)?, text.get(colon + 1..)?);
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        _ if scheme.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        [first, others @ ..]
            if first.is_ascii_alphabetic()
                && others.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)) =>
        {
            Scheme::Other
        }
        _ => return None,
    };
    if rest.is_empty() || text.iter().any(|b| *b <= b' ' || b"<>\"\\\x7f".contains(b)) {
        return None;
    }
    if scheme == Scheme::Other {
        return Some(Uri { scheme, user: &[], host: &[], port: None, params: &[] });
    }
    // No part of a URI contains a bare `@` (§25.1). So a second one is an attempt to deceive.
    let (user, rest) = match memchr::memchr(b'@', rest) {
        Some(at) if memchr::memchr(b'@', rest.get(at + 1..)?).is_some() => return None,
        Some(at) => (rest.get(..at)?, rest.get(at + 1..)?),
        None => (rest.get(..0)?, rest),
    };
    let has_user = rest.len() < text.len() - colon - 1;
    let user = user.split(|b| *b == b':').next()?;
    if has_user && user.is_empty() {
        return None;
    }
    let (host, rest) = host_of(rest)?;
    let (port, rest) = port_of(rest)?;
    let params = rest.split(|b| *b == b'?').next()?;
    matches!(rest.first(), None | Some(b';' | b'?')).then_some(Uri { scheme, user, host, port, params })
}

/// The host, and the text after it.
fn host_of(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = |from: usize| {
        let tail = rest.get(from..).unwrap_or_default();
        from + tail.iter().position(|b| b":;?".contains(b)).unwrap_or(tail.len())
    };
    let end = if rest.first() == Some(&b'[') { end(memchr::memchr(b']', rest)?) } else { end(0) };
    rest.split_at_checked(end).filter(|(host, _)| !host.is_empty())
}

/// Divides `host[:port]` into host and port. `None`: it has another form.
pub fn host_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let (host, rest) = host_of(text)?;
    let (port, rest) = port_of(rest)?;
    rest.is_empty().then_some((host, port))
}

fn port_of(rest: &[u8]) -> Option<(Option<u16>, &[u8])> {
    let Some(rest) = rest.strip_prefix(b":") else { return Some((None, rest)) };
    let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at_checked(end)?;
    let port = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((Some(port), rest))
}

/// Divides one name-addr or addr-spec with its parameters into its parts. `None`: it has another form, there are
/// several, or it could be read in two ways.
pub fn name_addr(value: &[u8]) -> Option<NameAddr<'_>> {
    let value = trim(value);
    let enclosed = if value.first() == Some(&b'"') {
        let end = quoted_end(value)?;
        let rest = trim(value.get(end..)?);
        Some(rest.strip_prefix(b"<")?)
    } else {
        match memchr::memchr2(b'<', b'"', value) {
            Some(at) if value.get(at) == Some(&b'<') => {
                let display = value.get(..at)?;
                // The display name has only words and no second address: parsers disagree about `sip:a@b <sip:c@d>`.
                let is_word = |b: &u8| !b":;,@>\\".contains(b) && *b != 0;
                if !display.iter().all(is_word) {
                    // A bare address with `<` in its parameters is refused as well.
                    return None;
                }
                Some(value.get(at + 1..)?)
            }
            // A quote in the parameters of a bare address is refused.
            _ => None,
        }
    };
    let (uri, rest, enclosed) = match enclosed {
        Some(inside) => {
            let end = memchr::memchr(b'>', inside)?;
            (inside.get(..end)?, inside.get(end + 1..)?, true)
        }
        None => {
            // §20.10: without brackets every semicolon begins a parameter of the header field.
            let end = value.iter().position(|b| *b == b';').unwrap_or(value.len());
            let (uri, rest) = value.split_at_checked(end)?;
            // A URI with `?` or `,`, or with an `@` after the semicolon, needs brackets.
            if uri.iter().any(|b| b"?,".contains(b)) || unquoted(rest, b"@").is_some() {
                return None;
            }
            (trim(uri), rest, false)
        }
    };
    let params = trim(rest);
    let is_params = params.is_empty() || params.first() == Some(&b';');
    (is_params && !uri.is_empty() && balanced(params) && unquoted(params, b",<>").is_none())
        .then_some(NameAddr { uri, params, enclosed })
}

/// The value of a parameter, by its name in lower case. Quotes around it are removed. An empty value has no `=`.
pub fn param<'a>(params: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (_, value) = parameters(params).find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
}

/// The parameters after the first `;` outside quotes, each with its value. White space around both is removed. A value
/// keeps its quotes. An empty value has no `=`, or nothing after it.
pub fn parameters(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let at = unquoted(rest, b";")?;
        let behind = rest.get(at + 1..)?;
        let one;
        (one, rest) = behind.split_at_checked(unquoted(behind, b";").unwrap_or(behind.len()))?;
        let (name, value) = match memchr::memchr(b'=', one) {
            Some(at) => (one.get(..at)?, one.get(at + 1..)?),
            None => (one, [].as_slice()),
        };
        Some((trim(name), trim(value)))
    })
}

/// A text with its percent escapes decoded (RFC 3261 §19.1.2). A `%` without two digits stands for itself.
pub fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (first, behind) = rest.split_first()?;
        let escaped = (*first == b'%').then(|| behind.split_at_checked(2)).flatten();
        let digit = |at: usize, digits: &[u8]| char::from(*digits.get(at)?).to_digit(16);
        if let Some((digits, behind)) = escaped
            && let (Some(high), Some(low)) = (digit(0, digits), digit(1, digits))
        {
            rest = behind;
            return u8::try_from(high << 4 | low).ok();
        }
        rest = behind;
        Some(*first)
    })
}

/// The entries of a list of header field values, which are separated by commas outside quotes and angle brackets
/// (§7.3.1).
pub fn entries(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let list = rest?;
            let end = comma(list);
            let entry = trim(list.get(..end.unwrap_or(list.len()))?);
            rest = end.and_then(|end| list.get(end + 1..));
            if !entry.is_empty() {
                return Some(entry);
            }
        }
    })
}

/// The position of the comma after the first entry of a list. `None`: there is only one entry.
pub(super) fn comma(list: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = list.get(at..)?;
        let mark = memchr::memchr3(b',', b'"', b'<', rest)?;
        let rest = rest.get(mark..)?;
        at += mark;
        match rest.first()? {
            b'"' => at += quoted_end(rest)?,
            b'<' => at += memchr::memchr(b'>', rest)? + 1,
            _ => return Some(at),
        }
    }
}

/// The position of the first octet outside quotes that is in `wanted`. `wanted` contains no quote.
fn unquoted(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let next = |rest: &[u8]| match *wanted {
        [one] => memchr::memchr2(one, b'"', rest),
        _ => rest.iter().position(|byte| *byte == b'"' || wanted.contains(byte)),
    };
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let mark = next(rest)?;
        let rest = rest.get(mark..)?;
        at += mark;
        if rest.first() != Some(&b'"') {
            return Some(at);
        }
        at += quoted_end(rest)?;
    }
}

fn balanced(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(quote) = text.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
        let Some(len) = text.get(at + quote..).and_then(quoted_end) else { return false };
        at += quote + len;
    }
    true
}

/// The length of the quoted string at the beginning of `text`, with its quotes.
fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(value: &str) -> Option<String> {
        let address = name_addr(value.as_bytes())?;
        let host = uri(address.uri)?.host;
        Some(String::from_utf8_lossy(host).into_owned())
    }

    #[test]
    fn the_host_in_every_form() {
        for (value, expected) in [
            ("sip:ckl@dvl-ckl2.net", "dvl-ckl2.net"),
            ("<sip:ckl@dvl-ckl2.net/branch-b>;tag=1", "dvl-ckl2.net/branch-b"),
            ("sip:ckl@dvl-ckl2.net/branch-b;tag=1", "dvl-ckl2.net/branch-b"),
            ("\"A <sip:x@evil> \\\" sip:y@evil\" <sip:a@pbx>;tag=\"<>,\"", "pbx"),
            ("A b <SIPS:a:secret@PBX:5061;transport=tcp?Subject=x>", "PBX"),
            ("<sip:user;par=u%40x@pbx>", "pbx"),
            ("<sip:a@[2001:db8::1]:5060;lr>", "[2001:db8::1]"),
            ("<sip:pbx>", "pbx"),
            ("<sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>", "example.com"),
            ("caller<sip:caller@example.com>;tag=323", "example.com"),
            ("<tel:+4970317300>", ""),
            ("\"Watson, Thomas\" \r\n <sip:t@example.org>", "example.org"),
        ] {
            assert_eq!(host(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn what_two_readers_read_differently_is_none() {
        for value in [
            "<sip:a@evil@good>",
            "<sip:a@good:evil>",
            "<sip:a@good:99999>",
            "<sip:@good>",
            "<sip:a@>",
            "<sip:a@ good>",
            "< sip:a@good>",
            "sip:a@evil <sip:b@good>",
            "sip:a@evil, <sip:b@good>",
            "<sip:b@good>, <sip:a@evil>",
            "<sip:b@good> <sip:a@evil>",
            "Bell, Alexander <sip:a@b>",
            "\"open <sip:a@b>",
            "<sip:a@b",
            "<<sip:a@b>>",
            "sip:user;x=1@good",
            "sip:a@b?Route=c",
            "<sip:a@b>x",
            "<sip:a@b>;tag=\"open",
            "<:a@b>",
            "<>",
            "",
        ] {
            assert_eq!(host(value), None, "{value}");
        }
    }

    #[test]
    fn lists_and_parameters() {
        let list: Vec<_> = entries(b"<sip:a;lr>, \"x,y\" <sip:b,c@d>,,sip:e ").collect();
        assert_eq!(list, [b"<sip:a;lr>".as_slice(), b"\"x,y\" <sip:b,c@d>", b"sip:e"]);
        assert_eq!(param(b";x=\"a;tag=1\" ; Tag = 2", b"tag"), Some(b"2".as_slice()));
        assert_eq!(param(b";lr;transport=tcp", b"lr"), Some(b"".as_slice()));
        assert_eq!(param(b";lrx", b"lr"), None);
    }
}

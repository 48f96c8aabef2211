//! What a client sends through us: our own entries are taken out of it, and one of them names the rule of a dialog. The
//! table is in `record`.
//!
//! Two entries are ours. One has our token: Portward has put it into the client's route set, and it names a host of the
//! rules. One names `sip.public_address` without a token: a phone with an outbound proxy puts it there by itself, before
//! there is a dialog, and it decides nothing.
//!
//! A URI that moves to the start line is read as a URI first: a text with a line end in it would be a second start line.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::edit::Edits;
use super::token::Tokens;
use crate::inspect::sip::{
    FieldKind, Kind, Message, Scheme, Uri, entries, host_port, name_addr, param, parameters, uri,
};
use crate::reason::Reason;

/// What a client is told to come back to: `sip.public_address` for its transport.
#[derive(Debug, Clone, Copy)]
pub struct PublicAddress<'a> {
    host: &'a [u8],
    port: u16,
    tls: bool,
}

impl<'a> PublicAddress<'a> {
    /// Reads `host[:port]`; `None`: it is none.
    pub fn new(address: &'a str, tls: bool) -> Option<Self> {
        let (host, port) = host_port(address.as_bytes())?;
        Some(Self { host, port: port.unwrap_or(default_port(tls)), tls })
    }

    /// Whether a URI names it, whatever its scheme, its user and its parameters are.
    fn is_named_by(&self, uri: &Uri<'_>) -> bool {
        uri.scheme != Scheme::Other
            && uri.port.unwrap_or(default_port(self.tls)) == self.port
            && is_same_host(uri.host, self.host)
    }
}

/// RFC 3261 §19.1.2, by the transport of the connection: a phone that has come by TLS means TLS.
const fn default_port(tls: bool) -> u16 {
    if tls { 5061 } else { 5060 }
}

/// Whether two hosts of URIs are the same one.
fn is_same_host(one: &[u8], other: &[u8]) -> bool {
    let plain = |host: &'_ [u8]| host.strip_suffix(b".").unwrap_or(host).to_ascii_lowercase();
    let address = |host: &[u8]| {
        let inside = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
        std::str::from_utf8(inside).ok()?.parse::<Ipv6Addr>().ok()
    };
    one.eq_ignore_ascii_case(other)
        || plain(one) == plain(other)
        || address(one).is_some_and(|one| address(other) == Some(one))
}

/// Knows our own entries.
#[derive(Debug, Clone, Copy)]
pub struct Own<'a> {
    /// What has made the tokens.
    pub tokens: &'a Tokens,
    /// What the client calls us, if it is told to call us anything.
    pub address: Option<PublicAddress<'a>>,
}

impl Own<'_> {
    /// The host whose rule our own entry names, if it is on top of the Route of a request, or its Request-URI (a client
    /// that routes strictly).
    pub fn host(&self, head: &[u8], message: &Message) -> Option<String> {
        let Kind::Request { uri: target, .. } = message.kind else { return None };
        let top: Vec<&[u8]> = message
            .fields_of(FieldKind::Route)
            .flat_map(|field| entries(field.value.of_input(head)))
            .take(2)
            .collect();
        self.top(&top).1.or_else(|| self.tokens.host(uri(target.of_input(head))?.user))
    }

    /// How many of the first entries of Route are ours, and the host that a token among them names. A phone may put
    /// its outbound proxy on top of the route set of a dialog.
    fn top(&self, routes: &[&[u8]]) -> (usize, Option<String>) {
        let read = |at: usize| uri(name_addr(routes.get(at)?)?.uri);
        let token = |at: usize| self.tokens.host(read(at)?.user);
        if let Some(host) = token(0) {
            return (1, Some(host));
        }
        let preloaded = |address: &PublicAddress<'_>| read(0).is_some_and(|uri| address.is_named_by(&uri));
        match self.address.as_ref().is_some_and(preloaded) {
            true => token(1).map_or((1, None), |host| (2, Some(host))),
            false => (0, None),
        }
    }

    fn has_token(&self, uri_text: &[u8]) -> bool {
        uri(uri_text).is_some_and(|uri| self.tokens.host(uri.user).is_some())
    }

    /// Takes our entries out of a message of the client.
    ///
    /// # Errors
    /// A URI that had to become the Request-URI is none.
    pub(super) fn forget(&self, head: &[u8], message: &Message, edits: &mut Edits) -> Result<(), Reason> {
        for field in message.fields_of(FieldKind::RecordRoute) {
            let is_ours = |entry: &[u8]| name_addr(entry).is_some_and(|entry| self.has_token(entry.uri));
            without(head, field.line.range(), field.value.range(), edits, is_ours);
        }
        let Kind::Request { uri: target, .. } = message.kind else { return Ok(()) };
        let routes = routes(head, message);
        if self.has_token(target.of_input(head)) {
            // §16.4: the client has put the remote target last.
            if let Some(last) = routes.last() {
                let address = name_addr(last.text).ok_or(Reason::Malformed)?;
                edits.replace(target.range(), request_uri(address.uri).ok_or(Reason::Malformed)?);
                cut(head, &routes, &[last.text], None, edits);
            }
            return Ok(());
        }
        let texts: Vec<&[u8]> = routes.iter().map(|entry| entry.text).collect();
        let (ours, others) = texts.split_at_checked(self.top(&texts).0).unwrap_or_default();
        if ours.is_empty() {
            return Ok(());
        }
        // §16.6 step 6: the next hop wants itself as Request-URI and the remote target last.
        match others.first().and_then(|next| Some((*next, strict(next)?))) {
            Some((next, next_uri)) => {
                edits.replace(target.range(), request_uri(next_uri).ok_or(Reason::Malformed)?);
                let last = [b"<".as_slice(), target.of_input(head), b">"].concat();
                cut(head, &routes, &[ours, &[next]].concat(), Some(last), edits);
            }
            None => cut(head, &routes, ours, None, edits),
        }
        Ok(())
    }
}

/// One entry of Route.
struct Entry<'a> {
    line: Range<usize>,
    value: Range<usize>,
    text: &'a [u8],
}

fn routes<'a>(head: &'a [u8], message: &Message) -> Vec<Entry<'a>> {
    let fields = message.fields_of(FieldKind::Route);
    let entries_of = |field: &crate::inspect::sip::Field| {
        let (line, value) = (field.line.range(), field.value.range());
        let all = entries(field.value.of_input(head));
        all.map(move |text| Entry { line: line.clone(), value: value.clone(), text })
    };
    fields.flat_map(entries_of).collect()
}

/// The URI of a route entry that lacks `lr` (§16.6 step 6). Without brackets one cannot tell the URI's parameters from the
/// entry's: such an entry stays where it is.
fn strict(entry: &[u8]) -> Option<&[u8]> {
    let address = name_addr(entry).filter(|address| address.enclosed)?;
    param(uri(address.uri)?.params, b"lr").is_none().then_some(address.uri)
}

/// A URI of Route as a Request-URI: without header fields and without a method (§12.2.1.1, §19.1.1). `None`: it cannot be
/// one.
fn request_uri(text: &[u8]) -> Option<Vec<u8>> {
    let cut = uri(text)?;
    if cut.scheme == Scheme::Other {
        return Some(text.to_vec());
    }
    let behind_user = memchr::memchr(b'@', text).map_or(0, |at| at + 1);
    let tail = text.get(behind_user..)?;
    let end = tail.iter().position(|octet| b";?".contains(octet)).unwrap_or(tail.len());
    let mut target = text.get(..behind_user + end)?.to_vec();
    for (name, value) in parameters(cut.params).filter(|(name, _)| !name.eq_ignore_ascii_case(b"method")) {
        target.push(b';');
        target.extend_from_slice(name);
        if !value.is_empty() {
            target.push(b'=');
            target.extend_from_slice(value);
        }
    }
    Some(target)
}
/// Takes the entries `gone` (told apart by where they stand) out of Route, and puts `last` behind all of them.
fn cut(head: &[u8], routes: &[Entry<'_>], gone: &[&[u8]], last: Option<Vec<u8>>, edits: &mut Edits) {
    let mut lines: Vec<(&Range<usize>, &Range<usize>)> = Vec::new();
    for route in routes {
        if lines.last().is_none_or(|(line, _)| **line != route.line) {
            lines.push((&route.line, &route.value));
        }
    }
    let after = lines.last().map(|(line, _)| line.end);
    for (line, value) in lines {
        without(head, line.clone(), value.clone(), edits, |entry| {
            gone.iter().any(|gone| std::ptr::eq(gone.as_ptr(), entry.as_ptr()))
        });
    }
    if let (Some(last), Some(after)) = (last, after) {
        edits.insert(after, [b"Route: ".as_slice(), &last, b"\r\n"].concat());
    }
}

/// Takes the entries of one header field that are `gone` out of it; the field goes with its last entry.
fn without(
    head: &[u8],
    line: Range<usize>,
    value: Range<usize>,
    edits: &mut Edits,
    gone: impl Fn(&[u8]) -> bool,
) {
    let text = head.get(value.clone()).unwrap_or_default();
    let all: Vec<&[u8]> = entries(text).collect();
    let kept: Vec<&[u8]> = all.iter().copied().filter(|entry| !gone(entry)).collect();
    if kept.len() == all.len() {
        return;
    }
    if kept.is_empty() {
        edits.cut(line);
    } else {
        edits.replace(value, kept.join(b", ".as_slice()));
    }
}

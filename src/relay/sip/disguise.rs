//! A browser behind a plain SIP connection (contract section 9).
//!
//! A browser does not know its own address. It writes an invented name that ends in `.invalid` (RFC 7118 §5.4.2), and
//! WS or WSS as its transport. A PBX without WebSocket tries to resolve that name. So toward the PBX the browser's Via
//! and Contacts name Portward's end of the connection to the PBX. The PBX reaches the browser by that connection
//! anyway. On the way back they become what the browser wrote, octet for octet, because browser libraries drop a
//! response with another Via.
//!
//! | message | what happens |
//! |---|---|
//! | request of the browser | its top Via gets transport, address and port of our end |
//! | any message of the browser | its Contacts get the same, except GRUUs (RFC 5627 §3.1), which the PBX itself has made |
//! | response of the PBX | the top Via and the browser's Contacts become what the browser wrote, without the PBX's additions |
//! | request of the PBX | a Request-URI that is one of the browser's Contacts becomes what the browser wrote |
//!
//! A PBX may change parameters of a Contact before it sends it back. Then host and transport become those of the
//! browser's Contact, and the rest stays as the PBX wrote it.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::SocketAddr;

use super::edit::Edits;
use crate::inspect::Span;
use crate::inspect::sip::{
    FieldKind, Kind, Message, NameAddr, Scheme, entries, name_addr, param, parameters, uri,
};

/// How many unanswered requests are remembered. A browser has only a few.
const VIAS: usize = 16;

/// How many Contacts are remembered. A browser has one, or one more for calls.
const CONTACTS: usize = 8;

/// What a browser wrote, and what replaces it toward the PBX.
#[derive(Debug)]
pub struct Disguise {
    /// Our end of the connection, in the form of a URI's host and port.
    end: Box<str>,
    tls: bool,
    /// Vias of unanswered requests, the newest first.
    vias: VecDeque<Via>,
    /// The browser's Contacts, the newest first.
    contacts: Vec<Contact>,
}

/// The top Via of a request.
#[derive(Debug)]
struct Via {
    /// A hash of the branch.
    branch: u64,
    own: Box<[u8]>,
}

/// The URI of a Contact.
#[derive(Debug)]
struct Contact {
    own: Box<[u8]>,
    shown: Box<[u8]>,
}

impl Disguise {
    /// The disguise for a connection to a PBX. `end` is the address of our end. `tls`: the connection is TLS.
    pub fn new(end: SocketAddr, tls: bool) -> Self {
        let end = SocketAddr::new(end.ip().to_canonical(), end.port()).to_string().into();
        Self { end, tls, vias: VecDeque::new(), contacts: Vec::new() }
    }

    /// The transport of our end, as a Via spells it.
    fn word(&self) -> &'static str {
        if self.tls { "TLS" } else { "TCP" }
    }

    /// The transport of our end, as a URI spells it.
    fn parameter(&self) -> &'static str {
        if self.tls { "tls" } else { "tcp" }
    }

    /// Hides the browser in a message of the browser.
    pub(super) fn hide(&mut self, head: &[u8], message: &Message, edits: &mut Edits) {
        if let Kind::Request { .. } = message.kind
            && let Some(entry) = top_via(head, message)
            && let Some(via) = ViaParts::of(entry)
        {
            edits.replace(Span::of(head, via.transport).range(), self.word());
            edits.replace(Span::of(head, via.sent_by).range(), self.end.as_bytes());
            self.remember_via(branch(via.params), entry);
        }
        let fields = message.fields_of(FieldKind::Contact).map(|field| field.value.of_input(head));
        for entry in fields.flat_map(entries) {
            let Some((own, address)) =
                name_addr(entry).and_then(|address| Some((contact(&address)?, address)))
            else {
                continue;
            };
            let Some(shown) = self.shown(&own) else { continue };
            if address.enclosed {
                edits.replace(Span::of(head, address.uri).range(), &*shown);
            } else {
                // Without brackets the parameters would belong to the field, not to the URI (RFC 3261 §20.10).
                let mut text = [b"<".as_slice(), &shown, b">"].concat();
                for (name, value) in without_transport(address.params) {
                    text.extend([b";", name].concat());
                    if !value.is_empty() {
                        text.extend([b"=", value].concat());
                    }
                }
                edits.replace(Span::of(head, entry).range(), text);
            }
            self.remember_contact(own, shown);
        }
    }

    /// Restores what the browser wrote in a message of the PBX.
    pub(super) fn reveal(&mut self, head: &[u8], message: &Message, edits: &mut Edits) {
        match message.kind {
            Kind::Request { uri: target, .. } => {
                if let Some(own) = self.undisguised(target.of_input(head)) {
                    edits.replace(target.range(), own);
                }
            }
            Kind::Response { status } => {
                if let Some(entry) = top_via(head, message) {
                    let invites = message.cseq_method.of_input(head) == b"INVITE";
                    // A call may be answered more than once, by several phones (RFC 3261 §13.2.2.4).
                    self.reveal_via((head, entry), status >= 200 && !invites, edits);
                }
                let fields = message.fields_of(FieldKind::Contact).map(|field| field.value.of_input(head));
                for address in fields.flat_map(entries).filter_map(name_addr) {
                    if let Some(own) = self.undisguised(address.uri) {
                        edits.replace(Span::of(head, address.uri).range(), own);
                    }
                }
            }
        }
    }

    fn reveal_via(&mut self, (head, entry): (&[u8], &[u8]), is_last: bool, edits: &mut Edits) {
        let Some(via) = ViaParts::of(entry) else { return };
        let branch = branch(via.params);
        match self.vias.iter().position(|known| known.branch == branch) {
            Some(at) => {
                if let Some(known) = self.vias.get(at) {
                    edits.replace(Span::of(head, entry).range(), &*known.own);
                }
                if is_last {
                    self.vias.remove(at);
                }
            }
            // The Via was forgotten. A browser writes the same sent-by name in all its requests, so the newest one's is
            // right.
            None if via.sent_by.eq_ignore_ascii_case(self.end.as_bytes()) => {
                let newest = self.vias.front().and_then(|newest| ViaParts::of(&newest.own));
                if let Some(own) = newest {
                    edits.replace(Span::of(head, via.transport).range(), own.transport);
                    edits.replace(Span::of(head, via.sent_by).range(), own.sent_by);
                }
            }
            None => {}
        }
    }

    fn remember_via(&mut self, branch: u64, own: &[u8]) {
        self.vias.retain(|known| known.branch != branch);
        self.vias.truncate(VIAS - 1);
        self.vias.push_front(Via { branch, own: own.into() });
    }

    fn remember_contact(&mut self, own: Vec<u8>, shown: Vec<u8>) {
        self.contacts.retain(|known| *known.shown != *shown);
        self.contacts.truncate(CONTACTS - 1);
        self.contacts.insert(0, Contact { own: own.into(), shown: shown.into() });
    }

    /// The URI of a Contact as the PBX sees it. `None`: the URI stays unchanged.
    fn shown(&self, own: &[u8]) -> Option<Vec<u8>> {
        let cut = uri(own)?;
        if cut.scheme == Scheme::Other || param(cut.params, b"gr").is_some() {
            return None;
        }
        // `sips` demands TLS on the whole way, even where there is none.
        let is_sips = cut.scheme == Scheme::Sips && self.tls;
        let (user, _, rest) = around_host(own)?;
        let mut shown = if is_sips { b"sips:".to_vec() } else { b"sip:".to_vec() };
        shown.extend_from_slice(user);
        shown.extend_from_slice(self.end.as_bytes());
        with_transport(&mut shown, rest, cut.params, Some(self.parameter().as_bytes()));
        Some(shown)
    }

    /// The browser's own URI in place of the PBX's. `None`: the URI is none of the browser's.
    fn undisguised(&self, text: &[u8]) -> Option<Vec<u8>> {
        if let Some(contact) = self.contacts.iter().find(|contact| *contact.shown == *text) {
            return Some(contact.own.to_vec());
        }
        let cut = uri(text)?;
        let (user, host, rest) = around_host(text)?;
        if cut.scheme == Scheme::Other || !host.eq_ignore_ascii_case(self.end.as_bytes()) {
            return None;
        }
        let parts = |contact: &'_ Contact| around_host(&contact.own).map(|(user, _, _)| user.to_vec());
        let same = self.contacts.iter().find(|contact| parts(contact).as_deref() == Some(user));
        let known = &*same.or(self.contacts.first())?.own;
        let (known_cut, (_, known_host, _)) = (uri(known)?, around_host(known)?);
        let mut own = if known_cut.scheme == Scheme::Sips { b"sips:".to_vec() } else { b"sip:".to_vec() };
        own.extend_from_slice(user);
        own.extend_from_slice(known_host);
        with_transport(&mut own, rest, cut.params, param(known_cut.params, b"transport"));
        Some(own)
    }
}

/// The URI of a Contact. In a Contact without brackets a transport parameter belongs to the field, but browsers mean
/// the URI's.
fn contact(address: &NameAddr<'_>) -> Option<Vec<u8>> {
    let mut own = address.uri.to_vec();
    if !address.enclosed
        && let Some(transport) = param(address.params, b"transport")
    {
        own.extend([b";transport=", transport].concat());
    }
    uri(&own).map(|_| ())?;
    Some(own)
}

/// A hash of the branch among the parameters of a Via.
fn branch(params: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(param(params, b"branch").unwrap_or_default())
}

/// The top entry of Via.
fn top_via<'a>(head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    entries(message.fields_of(FieldKind::Via).next()?.value.of_input(head)).next()
}

/// An entry of Via (RFC 3261 §20.42): white space is allowed around the slashes.
struct ViaParts<'a> {
    transport: &'a [u8],
    sent_by: &'a [u8],
    /// The parameters, with their first `;`.
    params: &'a [u8],
}

impl<'a> ViaParts<'a> {
    fn of(entry: &'a [u8]) -> Option<Self> {
        let rest = entry.splitn(3, |octet| *octet == b'/').nth(2)?.trim_ascii_start();
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        let (transport, rest) = rest.split_at_checked(end)?;
        let rest = rest.trim_ascii_start();
        let (sent_by, params) = rest.split_at_checked(memchr::memchr(b';', rest).unwrap_or(rest.len()))?;
        let sent_by = sent_by.trim_ascii_end();
        (!transport.is_empty() && !sent_by.is_empty()).then_some(Self { transport, sent_by, params })
    }
}

/// Splits a SIP URI without its scheme into the part before the host, host and port, and the rest.
fn around_host(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let rest = text.get(memchr::memchr(b':', text)? + 1..)?;
    let (user, rest) = rest.split_at_checked(memchr::memchr(b'@', rest).map_or(0, |at| at + 1))?;
    let end = rest.iter().position(|octet| b";?".contains(octet)).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end)?;
    Some((user, host, rest))
}

/// Writes `rest`, which begins with the URI's parameters `params`, with this transport in it. `None`: without a
/// transport.
fn with_transport(out: &mut Vec<u8>, rest: &[u8], params: &[u8], transport: Option<&[u8]>) {
    let has_one = param(params, b"transport").is_some();
    if let (Some(transport), false) = (transport, has_one) {
        out.extend([b";transport=", transport].concat());
    }
    let mut pieces = params.split(|octet| *octet == b';');
    pieces.next();
    for piece in pieces {
        let is_transport = piece
            .split(|octet| *octet == b'=')
            .next()
            .is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"transport"));
        match (is_transport, transport) {
            (false, _) => out.extend([b";", piece].concat()),
            (true, Some(transport)) => {
                let name = piece.split(|octet| *octet == b'=').next().unwrap_or_default();
                out.extend([b";", name, b"=", transport].concat());
            }
            (true, None) => {}
        }
    }
    out.extend_from_slice(rest.get(params.len()..).unwrap_or_default());
}

/// The parameters of a field, without the transport.
fn without_transport(params: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    parameters(params).filter(|(name, _)| !name.eq_ignore_ascii_case(b"transport"))
}

#[cfg(test)]
mod tests;

//! `sip.public_address`: puts Portward into the client's route set, and into no other (contract section 3, RFC 3261
//! §12.1, §16).
//!
//! - Request of the PBX: our entry becomes the first Record-Route, because the client's route set begins with it
//!   (§12.1.1).
//! - Dialog-forming response of the PBX: our entry becomes the last Record-Route, because the client reverses them
//!   (§12.1.2).
//! - Request of the client: our entry is taken off the top of Route. If the PBX's own entry below it wants strict
//!   routing, the request becomes what the client would have sent without us (§12.2.1.1, §16.6 step 6). A client that
//!   routes strictly itself has our entry as Request-URI (§16.4).
//! - Request of the client with an entry without a token on top of Route: the entry is taken off as well if it names
//!   `sip.public_address`, or the Host of the WebSocket handshake. So is an entry with a token right below it.
//! - Any message of the client: our entry is taken out of Record-Route, because responses copy it from the request
//!   (§12.1.1).
//!
//! Our entry is recognised by its token. It is taken out even if the address is not configured any more, because
//! dialogs live longer than configurations.

use std::net::IpAddr;

use super::edit::Edits;
use crate::inspect::sip::{FieldKind, Kind, Message, entries, name_addr};
use crate::proof::own_routes::PublicAddress;
use crate::proof::token::Tokens;

/// Portward's own entry.
#[derive(Debug, Clone)]
pub struct Recording {
    /// `TOKEN@ADDRESS[:PORT];transport=tcp|tls|ws;lr`, without a scheme.
    entry: Box<str>,
    tls: bool,
}

impl Recording {
    /// The entry for one connection. `address` is `host[:port]`. The entry names a host of the rules. It also names the
    /// address of the host's target, if that is given.
    pub fn new(tokens: &Tokens, (host, target): (&str, Option<IpAddr>), address: &str, tls: bool) -> Self {
        let transport = if tls { "tls" } else { "tcp" };
        Self::by(tokens, (host, target), address, (transport, tls))
    }

    /// The same for a client in a WebSocket: `transport=ws`, even if the WebSocket is in TLS (RFC 7118 §5.2).
    pub fn for_browser(tokens: &Tokens, host: (&str, Option<IpAddr>), address: &str, tls: bool) -> Self {
        Self::by(tokens, host, address, ("ws", tls))
    }

    fn by(
        tokens: &Tokens,
        (host, target): (&str, Option<IpAddr>),
        address: &str,
        (transport, tls): (&str, bool),
    ) -> Self {
        let token = tokens.make(host, target);
        Self { entry: format!("{token}@{address};transport={transport};lr").into(), tls }
    }

    /// The address in the entry.
    pub(super) fn address(&self) -> Option<PublicAddress<'_>> {
        let (_, behind) = self.entry.split_once('@')?;
        PublicAddress::new(behind.split(';').next()?, self.tls)
    }

    /// Puts the entry into a message of the PBX where it belongs.
    pub(super) fn record(&self, head: &[u8], message: &Message, edits: &mut Edits) {
        let recorded = message.fields_of(FieldKind::RecordRoute);
        let via = message.fields_of(FieldKind::Via).next_back();
        let end = |line: crate::inspect::Span| line.range().end;
        let at = match message.kind {
            Kind::Request { .. } => match message.fields_of(FieldKind::RecordRoute).next() {
                Some(first) => Some(first.line.range().start),
                None => via.map(|via| end(via.line)),
            },
            Kind::Response { status } => {
                let forms = matches!(message.cseq_method.of_input(head), b"INVITE" | b"SUBSCRIBE" | b"REFER");
                if !forms || !(101..300).contains(&status) || message.to_tag.is_empty() {
                    return;
                }
                recorded.last().or(via).map(|field| end(field.line))
            }
        };
        if let Some(at) = at {
            let scheme = if self.must_be_sips(head, message) { "sips" } else { "sip" };
            edits.insert(at, format!("Record-Route: <{scheme}:{}>\r\n", self.entry));
        }
    }

    /// Whether the entry must be `sips` (§16.6 step 4). In a request the Request-URI or the topmost Route decides. In a
    /// response the Contact decides, because it becomes the client's remote target (§12.1.2).
    fn must_be_sips(&self, head: &[u8], message: &Message) -> bool {
        let is_sips = |text: &[u8]| text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"sips:"));
        let first_of = |kind| {
            let value = message.fields_of(kind).next()?.value.of_input(head);
            Some(name_addr(entries(value).next()?)?.uri)
        };
        let target = match message.kind {
            Kind::Request { uri, .. } => Some(uri.of_input(head)),
            Kind::Response { .. } => first_of(FieldKind::Contact),
        };
        target.is_some_and(is_sips) || first_of(FieldKind::Route).is_some_and(is_sips)
    }
}

//! `sip.public_address`: Portward in the client's route set, and nowhere else (contract section 3, RFC 3261 §12.1, §16).
//!
//! | message | what happens |
//! |---|---|
//! | request of the PBX | our entry becomes the first Record-Route: the client's route set begins with it (§12.1.1) |
//! | dialog-forming response of the PBX | our entry becomes the last Record-Route: the client reverses them (§12.1.2) |
//! | request of the client | our entry is taken off the top of Route; if the PBX's own entry below it wants strict routing, the
//! request is made as the client would have made it without us (§12.2.1.1, §16.6 step 6); a client that routes strictly itself
//! has our entry as Request-URI (§16.4) |
//! | request of the client | an entry on top of Route that names `sip.public_address`, or the Host of the WebSocket handshake,
//! without a token is taken off as well, with a token entry right below it |
//! | any message of the client | our entry is taken out of Record-Route: responses copy it from the request (§12.1.1) |
//!
//! Our entry is known by its token. It is taken out even when the address is not configured any more: dialogs live longer
//! than configurations.

use std::net::IpAddr;

use super::edit::Edits;
use crate::inspect::sip::{FieldKind, Kind, Message, entries, name_addr};
use crate::proof::own::PublicAddress;
use crate::proof::token::Tokens;

/// Portward's own entry.
#[derive(Debug, Clone)]
pub struct Recording {
    /// `TOKEN@ADDRESS[:PORT];transport=tcp|tls|ws;lr`, without a scheme.
    entry: Box<str>,
    tls: bool,
}

impl Recording {
    /// The entry for a client that came by TLS or not, and for a host of the rules with the address of its target, if that
    /// matters; `address` is `host[:port]`.
    pub fn new(tokens: &Tokens, (host, target): (&str, Option<IpAddr>), address: &str, tls: bool) -> Self {
        let transport = if tls { "tls" } else { "tcp" };
        Self::by(tokens, (host, target), address, (transport, tls))
    }

    /// The same for a client in a WebSocket: `transport=ws`, with TLS below as well (RFC 7118 §5.2).
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

    /// §16.6 step 4: `sips` if the Request-URI or the topmost Route is. A response says so by what the client will
    /// have as its remote target, the Contact (§12.1.2).
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

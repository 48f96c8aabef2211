//! The host that a first SIP message asks for, and what happens to the message: it is routed, Portward answers it, or
//! it is refused (contract section 3). No I/O.

use std::borrow::Cow;
use std::net::IpAddr;

use super::Refused;
use super::identity::{Identified, Identify};
use crate::inspect::sip::{Field, FieldKind, Kind, Message, Scheme, entries, name_addr, uri};
use crate::proof::own_routes::OwnRoutes;
use crate::proof::token::Named;
use crate::proof::{self, Names};
use crate::reason::Reason;
use crate::rules::Table;
use crate::rules::decide::{self, Refusal, Route};
use crate::service::{Service, Transport};

/// The settings by which a message is decided.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `sip.default_host`: the host for messages that name no host.
    pub default_host: Option<&'s str>,
    /// `sip.methods`: the methods that may come first on a connection and decide it.
    pub methods: &'s [Box<str>],
    /// `sip.identify`: the parts of a request that name its host.
    pub identify: Identify,
    /// Recognises our own route entries.
    pub own: OwnRoutes<'s>,
}

/// What a first message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<'a> {
    /// The PBX of a dialog that leads through Portward.
    Dialog(Named),
    /// A host. The name is as it came.
    Host(Cow<'a, [u8]>),
    /// Two hosts of the table. This is the name of the first.
    Split(Cow<'a, [u8]>),
}

impl Asked<'_> {
    /// The host's name.
    pub fn name(&self) -> &[u8] {
        match self {
            Self::Dialog(named) => named.host.as_bytes(),
            Self::Host(host) | Self::Split(host) => host,
        }
    }

    /// The address of the only target that knows the dialog.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Dialog(named) => named.address,
            Self::Host(_) | Self::Split(_) => None,
        }
    }
}

/// What happens to a first message that is not refused.
#[derive(Debug, Clone)]
pub enum Decided<'t> {
    /// It is passed on, and decides the connection.
    Routed(Route<'t>),
    /// Portward answers it. The connection stays undecided.
    Answered(Answer),
}

/// Portward's own answer to a first message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: an ACK has no answer (RFC 3261 §17).
    Nothing,
    /// To OPTIONS: the methods that Portward relays.
    Methods,
    /// The client shall try again after it has registered.
    Unavailable,
}

impl<'s> Terms<'s> {
    /// The host or dialog that a first message asks for. `None`: it names none.
    pub fn asked<'a>(&self, head: &'a [u8], message: &Message) -> Option<Asked<'a>>
    where
        's: 'a,
    {
        if let Some(named) = self.own.dialog(head, message) {
            return Some(Asked::Dialog(named));
        }
        if !self.may_come_first(message.method(head)?) {
            return self.probed(head, message);
        }
        match self.identify.name(self.table, (head, message), first_name(head, message)) {
            Identified::One(name) => Some(Asked::Host(name)),
            Identified::Split(name) => Some(Asked::Split(name)),
            Identified::Nothing => self.default_host.map(|name| Asked::Host(name.as_bytes().into())),
        }
    }

    /// Whether a request with this method may come first on a connection and decide it.
    fn may_come_first(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|allowed| allowed.as_bytes() == method)
    }

    /// The known host that is named by a request which may not decide the connection. Monitors and trunks that probe
    /// with OPTIONS often have a From of their own. Then the Request-URI or To names the host.
    fn probed<'a>(&self, head: &'a [u8], message: &Message) -> Option<Asked<'a>>
    where
        's: 'a,
    {
        let asked_for = match message.kind {
            Kind::Request { method, uri } if method.of_input(head) == b"OPTIONS" => {
                [host_of(uri.of_input(head)), Some(message.to.host.of_input(head))]
            }
            _ => [None, None],
        };
        let first = match self.identify.name(self.table, (head, message), first_name(head, message)) {
            Identified::Split(name) => return Some(Asked::Split(name)),
            Identified::One(name) => Some(name),
            Identified::Nothing => self.default_host.map(|name| name.as_bytes().into()),
        };
        let names = std::iter::once(first).chain(asked_for.map(|name| name.map(Cow::Borrowed)));
        names.flatten().find(|name| decide::host_named(self.table, name).is_ok()).map(Asked::Host)
    }

    /// The name that a later registration or call asks for. A withheld number names no host, and the default host is
    /// not used for it either. Such a request goes where its connection goes.
    pub fn later<'a>(&self, head: &'a [u8], message: &Message) -> Identified<'a>
    where
        's: 'a,
    {
        match self.identify.name(self.table, (head, message), from_name(head, message)) {
            Identified::Nothing if !message.from.is_anonymous(head) => match self.default_host {
                Some(name) => Identified::One(name.as_bytes().into()),
                None => Identified::Nothing,
            },
            identified => identified,
        }
    }

    /// The decision for a first message. `names` are the names in a trusted certificate. They must prove every user for
    /// whom the message speaks.
    ///
    /// # Errors
    /// Why the message is refused.
    pub fn decide(
        &self,
        asked: Option<&Asked<'_>>,
        came_by: Transport,
        (head, message): (&[u8], &Message),
        names: Option<&Names>,
    ) -> Result<Decided<'s>, Refused<'s>> {
        // A telephone sends a response on a new connection if the request's connection is gone (RFC 3261 §18.2.2).
        let method = message.method(head).ok_or(Refused::from(Reason::Method).uncounted())?;
        if method == b"ACK" && self.own.tokens.is_acknowledged(head, message) {
            return Ok(Decided::Answered(Answer::Nothing));
        }
        let excused = is_excused(head, message);
        let excuse = |refused: Refused<'s>| if excused { refused.uncounted() } else { refused };
        let in_dialog = matches!(asked, Some(Asked::Dialog(_)));
        if !in_dialog && !self.may_come_first(method) {
            // A client that names no known host may be a scanner, so the request counts.
            let name = asked.ok_or_else(|| excuse(Reason::Method.into()))?.name();
            return self
                .served(name)
                .map(|()| answered(method))
                .map_err(|refusal| Refused::from(refusal).uncounted());
        }
        let name = asked.ok_or_else(|| excuse(Reason::NoName.into()))?.name();
        if let Some(Asked::Split(_)) = asked {
            // Both names are known hosts, so the client is not guessing names. A later request of this kind would not
            // count either.
            return Err(Refused::from(Reason::OtherTarget).uncounted());
        }
        let is_here = |host: &[u8]| leads_to(self.table, host, name);
        let proven = |_| names.is_some_and(|names| proof::sip::request(names, head, message, is_here));
        let decided = decide::signalling(self.table, Service::Sip, came_by, name, proven);
        decided.map(Decided::Routed).map_err(|refusal| {
            let by_from = name == message.from.host.of_input(head);
            if by_from { excuse(refusal.into()) } else { refusal.into() }
        })
    }

    /// Checks whether a known host would be served.
    fn served(&self, name: &[u8]) -> Result<(), Refusal<'s>> {
        let refused = |reason, host| Refusal { reason, host, cause: None };
        let host = decide::host_named(self.table, name).map_err(|_| refused(Reason::Method, None))?;
        host.require_enabled().map_err(|reason| refused(reason, Some(host)))?;
        if host.serves(Service::Sip) { Ok(()) } else { Err(refused(Reason::NoService, Some(host))) }
    }
}

/// The name in From of a deciding request. If a caller withholds the number, P-Asserted-Identity or
/// P-Preferred-Identity may name the caller (RFC 3325 §9). A registration has no such fields.
fn first_name<'a>(head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let is_call = message.method(head).is_some_and(|method| method != b"REGISTER");
    from_name(head, message).or_else(|| {
        let is_withheld = is_call && message.from.is_anonymous(head);
        if is_withheld { identity(head, message) } else { None }
    })
}

/// The host of From, if it names one.
fn from_name<'a>(head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let host = message.from.host.of_input(head);
    (!host.is_empty() && !message.from.is_anonymous(head)).then_some(host)
}

/// The host of the first P-Asserted-Identity that has one, else of the first P-Preferred-Identity.
fn identity<'a>(head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let of = |name: &'static [u8]| {
        let fields = message.fields_of(FieldKind::Identity);
        let named = fields.filter(move |field| field.name(head).eq_ignore_ascii_case(name));
        named.flat_map(|field| identities(head, field)).find(|host| !is_withheld(host))
    };
    of(b"p-asserted-identity").or_else(|| of(b"p-preferred-identity"))
}

/// The hosts of an identity field.
fn identities<'a>(head: &'a [u8], field: &Field) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    entries(field.value.of_input(head)).filter_map(|value| host_of(name_addr(value)?.uri))
}

/// The host of a SIP URI.
pub(super) fn host_of(text: &[u8]) -> Option<&[u8]> {
    uri(text).filter(|cut| cut.scheme != Scheme::Other && !cut.host.is_empty()).map(|cut| cut.host)
}

fn is_withheld(host: &[u8]) -> bool {
    host.eq_ignore_ascii_case(b"anonymous.invalid")
}

/// Whether a request that names no known host may come from a telephone: either the number is withheld, or the request
/// belongs to a call to which a PBX gave addresses instead of names. A telephone whose connection was lost continues
/// its call on a new connection. A scanner does neither.
fn is_excused(head: &[u8], request: &Message) -> bool {
    if request.method(head) == Some(b"REGISTER") {
        return false;
    }
    let host = request.from.host.of_input(head);
    let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    let is_address = || str::from_utf8(bare).is_ok_and(|text| text.parse::<IpAddr>().is_ok());
    request.from.is_anonymous(head) || (!request.to_tag.is_empty() && is_address())
}

/// The answer to a request that names a known host but may not come first.
fn answered(method: &[u8]) -> Decided<'static> {
    Decided::Answered(match method {
        b"ACK" => Answer::Nothing,
        b"OPTIONS" => Answer::Methods,
        _ => Answer::Unavailable,
    })
}

/// Whether two names belong to the same host of the table.
pub fn leads_to(table: &Table, one: &[u8], other: &[u8]) -> bool {
    let host = |name| decide::host_named(table, name).ok().map(|host| host.name());
    host(one).is_some_and(|one| host(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::sip::{Ask, Inspector};

    fn identity_in(lines: &str) -> Option<String> {
        let head = format!(
            "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:anonymous@anonymous.invalid>;tag=a\r\n\
             To: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let Inspect::Found { ask: Ask::Message(message), .. } =
            Inspector::of_client().inspect(head.as_bytes())
        else {
            panic!("{head}")
        };
        let host = identity(head.as_bytes(), &message)?;
        Some(String::from_utf8(host.to_vec()).unwrap())
    }

    #[test]
    fn item_15_the_first_identity_with_a_host_names_a_withheld_caller() {
        for (lines, host) in [
            ("P-Asserted-Identity: <sip:a@one>\r\n", Some("one")),
            ("P-ASSERTED-IDENTITY \t:\r\n \"x@y\" <sips:a@one:5061;a=b>;c=d\r\n", Some("one")),
            ("P-Asserted-Identity: <tel:+49>, <sip:a@one/branch>\r\n", Some("one/branch")),
            ("P-Asserted-Identity: <tel:+49>\r\nP-Asserted-Identity: sip:a@one\r\n", Some("one")),
            ("P-Preferred-Identity: <sip:a@two>\r\nP-Asserted-Identity: <sip:a@one>\r\n", Some("one")),
            ("P-Preferred-Identity: <sip:a@two>\r\nP-Asserted-Identity: <tel:+49>\r\n", Some("two")),
            ("P-Asserted-Identity: <sip:anonymous@anonymous.invalid>\r\n", None),
            ("Remote-Party-ID: <sip:a@one>\r\n", None),
            ("P-Asserted-Identity: nothing\r\n", None),
            ("", None),
        ] {
            assert_eq!(identity_in(lines).as_deref(), host, "{lines}");
        }
    }

    #[test]
    fn item_15_an_answer_is_by_method() {
        for (method, answer) in [
            (&b"OPTIONS"[..], Answer::Methods),
            (b"SUBSCRIBE", Answer::Unavailable),
            (b"ACK", Answer::Nothing),
        ] {
            assert!(matches!(answered(method), Decided::Answered(given) if given == answer));
        }
    }
}

//! Which host a first message asks for, and what becomes of it: the way inside, an answer of Portward's own, or a refusal
//! (SPEC section 3). No I/O.

use std::net::IpAddr;

use crate::config::Config;
use crate::ending::{Ending, Stage, Whose};

use crate::inspect::sip::{Field, FieldKind, Kind, Message, Scheme, entries, name_addr, uri};
use crate::proof::own::Own;
use crate::proof::token::Tokens;
use crate::reason::Reason;
use crate::relay::sip::{OK, UNAVAILABLE};
use crate::rules::Table;
use crate::rules::decide::{self, Route};
use crate::service::{Service, Transport};
use crate::state::Snapshot;

/// Whom a first message asks for.
pub(super) enum Asked<'a> {
    /// The PBX of a dialog that leads through us.
    Dialog(String),
    /// A host, by its name as it came.
    Host(&'a [u8]),
}

impl Asked<'_> {
    /// The host's name.
    pub(super) fn name(&self) -> &[u8] {
        match self {
            Self::Dialog(host) => host.as_bytes(),
            Self::Host(host) => host,
        }
    }
}

/// What becomes of a first message that is not refused.
pub(super) enum Decided<'t> {
    /// It goes inside, and decides the connection.
    Routed(Route<'t>),
    /// Portward answers it with this status and these header fields; `None`: it is an ACK, which has no answer. The
    /// connection stays undecided.
    Answered(Option<(&'static str, &'static str)>),
}

/// What Portward says to OPTIONS: the methods that it relays (RFC 3261 §11.2).
const ALLOW: &str = "Allow: ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, PUBLISH, REFER, REGISTER, \
                     SUBSCRIBE, UPDATE\r\nAccept: application/sdp\r\n";

/// What Portward says to a request that comes before a registration: come again when you are registered.
const RETRY: &str = "Retry-After: 5\r\n";

/// Whom a first message asks for, if it says so.
pub(super) fn asked<'a>(
    snapshot: &'a Snapshot,
    own: &Own<'_>,
    head: &'a [u8],
    message: &Message,
) -> Option<Asked<'a>> {
    if let Some(host) = own.dialog_host(head, message) {
        return Some(Asked::Dialog(host));
    }
    let name = match message.method(head)? {
        method if may_come_first(&snapshot.config, method) => first_name(&snapshot.config, head, message),
        _ => probed(snapshot, head, message),
    };
    name.map(Asked::Host)
}

/// Whether a request with this method may come first on a connection and decide it.
fn may_come_first(config: &Config, method: &[u8]) -> bool {
    config.sip.methods.iter().any(|allowed| allowed.as_bytes() == method)
}

/// The name that a deciding request asks for. A caller who withholds the number in From may be named by
/// P-Asserted-Identity or P-Preferred-Identity (RFC 3325 §9). A registration has no such names.
fn first_name<'a>(config: &'a Config, head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let identity = match message.method(head) {
        Some(method) if method != b"REGISTER" && message.from.is_anonymous(head) => identity(head, message),
        _ => None,
    };
    identity.or_else(|| name_of(config, head, message))
}

/// The known host that is named by a request which may not decide the connection. Monitors and trunks that probe with
/// OPTIONS often have a From of their own; then the Request-URI or To names the host that they ask for.
fn probed<'a>(snapshot: &'a Snapshot, head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let asked_for = match message.kind {
        Kind::Request { method, uri } if method.of_input(head) == b"OPTIONS" => {
            [host_of(uri.of_input(head)), Some(message.to.host.of_input(head))]
        }
        _ => [None, None],
    };
    let names = std::iter::once(first_name(&snapshot.config, head, message)).chain(asked_for);
    names.flatten().find(|name| decide::host_named(&snapshot.table, name).is_ok())
}

/// The name that a request asks for: the host of From, or the default where that says nothing.
pub(super) fn name_of<'a>(config: &'a Config, head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    let host = message.from.host.of_input(head);
    if host.is_empty() || message.from.is_anonymous(head) {
        return config.default_hosts.sip.as_deref().map(str::as_bytes);
    }
    Some(host)
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
fn host_of(text: &[u8]) -> Option<&[u8]> {
    uri(text).filter(|cut| cut.scheme != Scheme::Other && !cut.host.is_empty()).map(|cut| cut.host)
}

fn is_withheld(host: &[u8]) -> bool {
    host.eq_ignore_ascii_case(b"anonymous.invalid")
}

/// The decision for a first message. `proven`: whether the client's certificate proves whom it speaks for.
///
/// # Errors
/// Why it goes nowhere and gets no answer of its own.
pub(super) fn decide<'t>(
    (snapshot, tokens): (&'t Snapshot, &Tokens),
    asked: Option<&Asked<'_>>,
    came_by: Transport,
    (head, message): (&[u8], &Message),
    proven: impl FnOnce() -> bool,
) -> Result<Decided<'t>, Ending> {
    let ended = |reason| Ending::because(Stage::Route, Whose::Policy, reason);
    // A telephone sends an answer on a new connection if the one of the request is gone (RFC 3261 §18.2.2).
    let method = message.method(head).ok_or(ended(Reason::Method).uncounted())?;
    if method == b"ACK" && tokens.is_acknowledged(head, message) {
        return Ok(Decided::Answered(None));
    }
    let excused = is_excused(head, message);
    let excuse = |ended: Ending| if excused { ended.uncounted() } else { ended };
    let table = &snapshot.table;
    let in_dialog = matches!(asked, Some(Asked::Dialog(_)));
    if !in_dialog && !may_come_first(&snapshot.config, method) {
        // A client that names no known host is taken for a scanner, and counts.
        let name = asked.ok_or_else(|| excuse(ended(Reason::Method)))?.name();
        return served(table, name).map(|()| answered(method)).map_err(|reason| ended(reason).uncounted());
    }
    let name = asked.ok_or_else(|| excuse(ended(Reason::NoName)))?.name();
    decide::signalling(table, Service::Sip, came_by, name, |_| proven()).map(Decided::Routed).map_err(
        |refusal| {
            let by_from = name == message.from.host.of_input(head);
            if by_from { excuse(ended(refusal.reason)) } else { ended(refusal.reason) }
        },
    )
}

/// Whether a request that names no known host is one of a telephone, not of a scanner: the number is withheld, or the
/// request belongs to a call to which a PBX gave addresses in the place of names. A telephone whose connection was lost goes
/// on with its call on a new one. Neither tries names.
fn is_excused(head: &[u8], request: &Message) -> bool {
    if request.method(head) == Some(b"REGISTER") {
        return false;
    }
    let host = request.from.host.of_input(head);
    let bare = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host);
    let is_address = || str::from_utf8(bare).is_ok_and(|text| text.parse::<IpAddr>().is_ok());
    request.from.is_anonymous(head) || (!request.to_tag.is_empty() && is_address())
}

/// Whether a known host would be served at all.
fn served(table: &Table, name: &[u8]) -> Result<(), Reason> {
    let host = decide::host_named(table, name).map_err(|_| Reason::Method)?;
    host.require_enabled()?;
    if host.serves(Service::Sip) { Ok(()) } else { Err(Reason::NoService) }
}

/// What a request gets that may not come first, but names a known host.
fn answered(method: &[u8]) -> Decided<'static> {
    Decided::Answered(match method {
        b"ACK" => None,
        b"OPTIONS" => Some((OK, ALLOW)),
        _ => Some((UNAVAILABLE, RETRY)),
    })
}

/// Whether two names are of the same host of the table.
pub(super) fn leads_to(table: &Table, one: &[u8], other: &[u8]) -> bool {
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
        let status = |method: &[u8]| match answered(method) {
            Decided::Answered(answer) => answer.map(|(status, _)| status),
            Decided::Routed(_) => panic!("routed"),
        };
        assert_eq!(status(b"OPTIONS"), Some("200 OK"));
        assert_eq!(status(b"SUBSCRIBE"), Some("480 Temporarily Unavailable"));
        assert_eq!(status(b"ACK"), None);
    }
}

//! Requests that are answered because they are not sound (contract section 9, *Sanity and rates*). This module is pure.
//!
//! An [`Inspector`](super::Inspector) that examines checks more: a request must meet the demands of RFC 3261 §8.1.1,
//! must have hops left, and must have a scheme that telephones use. It also reads on to the end of the header section
//! after the first wrong octet, so that the answer can repeat fields of the request. No octet of such a request is
//! forwarded.

use super::fault::Fault;
use super::field::{Field, FieldKind, fields};
use super::message::{content_length, is_method, is_text, only, party};
use super::readings::is_plain_length;
use super::uri::{comma, is_space, name_addr, param, parameters, trim};
use super::{Kind, Message, Party, Scheme, Sender, Span, entries, uri};

/// The schemes that a Request-URI may have beside `sip` and `sips`. Emergency calls use `urn:service:sos` (RFC 5031).
const SCHEMES: [&[u8]; 2] = [b"tel", b"urn"];

/// The beginning of every branch (§8.1.1.7).
const COOKIE: &[u8] = b"z9hG4bK";

/// A request that is not sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faulty {
    /// The fault of the request.
    pub fault: Fault,
    /// The request as far as it can be read. That is enough to answer it.
    pub message: Message,
    /// Whether the end of the request is certain: [`Message::body`] octets after its header section.
    pub ends: bool,
}

/// Whether a whole first line belongs to a request, although something may be wrong with it. A client that speaks
/// another protocol gets no answer.
pub(super) fn is_request(line: &[u8]) -> bool {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (method, rest) = line.split_at_checked(end).unwrap_or_default();
    let is_version = |part: &[u8]| part.eq_ignore_ascii_case(b" SIP/");
    is_method(method) && rest.windows(5).any(is_version)
}

/// The fault of a request that can be read. `None`: it has none, or it is a response.
pub fn fault(head: &[u8], message: &Message) -> Option<Fault> {
    let Kind::Request { method, uri } = message.kind else { return None };
    request_uri(uri.of_input(head))
        .and_then(|()| vias(head, message))
        .and_then(|()| parties(head, message, method.of_input(head)))
        .and_then(|()| contacts(head, message))
        .and_then(|()| hops(head, message))
        .err()
}

fn request_uri(text: &[u8]) -> Result<(), Fault> {
    let scheme = text.split(|octet| *octet == b':').next().unwrap_or_default();
    if [b"sip".as_slice(), b"sips"].into_iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        uri(text).ok_or(Fault::RequestUri)?;
        // §19.1.1, table 1: a Request-URI has no header fields. A user part may contain a question mark.
        let behind_user = text.rsplit(|octet| *octet == b'@').next().unwrap_or_default();
        return if behind_user.contains(&b'?') { Err(Fault::RequestUri) } else { Ok(()) };
    }
    match SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        true => Ok(()),
        false => Err(Fault::Scheme),
    }
}

/// Checks that each Via names SIP/2.0, and that the branch of the topmost Via identifies a transaction.
fn vias(head: &[u8], message: &Message) -> Result<(), Fault> {
    const BAD: Fault = Fault::Bad(FieldKind::Via);
    for field in message.fields_of(FieldKind::Via) {
        let value = field.value.of_input(head);
        if !all_entries(value, |entry| has_named_parameters(entry) && is_via(entry)) {
            return Err(BAD);
        }
    }
    let top =
        message.fields_of(FieldKind::Via).next().and_then(|field| entries(field.value.of_input(head)).next());
    match top.and_then(|via| param(via, b"branch")) {
        Some([]) => Err(BAD),
        // The cookie alone identifies no transaction.
        Some(branch) if branch.eq_ignore_ascii_case(COOKIE) => Err(BAD),
        // RFC 4475 §3.1.1.7 has no branch and is valid. Transactions before this RFC had none (§17.2.3).
        None | Some(_) => Ok(()),
    }
}

/// `SIP/2.0/TCP host`, with any blanks around the slashes.
fn is_via(via: &[u8]) -> bool {
    let mut parts = via.splitn(3, |octet| *octet == b'/').map(trim);
    let name = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(b"SIP"));
    let version = parts.next() == Some(b"2.0");
    let rest = parts.next().unwrap_or_default();
    let transport = rest.iter().position(|octet| is_space(*octet)).unwrap_or(rest.len());
    let host = rest.get(transport..).map(trim).unwrap_or_default();
    name && version && transport > 0 && !matches!(host.first(), None | Some(b';'))
}

/// Whether a list has no empty entry, and every entry is sound.
fn all_entries(value: &[u8], is_sound: impl Fn(&[u8]) -> bool) -> bool {
    let is_sound = |entry: &[u8]| !entry.is_empty() && is_sound(entry);
    let mut rest = value;
    while let Some(end) = comma(rest) {
        let (entry, behind) = rest.split_at_checked(end).unwrap_or_default();
        if !is_sound(trim(entry)) {
            return false;
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    is_sound(trim(rest))
}

/// Whether every parameter has a name.
fn has_named_parameters(text: &[u8]) -> bool {
    parameters(text).all(|(name, _)| !name.is_empty())
}

/// Checks that From has a tag, and that a REGISTER names the SIP address that it registers (§10.2).
fn parties(head: &[u8], message: &Message, method: &[u8]) -> Result<(), Fault> {
    let from = only(message, FieldKind::From)?.value.of_input(head);
    let tag = name_addr(from).and_then(|address| param(address.params, b"tag"));
    if tag.is_none_or(<[u8]>::is_empty) {
        return Err(Fault::NoFromTag);
    }
    let to = uri(message.to.uri.of_input(head)).map(|cut| cut.scheme);
    match method == b"REGISTER" && to == Some(Scheme::Other) {
        true => Err(Fault::Bad(FieldKind::To)),
        false => Ok(()),
    }
}

/// Checks that each Contact can be read, except `*` (§20.10).
fn contacts(head: &[u8], message: &Message) -> Result<(), Fault> {
    let is_sound = |field: &Field| {
        let value = field.value.of_input(head);
        let is_address =
            |entry: &[u8]| name_addr(entry).is_some_and(|address| has_named_parameters(address.params));
        value == b"*" || all_entries(value, is_address)
    };
    match message.fields_of(FieldKind::Contact).all(is_sound) {
        true => Ok(()),
        false => Err(Fault::Bad(FieldKind::Contact)),
    }
}

fn hops(head: &[u8], message: &Message) -> Result<(), Fault> {
    let hops = only(message, FieldKind::MaxForwards)?.value.of_input(head);
    if hops.iter().all(|digit| *digit == b'0') { Err(Fault::Hops) } else { Ok(()) }
}

/// The readable parts of a request with a fault. `None`: it is no request.
pub(super) fn faulty(head: &[u8], fault: Fault) -> Option<Faulty> {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let start = head.get(..end).unwrap_or_default();
    let method = start.split(|octet| *octet == b' ').next().filter(|_| is_request(start))?;
    let all: Result<Vec<Field>, Fault> = fields(head, end).collect();
    let body = all.as_ref().ok().and_then(|all| body(head, all));
    let mut message = Message {
        kind: Kind::Request { method: Span::of(head, method), uri: Span::default() },
        body: body.unwrap_or_default(),
        from: Party::default(),
        to: Party::default(),
        to_tag: Span::default(),
        cseq: 0,
        cseq_method: Span::default(),
        call_id: Span::default(),
        fields: smallvec::SmallVec::new(),
    };
    for field in fields(head, end).filter_map(Result::ok) {
        let is_once =
            matches!(field.kind, FieldKind::From | FieldKind::To | FieldKind::CallId | FieldKind::CSeq);
        let is_again = is_once && message.fields_of(field.kind).next().is_some();
        if !is_again && is_clean(field.line.of_input(head)) {
            note(head, field, &mut message);
        }
    }
    let ends = body.is_some() && fault != Fault::Characters;
    Some(Faulty { fault, message, ends })
}

/// Takes over a field that the answer repeats.
fn note(head: &[u8], field: Field, message: &mut Message) {
    let value = field.value.of_input(head);
    match field.kind {
        FieldKind::From => message.from = party(head, value).unwrap_or_default().0,
        FieldKind::To => {
            let has_tag = || value.windows(5).any(|part| part.eq_ignore_ascii_case(b";tag="));
            // An answer must not add a second tag to a To in which some parser may find a tag.
            let unread = || (Party::default(), if has_tag() { field.value } else { Span::default() });
            (message.to, message.to_tag) = party(head, value).unwrap_or_else(unread);
        }
        FieldKind::CallId => message.call_id = field.value,
        _ => {}
    }
    message.fields.push(field);
}

/// The length of the body, if the header section gives exactly one length.
fn body(head: &[u8], fields: &[Field]) -> Option<u32> {
    let mut lengths = fields.iter().filter(|field| field.kind == FieldKind::ContentLength);
    let (one, another) = (lengths.next()?, lengths.next());
    let value = one.value.of_input(head);
    let is_plain = another.is_none() && is_plain_length(one.line.of_input(head), value);
    content_length(value, Sender::Client).ok().filter(|_| is_plain)
}

/// Whether a header field, with its folds, can be repeated unchanged.
fn is_clean(field: &[u8]) -> bool {
    field.split_inclusive(|octet| *octet == b'\n').all(|line| {
        line.strip_suffix(b"\r\n").is_some_and(|text| memchr::memchr(b'\r', text).is_none() && is_text(text))
    })
}

#[cfg(test)]
mod tests;

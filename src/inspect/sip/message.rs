//! Reads a whole header section. The result is a [`Message`] or a refusal.

use super::fault::Fault;
use super::field::{Field, FieldKind, fields, is_token};
use super::uri::{is_space, name_addr, param, trim, uri};
use super::{Kind, Message, Party, Sender, Span, readings};

const VERSION: &[u8] = b"SIP/2.0";

/// The longest method. The longest registered method has nine letters. RFC 4475 §3.1.1.2 uses a method of 43.
const METHOD_LIMIT: usize = 64;

/// Whether an incomplete first line may still become a first line of SIP. So a scanner is refused at its first octets.
/// Only the first word is examined, because a first line that comes octet by octet is examined each time.
pub(super) fn may_begin(part: &[u8]) -> bool {
    let part = part.get(..=METHOD_LIMIT).unwrap_or(part);
    let end = memchr::memchr(b' ', part);
    let word = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
    let is_method = is_method(word);
    let is_version = match end {
        Some(_) => word.eq_ignore_ascii_case(VERSION),
        None => VERSION.get(..word.len()).is_some_and(|begun| begun.eq_ignore_ascii_case(word)),
    };
    is_version || is_method
}

pub(super) fn is_method(word: &[u8]) -> bool {
    (1..=METHOD_LIMIT).contains(&word.len()) && word.iter().all(|byte| is_token(*byte))
}

/// Whether a whole first line is a Request-Line or a Status-Line (§7.1, §7.2).
pub(super) fn is_start(line: &[u8]) -> bool {
    start(line).is_ok()
}

/// Checks a whole first line, which must be a Request-Line or a Status-Line (§7.1, §7.2).
pub(super) fn check_start(line: &[u8]) -> Result<(), Fault> {
    start(line).map(drop)
}

enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Response { status: u16 },
}

fn start(line: &[u8]) -> Result<Start<'_>, Fault> {
    let (word, rest) = cut_at_space(line)?;
    if word.eq_ignore_ascii_case(VERSION) {
        return status(rest).map(|status| Start::Response { status }).ok_or(Fault::StartLine);
    }
    let (uri, version) = cut_at_space(rest)?;
    let is_uri = |byte: &u8| *byte > b' ' && !b"<>\"\x7f".contains(byte);
    if !is_method(word) || !has_scheme(uri) || !uri.iter().all(is_uri) {
        return Err(Fault::StartLine);
    }
    match version {
        _ if version.eq_ignore_ascii_case(VERSION) => Ok(Start::Request { method: word, uri }),
        _ if is_version(version) => Err(Fault::Version),
        _ => Err(Fault::StartLine),
    }
}

fn cut_at_space(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let space = memchr::memchr(b' ', text).ok_or(Fault::StartLine)?;
    Ok((text.get(..space).unwrap_or_default(), text.get(space + 1..).unwrap_or_default()))
}

/// The code of a Status-Line, after its version.
fn status(rest: &[u8]) -> Option<u16> {
    let (digits, reason) = rest.split_at_checked(3)?;
    let status = std::str::from_utf8(digits).ok()?.parse::<u16>().ok()?;
    // The space is there even if the phrase is empty, but some senders leave it out.
    let sound = matches!(reason.first(), None | Some(b' ')) && digits.iter().all(u8::is_ascii_digit);
    (sound && (100..700).contains(&status)).then_some(status)
}

/// Whether a word is any version of SIP (§25.1).
fn is_version(word: &[u8]) -> bool {
    let (name, number) = word.split_at_checked(4).unwrap_or_default();
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    name.eq_ignore_ascii_case(b"SIP/") && !number.is_empty() && number.iter().all(is_number)
}

/// Whether a Request-URI begins with a scheme (§25.1). Kamailio takes `l :5 SIP/2.0` for a Content-Length.
fn has_scheme(uri: &[u8]) -> bool {
    let scheme = memchr::memchr(b':', uri).and_then(|colon| uri.get(..colon)).unwrap_or_default();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(is_scheme)
}

/// Whether a line is text. Control octets are allowed only after a backslash (`quoted-pair`, §25.1). NUL is not allowed
/// at all, because a parser in C would end there.
pub(super) fn is_text(line: &[u8]) -> bool {
    let mut before = 0;
    line.iter().all(|byte| {
        let sound = !byte.is_ascii_control() || *byte == b'\t' || (before == b'\\' && *byte != 0);
        before = *byte;
        sound
    })
}

/// Reads a header section with its empty line.
pub(super) fn read(head: &[u8], sender: Sender) -> Result<Message, Fault> {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let line = head.get(..end).and_then(|line| line.strip_suffix(b"\r\n")).ok_or(Fault::Characters)?;
    let kind = match start(line)? {
        Start::Request { method, uri } => {
            Kind::Request { method: Span::of(head, method), uri: Span::of(head, uri) }
        }
        Start::Response { status } => Kind::Response { status },
    };
    let mut message = Message {
        kind,
        body: 0,
        from: Party::default(),
        to: Party::default(),
        to_tag: Span::default(),
        cseq: 0,
        cseq_method: Span::default(),
        call_id: Span::default(),
        fields: fields(head, end).collect::<Result<_, _>>()?,
    };
    let length = only(&message, FieldKind::ContentLength)?;
    message.body = content_length(length.value.of_input(head), sender)?;
    let strict = sender == Sender::Client;
    match details(head, &mut message) {
        Ok(()) if strict => sane(head, &message)?,
        Err(reason) if strict => return Err(reason),
        _ => {}
    }
    Ok(message)
}

/// Reads From, To, CSeq and Call-ID. Each of them must occur once.
fn details(head: &[u8], message: &mut Message) -> Result<(), Fault> {
    let value = |kind| only(message, kind).map(|field| field.value);
    let [from, to, call_id, cseq] =
        [value(FieldKind::From), value(FieldKind::To), value(FieldKind::CallId), value(FieldKind::CSeq)];
    if let Ok(from) = from {
        message.from = party(head, from.of_input(head)).ok_or(Fault::Bad(FieldKind::From))?.0;
    }
    if let Ok(to) = to {
        (message.to, message.to_tag) = party(head, to.of_input(head)).ok_or(Fault::Bad(FieldKind::To))?;
    }
    from?;
    to?;
    message.call_id = call_id?;
    let id = message.call_id.of_input(head);
    if id.is_empty() || id.iter().any(|byte| is_space(*byte)) {
        return Err(Fault::Bad(FieldKind::CallId));
    }
    let (number, method) = sequence(cseq?.of_input(head)).ok_or(Fault::Bad(FieldKind::CSeq))?;
    message.cseq = number;
    message.cseq_method = Span::of(head, method);
    Ok(())
}

/// The number and the method of a CSeq (§20.16).
fn sequence(value: &[u8]) -> Option<(u32, &[u8])> {
    let digits = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let (number, method) = value.split_at_checked(digits)?;
    let number = decimal(number).filter(|number| *number < 1 << 31)?;
    method.first().copied().is_some_and(is_space).then_some((number, trim(method)))
}

/// Checks the rules that PBXs apply differently (§8.1.1).
fn sane(head: &[u8], message: &Message) -> Result<(), Fault> {
    let cseq_method = message.cseq_method.of_input(head);
    if cseq_method.is_empty() || !cseq_method.iter().all(|byte| is_token(*byte)) {
        return Err(Fault::Bad(FieldKind::CSeq));
    }
    if message.method(head).is_some_and(|method| method != cseq_method) {
        return Err(Fault::CSeqMethod);
    }
    let via = message.fields_of(FieldKind::Via).next().ok_or(Fault::Missing(FieldKind::Via))?;
    if !via.value.of_input(head).get(..3).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"SIP")) {
        return Err(Fault::Bad(FieldKind::Via));
    }
    if let Some(field) = once(message, FieldKind::MaxForwards)? {
        let hops = decimal(field.value.of_input(head)).filter(|hops| *hops <= 255);
        hops.ok_or(Fault::Bad(FieldKind::MaxForwards))?;
    }
    readings::plain(head, message)
}

/// The only field of its kind, if there is one.
fn once(message: &Message, kind: FieldKind) -> Result<Option<&Field>, Fault> {
    let mut all = message.fields_of(kind);
    let first = all.next();
    if all.next().is_some() { Err(Fault::Repeated(kind)) } else { Ok(first) }
}

/// The only field of its kind, which must be there.
pub(super) fn only(message: &Message, kind: FieldKind) -> Result<&Field, Fault> {
    once(message, kind)?.ok_or(Fault::Missing(kind))
}

/// The address of From or To, and its tag.
pub(super) fn party(head: &[u8], value: &[u8]) -> Option<(Party, Span)> {
    let address = name_addr(value)?;
    let cut = uri(address.uri)?;
    let span = |part| Span::of(head, part);
    let party = Party { uri: span(address.uri), user: span(cut.user), host: span(cut.host) };
    Some((party, param(address.params, b"tag").map(span).unwrap_or_default()))
}

/// A Content-Length: digits and nothing else (§20.14).
pub(super) fn content_length(value: &[u8], sender: Sender) -> Result<u32, Fault> {
    const BAD: Fault = Fault::Bad(FieldKind::ContentLength);
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    match (decimal(value), sender) {
        (Some(length), _) => Ok(length),
        (None, Sender::Client) => Ok(u32::MAX),
        (None, Sender::Target) => Err(BAD), // the next message could not be found
    }
}

/// The number that the digits stand for. `None`: there are other octets, or too many digits.
pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

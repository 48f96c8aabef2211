//! A whole header section becomes a [`Message`], or is refused.

use super::field::{Field, FieldKind, fields, is_token};
use super::uri::{is_space, name_addr, param, trim, uri};
use super::{Kind, Message, Party, Sender, Span, readings};
use crate::reason::Reason;

const VERSION: &[u8] = b"SIP/2.0";

/// The longest method. The longest registered one has nine letters; RFC 4475 §3.1.1.2 tries one of 43.
const METHOD_LIMIT: usize = 64;

/// Whether a first line that is not complete may still become one of SIP: a scanner is sent away at its first octets. Only
/// the first word is looked at, and that is short, because a first line that comes octet by octet is looked at each time.
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

fn is_method(word: &[u8]) -> bool {
    (1..=METHOD_LIMIT).contains(&word.len()) && word.iter().all(|byte| is_token(*byte))
}

/// Whether a whole first line is a Request-Line or a Status-Line (§7.1, §7.2).
pub(super) fn is_start(line: &[u8]) -> bool {
    start(line).is_some()
}

enum Start<'a> {
    Request { method: &'a [u8], uri: &'a [u8] },
    Response { status: u16 },
}

fn start(line: &[u8]) -> Option<Start<'_>> {
    let space = memchr::memchr(b' ', line)?;
    let (word, rest) = (line.get(..space)?, line.get(space + 1..)?);
    if word.eq_ignore_ascii_case(VERSION) {
        let (digits, reason) = rest.split_at_checked(3)?;
        let status = std::str::from_utf8(digits).ok()?.parse::<u16>().ok()?;
        // The space is there even where the phrase is empty; some leave it out.
        let sound = matches!(reason.first(), None | Some(b' ')) && digits.iter().all(u8::is_ascii_digit);
        return (sound && (100..700).contains(&status)).then_some(Start::Response { status });
    }
    let space = memchr::memchr(b' ', rest)?;
    let (uri, version) = (rest.get(..space)?, rest.get(space + 1..)?);
    let is_uri = |byte: &u8| *byte > b' ' && !b"<>\"\x7f".contains(byte);
    let sound =
        is_method(word) && has_scheme(uri) && uri.iter().all(is_uri) && version.eq_ignore_ascii_case(VERSION);
    sound.then_some(Start::Request { method: word, uri })
}

/// Whether a Request-URI begins with a scheme (§25.1). Kamailio takes `l :5 SIP/2.0` for a Content-Length.
fn has_scheme(uri: &[u8]) -> bool {
    let scheme = memchr::memchr(b':', uri).and_then(|colon| uri.get(..colon)).unwrap_or_default();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(is_scheme)
}

/// Whether a line is text: control octets stand behind a backslash only (`quoted-pair`, §25.1), and NUL nowhere, where
/// a reader in C would end.
pub(super) fn is_text(line: &[u8]) -> bool {
    let mut before = 0;
    line.iter().all(|byte| {
        let sound = !byte.is_ascii_control() || *byte == b'\t' || (before == b'\\' && *byte != 0);
        before = *byte;
        sound
    })
}

/// Reads a header section with its empty line.
pub(super) fn read(head: &[u8], sender: Sender) -> Result<Message, Reason> {
    let end = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let line = head.get(..end).and_then(|line| line.strip_suffix(b"\r\n")).ok_or(Reason::Malformed)?;
    let kind = match start(line).ok_or(Reason::Malformed)? {
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
    let length = once(&message, FieldKind::ContentLength)?.ok_or(Reason::Malformed)?;
    message.body = content_length(length.value.of_input(head), sender)?;
    let strict = sender == Sender::Client;
    match details(head, &mut message) {
        Ok(()) if strict => sane(head, &message)?,
        Err(reason) if strict => return Err(reason),
        _ => {}
    }
    Ok(message)
}

/// From, To, CSeq and Call-ID, each of which must be there once.
fn details(head: &[u8], message: &mut Message) -> Result<(), Reason> {
    let only = |kind| once(message, kind)?.map(|field| field.value).ok_or(Reason::Malformed);
    let [from, to, call_id, cseq] =
        [only(FieldKind::From), only(FieldKind::To), only(FieldKind::CallId), only(FieldKind::CSeq)];
    if let Ok(from) = from {
        message.from = party(head, from.of_input(head))?.0;
    }
    if let Ok(to) = to {
        (message.to, message.to_tag) = party(head, to.of_input(head))?;
    }
    from?;
    to?;
    message.call_id = call_id?;
    let id = message.call_id.of_input(head);
    if id.is_empty() || id.iter().any(|byte| is_space(*byte)) {
        return Err(Reason::Malformed);
    }
    let value = cseq?.of_input(head);
    let digits = value.iter().position(|byte| !byte.is_ascii_digit()).ok_or(Reason::Malformed)?;
    let (number, method) = value.split_at_checked(digits).ok_or(Reason::Malformed)?;
    message.cseq = decimal(number).filter(|number| *number < 1 << 31).ok_or(Reason::Malformed)?;
    if !method.first().copied().is_some_and(is_space) {
        return Err(Reason::Malformed);
    }
    message.cseq_method = Span::of(head, trim(method));
    Ok(())
}

/// What PBXs disagree about (§8.1.1).
fn sane(head: &[u8], message: &Message) -> Result<(), Reason> {
    let cseq_method = message.cseq_method.of_input(head);
    if cseq_method.is_empty() || !cseq_method.iter().all(|byte| is_token(*byte)) {
        return Err(Reason::Malformed);
    }
    if message.method(head).is_some_and(|method| method != cseq_method) {
        return Err(Reason::Malformed);
    }
    let via = message.fields_of(FieldKind::Via).next().ok_or(Reason::Malformed)?.value.of_input(head);
    if !via.get(..3).is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"SIP")) {
        return Err(Reason::Malformed);
    }
    if let Some(field) = once(message, FieldKind::MaxForwards)? {
        decimal(field.value.of_input(head)).filter(|hops| *hops <= 255).ok_or(Reason::Malformed)?;
    }
    if !readings::is_plain(head, message) {
        return Err(Reason::Malformed);
    }
    Ok(())
}

/// The only field of its kind, if there is one.
fn once(message: &Message, kind: FieldKind) -> Result<Option<&Field>, Reason> {
    let mut all = message.fields_of(kind);
    let first = all.next();
    if all.next().is_some() { Err(Reason::Malformed) } else { Ok(first) }
}

/// The address of From or To, and its tag.
fn party(head: &[u8], value: &[u8]) -> Result<(Party, Span), Reason> {
    let address = name_addr(value).ok_or(Reason::Malformed)?;
    let cut = uri(address.uri).ok_or(Reason::Malformed)?;
    let span = |part| Span::of(head, part);
    let party = Party { uri: span(address.uri), user: span(cut.user), host: span(cut.host) };
    Ok((party, param(address.params, b"tag").map(span).unwrap_or_default()))
}

/// §20.14: digits and nothing else.
fn content_length(value: &[u8], sender: Sender) -> Result<u32, Reason> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Reason::Malformed);
    }
    match (decimal(value), sender) {
        (Some(length), _) => Ok(length),
        (None, Sender::Client) => Ok(u32::MAX),
        (None, Sender::Target) => Err(Reason::Malformed), // nothing could tell where the next message begins
    }
}

/// Digits as a number; `None` if there are others, or too many.
pub(super) fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

//! Texts that two parsers read differently. A client's message with such a text is refused.
//!
//! Portward decides by its own reading of a message, and the PBX acts on its own. The differences below are those of
//! real parsers. Kamailio and PJSIP compare methods without regard to case and take the last of two tags. Kamailio's
//! stream reader finds a Content-Length at the beginning of a folded line, and under the name `Content_Length`; it does
//! not find one whose value is folded. PJSIP begins a new header field after a `&`. A parser in C ends at a NUL.
//!
//! Texts that no phone sends are refused. Texts that phones do send are read as leniently as PBXs read them: blanks
//! before a colon, compact names, any case of names, schemes and versions, leading zeros of CSeq (RFC 4475 §3.1.1.1).

use super::super::digest;
use super::fault::Fault;
use super::field::{FieldKind, is_token};
use super::uri::{is_space, name_addr, parameters, trim, uri};
use super::{Field, Kind, Message, entries};

/// The methods that PBXs know: the methods that IANA has registered, and three that Kamailio and Microsoft's servers
/// add.
const METHODS: [&[u8]; 17] = [
    b"ACK",
    b"BENOTIFY",
    b"BYE",
    b"CANCEL",
    b"INFO",
    b"INVITE",
    b"KDMQ",
    b"MESSAGE",
    b"NOTIFY",
    b"OPTIONS",
    b"PRACK",
    b"PUBLISH",
    b"REFER",
    b"REGISTER",
    b"SERVICE",
    b"SUBSCRIBE",
    b"UPDATE",
];

/// The parameters of a URI that decide where a request is sent (RFC 3261 §19.1.1).
const URI_PARAMETERS: [&[u8]; 3] = [b"transport", b"maddr", b"lr"];

/// The parameters of a Via that decide where a response is sent and to which transaction it belongs (RFC 3261 §20.42).
const VIA_PARAMETERS: [&[u8]; 3] = [b"branch", b"received", b"maddr"];

/// Whether every parser takes the method for the same one (RFC 3261 §7.1: case matters).
pub(super) fn is_plain_method(method: &[u8]) -> bool {
    METHODS.iter().all(|known| !known.eq_ignore_ascii_case(method) || *known == method)
}

/// Whether every parser takes a folded line for a folded line. `line` includes its first blank. It must not be empty,
/// and must not begin like a header field that decides something.
pub(super) fn is_plain_fold(line: &[u8]) -> bool {
    let text = trim(line);
    !text.is_empty() && !begins_a_field(text)
}

/// Checks that every parser finds the same things in a client's message.
pub(super) fn plain(head: &[u8], message: &Message) -> Result<(), Fault> {
    if hides_a_field(head) {
        return Err(Fault::Field);
    }
    if !is_plain_method(message.cseq_method.of_input(head)) {
        return Err(Fault::Method);
    }
    if let Some(field) = message.fields.iter().find(|field| !is_plain_field(head, field)) {
        return Err(Fault::Bad(field.kind));
    }
    match message.kind {
        Kind::Request { method, .. } if !is_plain_method(method.of_input(head)) => Err(Fault::Method),
        Kind::Request { uri, .. } if !is_plain_uri(uri.of_input(head)) => Err(Fault::RequestUri),
        _ => Ok(()),
    }
}

fn is_plain_field(head: &[u8], field: &Field) -> bool {
    let value = field.value.of_input(head);
    match field.kind {
        FieldKind::ContentLength => is_plain_length(field.line.of_input(head), value),
        FieldKind::From | FieldKind::To => is_plain_party(value),
        FieldKind::Via => entries(value).all(|via| has_each_once(via, &VIA_PARAMETERS)),
        FieldKind::Route => entries(value).filter_map(name_addr).all(|entry| is_plain_uri(entry.uri)),
        FieldKind::Credentials => !digest::is_ambiguous(value),
        _ => true,
    }
}

/// Whether Content-Length (§20.14) is on one line and in its shortest form. Some parsers find no length after a fold,
/// and some read a leading zero as octal.
pub(super) fn is_plain_length(line: &[u8], value: &[u8]) -> bool {
    let has_fold = line.strip_suffix(b"\r\n").is_none_or(|line| memchr::memchr(b'\n', line).is_some());
    !has_fold && (value == b"0" || value.first() != Some(&b'0'))
}

/// Whether From or To has at most one tag, which is a word, and nothing else that looks like a tag.
fn is_plain_party(value: &[u8]) -> bool {
    let Some(address) = name_addr(value) else { return false };
    if !parameters(address.params).all(|(name, _)| name.iter().all(|byte| is_token(*byte))) {
        return false;
    }
    let tags = || parameters(address.params).filter(|(name, _)| name.eq_ignore_ascii_case(b"tag"));
    tags().all(|(_, tag)| is_word(tag))
        && tags().count() == tags_written(value)
        && has_each_once(address.params, &[b"tag"])
        && is_plain_uri(address.uri)
}

/// Whether every parser takes a tag for one word.
fn is_word(tag: &[u8]) -> bool {
    !tag.is_empty() && tag.iter().all(|byte| byte.is_ascii_graphic() && !b"\"&,<>\\".contains(byte))
}

/// How often `;tag=` occurs in a text. Some parsers search for it without regard to quotes and brackets.
fn tags_written(text: &[u8]) -> usize {
    let is_tag = |at: usize| {
        let rest = text.get(at + 1..).map(trim_start).unwrap_or_default();
        let (name, rest) = rest.split_at_checked(3).unwrap_or_default();
        name.eq_ignore_ascii_case(b"tag") && trim_start(rest).first() == Some(&b'=')
    };
    memchr::memchr_iter(b';', text).filter(|at| is_tag(*at)).count()
}

/// Whether each parameter that decides where to send a request occurs at most once in a URI.
fn is_plain_uri(text: &[u8]) -> bool {
    uri(text).is_none_or(|cut| has_each_once(cut.params, &URI_PARAMETERS))
}

/// Whether each of the parameters `names` occurs at most once in a text, and in no other spelling. PJSIP decodes
/// percent escapes in names.
fn has_each_once(text: &[u8], names: &[&[u8]]) -> bool {
    let mut seen = 0_u32;
    parameters(text).all(|(name, _)| {
        let Some(at) = names.iter().position(|known| is_spelling_of(name, known)) else { return true };
        let bit = 1 << at;
        let again = seen & bit != 0 || memchr::memchr(b'%', name).is_some();
        seen |= bit;
        !again
    })
}

/// Whether `name` is `known` after its percent escapes are decoded, in any case.
fn is_spelling_of(name: &[u8], known: &[u8]) -> bool {
    if name.len() == known.len() {
        return name.eq_ignore_ascii_case(known);
    }
    memchr::memchr(b'%', name).is_some()
        && super::uri::unescaped(name).map(|octet| octet.to_ascii_lowercase()).eq(known.iter().copied())
}

/// Whether a `&` comes before something that reads like a header field that decides something. PJSIP ends a header
/// field at a `&` and begins the next one there.
fn hides_a_field(head: &[u8]) -> bool {
    memchr::memchr_iter(b'&', head).any(|at| head.get(at + 1..).is_some_and(begins_a_field))
}

/// Whether a text begins with the name of a known header field and a colon.
fn begins_a_field(text: &[u8]) -> bool {
    let text = trim_start(text);
    let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or_default();
    trim_start(rest).first() == Some(&b':') && FieldKind::is_known(name)
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    text.get(blanks..).unwrap_or_default()
}

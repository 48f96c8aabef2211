//! Header fields (RFC 3261 §7.3, §20): names, compact forms, folded lines.

use smallvec::SmallVec;

use super::super::Span;
use super::fault::Fault;
use super::uri::{is_space, trim};

/// The kinds of header fields that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// From, `f`.
    From,
    /// To, `t`.
    To,
    /// Via, `v`.
    Via,
    /// Route.
    Route,
    /// Record-Route.
    RecordRoute,
    /// Contact, `m`.
    Contact,
    /// CSeq.
    CSeq,
    /// Call-ID, `i`.
    CallId,
    /// Content-Length, `l`.
    ContentLength,
    /// Max-Forwards.
    MaxForwards,
    /// Authorization or Proxy-Authorization.
    Credentials,
    /// WWW-Authenticate or Proxy-Authenticate.
    Challenge,
    /// P-Asserted-Identity, P-Preferred-Identity (RFC 3325 §9) or Remote-Party-ID (draft-ietf-sip-privacy-04 §5). They
    /// name the sender, beside From or in place of From.
    Identity,
    /// Authentication-Info or Proxy-Authentication-Info.
    AuthenticationInfo,
    /// User-Agent.
    UserAgent,
    /// Any other header field.
    Other,
}

/// One header field. Its spans refer to the header section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The kind of the field.
    pub kind: FieldKind,
    /// The value without white space around it. Folds within it are unchanged.
    pub value: Span,
    /// The whole field with its line ends.
    pub line: Span,
}

impl Field {
    /// The name as it came.
    pub fn name<'h>(&self, head: &'h [u8]) -> &'h [u8] {
        let line = self.line.of_input(head);
        let name = memchr::memchr(b':', line).and_then(|colon| line.get(..colon)).unwrap_or_default();
        trim(name)
    }
}

impl FieldKind {
    pub(super) fn of(name: &[u8]) -> Self {
        // Most names are distinguished by their length.
        let known: &[(&[u8], Self)] = match name.len() {
            1 => &[
                (b"v", Self::Via),
                (b"f", Self::From),
                (b"t", Self::To),
                (b"i", Self::CallId),
                (b"m", Self::Contact),
                (b"l", Self::ContentLength),
            ],
            2 => &[(b"to", Self::To)],
            3 => &[(b"via", Self::Via)],
            4 => &[(b"from", Self::From), (b"cseq", Self::CSeq)],
            5 => &[(b"route", Self::Route)],
            7 => &[(b"contact", Self::Contact), (b"call-id", Self::CallId)],
            10 => &[(b"user-agent", Self::UserAgent)],
            12 => &[(b"max-forwards", Self::MaxForwards), (b"record-route", Self::RecordRoute)],
            13 => &[(b"authorization", Self::Credentials)],
            14 => &[(b"content-length", Self::ContentLength)],
            15 => &[(b"remote-party-id", Self::Identity)],
            16 => &[(b"www-authenticate", Self::Challenge)],
            18 => &[(b"proxy-authenticate", Self::Challenge)],
            19 => &[
                (b"proxy-authorization", Self::Credentials),
                (b"p-asserted-identity", Self::Identity),
                (b"authentication-info", Self::AuthenticationInfo),
            ],
            20 => &[(b"p-preferred-identity", Self::Identity)],
            25 => &[(b"proxy-authentication-info", Self::AuthenticationInfo)],
            _ => &[],
        };
        let known = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        known.map_or(Self::Other, |(_, kind)| *kind)
    }

    /// Whether `name` is the name of a header field that matters. A `_` in it counts as `-`.
    pub(super) fn is_known(name: &[u8]) -> bool {
        const LONGEST: usize = 32;
        let decides = |kind| !matches!(kind, Self::Other | Self::UserAgent);
        if memchr::memchr(b'_', name).is_none() || name.len() > LONGEST {
            return decides(Self::of(name));
        }
        let with_hyphens = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte });
        decides(Self::of(&with_hyphens.collect::<SmallVec<[u8; LONGEST]>>()))
    }
}

/// The characters of a token (§25.1).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
}

/// The header fields of `head`, up to its empty line. The start line has `start` octets.
pub(super) fn fields(head: &[u8], start: usize) -> impl Iterator<Item = Result<Field, Fault>> {
    lines(head, start).map(|line| field(head, line))
}

/// The values of all Content-Length fields. Fields that cannot be read are skipped.
pub(super) fn lengths(head: &[u8], start: usize) -> impl Iterator<Item = Span> {
    lines(head, start)
        .filter(|line| {
            let long = line.get(..14).is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"));
            long || matches!(line, [b'L' | b'l', b':' | b' ' | b'\t', ..])
        })
        .filter_map(|line| field(head, line).ok())
        .filter(|field| field.kind == FieldKind::ContentLength)
        .map(|field| field.value)
}

/// The lines of `head` after its start line, each with the lines that are folded into it.
fn lines(head: &[u8], start: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = head.get(start..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() || rest == b"\r\n" {
            return None;
        }
        let mut end = line_end(rest, 0);
        while matches!(rest.get(end), Some(b' ' | b'\t')) {
            end = line_end(rest, end);
        }
        let (line, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(line)
    })
}

fn line_end(text: &[u8], from: usize) -> usize {
    text.get(from..).and_then(|rest| memchr::memchr(b'\n', rest)).map_or(text.len(), |at| from + at + 1)
}

fn field(head: &[u8], line: &[u8]) -> Result<Field, Fault> {
    let colon = memchr::memchr(b':', line).ok_or(Fault::Field)?;
    let name = line.get(..colon).unwrap_or_default();
    // §7.3.1 allows white space before and after the colon.
    let bare = name.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    let name = name.get(..bare).unwrap_or_default();
    if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
        return Err(Fault::Field);
    }
    // A fold before the colon hides the field from some parsers. An underscore hides it from nearly all parsers.
    let kind = FieldKind::of(name);
    let is_hidden = kind == FieldKind::Other && FieldKind::is_known(name);
    if is_hidden || memchr::memchr(b'\n', line.get(..colon).unwrap_or_default()).is_some() {
        return Err(Fault::Field);
    }
    let value = trim(line.get(colon + 1..).unwrap_or_default());
    Ok(Field { kind, value: Span::of(head, value), line: Span::of(head, line) })
}

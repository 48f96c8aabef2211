//! The response head of a target. A target may be hostile too. A response that could be read in two ways is refused,
//! and the client gets 502 instead (RFC 9112 §6.3, §11.1).

use std::mem::MaybeUninit;

use smallvec::SmallVec;

use super::field::{Connection, Named, Upgrade, binds_connection, classify, decimal, remove_nominated};
use super::scan::{Scan, Scanner};
use super::{FIELD_LIMIT, Field, Kind, TARGET_FIELD_LIMIT, Version};
use crate::inspect::{Inspect, Span, digest};
use crate::reason::Reason;

/// The length of the response's body (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body: the response answers HEAD, has status 1xx, 204 or 304, or has a length of 0.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// All bytes until the target closes.
    Close,
}

/// A complete and sound response head. Spans are offsets into the inspected input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase. It may be empty.
    pub phrase: Span,
    /// The target's version.
    pub version: Version,
    /// The framing of its body.
    pub body: ResponseBody,
    /// Whether the target keeps the connection after this response.
    pub persistent: bool,
    /// Whether it is a 101 (Switching Protocols) to `websocket`.
    pub websocket: bool,
    /// Whether it offers or continues a login of the connection: NTLM, Negotiate.
    pub binds_connection: bool,
    /// Whether values continue on further lines. Then call [`unfold`] on the head before its spans are used.
    pub folded: bool,
    /// All field lines in order.
    pub fields: SmallVec<[Field; 24]>,
}

/// Replaces line ends within values by blanks (RFC 9112 §5.2). Nothing else changes, and no octet moves.
pub fn unfold(head: &mut [u8]) {
    let mut from = 0;
    while let Some(rest) = head.get_mut(from..)
        && let Some(newline) = memchr::memchr(b'\n', rest)
    {
        from += newline + 1;
        if let Some([.., line_end, b' ' | b'\t']) = rest.get_mut(..newline + 2) {
            *line_end = b' ';
            if let Some(before) = newline.checked_sub(1).and_then(|at| rest.get_mut(at))
                && *before == b'\r'
            {
                *before = b' ';
            }
        }
    }
}

/// Reads one response head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseInspector {
    scanner: Scanner,
    answers_head: bool,
}

impl Default for ResponseInspector {
    fn default() -> Self {
        Self::new(false)
    }
}

impl ResponseInspector {
    /// An inspector for the answer to a HEAD request or to another request. An answer to HEAD has no body, whatever its
    /// fields say.
    pub fn new(answers_head: bool) -> Self {
        Self { scanner: Scanner::of_response(), answers_head }
    }

    /// Examines the bytes so far, like [`super::Inspector::inspect`].
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Response> {
        let end = match self.scanner.scan(input) {
            Scan::End { start: 0, end } => end,
            Scan::End { .. } => return Inspect::Reject(Reason::Malformed),
            Scan::Reject(reason) => return Inspect::Reject(reason),
            Scan::More => return Inspect::NeedMore,
        };
        let head = input.get(..end).unwrap_or_default();
        let folded = self.scanner.is_folded();
        let read = if folded { read_folded(head, self.answers_head) } else { read(head, self.answers_head) };
        match read {
            Ok(ask) => Inspect::Found { ask: Response { folded, ..ask }, len: end },
            Err(reason) => Inspect::Reject(reason),
        }
    }
}

#[cold]
fn read_folded(head: &[u8], answers_head: bool) -> Result<Response, Reason> {
    let start_line = memchr::memchr(b'\n', head).and_then(|end| head.get(end + 1));
    if matches!(start_line, Some(b' ' | b'\t')) {
        return Err(Reason::Malformed); // a status line is a single line
    }
    let mut head = head.to_vec();
    unfold(&mut head);
    read(&head, answers_head)
}

fn read(head: &[u8], answers_head: bool) -> Result<Response, Reason> {
    let mut lines = [const { MaybeUninit::uninit() }; FIELD_LIMIT];
    match read_lines(head, answers_head, &mut lines) {
        Err(Reason::TooLarge) => read_many(head, answers_head),
        read => read,
    }
}

/// Only heads with many fields need so much stack. They are rare.
#[cold]
fn read_many(head: &[u8], answers_head: bool) -> Result<Response, Reason> {
    read_lines(head, answers_head, &mut vec![MaybeUninit::uninit(); TARGET_FIELD_LIMIT])
}

fn read_lines<'h>(
    head: &'h [u8],
    answers_head: bool,
    lines: &mut [MaybeUninit<httparse::Header<'h>>],
) -> Result<Response, Reason> {
    let mut parsed = httparse::Response::new(&mut []);
    let mut kindly = httparse::ParserConfig::default();
    kindly.allow_spaces_after_header_name_in_responses(true);
    match kindly.parse_response_with_uninit_headers(&mut parsed, head, lines) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::TooLarge),
        _ => return Err(Reason::Malformed),
    }
    let version = Version::of(parsed.version)?;
    let status = parsed.code.filter(|code| *code >= 100).ok_or(Reason::Malformed)?;
    let mut response = Response {
        status,
        phrase: Span::of(head, parsed.reason.unwrap_or_default().as_bytes()),
        version,
        body: ResponseBody::None,
        persistent: version == Version::Http11,
        websocket: false,
        binds_connection: false,
        folded: false,
        fields: SmallVec::new(),
    };
    let fields = ResponseFields::read(head, parsed.headers, &mut response)?;
    let bodiless = answers_head || status < 200 || status == 204 || status == 304;
    let framed = match (fields.chunked, fields.length) {
        (true, Some(_)) => return Err(Reason::Malformed),
        (true, None) if version == Version::Http10 => return Err(Reason::Malformed),
        (true, None) => ResponseBody::Chunked,
        (false, Some(0)) => ResponseBody::None,
        (false, Some(length)) => ResponseBody::Length(length),
        (false, None) => ResponseBody::Close,
    };
    response.body = if bodiless { ResponseBody::None } else { framed };
    let said = fields.connection;
    response.persistent = !said.close
        && (version == Version::Http11 || said.keep_alive)
        && response.body != ResponseBody::Close;
    response.websocket = status == 101 && said.upgrade && fields.upgrade.is_websocket();
    if said.nominates {
        remove_nominated(head, &mut response.fields);
    }
    Ok(response)
}

#[derive(Default)]
struct ResponseFields {
    length: Option<u64>,
    chunked: bool,
    connection: Connection,
    upgrade: Upgrade,
}

impl ResponseFields {
    fn read(head: &[u8], lines: &[httparse::Header<'_>], response: &mut Response) -> Result<Self, Reason> {
        let mut fields = Self::default();
        for line in lines {
            let value = line.value.trim_ascii();
            let kind = match classify(line.name.as_bytes()) {
                Named::Is(Kind::ContentLength) => {
                    let length = decimal(value).ok_or(Reason::Malformed)?;
                    match fields.length.replace(length) {
                        None => Kind::ContentLength,
                        Some(before) if before == length => Kind::HopByHop, // a repeated equal value is dropped
                        Some(_) => return Err(Reason::Malformed),
                    }
                }
                Named::Is(Kind::TransferEncoding) => {
                    if fields.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Reason::Malformed);
                    }
                    fields.chunked = true;
                    Kind::TransferEncoding
                }
                // In a response these fields are the target's own.
                Named::Is(Kind::HopByHop) => Kind::HopByHop,
                Named::Is(_) | Named::Expect | Named::Authorization | Named::ProxyAuthorization => {
                    Kind::EndToEnd
                }
                Named::Connection => {
                    fields.connection.note(value);
                    Kind::HopByHop
                }
                Named::Upgrade => {
                    fields.upgrade.note(value);
                    Kind::HopByHop
                }
                Named::Authenticate => {
                    response.binds_connection |= digest::schemes(value).any(binds_connection);
                    Kind::EndToEnd
                }
                Named::Impostor => return Err(Reason::Malformed),
            };
            let (name, value) = (Span::of(head, line.name.as_bytes()), Span::of(head, value));
            response.fields.push(Field { name, value, kind });
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests;

//! The response head of a target. A target may be hostile, too: whatever could be read in two ways is refused, and
//! the client gets 502 instead (RFC 9112 §6.3, §11.1).

use std::mem::MaybeUninit;

use smallvec::SmallVec;

use super::field::{Connection, Named, Upgrade, binds_connection, classify, decimal, remove_nominated};
use super::scan::{Scan, Scanner};
use super::{FIELD_LIMIT, Field, Kind, TARGET_FIELD_LIMIT, Version};
use crate::inspect::{Inspect, Span, digest};
use crate::reason::Reason;

/// How long the response's body is (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body: an answer to HEAD, or 1xx, 204, 304, or a length of 0.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
    /// Until the target closes.
    Close,
}

/// A response head, complete and sound. Spans are offsets into the inspected input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub phrase: Span,
    /// The target's version.
    pub version: Version,
    /// Its body.
    pub body: ResponseBody,
    /// Whether the target goes on after this response.
    pub persistent: bool,
    /// 101 that names websocket.
    pub websocket: bool,
    /// Whether it offers or goes on with a login of the connection: NTLM, Negotiate.
    pub binds_connection: bool,
    /// Values go on in further lines: [`unfold`] the head before its spans are used.
    pub folded: bool,
    /// All field lines in order.
    pub fields: SmallVec<[Field; 24]>,
}

/// Puts blanks in the place of the line ends within values (RFC 9112 §5.2). Nothing else changes, and nothing moves.
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
    /// For the answer to a HEAD request, which has no body whatever it says, or to any other.
    pub fn new(answers_head: bool) -> Self {
        Self { scanner: Scanner::of_response(), answers_head }
    }

    /// Looks at the bytes so far, as [`super::Inspector::inspect`] does.
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
        return Err(Reason::Malformed); // a status line has one line
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

/// Few heads have so many fields that their lines need more than a little of the stack.
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
    let seen = Seen::read(head, parsed.headers, &mut response)?;
    let bodiless = answers_head || status < 200 || status == 204 || status == 304;
    let framed = match (seen.chunked, seen.length) {
        (true, Some(_)) => return Err(Reason::Malformed),
        (true, None) if version == Version::Http10 => return Err(Reason::Malformed),
        (true, None) => ResponseBody::Chunked,
        (false, Some(0)) => ResponseBody::None,
        (false, Some(length)) => ResponseBody::Length(length),
        (false, None) => ResponseBody::Close,
    };
    response.body = if bodiless { ResponseBody::None } else { framed };
    let said = seen.connection;
    response.persistent = !said.close
        && (version == Version::Http11 || said.keep_alive)
        && response.body != ResponseBody::Close;
    response.websocket = status == 101 && said.upgrade && seen.upgrade.is_websocket();
    if said.nominates {
        remove_nominated(head, &mut response.fields);
    }
    Ok(response)
}

#[derive(Default)]
struct Seen {
    length: Option<u64>,
    chunked: bool,
    connection: Connection,
    upgrade: Upgrade,
}

impl Seen {
    fn read(head: &[u8], lines: &[httparse::Header<'_>], response: &mut Response) -> Result<Self, Reason> {
        let mut seen = Self::default();
        for line in lines {
            let value = line.value.trim_ascii();
            let kind = match classify(line.name.as_bytes()) {
                Named::Is(Kind::ContentLength) => {
                    let length = decimal(value).ok_or(Reason::Malformed)?;
                    match seen.length.replace(length) {
                        None => Kind::ContentLength,
                        Some(before) if before == length => Kind::HopByHop, // said twice: once is enough
                        Some(_) => return Err(Reason::Malformed),
                    }
                }
                Named::Is(Kind::TransferEncoding) => {
                    if seen.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(Reason::Malformed);
                    }
                    seen.chunked = true;
                    Kind::TransferEncoding
                }
                // In a response these are nobody's but the target's.
                Named::Is(Kind::HopByHop) => Kind::HopByHop,
                Named::Is(_) | Named::Expect | Named::Authorization | Named::ProxyAuthorization => {
                    Kind::EndToEnd
                }
                Named::Connection => {
                    seen.connection.note(value);
                    Kind::HopByHop
                }
                Named::Upgrade => {
                    seen.upgrade.note(value);
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
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(text: &str) -> Inspect<Response> {
        ResponseInspector::default().inspect(text.as_bytes())
    }

    fn found(text: &str) -> Response {
        match inspect(text) {
            Inspect::Found { ask, .. } => ask,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn body_lengths_follow_rfc_9112() {
        for (text, body, persistent) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", ResponseBody::Length(5), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ResponseBody::None, true),
            ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", ResponseBody::Chunked, true),
            ("HTTP/1.1 200 OK\r\n\r\n", ResponseBody::Close, false),
            ("HTTP/1.1 204 No\r\n\r\n", ResponseBody::None, true),
            ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", ResponseBody::None, true),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", ResponseBody::None, true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", ResponseBody::Length(5), false),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n",
                ResponseBody::Length(5),
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
                ResponseBody::Length(5),
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
                ResponseBody::Length(5),
                true,
            ),
        ] {
            let response = found(text);
            assert_eq!((response.body, response.persistent), (body, persistent), "{text:?}");
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        let Inspect::Found { ask, .. } = ResponseInspector::new(true).inspect(head.as_bytes()) else {
            panic!()
        };
        assert_eq!(ask.body, ResponseBody::None);
    }

    #[test]
    fn what_splits_is_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\nContent-Length : 6\n\n",
            "HTTP/1.1 200 OK\n folded\nA: b\n\n",
            "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
            "HTTP/1.1 99 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/2.0 200 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "hello\r\n\r\n",
        ] {
            assert!(matches!(inspect(text), Inspect::Reject(_)), "{text:?}");
        }
    }

    #[test]
    fn n18_what_can_be_read_in_one_way_is_read_kindly() {
        for (text, body) in [
            ("HTTP/1.1 200 OK\nContent-Length: 5\n\n", ResponseBody::Length(5)),
            ("HTTP/1.1 200 OK\nContent-Length: 5\r\n\n", ResponseBody::Length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\n", ResponseBody::Length(5)),
            ("HTTP/1.1 200\nTransfer-Encoding : chunked\n\n", ResponseBody::Chunked),
            ("HTTP/1.1 200 OK\r\nContent-Length \t : 5\r\n\r\n", ResponseBody::Length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\n", ResponseBody::Length(5)),
            ("HTTP/1.1 200 OK\nA: b\n \n\tc\nContent-Length: 5\n\n", ResponseBody::Length(5)),
        ] {
            let response = found(text);
            assert_eq!(response.body, body, "{text:?}");
            let mut head = text.as_bytes().to_vec();
            if response.folded {
                unfold(&mut head);
            }
            assert_eq!(head.len(), text.len());
            for field in &response.fields {
                let line = [field.name.of_input(&head), field.value.of_input(&head)].concat();
                assert!(!line.iter().any(|octet| matches!(octet, b'\r' | b'\n' | b':')), "{text:?}");
            }
        }
        let text =
            "HTTP/1.1 401 No\nWWW-Authenticate: Digest realm=\"a\",\n Basic realm=\"b\",\r\n\tNTLM\n\n";
        assert!(found(text).binds_connection);
    }

    #[test]
    fn n36_a_target_may_say_more_than_a_client() {
        let head = |fields: usize, octets: usize| {
            let text = format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(fields - 1));
            let filling = octets.saturating_sub(text.len() + "B: \r\n\r\n".len());
            format!("{text}B: {}\r\n\r\n", "b".repeat(filling))
        };
        let text = head(TARGET_FIELD_LIMIT, 65_536);
        let response = found(&text);
        assert_eq!((text.len(), response.fields.len()), (65_536, 1024));
        assert_eq!(response.fields.last().unwrap().value.range().end, 65_536 - 4);
        for (fields, octets) in [(TARGET_FIELD_LIMIT + 1, 0), (1, 65_537)] {
            assert_eq!(inspect(&head(fields, octets)), Inspect::Reject(Reason::TooLarge));
        }
    }

    #[test]
    fn only_a_websocket_becomes_a_tunnel() {
        let with = |upgrade: &str| {
            found(&format!("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n\r\n"))
        };
        assert!(with("WebSocket").websocket);
        assert!(!with("h2c").websocket);
        assert!(!with("websocket, h2c").websocket);
        // n40: two lines are one list (RFC 9110 §5.3).
        for two in
            ["h2c\r\nUpgrade: websocket", "websocket\r\nUpgrade: h2c", "websocket\r\nupgrade: websocket"]
        {
            assert!(!with(two).websocket, "{two}");
        }
        assert!(with("websocket\r\nUpgrade:").websocket);
        assert!(!found("HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n").websocket);
    }

    #[test]
    fn logins_of_the_connection_are_seen() {
        let with = |value: &str| {
            found(&format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {value}\r\n\r\n")).binds_connection
        };
        assert!(with("NTLM"));
        assert!(with("Basic realm=\"x\", negotiate"));
        assert!(with("Nego2"));
        assert!(with("Bearer, Kerberos YII="));
        assert!(with("Basic realm=\"a, b\", Unheard-Of x=y"));
        for value in
            ["Digest realm=\"x\", nonce=\"NTLM\"", "Basic realm=\"a, NTLM\", charset=\"UTF-8\"", "hawk"]
        {
            assert!(!with(value), "{value}");
        }
    }

    #[test]
    fn the_laws_hold_on_every_prefix() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\nA: b\n c\n\nb",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            let mut kept = ResponseInspector::default();
            let mut settled = None;
            for end in 0..=text.len() {
                let prefix = &text.as_bytes()[..end];
                let answer = kept.inspect(prefix);
                assert_eq!(answer, ResponseInspector::default().inspect(prefix), "{text:?} at {end}");
                match &settled {
                    Some(before) => assert_eq!(&answer, before, "{text:?} at {end}"),
                    None if answer != Inspect::NeedMore => settled = Some(answer),
                    None => {}
                }
            }
            assert!(settled.is_some(), "{text:?}");
        }
    }
}

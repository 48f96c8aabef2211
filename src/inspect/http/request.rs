//! The request head: which host it asks for, how its body is framed, and what is forwarded.

mod line;

use std::mem::MaybeUninit;

use smallvec::SmallVec;

use line::{RequestTarget, is_misspelt};

pub use line::put_target;

use super::field::{
    Connection, Named, Upgrade, binds_connection, classify, decimal, remove_nominated, scheme,
};
use super::scan::{Scan, Scanner};
use super::{FIELD_LIMIT, Field, Kind, Version};
use crate::inspect::{Inspect, Span, digest};
use crate::reason::Reason;

/// The longest method. The longest registered one has 17 letters.
const METHOD_LIMIT: usize = 32;

/// The length of the request's body (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// No body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunked.
    Chunked,
}

/// The scheme of the Authorization field, as far as a proxy needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// There is no Authorization.
    None,
    /// The login belongs to the request: Basic, Digest, Bearer …
    Request,
    /// The login may belong to the connection: NTLM, Negotiate, and every scheme that is not known to log in each
    /// request.
    Connection,
}

/// A complete and sound request head. Spans are offsets into the inspected input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Span,
    /// The request target for the target: path and query as they came, or `*`. Empty: an absolute-form target without a
    /// path, which means `/` (RFC 9112 §3.2.1).
    pub target: Span,
    /// The path of the target, without the query.
    pub path: Span,
    /// The Host value as it came, with a port if there is one. It is never empty.
    pub host: Span,
    /// The client's version.
    pub version: Version,
    /// The framing of its body.
    pub body: Body,
    /// Whether the client wants to keep the connection after this request (RFC 9112 §9.3).
    pub persistent: bool,
    /// Whether it asks for a WebSocket and the conditions for one are met.
    pub websocket: bool,
    /// Whether it waits for 100 (Continue).
    pub expects_continue: bool,
    /// The kind of its login.
    pub authorization: Authorization,
    /// All field lines in order.
    pub fields: SmallVec<[Field; 24]>,
}

/// Methods whose body has a meaning (RFC 9110 §9.3, RFC 5789 §2, RFC 4918 §9, RFC 3253 §3.6, RFC 5323 §2, RFC 4791
/// §5.3.1). A target that knows such a method reads the body. A target that takes an unknown method for GET does not
/// read it.
const WITH_BODY: [&[u8]; 11] = [
    b"POST",
    b"PUT",
    b"PATCH",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"REPORT",
    b"SEARCH",
    b"LOCK",
    b"MKCOL",
    b"MKCALENDAR",
];

impl Request {
    /// Whether the request has a body where targets expect none. Some targets leave it unread, and would take it for
    /// the next request on the connection. `head` is the input that was inspected.
    pub fn may_stay_unread(&self, head: &[u8]) -> bool {
        self.body != Body::None && !WITH_BODY.contains(&self.method.of_input(head))
    }
}

/// Reads one request head.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Inspector {
    scanner: Scanner,
    /// Whether a valid method was seen.
    method_seen: bool,
}

impl Inspector {
    /// Examines the bytes so far. `input` must begin with the bytes of the previous call. The body after a head is not
    /// part of `len`.
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Request> {
        if self.hopeless(input) {
            return Inspect::Reject(Reason::Malformed);
        }
        let (start, end) = match self.scanner.scan(input) {
            Scan::End { start, end } => (start, end),
            Scan::Reject(reason) => return Inspect::Reject(reason),
            Scan::More => return Inspect::NeedMore,
        };
        match input.get(..end).ok_or(Reason::Malformed).and_then(|head| read(head, start)) {
            Ok(ask) => Inspect::Found { ask, len: end },
            Err(reason) => Inspect::Reject(reason),
        }
    }

    /// Whether the input cannot begin with a method, such as TLS on a plain port or a scanner's binary probe. It is
    /// refused without waiting for more bytes.
    fn hopeless(&mut self, input: &[u8]) -> bool {
        if self.method_seen {
            return false;
        }
        let mut line = input.get(self.scanner.start()..).unwrap_or_default();
        while let Some(rest) = line.strip_prefix(b"\r\n") {
            line = rest;
        }
        if line == b"\r" {
            return false;
        }
        let window = line.get(..=METHOD_LIMIT).unwrap_or(line);
        let end = window.iter().position(|byte| *byte == b' ');
        let method = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
        let sound = method.len() <= METHOD_LIMIT && method.iter().all(|byte| is_tchar(*byte));
        self.method_seen = sound && end.is_some_and(|end| end > 0);
        !sound || end == Some(0)
    }
}

/// Reads a complete head. `start` is the beginning of the request line.
fn read(head: &[u8], start: usize) -> Result<Request, Reason> {
    let mut lines = [const { MaybeUninit::uninit() }; FIELD_LIMIT];
    let mut parsed = httparse::Request::new(&mut []);
    let text = head.get(start..).unwrap_or_default();
    match parsed.parse_with_uninit_headers(text, &mut lines) {
        Ok(httparse::Status::Complete(len)) if len == text.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::TooLarge),
        _ => return Err(Reason::Malformed),
    }
    let method = parsed.method.unwrap_or_default();
    if method == "CONNECT" {
        return Err(Reason::Method);
    }
    if is_misspelt(method) {
        return Err(Reason::Malformed);
    }
    let version = Version::of(parsed.version)?;
    let mut request = Request {
        method: Span::of(head, method.as_bytes()),
        target: Span::default(),
        path: Span::default(),
        host: Span::default(),
        version,
        body: Body::None,
        persistent: version == Version::Http11,
        websocket: false,
        expects_continue: false,
        authorization: Authorization::None,
        fields: SmallVec::new(),
    };
    let target = RequestTarget::read(parsed.path.unwrap_or_default().as_bytes(), method)?;
    request.target = Span::of(head, target.asked);
    request.path = Span::of(head, target.path);
    let fields = RequestFields::read(head, parsed.headers, &mut request)?;
    request.host = fields.host(head, &target, version)?;
    request.body = fields.body(version)?;
    fields.going_on(head, method, &mut request);
    Ok(request)
}

/// The field lines that concern the message itself. Values are spans, so that nothing is copied.
#[derive(Default)]
struct RequestFields {
    hosts: usize,
    host: Span,
    length: Option<u64>,
    chunked: bool,
    connection: Connection,
    upgrade: Upgrade,
    /// Whether Authorization and Proxy-Authorization were seen.
    logins: [bool; 2],
}

impl RequestFields {
    fn read(head: &[u8], lines: &[httparse::Header<'_>], request: &mut Request) -> Result<Self, Reason> {
        let mut fields = Self::default();
        for line in lines {
            let value = line.value.trim_ascii();
            let kind = match classify(line.name.as_bytes()) {
                Named::Is(kind) => {
                    fields.note(kind, head, value)?;
                    kind
                }
                Named::Connection => {
                    fields.connection.note(value);
                    if fields.connection.nominates_framing {
                        return Err(Reason::Malformed);
                    }
                    Kind::HopByHop
                }
                Named::Upgrade => {
                    fields.upgrade.note(value);
                    Kind::HopByHop
                }
                Named::Expect => {
                    if request.expects_continue || !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(Reason::Malformed);
                    }
                    request.expects_continue = true;
                    // An HTTP/1.0 client does not know 100 (Continue) (RFC 9110 §10.1.1).
                    if request.version == Version::Http10 { Kind::HopByHop } else { Kind::Expect }
                }
                named @ (Named::Authorization | Named::ProxyAuthorization) => {
                    fields.note_login(named == Named::ProxyAuthorization, value, request)?;
                    Kind::EndToEnd
                }
                Named::Authenticate => Kind::EndToEnd,
                Named::Impostor => return Err(Reason::Malformed),
            };
            let (name, value) = (Span::of(head, line.name.as_bytes()), Span::of(head, value));
            request.fields.push(Field { name, value, kind });
        }
        Ok(fields)
    }

    /// Notes a login. If there are two, targets use the first, the last or both (RFC 9110 §5.3: the field is no list).
    fn note_login(&mut self, for_proxy: bool, value: &[u8], request: &mut Request) -> Result<(), Reason> {
        let [to_target, to_proxy] = &mut self.logins;
        let seen = if for_proxy { to_proxy } else { to_target };
        if std::mem::replace(seen, true) || digest::is_ambiguous(value) {
            return Err(Reason::Malformed);
        }
        if binds_connection(scheme(value)) {
            request.authorization = Authorization::Connection;
        } else if request.authorization == Authorization::None {
            request.authorization = Authorization::Request;
        }
        Ok(())
    }

    fn note(&mut self, kind: Kind, head: &[u8], value: &[u8]) -> Result<(), Reason> {
        match kind {
            Kind::Host => {
                self.hosts += 1;
                self.host = Span::of(head, value);
            }
            Kind::ContentLength => {
                if self.length.is_some() {
                    return Err(Reason::Malformed);
                }
                self.length = Some(decimal(value).ok_or(Reason::Malformed)?);
            }
            Kind::TransferEncoding => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Reason::Malformed);
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// The only host of the request (RFC 9112 §3.2).
    fn host(&self, head: &[u8], target: &RequestTarget<'_>, version: Version) -> Result<Span, Reason> {
        if self.hosts > 1 {
            return Err(Reason::Malformed);
        }
        let host = self.host.of_input(head);
        if has_leading_zero(host)
            || target.authority.is_some_and(|(authority, _)| has_leading_zero(authority))
        {
            return Err(Reason::Malformed);
        }
        match target.authority {
            Some((authority, _)) if self.hosts == 0 && version == Version::Http10 => {
                Ok(Span::of(head, authority))
            }
            _ if host.is_empty() => Err(Reason::NoName),
            Some((authority, port)) => {
                let bare = |name: &'_ [u8]| name.strip_suffix(port).unwrap_or(name).to_ascii_lowercase();
                if bare(authority) == bare(host) { Ok(self.host) } else { Err(Reason::Malformed) }
            }
            None => Ok(self.host),
        }
    }

    /// The framing of the body (RFC 9112 §6.1, §6.3).
    fn body(&self, version: Version) -> Result<Body, Reason> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Reason::Malformed),
            (true, None) if version == Version::Http10 => Err(Reason::Malformed),
            (true, None) => Ok(Body::Chunked),
            (false, Some(0)) | (false, None) => Ok(Body::None),
            (false, Some(length)) => Ok(Body::Length(length)),
        }
    }

    /// Sets the fields of the request that depend on Connection and Upgrade.
    fn going_on(&self, head: &[u8], method: &str, request: &mut Request) {
        let said = self.connection;
        request.persistent = !said.close && (request.version == Version::Http11 || said.keep_alive);
        request.websocket = said.upgrade
            && self.upgrade.is_websocket()
            && method == "GET"
            && request.version == Version::Http11
            && request.body == Body::None;
        request.expects_continue &= request.version == Version::Http11 && request.body != Body::None;
        if said.nominates {
            remove_nominated(head, &mut request.fields);
        }
    }
}

/// Whether the port of a Host value has leading zeros. Some parsers read such a port as octal, and the value is
/// forwarded unchanged.
fn has_leading_zero(host: &[u8]) -> bool {
    let port = host.rsplitn(2, |byte| *byte == b':').next().filter(|port| port.len() < host.len());
    port.is_some_and(|port| port.len() > 1 && port.first() == Some(&b'0') && !port.ends_with(b"]"))
}

/// A token character (RFC 9110 §5.6.2).
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;

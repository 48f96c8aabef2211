//! Field lines: which of them a proxy removes, replaces or checks against the framing rules.

use smallvec::SmallVec;

use super::super::Span;
use super::FIELD_LIMIT;
use crate::field_names::folded;

/// The role of a field for a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Forwarded unchanged.
    EndToEnd,
    /// Removed by a proxy (RFC 9110 §7.6.1): Connection and the fields that it nominates, Keep-Alive, TE, Upgrade …
    HopByHop,
    /// Host. Its value is forwarded unchanged, as the first field.
    Host,
    /// Content-Length. It is forwarded in its shortest form.
    ContentLength,
    /// Transfer-Encoding. It is forwarded as `chunked`.
    TransferEncoding,
    /// Expect. It is forwarded as `100-continue`.
    Expect,
    /// X-Forwarded-For.
    XForwardedFor,
    /// X-Forwarded-Proto.
    XForwardedProto,
    /// X-Forwarded-Host.
    XForwardedHost,
    /// X-Forwarded-Prefix.
    XForwardedPrefix,
    /// Forwarded (RFC 7239).
    Forwarded,
    /// A field that only a proxy may send. It is never forwarded. These are any other X-Forwarded-… field, one of the
    /// above in a spelling with other punctuation, and the fields by which a proxy tells a target another URL than the
    /// URL in the request line.
    ForwardedLike,
}

/// A field line of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name, as spelt.
    pub name: Span,
    /// The value, without surrounding white space.
    pub value: Span,
    /// The field's role.
    pub kind: Kind,
}

/// The role of a name by itself, before Connection has nominated fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// The role is certain.
    Is(Kind),
    /// Connection, Upgrade, Expect, Authorization and its answers: the value has to be read too.
    Connection,
    Upgrade,
    Expect,
    Authorization,
    ProxyAuthorization,
    Authenticate,
    /// A framing field or a login in a spelling that a gateway behind Portward might fold into the real field.
    Impostor,
}

/// Classifies a field name. Its case is ignored.
pub(super) fn classify(name: &[u8]) -> Named {
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    // Names are compared by length first, so almost every field needs one comparison or none.
    match name.len() {
        2 if is("te") => Named::Is(Kind::HopByHop),
        4 if is("host") => Named::Is(Kind::Host),
        // A CGI program finds this field in HTTP_PROXY, where libraries look for the proxy to use (CVE-2016-5385).
        5 if is("proxy") => Named::Is(Kind::ForwardedLike),
        6 if is("expect") => Named::Expect,
        7 if is("upgrade") => Named::Upgrade,
        9 if is("forwarded") => Named::Is(Kind::Forwarded),
        10 if is("connection") => Named::Connection,
        10 if is("keep-alive") => Named::Is(Kind::HopByHop),
        13 if is("authorization") => Named::Authorization,
        14 if is("content-length") => Named::Is(Kind::ContentLength),
        14 if is("http2-settings") => Named::Is(Kind::HopByHop),
        15 if is("x-forwarded-for") => Named::Is(Kind::XForwardedFor),
        16 if is("x-forwarded-host") => Named::Is(Kind::XForwardedHost),
        16 if is("proxy-connection") => Named::Is(Kind::HopByHop),
        16 if is("www-authenticate") => Named::Authenticate,
        17 if is("x-forwarded-proto") => Named::Is(Kind::XForwardedProto),
        17 if is("transfer-encoding") => Named::Is(Kind::TransferEncoding),
        18 if is("x-forwarded-prefix") => Named::Is(Kind::XForwardedPrefix),
        19 if is("proxy-authorization") => Named::ProxyAuthorization,
        14 if folds_to(name, b"content-length") => Named::Impostor,
        17 if folds_to(name, b"transfer-encoding") => Named::Impostor,
        19 if folds_to(name, b"proxy-authorization") => Named::Impostor,
        13 if folds_to(name, b"x-rewrite-url") => Named::Is(Kind::ForwardedLike),
        14 if folds_to(name, b"x-original-url") => Named::Is(Kind::ForwardedLike),
        15 if folds_to(name, b"x-original-host") => Named::Is(Kind::ForwardedLike),
        11 if folds_to(name, b"x-forwarded") => Named::Is(Kind::ForwardedLike),
        12.. if folds_to(name, b"x-forwarded-") => Named::Is(Kind::ForwardedLike),
        _ => Named::Is(Kind::EndToEnd),
    }
}

/// Whether `name` begins with `known` when every byte that is neither letter nor digit is read as `-`, as CGI-like
/// gateways do. `known` must be the whole name or end with `-`.
fn folds_to(name: &[u8], known: &[u8]) -> bool {
    name.len() >= known.len()
        && (name.len() == known.len() || known.ends_with(b"-"))
        && name.iter().copied().map(folded).zip(known.iter().copied()).all(|(a, b)| a == b)
}

/// Whether a field may be forwarded in a trailer section (RFC 9110 §6.5.1). It must not be for framing, routing,
/// request modifiers, authentication, content description, or control of the answer.
pub(super) fn passes_in_trailer(name: &[u8]) -> bool {
    const NEVER: [&str; 18] = [
        "age",
        "cache-control",
        "content-encoding",
        "content-location",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expires",
        "location",
        "max-forwards",
        "range",
        "refresh",
        "retry-after",
        "set-cookie",
        "trailer",
        "vary",
        "warning",
    ];
    classify(name) == Named::Is(Kind::EndToEnd)
        && !NEVER.iter().any(|never| name.eq_ignore_ascii_case(never.as_bytes()))
}

/// The comma-separated tokens of a field value, without white space around them.
pub(super) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// The content of a message's Connection fields (RFC 9110 §7.6.1).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Connection {
    /// `close` is present.
    pub(super) close: bool,
    /// `keep-alive` is present.
    pub(super) keep_alive: bool,
    /// `upgrade` is present.
    pub(super) upgrade: bool,
    /// Fields are nominated, which a proxy must remove.
    pub(super) nominates: bool,
    /// Host or a framing field is nominated, so that the next recipient would lose it.
    pub(super) nominates_framing: bool,
}

impl Connection {
    /// Adds a Connection field.
    pub(super) fn note(&mut self, value: &[u8]) {
        for token in tokens(value) {
            let is = |known: &str| token.eq_ignore_ascii_case(known.as_bytes());
            if is("close") {
                self.close = true;
            } else if is("keep-alive") {
                self.keep_alive = true;
            } else if is("upgrade") {
                self.upgrade = true;
            } else {
                match classify(token) {
                    Named::Is(Kind::HopByHop) => {}
                    Named::Is(Kind::Host | Kind::ContentLength | Kind::TransferEncoding)
                    | Named::Impostor => {
                        self.nominates_framing = true;
                    }
                    _ => self.nominates = true,
                }
            }
        }
    }
}

/// The content of all Upgrade fields of a message (RFC 9110 §7.8).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Upgrade {
    protocols: usize,
    websocket: bool,
}

impl Upgrade {
    /// Adds an Upgrade field.
    pub(super) fn note(&mut self, value: &[u8]) {
        for token in tokens(value) {
            self.protocols += 1;
            self.websocket |= token.eq_ignore_ascii_case(b"websocket");
        }
    }

    /// Whether it is WebSocket and nothing else. Of several protocols two recipients may choose different ones.
    pub(super) const fn is_websocket(self) -> bool {
        self.websocket && self.protocols == 1
    }
}

/// The authentication scheme at the beginning of a field value.
pub(super) fn scheme(value: &[u8]) -> &[u8] {
    value.split(|byte| matches!(byte, b' ' | b'\t' | b',')).next().unwrap_or_default()
}

/// The schemes that log in each request for itself: the schemes that IANA has registered except Negotiate (RFC 4559),
/// and some unregistered ones that are in use.
const REQUEST_SCHEMES: [&str; 18] = [
    "Basic",
    "Bearer",
    "Digest",
    "DPoP",
    "GNAP",
    "HOBA",
    "Mutual",
    "OAuth",
    "PrivateToken",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "vapid",
    "Concealed",
    "ApiKey",
    "AWS4-HMAC-SHA256",
    "Hawk",
    "Signature",
    "Token",
];

/// Whether a scheme authenticates the connection rather than the request. NTLM and Negotiate do. An unknown scheme may
/// do so as well (`Nego2`, `Kerberos`), so the answer is `false` only for schemes that are known to log in each
/// request.
pub(super) fn binds_connection(scheme: &[u8]) -> bool {
    !REQUEST_SCHEMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(scheme))
}

/// A decimal number (RFC 9110 §8.6). It has only digits, and fits in a signed 64-bit number, because many targets keep
/// it in such a number.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
    i64::try_from(value).is_ok().then_some(value)
}

/// Marks every field that Connection names as hop-by-hop. It reads the Connection fields again, which costs something
/// only for clients that nominate fields.
pub(super) fn remove_nominated(head: &[u8], fields: &mut [Field]) {
    let nominated: SmallVec<[&[u8]; 8]> = fields
        .iter()
        .filter(|field| field.name.of_input(head).eq_ignore_ascii_case(b"connection"))
        .flat_map(|field| tokens(field.value.of_input(head)))
        .take(FIELD_LIMIT)
        .collect();
    for field in fields {
        let name = field.name.of_input(head);
        if field.kind == Kind::EndToEnd && nominated.iter().any(|token| token.eq_ignore_ascii_case(name)) {
            field.kind = Kind::HopByHop;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for (name, named) in [
            ("Host", Named::Is(Kind::Host)),
            ("hOsT", Named::Is(Kind::Host)),
            ("X-Forwarded-For", Named::Is(Kind::XForwardedFor)),
            ("X_Forwarded_For", Named::Is(Kind::ForwardedLike)),
            ("X-Forwarded_Host", Named::Is(Kind::ForwardedLike)),
            ("x.forwarded.proto", Named::Is(Kind::ForwardedLike)),
            ("x-forwarded-prefix", Named::Is(Kind::XForwardedPrefix)),
            ("X_Forwarded_Prefix", Named::Is(Kind::ForwardedLike)),
            ("X-Forwarded-Port", Named::Is(Kind::ForwardedLike)),
            ("X-Forwarded-Client-Cert", Named::Is(Kind::ForwardedLike)),
            ("X-Forwarded", Named::Is(Kind::ForwardedLike)),
            ("x_forwarded", Named::Is(Kind::ForwardedLike)),
            ("X_Original_URL", Named::Is(Kind::ForwardedLike)),
            ("x.original-host", Named::Is(Kind::ForwardedLike)),
            ("X~Rewrite^URL", Named::Is(Kind::ForwardedLike)),
            ("pRoXy", Named::Is(Kind::ForwardedLike)),
            ("X-Original-URL", Named::Is(Kind::ForwardedLike)),
            ("x_rewrite_url", Named::Is(Kind::ForwardedLike)),
            ("X-Original_Host", Named::Is(Kind::ForwardedLike)),
            ("PROXY", Named::Is(Kind::ForwardedLike)),
            ("Proxy-Authorization", Named::ProxyAuthorization),
            ("Proxy_Authorization", Named::Impostor),
            ("Content_Length", Named::Impostor),
            ("transfer~encoding", Named::Impostor),
            ("Content-Lengthy", Named::Is(Kind::EndToEnd)),
            ("TE", Named::Is(Kind::HopByHop)),
            ("HTTP2-Settings", Named::Is(Kind::HopByHop)),
            ("Accept", Named::Is(Kind::EndToEnd)),
            ("Connection", Named::Connection),
        ] {
            assert_eq!(classify(name.as_bytes()), named, "{name}");
        }
    }
}

//! The faults of a message, and the status with which RFC 3261 has a server answer a request with such a fault (§8.2,
//! §16.3, §21.4, §21.5).

use super::field::FieldKind;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A line that does not end with CRLF, or that has control octets (§7, §25.1).
    Characters,
    /// The start line is not that of §7.1 or §7.2.
    StartLine,
    /// A method that differs from a known one only in case (§7.1).
    Method,
    /// Another version than SIP/2.0 (§7.1).
    Version,
    /// The Request-URI has a scheme that leads to no telephone (§8.2.2.1).
    Scheme,
    /// The Request-URI has header fields (§19.1.1), or repeats a parameter that decides.
    RequestUri,
    /// A line that is no header field, or that hides another field (§7.3).
    Field,
    /// A mandatory header field is missing (§8.1.1, §18.3).
    Missing(FieldKind),
    /// A header field that may occur once is repeated.
    Repeated(FieldKind),
    /// A header field that cannot be read, or can be read in two ways.
    Bad(FieldKind),
    /// From has no tag (§8.1.1.3).
    NoFromTag,
    /// CSeq names another method than the start line (§8.1.1.5).
    CSeqMethod,
    /// No hops are left (§16.3 step 3).
    Hops,
    /// Content-Length is not the length of the body, where the carrier gives the length (RFC 7118 §5).
    Length,
}

impl Fault {
    /// The code and the phrase of the status line. The phrase names the fault (§7.2).
    pub const fn status(self) -> &'static str {
        match self {
            Self::Version => "505 Version Not Supported",
            Self::Scheme => "416 Unsupported URI Scheme",
            Self::Hops => "483 Too Many Hops",
            Self::Characters => "400 Bad Line End Or Control Character",
            Self::StartLine => "400 Bad Request-Line",
            Self::Method => "400 Bad Method",
            Self::RequestUri => "400 Bad Request-URI",
            Self::Field => "400 Bad Header Field",
            Self::NoFromTag => "400 Missing Tag In From",
            Self::CSeqMethod => "400 CSeq Of Another Method",
            Self::Length => "400 Content-Length Does Not Fit",
            Self::Missing(kind) => missing(kind),
            Self::Repeated(kind) => repeated(kind),
            Self::Bad(kind) => bad(kind),
        }
    }
}

const fn missing(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::From => "400 Missing From",
        FieldKind::To => "400 Missing To",
        FieldKind::Via => "400 Missing Via",
        FieldKind::CSeq => "400 Missing CSeq",
        FieldKind::CallId => "400 Missing Call-ID",
        FieldKind::ContentLength => "400 Missing Content-Length",
        FieldKind::MaxForwards => "400 Missing Max-Forwards",
        _ => "400 Missing Header Field",
    }
}

const fn repeated(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::From => "400 Repeated From",
        FieldKind::To => "400 Repeated To",
        FieldKind::CSeq => "400 Repeated CSeq",
        FieldKind::CallId => "400 Repeated Call-ID",
        FieldKind::ContentLength => "400 Repeated Content-Length",
        FieldKind::MaxForwards => "400 Repeated Max-Forwards",
        _ => "400 Repeated Header Field",
    }
}

const fn bad(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::From => "400 Bad From",
        FieldKind::To => "400 Bad To",
        FieldKind::Via => "400 Bad Via",
        FieldKind::Route => "400 Bad Route",
        FieldKind::Contact => "400 Bad Contact",
        FieldKind::CSeq => "400 Bad CSeq",
        FieldKind::CallId => "400 Bad Call-ID",
        FieldKind::ContentLength => "400 Bad Content-Length",
        FieldKind::MaxForwards => "400 Bad Max-Forwards",
        FieldKind::Credentials => "400 Bad Credentials",
        _ => "400 Bad Header Field",
    }
}

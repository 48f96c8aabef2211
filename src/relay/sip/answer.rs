//! Portward's own response to a request (RFC 3261 §8.2.6). It copies Via, From, To, Call-ID and CSeq as they came.

use crate::inspect::sip::{FieldKind, Message};

/// RFC 3261 §21.2.1.
pub const OK: &str = "200 OK";

/// RFC 3261 §21.4.18.
pub const UNAVAILABLE: &str = "480 Temporarily Unavailable";

/// RFC 3261 §21.4.4.
pub const FORBIDDEN: &str = "403 Forbidden";

/// RFC 3261 §21.5.4.
pub const NO_SERVICE: &str = "503 Service Unavailable";

/// RFC 3261 §21.5.7.
pub const TOO_LARGE: &str = "513 Message Too Large";

/// Writes a response to the request in `head` to `out`. `status` is its code and phrase. Each further header field ends
/// with CRLF. `tag` is added to a To without a tag.
pub fn respond(status: &str, head: &[u8], request: &Message, tag: &str, more: &str, out: &mut Vec<u8>) {
    out.extend([b"SIP/2.0 ", status.as_bytes(), b"\r\n"].into_iter().flatten());
    for field in &request.fields {
        let line = field.line.of_input(head);
        match field.kind {
            FieldKind::Via | FieldKind::From | FieldKind::CallId | FieldKind::CSeq => {
                out.extend_from_slice(line)
            }
            FieldKind::To if request.to_tag.is_empty() => {
                out.extend_from_slice(line.trim_ascii_end());
                out.extend_from_slice(b";tag=");
                out.extend_from_slice(tag.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            FieldKind::To => out.extend_from_slice(line),
            _ => {}
        }
    }
    out.extend_from_slice(more.as_bytes());
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

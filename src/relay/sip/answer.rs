//! A response of our own to a request (RFC 3261 §8.2.6): its Via, From, To, Call-ID and CSeq as they came.

use crate::inspect::sip::{FieldKind, Message};

/// Writes a 403 to `out` for the request in `head`. `tag` goes into a To that has none.
pub fn forbidden(head: &[u8], request: &Message, tag: &str, out: &mut Vec<u8>) {
    respond("403 Forbidden", head, request, tag, "", out);
}

/// Writes a response with this status and these further header fields, each with its CRLF.
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

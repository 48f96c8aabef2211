//! SIP in WebSocket messages (RFC 7118): each message holds one SIP message, or a keep-alive.
//!
//! On a stream Content-Length tells where a message ends (RFC 3261 §18.3). In a WebSocket message it may be missing
//! (RFC 7118 §5). Then Portward adds it. If it is there it must be right: otherwise two readers would see two different
//! messages.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use super::answer::respond;
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Enclosed, Fault, Faulty, Inspector, enclosed, message_length};
use crate::io::{Came, End, Messages};
use crate::reason::Reason;

/// RFC 5626 §3.5.1, RFC 7118 §6.
const PONG: &[u8] = b"\r\n";

/// The close code for a refusal (RFC 6455 section 7.4.1).
const POLICY: u16 = 1008;

/// The close code for a message that is not SIP.
const UNSUPPORTED: u16 = 1003;

/// SIP over WebSocket.
#[derive(Debug)]
pub struct SipMessages;

impl Messages for SipMessages {
    fn came(&self, message: &mut Vec<u8>) -> Came {
        match enclosed(message) {
            Enclosed::Ping => Came::Answered(PONG),
            Enclosed::Nothing => Came::Dropped,
            Enclosed::Message { skip, missing } => {
                if let Some((at, length)) = missing {
                    let line = format!("Content-Length: {length}\r\n");
                    message.splice(at..at, line.into_bytes());
                }
                message.drain(..skip);
                Came::Read
            }
            Enclosed::OtherLength { head, length } => refused(message, head, length),
            Enclosed::Else => {
                Came::Refused { answer: Vec::new(), code: UNSUPPORTED, reason: Reason::Malformed }
            }
        }
    }

    fn end(&self, octets: &[u8]) -> End {
        if octets == b"\r\n\r\n" {
            return End::At(4);
        }
        // The watch has read the message already, so only its length is needed here.
        if let Some(length) = message_length(octets) {
            return End::At(length);
        }
        match Inspector::of_target().inspect(octets) {
            Inspect::Found { ask: Ask::KeepAlive, len } => End::At(len),
            Inspect::Found { ask: Ask::Message(message), len } => {
                End::At(len.saturating_add(usize::try_from(message.body).unwrap_or(usize::MAX)))
            }
            Inspect::NeedMore => End::NeedMore,
            // Messages of a target are not examined.
            Inspect::Reject(_) | Inspect::Found { ask: Ask::Faulty(_), .. } => End::Nowhere,
        }
    }
}

/// Ends the connection over a message whose Content-Length is wrong. A request is answered 400 first (RFC 4475
/// §3.1.2.2). `head` is the length of its header section, `length` is the range of the Content-Length's value.
fn refused(message: &[u8], head: usize, length: std::ops::Range<usize>) -> Came {
    let mut right = message.get(..length.start).unwrap_or_default().to_vec();
    right.push(b'0');
    right.extend_from_slice(message.get(length.end..head).unwrap_or_default());
    let mut answer = Vec::new();
    let mut inspector = Inspector::of_client();
    inspector.examine(true);
    if let Inspect::Found { ask: Ask::Message(request) | Ask::Faulty(Faulty { message: request, .. }), len } =
        inspector.inspect(&right)
        && let Some(head) = right.get(..len)
        && request.method(head).is_some_and(|method| method != b"ACK")
    {
        // No later request will use this tag, because the connection ends.
        let tag = BuildHasherDefault::<DefaultHasher>::default().hash_one(request.call_id.of_input(head));
        respond(Fault::Length.status(), head, &request, &format!("{tag:x}"), "", &mut answer);
    }
    Came::Refused { answer, code: POLICY, reason: Reason::Sanity }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:pbx SIP/2.0\r\nVia: SIP/2.0/WSS a.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                        To: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";

    fn came(text: &str) -> (Came, String) {
        let mut message = text.as_bytes().to_vec();
        let came = SipMessages.came(&mut message);
        (came, String::from_utf8(message).unwrap())
    }

    #[test]
    fn item_1_a_missing_length_is_put_in_and_a_right_one_stays() {
        for (more, body, put) in [
            ("", "", "Content-Length: 0\r\n"),
            ("", "v=0\r\n\r\nv", "Content-Length: 8\r\n"),
            ("Content-Length: 3\r\n", "v=0", ""),
            ("l : 3\r\nX: y\r\n", "v=0", ""),
            ("X: Content-Length: 7\r\n", "v=0", "Content-Length: 3\r\n"),
        ] {
            let (came, message) = came(&format!("{HEAD}{more}\r\n{body}"));
            assert_eq!((came, message), (Came::Read, format!("{HEAD}{more}{put}\r\n{body}")));
        }
        let (_, message) = came(&format!("\r\n\r\n{HEAD}\r\nabc"));
        assert_eq!(
            message,
            format!("{HEAD}Content-Length: 3\r\n\r\nabc"),
            "empty lines before it are no part of it"
        );
    }

    #[test]
    fn item_1_a_wrong_length_is_answered_and_ends_the_connection() {
        for (more, body) in [
            ("Content-Length: 2\r\n", "v=0"),
            ("Content-Length: 4\r\n", "v=0"),
            ("l: 99999999999999999999\r\n", "v=0"),
            ("Content-Length: 0\r\n", "OPTIONS sip:second SIP/2.0\r\n\r\n"),
        ] {
            let (Came::Refused { answer, code: 1008, reason: Reason::Sanity }, _) =
                came(&format!("{HEAD}{more}\r\n{body}"))
            else {
                panic!("{more}")
            };
            let answer = String::from_utf8(answer).unwrap();
            assert!(
                answer.starts_with("SIP/2.0 400 Content-Length Does Not Fit\r\nVia: SIP/2.0/WSS a.invalid;"),
                "{answer}"
            );
            assert!(answer.contains("\r\nTo: <sip:c@d>;tag=") && answer.ends_with("\r\n\r\n"), "{answer}");
        }
        for two in ["Content-Length: 3\r\nl: 3\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n"] {
            let (refused, _) = came(&format!("{HEAD}{two}\r\nv=0"));
            assert!(matches!(refused, Came::Refused { code: 1008, .. }), "{two}");
        }
    }

    #[test]
    fn item_1_keep_alives_are_answered_and_anything_else_is_no_message() {
        assert_eq!(came("\r\n\r\n").0, Came::Answered(b"\r\n"));
        for nothing in ["", "\r\n", "\r\n\r\n\r\n"] {
            assert_eq!(came(nothing).0, Came::Dropped, "{nothing:?}");
        }
        for other in ["hello", "GET / HTTP/1.1\r\n\r\n", "\r", "OPTIONS sip:pbx SIP/2.0\r\nTo: <sip:c@d>\r\n"]
        {
            let refused = Came::Refused { answer: Vec::new(), code: 1003, reason: Reason::Malformed };
            assert_eq!(came(other).0, refused, "{other:?}");
        }
    }

    #[test]
    fn item_1_what_is_written_is_cut_into_messages() {
        let message = format!("{HEAD}Content-Length: 3\r\n\r\n");
        assert_eq!(SipMessages.end(message.as_bytes()), End::At(message.len() + 3));
        assert_eq!(SipMessages.end(format!("{message}abcOPTIONS").as_bytes()), End::At(message.len() + 3));
        assert_eq!(SipMessages.end(&message.as_bytes()[..20]), End::NeedMore);
        for (field, end) in
            [("l :\r\n 3", Some(3)), ("CONTENT-LENGTH:3", Some(3)), ("l: 3\r\nL: 3", None), ("l: +3", None)]
        {
            let message = format!("{HEAD}{field}\r\nCall: l\r\n\r\n");
            let end = end.map_or(End::Nowhere, |body| End::At(message.len() + body));
            assert_eq!(SipMessages.end(message.as_bytes()), end, "{field}");
        }
        assert_eq!([SipMessages.end(b"\r\n"), SipMessages.end(b"\r\n\r\n")], [End::At(2), End::At(4)]);
        assert_eq!(SipMessages.end(b"\x16\x03"), End::Nowhere);
    }
}

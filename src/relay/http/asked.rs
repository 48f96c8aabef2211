//! A request as the client sent it. It is kept before anything is changed. The log, redirects and the guard use it as
//! it was asked. The target gets the edited request ([`Edits`]).

use super::Outgoing;
use crate::inspect::http::{Authorization, Body, Framing, Request, Version, put_target};
use crate::io::Buffer;
use crate::route::http::{Connection, Edits};

/// A request as the client sent it: its head, and what the inspector has read in it. The latter has 600 octets, so it
/// is borrowed. The body is still in the client's buffer and stream.
#[derive(Debug)]
pub struct Asked<'r> {
    /// The head as it came. If its target has characters beyond ASCII, the target's ASCII form follows the head.
    octets: Buffer,
    /// The length of the head.
    head: usize,
    /// The target's ASCII form follows the head.
    respelt: bool,
    request: &'r Request,
}

impl<'r> Asked<'r> {
    /// Takes the head of `request`, its first `len` octets, out of `from`.
    pub fn take(from: &mut Buffer, request: &'r Request, len: usize) -> Self {
        let mut octets = from.take_front(len);
        let head = octets.len();
        let target = request.target.of_input(octets.filled());
        let respelt = target.is_empty() || !target.is_ascii();
        if respelt {
            let mut ascii = Vec::with_capacity(3 * target.len() + 1);
            put_target(&mut ascii, target);
            octets.extend(&ascii);
        }
        Self { octets, head, respelt, request }
    }

    /// What the inspector has read in [`Self::head`].
    pub fn request(&self) -> &'r Request {
        self.request
    }

    /// The head as it came.
    pub fn head(&self) -> &[u8] {
        self.octets.filled().get(..self.head).unwrap_or_default()
    }

    /// The method.
    pub fn method(&self) -> &[u8] {
        self.request.method.of_input(self.head())
    }

    /// Path and query, or `*`: as they came, what is not ASCII percent-encoded. Never empty.
    pub fn target(&self) -> &[u8] {
        match self.respelt {
            false => self.request.target.of_input(self.head()),
            true => self.octets.filled().get(self.head..).unwrap_or_default(),
        }
    }

    /// The path as it came, without the query.
    pub fn path(&self) -> &[u8] {
        self.request.path.of_input(self.head())
    }

    /// Host as it came, with a port if there is one.
    pub fn host(&self) -> &[u8] {
        self.request.host.of_input(self.head())
    }

    /// The client's version.
    pub fn version(&self) -> Version {
        self.request.version
    }

    /// The client wants to keep the connection.
    pub fn is_persistent(&self) -> bool {
        self.request.persistent
    }

    /// It has a body.
    pub fn has_body(&self) -> bool {
        self.request.body != Body::None
    }

    /// How its body is delimited.
    pub fn framing(&self) -> Framing {
        match self.request.body {
            Body::None => Framing::NONE,
            Body::Length(length) => Framing::Length(length),
            Body::Chunked => Framing::chunked(),
        }
    }

    /// The same, for a reader that wants only the body's data: it gets chunks without their framing.
    pub fn framing_of_data(&self) -> Framing {
        match self.request.body {
            Body::Chunked => Framing::unchunked(),
            _ => self.framing(),
        }
    }

    /// It waits for 100 (Continue).
    pub fn expects_continue(&self) -> bool {
        self.request.expects_continue
    }

    /// HEAD: the answer has no body.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// GET or HEAD, without a body.
    pub fn only_reads(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD") && !self.has_body()
    }

    /// The request can be sent twice with the same effect (RFC 9110 §9.2.2).
    pub fn is_idempotent(&self) -> bool {
        [b"GET".as_slice(), b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"].contains(&self.method())
    }

    /// The request brings a login that holds for the whole connection.
    pub fn binds_connection(&self) -> bool {
        self.request.authorization == Authorization::Connection
    }

    /// What becomes of the connection to the target.
    pub fn connection(&self) -> Connection {
        if self.request.websocket {
            Connection::WebSocket
        } else if self.request.may_stay_unread(self.head()) {
            Connection::Ends
        } else {
            Connection::GoesOn
        }
    }

    /// A browser sends this request because a page of another site refers to it, for example as a picture in a mail
    /// (contract section 6).
    pub fn is_cross_site(&self) -> bool {
        let head = self.head();
        self.method() == b"GET"
            && !self.has_body()
            && self.request.authorization == Authorization::None
            && self.request.fields.iter().any(|field| {
                field.name.of_input(head).eq_ignore_ascii_case(b"sec-fetch-site")
                    && field.value.of_input(head).eq_ignore_ascii_case(b"cross-site")
            })
    }

    /// The outgoing request, without its head.
    pub fn outgoing(&self, edits: &Edits<'_>) -> Outgoing<'static> {
        Outgoing {
            head: Buffer::default(),
            framing: self.framing().without(edits.protected),
            is_head: self.is_head(),
            websocket: self.request.websocket,
            expects_continue: self.request.expects_continue,
            version: self.request.version,
            persistent: self.request.persistent,
            answer: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::http::Inspector;

    /// The request that the inspector reads in `text`, the length of its head, and the buffer.
    fn read(text: &str) -> (Request, usize, Buffer) {
        let mut buffer = Buffer::default();
        buffer.extend(text.as_bytes());
        let Inspect::Found { ask, len } = Inspector::default().inspect(buffer.filled()) else {
            panic!("{text}")
        };
        (ask, len, buffer)
    }

    #[test]
    fn it_owns_what_was_asked_and_leaves_the_rest() {
        let (request, len, mut buffer) =
            read("POST /a?b HTTP/1.1\r\nHost: H:8\r\nContent-Length: 4\r\n\r\nbodyGET");
        let post = Asked::take(&mut buffer, &request, len);
        assert_eq!(
            [post.method(), post.target(), post.path(), post.host()],
            [b"POST".as_slice(), b"/a?b", b"/a", b"H:8"]
        );
        assert_eq!(buffer.filled(), b"bodyGET");
        let (request, len, mut buffer) = read("GET http://h HTTP/1.0\r\n\r\n");
        let get = Asked::take(&mut buffer, &request, len);
        assert_eq!([get.target(), get.path(), get.host()], [b"/".as_slice(), b"", b"h"]);
        assert!(buffer.is_empty() && get.head().ends_with(b"1.0\r\n\r\n"));
    }

    #[test]
    fn item_19_a_target_is_asked_for_in_ascii() {
        for (target, ascii) in [("/\u{e4}%2F?q=\u{20ac}", "/%C3%A4%2F?q=%E2%82%AC"), ("/a", "/a")] {
            let (request, len, mut buffer) = read(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\nGET"));
            let asked = Asked::take(&mut buffer, &request, len);
            assert_eq!(asked.target(), ascii.as_bytes());
            let path = target.split('?').next().unwrap();
            assert_eq!([asked.path(), asked.host()], [path.as_bytes(), b"h"]);
        }
    }
}

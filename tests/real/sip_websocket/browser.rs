//! A browser: tungstenite's client over a connection of the tests, with the messages of JsSIP.

use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, HandshakeError, WebSocket, client};

use crate::harness::{Message, Portward, Wire};

/// The Via of the browser's requests.
pub(super) const VIA: &str = "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks";

/// Its Contact.
pub(super) const CONTACT: &str =
    "<sip:k3j4@df7jal23ls0d.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";expires=600";

/// An open WebSocket.
pub(super) struct Browser(pub(super) WebSocket<Wire>);

/// Opens a WebSocket to `web.example.net/sip` with this Origin and this subprotocol.
pub(super) fn open(
    wire: Wire,
    origin: Option<&str>,
    subprotocol: &str,
) -> Result<(Browser, Response), Error> {
    let uri = "ws://web.example.net/sip".parse().unwrap();
    let mut request = ClientRequestBuilder::new(uri).with_sub_protocol(subprotocol);
    if let Some(origin) = origin {
        request = request.with_header("Origin", origin);
    }
    match client(request, wire) {
        Ok((socket, response)) => Ok((Browser(socket), response)),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => panic!("a blocking socket blocks"),
    }
}

impl Browser {
    /// Opens one by `wss`, from a page of the host itself.
    pub(super) fn wss(portward: &Portward) -> Self {
        open(portward.tls("web.example.net"), Some("https://web.example.net"), "sip").unwrap().0
    }

    /// Opens one by `ws`.
    pub(super) fn ws(portward: &Portward) -> Self {
        open(portward.plain(), Some("http://web.example.net"), "sip").unwrap().0
    }

    /// Sends a message as a text.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.0.send(Frame::text(text.into())).unwrap();
    }

    /// The next WebSocket message.
    pub(super) fn text(&mut self) -> String {
        match self.frame() {
            Ok(frame) => frame.into_text().unwrap().to_string(),
            Err(error) => panic!("{error}"),
        }
    }

    /// The next frame that is neither a ping nor a pong.
    pub(super) fn frame(&mut self) -> Result<Frame, Error> {
        loop {
            let frame = self.0.read()?;
            if !frame.is_ping() && !frame.is_pong() {
                return Ok(frame);
            }
        }
    }

    /// The next SIP message.
    pub(super) fn message(&mut self) -> Message {
        read(&self.text())
    }

    /// The close code of the WebSocket.
    pub(super) fn closed(&mut self) -> u16 {
        match self.frame() {
            Ok(Frame::Close(Some(CloseFrame { code, .. }))) => code.into(),
            other => panic!("{other:?}"),
        }
    }

    /// Registers `user@pbx.example.net` and takes the answer.
    pub(super) fn register(&mut self, user: &str) -> Message {
        self.say(request("REGISTER", user, &format!("Contact: {CONTACT}\r\n")));
        let answer = self.message();
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer
    }
}

/// A SIP message as the tests look at it.
pub(crate) fn read(text: &str) -> Message {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.trim().to_owned(), value.trim().to_owned())
    });
    Message { start, headers: headers.collect(), body: body.as_bytes().to_vec(), trailers: Vec::new() }
}

/// A request as JsSIP writes it: without Content-Length, with a Route of the WebSocket's host.
pub(super) fn request(method: &str, user: &str, more: &str) -> String {
    format!(
        "{method} sip:pbx.example.net SIP/2.0\r\nVia: {VIA}\r\nMax-Forwards: 70\r\n\
         To: <sip:{user}@pbx.example.net>\r\nFrom: <sip:{user}@pbx.example.net>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n\
         Route: <sip:web.example.net;transport=ws;lr>\r\n{more}\r\n"
    )
}

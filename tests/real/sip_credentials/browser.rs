//! A browser that sends a credential with the handshake of its WebSocket.

use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, WebSocket, client};

use super::{Credential, Request, base64};
use crate::harness::{Message, Wire};
use crate::sip_websocket::browser::read;

/// An open WebSocket.
pub struct Browser(WebSocket<Wire>);

/// The ways to send a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Query,
    Basic,
    Nothing,
}

impl Browser {
    /// Opens one to `web.example/sip`, from a page of the host itself.
    pub fn open(wire: Wire, scheme: &str, by: By, credential: &Credential) -> Self {
        let Credential { username, password } = credential;
        let escaped = |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('&', "%26");
        let query = match by {
            By::Query => format!("?x=y&username={}&password={}", escaped(username), escaped(password)),
            _ => String::new(),
        };
        let uri = format!("ws://web.example/sip{query}").parse().unwrap();
        let mut request = ClientRequestBuilder::new(uri)
            .with_sub_protocol("sip")
            .with_header("Origin", format!("{scheme}://web.example"));
        if by == By::Basic {
            let both = base64(format!("{username}:{password}").as_bytes());
            request = request.with_header("Authorization", format!("Basic {both}"));
        }
        Self(client(request, wire).map_err(|_| "no handshake").unwrap().0)
    }

    pub fn ask(&mut self, request: &Request<'_>) -> Message {
        let text = request.text().replace("SIP/2.0/TCP 10.0.0.1", "SIP/2.0/WSS df7jal23ls0d.invalid");
        self.0.send(Frame::text(text)).unwrap();
        self.message()
    }

    /// The next SIP message.
    pub fn message(&mut self) -> Message {
        loop {
            let frame = self.0.read().unwrap();
            if !frame.is_ping() && !frame.is_pong() {
                return read(&frame.into_text().unwrap());
            }
        }
    }

    /// The close code of the WebSocket.
    pub fn closed(&mut self) -> u16 {
        match self.0.read() {
            Ok(Frame::Close(Some(CloseFrame { code, .. }))) => code.into(),
            other => panic!("{other:?}"),
        }
    }
}

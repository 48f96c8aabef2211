//! WebSocket client and echo server.

use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, WebSocket, accept, client};

use super::{Conn, Identity, Target, Wire};

/// Echoes every message, and answers a close. A request for something else gets `not a websocket`.
pub struct WebSocketEcho;

impl WebSocketEcho {
    /// An echo server on a plain port.
    pub fn plain() -> Target {
        Target::scripted(echo)
    }

    /// An echo server on a TLS port.
    pub fn tls(identity: &Identity) -> Target {
        Target::scripted_tls(identity, echo)
    }
}

fn echo(conn: &mut Conn) {
    let Ok(mut socket) = accept(&mut **conn) else { return };
    loop {
        match socket.read() {
            Ok(message) if message.is_text() || message.is_binary() => {
                if socket.send(message).is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Opens a WebSocket to `ws://HOST/PATH` over a connection.
pub fn web_socket(wire: Wire, host: &str, path: &str) -> Result<(WebSocket<Wire>, Response), Box<Error>> {
    client(format!("ws://{host}{path}"), wire).map_err(|error| match error {
        tokio_tungstenite::tungstenite::HandshakeError::Failure(error) => Box::new(error),
        tokio_tungstenite::tungstenite::HandshakeError::Interrupted(_) => panic!("a blocking socket blocks"),
    })
}

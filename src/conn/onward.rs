//! A PBX that is reached by WebSocket: the handshake as a client (RFC 6455 section 4.1, contract section 9). No Origin
//! is sent, because no web page asks. A PBX that checks the Origin would take Portward for a page.

use std::time::Duration;

use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::cause::Cause;
use crate::inspect::Inspect;
use crate::inspect::http::{HEAD_LIMIT, Response, ResponseInspector};
use crate::io::{Leg, Stream};
use crate::relay::sip::SipMessages;
use crate::route::websocket::SUBPROTOCOL;
use std::future::poll_fn;

/// Makes a WebSocket of a connection to a PBX.
///
/// # Errors
/// Why the WebSocket was not opened.
pub(super) async fn open(leg: &mut Leg, host: &str, path: &str, patience: Duration) -> Result<(), Cause> {
    tokio::time::timeout(patience, handshake(leg, host, path)).await.unwrap_or(Err(Cause::NoAnswer))?;
    let below = std::mem::replace(&mut leg.stream, Stream::Closed);
    let read = std::mem::take(&mut leg.buffer);
    leg.stream = below.into_websocket_of_server(read, &SipMessages, mask);
    Ok(())
}

async fn handshake(leg: &mut Leg, host: &str, path: &str) -> Result<(), Cause> {
    let key = generate_key();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    );
    leg.write_all(request.as_bytes()).await.map_err(|_| Cause::Closed)?;
    let mut inspector = ResponseInspector::default();
    loop {
        match inspector.inspect(leg.buffer.filled()) {
            Inspect::Found { ask, len } => {
                let head = leg.buffer.filled().get(..len).unwrap_or_default();
                let is_open = agrees(head, &ask, &derive_accept_key(key.as_bytes()));
                leg.buffer.consume(len);
                return if is_open { Ok(()) } else { Err(Cause::BadAnswer) };
            }
            Inspect::Reject(_) => return Err(Cause::BadAnswer),
            Inspect::NeedMore => {}
        }
        match poll_fn(|cx| leg.poll_fill(cx, HEAD_LIMIT)).await {
            Ok(0) | Err(_) => return Err(Cause::Closed),
            Ok(_) => {}
        }
    }
}

/// Whether an answer opens the requested WebSocket (RFC 6455 section 4.1).
fn agrees(head: &[u8], response: &Response, accept: &str) -> bool {
    let says = |name: &str, value: &str| {
        let mut fields = response
            .fields
            .iter()
            .filter(|field| field.name.of_input(head).eq_ignore_ascii_case(name.as_bytes()));
        let first = fields.next().map(|field| field.value.of_input(head));
        first == Some(value.as_bytes()) && fields.next().is_none()
    };
    response.websocket && says("sec-websocket-accept", accept) && says("sec-websocket-protocol", SUBPROTOCOL)
}

/// An unpredictable mask (RFC 6455 section 5.3).
fn mask() -> [u8; 4] {
    let mut mask = [0; 4];
    // Without random numbers TLS would not work either.
    let _ = crate::tls::provider().secure_random.fill(&mut mask);
    mask
}

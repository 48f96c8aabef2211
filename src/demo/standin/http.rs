//! A web server. It identifies itself, repeats what was asked for, and echoes WebSocket messages.

use std::io;

use futures_util::SinkExt as _;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::counter::Counter;
use crate::demo::visitor::receive;
use crate::inspect::Inspect;
use crate::inspect::http::{HEAD_LIMIT, Inspector, Request};
use crate::io::{Leg, Stream};

/// Serves one connection, request after request.
pub(super) async fn visit(mut leg: Leg, says: &str, requests: &Counter) -> io::Result<()> {
    loop {
        let mut inspector = Inspector::default();
        let (request, len) = loop {
            match inspector.inspect(leg.buffer.filled()) {
                Inspect::Found { ask, len } => break (ask, len),
                Inspect::Reject(_) => return Ok(()),
                Inspect::NeedMore => {}
            }
            if std::future::poll_fn(|cx| leg.poll_fill(cx, HEAD_LIMIT)).await? == 0 {
                return Ok(());
            }
        };
        requests.count();
        let head = leg.buffer.filled();
        if request.websocket {
            let answer = switching(&request, head);
            leg.write_all(answer.as_bytes()).await?;
            return echo(leg.stream).await;
        }
        let line = |span: crate::inspect::Span| String::from_utf8_lossy(span.of_input(head)).into_owned();
        let is_told = |name: &str| name.ends_with("tenant") || name.ends_with("tenant-id");
        let fields = request.fields.iter().map(|field| (line(field.name), line(field.value)));
        let told: String = fields
            .filter(|(name, _)| is_told(&name.to_ascii_lowercase()))
            .map(|(name, value)| format!(" with {name}: {value}"))
            .collect();
        let (method, target) = (line(request.method), line(request.target));
        let body = format!("This is the {says}. You asked for {method} {target}{told}\n");
        leg.buffer.consume(len);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        leg.write_all(answer.as_bytes()).await?;
    }
}

/// The answer to a WebSocket handshake (RFC 6455 §4.2.2).
fn switching(request: &Request, head: &[u8]) -> String {
    let key = request
        .fields
        .iter()
        .find(|field| field.name.of_input(head).eq_ignore_ascii_case(b"sec-websocket-key"))
        .map_or(b"".as_slice(), |field| field.value.of_input(head));
    let accept = derive_accept_key(key);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

async fn echo(stream: Stream) -> io::Result<()> {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(message) = receive(&mut socket).await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}

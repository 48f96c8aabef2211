//! A visitor from outside: a small HTTP client that sends exactly the given bytes, and a WebSocket client.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::inspect::Inspect;
use crate::inspect::http::{Framing, ResponseBody, ResponseInspector, TARGET_HEAD_LIMIT};
use crate::io::{BUFFER, Leg, Stream, Tls};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer to a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A response: its status, and its body if it is text.
    Response(u16, String),
    /// The connection was closed without a byte.
    Closed,
}

/// A connection to Portward.
pub(super) struct Visitor {
    /// The connection's stream and buffer.
    pub(super) leg: Leg,
}

impl Visitor {
    /// Connects. If a configuration is given, it uses TLS for `name`.
    pub(super) async fn connect(
        to: SocketAddr,
        tls: Option<&Arc<ClientConfig>>,
        name: &str,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(to).await?;
        let plain = Self { leg: Leg::new(Stream::Plain(tcp)) };
        match tls {
            None => Ok(plain),
            Some(config) => plain.start_tls(config, name).await,
        }
    }

    /// Speaks TLS for `name` from here on.
    pub(super) async fn start_tls(self, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let Stream::Plain(tcp) = self.leg.stream else { return Ok(self) };
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let tls = Tls::connect(tcp.into(), config.clone(), name).await?;
        Ok(Self { leg: Leg::new(Stream::Tls(Box::new(tls))) })
    }

    /// Sends these bytes and reads one answer.
    pub(super) async fn ask(&mut self, request: &str) -> io::Result<Answer> {
        let exchange = async {
            // A refusal may come while the visitor is still writing.
            let _ = self.leg.write_all(request.as_bytes()).await;
            self.answer().await
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let mut inspector = ResponseInspector::default();
        let response = loop {
            match inspector.inspect(self.leg.buffer.filled()) {
                Inspect::Found { ask, len } => {
                    self.leg.buffer.consume(len);
                    break ask;
                }
                Inspect::Reject(reason) => return Err(io::Error::other(reason.name())),
                Inspect::NeedMore => {}
            }
            match poll_fn(|cx| self.leg.poll_fill(cx, TARGET_HEAD_LIMIT)).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Ok(Answer::Closed),
            }
        };
        let mut framing = match response.body {
            ResponseBody::None => Framing::NONE,
            ResponseBody::Length(length) => Framing::Length(length),
            ResponseBody::Chunked => Framing::unchunked(),
            ResponseBody::Close => Framing::Close,
        };
        let mut body = Vec::new();
        while !framing.is_done() {
            let progress =
                framing.filter(self.leg.buffer.filled_mut()).map_err(|r| io::Error::other(r.name()))?;
            body.extend_from_slice(self.leg.buffer.filled().get(..progress.kept).unwrap_or_default());
            self.leg.buffer.consume(progress.taken);
            if !framing.is_done() && poll_fn(|cx| self.leg.poll_fill(cx, BUFFER)).await? == 0 {
                break;
            }
        }
        Ok(Answer::Response(response.status, String::from_utf8_lossy(&body).trim_end().to_owned()))
    }

    /// Sends these octets and returns the first octets of the answer. The result is empty if the connection is closed.
    pub(super) async fn send(&mut self, octets: &[u8]) -> io::Result<Vec<u8>> {
        let exchange = async {
            let _ = self.leg.write_all(octets).await;
            match poll_fn(|cx| self.leg.poll_fill(cx, BUFFER)).await {
                Ok(1..) => Ok(self.leg.buffer.filled().to_vec()),
                Ok(0) | Err(_) => Ok(Vec::new()),
            }
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Opens a WebSocket at `url`, sends `text`, and returns the answer.
    pub(super) async fn echo(self, url: &str, text: &str) -> Result<String, Error> {
        let exchange = async {
            let (mut socket, _) = client_async(url, self.leg.stream).await?;
            socket.send(Message::text(text)).await?;
            let answer = receive(&mut socket).await.ok_or(Error::ConnectionClosed)?;
            Ok(answer.into_text()?.to_string())
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or(Err(Error::ConnectionClosed))
    }

    /// Opens a WebSocket with SIP at `url`, as a script of a page of `origin` does.
    pub(super) async fn open(self, url: &str, origin: &str) -> io::Result<Dialogue> {
        let url = url.parse().map_err(io::Error::other)?;
        let request = ClientRequestBuilder::new(url).with_header("Origin", origin).with_sub_protocol("sip");
        let opened = tokio::time::timeout(PATIENCE, client_async(request, self.leg.stream)).await;
        let (socket, _) = opened?.map_err(io::Error::other)?;
        Ok(Dialogue(socket))
    }
}

/// A WebSocket with SIP.
pub(super) struct Dialogue(WebSocketStream<Stream>);

impl Dialogue {
    /// Sends a message.
    pub(super) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.send(Message::text(text)).await.map_err(io::Error::other)
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> io::Result<String> {
        let message = tokio::time::timeout(PATIENCE, receive(&mut self.0)).await?;
        let message = message.ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok(message.into_text().map_err(io::Error::other)?.to_string())
    }
}

/// The next message with content.
pub(super) async fn receive(socket: &mut WebSocketStream<Stream>) -> Option<Message> {
    loop {
        match socket.next().await? {
            Ok(message) if message.is_text() || message.is_binary() => return Some(message),
            Ok(message) if message.is_close() => return None,
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

//! A TCP connection with or without TLS on it, and maybe a WebSocket on that. An enum, not a trait object: the compiler sees
//! through it.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::{Buffer, Messages, Socket, WebSocket};
use crate::service::Transport;

/// How long a tunnel is silent before the kernel asks. Routers forget an idle TCP connection after minutes at the
/// soonest (RFC 5382 allows no less than two hours, many allow less).
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The same for a WebSocket that ends here, of which nothing may be read while its target takes nothing: with four questions,
/// of which each waits for 15 s, the kernel knows after 80 s that a browser is gone (contract section 9).
const WEBSOCKET_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long a tunnel's target may leave what it was sent without an acknowledgement (TCP_USER_TIMEOUT, tcp(7)).
const TUNNEL_UNANSWERED: Duration = Duration::from_secs(120);

/// The same for a target of HTTP requests. The request may be repeated elsewhere, so this is short.
const REQUEST_UNANSWERED: Duration = Duration::from_secs(20);
/// The same for a target that has closed its window, which the kernel counts as well: it is alive as long as it answers
/// the kernel's probes, and may be busy for minutes with what it has.
const UPLOAD_UNANSWERED: Duration = Duration::from_secs(300);
/// How long a target of HTTP requests is silent before the kernel asks: while it is busy with a request, and while the
/// connection waits for the next one.
const REQUEST_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One leg's byte stream.
#[derive(Debug)]
pub enum Stream {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS, boxed: its state is many times the size of the other.
    Tls(Box<TlsStream<Socket>>),
    /// A WebSocket over one of these.
    WebSocket(Box<WebSocket>),
    /// None any more: it was taken for a TLS handshake, and that has failed.
    Closed,
    /// No connection at all: the other end is a test.
    #[cfg(test)]
    Memory(super::memory::Memory),
}

/// What can be seen of a peer without reading from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Nothing says that it has ended.
    There,
    /// It has ended its side (FIN). Octets that it sent before may not have been read, and it may still listen.
    Ended,
    /// The connection is broken (RST, or the kernel has given up on it).
    Gone,
}

impl Stream {
    /// Whether TLS is spoken.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Plain(_) | Self::Closed => Transport::Plain,
            Self::Tls(_) => Transport::Tls,
            Self::WebSocket(socket) => socket.below().transport(),
            #[cfg(test)]
            Self::Memory(_) => Transport::Plain,
        }
    }

    /// The same stream with a WebSocket on it, whose handshake a client has just made. `read`: what was read behind that.
    pub fn into_websocket(self, read: Buffer, messages: &'static dyn Messages) -> Self {
        Self::WebSocket(Box::new(WebSocket::with_client(self, read, messages)))
    }

    /// The same where we are the client. `masks` makes a mask for each frame.
    pub fn into_websocket_of_server(
        self,
        read: Buffer,
        messages: &'static dyn Messages,
        masks: fn() -> [u8; 4],
    ) -> Self {
        Self::WebSocket(Box::new(WebSocket::with_server(self, read, messages, masks)))
    }

    /// Whether it is a WebSocket.
    pub fn is_websocket(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// With which code a WebSocket is to be closed (RFC 6455 section 7.4.1), if it is one and is not closed yet.
    pub fn close_with(&mut self, code: u16) {
        if let Self::WebSocket(socket) = self {
            socket.close_with(code);
        }
    }

    /// How long a message of a WebSocket may take from its first octet to its last one. `None`: as long as it likes.
    pub fn expect_within(&mut self, patience: Option<Duration>) {
        if let Self::WebSocket(socket) = self {
            socket.expect_within(patience);
        }
    }

    /// Whether a WebSocket holds a part of a message. It can be read when it is whole.
    pub fn holds_part(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if socket.holds_part())
    }

    /// Lets the kernel find out that a silent peer is gone, or keep a router's address translation alive. For tunnels,
    /// which may be silent for hours.
    pub fn keep_alive(&self) {
        let time = if self.is_websocket() { WEBSOCKET_KEEP_ALIVE } else { KEEP_ALIVE };
        let often = TcpKeepalive::new().with_time(time).with_interval(KEEP_ALIVE / 4).with_retries(4);
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_keepalive(&often);
        }
    }

    /// Whether the peer has ended its side or is gone, without reading what it has sent. The kernel tells that at once, even
    /// if nothing is read for long; it does not wake anybody who is not reading.
    pub fn peer(&self) -> Peer {
        #[cfg(test)]
        if let Self::Memory(memory) = self {
            return memory.peer();
        }
        let Some(tcp) = self.tcp() else { return Peer::Gone };
        // A socket is readable as long as there is something to read, so that alone says nothing. Only the flags matter.
        let ready = pin!(tcp.ready(Interest::READABLE | Interest::ERROR));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) if ready.is_error() => Peer::Gone,
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => Peer::Ended,
            Poll::Ready(Ok(_)) | Poll::Pending => Peer::There,
            Poll::Ready(Err(_)) => Peer::Gone,
        }
    }

    /// [`Self::keep_alive`] for a tunnel's target, which may not leave what it is sent unacknowledged for long either.
    pub fn watch_tunnel(&self) {
        self.keep_alive();
        self.unanswered(TUNNEL_UNANSWERED);
    }

    /// Lets the kernel find out soon that a target of HTTP requests is gone. Set once a connection.
    pub fn watch_requests(&self) {
        let often = TcpKeepalive::new().with_time(REQUEST_KEEP_ALIVE).with_interval(REQUEST_KEEP_ALIVE / 3);
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_keepalive(&often);
        }
        self.unanswered(REQUEST_UNANSWERED);
    }

    /// Gives a target of HTTP requests more time, because it takes no more at present, or takes that back.
    pub fn watch_upload(&self, slow: bool) {
        self.unanswered(if slow { UPLOAD_UNANSWERED } else { REQUEST_UNANSWERED });
    }

    /// How long the peer may leave without an acknowledgement what it was sent.
    fn unanswered(&self, patience: Duration) {
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(patience));
        }
    }

    /// The certificates that a TLS peer has shown, its own first, on this connection or on the one that it resumes. Empty
    /// if it has shown none; `None` without TLS.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Self::Plain(_) | Self::Closed => None,
            #[cfg(test)]
            Self::Memory(_) => None,
            Self::WebSocket(socket) => socket.below().peer_certificates(),
            Self::Tls(tls) => Some(tls.get_ref().1.peer_certificates().unwrap_or_default()),
        }
    }

    /// The error that has ended TLS toward a target, if one has; `None`: there is no TLS, or it has not failed.
    pub fn tls_error(&mut self) -> Option<rustls::Error> {
        match self {
            // rustls keeps the error with which a connection has ended, and says it again.
            Self::Tls(tls) => match tls.as_mut() {
                TlsStream::Client(tls) => tls.get_mut().1.process_new_packets().err(),
                TlsStream::Server(_) => None,
            },
            Self::WebSocket(socket) => socket.below_mut().tls_error(),
            _ => None,
        }
    }

    /// The TCP connection below; there is none in a test's memory alone.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.get_ref().0.tcp()),
            Self::WebSocket(socket) => socket.below().tcp(),
            Self::Closed => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
            Self::WebSocket(socket) => Pin::new(socket.as_mut()).poll_read(cx, buf),
            Self::Closed => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Memory(memory) => Pin::new(memory).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
            Self::WebSocket(socket) => Pin::new(socket.as_mut()).poll_write(cx, buf),
            Self::Closed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            #[cfg(test)]
            Self::Memory(memory) => Pin::new(memory).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Self::WebSocket(socket) => Pin::new(socket.as_mut()).poll_flush(cx),
            Self::Closed => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Memory(memory) => Pin::new(memory).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Self::WebSocket(socket) => Pin::new(socket.as_mut()).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
            #[cfg(test)]
            Self::Memory(memory) => Pin::new(memory).poll_shutdown(cx),
        }
    }
}

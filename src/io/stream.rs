//! A TCP connection with or without TLS, and an optional WebSocket on top. It is an enum and not a trait object, so
//! that the compiler can inline calls.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::{Buffer, Messages, Socket, Tls, WebSocket};
use crate::service::Transport;

/// How long a tunnel may be silent before the kernel sends a keep-alive probe. Routers forget an idle TCP connection
/// after some minutes at the soonest (RFC 5382 demands at least two hours, but many routers wait less).
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// The same for a WebSocket that Portward itself ends. Nothing may be read from it while its target takes nothing. With
/// four probes of 15 s each, the kernel knows after 80 s that a browser is gone (contract section 9).
const WEBSOCKET_KEEP_ALIVE: Duration = Duration::from_secs(20);

/// How long a tunnel's target may leave sent octets unacknowledged (TCP_USER_TIMEOUT, tcp(7)).
const TUNNEL_UNANSWERED: Duration = Duration::from_secs(120);

/// The same for a target of HTTP requests. This is short, because the request may be repeated elsewhere.
const REQUEST_UNANSWERED: Duration = Duration::from_secs(20);
/// The same for a target that has closed its window, which the kernel counts as well. Such a target is alive as long as
/// it answers the kernel's probes, and may be busy for minutes.
const UPLOAD_UNANSWERED: Duration = Duration::from_secs(300);
/// How long a target of HTTP requests may be silent before the kernel sends a keep-alive probe. This holds while it
/// works on a request and while the connection waits for the next one.
const REQUEST_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The byte stream of one leg.
#[derive(Debug)]
pub enum Stream {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS. It is boxed, because its state is much larger than that of the other variants.
    Tls(Box<Tls<Socket>>),
    /// A WebSocket over TCP or TLS.
    WebSocket(Box<WebSocket>),
    /// No stream: it was taken for a TLS handshake that has failed.
    Closed,
    /// No connection: the other end is a test.
    #[cfg(test)]
    Memory(super::memory::Memory),
}

/// The state of a peer, as far as it is visible without reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// There is no sign that it has ended.
    There,
    /// It has ended its side (FIN). Earlier octets may still be unread, and it may still read.
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

    /// The same stream with a WebSocket on it, after a client's handshake. `read`: octets that were read after the
    /// handshake.
    pub fn into_websocket(self, read: Buffer, messages: &'static dyn Messages) -> Self {
        Self::WebSocket(Box::new(WebSocket::with_client(self, read, messages)))
    }

    /// The same with Portward as the client. `masks` makes a mask for each frame.
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

    /// Sets the code with which a WebSocket is to be closed (RFC 6455 section 7.4.1), if it is a WebSocket and not
    /// closed yet.
    pub fn close_with(&mut self, code: u16) {
        if let Self::WebSocket(socket) = self {
            socket.close_with(code);
        }
    }

    /// Sets how long a message of a WebSocket may take from its first octet to its last. `None`: any time.
    pub fn expect_within(&mut self, patience: Option<Duration>) {
        if let Self::WebSocket(socket) = self {
            socket.expect_within(patience);
        }
    }

    /// Whether a WebSocket holds a part of a message. A message can be read only when it is complete.
    pub fn holds_part(&self) -> bool {
        matches!(self, Self::WebSocket(socket) if socket.holds_part())
    }

    /// Turns on the kernel's keep-alive, which finds silent peers that are gone, or keeps a router's address
    /// translation alive. It is for tunnels, which may be silent for hours.
    pub fn keep_alive(&self) {
        let time = if self.is_websocket() { WEBSOCKET_KEEP_ALIVE } else { KEEP_ALIVE };
        let often = TcpKeepalive::new().with_time(time).with_interval(KEEP_ALIVE / 4).with_retries(4);
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_keepalive(&often);
        }
    }

    /// Whether the peer has ended its side or is gone, without reading its octets. The kernel reports that at once,
    /// even if nothing is read for long. But it does not wake a task that is not reading.
    pub fn peer(&self) -> Peer {
        #[cfg(test)]
        if let Self::Memory(memory) = self {
            return memory.peer();
        }
        let Some(tcp) = self.tcp() else { return Peer::Gone };
        // A socket stays readable as long as there are octets to read. So readiness alone proves nothing, and only the
        // flags matter.
        let ready = pin!(tcp.ready(Interest::READABLE | Interest::ERROR));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) if ready.is_error() => Peer::Gone,
            Poll::Ready(Ok(ready)) if ready.is_read_closed() => Peer::Ended,
            Poll::Ready(Ok(_)) | Poll::Pending => Peer::There,
            Poll::Ready(Err(_)) => Peer::Gone,
        }
    }

    /// Ready unless it is known that a read would find nothing. In that case the task is woken when this changes.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx).map(drop),
            _ => Poll::Ready(()),
        }
    }

    /// Whether there is something to read, or the end of the peer's side: the kernel has reported it, and it was not
    /// read yet. This makes no system call, so it is what the kernel had
    /// reported before the task's turn.
    pub fn is_readable(&self) -> bool {
        #[cfg(test)]
        if let Self::Memory(memory) = self {
            return memory.is_readable();
        }
        let mut cx = Context::from_waker(Waker::noop());
        self.tcp().is_some_and(|tcp| tcp.poll_read_ready(&mut cx).is_ready())
    }

    /// [`Self::keep_alive`] for a tunnel's target, which also may not leave octets unacknowledged for long.
    pub fn watch_tunnel(&self) {
        self.keep_alive();
        self.unanswered(TUNNEL_UNANSWERED);
    }

    /// Lets the kernel notice soon that a target of HTTP requests is gone. It is set once a connection.
    pub fn watch_requests(&self) {
        let often = TcpKeepalive::new().with_time(REQUEST_KEEP_ALIVE).with_interval(REQUEST_KEEP_ALIVE / 3);
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_keepalive(&often);
        }
        self.unanswered(REQUEST_UNANSWERED);
    }

    /// Gives a target of HTTP requests more time, because it does not take more octets at present. `slow` = `false`
    /// undoes that.
    pub fn watch_upload(&self, slow: bool) {
        self.unanswered(if slow { UPLOAD_UNANSWERED } else { REQUEST_UNANSWERED });
    }

    /// Sets how long the peer may leave sent octets unacknowledged.
    fn unanswered(&self, patience: Duration) {
        if let Some(tcp) = self.tcp() {
            let _ = SockRef::from(tcp).set_tcp_user_timeout(Some(patience));
        }
    }

    /// The certificates that a TLS peer has shown, its own first, on this connection or on the connection that it
    /// resumes. Empty: it has shown none. `None`: there is no TLS.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Self::Plain(_) | Self::Closed => None,
            #[cfg(test)]
            Self::Memory(_) => None,
            Self::WebSocket(socket) => socket.below().peer_certificates(),
            Self::Tls(tls) => Some(tls.session().peer_certificates().unwrap_or_default()),
        }
    }

    /// The error that has ended TLS. `None`: there is no TLS, or it has not failed.
    pub fn tls_error(&self) -> Option<rustls::Error> {
        match self {
            Self::Tls(tls) => tls.error().cloned(),
            Self::WebSocket(socket) => socket.below().tls_error(),
            _ => None,
        }
    }

    /// The TCP connection below. `None`: the stream is only in a test's memory.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.io().tcp()),
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

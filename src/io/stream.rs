//! A TCP connection with or without TLS on it. An enum, not a trait object: the compiler sees through it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::Socket;
use crate::service::Transport;

/// How long a tunnel is silent before the kernel asks. Routers forget an idle TCP connection after minutes at the
/// soonest (RFC 5382 allows no less than two hours, many allow less).
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// One leg's byte stream.
#[derive(Debug)]
pub enum Stream {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS, boxed: its state is many times the size of the other.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Whether TLS is spoken.
    pub fn transport(&self) -> Transport {
        match self {
            Self::Plain(_) => Transport::Plain,
            Self::Tls(_) => Transport::Tls,
        }
    }

    /// Lets the kernel find out that a silent peer is gone, or keep a router's address translation alive. For tunnels,
    /// which may be silent for hours.
    pub fn keep_alive(&self) {
        let often = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE / 4).with_retries(4);
        let _ = SockRef::from(self.tcp()).set_tcp_keepalive(&often);
    }

    /// The certificates that a TLS peer has shown, its own first, on this connection or on the one that it resumes. Empty
    /// if it has shown none; `None` without TLS.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.get_ref().1.peer_certificates().unwrap_or_default()),
        }
    }

    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0.tcp(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

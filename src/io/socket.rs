//! A TCP connection below TLS, with a limit of bytes to read. A handshake has such a limit (contract section 1, step
//! 3), and rustls alone would buffer 64 KiB of a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The value of [`Socket::left`] that stands for no limit.
const UNLIMITED: u32 = u32::MAX;

/// A TCP connection, and how many bytes may still be read from it.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    left: u32,
}

impl Socket {
    /// A socket from which only `limit` bytes can be read, until [`Self::unlimited`] is called.
    pub fn limited(tcp: TcpStream, limit: u32) -> Self {
        Self { tcp, left: limit }
    }

    /// Lifts the limit.
    pub fn unlimited(&mut self) {
        self.left = UNLIMITED;
    }

    /// The TCP connection.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Reads no more than the rest of the limit. At the limit there is an error, because the peer has not ended.
    fn poll_read_limited(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the TLS handshake is too long")));
        }
        let room = buf.remaining().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buf.advance(count);
        self.left = self.left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        Poll::Ready(Ok(()))
    }
}

impl From<TcpStream> for Socket {
    /// A socket without a limit.
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, left: UNLIMITED }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == UNLIMITED {
            return Pin::new(&mut this.tcp).poll_read(cx, buf);
        }
        this.poll_read_limited(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn no_more_than_the_limit_is_read() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        peer.write_all(&[7; 100]).await.unwrap();
        let mut socket = Socket::limited(listener.accept().await.unwrap().0, 10);
        socket.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(socket.read(&mut [0; 50]).await.unwrap(), 6);
        assert!(socket.read(&mut [0; 50]).await.is_err());
        socket.unlimited();
        assert_eq!(socket.read(&mut [0; 200]).await.unwrap(), 90);
    }
}

//! One side of a relayed connection: its stream, and the bytes that were read from it and not forwarded yet.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;

use super::{BUFFER, BULK, Buffer, Stream};
use crate::service::Transport;

/// How long, and up to how many bytes, a closing connection is read, so that the last answer is not lost by a reset
/// (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1024 * 1024;

/// A stream and its buffer.
#[derive(Debug)]
pub struct Leg {
    /// The stream.
    pub stream: Stream,
    /// The bytes that were read and not forwarded yet.
    pub buffer: Buffer,
    /// Whether the peer has ended its side.
    pub ended: bool,
    /// Whether the peer has ended its side without TLS's close_notify. Its last bytes may then be missing (RFC 8446
    /// §6.1).
    pub cut_off: bool,
}

impl Leg {
    /// A leg of which nothing was read.
    pub fn new(stream: Stream) -> Self {
        Self { stream, buffer: Buffer::default(), ended: false, cut_off: false }
    }

    /// Reads once into the buffer, see [`Buffer::poll_fill`]. An end without close_notify also counts as an end,
    /// because the caller knows whether the message was complete. If only the end itself can tell, use
    /// [`Leg::cut_off`].
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        // Most reads find nothing. They need no memory.
        if self.buffer.is_empty() && self.stream.poll_readable(cx).is_pending() {
            self.buffer.release();
            return Poll::Pending;
        }
        let count = match ready!(self.buffer.poll_fill(cx, &mut self.stream, limit)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut_off = true;
                0
            }
            other => other?,
        };
        self.ended |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// How much to read at once for `to`. TLS divides data into records of 16 KiB anyway, so larger pieces would only
    /// leave the cache.
    pub fn read_size(&self, to: &Self) -> usize {
        match (&self.stream, &to.stream) {
            (Stream::Plain(_), Stream::Plain(_)) => BULK,
            _ => BUFFER,
        }
    }

    /// Writes some of `bytes`.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write(cx, bytes)) {
            Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => Poll::Ready(other),
        }
    }

    /// Flushes, so that everything written is sent.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends Portward's own side.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Writes all of `bytes` and flushes.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_counted(bytes, &mut 0).await
    }

    /// Writes all of `bytes` and flushes, within `patience`. The number of octets that the stream takes is added to
    /// `written`, also if some are left over.
    ///
    /// # Errors
    /// Those of the stream. [`io::ErrorKind::TimedOut`]: the peer takes too long.
    pub async fn send(&mut self, bytes: &[u8], patience: Duration, written: &mut u64) -> io::Result<()> {
        let said = tokio::time::timeout(patience, self.write_counted(bytes, written)).await;
        said.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes all of `bytes` and flushes. The number of octets that the stream takes is added to `written`, also if the
    /// future is dropped before the end.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn write_counted(&mut self, mut bytes: &[u8], written: &mut u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = poll_fn(|cx| self.poll_write(cx, bytes)).await?;
            *written += count as u64;
            bytes = bytes.get(count..).unwrap_or_default();
        }
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Closes the connection of a peer that has said that it sends no more. Nothing more is read from it. The kernel
    /// still delivers what was written before.
    ///
    /// The kernel answers unread octets with a reset, which can destroy the last answer. So this is [`Leg::close`] if
    /// the kernel has reported that there is something to read. A peer that sends octets even later contradicts itself.
    /// By TLS a peer that sends no more content may still send its close_notify (RFC 8446 section 6.1), so there it is
    /// [`Leg::close`], too, until that has come.
    pub async fn close_at_once(mut self) {
        let may_send = self.stream.transport() == Transport::Tls || self.stream.is_readable();
        if !self.ended && may_send {
            return self.close().await;
        }
        // A TCP connection ends when it is dropped. TLS has a last message of its own (close_notify).
        let is_told = matches!(self.stream, Stream::Plain(_))
            || poll_fn(|cx| Poll::Ready(self.poll_shutdown(cx).is_ready())).await;
        if !is_told {
            self.close().await;
        }
    }

    /// Closes in an orderly way: it ends Portward's side, and then reads and discards further bytes for a limited time.
    pub async fn close(mut self) {
        let linger = async {
            let _ = poll_fn(|cx| self.poll_shutdown(cx)).await;
            let mut left = LINGER_BYTES;
            while left > 0 && !self.ended {
                let held = self.buffer.len();
                self.buffer.consume(held);
                match poll_fn(|cx| self.poll_fill(cx, BUFFER)).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => left = left.saturating_sub(count),
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, linger).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::memory::{Far, leg};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PATIENCE: Duration = Duration::from_secs(5);

    /// Whether the connection is closed as soon as the task has had its turn.
    async fn is_closed_at_once(leg: Leg, far: &Far) -> bool {
        let closing = tokio::spawn(leg.close_at_once());
        tokio::task::yield_now().await;
        let is_closed = closing.is_finished();
        // What it waits for otherwise is the end of the peer's side.
        far.end();
        closing.await.unwrap();
        assert!(far.is_closed());
        is_closed
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_closed_at_once_unless_there_is_something_to_read() {
        let (quiet, far) = leg();
        assert!(is_closed_at_once(quiet, &far).await);
        let (unread, far) = leg();
        far.send("GET");
        assert!(!is_closed_at_once(unread, &far).await, "a reset would follow");
        assert_eq!(far.unread(), 0);
        let (mut ended, far) = leg();
        far.end();
        poll_fn(|cx| ended.poll_fill(cx, BUFFER)).await.unwrap();
        assert!(is_closed_at_once(ended, &far).await);
        // TLS has something to say at the end.
        let (mut behind, far) = leg();
        far.buffers();
        far.flushes(false);
        poll_fn(|cx| behind.poll_write(cx, b"answer")).await.unwrap();
        assert!(!is_closed_at_once(behind, &far).await, "close_notify waits behind the answer");
    }

    #[tokio::test]
    async fn unread_octets_cause_no_reset() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut peer = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut leg = Leg::new(Stream::Plain(listener.accept().await.unwrap().0));
        leg.write_all(b"answer").await.unwrap();
        peer.write_all(b"\r\n").await.unwrap();
        leg.stream.tcp().unwrap().readable().await.unwrap();
        let closing = tokio::spawn(leg.close_at_once());
        let mut heard = String::new();
        peer.read_to_string(&mut heard).await.unwrap();
        peer.write_all(b"more").await.unwrap();
        assert_eq!((heard.as_str(), closing.is_finished()), ("answer", false));
        drop(peer);
        closing.await.unwrap();
    }

    /// Writes ten octets to a peer that reads `room` of them, in pieces of three.
    async fn say_ten(room: usize, breaks: bool) -> (Option<io::ErrorKind>, u64, Vec<u8>) {
        let (mut leg, far) = leg();
        far.takes(room);
        far.pieces(3);
        let mut written = 100;
        let breaking = async {
            tokio::time::sleep(PATIENCE / 2).await;
            if breaks {
                far.reset();
            }
        };
        let (said, ()) = tokio::join!(leg.send(b"0123456789", PATIENCE, &mut written), breaking);
        (said.err().map(|error| error.kind()), written - 100, far.heard())
    }

    #[tokio::test(start_paused = true)]
    async fn item_1_octets_are_counted_that_the_stream_has_taken() {
        assert_eq!(say_ten(10, false).await, (None, 10, b"0123456789".to_vec()));
        let silent = Some(io::ErrorKind::TimedOut);
        assert_eq!(say_ten(7, false).await, (silent, 7, b"0123456".to_vec()));
        let broken = Some(io::ErrorKind::BrokenPipe);
        assert_eq!(say_ten(4, true).await, (broken, 4, b"0123".to_vec()));
        assert_eq!(say_ten(0, true).await, (broken, 0, Vec::new()));
    }
}

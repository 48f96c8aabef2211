//! A connection whose peer must read: a write that makes no progress for too long is an error.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::Stall;

/// How long the peer may go without reading a single octet.
const PATIENCE: Duration = Duration::from_secs(10);

/// The connection.
#[derive(Debug)]
pub(super) struct Patient<T> {
    stream: T,
    stall: Stall,
    written: u64,
}

impl<T> Patient<T> {
    pub(super) fn new(stream: T) -> Self {
        Self { stream, stall: Stall::default(), written: 0 }
    }

    /// The same outcome, or an error if it has been pending for too long.
    fn watch<O>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<O>>) -> Poll<io::Result<O>> {
        if outcome.is_pending() {
            ready!(self.stall.poll(cx, PATIENCE, self.written, true));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        outcome
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Patient<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Patient<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, octets);
        if let Poll::Ready(Ok(written)) = outcome {
            self.written += written as u64;
        }
        self.watch(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        if let Poll::Ready(Ok(written)) = outcome {
            self.written += written as u64;
        }
        self.watch(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watch(cx, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_an_error_and_a_slow_one_is_not() {
        let (here, mut there) = duplex(16);
        let mut here = Patient::new(here);
        let slow = tokio::spawn(async move {
            let mut octets = [0; 16];
            for _ in 0..8 {
                sleep(Duration::from_secs(5)).await;
                there.read_exact(&mut octets).await.unwrap();
            }
            there
        });
        here.write_all(&[0; 8 * 16]).await.unwrap();
        let there = slow.await.unwrap();
        let begin = Instant::now();
        let error = here.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!((PATIENCE..=2 * PATIENCE).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        drop(there);
    }
}

//! A stream in memory, for tests. The test controls the far end: the octets that it sends and their pieces, how much it
//! reads, when it ends its side, and when it resets the connection. Nothing happens by itself, so a test can describe
//! every interleaving.
//!
//! It behaves like a TCP connection. An end comes after the octets that were sent before it. After a reset these octets
//! can still be read, and every write fails. [`peer`](super::Stream::peer) sees both before they are read. Like TLS it
//! may keep written octets until a flush, and an end may come without close_notify.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Leg, Peer, Stream};

/// The near end.
#[derive(Debug)]
pub struct Memory(Arc<Mutex<Line>>);

/// The far end.
#[derive(Debug)]
pub struct Far(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    /// Octets that the far end has sent and the near end has not read.
    said: VecDeque<u8>,
    ended: bool,
    reset: bool,
    /// Octets that the near end has written and not flushed, see [`Far::buffers`].
    kept: Vec<u8>,
    /// Octets that the near end has written and the test has not read.
    heard: Vec<u8>,
    /// How many further octets the far end reads.
    room: usize,
    /// The most octets of one read or write.
    piece: usize,
    /// Whether the stream hesitates, see [`Far::hesitates`], and whether the last answer to a read, a write and a flush
    /// was a hesitation.
    hesitates: bool,
    hesitated: [bool; 3],
    buffers: bool,
    flushes: bool,
    /// Whether the end comes without close_notify.
    cut_off: bool,
    /// Whether the kernel has given the connection up and has not reported it yet.
    vanished: bool,
    shut: bool,
    dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A leg and the far end of its stream. The far end reads everything unless it is told otherwise.
pub fn leg() -> (Leg, Far) {
    let line = Arc::new(Mutex::new(Line {
        said: VecDeque::new(),
        ended: false,
        reset: false,
        kept: Vec::new(),
        heard: Vec::new(),
        room: usize::MAX,
        piece: usize::MAX,
        hesitates: false,
        hesitated: [false; 3],
        buffers: false,
        flushes: true,
        cut_off: false,
        vanished: false,
        shut: false,
        dropped: false,
        reader: None,
        writer: None,
    }));
    (Leg::new(Stream::Memory(Memory(Arc::clone(&line)))), Far(line))
}

impl Far {
    /// Sends octets.
    pub fn send(&self, octets: impl AsRef<[u8]>) {
        self.change(|line| line.said.extend(octets.as_ref()));
    }

    /// Ends its side after the octets that it has sent (FIN).
    pub fn end(&self) {
        self.change(|line| line.ended = true);
    }

    /// Resets the connection (RST).
    pub fn reset(&self) {
        self.change(|line| line.reset = true);
    }

    /// Ends its side without close_notify, which is a violation of TLS.
    pub fn cut_off(&self) {
        self.change(|line| (line.ended, line.cut_off) = (true, true));
    }

    /// The kernel gives the connection up, because the far end no longer answers. It reports that once, to a read or to
    /// a write.
    pub fn vanish(&self) {
        self.change(|line| (line.ended, line.reset, line.vanished) = (true, true, true));
    }

    /// Reads this many further octets, and then no more.
    pub fn takes(&self, room: usize) {
        self.change(|line| line.room = room);
    }

    /// From now on at most `piece` octets are read or written at once.
    pub fn pieces(&self, piece: usize) {
        self.change(|line| line.piece = piece);
    }

    /// From now on every second read, write and flush has to be repeated at once.
    pub fn hesitates(&self) {
        self.change(|line| line.hesitates = true);
    }

    /// From now on written octets stay with the near end until a flush.
    pub fn buffers(&self) {
        self.change(|line| line.buffers = true);
    }

    /// Sets whether a flush completes. At first it does.
    pub fn flushes(&self, flushes: bool) {
        self.change(|line| line.flushes = flushes);
    }

    /// The octets that have come since the last call.
    pub fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.0).heard)
    }

    /// How many octets of the far end have not been read.
    pub fn unread(&self) -> usize {
        lock(&self.0).said.len()
    }

    /// How many octets were written and not flushed.
    pub fn unflushed(&self) -> usize {
        lock(&self.0).kept.len()
    }

    /// Whether the near end has ended its side.
    pub fn is_told(&self) -> bool {
        lock(&self.0).shut
    }

    /// Whether the near end is closed.
    pub fn is_closed(&self) -> bool {
        lock(&self.0).dropped
    }

    fn change(&self, change: impl FnOnce(&mut Line)) {
        let mut line = lock(&self.0);
        change(&mut line);
        let wakers = [line.reader.take(), line.writer.take()];
        drop(line);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Memory {
    pub(super) fn peer(&self) -> Peer {
        let line = lock(&self.0);
        match (line.reset, line.ended) {
            (true, _) => Peer::Gone,
            (false, true) => Peer::Ended,
            (false, false) => Peer::There,
        }
    }

    pub(super) fn is_readable(&self) -> bool {
        let line = lock(&self.0);
        !line.said.is_empty() || line.ended || line.reset
    }
}

impl Line {
    /// Whether the caller has to try again. Its task is woken for that. Call this only if there is something to do.
    fn hesitates(&mut self, what: usize, cx: &Context<'_>) -> bool {
        let hesitated = &mut self.hesitated[what];
        *hesitated = self.hesitates && !*hesitated;
        if *hesitated {
            cx.waker().wake_by_ref();
        }
        *hesitated
    }

    /// The error of every further write.
    fn broken(&mut self) -> io::Error {
        let vanished = std::mem::take(&mut self.vanished);
        if vanished { io::ErrorKind::TimedOut.into() } else { io::ErrorKind::BrokenPipe.into() }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        lock(&self.0).dropped = true;
    }
}

impl AsyncRead for Memory {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut line = lock(&self.0);
        let comes = !line.said.is_empty() || line.ended || line.reset;
        if comes && line.hesitates(0, cx) {
            return Poll::Pending;
        }
        let count = line.said.len().min(line.piece).min(buf.remaining());
        if count > 0 {
            let octets: Vec<u8> = line.said.drain(..count).collect();
            buf.put_slice(&octets);
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut line.vanished) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if line.reset && !line.ended {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if line.cut_off {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if line.ended {
            return Poll::Ready(Ok(()));
        }
        line.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Memory {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut line = lock(&self.0);
        if line.hesitates(1, cx) {
            return Poll::Pending;
        }
        if line.reset || line.shut {
            return Poll::Ready(Err(line.broken()));
        }
        let count = buf.len().min(line.piece).min(line.room);
        if count == 0 {
            line.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        line.room -= count;
        let to = if line.buffers { &mut line.kept } else { &mut line.heard };
        to.extend(buf.iter().take(count));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut line = lock(&self.0);
        if line.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if line.hesitates(2, cx) {
            return Poll::Pending;
        }
        if line.reset {
            return Poll::Ready(Err(line.broken()));
        }
        if !line.flushes {
            line.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let kept = std::mem::take(&mut line.kept);
        line.heard.extend(kept);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let mut line = lock(&self.0);
        line.shut = true;
        if line.reset { Poll::Ready(Err(io::ErrorKind::NotConnected.into())) } else { Poll::Ready(Ok(())) }
    }
}

fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

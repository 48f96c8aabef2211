//! A stream in memory, for tests of what moves octets. The far end is in the test's hands: what it says and in which
//! pieces, how much it takes, when it ends its side and when it breaks off. Nothing happens by itself, so that every
//! interleaving can be written down.
//!
//! It behaves as a TCP connection does: an end stands behind what was said before it, a reset lets that be read and fails
//! every write, and [`peer`](super::Stream::peer) sees both before they are read. As TLS does, it may keep what is written
//! until it is flushed, and an end may come without close_notify.

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
    /// The far end said it, the near end has not read it.
    said: VecDeque<u8>,
    ended: bool,
    reset: bool,
    /// The near end wrote it and has not flushed it, see [`Far::buffers`].
    kept: Vec<u8>,
    /// The near end wrote it, the test has not looked at it.
    heard: Vec<u8>,
    /// How many octets the far end still takes.
    room: usize,
    /// The most octets of one read or write.
    piece: usize,
    /// See [`Far::hesitates`], and whether that was the last answer to a read, a write and a flush.
    hesitates: bool,
    hesitated: [bool; 3],
    buffers: bool,
    flushes: bool,
    /// The end is one without close_notify.
    cut_off: bool,
    /// The kernel has given it up, and has not said so yet.
    vanished: bool,
    shut: bool,
    dropped: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// A leg and the far end of its stream, which takes everything until it is told otherwise.
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
    /// Says something.
    pub fn send(&self, octets: impl AsRef<[u8]>) {
        self.change(|line| line.said.extend(octets.as_ref()));
    }

    /// Ends its side, behind what it has said (FIN).
    pub fn end(&self) {
        self.change(|line| line.ended = true);
    }

    /// Breaks off (RST).
    pub fn reset(&self) {
        self.change(|line| line.reset = true);
    }

    /// Ends its side as TLS does not: without close_notify.
    pub fn cut_off(&self) {
        self.change(|line| (line.ended, line.cut_off) = (true, true));
    }

    /// The kernel gives it up, because it does not answer any more, and says so once: to a read or to a write.
    pub fn vanish(&self) {
        self.change(|line| (line.ended, line.reset, line.vanished) = (true, true, true));
    }

    /// Takes so many octets more and then no more.
    pub fn takes(&self, room: usize) {
        self.change(|line| line.room = room);
    }

    /// From now on nothing longer is read or written at once.
    pub fn pieces(&self, piece: usize) {
        self.change(|line| line.piece = piece);
    }

    /// From now on every second read, write and flush has to be tried again at once.
    pub fn hesitates(&self) {
        self.change(|line| line.hesitates = true);
    }

    /// From now on what is written stays with the near end until it is flushed.
    pub fn buffers(&self) {
        self.change(|line| line.buffers = true);
    }

    /// Whether a flush comes to an end; it does at first.
    pub fn flushes(&self, flushes: bool) {
        self.change(|line| line.flushes = flushes);
    }

    /// What has come since the last look.
    pub fn heard(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.0).heard)
    }

    /// How much of what it said has not been read.
    pub fn unread(&self) -> usize {
        lock(&self.0).said.len()
    }

    /// What has been written and not flushed.
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
}

impl Line {
    /// Whether it is to be tried again, which the task is woken for. To be asked only if there is something to do.
    fn hesitates(&mut self, what: usize, cx: &Context<'_>) -> bool {
        let hesitated = &mut self.hesitated[what];
        *hesitated = self.hesitates && !*hesitated;
        if *hesitated {
            cx.waker().wake_by_ref();
        }
        *hesitated
    }

    /// Why nothing more can be written.
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

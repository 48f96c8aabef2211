//! Buffers that need memory only while they hold something.
//!
//! An idle connection has no buffer. A buffer is taken from the thread's shelf when bytes may come, and goes back if
//! none came. So ten thousand silent connections need no buffer at all.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// The usual capacity. It is large enough to move many bytes with a system call, and small enough for a cache.
pub const BUFFER: usize = 16 * 1024;

/// The capacity for connections that have filled a usual buffer. It moves a large body with fewer system calls.
pub const BULK: usize = 128 * 1024;

/// How many buffers of each kind a thread keeps for later: 4 MiB and 2 MiB at most.
const SHELF: usize = 256;
const BULK_SHELF: usize = 16;

thread_local! {
    static SHELVED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static BULK_SHELVED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes between a reader and a writer.
#[derive(Debug, Default)]
pub struct Buffer {
    /// The bytes. The capacity is 0 while the buffer is idle.
    bytes: Vec<u8>,
    /// The number of bytes at the front that were consumed.
    start: usize,
    /// Whether the last read filled the buffer. If so, there are probably more bytes to read.
    hungry: bool,
}

impl Buffer {
    /// The bytes that were read and not consumed yet.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The same bytes, to be filtered in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..).unwrap_or_default()
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// The number of bytes in the buffer.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The size of its memory in bytes.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Removes the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Takes the first `count` bytes out as a buffer of their own. If these are all bytes, nothing is copied.
    pub fn take_front(&mut self, count: usize) -> Self {
        if count == self.len() && self.bytes.capacity() < BULK {
            let front = std::mem::take(self);
            self.hungry = front.hungry;
            return front;
        }
        let mut front = Self::default();
        front.extend(self.filled().get(..count).unwrap_or_default());
        self.consume(count);
        front
    }

    /// Removes the bytes from `from` to `to`. Both count from the first byte that is left.
    pub fn cut(&mut self, from: usize, to: usize) {
        if from < to && to <= self.len() {
            // The shorter of the two sides is moved.
            if from < self.len() - to {
                self.bytes.copy_within(self.start..self.start + from, self.start + to - from);
                return self.consume(to - from);
            }
            self.bytes.drain(self.start + from..self.start + to);
        }
    }

    /// Appends bytes. There is no limit.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.vec().extend_from_slice(bytes);
    }

    /// The memory, to append to it.
    pub fn vec(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = take();
        }
        &mut self.bytes
    }

    /// Reads once and returns the number of bytes, which is 0 at the end of the stream. The buffer never holds more
    /// than `limit` bytes. If it is full, the result is 0 as at the end of the stream, so it must not be called then.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn poll_fill<S>(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut S,
        limit: usize,
    ) -> Poll<io::Result<usize>>
    where
        S: AsyncRead + Unpin,
    {
        if self.len() >= limit {
            return Poll::Ready(Ok(0));
        }
        self.make_room(limit);
        let room = self.bytes.capacity() - self.bytes.len();
        let read = poll_read_buf(Pin::new(stream), cx, &mut self.bytes);
        if self.is_empty() {
            self.release();
        }
        let count = ready!(read)?;
        self.hungry = count >= room.min(BUFFER);
        Poll::Ready(Ok(count))
    }

    /// Returns an empty buffer's memory to the shelf.
    pub fn release(&mut self) {
        if self.is_empty() && self.bytes.capacity() > 0 {
            self.start = 0;
            shelve(std::mem::take(&mut self.bytes));
        }
    }

    fn make_room(&mut self, limit: usize) {
        if self.is_empty() && self.hungry && limit >= BULK && self.bytes.capacity() < BULK {
            self.release();
            self.bytes = take_bulk();
        }
        let bytes = self.vec();
        if bytes.len() < bytes.capacity() {
            return;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        } else {
            let more = self.bytes.capacity().min(limit - self.bytes.len());
            self.bytes.reserve_exact(more);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.capacity() > 0 {
            shelve(std::mem::take(&mut self.bytes));
        }
    }
}

fn take() -> Vec<u8> {
    SHELVED.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER))
}

fn take_bulk() -> Vec<u8> {
    BULK_SHELVED.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BULK))
}

/// Keeps memory of one of the two sizes. Memory of another size is freed.
fn shelve(mut bytes: Vec<u8>) {
    let (shelf, size) = match bytes.capacity() {
        BUFFER => (&SHELVED, SHELF),
        BULK => (&BULK_SHELVED, BULK_SHELF),
        _ => return,
    };
    // At the end of a thread the shelf may no longer exist.
    let _ = shelf.try_with(|shelf| {
        let mut shelf = shelf.borrow_mut();
        if shelf.len() < size {
            bytes.clear();
            shelf.push(bytes);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn fill(buffer: &mut Buffer, mut input: &[u8], limit: usize) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        match buffer.poll_fill(&mut cx, &mut input, limit) {
            Poll::Ready(Ok(count)) => count,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_grows_to_its_limit_and_no_further() {
        let mut buffer = Buffer::default();
        let input = vec![7; 3 * BUFFER];
        while fill(&mut buffer, &input, 2 * BUFFER) > 0 {}
        assert_eq!(buffer.len(), 2 * BUFFER);
    }

    #[test]
    fn what_is_consumed_makes_room() {
        let mut buffer = Buffer::default();
        assert_eq!(fill(&mut buffer, &[1; BUFFER], BUFFER), BUFFER);
        buffer.consume(BUFFER - 1);
        assert_eq!(fill(&mut buffer, &[2; BUFFER], BUFFER), BUFFER - 1);
        assert_eq!(buffer.filled().first(), Some(&1));
        buffer.cut(0, 1);
        assert_eq!(buffer.filled().first(), Some(&2));
    }

    #[test]
    fn the_front_is_taken_out() {
        let mut buffer = Buffer::default();
        buffer.extend(b"\r\nheadbody");
        buffer.consume(2);
        assert_eq!(buffer.take_front(4).filled(), b"head");
        assert_eq!(buffer.filled(), b"body");
        let whole = buffer.filled().as_ptr();
        let body = buffer.take_front(4);
        assert_eq!((body.filled(), body.filled().as_ptr()), (b"body".as_slice(), whole));
        assert!(buffer.is_empty() && buffer.bytes.capacity() == 0);
        assert!(buffer.take_front(4).is_empty());
    }

    #[test]
    fn an_idle_one_holds_nothing() {
        struct Silent;
        impl AsyncRead for Silent {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                _: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Poll::Pending
            }
        }
        let mut buffer = Buffer::default();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(buffer.poll_fill(&mut cx, &mut Silent, BUFFER).is_pending());
        assert_eq!(buffer.bytes.capacity(), 0);
    }
}

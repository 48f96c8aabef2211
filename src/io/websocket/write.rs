//! Writing: octets are collected until a message is complete. The message then becomes one frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{End, State, WebSocket};
use crate::inspect::websocket::{Kind, apply_mask, put_header};

/// The longest message that is written, in octets. It is kept until it is complete.
const WRITTEN_LIMIT: usize = 1024 * 1024;

/// Room before a message for the longest header of a frame.
const ROOM: usize = 14;

impl AsyncWrite for WebSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.state != State::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        // Only one message is sent at a time.
        ready!(this.poll_send(cx))?;
        let (count, is_whole) = this.collect(octets)?;
        if is_whole {
            this.enclose();
            if let Poll::Ready(Err(error)) = this.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state == State::Open {
            this.put_close(Some(this.code), State::Closing);
        }
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.below).poll_shutdown(cx)
    }
}

impl WebSocket {
    /// Takes octets of the message that is being written. Returns how many, and whether the message is complete.
    fn collect(&mut self, octets: &[u8]) -> io::Result<(usize, bool)> {
        if self.written.is_empty() {
            self.written.extend(&[0; ROOM]);
        }
        let before = self.written.len() - ROOM;
        if let Some(length) = self.length {
            let count = length.saturating_sub(before).min(octets.len());
            self.written.extend(octets.get(..count).unwrap_or_default());
            return Ok((count, before + count >= length));
        }
        self.written.extend(octets);
        let there = before + octets.len();
        match self.messages.end(self.written.filled().get(ROOM..).unwrap_or_default()) {
            End::At(length) if length > WRITTEN_LIMIT => Err(too_long()),
            End::At(length) if length <= there => {
                self.written.cut(ROOM + length, ROOM + there);
                Ok((octets.len().saturating_sub(there - length), true))
            }
            End::At(length) => {
                self.length = Some(length);
                Ok((octets.len(), false))
            }
            End::NeedMore if there > WRITTEN_LIMIT => Err(too_long()),
            End::NeedMore => Ok((octets.len(), false)),
            End::Nowhere => {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "no message of the protocol is written"))
            }
        }
    }

    /// The written message is complete, and becomes a frame.
    fn enclose(&mut self) {
        self.length = None;
        let mut header = Vec::with_capacity(ROOM);
        let mask = self.masks.map(|masks| masks());
        let octets = self.written.filled_mut();
        let payload = octets.get_mut(ROOM..).unwrap_or_default();
        put_header(&mut header, kind(payload), payload.len(), mask);
        if let Some(mask) = mask {
            apply_mask(payload, mask, 0);
        }
        let unused = ROOM.saturating_sub(header.len());
        if let Some(place) = octets.get_mut(unused..ROOM) {
            place.copy_from_slice(&header);
        }
        self.written.consume(unused);
        if self.sending.is_empty() {
            std::mem::swap(&mut self.sending, &mut self.written);
        } else {
            self.sending.extend(self.written.filled());
            let length = self.written.len();
            self.written.consume(length);
        }
        self.written.release();
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the message is too long for a WebSocket")
}

/// The kind of a frame: text, or binary if the payload is no text (contract section 9).
pub(super) fn kind(payload: &[u8]) -> Kind {
    if std::str::from_utf8(payload).is_ok() { Kind::Text } else { Kind::Binary }
}

//! TLS over a stream, by rustls's unbuffered interface.
//!
//! rustls does all of TLS: handshake, records, keys and alerts. It leaves two things to its caller, and they are done here:
//! keeping the memory for records, and reading and writing the stream. The crate tokio-rustls does the same with rustls's
//! buffered interface. That interface keeps 4 KiB for each idle connection. It also reads 4 KiB at a time, so the longest
//! record needs five system calls. Here an idle connection has no buffer, and one call reads a whole record (decision 18).
//! tokio-rustls remains where neither matters: on the port for administration and for `portward cert show`.
//!
//! The last messages of a handshake, such as session tickets, are sent with the first octets that follow. If none follow,
//! they are sent before the first read that has to wait.
//!
//! | file | content |
//! |---|---|
//! | `session` | one side of TLS: records in, records and octets out, without I/O |
//! | `records` | the memory for records |

mod records;
mod session;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, CommonState, ProtocolVersion, ServerConfig};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Buffer;
use session::{Both, Progress, Session};

/// How many octets are encrypted at once: a full record (RFC 8446 section 5.1).
const CONTENT: usize = 16 * 1024;
/// How many octets of earlier records may wait for the next write, so that session tickets cost no call of their own.
const REST: usize = 2 * 1024;
/// The least room for a read.
const LEAST: usize = 2 * 1024;

/// A TLS connection over `S`.
pub struct Tls<S> {
    io: S,
    session: Session,
    records: Both,
    /// Content for which the last reader had no room.
    plain: Buffer,
    /// The error that has ended TLS.
    error: Option<Box<rustls::Error>>,
    /// The peer has sent close_notify.
    ended: bool,
    /// The stream has ended.
    eof: bool,
    /// Our close_notify is among the records.
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tls<S> {
    /// Does the handshake as a server.
    ///
    /// # Errors
    /// Those of the stream. A [`rustls::Error`] is inside of an error of the kind [`io::ErrorKind::InvalidData`].
    pub async fn accept(io: S, config: Arc<ServerConfig>) -> io::Result<Self> {
        let server = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut tls = Self::shake(io, Session::Server(server)).await?;
        // In TLS 1.2 the server sends the last message of a handshake. In TLS 1.3 only tickets may be left.
        if tls.session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            poll_fn(|cx| tls.poll_send(cx)).await?;
        }
        Ok(tls)
    }

    /// Does the handshake as a client of the server `name`.
    ///
    /// # Errors
    /// As of [`Self::accept`].
    pub async fn connect(io: S, config: Arc<ClientConfig>, name: ServerName<'static>) -> io::Result<Self> {
        let client = UnbufferedClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut tls = Self::shake(io, Session::Client(client)).await?;
        // The server must know that the handshake is complete, also if nothing is sent to it.
        poll_fn(|cx| tls.poll_send(cx)).await?;
        Ok(tls)
    }

    async fn shake(io: S, session: Session) -> io::Result<Self> {
        let mut tls = Self {
            io,
            session,
            records: Both::default(),
            plain: Buffer::default(),
            error: None,
            ended: false,
            eof: false,
            closed: false,
        };
        poll_fn(|cx| tls.poll_handshake(cx)).await?;
        Ok(tls)
    }

    /// The stream below.
    pub fn io(&self) -> &S {
        &self.io
    }

    /// The stream below, to change its options.
    pub fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// The state of the session: versions, names, certificates.
    pub fn session(&self) -> &CommonState {
        &self.session
    }

    /// The error that has ended TLS, if there was one.
    pub fn error(&self) -> Option<&rustls::Error> {
        self.error.as_deref()
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let plain = &mut self.plain;
            match self.session.advance(&mut self.records, &mut |content| plain.extend(content)) {
                // A client's first octets may come with its last handshake message.
                Ok(Progress::Data) if !self.session.is_handshaking() => return Poll::Ready(Ok(())),
                Ok(Progress::Data) => continue,
                Ok(Progress::Blocked) if !self.session.is_handshaking() => return Poll::Ready(Ok(())),
                Ok(Progress::Blocked) => {}
                Ok(Progress::Ended) => self.eof = true,
                Err(error) => return Poll::Ready(Err(self.fail(cx, error))),
            }
            // Both sides may be sending, so neither may wait for the other to read.
            if let Poll::Ready(sent) = self.poll_send(cx) {
                sent?;
            }
            if self.eof || ready!(self.poll_receive(cx))? == 0 {
                let eof = io::Error::new(io::ErrorKind::UnexpectedEof, "the TLS handshake has ended early");
                return Poll::Ready(Err(eof));
            }
        }
    }

    /// Sends the outgoing records.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outgoing = &mut self.records.outgoing;
        while !outgoing.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, outgoing.filled()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => outgoing.discard(count),
            }
        }
        outgoing.release();
        Poll::Ready(Ok(()))
    }

    /// Reads further octets of records. 0: the stream has ended.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let incoming = &mut self.records.incoming;
        let room = incoming.room(LEAST);
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "a TLS message is too long")));
        }
        let mut part = ReadBuf::new(room);
        let read = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let count = part.filled().len();
        incoming.extend(count);
        if count == 0 {
            incoming.release();
        }
        ready!(read)?;
        self.eof |= count == 0;
        Poll::Ready(Ok(count))
    }

    /// Keeps the error, and tries to send the alert for it.
    fn fail(&mut self, cx: &mut Context<'_>, error: rustls::Error) -> io::Error {
        self.records.incoming.clear();
        let _ = self.poll_send(cx);
        let error = self.error.insert(Box::new(error));
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::clone(error))
    }

    /// Takes the content of the records that have come. `None`: there is none for the reader yet.
    fn take_content(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Option<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            let plain = &mut self.plain;
            let progress = self.session.advance(&mut self.records, &mut |content| {
                let (now, later) = content.split_at_checked(buf.remaining()).unwrap_or((content, &[]));
                buf.put_slice(now);
                if !later.is_empty() {
                    plain.extend(later);
                }
            });
            match progress {
                // Further records may be complete. They need no call.
                Ok(Progress::Data) if buf.remaining() > 0 && !self.records.incoming.is_empty() => {}
                Ok(Progress::Data | Progress::Blocked) => {
                    self.records.incoming.release();
                    return (buf.filled().len() > before).then_some(Ok(()));
                }
                Ok(Progress::Ended) => {
                    self.ended = true;
                    self.records.incoming.clear();
                    return Some(Ok(()));
                }
                Err(error) => {
                    let error = self.fail(cx, error);
                    // The content that came before the error counts. The next read returns the error.
                    return Some(if buf.filled().len() > before { Ok(()) } else { Err(error) });
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Tls<S> {
    /// Reads the content of records. The end of the stream without close_notify is
    /// [`io::ErrorKind::UnexpectedEof`].
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.plain.is_empty() {
            let part = this.plain.filled();
            let part = part.get(..buf.remaining()).unwrap_or(part);
            buf.put_slice(part);
            let count = part.len();
            this.plain.consume(count);
            this.plain.release();
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(error) = &this.error {
                let error = rustls::Error::clone(error);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            if this.ended || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let Some(read) = this.take_content(cx, buf) {
                return Poll::Ready(read);
            }
            if this.eof {
                let eof = "the peer has ended the connection without close_notify";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, eof)));
            }
            // The peer may wait for these records before it sends more. It is read even if they cannot be sent now.
            let _ = this.poll_send(cx);
            ready!(this.poll_receive(cx))?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tls<S> {
    /// Encrypts a record's worth of octets, if the records before it could be sent, and begins to send it.
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closed || this.error.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let octets = buf.get(..CONTENT).unwrap_or(buf);
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if this.records.outgoing.filled().len() > REST {
            ready!(this.poll_send(cx))?;
        }
        let plain = &mut this.plain;
        match this.session.encrypt(octets, &mut this.records, &mut |content| plain.extend(content)) {
            Ok(progress) => this.ended |= progress == Progress::Ended,
            Err(error) => return Poll::Ready(Err(this.fail(cx, error))),
        }
        match this.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(octets.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    /// Sends close_notify, and ends the stream's own side.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.closed {
            this.closed = true;
            let plain = &mut this.plain;
            if this.error.is_none() {
                match this.session.close(&mut this.records, &mut |content| plain.extend(content)) {
                    Ok(progress) => this.ended |= progress == Progress::Ended,
                    // The alert takes the place of close_notify.
                    Err(error) => drop(this.fail(cx, error)),
                }
            }
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.io).poll_shutdown(cx)) {
            // The peer has gone already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            ended => Poll::Ready(ended),
        }
    }
}

impl<S: std::fmt::Debug> std::fmt::Debug for Tls<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("io", &self.io).field("records", &self.records).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

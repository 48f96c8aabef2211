//! A TLS handshake with a client, and whether the client has proven that it holds the key of its certificate.
//!
//! rustls has one verifier for all connections, and a verifier can only pass a handshake or fail it. Here a certificate
//! never fails one (contract section 5), so the answer needs a place beside the handshake: a task-local, which the verifier
//! writes and the end of the handshake reads. A session that is resumed brings the answer of its first handshake
//! ([`super::sessions`]).

use std::cell::Cell;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::possession::Possession;

tokio::task_local! {
    static HANDSHAKE: Cell<Possession>;
}

/// Accepts TLS for one service.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    asks_for_certificate: bool,
}

impl Acceptor {
    pub(super) fn new(tls: TlsAcceptor, asks_for_certificate: bool) -> Self {
        Self { tls, asks_for_certificate }
    }

    /// Whether a client is asked for a certificate, which makes a handshake longer.
    pub fn asks_for_certificate(&self) -> bool {
        self.asks_for_certificate
    }

    /// The handshake, and whether the client's certificate, if there is one, is the client's own.
    ///
    /// # Errors
    /// Those of the stream and of rustls.
    pub async fn accept<S>(&self, stream: S) -> io::Result<(TlsStream<S>, Possession)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        HANDSHAKE
            .scope(Cell::default(), async {
                let accepted = self.tls.accept(stream).await?;
                Ok((accepted, HANDSHAKE.with(Cell::get)))
            })
            .await
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Acceptor").field("asks_for_certificate", &self.asks_for_certificate).finish()
    }
}

/// Notes what a signature, or a resumed session, has proven. The latest word counts: rustls looks at one session after
/// the other until one can be resumed, and verifies a signature only where none could. False: no handshake is under way,
/// and nothing was noted.
pub(super) fn note(possession: Possession) -> bool {
    HANDSHAKE.try_with(|noted| noted.set(possession)).is_ok()
}

/// What has been noted last.
pub(super) fn noted() -> Possession {
    HANDSHAKE.try_with(Cell::get).unwrap_or_default()
}

//! The TLS handshake with a client. It also finds out whether the client holds the key of its certificate.
//!
//! rustls has one verifier for all connections, and a verifier can only pass a handshake or fail it. Here a certificate
//! never fails a handshake (contract section 5), so the result needs another place. It is a task-local: the verifier
//! writes it, and the end of the handshake reads it. A resumed session brings the result of its first handshake
//! ([`super::sessions`]).

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use super::possession::Possession;
use crate::io::Tls;

tokio::task_local! {
    static HANDSHAKE: Cell<Possession>;
}

/// Accepts TLS for one service.
#[derive(Clone)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    asks_for_certificate: bool,
}

impl Acceptor {
    pub(super) fn new(config: Arc<ServerConfig>, asks_for_certificate: bool) -> Self {
        Self { config, asks_for_certificate }
    }

    /// Whether a client is asked for a certificate. That makes the handshake longer.
    pub fn asks_for_certificate(&self) -> bool {
        self.asks_for_certificate
    }

    /// Makes the handshake. Returns also whether the client holds the key of its certificate, if it has one.
    ///
    /// # Errors
    /// Those of the stream and of rustls.
    pub async fn accept<S>(&self, stream: S) -> io::Result<(Tls<S>, Possession)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        HANDSHAKE
            .scope(Cell::default(), async {
                let accepted = Tls::accept(stream, Arc::clone(&self.config)).await?;
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

/// Notes the result of a signature check, or of a resumed session. The last note counts: rustls tries one session after
/// the other until it can resume one, and checks a signature only if it can resume none. False: no handshake is under
/// way, and nothing was noted.
pub(super) fn note(possession: Possession) -> bool {
    HANDSHAKE.try_with(|noted| noted.set(possession)).is_ok()
}

/// The last note.
pub(super) fn noted() -> Possession {
    HANDSHAKE.try_with(Cell::get).unwrap_or_default()
}

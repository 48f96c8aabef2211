//! Portward's own certificate in handshakes with targets, and whether a target has requested it.
//!
//! A TLS 1.2 server without the certificate that it wants ends the handshake by `handshake_failure` (RFC 5246 section
//! 7.4.6). Other servers send the same alert when nothing fits. The difference is that the former has requested a
//! certificate.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::failure::{of_asking, of_handshake};
use crate::cause::Cause;

tokio::task_local! {
    /// The target of this task's handshake has requested our certificate.
    static ASKED: Cell<bool>;
}

/// Presents a certificate, or none, to a target that requests one, and notes the request.
#[derive(Debug)]
pub(super) struct Presented(pub(super) Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let _ = ASKED.try_with(|asked| asked.set(true));
        self.0.as_ref().filter(|own| own.key.choose_scheme(schemes).is_some()).cloned()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Waits for the end of a handshake with a target.
///
/// # Errors
/// Why the handshake has failed.
pub async fn shaken<S>(handshake: impl Future<Output = io::Result<S>>) -> Result<S, Cause> {
    let noted = async {
        let result = handshake.await;
        result.map_err(|error| if ASKED.with(Cell::get) { of_asking(&error) } else { of_handshake(&error) })
    };
    ASKED.scope(Cell::new(false), noted).await
}

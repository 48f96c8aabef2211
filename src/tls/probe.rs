//! Looks at a target's certificates without trusting anything: for `portward cert show`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client_builder;
use super::verify::{Judge, TargetVerifier};

/// For connecting and the handshake together.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no chain to show.
#[derive(Debug)]
pub enum ProbeError {
    /// No connection.
    Connect(io::Error),
    /// A connection, but the handshake failed before the target had shown its certificate.
    Handshake(io::Error),
    /// Ten seconds were not enough.
    Deadline,
}

/// The certificates that the server at `address` shows to a client that asks for `name`, the leaf first. Nothing is
/// verified but the handshake's signature; where the server ends the handshake because it wants a certificate, its own
/// has been seen by then.
pub async fn chain_of(
    address: SocketAddr,
    name: ServerName<'static>,
) -> Result<Vec<CertificateDer<'static>>, ProbeError> {
    let observer = Arc::new(Observer::new());
    let config = client_builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&observer) as _)
        .with_no_client_auth();
    let handshake = async {
        let socket = TcpStream::connect(address).await.map_err(ProbeError::Connect)?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
        match (connected, observer.take()) {
            (_, seen) if !seen.is_empty() => Ok(seen),
            (Err(cause), _) => Err(ProbeError::Handshake(cause)),
            (Ok(_), _) => Err(ProbeError::Handshake(io::ErrorKind::InvalidData.into())),
        }
    };
    tokio::time::timeout(DEADLINE, handshake).await.unwrap_or(Err(ProbeError::Deadline))
}

/// Accepts and remembers whatever is shown.
#[derive(Debug)]
struct Observer {
    verifier: TargetVerifier,
    seen: Mutex<Vec<CertificateDer<'static>>>,
    /// Whether the target has proven that the key is its own.
    proven: AtomicBool,
}

impl Observer {
    fn new() -> Self {
        Self {
            verifier: TargetVerifier::new(Judge::Nobody),
            seen: Mutex::default(),
            proven: AtomicBool::new(false),
        }
    }

    /// What the target has shown; nothing if it could not sign with it.
    fn take(&self) -> Vec<CertificateDer<'static>> {
        if !self.proven.load(Ordering::Acquire) {
            return Vec::new();
        }
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn prove(&self) {
        self.proven.store(true, Ordering::Release);
    }
}

impl ServerCertVerifier for Observer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = std::iter::once(leaf).chain(intermediates);
        let shown = shown.map(|certificate| certificate.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = shown;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed).inspect(|_| self.prove())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed).inspect(|_| self.prove())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(cause) => write!(f, "no connection: {cause}"),
            Self::Handshake(cause) => write!(f, "no TLS there that Portward can speak: {cause}"),
            Self::Deadline => write!(f, "no answer within {} seconds", DEADLINE.as_secs()),
        }
    }
}

impl std::error::Error for ProbeError {}

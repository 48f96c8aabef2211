//! Reads a target's certificates without trusting them, for `portward cert show`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client_builder;
use super::possession::Possession;
use super::verify::{TargetVerifier, VerifyBy};

/// How long connecting and the handshake may take together.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no chain to show.
#[derive(Debug)]
pub enum ProbeError {
    /// The connection failed.
    Connect(io::Error),
    /// The handshake failed before the target had shown its certificate.
    Handshake(io::Error),
    /// Ten seconds were not enough.
    Deadline,
}

/// What a target has shown.
#[derive(Debug)]
pub struct Shown {
    /// Its certificates, the leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Whether the target holds the leaf's key. Unproven: the key cannot be verified here, so neither a pin nor
    /// `upstream.trust` can accept this target.
    pub possession: Possession,
}

/// The certificates that the server at `address` shows to a client that asks for `name`, the leaf first. Only the
/// handshake's signature is verified. If the server ends the handshake because it wants a certificate, its own has been
/// seen by then.
pub async fn chain_of(address: SocketAddr, name: ServerName<'static>) -> Result<Shown, ProbeError> {
    let observer = Arc::new(Observer::new());
    let config = client_builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&observer) as _)
        .with_no_client_auth();
    let handshake = async {
        let socket = TcpStream::connect(address).await.map_err(ProbeError::Connect)?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
        match (connected, observer.take()) {
            (_, Some(seen)) => Ok(seen),
            (Err(cause), _) => Err(ProbeError::Handshake(cause)),
            (Ok(_), _) => Err(ProbeError::Handshake(io::ErrorKind::InvalidData.into())),
        }
    };
    tokio::time::timeout(DEADLINE, handshake).await.unwrap_or(Err(ProbeError::Deadline))
}

/// Accepts and remembers every certificate.
#[derive(Debug)]
struct Observer {
    verifier: TargetVerifier,
    seen: Mutex<Vec<CertificateDer<'static>>>,
    /// What the target's signature has proven, once the signature has come.
    signed: Mutex<Option<Possession>>,
}

impl Observer {
    fn new() -> Self {
        Self {
            verifier: TargetVerifier::new(VerifyBy::Nothing),
            seen: Mutex::default(),
            signed: Mutex::default(),
        }
    }

    /// What the target has shown. `None`: its signature is missing or wrong.
    fn take(&self) -> Option<Shown> {
        let possession = (*self.signed.lock().unwrap_or_else(PoisonError::into_inner))?;
        let chain = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        (!chain.is_empty()).then_some(Shown { chain, possession })
    }

    fn signed(&self, possession: Possession) -> HandshakeSignatureValid {
        *self.signed.lock().unwrap_or_else(PoisonError::into_inner) = Some(possession);
        HandshakeSignatureValid::assertion()
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
        self.verifier.tls12(message, certificate, signed).map(|possession| self.signed(possession))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.tls13(message, certificate, signed).map(|possession| self.signed(possession))
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

//! How the SIP and H.323 ports request a client's certificate (contract sections 1 and 5). Every certificate is
//! accepted, and none is required. Nothing is judged here, so no certificate fails a handshake. Only a wrong signature
//! does, and no device makes one. [`super::trust`] judges the certificate, on every connection anew. A resumed session
//! brings the chain of its first handshake.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::accept;
use super::possession::{Checks, Possession, Strength, UNVERIFIABLE};

/// Accepts every certificate, and notes whether the client holds its key.
#[derive(Debug)]
pub(super) struct AnyClient {
    checks: Checks,
}

impl AnyClient {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { checks: Checks::new(Strength::Usual) })
    }
}

/// Lets the handshake go on, whatever was proven, if the result can be noted.
fn noted(possession: Possession) -> Result<HandshakeSignatureValid, Error> {
    if accept::note(possession) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(Error::General("a client's certificate outside a handshake".to_owned()))
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// No hints: a telephone shows the certificate that it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        noted(self.checks.tls12(message, certificate, signed)?)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        noted(self.checks.tls13(message, certificate, signed)?)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.checks.schemes();
        // A client with such a key shows its certificate only if the scheme is listed. Then the log says why the
        // certificate counts for nothing. SHA-1 is not listed, because a client with a good key might use it. DSA
        // cannot be listed: rustls does not have it.
        schemes.extend(UNVERIFIABLE);
        schemes
    }
}

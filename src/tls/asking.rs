//! How the SIP and H.323 ports ask for a client's certificate (contract sections 1 and 5): every one is taken, none is
//! needed, and nothing is judged here, so that no certificate fails a handshake. Only a wrong signature does: no device
//! makes one. What a certificate is worth [`super::trust`] says, on every connection anew: a resumed session brings the
//! chain of the first.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::accept;
use super::possession::{Checks, Possession, Strength, UNVERIFIABLE};

/// Takes every certificate, and notes whether the client holds its key.
#[derive(Debug)]
pub(super) struct AnyClient {
    checks: Checks,
}

impl AnyClient {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { checks: Checks::new(Strength::Usual) })
    }
}

/// Has the handshake go on, whatever has been proven, as long as that can be noted.
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

    /// None: a telephone shows the certificate that it has.
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
        // A client that has such a key shows its certificate only where the scheme is named, and then the log says why it
        // counts for nothing. SHA-1 is not named: a client with a good key might take it. DSA cannot be: rustls leaves it out.
        schemes.extend(UNVERIFIABLE);
        schemes
    }
}

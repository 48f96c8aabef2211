//! How the SIP and H.323 ports ask for a client's certificate (SPEC sections 1 and 5): every one is taken, none is
//! needed, and nothing is judged here, so that no certificate fails a handshake. What it is worth [`super::trust`] says,
//! on every connection anew: a resumed session brings the chain of the first.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{possession, provider};

/// The longest chain, in octets: it is kept with the session. Three certificates with RSA keys of 4096 bits have half.
const CHAIN_LIMIT: usize = 16 * 1024;

/// Takes every certificate whose key the client holds.
#[derive(Debug)]
pub(super) struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { algorithms: provider().signature_verification_algorithms })
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
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let octets = leaf.len() + intermediates.iter().map(|certificate| certificate.len()).sum::<usize>();
        if octets > CHAIN_LIMIT {
            return Err(Error::General(format!("a chain of {octets} octets")));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        possession::tls12(&self.algorithms, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        possession::tls13(&self.algorithms, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

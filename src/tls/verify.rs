//! How a target's certificate is judged (SPEC section 4): by its fingerprint, by `upstream.trust`, or not at all.
//!
//! Whatever the certificate is worth, the target must prove that it holds the certificate's key ([`possession`]).

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use super::facts::{Facts, fingerprint};
use super::{possession, provider};

/// What a target's certificate is held against.
#[derive(Debug)]
pub(super) enum Judge {
    /// The SHA-256 of the certificate: nothing else counts, neither name nor validity.
    Pin([u8; 32]),
    /// Who may vouch for it.
    Trust(Arc<Anchors>),
    /// Nothing.
    Nobody,
}

/// `upstream.trust`, loaded.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// `None`: nothing in it can sign a certificate.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Every certificate of the store. One that a target presents itself is trusted as it is, because a PBX's
    /// self-signed certificate is put here, and webpki takes no CA certificate for a server's.
    own: Vec<CertificateDer<'static>>,
}

impl Anchors {
    /// Takes what webpki can use for anchors; the rest is trusted for itself only.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            // One that is no anchor for webpki still counts below, for itself.
            let _ = roots.add(certificate.clone());
        }
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().ok();
        Self { webpki, own: certificates }
    }

    /// Every certificate of the store.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.own
    }
}

/// The verifier of one client configuration.
#[derive(Debug)]
pub(super) struct TargetVerifier {
    judge: Judge,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TargetVerifier {
    pub(super) fn new(judge: Judge) -> Self {
        Self { judge, algorithms: provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for TargetVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let anchors = match &self.judge {
            Judge::Nobody => return Ok(ServerCertVerified::assertion()),
            Judge::Pin(pin) if fingerprint(leaf) == *pin => return Ok(ServerCertVerified::assertion()),
            Judge::Pin(_) => return Err(CertificateError::ApplicationVerificationFailure.into()),
            Judge::Trust(anchors) => anchors,
        };
        if anchors.own.iter().any(|own| own == leaf) {
            return itself(leaf, name, now);
        }
        match &anchors.webpki {
            Some(webpki) => webpki.verify_server_cert(leaf, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
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

/// A certificate that stands in the trust store itself: name and validity remain to be judged.
fn itself(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let facts = Facts::of(leaf).ok_or(CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(Error::FailedToGetCurrentTime)?;
    if now < facts.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > facts.not_after {
        return Err(CertificateError::Expired.into());
    }
    if !facts.covers(&name.to_str()) {
        return Err(CertificateError::NotValidForName.into());
    }
    Ok(ServerCertVerified::assertion())
}

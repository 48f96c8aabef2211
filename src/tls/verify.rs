//! Verifies a target's certificate (contract section 4): by its fingerprint, by `upstream.trust`, or not at all.
//!
//! In every case the target must prove that it holds the certificate's key ([`super::possession`]). Only if nothing is
//! verified the key may be one that cannot be verified here.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use time::OffsetDateTime;

use super::facts::{Facts, fingerprint};
use super::failure::unverifiable;
use super::possession::{Checks, Possession, Strength, UNVERIFIABLE};
use super::provider;

/// The means by which a target's certificate is verified.
#[derive(Debug)]
pub(super) enum VerifyBy {
    /// The SHA-256 of the certificate. Nothing else counts, neither name nor validity.
    Pin([u8; 32]),
    /// The trusted certificates.
    Trust(Arc<Anchors>),
    /// Nothing is verified.
    Nothing,
}

/// `upstream.trust`, loaded.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    /// The CAs. `None`: no certificate of the store can sign another one.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Every certificate of the store. If a target presents one of these itself, it is trusted as it is. PBXs have
    /// self-signed certificates, and webpki does not accept a CA certificate as a server's.
    own: Vec<CertificateDer<'static>>,
}

impl Anchors {
    /// Uses as anchors the certificates that webpki accepts. The others are trusted for themselves only.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            // A certificate that webpki does not accept as an anchor still counts below, for itself.
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
    by: VerifyBy,
    checks: Checks,
}

impl TargetVerifier {
    pub(super) fn new(by: VerifyBy) -> Self {
        let strength = match by {
            VerifyBy::Trust(_) => Strength::Usual,
            VerifyBy::Pin(_) | VerifyBy::Nothing => Strength::Any,
        };
        Self { by, checks: Checks::new(strength) }
    }

    /// The result of a TLS 1.2 signature check.
    pub(super) fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<Possession, Error> {
        self.enough(self.checks.tls12(message, certificate, signed)?)
    }

    /// The result of a TLS 1.3 signature check.
    pub(super) fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<Possession, Error> {
        self.enough(self.checks.tls13(message, certificate, signed)?)
    }

    fn enough(&self, possession: Possession) -> Result<Possession, Error> {
        match (&self.by, possession) {
            (VerifyBy::Nothing, _) | (_, Possession::Proven) => Ok(possession),
            (VerifyBy::Pin(_) | VerifyBy::Trust(_), Possession::Unproven) => Err(unverifiable()),
        }
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
        let anchors = match &self.by {
            VerifyBy::Nothing => return Ok(ServerCertVerified::assertion()),
            VerifyBy::Pin(pin) if fingerprint(leaf) == *pin => return Ok(ServerCertVerified::assertion()),
            VerifyBy::Pin(_) => return Err(CertificateError::ApplicationVerificationFailure.into()),
            VerifyBy::Trust(anchors) => anchors,
        };
        if anchors.own.iter().any(|own| own == leaf) {
            return check_listed(leaf, name, now);
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
        self.tls12(message, certificate, signed).map(|_| HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tls13(message, certificate, signed).map(|_| HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.checks.schemes();
        if matches!(self.by, VerifyBy::Nothing) {
            schemes.extend(UNVERIFIABLE);
            schemes.extend([SignatureScheme::ECDSA_SHA1_Legacy, SignatureScheme::RSA_PKCS1_SHA1]);
        }
        schemes
    }
}

/// Checks name and validity of a certificate that is in the trust store itself.
fn check_listed(
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

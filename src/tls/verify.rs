//! How a target's certificate is judged (SPEC section 4): by its fingerprint, by `upstream.trust`, or not at all.
//!
//! Whatever the certificate is worth, the target must prove that it holds the certificate's key: the signature over
//! the handshake is verified in every case. PBXs come with certificates that webpki does not decode (version 1,
//! critical extensions that it does not know); for those the signature is verified with the bare public key.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use time::OffsetDateTime;
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::facts::{Facts, fingerprint};
use super::provider;

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
        crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms).or_else(|error| {
            let key = bare_key(certificate, error)?;
            tls12_signature_by_key(&self.algorithms, message, &key, signed)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms).or_else(|error| {
            let key = bare_key(certificate, error)?;
            crypto::verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
        })
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

/// The key of a certificate that webpki cannot decode; of one that it can, `error` stands.
fn bare_key(
    certificate: &CertificateDer<'_>,
    error: Error,
) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    if ParsedCertificate::try_from(certificate).is_ok() {
        return Err(error);
    }
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    Ok(certificate.tbs_certificate.subject_pki.raw.to_vec().into())
}

/// Verifies a TLS 1.2 signature (RFC 5246 section 4.7) with a bare key; rustls does so for TLS 1.3 only.
fn tls12_signature_by_key(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    key: &SubjectPublicKeyInfoDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let (identifier, public_key) = key_parts(key).ok_or(CertificateError::BadEncoding)?;
    let scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let good = scheme.is_some_and(|(_, algorithms)| {
        algorithms.iter().any(|algorithm| {
            algorithm.public_key_alg_id().as_ref() == identifier
                && algorithm.verify_signature(public_key, message, signed.signature()).is_ok()
        })
    });
    if good { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// SubjectPublicKeyInfo (RFC 5280 section 4.1): the contents of the AlgorithmIdentifier, and the key's bits.
fn key_parts<'a>(key: &'a SubjectPublicKeyInfoDer<'_>) -> Option<(&'a [u8], &'a [u8])> {
    let (_, outer) = Any::from_der(key.as_ref()).ok()?;
    let (rest, identifier) = Any::from_der(outer.data).ok()?;
    let (_, bits) = Any::from_der(rest).ok()?;
    // A BIT STRING begins with the number of unused bits, which is none in a key.
    let (unused, public_key) = bits.data.split_first()?;
    (*unused == 0).then_some((identifier.data, public_key))
}

//! The proof that a peer holds the key of the certificate that it shows: the signature over the handshake (RFC 8446
//! §4.4.3, RFC 5246 §7.4.8), which is verified whatever the certificate itself is worth.
//!
//! rustls verifies it with certificates that webpki can decode. PBXs and telephones have others (version 1, critical
//! extensions that are not known); for those the signature is verified with the bare public key.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Verifies a TLS 1.2 signature.
pub(super) fn tls12(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    crypto::verify_tls12_signature(message, certificate, signed, algorithms).or_else(|error| {
        let key = bare_key(certificate, error)?;
        tls12_by_key(algorithms, message, &key, signed)
    })
}

/// Verifies a TLS 1.3 signature.
pub(super) fn tls13(
    algorithms: &WebPkiSupportedAlgorithms,
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    crypto::verify_tls13_signature(message, certificate, signed, algorithms).or_else(|error| {
        let key = bare_key(certificate, error)?;
        crypto::verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    })
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
fn tls12_by_key(
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

//! The proof that a peer holds the key of its certificate: the signature over the handshake (RFC 8446 §4.4.3, RFC 5246
//! §7.4.8). It is verified even if the certificate itself is not trusted.
//!
//! rustls verifies the signature for certificates that webpki can decode. PBXs and telephones have others (version 1,
//! unknown critical extensions). For those the signature is verified with the bare public key. Some keys and some
//! signatures cannot be verified at all: RSA keys that are too short or too long, curves that the library does not
//! have, DSA, SHA-1. They prove nothing. This is a result of its own, and the caller decides what follows.

use super::key::Key;
use super::{provider, weak};
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

/// Schemes of exactly those keys that cannot be verified here: Ed448, RSASSA-PSS keys (RFC 8446 section 4.2.3), and the
/// brainpool curves (RFC 8734).
pub(super) const UNVERIFIABLE: [SignatureScheme; 7] = [
    SignatureScheme::ED448,
    SignatureScheme::Unknown(0x0809),
    SignatureScheme::Unknown(0x080a),
    SignatureScheme::Unknown(0x080b),
    SignatureScheme::Unknown(0x081a),
    SignatureScheme::Unknown(0x081b),
    SignatureScheme::Unknown(0x081c),
];

/// Whether a peer holds the key of its certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Possession {
    /// Yes: its signature has been verified.
    Proven,
    /// Unknown: its signature cannot be verified here, so any peer could have made it.
    #[default]
    Unproven,
}

/// The required strength of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// The strength that webpki requires. Authorities vouch for such certificates.
    Usual,
    /// Any key that can be verified. The administrator has chosen this very certificate, or accepts every certificate.
    Any,
}

/// Verifies signatures of handshakes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    algorithms: WebPkiSupportedAlgorithms,
    strength: Strength,
}

impl Checks {
    pub(super) fn new(strength: Strength) -> Self {
        Self { algorithms: provider().signature_verification_algorithms, strength }
    }

    /// The schemes that can be verified, in the order of preference. Of the digests for RSA the short one comes first:
    /// OpenSSL takes the first scheme that we list, and with a key of 512 bits it fails to sign with a long digest.
    pub(super) fn schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.sort_by_key(|scheme| match scheme {
            SignatureScheme::RSA_PSS_SHA256 => 1,
            SignatureScheme::RSA_PSS_SHA384 => 2,
            SignatureScheme::RSA_PSS_SHA512 => 3,
            SignatureScheme::RSA_PKCS1_SHA256 => 4,
            SignatureScheme::RSA_PKCS1_SHA384 => 5,
            SignatureScheme::RSA_PKCS1_SHA512 => 6,
            _ => 0,
        });
        schemes
    }

    /// Checks a TLS 1.2 signature.
    ///
    /// # Errors
    /// The signature is wrong.
    pub(super) fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<Possession, Error> {
        if crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms).is_ok() {
            return Ok(Possession::Proven);
        }
        let Some(key) = Key::of(certificate) else { return Ok(Possession::Unproven) };
        // In TLS 1.2 a scheme names the digest only, and any curve may be used with it.
        let named = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms = named.map_or(&[][..], |(_, algorithms)| *algorithms);
        let fitting = || algorithms.iter().filter(|one| one.public_key_alg_id().as_ref() == key.identifier);
        if key.is_usual() && fitting().next().is_some() {
            let verifies =
                fitting().any(|one| one.verify_signature(&key.bits, message, signed.signature()).is_ok());
            return proven(verifies);
        }
        self.unusual(&key, message, signed)
    }

    /// Checks a TLS 1.3 signature.
    ///
    /// # Errors
    /// The signature is wrong.
    pub(super) fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<Possession, Error> {
        if crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms).is_ok() {
            return Ok(Possession::Proven);
        }
        let Some(key) = Key::of(certificate) else { return Ok(Possession::Unproven) };
        // In TLS 1.3 a scheme names the curve as well (RFC 8446 section 4.2.3), and no scheme of a handshake uses PKCS
        // #1.
        let named = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let algorithm = named.and_then(|(_, algorithms)| algorithms.first());
        let fits = algorithm.is_some_and(|one| one.public_key_alg_id().as_ref() == key.identifier);
        if fits && key.is_usual() && !is_pkcs1(signed.scheme) {
            let spki = SubjectPublicKeyInfoDer::from(&*key.spki);
            let verified =
                crypto::verify_tls13_signature_with_raw_key(message, &spki, signed, &self.algorithms);
            return proven(verified.is_ok());
        }
        if is_pkcs1(signed.scheme) { Ok(Possession::Unproven) } else { self.unusual(&key, message, signed) }
    }

    /// Checks a signature that the library cannot verify.
    fn unusual(
        &self,
        key: &Key,
        message: &[u8],
        signed: &DigitallySignedStruct,
    ) -> Result<Possession, Error> {
        let verified = match self.strength {
            Strength::Any => weak::verifies(key, signed.scheme, message, signed.signature()),
            Strength::Usual => None,
        };
        verified.map_or(Ok(Possession::Unproven), proven)
    }
}

fn proven(verifies: bool) -> Result<Possession, Error> {
    if verifies { Ok(Possession::Proven) } else { Err(CertificateError::BadSignature.into()) }
}

fn is_pkcs1(scheme: SignatureScheme) -> bool {
    matches!(
        scheme,
        SignatureScheme::RSA_PKCS1_SHA1
            | SignatureScheme::RSA_PKCS1_SHA256
            | SignatureScheme::RSA_PKCS1_SHA384
            | SignatureScheme::RSA_PKCS1_SHA512
    )
}

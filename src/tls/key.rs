//! The public key of a certificate, and its numbers if it is an RSA key.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

/// A certificate's public key (RFC 5280 section 4.1, SubjectPublicKeyInfo).
pub(super) struct Key {
    /// The whole SubjectPublicKeyInfo, DER.
    pub(super) spki: Vec<u8>,
    /// The contents of the AlgorithmIdentifier.
    pub(super) identifier: Vec<u8>,
    /// The contents of the BIT STRING.
    pub(super) bits: Vec<u8>,
    /// The numbers, if it is an RSA key.
    pub(super) rsa: Option<Rsa>,
}

/// The numbers of an RSA key, the most significant octet first.
pub(super) struct Rsa {
    pub(super) modulus: Vec<u8>,
    pub(super) exponent: Vec<u8>,
}

impl Rsa {
    pub(super) fn modulus_bits(&self) -> usize {
        bit_length(&self.modulus)
    }

    pub(super) fn exponent_bits(&self) -> usize {
        bit_length(&self.exponent)
    }
}

impl Key {
    /// The key of a certificate. `None`: the certificate cannot be decoded that far.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let spki = certificate.public_key();
        let rsa = match spki.parsed() {
            Ok(PublicKey::RSA(key)) => {
                Some(Rsa { modulus: key.modulus.to_vec(), exponent: key.exponent.to_vec() })
            }
            _ => None,
        };
        let bits = spki.subject_public_key.data.to_vec();
        Some(Self { spki: spki.raw.to_vec(), identifier: identifier(spki.raw)?.to_vec(), bits, rsa })
    }

    /// Whether the library verifies signatures of keys of this size. The library does not say why a signature is wrong.
    /// So a key that it does not support would look like a wrong signature.
    pub(super) fn is_usual(&self) -> bool {
        self.rsa.as_ref().is_none_or(|key| {
            (2048..=8192).contains(&key.modulus_bits()) && (2..=33).contains(&key.exponent_bits())
        })
    }
}

/// The number of bits. The most significant octet comes first.
fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|octet| **octet == 0).count();
    match number.get(zeros) {
        Some(first) => (number.len() - zeros) * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0),
        None => 0,
    }
}

/// The contents of the AlgorithmIdentifier, the first element of a SubjectPublicKeyInfo.
fn identifier(spki: &[u8]) -> Option<&[u8]> {
    use x509_parser::asn1_rs::Any;
    let (_, outer) = Any::from_der(spki).ok()?;
    let (_, identifier) = Any::from_der(outer.data).ok()?;
    Some(identifier.data)
}

//! Signatures of RSA keys whose size the TLS library does not support: less than 2048 bits, as in old devices, or more
//! than 8192 (RFC 8017 sections 8.1.2 and 8.2.2).
//!
//! This is only for targets that the administrator has pinned, or does not verify at all. Neither an authority nor a
//! client is trusted by this.

use rustls::SignatureScheme;
use sha2::{Sha256, Sha384, Sha512};
use x509_parser::num_bigint::BigUint;

use super::key::Key;

/// The supported sizes, in bits. A shorter key has no room for the hash. With a longer one the arithmetic takes too
/// long.
const SIZES: std::ops::RangeInclusive<usize> = 512..=16384;
/// The longest public exponent, in bits. The usual one, 65537, has 17.
const EXPONENT: usize = 33;

/// rsaEncryption (RFC 8017 appendix A.1) as an object identifier in DER.
const RSA_ENCRYPTION: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The beginning of a DigestInfo (RFC 8017 section 9.2, note 1).
const SHA256_INFO: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
const SHA384_INFO: &[u8] = b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30";
const SHA512_INFO: &[u8] = b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40";

/// Whether the key has made the signature. `None`: the key or the scheme cannot be verified here.
pub(super) fn verifies(key: &Key, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> Option<bool> {
    let rsa = key.rsa.as_ref()?;
    let known = key.identifier.starts_with(&RSA_ENCRYPTION) && SIZES.contains(&rsa.modulus_bits());
    if !known || !(2..=EXPONENT).contains(&rsa.exponent_bits()) {
        return None;
    }
    let (hash, padding) = match scheme {
        SignatureScheme::RSA_PKCS1_SHA256 => (Hash::Sha256, Padding::Pkcs1(SHA256_INFO)),
        SignatureScheme::RSA_PKCS1_SHA384 => (Hash::Sha384, Padding::Pkcs1(SHA384_INFO)),
        SignatureScheme::RSA_PKCS1_SHA512 => (Hash::Sha512, Padding::Pkcs1(SHA512_INFO)),
        SignatureScheme::RSA_PSS_SHA256 => (Hash::Sha256, Padding::Pss),
        SignatureScheme::RSA_PSS_SHA384 => (Hash::Sha384, Padding::Pss),
        SignatureScheme::RSA_PSS_SHA512 => (Hash::Sha512, Padding::Pss),
        _ => return None,
    };
    let verified = encoded(&rsa.modulus, &rsa.exponent, signature).and_then(|encoded| match padding {
        Padding::Pkcs1(info) => pkcs1(&encoded, info, &hash.of(&[message])),
        Padding::Pss => pss(&encoded, rsa.modulus_bits() - 1, hash, &hash.of(&[message])),
    });
    Some(verified.is_some())
}

enum Padding {
    /// PKCS #1 v1.5, with the beginning of the DigestInfo.
    Pkcs1(&'static [u8]),
    Pss,
}

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn digest<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut digest = D::new();
            parts.iter().for_each(|part| digest.update(part));
            digest.finalize().to_vec()
        }
        match self {
            Self::Sha256 => digest::<Sha256>(parts),
            Self::Sha384 => digest::<Sha384>(parts),
            Self::Sha512 => digest::<Sha512>(parts),
        }
    }
}

/// RSAVP1 (RFC 8017 section 5.2.2): the encoded message, as long as the modulus. All inputs are public, so the duration
/// tells no secret.
fn encoded(modulus: &[u8], exponent: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
    let (n, s) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(signature));
    let length = usize::try_from(n.bits().div_ceil(8)).ok()?;
    if signature.len() != length || s >= n {
        return None;
    }
    let message = s.modpow(&BigUint::from_bytes_be(exponent), &n).to_bytes_be();
    let mut encoded = vec![0; length.checked_sub(message.len())?];
    encoded.extend_from_slice(&message);
    Some(encoded)
}

/// EMSA-PKCS1-v1_5 (RFC 8017 section 9.2): the whole encoding is made and compared. Nothing is parsed.
fn pkcs1(encoded: &[u8], info: &[u8], hash: &[u8]) -> Option<()> {
    let padding = encoded.len().checked_sub(3 + info.len() + hash.len()).filter(|length| *length >= 8)?;
    let expected = [&[0, 1][..], &vec![0xff; padding], &[0], info, hash].concat();
    (expected == encoded).then_some(())
}

/// EMSA-PSS (RFC 8017 section 9.1.2) with a salt as long as the hash (RFC 8446 section 4.2.3).
fn pss(encoded: &[u8], bits: usize, hash: Hash, message: &[u8]) -> Option<()> {
    // If the number of bits is a multiple of eight, the encoding is an octet shorter than the modulus.
    let (before, encoded) = encoded.split_at(encoded.len().checked_sub(bits.div_ceil(8))?);
    let (data, trailer) = encoded.split_at_checked(encoded.len().checked_sub(message.len() + 1)?)?;
    let (seed, end) = trailer.split_at_checked(message.len())?;
    if before.iter().any(|octet| *octet != 0) || end != [0xbc] {
        return None;
    }
    let mut block = mask(hash, seed, data.len());
    block.iter_mut().zip(data).for_each(|(octet, data)| *octet ^= data);
    // The bits above the encoding. There are at most seven.
    let kept = 0xff_u8 >> (encoded.len() * 8 - bits);
    if data.first()? & !kept != 0 {
        return None;
    }
    *block.first_mut()? &= kept;
    let (padding, salt) = block.split_at_checked(block.len().checked_sub(message.len())?)?;
    let (one, zeros) = padding.split_last()?;
    if *one != 1 || zeros.iter().any(|octet| *octet != 0) {
        return None;
    }
    (hash.of(&[&[0; 8], message, salt]) == seed).then_some(())
}

/// MGF1 (RFC 8017 appendix B.2.1).
fn mask(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + 64);
    for counter in 0_u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend(hash.of(&[seed, &counter.to_be_bytes()]));
    }
    mask.truncate(length);
    mask
}

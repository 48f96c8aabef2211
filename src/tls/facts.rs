//! The facts of a certificate, for people and for name checks: subject, names, validity, key, fingerprint.
//!
//! They are read by x509-parser, which reads old (version 1) certificates as well. Nothing is judged here.
//! [`super::verify`] judges trust.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

/// The facts of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The subject, as a distinguished name.
    pub subject: String,
    /// The subject's first common name.
    pub common_name: Option<String>,
    /// The issuer, as a distinguished name.
    pub issuer: String,
    /// DNS names (lower case, no trailing dot, maybe a wildcard) and IP addresses. They are those of the subject
    /// alternative name extension (RFC 5280 section 4.2.1.6), or the common name if there is no such extension.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: OffsetDateTime,
    /// Valid until.
    pub not_after: OffsetDateTime,
    /// SHA-256 of the certificate's DER, as in a `pin`.
    pub fingerprint: [u8; 32],
    /// The kind of key: `ECDSA P-256`, `RSA 2048`, `Ed25519`. Of other kinds the object identifier.
    pub key: String,
}

impl Facts {
    /// Reads the certificate `der`. `None`: it is invalid.
    pub fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let common_name = common_name(certificate.subject());
        Some(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate, common_name.as_deref()),
            common_name,
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
            fingerprint: fingerprint(der),
            key: key_kind(certificate.public_key()),
        })
    }

    /// Whether one of the names matches `name`: a DNS name, in which a wildcard stands for the first label only (RFC
    /// 9525 section 6.3), or an IP address.
    pub fn covers(&self, name: &str) -> bool {
        let Some(name) = Name::of(name) else { return false };
        self.names.iter().any(|own| {
            *own == name.text
                || name
                    .wildcard()
                    .is_some_and(|parent| own.strip_prefix("*.").is_some_and(|own| own == parent))
        })
    }

    /// Whether the certificate is valid at `now`.
    pub fn valid_at(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The fingerprint in lower case hexadecimal, as in a `pin` after `sha256:`.
    pub fn fingerprint_hex(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A name to look for, in the form of [`Facts::names`].
pub(super) struct Name {
    /// The name in lower case. An IP address is in its canonical form.
    pub(super) text: String,
    ip: bool,
}

impl Name {
    /// The name without a trailing dot. `None`: it is empty.
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Ok(ip) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Some(Self { text: ip.to_canonical().to_string(), ip: true });
        }
        let text = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        (!text.is_empty()).then_some(Self { text, ip: false })
    }

    /// The text after the `*.` of a wildcard that covers the name. A wildcard itself is covered by the same wildcard
    /// only.
    pub(super) fn wildcard(&self) -> Option<&str> {
        if self.ip {
            return None;
        }
        self.text.split_once('.').map(|(_, parent)| parent)
    }
}

/// SHA-256 of `der`.
pub(super) fn fingerprint(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name().next().and_then(|attribute| attribute.as_str().ok()).map(str::to_owned)
}

fn names(certificate: &X509Certificate<'_>, common_name: Option<&str>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return common_name.and_then(Name::of).map(|name| name.text).into_iter().collect();
    };
    let mut names = Vec::new();
    for name in &extension.value.general_names {
        let text = match name {
            GeneralName::DNSName(name) => Name::of(name).map(|name| name.text),
            GeneralName::IPAddress(octets) => address(octets).map(|ip| ip.to_canonical().to_string()),
            _ => None,
        };
        if let Some(text) = text.filter(|text| !names.contains(text)) {
            names.push(text);
        }
    }
    names
}

/// The address of an iPAddress name: 4 or 16 octets (RFC 5280 section 4.2.1.6).
fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

fn key_kind(key: &SubjectPublicKeyInfo<'_>) -> String {
    /// Names of keys by object identifier (RFC 5480 section 2.1.1.1, RFC 8410 section 3).
    const NAMES: [(&str, &str); 5] = [
        ("1.2.840.10045.3.1.7", "ECDSA P-256"),
        ("1.3.132.0.34", "ECDSA P-384"),
        ("1.3.132.0.35", "ECDSA P-521"),
        ("1.3.101.112", "Ed25519"),
        ("1.3.101.113", "Ed448"),
    ];
    let identifier = match key.parsed() {
        Ok(PublicKey::RSA(key)) => return format!("RSA {}", key.key_size()),
        // The parameters contain the curve, which tells EC keys apart.
        Ok(PublicKey::EC(_)) => key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok()),
        _ => None,
    };
    let identifier = identifier.unwrap_or_else(|| key.algorithm.algorithm.clone()).to_id_string();
    NAMES
        .iter()
        .find(|(known, _)| *known == identifier)
        .map_or_else(|| identifier.clone(), |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::DevCa;

    fn facts(names: &[&str]) -> Facts {
        let ca = DevCa::new().unwrap();
        Facts::of(ca.server(names).unwrap().der()).unwrap()
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let facts = facts(&["*.dvl-ckl2.net", "Other.example"]);
        for name in ["hq.dvl-ckl2.net", "HQ.DVL-ckl2.net.", "*.dvl-ckl2.net", "other.example"] {
            assert!(facts.covers(name), "{name}");
        }
        for name in
            ["dvl-ckl2.net", "a.hq.dvl-ckl2.net", "*.hq.dvl-ckl2.net", "x.other.example", "*.example", ""]
        {
            assert!(!facts.covers(name), "{name}");
        }
    }

    #[test]
    fn addresses_need_addresses() {
        let facts = facts(&["192.0.2.7", "2001:db8::1"]);
        assert_eq!(facts.names, ["192.0.2.7", "2001:db8::1"]);
        for name in ["192.0.2.7", "[2001:db8::1]", "2001:DB8:0::1"] {
            assert!(facts.covers(name), "{name}");
        }
        assert!(!facts.covers("192.0.2.8"));
    }

    #[test]
    fn a_common_name_counts_only_without_alternative_names() {
        let ca = DevCa::new().unwrap();
        let client = Facts::of(ca.client("pbx.example").unwrap().der()).unwrap();
        assert_eq!(client.names, ["pbx.example"]);
        assert_eq!(client.common_name.as_deref(), Some("pbx.example"));
        assert_eq!(client.key, "ECDSA P-256");
        assert_eq!(client.fingerprint_hex().len(), 64);
        assert!(facts(&["a.example"]).covers("a.example"));
        assert!(Facts::of(b"nonsense").is_none());
    }
}

//! Certificate authorities of telephones, good and bad ones, and their certificates.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

use crate::harness::client_config_with;

/// A chain, the client's certificate first, and its key.
#[derive(Clone)]
pub struct Chain {
    pub certificates: Vec<CertificateDer<'static>>,
    pub key: String,
    pub pem: String,
    serial: SerialNumber,
}

impl Chain {
    /// A TLS client that shows it.
    pub fn client(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> std::sync::Arc<rustls::ClientConfig> {
        client_config_with(&[version], self.certificates.clone(), &self.key)
    }
}

/// The wanted contents of a certificate.
#[derive(Clone, Default)]
pub struct Wanted {
    pub common_names: Vec<String>,
    pub alternative: Vec<SanType>,
    /// The period of validity, in days from now.
    pub days: Option<(i64, i64)>,
    pub usage: Option<ExtendedKeyUsagePurpose>,
    pub extension: Option<CustomExtension>,
    pub revocation: Vec<CrlDistributionPoint>,
}

impl Wanted {
    /// A certificate for a common name.
    pub fn named(name: &str) -> Self {
        Self { common_names: vec![name.to_owned()], ..Self::default() }
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (number, name) in self.common_names.iter().enumerate() {
            // There is one value for each type. The second common name is the same type under another name.
            let kind = if number == 0 { DnType::CommonName } else { DnType::CustomDnType(vec![2, 5, 4, 3]) };
            params.distinguished_name.push(kind, name.as_str());
        }
        params.subject_alt_names = self.alternative.clone();
        params.extended_key_usages = vec![self.usage.clone().unwrap_or(ExtendedKeyUsagePurpose::ClientAuth)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.custom_extensions.extend(self.extension.clone());
        params.crl_distribution_points = self.revocation.clone();
        let (from, until) = self.days.unwrap_or((-1, 90));
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now + Duration::days(from), now + Duration::days(until));
        params.serial_number = Some(SerialNumber::from(serial().to_vec()));
        params
    }
}

fn serial() -> [u8; 8] {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0x1000);
    NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes()
}

/// A CA.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
    /// The certificates between its own certificates and its root.
    above: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A root with this name.
    pub fn root(name: &str) -> Self {
        Self::root_as(name, |_| ())
    }

    /// A root with this name, changed by `change`.
    pub fn root_as(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca_params(name);
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key), above: Vec::new() }
    }

    /// The CA whose telephones are trusted in these tests.
    pub fn trusted() -> &'static Self {
        static TRUSTED: OnceLock<Authority> = OnceLock::new();
        TRUSTED.get_or_init(|| Self::root("Telephones of dvl-ckl2.net"))
    }

    /// A CA below this one, changed by `change`.
    pub fn below_as(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca_params(name);
        params.serial_number = Some(SerialNumber::from(serial().to_vec()));
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let above = [vec![certificate.der().clone()], self.above.clone()].concat();
        Self { pem: certificate.pem(), issuer: Issuer::new(params, key), above }
    }

    /// Issues a certificate. The chain has the certificates above it.
    pub fn issue(&self, wanted: &Wanted) -> Chain {
        let key = KeyPair::generate().unwrap();
        let params = wanted.params();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Chain {
            certificates: [vec![certificate.der().clone()], self.above.clone()].concat(),
            key: key.serialize_pem(),
            pem: certificate.pem(),
            serial: params.serial_number.unwrap(),
        }
    }

    /// A CRL that revokes `chains`. Its nextUpdate is in `days` days.
    pub fn revoke(&self, chains: &[&Chain], days: i64) -> String {
        let now = OffsetDateTime::now_utc();
        let revoked = |chain: &&Chain| RevokedCertParams {
            serial_number: chain.serial.clone(),
            revocation_time: now - Duration::hours(1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: now - Duration::days(60),
            next_update: now + Duration::days(days),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: chains.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A certificate that the client itself has signed.
pub fn self_signed(wanted: &Wanted) -> Chain {
    let key = KeyPair::generate().unwrap();
    let params = wanted.params();
    let certificate = params.self_signed(&key).unwrap();
    Chain {
        certificates: vec![certificate.der().clone()],
        key: key.serialize_pem(),
        pem: certificate.pem(),
        serial: params.serial_number.unwrap(),
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Writes files of a folder.
pub fn write(folder: &Path, files: &[(&str, &str)]) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

//! The trust in clients' certificates (contract section 5): CA certificates and CRLs of `tls.client_trust`, or of a
//! host's own `client_trust`, and the verdict on a chain.
//!
//! webpki builds the path and checks signatures, validity, path lengths, name constraints, usage and CRLs. This module
//! adds three things. The result is a [`CertificateStatus`], not a failed handshake. A certificate is called expired or
//! revoked only if a trusted CA has issued it. A certificate in the store itself is trusted, even if it says that it is
//! a CA's, because devices make such certificates for themselves.
//!
//! A CRL is in force for its issuer until another one replaces it. After its nextUpdate the certificates in it stay
//! revoked. Other certificates are not refused because of the CRL's age. `check` and the log warn. A CA without a CRL
//! revokes nothing.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExpirationPolicy, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::facts::Facts;
use super::failure::of_chain;
use super::possession::Possession;
use super::source::{Found, Occasion, Source};
use super::{pem, provider};
use crate::cause::Cause;
use crate::config::Diagnostic;
use crate::proof::Names;

/// The verdict on a client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateStatus {
    /// A trusted CA vouches for these names.
    Ok(Names),
    /// No trusted CA vouches for it. The cause says why.
    Untrusted(Cause),
    /// It, or a certificate above it, has expired.
    Expired,
    /// It, or a certificate above it, is not valid yet.
    NotYetValid,
    /// Its issuer has revoked it.
    Revoked,
    /// It cannot be decoded, its key cannot be verified here, or it is not for clients. The cause says which.
    Unusable(Cause),
    /// The client has no certificate.
    None,
}

impl CertificateStatus {
    /// Why the certificate proves nothing. `None`: it is trusted.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Self::Ok(_) => None,
            Self::Untrusted(cause) | Self::Unusable(cause) => Some(*cause),
            Self::Expired => Some(Cause::Expired),
            Self::NotYetValid => Some(Cause::NotYetValid),
            Self::Revoked => Some(Cause::Revoked),
            Self::None => Some(Cause::NoCertificate),
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok(names) => return write!(f, "ok({names})"),
            Self::Untrusted(_) => "untrusted",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked => "revoked",
            Self::Unusable(_) => "unusable",
            Self::None => "none",
        })
    }
}

/// CA certificates and CRLs.
#[derive(Debug, Default)]
pub struct ClientTrust {
    anchors: Vec<TrustAnchor<'static>>,
    /// Every certificate of the store.
    own: Vec<CertificateDer<'static>>,
    /// The CRLs, the latest first. Of several CRLs of one issuer the first one counts.
    lists: Vec<CertRevocationList<'static>>,
    source: Source<pem::Trust>,
    /// The data from which `lists` was made.
    crls: Vec<Crl>,
}

impl ClientTrust {
    /// Reads a folder (`*.crt`, `*.pem`, `*.cer` with certificates, `*.crl` and `*.pem` with CRLs) or a file. A missing
    /// file vouches for no client. If a change was only noticed, earlier contents stay in use.
    pub fn load(path: &Path, occasion: Occasion<'_, Self>) -> (Self, Found) {
        const READ: [&str; 4] = ["crt", "pem", "cer", "crl"];
        let listed = pem::store(path, &READ);
        let before = occasion.of(|before| Some(&before.source));
        let (source, mut found) = Source::read(path, listed, before, |file| match pem::trust(file) {
            Ok(trust) => (Some(trust), Vec::new()),
            Err(problem) => (None, vec![*problem]),
        });
        found.problems.extend(pem::unread(
            path,
            &READ,
            "*.crt, *.pem and *.cer with certificates and *.crl are read here",
        ));
        let mut trust = Self::default();
        for loaded in source.loaded() {
            let problems = &mut found.problems;
            loaded.what.certificates.iter().for_each(|one| trust.add(one.clone(), &loaded.file, problems));
            loaded.what.lists.iter().for_each(|one| trust.revoke(one, &loaded.file, problems));
        }
        let before = occasion.before().map(|before| before.crls.as_slice()).unwrap_or_default();
        let lost: Vec<_> =
            before.iter().filter(|old| !trust.crls.iter().any(|new| new.replaces(old))).cloned().collect();
        for crl in lost {
            let (is_noticed, issuer) = (matches!(occasion, Occasion::Noticed(_)), &crl.issuer);
            if is_noticed {
                let message = format!("the CRL of {issuer} is gone: whom it revoked stays revoked");
                found.gone.push(pem::warning(
                    path,
                    message,
                    Some("a reload gives up what is not there any more"),
                ));
                trust.crls.push(crl);
            } else {
                let message =
                    format!("the CRL of {issuer} is no longer here: whom it revoked is not revoked any more");
                found.problems.push(pem::warning(
                    path,
                    message,
                    Some("put it back and reload, if that is not meant"),
                ));
            }
        }
        trust.crls.sort_by_key(|crl| std::cmp::Reverse(crl.made));
        trust.lists = trust.crls.iter().filter_map(Crl::decoded).collect();
        (Self { source, ..trust }, found)
    }

    /// Whether the store vouches for no client.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// Advice for the case that the store is empty.
    pub(crate) fn advice(&self, help: &str) -> String {
        self.source.advice(help)
    }

    /// The certificates of the store.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.own.iter().map(AsRef::as_ref)
    }

    fn add(&mut self, certificate: CertificateDer<'static>, file: &Path, found: &mut Vec<Diagnostic>) {
        match anchor_from_trusted_cert(&certificate) {
            Ok(anchor) => self.anchors.push(anchor.to_owned()),
            Err(cause) => {
                let message = format!("this certificate cannot vouch for clients: {cause}");
                found.push(pem::warning(
                    file,
                    message,
                    Some("a CA's certificate belongs here, X.509 version 3"),
                ));
                return;
            }
        }
        let facts = Facts::of(&certificate);
        if let Some(facts) = facts.filter(|facts| facts.not_after < OffsetDateTime::now_utc()) {
            let message =
                format!("the CA certificate {} expired on {}", facts.subject, facts.not_after.date());
            let help = "it vouches for clients all the same, as long as it is here; put the new one beside it, then remove it";
            found.push(pem::warning(file, message, Some(help)));
        }
        self.own.push(certificate);
    }

    fn revoke(
        &mut self,
        list: &CertificateRevocationListDer<'static>,
        file: &Path,
        found: &mut Vec<Diagnostic>,
    ) {
        let parsed = CertificateRevocationList::from_der(list).ok().map(|(_, parsed)| parsed);
        let (Some(crl), Some(parsed)) = (parsed.as_ref().map(|parsed| Crl::of(list, parsed)), parsed) else {
            return;
        };
        self.crls.push(crl);
        let next = parsed.next_update();
        if let Some(next) =
            next.map(|time| time.to_datetime()).filter(|next| *next < OffsetDateTime::now_utc())
        {
            let message = format!("the CRL should have been replaced by {}", next.date());
            let help = "whom it revokes stays revoked; whom the CA has revoked since is not known here";
            found.push(pem::warning(file, message, Some(help)));
        }
    }

    /// The verdict on a chain at `now`. The client's certificate comes first. If the client has not proven that it
    /// holds the certificate's key, the certificate is unusable, whichever CA has issued it.
    pub fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        possession: Possession,
        now: UnixTime,
    ) -> CertificateStatus {
        let Some((leaf, intermediates)) = chain.split_first() else { return CertificateStatus::None };
        if possession == Possession::Unproven {
            return CertificateStatus::Unusable(Cause::UnverifiableKey);
        }
        let Ok(certificate) = EndEntityCert::try_from(leaf) else {
            return CertificateStatus::Unusable(Cause::Unreadable);
        };
        let verified = self.verify(&certificate, intermediates, now).or_else(|cause| match cause {
            // A certificate in the store itself needs no CA.
            Error::CaUsedAsEndEntity if self.own.iter().any(|own| own == leaf) => {
                self.check_listed(leaf, now)
            }
            cause => Err(cause),
        });
        match verified {
            Ok(()) => {
                Names::of(leaf).map_or(CertificateStatus::Unusable(Cause::Unreadable), CertificateStatus::Ok)
            }
            Err(Error::CertExpired { not_after: time, .. }) => {
                self.if_once_trusted(&certificate, intermediates, time, CertificateStatus::Expired)
            }
            Err(Error::CertNotValidYet { not_before: time, .. }) => {
                self.if_once_trusted(&certificate, intermediates, time, CertificateStatus::NotYetValid)
            }
            Err(Error::CertRevoked) => CertificateStatus::Revoked,
            Err(Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension) => {
                CertificateStatus::Unusable(Cause::WrongPurpose)
            }
            Err(cause) => CertificateStatus::Untrusted(of_chain(&cause)),
        }
    }

    /// `outdated`, if a trusted CA vouched for the certificate while it was valid.
    fn if_once_trusted(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        then: UnixTime,
        outdated: CertificateStatus,
    ) -> CertificateStatus {
        match self.verify(certificate, intermediates, then) {
            Ok(()) | Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => outdated,
            Err(Error::CertRevoked) => CertificateStatus::Revoked,
            Err(cause) => CertificateStatus::Untrusted(of_chain(&cause)),
        }
    }

    fn verify(
        &self,
        certificate: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        time: UnixTime,
    ) -> Result<(), Error> {
        let lists: Vec<&CertRevocationList<'_>> = self.lists.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let algorithms = provider().signature_verification_algorithms.all;
        let usage = KeyUsage::client_auth();
        certificate
            .verify_for_usage(algorithms, &self.anchors, intermediates, time, usage, revocation, None)
            .map(|_| ())
    }

    /// Checks a device's self-signed certificate.
    fn check_listed(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        let facts = Facts::of(leaf).ok_or(Error::BadDer)?;
        let unix = |time: OffsetDateTime| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                u64::try_from(time.unix_timestamp()).unwrap_or_default(),
            ))
        };
        let (not_before, not_after) = (unix(facts.not_before), unix(facts.not_after));
        if now.as_secs() < not_before.as_secs() {
            return Err(Error::CertNotValidYet { time: now, not_before });
        }
        if now.as_secs() > not_after.as_secs() {
            return Err(Error::CertExpired { time: now, not_after });
        }
        Ok(())
    }
}

/// A CRL, and the data that shows whether another one replaces it.
#[derive(Debug, Clone)]
struct Crl {
    der: CertificateRevocationListDer<'static>,
    /// The issuer's name, for people.
    issuer: String,
    /// The issuer, and the part of its certificates that the CRL covers (RFC 5280 section 5.2.5).
    scope: (Vec<u8>, Vec<u8>),
    /// thisUpdate, in Unix seconds.
    made: i64,
}

impl Crl {
    fn of(der: &CertificateRevocationListDer<'static>, parsed: &CertificateRevocationList<'_>) -> Self {
        let part = parsed.extensions().iter().find(|one| one.oid == OID_X509_EXT_ISSUER_DISTRIBUTION_POINT);
        Self {
            der: der.clone(),
            issuer: parsed.issuer().to_string(),
            scope: (
                parsed.issuer().as_raw().to_vec(),
                part.map(|part| part.value.to_vec()).unwrap_or_default(),
            ),
            made: parsed.last_update().timestamp(),
        }
    }

    fn decoded(&self) -> Option<CertRevocationList<'static>> {
        OwnedCertRevocationList::from_der(&self.der).ok().map(Into::into)
    }

    fn replaces(&self, other: &Self) -> bool {
        self.scope == other.scope
    }
}

/// All trust stores: the usual one and those of hosts. Immutable.
#[derive(Debug, Default)]
pub struct ClientTrusts {
    usual: ClientTrust,
    own: HashMap<Arc<Path>, ClientTrust>,
}

impl ClientTrusts {
    /// Reads `tls.client_trust` and the stores of the hosts.
    pub fn load<'a>(
        usual: &Path,
        own: impl Iterator<Item = &'a Arc<Path>>,
        occasion: Occasion<'_, Self>,
    ) -> (Self, Found) {
        let (usual, mut found) = ClientTrust::load(usual, occasion.of(|before| Some(&before.usual)));
        let own = own.map(|path| {
            let (trust, more) = ClientTrust::load(path, occasion.of(|before| before.own.get(path)));
            if trust.is_empty() {
                let help = trust.advice("put the CA certificate of this host's phones here");
                let message = "no CA certificate here: no client is proven";
                found.problems.push(pem::warning(path, message, Some(&help)));
            }
            found.append(more);
            (Arc::clone(path), trust)
        });
        let own = own.collect();
        (Self { usual, own }, found)
    }

    /// The store for the clients of a host: its own, or the usual one.
    pub fn of(&self, own: Option<&Arc<Path>>) -> &ClientTrust {
        own.map_or(&self.usual, |path| {
            self.own.get(path).unwrap_or_else(|| NOBODY.get_or_init(ClientTrust::default))
        })
    }
}

/// A host's own store that was not read vouches for no client. The usual store must not replace it.
static NOBODY: OnceLock<ClientTrust> = OnceLock::new();

//! A certificate of our own with its key, read and matched, toward clients or toward targets.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::SignatureAlgorithm;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::facts::Facts;
use super::{backend, pem};
use crate::config::{CertificateFiles, Diagnostic};
use crate::files;

/// How long before the end of a certificate `check` begins to warn.
pub(crate) const EXPIRY_WARNING: Duration = Duration::days(30);

/// How the warnings begin that depend on the time, before the date.
const VALIDITY: [&str; 3] =
    ["the certificate expired on", "the certificate expires on", "the certificate is not valid before"];

/// A certificate with its matching key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The NAME of NAME.crt.
    pub name: String,
    /// The certificate's file.
    pub file: PathBuf,
    /// The facts of the leaf.
    pub facts: Facts,
    certified: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads a certificate with its key. If there is no certificate, at least one of the diagnostics is an error.
    /// Expiry and open file modes are only warnings, because an expired certificate is better than none.
    pub(super) fn load(files: &CertificateFiles, now: OffsetDateTime) -> (Option<Self>, Vec<Diagnostic>) {
        let mut found: Vec<Diagnostic> = pem::open_to_others(&files.key).into_iter().collect();
        match read(files) {
            Ok(certificate) => {
                found.extend(certificate.validity_warning(now));
                (Some(certificate), found)
            }
            Err(error) => {
                found.push(*error);
                (None, found)
            }
        }
    }

    /// Chain and signing key, in rustls' form.
    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The rank among several certificates for one name, a smaller one being better. A valid certificate comes before
    /// an invalid one, and one that is still there before one that is gone. Then ECDSA comes before RSA, because its
    /// signature takes a fifth of the time.
    pub(super) fn rank(&self, now: OffsetDateTime, gone: bool) -> (bool, bool, bool) {
        (!self.facts.valid_at(now), gone, self.certified.key.algorithm() == SignatureAlgorithm::RSA)
    }

    /// A warning if the certificate is near its end, or beyond it.
    pub(crate) fn validity_warning(&self, now: OffsetDateTime) -> Option<Diagnostic> {
        validity_warning(&self.facts, &self.file, now)
    }

    /// Whether [`Self::validity_warning`] may have made this warning about this certificate, at any time.
    pub(crate) fn has_said(&self, warning: &Diagnostic) -> bool {
        warning.place.file == self.file && VALIDITY.iter().any(|start| warning.message.starts_with(start))
    }
}

/// A warning if the certificate of `file` is near its end, or beyond it.
pub(super) fn validity_warning(facts: &Facts, file: &Path, now: OffsetDateTime) -> Option<Diagnostic> {
    let Facts { not_before, not_after, .. } = facts;
    let [expired, expires, too_early] = VALIDITY;
    let message = if *not_after < now {
        format!("{expired} {}", not_after.date())
    } else if *not_after - now < EXPIRY_WARNING {
        let days = (*not_after - now).whole_days();
        format!("{expires} {}, in {days} days", not_after.date())
    } else if now < *not_before {
        format!("{too_early} {}", not_before.date())
    } else {
        return None;
    };
    Some(pem::warning(file, message, Some("put a new one in its place and reload")))
}

fn read(files: &CertificateFiles) -> Result<Certificate, Box<Diagnostic>> {
    let (chain, facts) = chain_of_file(&files.cert)?;
    let key = pem::private_key(&files.key).map_err(|error| without_key(files, error))?;
    // The key is passed by reference, so that we can still wipe it. The provider's own function would take the key and
    // drop it unwiped.
    let key = backend::sign::any_supported_type(&key).map_err(|cause| {
        pem::error(
            &files.key,
            format!("the key cannot be used: {cause}"),
            Some("RSA keys of 2048 to 8192 bits, ECDSA keys on P-256, P-384 and P-521, and Ed25519 keys can"),
        )
    })?;
    // A key that does not show its public part cannot be compared. It is accepted.
    if let Some(public) = key.public_key() {
        let fits = |der: &[u8]| public_key_of(der).is_some_and(|own| own == public.as_ref());
        if !chain.first().is_some_and(|leaf| fits(leaf)) {
            let misplaced = chain.iter().position(|certificate| fits(certificate));
            return Err(mismatch(files, misplaced));
        }
    }
    Ok(Certificate {
        name: name_of(&files.cert),
        file: files.cert.clone(),
        facts,
        certified: Arc::new(CertifiedKey::new(chain, key)),
    })
}

fn chain_of_file(file: &Path) -> Result<(Vec<CertificateDer<'static>>, Facts), Box<Diagnostic>> {
    let chain = pem::certificates(file)?;
    let unusable = || pem::error(file, "the first certificate in this file cannot be decoded", None);
    let facts = chain.first().and_then(|leaf| Facts::of(leaf)).ok_or_else(unusable)?;
    Ok((chain, facts))
}

/// The facts of the first certificate of a file. Its key is not read.
///
/// # Errors
/// Why there is no certificate that can be decoded.
pub fn facts_of_file(file: &Path) -> Result<Facts, Box<Diagnostic>> {
    chain_of_file(file).map(|(_, facts)| facts)
}

/// The error for a certificate without a key beside it. It does not speak of a missing file that the administrator
/// never named.
fn without_key(files: &CertificateFiles, error: Box<Diagnostic>) -> Box<Diagnostic> {
    if fs::metadata(&files.key).is_err_and(|cause| files::is_absent(&cause)) {
        let message = format!("this is not there: the key of the certificate {}", files.cert.display());
        let help =
            "put the key there, under that name; or remove the certificate, if no client shall be shown it";
        return pem::error(&files.key, message, Some(help));
    }
    error
}

/// `misplaced`: the position in the chain of the certificate that the key does fit.
fn mismatch(files: &CertificateFiles, misplaced: Option<usize>) -> Box<Diagnostic> {
    let help = match misplaced {
        Some(at) => format!(
            "it fits certificate {} of the file: the server's own certificate must come first, then the one that signed it",
            at + 1
        ),
        None => "use the key with which this certificate was requested".to_owned(),
    };
    let message = format!("the key {} does not fit this certificate", files.key.display());
    pem::error(&files.cert, message, Some(&help))
}

/// The SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of a certificate, DER.
fn public_key_of(der: &[u8]) -> Option<&[u8]> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.tbs_certificate.subject_pki.raw)
}

pub(super) fn name_of(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::Severity;
    use crate::tls::{DevCa, Issued, Validity};

    fn write(dir: &Path, issued: &Issued) -> CertificateFiles {
        let files = CertificateFiles { cert: dir.join("a.crt"), key: dir.join("a.key") };
        fs::write(&files.cert, &issued.cert_pem).unwrap();
        fs::write(&files.key, &issued.key_pem).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o640)).unwrap();
        files
    }

    fn load(files: &CertificateFiles) -> (Option<Certificate>, Vec<(Severity, String)>) {
        let (certificate, found) = Certificate::load(files, OffsetDateTime::now_utc());
        (certificate, found.into_iter().map(|one| (one.severity, one.message)).collect())
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let ca = DevCa::new().unwrap();
        let files = write(dir.path(), &ca.server(&["a.example"]).unwrap());
        assert!(matches!(load(&files), (Some(_), found) if found.is_empty()));
        fs::write(&files.key, ca.server(&["a.example"]).unwrap().key_pem).unwrap();
        let (none, found) = load(&files);
        assert!(none.is_none());
        assert!(matches!(&found[..], [(Severity::Error, message)] if message.contains("does not fit")));
    }

    #[test]
    fn a_chain_in_the_wrong_order_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let ca = DevCa::new().unwrap();
        let issued = ca.server(&["a.example"]).unwrap();
        let files = write(dir.path(), &issued);
        fs::write(&files.cert, format!("{}{}", ca.certificate_pem(), issued.cert_pem)).unwrap();
        let (_, found) = Certificate::load(&files, OffsetDateTime::now_utc());
        assert!(found[0].help.as_deref().unwrap().contains("certificate 2"));
    }

    #[test]
    fn the_clock_gives_warnings_only() {
        let dir = tempfile::tempdir().unwrap();
        let ca = DevCa::new().unwrap();
        for (validity, expected) in [
            (Validity::days(-60, -1), "expired on"),
            (Validity::days(-1, 10), "expires on"),
            (Validity::days(1, 90), "not valid before"),
        ] {
            let files = write(dir.path(), &ca.server_valid(&["a.example"], validity).unwrap());
            let (certificate, found) = load(&files);
            assert!(certificate.is_some());
            assert!(
                matches!(&found[..], [(Severity::Warning, message)] if message.contains(expected)),
                "{found:?}"
            );
        }
    }

    /// A warning from the time when a certificate was read is recognised, and is not mistaken for another
    /// certificate's.
    #[test]
    fn item_1_a_warning_of_another_day_is_known_for_one() {
        let dir = tempfile::tempdir().unwrap();
        let issued = DevCa::new().unwrap().server_valid(&["a.example"], Validity::days(1, 10)).unwrap();
        let files = write(dir.path(), &issued);
        let start = OffsetDateTime::now_utc();
        let certificate = Certificate::load(&files, start).0.unwrap();
        for day in [0, 2, 11] {
            let warning = certificate.validity_warning(start + Duration::days(day)).unwrap();
            assert!(certificate.has_said(&warning), "{warning:?}");
            let other = Diagnostic { place: crate::config::Location::whole("b.crt"), ..warning };
            assert!(!certificate.has_said(&other));
        }
        assert!(!certificate.has_said(&pem::warning(&files.cert, "the mode is odd", None)));
    }

    #[test]
    fn a_key_that_everybody_can_read_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), &DevCa::new().unwrap().server(&["a.example"]).unwrap());
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
        let (certificate, found) = load(&files);
        assert!(certificate.is_some());
        assert!(matches!(&found[..], [(Severity::Warning, message)] if message.contains("mode 0644")));
    }
}

//! A certificate authority for tests, with throw-away keys. It is never for production (contract section 4).

use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

/// How many names one server certificate has. More names make another certificate, so that no handshake grows too long.
const NAMES_A_CERTIFICATE: usize = 100;

/// A CA with its key in memory.
#[derive(Debug)]
pub struct DevCa {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key_pem: String,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, PEM.
    pub cert_pem: String,
    /// Its key, PKCS#8 PEM.
    pub key_pem: String,
    der: Vec<u8>,
}

/// The period in which a certificate is valid.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    /// Valid from.
    pub not_before: OffsetDateTime,
    /// Valid until.
    pub not_after: OffsetDateTime,
}

/// Why no certificate was made.
#[derive(Debug)]
pub enum DevError {
    /// The name cannot be in a certificate.
    Name(String),
    /// The key or the certificate could not be made.
    Making(rcgen::Error),
    /// A file could not be written.
    File(PathBuf, io::Error),
}

impl DevCa {
    /// A new CA, valid for ten years.
    pub fn new() -> Result<Self, DevError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Portward development CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Validity::days(-1, 3650).apply(&mut params);
        let pem = params.self_signed(&key)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Self { issuer: Issuer::new(params, key), pem, key_pem })
    }

    /// The CA's certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for `names`: DNS names, wildcards and IP addresses. It is valid for a year.
    pub fn server<N: AsRef<str>>(&self, names: &[N]) -> Result<Issued, DevError> {
        self.server_valid(names, Validity::days(-1, 365))
    }

    /// As [`Self::server`], but valid as `validity` says.
    pub fn server_valid<N: AsRef<str>>(&self, names: &[N], validity: Validity) -> Result<Issued, DevError> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        let shown = names.first().cloned().unwrap_or_default();
        let mut params =
            CertificateParams::new(names.as_slice()).map_err(|_| DevError::Name(names.join(", ")))?;
        params.distinguished_name.push(DnType::CommonName, shown);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, validity)
    }

    /// A client certificate with the common name `cn`: a user, or a hardware ID. It is valid for a year.
    pub fn client(&self, cn: &str) -> Result<Issued, DevError> {
        self.client_valid(cn, Validity::days(-1, 365))
    }

    /// As [`Self::client`], but valid as `validity` says.
    pub fn client_valid(&self, cn: &str, validity: Validity) -> Result<Issued, DevError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, cn);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, validity)
    }

    fn issue(&self, mut params: CertificateParams, validity: Validity) -> Result<Issued, DevError> {
        validity.apply(&mut params);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            der: certificate.der().to_vec(),
        })
    }
}

impl Issued {
    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl Validity {
    /// A period in days from now. Negative numbers lie in the past.
    pub fn days(from: i64, until: i64) -> Self {
        let now = OffsetDateTime::now_utc();
        Self { not_before: now + Duration::days(from), not_after: now + Duration::days(until) }
    }

    fn apply(self, params: &mut CertificateParams) {
        params.not_before = self.not_before;
        params.not_after = self.not_after;
    }
}

/// The certificates that show the verdicts, beside those of clients.
const TRIALS: [&str; 2] = ["expired", "foreign"];

/// Writes a CA, server certificates for `names` and client certificates for `clients` below `dir`, in the layout of
/// `certs/README.md`, and returns the files. Two more client certificates for the first client show the verdicts on bad
/// ones: one has expired, and another CA of the same name has signed the other. Of a name with a registration location
/// only the part before the `/` counts. Each name counts once. If one of the files exists nothing is written, unless
/// `force` is set.
pub fn make<N: AsRef<str>>(
    dir: &Path,
    names: &[N],
    clients: &[N],
    force: bool,
) -> Result<Vec<PathBuf>, DevError> {
    let ca = DevCa::new()?;
    let mut files = vec![
        File::open(dir.join("client-trust/dev-ca.crt"), ca.pem.clone()),
        File::open(dir.join("upstream-trust/dev-ca.crt"), ca.pem.clone()),
        File::secret(dir.join("dev-ca.key"), ca.key_pem.clone()),
    ];
    for (number, names) in distinct(names).chunks(NAMES_A_CERTIFICATE).enumerate() {
        let stem = if number == 0 { "dev".to_owned() } else { format!("dev-{}", number + 1) };
        files.extend(pair(&dir.join("server"), &stem, ca.server(names)?));
    }
    files.extend(pair(dir, "rp", ca.client("portward")?));
    for client in clients {
        let client = client.as_ref();
        let reserved = TRIALS.contains(&client);
        if client.is_empty() || client.starts_with('.') || client.contains('/') || reserved {
            return Err(DevError::Name(client.to_owned()));
        }
        files.extend(pair(&dir.join("clients"), client, ca.client(client)?));
    }
    let first = clients.first().map_or("client", AsRef::as_ref);
    let bad = [ca.client_valid(first, Validity::days(-30, -1))?, DevCa::new()?.client(first)?];
    for (name, issued) in TRIALS.into_iter().zip(bad) {
        files.extend(pair(&dir.join("clients"), name, issued));
    }
    if !force && let Some(there) = files.iter().find(|file| file.path.symlink_metadata().is_ok()) {
        return Err(DevError::File(there.path.clone(), io::ErrorKind::AlreadyExists.into()));
    }
    for file in &files {
        file.write().map_err(|cause| DevError::File(file.path.clone(), cause))?;
    }
    Ok(files.into_iter().map(|file| file.path).collect())
}

/// A file that will be written.
struct File {
    path: PathBuf,
    text: String,
    mode: u32,
}

impl File {
    fn open(path: PathBuf, text: String) -> Self {
        Self { path, text, mode: 0o644 }
    }

    fn secret(path: PathBuf, text: String) -> Self {
        Self { path, text, mode: 0o600 }
    }

    /// A new file replaces an old one, so that neither the mode nor the target of a link is inherited. The mode is set
    /// explicitly, whatever the umask is.
    fn write(&self) -> io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(&self.path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(self.mode).open(&self.path)?;
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.write_all(self.text.as_bytes())
    }
}

fn pair(dir: &Path, stem: &str, issued: Issued) -> [File; 2] {
    [
        File::open(dir.join(format!("{stem}.crt")), issued.cert_pem),
        File::secret(dir.join(format!("{stem}.key")), issued.key_pem),
    ]
}

fn distinct<N: AsRef<str>>(names: &[N]) -> Vec<&str> {
    let mut names: Vec<&str> = names
        .iter()
        .map(|name| name.as_ref().split_once('/').map_or(name.as_ref(), |(host, _)| host))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl From<rcgen::Error> for DevError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error)
    }
}

impl fmt::Display for DevError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "no certificate can be made for the name {name:?}"),
            Self::Making(error) => write!(f, "the certificate cannot be made: {error}"),
            Self::File(path, cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                write!(f, "{} exists already", path.display())
            }
            Self::File(path, cause) => write!(f, "{} cannot be written: {cause}", path.display()),
        }
    }
}

impl std::error::Error for DevError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CertificateFiles, CertificateSource, Tls, TlsVersion, Trust, Upstream};
    use crate::rules::Verify;
    use crate::tls::{Occasion, ServerTls, UpstreamTls};

    #[test]
    fn what_is_made_loads_without_a_word() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["dvl-ckl2.net", "dvl-ckl2.net/branch-b", "*.dvl-ckl2.net", "192.0.2.7"];
        let files = make(dir.path(), &names, &["009033410004"], false).unwrap();
        for file in &files {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            let secret = file.extension().is_some_and(|extension| extension == "key");
            assert_eq!(mode, if secret { 0o600 } else { 0o644 }, "{}", file.display());
        }
        assert!(files.contains(&dir.path().join("clients/009033410004.key")));

        let (server, found) = ServerTls::load(
            &Tls {
                certificates: CertificateSource::Folder(dir.path().join("server")),
                default: String::new(),
                client_trust: dir.path().join("client-trust"),
                min_version: TlsVersion::V1_2,
                acme: None,
            },
            Occasion::Start,
        );
        assert!(found.problems.is_empty(), "{found:?}");
        assert!(server.uncovered(names.into_iter()).is_empty());
        let settings = Upstream {
            certificate: Some(CertificateFiles {
                cert: dir.path().join("rp.crt"),
                key: dir.path().join("rp.key"),
            }),
            trust: Trust::Path(dir.path().join("upstream-trust")),
            verify: Verify::Ca,
            connect_timeout: std::time::Duration::from_secs(5),
        };
        let (upstream, found) = UpstreamTls::load(&settings, Occasion::Start);
        assert!(found.problems.is_empty(), "{found:?}");
        assert!(upstream.certificate().is_some());
    }

    #[test]
    fn nothing_is_overwritten_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("server/dev.key");
        fs::create_dir(dir.path().join("server")).unwrap();
        fs::write(&key, "precious").unwrap();
        let refused = make(dir.path(), &["a.example"], &[], false).unwrap_err();
        assert!(refused.to_string().contains("dev.key exists already"));
        assert_eq!(fs::read_to_string(&key).unwrap(), "precious");
        assert!(!dir.path().join("dev-ca.key").exists(), "nothing at all is written");
        make(dir.path(), &["a.example"], &[], true).unwrap();
        assert!(fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn many_names_make_several_certificates() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..150).map(|number| format!("host-{number}.example")).collect();
        let files = make(dir.path(), &names, &[], false).unwrap();
        assert!(files.contains(&dir.path().join("server/dev-2.crt")));
    }

    #[test]
    fn impossible_names_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(make(dir.path(), &["a.example"], &["../x"], false).is_err());
        assert!(make(dir.path(), &["ümlaut.example"], &[], false).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

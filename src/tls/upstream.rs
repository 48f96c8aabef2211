//! TLS toward targets: the certificate for them, and the verdict on theirs (contract section 4).
//!
//! Everything is read once, in [`UpstreamTls::load`]. Client configurations are made when they are needed first and are
//! then kept, because sessions resume within one configuration only.

use std::path::Path;
use std::sync::Arc;

use dashmap::DashMap;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::{CertificateDer, ServerName};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::facts::Facts;
use super::identity::Certificate;
use super::own_certificate::Presented;
use super::source::{Found, Occasion, Read, Source};
use super::verify::{Anchors, TargetVerifier, VerifyBy};
use super::{alpn, client_builder, pem};
use crate::config::{Diagnostic, Trust, Upstream};
use crate::rules::{Address, TargetOptions, Verify};
use crate::service::Service;

/// For how many server names one configuration remembers sessions. A pinned target seldom has more than a few names.
const NAMES: usize = 1024;
const NAMES_PINNED: usize = 16;

/// How many of its session slots rustls counts for one server name (`ClientSessionMemoryCache::new`).
const SESSIONS_A_NAME: usize = 8;

/// The certificate for targets and the trust in theirs. Immutable, except for the configurations that it keeps.
#[derive(Debug)]
pub struct UpstreamTls {
    certificate: Source<Certificate>,
    trust: Source<Certificates>,
    anchors: Arc<Anchors>,
    verify: Verify,
    profiles: DashMap<Settings, Profile>,
}

/// A client configuration, and a number that stands for it in the keys of connection pools.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Two profiles with the same number judge targets alike and present the same certificate, even if a reload lies
    /// between them. So a kept connection may be used for either.
    pub id: u64,
    /// The configuration for the TLS connection to the target.
    pub config: Arc<ClientConfig>,
}

/// The settings in which client configurations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Settings {
    verified_by: VerifiedBy,
    presents: bool,
    http: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum VerifiedBy {
    ByPin([u8; 32]),
    ByTrust,
    NotAtAll,
}

impl UpstreamTls {
    /// Reads Portward's own certificate and the trust store. Files that cannot be read are left out. Then no
    /// certificate is presented, or a CA is not trusted. If a change was only noticed, earlier contents stay in use.
    pub fn load(settings: &Upstream, occasion: Occasion<'_, Self>) -> (Self, Found) {
        let now = OffsetDateTime::now_utc();
        let pair = settings.certificate.as_ref();
        let file = pair.map_or(Path::new(""), |files| &files.cert);
        let before = occasion.of(|before| Some(&before.certificate));
        let listed = Ok(pair.iter().map(|files| files.cert.clone()).collect());
        let (certificate, mut found) = Source::read(file, listed, before, |_| {
            pair.map_or((None, Vec::new()), |files| Certificate::load(files, now))
        });
        let (trust, more) = trusted(&settings.trust, occasion.of(|before| Some(&before.trust)));
        found.append(more);
        let trusted: Vec<_> = trust.iter().flatten().cloned().collect();
        if trusted.is_empty() && settings.verify == Verify::Ca {
            let place = match &settings.trust {
                Trust::Path(path) => path,
                Trust::System => Path::new(SYSTEM),
            };
            let help = "put the CA that signed the PBX's certificate here, or the PBX's own; portward cert show ADDRESS:PORT prints it";
            found.problems.push(pem::warning(
                place,
                "upstream.trust holds no certificate: every TLS target without a pin will be refused",
                Some(&trust.advice(help)),
            ));
        }
        let anchors = Arc::new(Anchors::new(trusted));
        (Self { certificate, trust, anchors, verify: settings.verify, profiles: DashMap::new() }, found)
    }

    /// The TLS profile for a target of `service`.
    ///
    /// If the service presents certificates, its targets see Portward's certificate, if there is one. Other targets see
    /// it only if `present_certificate` says so.
    pub fn client_config(&self, service: Service, options: &TargetOptions) -> Profile {
        let asked = service.presents_certificate() || options.present_certificate;
        let settings = Settings {
            verified_by: self.verified_by(options),
            presents: asked && !self.certificate.is_empty(),
            http: service == Service::Http,
        };
        if let Some(profile) = self.profiles.get(&settings) {
            return profile.clone();
        }
        self.profiles.entry(settings).or_insert_with(|| self.profile(settings)).clone()
    }

    /// The name for a TLS connection to `address`, as [`server_name`] says. If there is no name, and none is checked (a
    /// pin, or no verification), the address is used instead, so that a handshake is possible. `None`: there is no
    /// name, so the target cannot be verified.
    pub fn server_name(
        &self,
        options: &TargetOptions,
        address: &Address,
        host: &str,
    ) -> Option<ServerName<'static>> {
        server_name(options, address, host).or_else(|| match (self.verified_by(options), address) {
            (VerifiedBy::ByPin(_) | VerifiedBy::NotAtAll, Address::Ip(ip)) => {
                Some(ServerName::IpAddress((*ip).into()))
            }
            _ => None,
        })
    }

    /// Portward's own certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.iter().next()
    }

    fn verified_by(&self, options: &TargetOptions) -> VerifiedBy {
        match (options.pin, options.verify.unwrap_or(self.verify)) {
            (Some(pin), _) => VerifiedBy::ByPin(pin),
            (None, Verify::Ca) => VerifiedBy::ByTrust,
            (None, Verify::None) => VerifiedBy::NotAtAll,
        }
    }

    fn profile(&self, settings: Settings) -> Profile {
        let (by, names) = match settings.verified_by {
            VerifiedBy::ByPin(pin) => (VerifyBy::Pin(pin), NAMES_PINNED),
            VerifiedBy::ByTrust => (VerifyBy::Trust(Arc::clone(&self.anchors)), NAMES),
            VerifiedBy::NotAtAll => (VerifyBy::Nothing, NAMES),
        };
        let builder =
            client_builder().dangerous().with_custom_certificate_verifier(Arc::new(TargetVerifier::new(by)));
        let presented = self.certificate().filter(|_| settings.presents);
        let presented = Presented(presented.map(|own| Arc::clone(own.certified())));
        let mut config = builder.with_client_cert_resolver(Arc::new(presented));
        config.resumption = Resumption::in_memory_sessions(names * SESSIONS_A_NAME);
        if settings.http {
            config.alpn_protocols = alpn(Service::Http);
        }
        Profile { id: self.identity(settings), config: Arc::new(config) }
    }

    /// A digest of everything that decides which targets are accepted and which certificate is presented.
    fn identity(&self, settings: Settings) -> u64 {
        let mut digest = Sha256::new();
        digest.update([u8::from(settings.presents), u8::from(settings.http)]);
        if let Some(own) = self.certificate().filter(|_| settings.presents) {
            digest.update(own.facts.fingerprint);
        }
        match settings.verified_by {
            VerifiedBy::NotAtAll => digest.update([0]),
            VerifiedBy::ByPin(pin) => {
                digest.update([1]);
                digest.update(pin);
            }
            VerifiedBy::ByTrust => {
                digest.update([2]);
                for certificate in self.anchors.certificates() {
                    digest.update(Sha256::digest(certificate));
                }
            }
        }
        let digest: [u8; 32] = digest.finalize().into();
        digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The name that a target's certificate must have, and that is sent as SNI (contract section 4). It is `server_name`.
/// Without that it is the target's own name if it is a DNS name, otherwise the host's name before any `/`. `None`: that
/// is not a name that a certificate can have.
pub fn server_name(options: &TargetOptions, address: &Address, host: &str) -> Option<ServerName<'static>> {
    let text = match (&options.server_name, address) {
        (Some(name), _) | (None, Address::Name(name)) => name,
        (None, Address::Ip(_)) => host.split_once('/').map_or(host, |(name, _)| name),
    };
    let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let text = text.strip_suffix('.').unwrap_or(text);
    ServerName::try_from(text.to_owned()).ok()
}

/// The certificates of a file.
type Certificates = Vec<CertificateDer<'static>>;

/// The word for the system's trust store, where otherwise a path stands.
const SYSTEM: &str = "system";

/// The certificates of the system, of a file, or of the `*.crt`, `*.pem` and `*.cer` in a folder.
fn trusted(trust: &Trust, occasion: Occasion<'_, Source<Certificates>>) -> (Source<Certificates>, Found) {
    match trust {
        Trust::System => {
            let path = Path::new(SYSTEM);
            let had = occasion.before().is_some_and(|before| !before.is_empty());
            let is_reload = matches!(occasion, Occasion::Reload(_));
            Source::read(path, Ok(vec![path.to_owned()]), occasion, |_| system(had && is_reload))
        }
        Trust::Path(path) => {
            const READ: [&str; 3] = ["crt", "pem", "cer"];
            let now = OffsetDateTime::now_utc();
            let read = |file: &Path| match pem::certificates(file) {
                Ok(certificates) => {
                    let problems = certificates.iter().filter_map(|one| unsound(file, one, now)).collect();
                    (Some(certificates), problems)
                }
                Err(problem) => (None, vec![*problem]),
            };
            let (source, mut found) = Source::read(path, pem::store(path, &READ), occasion, read);
            let right = "*.crt, *.pem and *.cer with certificates are read here";
            found.problems.extend(pem::unread(path, &READ, right));
            (source, found)
        }
    }
}

/// A warning for a certificate of the trust store that has little use.
fn unsound(file: &Path, certificate: &CertificateDer<'_>, now: OffsetDateTime) -> Option<Diagnostic> {
    let Some(facts) = Facts::of(certificate) else {
        return Some(pem::warning(
            file,
            "a certificate in this file cannot be decoded: it vouches for nobody",
            Some("copy the whole file once more"),
        ));
    };
    (facts.not_after < now).then(|| {
        let message = format!("the certificate {} expired on {}", facts.subject, facts.not_after.date());
        let help = "what it has signed is accepted all the same, as long as it is here, but a target that shows it itself is refused; put the new one beside it, then remove it";
        pem::warning(file, message, Some(help))
    })
}

/// `refused`: an empty store is an error, because it cannot be told from a missing one.
fn system(refused: bool) -> Read<Certificates> {
    let path = Path::new(SYSTEM);
    let loaded = rustls_native_certs::load_native_certs();
    let complain = |cause| pem::warning(path, format!("system trust store: {cause}"), None);
    let mut problems: Vec<_> = loaded.errors.into_iter().map(complain).collect();
    let is_empty = loaded.certs.is_empty();
    if is_empty && refused {
        problems.push(*pem::error(path, "the system's trust store is empty or not there", None));
    }
    ((!is_empty).then_some(loaded.certs), problems)
}

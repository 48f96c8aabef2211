//! TLS toward clients: the server certificates and the acceptors of the TLS ports (contract section 4).
//!
//! Everything is read once, in [`ServerTls::load`]. A reload makes a new value. Data for resumption is handed on to it,
//! so that a reload forces no client to make a full handshake.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use time::OffsetDateTime;

use super::accept::Acceptor;
use super::asking::AnyClient;
use super::facts::Facts;
use super::identity::{Certificate, facts_of_file, name_of, validity_warning};
use super::sessions::Marked;
use super::sni::Index;
use super::source::{Found, LoadedFile, Occasion, Source};
use super::{alpn, pem, provider, sound, ticketer};
use crate::config::{CertificateFiles, CertificateSource, Diagnostic, Severity, Tls, TlsVersion};
use crate::files;
use crate::service::{PerService, Service};

/// How many TLS 1.2 sessions of clients without tickets are remembered for each service. [`super::sessions`] bounds the
/// length of a session, so this bounds memory. A client whose session is dropped makes a full handshake.
const SESSIONS: usize = 512;

/// The server certificates, and an acceptor for each service. Immutable.
#[derive(Debug)]
pub struct ServerTls {
    certificates: Source<Certificate>,
    default: Option<usize>,
    index: Arc<Index>,
    /// The place where certificates are expected, for diagnostics.
    place: PathBuf,
    /// Why there is no certificate. `None`: there is one.
    missing: Option<String>,
    resumption: PerService<Resumption>,
    acceptors: PerService<Arc<ServerConfig>>,
}

/// The data with which clients of one service resume. Services do not share it. Otherwise a session from a port without
/// client certificates could be resumed on a port that requests them.
#[derive(Debug, Clone)]
struct Resumption {
    /// For TLS 1.3, and for TLS 1.2 clients that know tickets (RFC 5077).
    ticketer: Option<Arc<dyn ProducesTickets>>,
    /// For other TLS 1.2 clients.
    sessions: Arc<dyn StoresServerSessions>,
}

impl ServerTls {
    /// Reads the certificates that `settings` name.
    ///
    /// A certificate with an error is left out. If the change was only noticed, its old contents stay in use. The
    /// others are loaded. The caller decides whether an error stops anything. Expiry is a warning.
    pub fn load(settings: &Tls, occasion: Occasion<'_, Self>) -> (Self, Found) {
        let now = OffsetDateTime::now_utc();
        let (place, pairs) = pairs(&settings.certificates);
        let (pairs, failed) = pairs.map_or_else(|cause| (Vec::new(), Some(cause)), |pairs| (pairs, None));
        let listed = failed.map_or_else(|| Ok(pairs.iter().map(|pair| pair.cert.clone()).collect()), Err);
        let mut pairs = pairs.into_iter();
        let before = occasion.of(|before| Some(&before.certificates));
        // They are read in the order of the list.
        let (certificates, mut found) = Source::read(&place, listed, before, |_| {
            pairs.next().map_or((None, Vec::new()), |pair| Certificate::load(&pair, now))
        });
        if let CertificateSource::Folder(folder) = &settings.certificates {
            let right = "NAME.crt with the chain and NAME.key with its key are read here";
            found.problems.extend(pem::unread(folder, &["crt", "key"], right));
        }
        let gone = certificates.loaded().iter().filter(|loaded| loaded.gone);
        found.problems.extend(gone.filter_map(|loaded| loaded.what.validity_warning(now)));
        let missing = certificates.is_empty().then(|| why_missing(&place, &found.problems));
        if certificates.is_empty() {
            let help = match &settings.certificates {
                CertificateSource::Folder(folder) if folder.is_file() => {
                    "this is a file: tls.certificates wants its folder, or a list of { cert = …, key = … }"
                }
                _ => {
                    "tls.certificates wants a NAME.crt with the chain and a NAME.key; portward cert dev makes some to try things out"
                }
            };
            found.problems.push(pem::warning(
                &place,
                "there is no server certificate: TLS ports stay closed until a reload brings one",
                Some(&certificates.advice(help)),
            ));
        }
        let default = default(settings, certificates.loaded(), &place, &mut found.problems);
        let index = Index::new(certificates.loaded(), nth(&certificates, default), now);
        let index = Arc::new(index);
        let resumption = match occasion.before() {
            Some(previous) => previous.resumption.clone(),
            None => PerService::from_fn(|_| Resumption::new()),
        };
        let acceptors = PerService::from_fn(|service| {
            Arc::new(config(service, settings.min_version, &index, &resumption[service]))
        });
        (Self { certificates, default, index, place, missing, resumption, acceptors }, found)
    }

    /// The acceptor for `service`. `None`: there is no certificate.
    pub fn acceptor(&self, service: Service) -> Option<Acceptor> {
        let config = Arc::clone(&self.acceptors[service]);
        (!self.certificates.is_empty()).then(|| Acceptor::new(config, service.asks_for_certificate()))
    }

    /// A configuration that shows the certificate with this name only, whatever name a client asks for. It is for
    /// `admin.listen`.
    pub fn alone(&self, name: &str, oldest: TlsVersion) -> Option<Arc<ServerConfig>> {
        let certificate = self.certificates().find(|certificate| certificate.name == name)?;
        let resolver = SingleCertAndKey::from(CertifiedKey::clone(certificate.certified()));
        let mut config = builder(oldest).with_no_client_auth().with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpn(Service::Http);
        config.ignore_client_order = true;
        Some(Arc::new(config))
    }

    /// The warning that `admin.certificate` names a certificate that does not exist.
    pub fn no_such(&self, name: &str) -> Diagnostic {
        let names: Vec<_> = self.certificates().map(|certificate| certificate.name.as_str()).collect();
        let help = match names.is_empty() {
            true => "there is no certificate at all".to_owned(),
            false => format!("there are: {}", names.join(", ")),
        };
        let message = format!(
            "admin.certificate is {name:?}, but there is no such certificate: admin.listen stays closed"
        );
        pem::warning(&self.place, message, Some(&help))
    }

    /// Why there is no certificate and TLS ports are closed. `None`: there is one.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }

    /// Whether a certificate covers `name`: a DNS name, an IP address, or a wildcard. A wildcard is covered by the same
    /// wildcard only.
    pub fn covers(&self, name: &str) -> bool {
        self.index.covers(name)
    }

    /// Warnings for host names of the rules that no certificate covers, each name once. Of a name with a registration
    /// location only the part before the `/` counts. If there is no certificate at all, another warning says so.
    pub fn uncovered<'a>(&self, names: impl Iterator<Item = &'a str>) -> Vec<Diagnostic> {
        let Some(shown) = self.default() else { return Vec::new() };
        // Nearly all names are covered, so only the others are collected and sorted.
        let missing: BTreeSet<_> = names.map(without_location).filter(|name| !self.covers(name)).collect();
        let help = format!("its clients are shown the certificate {:?}, which they refuse", shown.name);
        missing.into_iter().map(|name| pem::warning(&self.place, uncovered(name), Some(&help))).collect()
    }

    /// The certificates: those of a folder by name, those of a list in its order.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter()
    }

    /// Whether this is the certificate of [`Self::default`].
    pub fn is_default(&self, one: &Certificate) -> bool {
        self.default().is_some_and(|default| default.file == one.file)
    }

    /// The certificate for clients without SNI or with an unknown name.
    pub fn default(&self) -> Option<&Certificate> {
        nth(&self.certificates, self.default)
    }
}

/// The first error, with its file. Without an error: that no certificate was found.
fn why_missing(place: &Path, problems: &[Diagnostic]) -> String {
    match problems.iter().find(|problem| problem.severity == Severity::Error) {
        Some(error) => format!("{}: {}", error.place.file.display(), error.message),
        None => format!("{}: there is no certificate", place.display()),
    }
}

/// The facts of the server certificates, by the NAME of each, and the faults of their files. Keys are not read. This is
/// for users who may not read them.
pub fn facts_of_servers(source: &CertificateSource) -> (Vec<(String, Facts)>, Vec<Diagnostic>) {
    let (place, pairs) = pairs(source);
    let (mut facts, mut found) = (Vec::new(), Vec::new());
    match pairs {
        Ok(pairs) => {
            for pair in pairs {
                match facts_of_file(&pair.cert) {
                    Ok(one) => facts.push((name_of(&pair.cert), one)),
                    Err(error) => found.push(*error),
                }
            }
        }
        // A folder that does not exist contains no files.
        Err(cause) if files::is_absent(&cause) => {}
        Err(cause) => found.push(*pem::unreadable(&place, &cause)),
    }
    (facts, found)
}

/// Warnings for a user who may not read keys, in addition to those of [`ServerTls::load`]: certificates near their end,
/// and `names` that no certificate covers.
pub fn judged_without_keys<'a>(
    source: &CertificateSource,
    names: impl Iterator<Item = &'a str>,
) -> Vec<Diagnostic> {
    let now = OffsetDateTime::now_utc();
    let (place, pairs) = pairs(source);
    let files = pairs.unwrap_or_default().into_iter().map(|pair| pair.cert);
    let facts: Vec<_> = files.filter_map(|file| Some((facts_of_file(&file).ok()?, file))).collect();
    if facts.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<_> =
        facts.iter().filter_map(|(facts, file)| validity_warning(facts, file, now)).collect();
    let is_covered = |name: &str| facts.iter().any(|(facts, _)| facts.covers(name));
    let missing: BTreeSet<_> = names.map(without_location).filter(|name| !is_covered(name)).collect();
    found.extend(missing.into_iter().map(|name| pem::warning(&place, uncovered(name), None)));
    found
}

/// The message for a name of the rules that no certificate covers.
fn uncovered(name: &str) -> String {
    format!("no certificate covers {name}")
}

/// The name without its registration location.
fn without_location(name: &str) -> &str {
    name.split_once('/').map_or(name, |(host, _)| host)
}

impl Resumption {
    fn new() -> Self {
        let sessions: Arc<dyn StoresServerSessions> = ServerSessionMemoryCache::new(SESSIONS);
        Self {
            ticketer: ticketer().map(|ticketer| Arc::new(Marked(ticketer)) as _),
            sessions: Arc::new(Marked(sessions)),
        }
    }
}

/// The TLS configuration of one service. There is no early data, because replayed octets must not decide anything.
fn config(service: Service, oldest: TlsVersion, index: &Arc<Index>, resumption: &Resumption) -> ServerConfig {
    let builder = builder(oldest);
    let builder = if service.asks_for_certificate() {
        builder.with_client_cert_verifier(AnyClient::new())
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::clone(index) as _);
    config.alpn_protocols = alpn(service);
    if let Some(ticketer) = &resumption.ticketer {
        config.ticketer = Arc::clone(ticketer);
    }
    // Every cipher here is strong, so either side may choose. Vulnerability scanners want the server to choose.
    config.ignore_client_order = true;
    config.session_storage = Arc::clone(&resumption.sessions);
    config
}

fn builder(oldest: TlsVersion) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let versions: &[_] = match oldest {
        TlsVersion::V1_2 => &[&TLS13, &TLS12],
        TlsVersion::V1_3 => &[&TLS13],
    };
    sound(ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions))
}

fn nth(certificates: &Source<Certificate>, number: Option<usize>) -> Option<&Certificate> {
    certificates.loaded().get(number?).map(|loaded| &*loaded.what)
}

/// The pairs of files to read, and the place that stands for all of them.
fn pairs(source: &CertificateSource) -> (PathBuf, io::Result<Vec<CertificateFiles>>) {
    match source {
        CertificateSource::Folder(folder) => {
            let pair = |cert: PathBuf| CertificateFiles { key: cert.with_extension("key"), cert };
            let certificates = pem::files_in(folder, &["crt"]);
            (folder.clone(), certificates.map(|certificates| certificates.into_iter().map(pair).collect()))
        }
        CertificateSource::List(list) => {
            let place =
                list.first().map_or_else(|| PathBuf::from("tls.certificates"), |files| files.cert.clone());
            (place, Ok(list.clone()))
        }
    }
}

fn default(
    settings: &Tls,
    certificates: &[LoadedFile<Certificate>],
    source: &Path,
    found: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let first = || {
        let key = |loaded: &LoadedFile<Certificate>| (loaded.gone, loaded.what.name.clone());
        let by_name = certificates.iter().enumerate().min_by_key(|(_, loaded)| key(loaded));
        by_name.map(|(at, _)| at)
    };
    if settings.default.is_empty() || certificates.is_empty() {
        return first();
    }
    certificates.iter().position(|loaded| loaded.what.name == settings.default).or_else(|| {
        let names: Vec<_> = certificates.iter().map(|loaded| loaded.what.name.as_str()).collect();
        found.push(pem::warning(
            source,
            format!("tls.default is {:?}, but there is no such certificate", settings.default),
            Some(&format!("there are: {}; the first by name is used", names.join(", "))),
        ));
        first()
    })
}

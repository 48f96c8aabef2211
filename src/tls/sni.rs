//! Chooses the certificate for a client by the name that the client asks for (contract section 4).
//!
//! An exact name comes first, then a wildcard for one label, then the default. The index is immutable, and a look-up
//! allocates nothing.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use smallvec::SmallVec;
use time::OffsetDateTime;

use super::facts::Name;
use super::identity::Certificate;
use super::source::LoadedFile;

/// The certificates for one name, the preferred first.
type Candidates = SmallVec<[Arc<CertifiedKey>; 1]>;

/// Certificates by name.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Certificates by DNS name and IP address, in the form of [`super::Facts::names`].
    exact: HashMap<Box<str>, Candidates, RandomState>,
    /// Certificates by the text after the `*.` of a wildcard.
    wildcard: HashMap<Box<str>, Candidates, RandomState>,
    default: Option<Arc<CertifiedKey>>,
}

impl Index {
    /// Indexes `certificates`. `default` is shown if no name decides.
    pub(super) fn new(
        certificates: &[LoadedFile<Certificate>],
        default: Option<&Certificate>,
        now: OffsetDateTime,
    ) -> Self {
        // A certificate whose file is gone must not stand in the way of its replacement.
        let mut preferred: Vec<_> =
            certificates.iter().map(|loaded| (loaded.what.rank(now, loaded.gone), &loaded.what)).collect();
        preferred.sort_by_key(|(rank, _)| *rank);
        let mut index = Self {
            default: default.map(|certificate| Arc::clone(certificate.certified())),
            ..Self::default()
        };
        for (_, certificate) in preferred {
            for name in &certificate.facts.names {
                let (map, key) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut index.wildcard, parent),
                    None => (&mut index.exact, name.as_str()),
                };
                map.entry(key.into()).or_default().push(Arc::clone(certificate.certified()));
            }
        }
        index
    }

    /// Whether a certificate covers `name`: a DNS name, an IP address, or a wildcard. A wildcard is covered by the same
    /// wildcard only.
    pub(super) fn covers(&self, name: &str) -> bool {
        // A name that ends with a letter is no IP address. Those of the rules are in lower case already.
        let is_covered = |name: &str| {
            let parent =
                || name.split_once('.').is_some_and(|(_, parent)| self.wildcard.contains_key(parent));
            name.ends_with(|last: char| last.is_ascii_alphabetic())
                && (self.exact.contains_key(name) || parent())
        };
        is_covered(name)
            || Name::of(name).is_some_and(|name| {
                self.exact.contains_key(name.text.as_str())
                    || name.wildcard().is_some_and(|parent| self.wildcard.contains_key(parent))
            })
    }

    /// `name` is in lower case already: rustls guarantees that.
    fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let exact = name.and_then(|name| self.exact.get(name));
        let wildcard =
            name.and_then(|name| name.split_once('.')).and_then(|(_, parent)| self.wildcard.get(parent));
        let candidates = || exact.into_iter().chain(wildcard).flatten();
        // If the client can verify none of them, the handshake fails with any certificate. The one with the right name
        // gives the client the plainer error.
        candidates()
            .find(|candidate| candidate.key.choose_scheme(schemes).is_some())
            .or_else(|| candidates().next())
            .or(self.default.as_ref())
            .cloned()
    }
}

impl ResolvesServerCert for Index {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name(), hello.signature_schemes())
    }
}

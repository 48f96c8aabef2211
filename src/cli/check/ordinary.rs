//! The output of `check` for a user who may not read everything, such as keys or a rules file. A file that this user
//! may not read is no error then, because the service may read it. The rest is checked.
//!
//! The service's own user and the owner of `state` are not ordinary users in this sense: if they cannot read a file,
//! the service cannot read it either.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::accounts::{self, SERVICE_USER};
use crate::config::{CertificateSource, Config, Diagnostic, Diagnostics, Severity};
use crate::rules::Table;
use crate::state::folder;
use crate::tls::judged_without_keys;

/// Whether this user is an ordinary user, so that unreadable files do not matter to the service. `state` is unknown if
/// portward.toml may not be read.
pub(super) fn is_ordinary(state: Option<&Path>) -> bool {
    let user = geteuid();
    let is_service = accounts::name_of_user(user.as_raw()).is_some_and(|name| name == SERVICE_USER);
    !user.is_root() && !is_service && !state.is_some_and(folder::is_of_concern)
}

/// Facts about server certificates that are known without their keys. They are used if a key could not be read.
#[derive(Debug, Default)]
pub(super) struct WithoutKeys {
    /// The file that stands for a whole list of certificates in diagnostics.
    place: Option<PathBuf>,
    found: Vec<Diagnostic>,
}

/// `found` has the diagnostics about all certificates.
pub(super) fn without_keys(found: &Diagnostics, config: &Config, table: &Table) -> WithoutKeys {
    let shows = config.listen.listeners.iter().any(|listener| listener.transport.is_tls());
    let is_one = |file: &Path| match &config.tls.certificates {
        CertificateSource::Folder(folder) => file.starts_with(folder),
        CertificateSource::List(list) => list.iter().any(|pair| pair.key == file || pair.cert == file),
    };
    if !shows || !found.list().iter().any(|one| one.denied && is_one(&one.place.file)) {
        return WithoutKeys::default();
    }
    let place = match &config.tls.certificates {
        CertificateSource::Folder(_) => None,
        CertificateSource::List(list) => list.first().map(|pair| pair.cert.clone()),
    };
    let found = judged_without_keys(&config.tls.certificates, table.names().map(|(name, _)| name));
    WithoutKeys { place, found }
}

/// The same diagnostics for a user who may not read everything. A file that could not be read becomes a warning, which
/// says which users may read it. Diagnostics that only follow from that are left out.
pub(super) fn told(found: Diagnostics, certificates: WithoutKeys, sudo: &str) -> Diagnostics {
    let WithoutKeys { place, found: more } = certificates;
    let denied: Vec<PathBuf> =
        found.list().iter().filter(|one| one.denied).map(|one| one.place.file.clone()).collect();
    // A folder or store is not empty only because a part of it could not be read.
    let is_unread =
        |file: &Path| denied.iter().any(|denied| denied.starts_with(file)) || place.as_deref() == Some(file);
    let follows = |one: &Diagnostic| {
        let about_all = one.severity == Severity::Warning && one.place.span.is_none();
        about_all && !one.denied && is_unread(&one.place.file)
    };
    let mut told = found.mapped(|mut one| {
        if one.denied {
            one.severity = Severity::Warning;
            one = one.help(format!("it is not judged; `{sudo}` reads it"));
        }
        (!follows(&one)).then_some(one)
    });
    let known = told.list().to_vec();
    told.extend(more.into_iter().filter(|one| !known.contains(one)));
    told
}

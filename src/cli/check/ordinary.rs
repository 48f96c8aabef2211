//! What `check` tells a user who may not read everything: keys, say, or a rules file. What merely could not be read is no
//! error then, because it is none for the service. The rest is judged.
//!
//! The service's own user and the owner of `state` are no such users: what they cannot read, the service cannot read.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::accounts::{self, SERVICE_USER};
use crate::config::{CertificateSource, Config, Diagnostic, Diagnostics, Severity};
use crate::rules::Table;
use crate::state::folder;
use crate::tls::judged_without_keys;

/// Whether it is nothing to the service what this user may not read. `state` is not known where portward.toml may not be
/// read.
pub(super) fn is_ordinary(state: Option<&Path>) -> bool {
    let user = geteuid();
    let is_service = accounts::name_of_user(user.as_raw()).is_some_and(|name| name == SERVICE_USER);
    !user.is_root() && !is_service && !state.is_some_and(folder::is_of_concern)
}

/// What can be said of server certificates without their keys, where one could not be read.
#[derive(Debug, Default)]
pub(super) struct WithoutKeys {
    /// The file that stands for all of a list of certificates.
    place: Option<PathBuf>,
    found: Vec<Diagnostic>,
}

/// `found` is what was said of all certificates.
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

/// The same diagnostics for a user who may not read everything: what could not be read is a warning that says who may, and
/// what follows from it alone is left out.
pub(super) fn told(found: Diagnostics, certificates: WithoutKeys, sudo: &str) -> Diagnostics {
    let WithoutKeys { place, found: more } = certificates;
    let denied: Vec<PathBuf> =
        found.list().iter().filter(|one| one.denied).map(|one| one.place.file.clone()).collect();
    // A folder or store of which something could not be read is not empty for that.
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

//! The state of the files of certificates, keys and trust, by which a change is noticed. An ACME client, or an
//! administrator, replaces files and tells no program.
//!
//! The files are polled. Notifications of the kernel would not do: certbot replaces links, and their targets are in
//! another folder. A few dozen `stat` calls every few seconds cost nothing.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::pem;
use crate::config::{CertificateSource, Config, Trust};
use crate::rules::Table;

/// A digest of names, sizes, times, inodes and modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesState(u64);

impl FilesState {
    /// The present state of the files that the configuration and the rules name.
    pub fn at(config: &Config, table: &Table) -> Self {
        let mut digest = DefaultHasher::new();
        let mut folder = |path: &Path| {
            path.hash(&mut digest);
            let files =
                if path.is_dir() { pem::files_in(path, &EXTENSIONS) } else { Ok(vec![path.to_owned()]) };
            files.unwrap_or_default().iter().for_each(|file| add_file(file, &mut digest));
        };
        folder(&config.tls.client_trust);
        table.client_trusts().for_each(|path| folder(path));
        table.login_files().for_each(|path| folder(path));
        if let CertificateSource::Folder(path) = &config.tls.certificates {
            folder(path);
        }
        if let Trust::Path(path) = &config.upstream.trust {
            folder(path);
        }
        let listed: &[_] = match &config.tls.certificates {
            CertificateSource::List(list) => list,
            CertificateSource::Folder(_) => &[],
        };
        for files in listed.iter().chain(&config.upstream.certificate) {
            add_file(&files.cert, &mut digest);
            add_file(&files.key, &mut digest);
        }
        Self(digest.finish())
    }
}

/// The extensions of the files that are read from a folder.
const EXTENSIONS: [&str; 5] = ["crt", "key", "pem", "cer", "crl"];

/// Adds a file. Links are followed: the file behind them counts.
fn add_file(file: &PathBuf, digest: &mut DefaultHasher) {
    file.hash(digest);
    if let Ok(metadata) = file.metadata() {
        (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(digest);
        // A file that could not be read may be readable now.
        (metadata.mode(), metadata.uid(), metadata.gid()).hash(digest);
    }
}

//! Reads certificates and keys from files: PEM, and DER for certificates. Every failure is a [`Diagnostic`] about the
//! file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use webpki::OwnedCertRevocationList;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use zeroize::Zeroizing;

use crate::config::{Diagnostic, Location};
use crate::files;

mod folder;
mod words;

pub(super) use folder::unread;
use words::broken;

/// The longest file of certificates and CRLs, in octets. The second limit is that of a key.
const LONGEST: u64 = 256 << 20;
const LONGEST_KEY: u64 = 1 << 20;

/// An error about the whole of `file`.
pub(super) fn error(file: &Path, message: impl Into<String>, help: Option<&str>) -> Box<Diagnostic> {
    Box::new(helped(Diagnostic::error(message, Location::whole(file)), help))
}

/// A warning about the whole of `file`.
pub(super) fn warning(file: &Path, message: impl Into<String>, help: Option<&str>) -> Diagnostic {
    helped(Diagnostic::warning(message, Location::whole(file)), help)
}

fn helped(diagnostic: Diagnostic, help: Option<&str>) -> Diagnostic {
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The certificates of a file, in the file's order. There is at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Box<Diagnostic>> {
    let bytes = files::read(file, LONGEST).map_err(|cause| unreadable(file, &cause))?;
    // 0x30 begins a SEQUENCE, so this is DER. PEM is text and begins with a dash or a comment.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, PemError>>()
        .map_err(|cause| broken(file, &bytes, &cause))?;
    if certificates.is_empty() {
        return Err(words::nothing(file, &bytes, "certificate", "-----BEGIN CERTIFICATE-----"));
    }
    Ok(certificates)
}

/// The contents of a trust store's file.
#[derive(Debug, Default)]
pub(super) struct Trust {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// The CRLs. Each of them can be used.
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
}

/// The certificates and the CRLs of a file, in the file's order: PEM, or a single one in DER. There is at least one.
pub(super) fn trust(file: &Path) -> Result<Trust, Box<Diagnostic>> {
    if file.extension().is_none_or(|extension| extension != "crl" && extension != "pem") {
        return Ok(Trust { certificates: certificates(file)?, lists: Vec::new() });
    }
    let bytes = files::read(file, LONGEST).map_err(|cause| unreadable(file, &cause))?;
    let trust = if bytes.first() == Some(&0x30) {
        match file.extension().is_some_and(|extension| extension == "crl") {
            true => Trust { certificates: Vec::new(), lists: vec![bytes.into()] },
            false => Trust { certificates: vec![bytes.into()], lists: Vec::new() },
        }
    } else {
        let broken = |cause| broken(file, &bytes, &cause);
        let certificates = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, PemError>>();
        let lists = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<_, PemError>>();
        Trust { certificates: certificates.map_err(broken)?, lists: lists.map_err(broken)? }
    };
    if trust.certificates.is_empty() && trust.lists.is_empty() {
        return Err(error(
            file,
            "there is neither a certificate nor a CRL in this file",
            Some(
                "it should hold blocks that begin with -----BEGIN CERTIFICATE----- or -----BEGIN X509 CRL-----",
            ),
        ));
    }
    for list in &trust.lists {
        usable(list).map_err(|cause| {
            let help = "a complete CRL of version 2 is wanted, neither a delta nor an indirect one";
            error(file, format!("the CRL cannot be used: {cause}"), Some(help))
        })?;
    }
    Ok(trust)
}

/// Checks a CRL with webpki, which will use it, and with the parser that reads its issuer and times.
fn usable(list: &[u8]) -> Result<(), String> {
    OwnedCertRevocationList::from_der(list).map_err(|cause| cause.to_string())?;
    CertificateRevocationList::from_der(list).map(drop).map_err(|cause| cause.to_string())
}

/// The private key of a file: PKCS#8, SEC1 (EC) or PKCS#1 (RSA). The file's text and the key are wiped from memory when
/// they are dropped. The copies inside the PEM reader are not wiped.
pub(super) fn private_key(file: &Path) -> Result<Zeroizing<PrivateKeyDer<'static>>, Box<Diagnostic>> {
    let bytes = Zeroizing::new(files::read(file, LONGEST_KEY).map_err(|cause| unreadable(file, &cause))?);
    PrivateKeyDer::from_pem_slice(&bytes).map(Zeroizing::new).map_err(|cause| {
        if memchr::memmem::find(&bytes, b"ENCRYPTED").is_some() {
            return error(
                file,
                "the key is encrypted with a passphrase, which nobody can type at start",
                Some("openssl pkey -in OLD.key -out NEW.key writes it without one"),
            );
        }
        match cause {
            PemError::NoItemsFound => {
                words::nothing(file, &bytes, "private key", "-----BEGIN PRIVATE KEY-----")
            }
            cause => broken(file, &bytes, &cause),
        }
    })
}

/// A warning if all users of this machine can read the key in `file`.
pub(super) fn open_to_others(file: &Path) -> Option<Diagnostic> {
    let mode = fs::metadata(file).ok()?.permissions().mode() & 0o7777;
    (mode & 0o004 != 0).then(|| {
        warning(
            file,
            format!("the private key can be read by every user of this machine (mode {mode:04o})"),
            Some("chmod 0640 and the group portward keep it between root and Portward"),
        )
    })
}

/// The files of `folder` that have one of `extensions`, sorted by NAME. Hidden files and folders are ignored.
pub(super) fn files_in(folder: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let wanted = path.extension().is_some_and(|found| extensions.iter().any(|wanted| found == *wanted));
        if wanted && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    // Sorted by the NAME without its extension: "a" comes before "a-2", though "a.crt" comes after "a-2.crt".
    files.sort_by(|a, b| (a.file_stem(), a).cmp(&(b.file_stem(), b)));
    Ok(files)
}

/// The files of a trust store: the files of a folder with one of `extensions`, or the one file.
pub(super) fn store(path: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    match path.is_dir() {
        true => files_in(path, extensions),
        false => path.metadata().map(|_| vec![path.to_owned()]),
    }
}

/// The error for a file or folder that cannot be read.
pub(super) fn unreadable(file: &Path, cause: &io::Error) -> Box<Diagnostic> {
    let help = (cause.kind() == io::ErrorKind::PermissionDenied)
        .then_some("Portward's user must be able to read it: group portward, mode 0640; folders 0750");
    let error = error(file, format!("cannot be read: {cause}"), help);
    Box::new(error.because_of(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.key");
        assert!(certificates(&file).unwrap_err().message.starts_with("cannot be read"));
        fs::write(&file, "hello\n").unwrap();
        assert!(certificates(&file).unwrap_err().message.contains("no certificate"));
        assert!(private_key(&file).unwrap_err().message.contains("no private key"));
        fs::write(&file, "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").unwrap();
        assert!(certificates(&file).unwrap_err().message.contains("cannot be read as base64"));
        fs::write(
            &file,
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        assert!(private_key(&file).unwrap_err().message.contains("passphrase"));
    }

    #[test]
    fn a_folder_gives_visible_files_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a-2.crt", "a.crt", ".c.crt", "d.key", "README.md"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::create_dir(dir.path().join("e.crt")).unwrap();
        let names: Vec<_> = files_in(dir.path(), &["crt"]).unwrap();
        assert_eq!(names, [dir.path().join("a.crt"), dir.path().join("a-2.crt")]);
    }
}

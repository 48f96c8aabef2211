//! Certificates and keys from files: PEM, for certificates DER too. Every failure is a [`Diagnostic`] about the file.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::{Error as PemError, PemObject as _};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::trust::Lists;
use crate::config::{Diagnostic, Place};

/// An error about the whole of `file`.
pub(super) fn error(file: &Path, message: impl Into<String>, help: Option<&str>) -> Box<Diagnostic> {
    Box::new(helped(Diagnostic::error(message, Place::whole(file)), help))
}

/// A warning about the whole of `file`.
pub(super) fn warning(file: &Path, message: impl Into<String>, help: Option<&str>) -> Diagnostic {
    helped(Diagnostic::warning(message, Place::whole(file)), help)
}

fn helped(diagnostic: Diagnostic, help: Option<&str>) -> Diagnostic {
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// The certificates of a file, in its order; at least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Box<Diagnostic>> {
    let bytes = fs::read(file).map_err(|cause| unreadable(file, &cause))?;
    // 0x30: a SEQUENCE, so DER. PEM is text and begins with a dash or a comment.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.into()]);
    }
    let certificates = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, PemError>>()
        .map_err(|cause| error(file, format!("this is not a PEM file: {cause}"), None))?;
    if certificates.is_empty() {
        return Err(error(
            file,
            "there is no certificate in this file",
            Some("it should hold one or more blocks that begin with -----BEGIN CERTIFICATE-----"),
        ));
    }
    Ok(certificates)
}

/// The certificates and the CRLs of a file, in its order: PEM, or one of them in DER; at least one in all.
pub(super) fn trust(file: &Path) -> Result<(Vec<CertificateDer<'static>>, Lists), Box<Diagnostic>> {
    if file.extension().is_none_or(|extension| extension != "crl" && extension != "pem") {
        return Ok((certificates(file)?, Vec::new()));
    }
    let bytes = fs::read(file).map_err(|cause| unreadable(file, &cause))?;
    if bytes.first() == Some(&0x30) {
        return Ok(match file.extension().is_some_and(|extension| extension == "crl") {
            true => (Vec::new(), vec![bytes.into()]),
            false => (vec![bytes.into()], Vec::new()),
        });
    }
    let broken = |cause| error(file, format!("this is not a PEM file: {cause}"), None);
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, PemError>>().map_err(broken)?;
    let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(&bytes)
        .collect::<Result<_, PemError>>()
        .map_err(broken)?;
    if certificates.is_empty() && lists.is_empty() {
        return Err(error(
            file,
            "there is neither a certificate nor a CRL in this file",
            Some(
                "it should hold blocks that begin with -----BEGIN CERTIFICATE----- or -----BEGIN X509 CRL-----",
            ),
        ));
    }
    Ok((certificates, lists))
}

/// The private key of a file: PKCS#8, SEC1 (EC) or PKCS#1 (RSA). The file's text and the key are wiped from memory when
/// they are dropped; what the PEM reader holds in between is its own.
pub(super) fn private_key(file: &Path) -> Result<Zeroizing<PrivateKeyDer<'static>>, Box<Diagnostic>> {
    let bytes = Zeroizing::new(fs::read(file).map_err(|cause| unreadable(file, &cause))?);
    PrivateKeyDer::from_pem_slice(&bytes).map(Zeroizing::new).map_err(|cause| {
        if memchr::memmem::find(&bytes, b"ENCRYPTED").is_some() {
            return error(
                file,
                "the key is encrypted with a passphrase, which nobody can type at start",
                Some("openssl pkey -in OLD.key -out NEW.key writes it without one"),
            );
        }
        match cause {
            PemError::NoItemsFound => error(
                file,
                "there is no private key in this file",
                Some("it should hold a block that begins with -----BEGIN PRIVATE KEY-----"),
            ),
            cause => error(file, format!("this is not a PEM file: {cause}"), None),
        }
    })
}

/// A warning if everybody on this machine can read the key in `file`.
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

/// The files of `folder` that have one of `extensions`, sorted by NAME. Hidden files and folders do not count.
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
    // By the NAME, without the extension: "a" comes before "a-2", though "a.crt" comes after "a-2.crt".
    files.sort_by(|a, b| (a.file_stem(), a).cmp(&(b.file_stem(), b)));
    Ok(files)
}

/// The files of a trust store: those of a folder that have one of `extensions`, or the one file. What is not there is
/// empty: that nobody is trusted is the caller's to say.
pub(super) fn store(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let files = match path.is_dir() {
        true => files_in(path, extensions),
        false => path.metadata().map(|_| vec![path.to_owned()]),
    };
    match files {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        files => files.map_err(|cause| unreadable(path, &cause)),
    }
}

/// The error for a file or folder that cannot be read.
pub(super) fn unreadable(file: &Path, cause: &io::Error) -> Box<Diagnostic> {
    let help = (cause.kind() == io::ErrorKind::PermissionDenied)
        .then_some("Portward's user must be able to read it: group portward, mode 0640; folders 0750");
    error(file, format!("cannot be read: {cause}"), help)
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
        assert!(certificates(&file).unwrap_err().message.contains("not a PEM file"));
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

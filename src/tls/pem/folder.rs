//! Warnings about files in a folder of certificates that are not read, although the administrator seems to have meant
//! them.

use std::path::{Path, PathBuf};

use super::{files_in, warning};
use crate::config::Diagnostic;

/// The extensions of such files, in any case of letters.
const MEANT: [&str; 14] =
    ["crt", "pem", "cer", "cert", "der", "key", "crl", "p12", "pfx", "p7b", "p7c", "jks", "conf", "ca"];

/// How many files are named at most.
const MOST: usize = 20;

/// Warnings for the files of `folder` that have none of the extensions `read`. If keys are read there, also for keys
/// without a certificate. `right` names the extensions that are read.
pub(in crate::tls) fn unread(folder: &Path, read: &[&str], right: &str) -> Vec<Diagnostic> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| !path.is_dir() && is_visible(path));
    files.sort();
    let other = files.iter().filter(|path| {
        let kind = path.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        !read.contains(&kind) && MEANT.contains(&kind.to_lowercase().as_str())
    });
    let other = other.map(|path| warning(path, "this file is not read", Some(&advice(path, right))));
    let keys =
        if read.contains(&"key") { files_in(folder, &["key"]).unwrap_or_default() } else { Vec::new() };
    let alone = keys.iter().filter(|key| !key.with_extension("crt").exists()).map(|key| {
        let wanted = key.with_extension("crt");
        let wanted = wanted.file_name().unwrap_or_default().to_string_lossy().into_owned();
        warning(
            key,
            "this key is not read: it has no certificate",
            Some(&format!("put its certificate beside it, as {wanted}")),
        )
    });
    other.chain(alone).take(MOST).collect()
}

fn is_visible(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

fn advice(path: &Path, right: &str) -> String {
    let kind = path.extension().map(|kind| kind.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    match kind.as_str() {
        "p12" | "pfx" => format!(
            "{right}; openssl pkcs12 -in {name} -nokeys -out {stem}.crt writes its certificates, -nocerts -nodes -out {stem}.key its key"
        ),
        "p7b" | "p7c" => {
            format!("{right}; openssl pkcs7 -print_certs -in {name} -out {stem}.crt writes its certificates")
        }
        "der" => format!("{right}; openssl x509 -inform DER -in {name} -out {stem}.crt writes it as PEM"),
        _ => right.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_24_files_that_are_not_read_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.crt",
            "a.key",
            "b.key",
            "c.pem",
            "d.PFX",
            "e.CRT",
            "f.conf",
            ".g.pem",
            "README.md",
            "h.crt.bak",
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        std::fs::create_dir(dir.path().join("i.pem")).unwrap();
        let named = |read: &[&str]| -> Vec<String> {
            let found = unread(dir.path(), read, "right");
            found
                .iter()
                .map(|one| one.place.file.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(named(&["crt", "key"]), ["c.pem", "d.PFX", "e.CRT", "f.conf", "b.key"]);
        assert_eq!(named(&["crt", "pem", "cer"]), ["a.key", "b.key", "d.PFX", "e.CRT", "f.conf"]);
        let found = unread(dir.path(), &["crt", "key"], "right");
        assert!(found[1].help.as_ref().unwrap().contains("openssl pkcs12 -in d.PFX -nokeys -out d.crt"));
    }
}

//! Messages about the faults of a file that should be PEM (RFC 7468).

use std::path::Path;

use rustls_pki_types::pem::Error as PemError;

use super::error;
use crate::config::Diagnostic;

/// The error for a file whose blocks cannot be read.
pub(super) fn broken(file: &Path, bytes: &[u8], cause: &PemError) -> Box<Diagnostic> {
    let text = String::from_utf8_lossy(bytes);
    if let Some((line, kind)) = unfinished(&text) {
        return error(
            file,
            format!("the {kind} that begins in line {line} is cut off: its -----END {kind}----- is missing"),
            Some("copy the whole file once more"),
        );
    }
    if let Some(line) = not_base64(&text) {
        return error(
            file,
            format!("line {line} cannot be read as base64"),
            Some("copy the whole file once more"),
        );
    }
    match cause {
        PemError::Base64Decode(_) => error(
            file,
            "a block of this file is not complete: something of its base64 is missing",
            Some("copy the whole file once more"),
        ),
        cause => error(file, format!("this is not a PEM file: {cause}"), None),
    }
}

/// The error for a file that has no block of the wanted kind.
pub(super) fn nothing(file: &Path, bytes: &[u8], wanted: &str, begin: &str) -> Box<Diagnostic> {
    let text = String::from_utf8_lossy(bytes);
    let has = |kind: &str| text.contains(&format!("-----BEGIN {kind}"));
    let usual = format!("it should hold a block that begins with {begin}");
    let (what, help) = if bytes.is_empty() {
        (format!("there is no {wanted} in this file: it is empty"), usual)
    } else if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) || bytes.contains(&0) {
        (
            format!("there is no {wanted} in this file that can be read: it is no plain text"),
            "save it as ASCII or UTF-8; PowerShell writes UTF-16 unless it is told otherwise".to_owned(),
        )
    } else if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) && text.contains("-----BEGIN") {
        (
            format!("there is no {wanted} in this file that can be read: a byte order mark stands before it"),
            "save it as ASCII, or as UTF-8 without a mark".to_owned(),
        )
    } else if has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST") {
        (
            format!("there is no {wanted} in this file, but a request for a certificate"),
            "put the certificate here that the CA has made of it".to_owned(),
        )
    } else if has("PKCS7") || has("TRUSTED CERTIFICATE") {
        (
            format!("there is no {wanted} in this file that can be read"),
            "openssl pkcs7 -print_certs -in FILE, or openssl x509 -in FILE, writes it as it should be"
                .to_owned(),
        )
    } else if has("CERTIFICATE") {
        (format!("there is no {wanted} in this file, but a certificate"), usual)
    } else if text.contains("PRIVATE KEY-----") {
        (format!("there is no {wanted} in this file, but a private key"), usual)
    } else {
        (format!("there is no {wanted} in this file"), usual)
    };
    error(file, what, Some(&help))
}

/// The first block that is cut off by another block or by the end of the file: its line and its kind.
fn unfinished(text: &str) -> Option<(usize, &str)> {
    let mut open = None;
    for (line, text) in text.lines().enumerate() {
        let mark = |word: &str| text.trim().strip_prefix(word)?.strip_suffix("-----");
        if let Some(kind) = mark("-----BEGIN ") {
            if open.is_some() {
                return open;
            }
            open = Some((line + 1, kind));
        } else if mark("-----END ").is_some() {
            open = None;
        }
    }
    open
}

/// The first line within a block that is not base64.
fn not_base64(text: &str) -> Option<usize> {
    let mut inside = false;
    for (line, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.starts_with("-----") {
            inside = text.starts_with("-----BEGIN ");
        } else if inside
            && !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        {
            return Some(line + 1);
        }
    }
    None
}

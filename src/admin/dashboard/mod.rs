//! The dashboard page (contract section 8, Dashboard): its files, and how they are sent to a browser. The files are
//! part of the program. Every client that calls the port by one of its names may get them, because they hold no
//! secrets. The page gets its content from the API, with the rights of its session.
//!
//! A file is compressed at the first request for it, and the result is kept.

#[cfg(test)]
mod lists;
mod negotiation;

use std::io::Write as _;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG};
use hyper::header::{HeaderMap, HeaderName, HeaderValue, VARY};
use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use crate::state::tokens::hex;

/// The policy for the page: it may load and run only its own files, and send requests only to this port. Text is never
/// executed (CSP Level 3; Trusted Types).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";
/// Features of a browser that the page does not need.
const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// The file of the page itself, which is `/`.
const PAGE: &str = "index.html";

/// Includes the files with these names in the program. They are in the folder of this file.
macro_rules! files {
    ($($name:literal)*) => {
        /// All files.
        static FILES: [File; [$($name),*].len()] =
            [$(File { name: $name, content: include_bytes!($name), forms: OnceLock::new() }),*];
    };
}

// A test compares this list with the folder.
files! {
    "answer.js"
    "api.js"
    "ask.js"
    "blacklist.js"
    "certificates.js"
    "connections.js"
    "curve.js"
    "decisions.js"
    "dom.js"
    "explain.js"
    "findings.js"
    "format.js"
    "history.js"
    "hosts.js"
    "icon.svg"
    "index.html"
    "login.js"
    "main.js"
    "parts.css"
    "reasons.js"
    "reload.js"
    "said.js"
    "status.js"
    "style.css"
    "switch.js"
    "table.js"
    "targets.js"
    "tenants.js"
}

/// Answers `/`.
pub(super) fn page(headers: &HeaderMap) -> Answer {
    answer(PAGE, headers)
}

/// Answers `/dashboard/{name}`. The page itself has no second address there.
pub(super) fn file(name: &str, headers: &HeaderMap) -> Answer {
    if name == PAGE { missing() } else { answer(name, headers) }
}

fn answer(name: &str, headers: &HeaderMap) -> Answer {
    FILES.iter().find(|file| file.name == name).map_or_else(missing, |file| file.answer(headers))
}

fn missing() -> Answer {
    Answer::missing("the dashboard has no such file")
}

/// A file, and its representations.
#[derive(Debug)]
struct File {
    name: &'static str,
    content: &'static [u8],
    forms: OnceLock<Forms>,
}

/// The representations. They are made when the file is requested for the first time.
#[derive(Debug)]
struct Forms {
    plain: Form,
    /// The file in gzip. `None`: it would not be shorter.
    gzip: Option<Form>,
}

/// A representation of the file (RFC 9110 section 8).
#[derive(Debug)]
struct Form {
    content: Bytes,
    /// A strong validator with its quotes, made from the octets of this representation. Each representation has its own
    /// (RFC 9110 section 8.8.3.3).
    etag: String,
}

impl Form {
    fn new(content: Bytes) -> Self {
        let etag = format!("\"{}\"", *hex(&Sha256::digest(&content)));
        Self { content, etag }
    }
}

impl Forms {
    fn new(content: &'static [u8]) -> Self {
        let gzip = gzip(content).filter(|short| short.len() < content.len());
        Self {
            plain: Form::new(Bytes::from_static(content)),
            gzip: gzip.map(|short| Form::new(short.into())),
        }
    }
}

/// The content in gzip (RFC 1952). The octets are the same at every start, so that a browser's copy stays valid after a
/// restart.
fn gzip(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

impl File {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        }
    }

    /// Answers with the file, or with 304 if the browser has it already.
    fn answer(&self, headers: &HeaderMap) -> Answer {
        let forms = self.forms.get_or_init(|| Forms::new(self.content));
        let gzip = forms.gzip.as_ref().filter(|_| negotiation::takes_gzip(headers));
        let form = gzip.unwrap_or(&forms.plain);
        let answer = if negotiation::has_already(headers, &form.etag) {
            Answer::whole(StatusCode::NOT_MODIFIED, self.content_type(), Bytes::new())
        } else {
            let encoding = gzip.map(|_| (CONTENT_ENCODING, HeaderValue::from_static("gzip")));
            Answer::whole(StatusCode::OK, self.content_type(), form.content.clone()).with_some(encoding)
        };
        let etag = HeaderValue::from_str(&form.etag).ok().map(|etag| (ETAG, etag));
        // A browser may keep a file, but asks each time whether it has changed. So files of two versions are never
        // mixed.
        [
            (CACHE_CONTROL, "no-cache"),
            (VARY, "accept-encoding"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        ]
        .into_iter()
        .fold(answer.with_some(etag), |answer, (name, value)| {
            answer.with(name, HeaderValue::from_static(value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// The program contains all files of the page, and no others.
    #[test]
    fn issue_23_item_2_the_list_of_files_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin/dashboard");
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = names.filter(|name| !name.ends_with(".rs")).collect();
        let listed: Vec<_> = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(there, listed.iter().cloned().collect());
        assert_eq!(listed.len(), there.len(), "each file occurs once in the list");
        for file in &FILES {
            assert_ne!(file.content_type(), "application/octet-stream", "{}", file.name);
        }
    }

    /// No file loads anything from another server.
    #[test]
    fn issue_23_item_2_no_file_is_loaded_from_elsewhere() {
        for file in &FILES {
            let text = str::from_utf8(file.content).unwrap();
            for line in text.lines().filter(|line| line.contains("//") && line.contains("http")) {
                let rest = line.replace("http://www.w3.org/2000/svg", "");
                let loads =
                    ["src=", "href=", "url(", "import", "fetch("].iter().any(|how| rest.contains(how));
                assert!(!(loads && rest.contains("http")), "{}: {line}", file.name);
            }
        }
    }

    #[test]
    fn issue_23_item_2_no_file_has_script_or_style_within_html() {
        let page = FILES.iter().find(|file| file.name == PAGE).unwrap();
        let text = str::from_utf8(page.content).unwrap().to_ascii_lowercase();
        for inline in ["<style", " style=", " onclick=", " onload=", "javascript:", "<script>"] {
            assert!(!text.contains(inline), "{inline}");
        }
    }

    #[test]
    fn issue_23_item_2_each_form_has_a_validator_of_its_own() {
        let forms =
            Forms::new(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        let gzip = forms.gzip.unwrap();
        assert_ne!(gzip.etag, forms.plain.etag);
        assert_eq!(&gzip.content[..3], [0x1f, 0x8b, 8], "RFC 1952 section 2.3.1");
        assert_eq!(gzip.content[4..8], [0; 4], "no time, so that it is the same at every start");
        assert!(Forms::new(b"short").gzip.is_none());
    }
}

//! Reads the text of a file, or gives a diagnostic that says why there is none.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::{Diagnostic, Diagnostics, Location};
use crate::files;

/// The longest text. A million hosts need much less.
const LONGEST: u64 = 1 << 30;

/// Why a file has no readable text.
#[derive(Debug)]
pub(super) struct NoText {
    pub(super) diagnostic: Diagnostic,
    /// The part of the file that can be shown.
    shown: Option<Arc<String>>,
}

impl NoText {
    /// Adds the diagnostic to others.
    pub(super) fn tell(self, path: &Path, diagnostics: &mut Diagnostics) {
        if let Some(text) = &self.shown {
            diagnostics.keep_text(path, text);
        }
        diagnostics.push(self.diagnostic);
    }
}

/// The text of a file.
pub(super) fn read_text(path: &Path, what: &str) -> Result<Arc<String>, Box<NoText>> {
    let bytes = files::read(path, LONGEST).map_err(|cause| {
        let message = format!("{what} {} cannot be read: {}", path.display(), why(&cause));
        let diagnostic = Diagnostic::error(message, Location::whole(path)).because_of(&cause);
        Box::new(NoText { diagnostic, shown: None })
    })?;
    let whole = |message: &str, help: &str| {
        let message = format!("{what} {} {message}", path.display());
        let diagnostic = Diagnostic::error(message, Location::whole(path)).help(help);
        Box::new(NoText { diagnostic, shown: None })
    };
    if is_wide(&bytes) {
        return Err(whole(
            "is UTF-16, not UTF-8",
            "save it as UTF-8; Notepad and PowerShell write UTF-16 unless they are told otherwise",
        ));
    }
    let octets = match String::from_utf8(bytes) {
        Ok(text) => return Ok(Arc::new(text)),
        Err(error) => error.into_bytes(),
    };
    if octets.contains(&0) {
        return Err(whole("is not a text", "it should hold TOML, as UTF-8"));
    }
    let (text, wrong) = as_latin_1(&octets);
    let diagnostic =
        Diagnostic::error("this is not UTF-8", Location { file: path.to_owned(), span: Some(wrong) })
            .help("save the file as UTF-8; it seems to be in Latin-1 (ISO 8859-1, Windows-1252)");
    Err(Box::new(NoText { diagnostic, shown: Some(Arc::new(text)) }))
}

/// The text of a file that Portward itself writes.
///
/// # Errors
/// Why it cannot be read. At a start this is a warning.
pub(crate) fn text_of(path: &Path, what: &str, is_start: bool) -> Result<Arc<String>, Diagnostics> {
    read_text(path, what).map_err(|none| {
        let mut found = Diagnostics::new();
        none.tell(path, &mut found);
        if is_start {
            found.soften("its content is left out until it can be read");
        }
        found
    })
}

/// Whether the text is UTF-16: it has the mark of UTF-16, or a NUL in every second octet, as all ASCII text has.
fn is_wide(bytes: &[u8]) -> bool {
    let has_mark = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let looks = |bytes: &[u8]| {
        let [first, second] =
            [0, 1].map(|nth| bytes.iter().skip(nth).step_by(2).take(64).all(|byte| *byte == 0));
        bytes.len() >= 4 && first != second
    };
    has_mark || looks(bytes)
}

/// The text if every octet that is not UTF-8 is read as Latin-1, and the range of the first such octet.
fn as_latin_1(bytes: &[u8]) -> (String, Range<usize>) {
    let mut text = String::new();
    let mut first = None;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let start = text.len();
        text.extend(chunk.invalid().iter().copied().map(char::from));
        if !chunk.invalid().is_empty() {
            first.get_or_insert(start..text.len());
        }
    }
    (text, first.unwrap_or(0..0))
}

/// The message of an error of the operating system, without its number.
pub(crate) fn why(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_24_other_encodings_are_told() {
        for (octets, wide) in [
            (&b"\xFF\xFEa\0"[..], true),
            (b"\xFE\xFF\0a", true),
            (b"[\0[\0", true),
            (b"\0[\0[", true),
            (b"", false),
            (b"a", false),
            (b"\0\0\0\0", false),
            (b"a = 1\0", false),
        ] {
            assert_eq!(is_wide(octets), wide, "{octets:?}");
        }
        let (text, wrong) = as_latin_1(b"# \xC3\xBC B\xFCro \xE4");
        assert_eq!((text.as_str(), &text[wrong]), ("# ü Büro ä", "ü"));
    }
}

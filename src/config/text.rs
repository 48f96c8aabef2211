//! The text of a file, or a diagnostic that says why there is none.

use std::path::Path;
use std::sync::Arc;

use super::{Diagnostic, Place};
use crate::files;

/// No text is longer: a million hosts are far from it.
const LONGEST: u64 = 1 << 30;

/// The text of a file.
pub(super) fn read_text(path: &Path, what: &str) -> Result<Arc<String>, Box<Diagnostic>> {
    let error = |why: String| {
        let message = format!("{what} {} cannot be read: {why}", path.display());
        Box::new(Diagnostic::error(message, Place::whole(path)))
    };
    let bytes = files::read(path, LONGEST).map_err(|e| error(why(&e)))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = e.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
        error(format!("line {line} is not UTF-8"))
    })?;
    Ok(Arc::new(text))
}

/// Why the operating system said no, without its number.
pub(super) fn why(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

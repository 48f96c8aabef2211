//! One thing to tell the administrator about a file: where, what is wrong, what would be right.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but somebody should look.
    Warning,
    /// It cannot be used.
    Error,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// Bytes of the file that are meant; `None`: the file as a whole (a certificate, say).
    pub span: Option<Range<usize>>,
}

/// An error or a warning about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub place: Location,
    /// A word or two to stand under the underlined text; may be empty.
    pub label: String,
    /// What would be right.
    pub help: Option<String>,
    /// Another place that belongs to it ("first defined here").
    pub related: Option<(Location, String)>,
    /// What is wrong is that the user who asks may not read a file or a folder.
    pub denied: bool,
}

impl Location {
    /// The file as a whole.
    pub fn whole(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), span: None }
    }
}

impl Diagnostic {
    /// An error without further words.
    pub fn error(message: impl Into<String>, place: Location) -> Self {
        Self::new(Severity::Error, message.into(), place)
    }

    /// A warning without further words.
    pub fn warning(message: impl Into<String>, place: Location) -> Self {
        Self::new(Severity::Warning, message.into(), place)
    }

    fn new(severity: Severity, message: String, place: Location) -> Self {
        Self { severity, message, place, label: String::new(), help: None, related: None, denied: false }
    }

    /// The same about what could not be read because of `cause`.
    #[must_use]
    pub fn because_of(mut self, cause: &io::Error) -> Self {
        self.denied = cause.kind() == io::ErrorKind::PermissionDenied;
        self
    }

    /// The same with words under the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with another place that belongs to it.
    #[must_use]
    pub fn related(mut self, place: Location, label: impl Into<String>) -> Self {
        self.related = Some((place, label.into()));
        self
    }
}

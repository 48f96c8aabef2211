//! A diagnostic about a file: the place, the fault, and what would be right.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// How serious it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but the administrator should look at it.
    Warning,
    /// It cannot be used.
    Error,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The bytes of the file that are meant. `None`: the file as a whole (a certificate, for example).
    pub span: Option<Range<usize>>,
}

/// An error or a warning about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How serious it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The place of the fault.
    pub place: Location,
    /// A few words to show under the underlined text. It may be empty.
    pub label: String,
    /// What would be right.
    pub help: Option<String>,
    /// Another place that matters here ("first defined here"), with its label.
    pub related: Option<(Location, String)>,
    /// Whether the fault is that this user may not read a file or a folder.
    pub denied: bool,
}

impl Location {
    /// The place of a file as a whole.
    pub fn whole(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), span: None }
    }
}

impl Diagnostic {
    /// An error with nothing but a message.
    pub fn error(message: impl Into<String>, place: Location) -> Self {
        Self::new(Severity::Error, message.into(), place)
    }

    /// A warning with nothing but a message.
    pub fn warning(message: impl Into<String>, place: Location) -> Self {
        Self::new(Severity::Warning, message.into(), place)
    }

    fn new(severity: Severity, message: String, place: Location) -> Self {
        Self { severity, message, place, label: String::new(), help: None, related: None, denied: false }
    }

    /// The same diagnostic about a file that could not be read because of `cause`.
    #[must_use]
    pub fn because_of(mut self, cause: &io::Error) -> Self {
        self.denied = cause.kind() == io::ErrorKind::PermissionDenied;
        self
    }

    /// The same diagnostic with a label under the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same diagnostic with help: what would be right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same diagnostic with another place that matters here.
    #[must_use]
    pub fn related(mut self, place: Location, label: impl Into<String>) -> Self {
        self.related = Some((place, label.into()));
        self
    }
}

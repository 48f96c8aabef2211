//! Collects the faults in a text. A fault never stops the reading.

use std::cell::{OnceCell, RefCell};
use std::ops::Range;
use std::path::Path;

use super::syntax::{self, Mended};
use super::tree::{self, Arena, Table};
use super::{Diagnostic, Location, Severity};

/// A fault of a value, and what would be right. [`Value`](super::walk::Value) adds the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(Box<Words>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    message: String,
    label: String,
    help: Option<String>,
    related: Option<(Location, String)>,
    /// The bytes of the text that are meant, unless it is the whole text.
    at: Option<Range<usize>>,
    /// Whether the fault is that something is missing.
    is_absence: bool,
    /// Whether the fault is that this user may not read a file. See [`Diagnostic::denied`].
    denied: bool,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Words {
            message,
            label: String::new(),
            help: None,
            related: None,
            at: None,
            is_absence: false,
            denied: false,
        }))
    }

    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    /// What would be right.
    pub(super) fn hint(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(super) fn related(mut self, place: Location, label: impl Into<String>) -> Self {
        self.0.related = Some((place, label.into()));
        self
    }

    pub(super) fn at(mut self, at: Range<usize>) -> Self {
        self.0.at = Some(at);
        self
    }

    /// The same fault, marked as something that is missing.
    pub(super) fn absence(mut self) -> Self {
        self.0.is_absence = true;
        self
    }

    /// The same fault about a file that could not be read because of `cause`.
    pub(super) fn because_of(mut self, cause: &std::io::Error) -> Self {
        self.0.denied = cause.kind() == std::io::ErrorKind::PermissionDenied;
        self
    }

    /// The same fault, marked as one that may exist only because this user may not read a file.
    pub(super) fn denied(mut self) -> Self {
        self.0.denied = true;
        self
    }

    fn kind(&self) -> Kind {
        if self.0.is_absence { Kind::Absence } else { Kind::Other }
    }

    /// The bytes of the value's text that are meant, unless it is the whole text.
    pub(super) fn range(&self) -> Option<&Range<usize>> {
        self.0.at.as_ref()
    }

    pub(super) fn into_diagnostic(self, severity: Severity, place: Location) -> Diagnostic {
        let Words { message, label, help, related, denied, .. } = *self.0;
        Diagnostic { severity, message, place, label, help, related, denied }
    }
}

/// A collected diagnostic.
#[derive(Debug)]
struct Found {
    diagnostic: Diagnostic,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The text is no TOML.
    Syntax,
    /// Something is missing. If the text is no TOML, it may exist all the same.
    Absence,
    /// Any other fault.
    Other,
}

/// Collects the faults in one text. The text may be a piece of a file that starts at byte `base` of the file.
#[derive(Debug)]
pub(super) struct Report<'t> {
    pub(super) file: &'t Path,
    pub(super) piece: &'t str,
    pub(super) base: usize,
    /// The memory of the tree.
    arena: Arena,
    list: RefCell<Vec<Found>>,
    /// The piece without the parts that are no TOML, if it has any.
    mended: OnceCell<Mended>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t Path, piece: &'t str, base: usize) -> Self {
        Self { file, piece, base, arena: Arena::new(), list: RefCell::default(), mended: OnceCell::new() }
    }

    /// Reads the piece as TOML. Parts that are no TOML are reported and skipped.
    pub(super) fn parse(&self) -> Table<'_> {
        if let Ok(table) = tree::read(self.piece, &self.arena) {
            return table;
        }
        let mended = self.mended.get_or_init(|| syntax::mend(self.piece));
        for mistake in &mended.mistakes {
            let mut fault = mistake.fault.clone();
            if let Some((other, label)) = &mistake.other {
                fault = fault.related(self.place(other.clone()), label.clone());
            }
            self.push(Severity::Error, self.place(mistake.span.clone()), fault, Kind::Syntax);
        }
        tree::read_in_part(&mended.text, &self.arena)
    }

    pub(super) fn place(&self, span: Range<usize>) -> Location {
        Location { file: self.file.to_owned(), span: Some(self.base + span.start..self.base + span.end) }
    }

    pub(super) fn add(&self, severity: Severity, span: Range<usize>, fault: Fault) {
        let kind = fault.kind();
        self.push(severity, self.place(span), fault, kind);
    }

    /// Reports a fault of the file as a whole.
    pub(super) fn add_of_file(&self, severity: Severity, fault: Fault) {
        let kind = fault.kind();
        self.push(severity, Location::whole(self.file), fault, kind);
    }

    fn push(&self, severity: Severity, place: Location, fault: Fault, kind: Kind) {
        let diagnostic = fault.into_diagnostic(severity, place);
        self.list.borrow_mut().push(Found { diagnostic, kind });
    }

    pub(super) fn is_silent(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// The number of errors so far.
    pub(super) fn errors(&self) -> usize {
        self.list.borrow().iter().filter(|found| found.diagnostic.severity == Severity::Error).count()
    }

    /// Whether a part of the piece is no TOML.
    pub(super) fn is_broken(&self) -> bool {
        self.mended.get().is_some()
    }

    /// As [`Self::finish`], for a text that is read twice. Faults of TOML itself are left out, so that they are
    /// reported once.
    pub(super) fn finish_without_syntax(mut self) -> Vec<Diagnostic> {
        self.list.get_mut().retain(|found| found.kind != Kind::Syntax);
        self.finish()
    }

    /// The diagnostics. In a table with a part that is no TOML nothing counts as missing, because that part may be what
    /// is meant.
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        let doubtful = self.mended.get().map(|mended| mended.doubtful.as_slice()).unwrap_or_default();
        let is_doubtful = |found: &Found| match found.diagnostic.place.span.as_ref() {
            Some(span) => doubtful.iter().any(|table| table.contains(&span.start.saturating_sub(self.base))),
            None => !doubtful.is_empty(),
        };
        let kept = self.list.take().into_iter();
        let kept = kept.filter(|found| found.kind != Kind::Absence || !is_doubtful(found));
        kept.map(|found| found.diagnostic).collect()
    }
}

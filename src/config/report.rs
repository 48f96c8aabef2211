//! What is found in a text is collected, and never stops the reading of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeTable;

use super::{Diagnostic, Place, Severity};

/// What is wrong with a value, and what would be right; the place is added by [`Value`](super::walk::Value).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(Box<Words>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    message: String,
    label: String,
    help: Option<String>,
    related: Option<(Place, String)>,
    /// The bytes of the text that are meant, if not all of it.
    at: Option<Range<usize>>,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Words { message, label: String::new(), help: None, related: None, at: None }))
    }

    pub(super) fn message(&self) -> &str {
        &self.0.message
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    pub(super) fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.0.related = Some((place, label.into()));
        self
    }

    pub(super) fn at(mut self, at: Range<usize>) -> Self {
        self.0.at = Some(at);
        self
    }

    /// The bytes of the value's text that are meant, if not all of it.
    pub(super) fn part(&self) -> Option<&Range<usize>> {
        self.0.at.as_ref()
    }

    pub(super) fn into_diagnostic(self, severity: Severity, place: Place) -> Diagnostic {
        let Words { message, label, help, related, at: _ } = *self.0;
        Diagnostic { severity, message, place, label, help, related }
    }
}

/// Collects what is found in one text, which may be a piece of a file that starts at byte `base` of it.
#[derive(Debug)]
pub(super) struct Report<'t> {
    pub(super) file: &'t Path,
    pub(super) piece: &'t str,
    pub(super) base: usize,
    list: RefCell<Vec<Diagnostic>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(file: &'t Path, piece: &'t str, base: usize) -> Self {
        Self { file, piece, base, list: RefCell::default() }
    }

    /// Reads the piece as TOML; what is no TOML is reported and skipped.
    pub(super) fn parse(&self) -> Spanned<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(self.piece);
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let fault = Fault::new(format!("{NO_TOML}: {}", error.message()));
            self.say(Severity::Error, span, fault);
        }
        table
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file.to_owned(), span: Some(self.base + span.start..self.base + span.end) }
    }

    pub(super) fn say(&self, severity: Severity, span: Range<usize>, fault: Fault) {
        self.list.borrow_mut().push(fault.into_diagnostic(severity, self.place(span)));
    }

    /// Says something of the file as a whole.
    pub(super) fn say_of_file(&self, severity: Severity, fault: Fault) {
        self.list.borrow_mut().push(fault.into_diagnostic(severity, Place::whole(self.file)));
    }

    pub(super) fn is_silent(&self) -> bool {
        self.list.borrow().is_empty()
    }

    /// As [`Self::finish`], for a text that is read twice: what is no TOML is told once.
    pub(super) fn finish_without_syntax(self) -> Vec<Diagnostic> {
        let mut found = self.finish();
        found.retain(|diagnostic| !is_syntax(diagnostic));
        found
    }

    /// What was found. A line that is no TOML is not judged further: what was read from it is a guess.
    pub(super) fn finish(self) -> Vec<Diagnostic> {
        let mut list = self.list.take();
        if !list.iter().any(is_syntax) {
            return list;
        }
        let broken: BTreeSet<usize> = list.iter().filter(|d| is_syntax(d)).map(|d| self.line(d)).collect();
        let follows = self.consequences(&list, &broken);
        let mut told = BTreeSet::new();
        list.retain_mut(|diagnostic| {
            let line = self.line(diagnostic);
            if !is_syntax(diagnostic) {
                return !broken.contains(&line);
            }
            if follows.contains_key(&line) || !told.insert(line) {
                return false;
            }
            if follows.values().any(|cause| *cause == line) {
                diagnostic.help = Some("is a list or a table further up not closed?".to_owned());
            }
            true
        });
        list
    }

    /// Of lines that are no TOML those that are so because a bracket is never closed, with the line before each.
    fn consequences(&self, list: &[Diagnostic], broken: &BTreeSet<usize>) -> BTreeMap<usize, usize> {
        if !list.iter().any(|d| is_syntax(d) && d.message.contains("unclosed")) {
            return BTreeMap::new();
        }
        let lines: Vec<&str> = self.piece.lines().collect();
        let blank = |line: usize| lines.get(line).is_some_and(|text| text.trim().is_empty());
        let before = |line: usize| (0..line).rev().find(|line| !blank(*line));
        let pairs = broken.iter().filter_map(|line| Some((*line, before(*line)?)));
        pairs.filter(|(_, before)| broken.contains(before)).collect()
    }

    /// The line of the piece on which it stands, from 0.
    fn line(&self, diagnostic: &Diagnostic) -> usize {
        let start = diagnostic.place.span.as_ref().map_or(0, |span| span.start).saturating_sub(self.base);
        memchr::memchr_iter(b'\n', self.piece.as_bytes().get(..start).unwrap_or_default()).count()
    }
}

/// How the message of a syntax error begins.
const NO_TOML: &str = "this is not TOML";

fn is_syntax(diagnostic: &Diagnostic) -> bool {
    diagnostic.message.starts_with(NO_TOML)
}

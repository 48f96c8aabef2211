//! All diagnostics about a set of files, and how they are shown: to people in the manner of rustc, to programs as JSON.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::{Diagnostic, Location, Severity, hidden};

/// How many diagnostics people are shown at most. [`Diagnostics::to_json`] gives all of them.
const SHOWN: usize = 100;

/// Errors and warnings, with the texts of the files that they point into.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    texts: HashMap<PathBuf, Arc<String>>,
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        std::iter::once(one).collect()
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(list: I) -> Self {
        let mut diagnostics = Self::new();
        diagnostics.extend(list);
        diagnostics
    }
}

impl Diagnostics {
    /// No diagnostics.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a diagnostic.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.list.push(diagnostic);
    }

    /// Adds the diagnostics of another room.
    pub fn extend(&mut self, more: impl IntoIterator<Item = Diagnostic>) {
        self.list.extend(more);
    }

    /// Adds everything in `other`.
    pub fn append(&mut self, other: Self) {
        self.list.extend(other.list);
        self.texts.extend(other.texts);
    }

    /// Turns errors into warnings. A diagnostic without help gets `outlook` as help.
    pub(super) fn soften(&mut self, outlook: &str) {
        for one in self.list.iter_mut().filter(|one| one.severity == Severity::Error) {
            one.severity = Severity::Warning;
            one.help.get_or_insert_with(|| outlook.to_owned());
        }
    }

    /// Keeps only the diagnostics that are also in `list`.
    pub(crate) fn only(mut self, list: &[Diagnostic]) -> Self {
        self.list.retain(|one| list.contains(one));
        self
    }

    /// Keeps only the diagnostics that are not about `file`.
    pub(crate) fn without(mut self, file: &Path) -> Self {
        self.list.retain(|one| one.place.file != file);
        self
    }

    /// Keeps the text of a file, so that it can be shown. A text without diagnostics should not be kept.
    pub(super) fn keep_text(&mut self, file: &Path, text: &Arc<String>) {
        self.texts.insert(file.to_owned(), hidden::shown(text));
    }

    /// Keeps the text of an htpasswd file for showing, without its hashes.
    pub(crate) fn keep_logins(&mut self, file: &Path, text: &[u8]) {
        self.texts.insert(file.to_owned(), Arc::new(hidden::file(text)));
    }

    /// As [`Self::keep_text`], but only if a diagnostic points into the file.
    pub(super) fn keep_text_if_used(&mut self, file: &Path, text: &Arc<String>) {
        let related = |d: &Diagnostic| d.related.as_ref().is_some_and(|(place, _)| place.file == file);
        if self.list.iter().any(|d| d.place.file == file || related(d)) {
            self.keep_text(file, text);
        }
    }

    /// All diagnostics, in the order of the files.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// The number of errors.
    pub fn errors(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error).count()
    }

    /// The number of errors, without those about files that this user may not read.
    pub fn faults(&self) -> usize {
        self.list.iter().filter(|d| d.severity == Severity::Error && !d.denied).count()
    }

    /// Whether there is something that this user may not read.
    pub fn is_denied(&self) -> bool {
        self.list.iter().any(|d| d.denied)
    }

    /// Replaces each diagnostic by the result of `map`. `None` leaves it out.
    #[must_use]
    pub fn mapped(self, map: impl FnMut(Diagnostic) -> Option<Diagnostic>) -> Self {
        Self { list: self.list.into_iter().filter_map(map).collect(), texts: self.texts }
    }

    /// The number of warnings.
    pub fn warnings(&self) -> usize {
        self.list.len() - self.errors()
    }

    /// Whether there are no diagnostics.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorts diagnostics by place within each file. The files are in the order of their first diagnostic.
    pub(super) fn sort(&mut self) {
        let mut order: HashMap<PathBuf, usize> = HashMap::new();
        for diagnostic in &self.list {
            let next = order.len();
            order.entry(diagnostic.place.file.clone()).or_insert(next);
        }
        self.list.sort_by_cached_key(|d| {
            let start = d.place.span.as_ref().map_or(0, |span| span.start);
            (order.get(&d.place.file).copied(), start)
        });
    }

    /// The text for people: every diagnostic with the faulty text underlined. At most 100 are shown. If there are more,
    /// errors come first.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut shown: Vec<&Diagnostic> = self.list.iter().collect();
        if shown.len() > SHOWN {
            shown.sort_by_key(|d| std::cmp::Reverse(d.severity));
        }
        let mut out = String::new();
        for diagnostic in shown.iter().take(SHOWN) {
            out.push_str(&renderer.render(&self.groups(diagnostic)));
            out.push_str("\n\n");
        }
        let left = shown.len().saturating_sub(SHOWN);
        if left > 0 {
            out.push_str(&format!("… and {left} more\n"));
        }
        out
    }

    fn groups<'a>(&'a self, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let place = &diagnostic.place;
        let mut main = Group::with_title(level.primary_title(diagnostic.message.as_str()));
        let same_file =
            diagnostic.related.as_ref().filter(|(other, _)| other.file == place.file && other.span.is_some());
        main = match self.window(place, same_file.map(|(other, _)| other)) {
            Some(window) => {
                let primary =
                    window.annotation(AnnotationKind::Primary, place, &diagnostic.label).into_iter().chain(
                        same_file.and_then(|(p, label)| window.annotation(AnnotationKind::Context, p, label)),
                    );
                main.element(window.snippet(&place.file).annotations(primary))
            }
            None => main.element(Origin::path(place.file.to_string_lossy())),
        };
        let mut other_file = None;
        if let (Some((other, label)), None) = (&diagnostic.related, same_file) {
            let note = Group::with_title(Level::NOTE.secondary_title(label.as_str()));
            other_file = Some(match self.window(other, None) {
                Some(window) => note.element(window.snippet(&other.file).annotations(window.annotation(
                    AnnotationKind::Primary,
                    other,
                    "",
                ))),
                None => note.element(Origin::path(other.file.to_string_lossy())),
            });
        }
        if let Some(help) = &diagnostic.help {
            main = main.element(Level::HELP.message(help.as_str()));
        }
        std::iter::once(main).chain(other_file).collect()
    }

    /// The lines of the file that contain `place`, and `also` if it is given. Only these lines are used, because the
    /// file may be large.
    fn window(&self, place: &Location, also: Option<&Location>) -> Option<Window<'_>> {
        let text = self.texts.get(&place.file)?;
        let span = place.span.as_ref()?;
        let also = also.and_then(|p| p.span.as_ref()).unwrap_or(span);
        let start = span.start.min(also.start);
        let end = span.end.max(also.end).min(text.len());
        let first = text.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
        let last = text.get(end..)?.find('\n').map_or(text.len(), |at| end + at);
        let line = text.get(..first)?.matches('\n').count() + 1;
        Some(Window { text: text.get(first..last)?, offset: first, line })
    }

    /// The JSON for programs: an array with one object for each diagnostic.
    pub fn to_json(&self) -> Value {
        self.list.iter().map(|d| self.one_json(d)).collect()
    }

    fn one_json(&self, diagnostic: &Diagnostic) -> Value {
        let mut object = json!({
            "severity": match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": diagnostic.message,
        });
        let place = self.place_json(&diagnostic.place);
        if let (Some(object), Value::Object(place)) = (object.as_object_mut(), place) {
            object.extend(place);
            let label = Some(&diagnostic.label).filter(|l| !l.is_empty());
            object.insert("label".to_owned(), json!(label));
            object.insert("help".to_owned(), json!(diagnostic.help));
            let related = diagnostic.related.as_ref().map(|(place, label)| {
                let mut related = self.place_json(place);
                if let Some(related) = related.as_object_mut() {
                    related.insert("label".to_owned(), json!(label));
                }
                related
            });
            object.insert("related".to_owned(), json!(related));
            object.insert("denied".to_owned(), json!(diagnostic.denied));
        }
        object
    }

    fn place_json(&self, place: &Location) -> Value {
        let range = place.span.as_ref().and_then(|span| {
            let text = self.texts.get(&place.file)?;
            Some((line_column(text, span.start)?, line_column(text, span.end)?))
        });
        json!({
            "file": place.file.to_string_lossy(),
            "line": range.map(|((line, _), _)| line),
            "column": range.map(|((_, column), _)| column),
            "end_line": range.map(|(_, (line, _))| line),
            "end_column": range.map(|(_, (_, column))| column),
        })
    }
}

/// Some complete lines of a file.
struct Window<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
}

impl<'a> Window<'a> {
    fn snippet(&self, file: &'a Path) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(self.text).line_start(self.line).path(file.to_string_lossy())
    }

    fn annotation(
        &self,
        kind: AnnotationKind,
        place: &Location,
        label: &'a str,
    ) -> Option<annotate_snippets::Annotation<'a>> {
        let Range { start, end } = place.span.clone()?;
        let start = start.saturating_sub(self.offset).min(self.text.len());
        let end = end.saturating_sub(self.offset).clamp(start, self.text.len());
        Some(kind.span(start..end).label(Some(label).filter(|l| !l.is_empty())))
    }
}

/// Line and column of a byte. Both count from 1, and the column counts characters.
fn line_column(text: &str, byte: usize) -> Option<(usize, usize)> {
    let before = text.get(..byte)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    Some((line, before.get(line_start..)?.chars().count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Diagnostics {
        let file = Path::new("a.toml");
        let mut all = Diagnostics::new();
        all.keep_text(file, &Arc::new("# ü\nname = \"ü\"\nport = 0\n".to_owned()));
        let place = |span| Location { file: file.into(), span: Some(span) };
        all.push(
            Diagnostic::error("a port is 1 to 65535", place(24..25))
                .label("out of range")
                .related(place(13..15), "because of this"),
        );
        all.push(Diagnostic::warning("odd", Location::whole("b.crt")).help("renew it"));
        all
    }

    #[test]
    fn shows_the_place_underlined() {
        let expected = "\
error: a port is 1 to 65535
 --> a.toml:3:8
  |
2 | name = \"ü\"
  |         - because of this
3 | port = 0
  |        ^ out of range

warning: odd
--> b.crt
 = help: renew it

";
        assert_eq!(sample().render(false), expected);
    }

    #[test]
    fn json_counts_characters_from_one() {
        let json = sample().to_json();
        assert_eq!(json[0]["line"], 3);
        assert_eq!(json[0]["column"], 8);
        assert_eq!(json[0]["end_column"], 9);
        assert_eq!(json[0]["related"]["column"], 9);
        assert_eq!(json[0]["related"]["end_column"], 10);
        assert_eq!(json[1]["line"], Value::Null);
        assert_eq!(json[1]["help"], "renew it");
    }
}

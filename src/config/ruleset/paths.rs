//! The paths of a host or a preset: the form of a path, and that no path occurs twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::super::report::Fault;
use super::super::syntax::pasted_in;
use super::super::tree::Node;
use super::super::walk::Value;
use crate::rules::{self, Naming, PathPattern, Segment};

/// The path of a rule in the form in which it is compared.
fn rule_path(text: &str) -> Result<Box<str>, Fault> {
    if let Some(fault) = pasted_in(text) {
        return Err(fault);
    }
    const HELP: &str = "a path is empty or starts with a slash, as \"/PBX0/APPS\"";
    if text.contains("://") {
        return Err(Fault::new("a path has no scheme and no host").help(HELP));
    }
    if !text.is_empty() && !text.starts_with('/') {
        return Err(Fault::new("the path does not start with a slash").help(format!("write \"/{text}\"")));
    }
    if let Some(at) = text.find(['?', '#']) {
        return Err(Fault::new("the query and the fragment are no part of a path")
            .at(at..text.len())
            .help("leave it out: a rule matches whatever the query is"));
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control() || *c == ' ') {
        return Err(Fault::new("a path has no spaces and no control characters").at(at..at + c.len_utf8()));
    }
    rules::path::check_rule_path(text).map_err(|why| Fault::new(format!("the path is not safe: {why}")))?;
    Ok(text.into())
}

/// The path of an entry of `http`. It may capture a tenant.
pub(super) fn pattern_of(value: &Value<'_>) -> Option<PathPattern> {
    let Node::String(text) = value.node else { return read(value).map(PathPattern::Head) };
    if !may_capture(text) {
        return read(value).map(PathPattern::Head);
    }
    value.parsed("a path", captured)
}

/// Whether a path contains something that looks like a tenant's placeholder.
fn may_capture(text: &str) -> bool {
    let mut braces = text.match_indices('{');
    braces.any(|(at, _)| {
        let word = text.get(at + 1..at + 1 + TENANT.len());
        word.is_some_and(|word| word.eq_ignore_ascii_case(TENANT))
    })
}

const TENANT: &str = "tenant";

/// A path with exactly one segment that captures a tenant (contract section 9).
fn captured(text: &str) -> Result<PathPattern, Fault> {
    const HELP: &str =
        "write {tenant} for its id or {tenant.name} for its name, as a whole segment: \"/tenant/{tenant}\"";
    let (mut segments, mut at, mut plain) = (Vec::new(), 1, String::new());
    for segment in text.split('/').skip(1) {
        let span = at..at + segment.len();
        at = span.end + 1;
        plain.push('/');
        let naming = Naming::of(segment);
        if naming.is_some() && segments.iter().any(|segment: &Segment| segment.naming().is_some()) {
            let fault = Fault::new("a path names one tenant, and this is the second").at(span);
            return Err(fault.help("leave one of them out"));
        }
        segments.push(match naming {
            Some(Naming::Id) => Segment::TenantId,
            Some(Naming::Name) => Segment::TenantName,
            None if segment.contains(['{', '}']) => {
                let is_known =
                    [Naming::Id, Naming::Name].into_iter().any(|naming| segment.contains(naming.text()));
                let what = match is_known {
                    true => "a tenant is named by a whole segment, and this is a part of one",
                    false => "these braces name no tenant",
                };
                return Err(Fault::new(what).at(span).help(HELP));
            }
            None => Segment::Literal(segment.into()),
        });
        // The replacement has the same length as the written text, so that places in it stay right.
        match naming {
            Some(naming) => plain.extend(std::iter::repeat_n('x', naming.text().len())),
            None => plain.push_str(segment),
        }
    }
    if !text.starts_with('/') {
        return Err(Fault::new("the path does not start with a slash").help(format!("write \"/{text}\"")));
    }
    rule_path(&plain)?;
    Ok(PathPattern::Captured(segments.into()))
}

/// The path of a rule in `value`. A path that looks like a pattern is taken literally, with a warning.
pub(super) fn read(value: &Value<'_>) -> Option<Box<str>> {
    if let Node::String(text) = value.node
        && let Some(at) = text.strip_prefix('^').and_then(|rest| rest.starts_with('/').then_some(0..1))
    {
        let fault = Fault::new("a path is no regular expression").at(at);
        value.error(fault.help("a rule is for every path that begins with its own: leave out the `^`"));
        return None;
    }
    if let Node::String(text) = value.node
        && ["*", "**", ".*", "^.*$", "/.*"].contains(text)
    {
        value.error(Fault::new("a path is no pattern").help("the empty path, \"\", is for every path"));
        return None;
    }
    if let Node::String(text) = value.node
        && may_capture(text)
    {
        value.error(Fault::new("a preset names no tenant").help("write such a path in the [[host]] itself"));
        return None;
    }
    let path = value.parsed("a path", rule_path)?;
    if let Some(at) = pattern(&path) {
        let what = path.get(at.clone()).unwrap_or_default();
        let plain = path.get(..at.start).unwrap_or_default();
        let is_choice = path.contains('|') || what == "(";
        let help = match plain.ends_with('/') {
            // The part before the choice would allow more than is meant.
            _ if is_choice || plain.len() <= 1 => {
                "write each path that is meant; a rule is for every path that begins with its own".to_owned()
            }
            true => format!(
                "\"{plain}\" is for everything directly below it, \"{}\" for every path that begins so",
                plain.trim_end_matches('/')
            ),
            false => format!("a rule is for every path that begins with its own: \"{plain}\""),
        };
        let fault = Fault::new(format!("a path is no pattern: here `{what}` stands for itself"));
        value.warn(fault.at(at).help(help));
    }
    Some(path)
}

/// The part of a path that looks like a wildcard or a regular expression.
fn pattern(path: &str) -> Option<Range<usize>> {
    let find = |mark: &str| path.find(mark).map(|at| at..at + mark.len());
    let is_group = path.contains('(') && path.contains(')');
    let marks = [".*", ".+", "*", "[", "]", "|", "{", "}", "^"].into_iter().filter_map(find);
    let group = is_group.then(|| find("(")).flatten();
    let end = path.ends_with('$').then(|| path.len() - 1..path.len());
    marks.chain(group).chain(end).min_by_key(|at| at.start)
}

/// The paths of one host or preset so far, to find a path that occurs twice.
#[derive(Default)]
pub(super) struct KnownPaths {
    paths: HashMap<Option<Box<str>>, Range<usize>>,
}

impl KnownPaths {
    /// As [`Self::path`]. Whether a path captures a tenant by id or by name makes no difference.
    pub(super) fn pattern(&mut self, value: &Value<'_>, path: &PathPattern) -> Option<()> {
        match path {
            PathPattern::Default => self.path(value, None),
            PathPattern::Head(path) => self.path(value, Some(path)),
            PathPattern::Captured(segments) => {
                let text = |segment: &Segment| match segment {
                    Segment::Literal(text) => format!("/{text}"),
                    Segment::TenantId | Segment::TenantName => format!("/{}", Naming::Id.text()),
                };
                self.path(value, Some(&segments.iter().map(text).collect::<String>()))
            }
        }
    }

    /// Notes a path (`None`: `default`). Returns `None` if the path occurred before, which is reported.
    pub(super) fn path(&mut self, value: &Value<'_>, path: Option<&str>) -> Option<()> {
        match self.paths.entry(path.map(Box::from)) {
            Entry::Vacant(free) => {
                free.insert(value.inner());
                Some(())
            }
            Entry::Occupied(first) => {
                let what = path.map_or("the default".to_owned(), |path| format!("the path \"{path}\""));
                let place = value.report.place(first.get().clone());
                value.error(
                    Fault::new(format!("{what} is there twice")).label("again").related(place, "first here"),
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_24_patterns_are_seen_and_plain_paths_are_not() {
        for (path, mark) in [
            ("/a/*", "*"),
            ("/a.*", ".*"),
            ("/a/[0-9]+", "["),
            ("/(a|b)", "("),
            ("/a$", "$"),
            ("/{id}", "{"),
            ("/a/.+/b", ".+"),
        ] {
            assert_eq!(pattern(path).map(|at| &path[at]), Some(mark), "{path}");
        }
        for path in ["", "/", "/PBX0/APPS/", "/a+b", "/a.b", "/a(1", "/$metadata/x", "/a~b!c;d=e", "/ü"] {
            assert_eq!(pattern(path), None, "{path}");
        }
    }
}

//! The paths of a host or a preset: what one may be, and that none is there twice.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use super::super::report::Fault;
use super::super::syntax::pasted_in;
use super::super::walk::Value;
use crate::rules;

/// The path of a rule, as it will be compared.
pub(super) fn rule_path(text: &str) -> Result<Box<str>, Fault> {
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

/// The paths of one host or preset so far, to find one that is there twice.
#[derive(Default)]
pub(super) struct Seen {
    paths: HashMap<Option<Box<str>>, Range<usize>>,
}

impl Seen {
    /// Notes a path (`None`: `default`); `None` if it was there already, which is reported.
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

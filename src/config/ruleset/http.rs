//! `http = [ … ]`: the paths of a host.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use toml::de::DeValue;

use super::super::report::Fault;
use super::super::walk::Value;
use super::files::Lines;
use super::target::Endpoints;
use super::{Walk, ports};
use crate::rules::{self, HttpRule, PathPattern, Target};
use crate::service::Service;

/// Reads one entry: a path, or a table. `None`: it is wrong, which was reported.
pub(super) fn read(
    value: &Value<'_>,
    host: Option<&Endpoints>,
    seen: &mut Seen,
    walk: &mut Walk,
    lines: &mut Lines<'_>,
) -> Option<HttpRule> {
    let source = lines.source(value.report.base + value.inner().start);
    if let DeValue::String(_) = value.node {
        let path = value.parsed("a path", rule_path)?;
        seen.path(value, Some(&path))?;
        let target = Target {
            endpoints: host.cloned().or_else(|| super::host::no_target(value))?,
            ports: ports::standard(Service::Http),
        };
        super::host::refuse_loop(walk, value, &target.endpoints, target.ports);
        return Some(HttpRule { path: PathPattern::Head(path), target, redirect_https: false, source });
    }
    let mut section = value.section("an entry of `http`", "a path, or a table { path = \"…\", … }")?;
    let path = pattern(&mut section, value);
    let target = section.get("target");
    let own = target.as_ref().map(|target| walk.targets.endpoints(target));
    let ports = ports::read(&mut section, Service::Http, value);
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    section.finish(super::elsewhere);
    let path = path?;
    seen.path(
        value,
        match &path {
            PathPattern::Default => None,
            PathPattern::Head(path) => Some(path),
        },
    )?;
    let endpoints = match own {
        Some(own) => own?,
        None => host.cloned().or_else(|| super::host::no_target(value))?,
    };
    let target_value = target.as_ref().unwrap_or(value);
    let ports = ports?;
    super::host::refuse_loop(walk, target_value, &endpoints, ports);
    Some(HttpRule { path, target: Target { endpoints, ports }, redirect_https, source })
}

/// `path = "…"` or `default = true`, and not both.
fn pattern(section: &mut super::Section<'_>, entry: &Value<'_>) -> Option<PathPattern> {
    let path = section.get("path");
    let default = section.get("default");
    let is_default = match &default {
        Some(value) => value.boolean()?,
        None => false,
    };
    match (path, default) {
        (Some(_), Some(default)) if is_default => {
            default.error_at_key(
                Fault::new("`default` cannot matter beside `path`")
                    .help("default = true is for the empty path alone; make two entries of it"),
            );
            None
        }
        (Some(path), _) => path.parsed("a path", rule_path).map(PathPattern::Head),
        (None, _) if is_default => Some(PathPattern::Default),
        (None, _) => {
            entry.error(
                Fault::new("the entry has neither `path` nor `default`")
                    .help("path = \"\" is every path, default = true the empty path alone"),
            );
            None
        }
    }
}

/// The path of a rule, as it will be compared.
pub(super) fn rule_path(text: &str) -> Result<Box<str>, Fault> {
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

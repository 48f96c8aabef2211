//! What the rules have that is near to what was asked for: a help for people whose request was refused.
//!
//! Searches linearly; never used to decide.

use super::path::RequestPath;
use super::{Host, HttpMatch, Table};

/// More differences than this are no slip of the fingers.
const SLIPS: usize = 3;

/// A name of the table that is nearly `asked`.
pub fn name<'t>(table: &'t Table, asked: &str) -> Option<&'t str> {
    let allowed = (asked.len() / 4).min(SLIPS);
    let near = |(name, _): (&'t str, Host<'t>)| {
        let slips =
            (name.len().abs_diff(asked.len()) <= allowed).then(|| strsim::osa_distance(name, asked))?;
        (slips <= allowed).then_some((slips, name))
    };
    table.names().filter_map(near).min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// A wildcard that would match `asked` if it stood for more than one label, or for none.
pub fn wildcard<'t>(table: &'t Table, asked: &str) -> Option<&'t str> {
    let dots = asked.match_indices('.').skip(1).filter_map(|(at, _)| asked.get(at + 1..));
    let mut parents = std::iter::once(asked).chain(dots);
    parents
        .find_map(|parent| table.host(&format!("*.{parent}")))
        .map(Host::name)
        .filter(|n| n.starts_with('*'))
}

/// The rule of `host` that has the most of the head of `path`.
pub fn path<'t>(host: Host<'t>, path: &RequestPath<'_>) -> Option<HttpMatch<'t>> {
    let common = |rule: &HttpMatch<'_>| {
        rule.path.bytes().zip(path.as_bytes()).take_while(|(rule, asked)| rule == *asked).count()
    };
    host.http_rules().filter(|rule| !rule.default && common(rule) > 1).max_by_key(common)
}

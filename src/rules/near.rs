//! Finds entries of the rules that are similar to a refused request. They help people who search for a mistake.
//!
//! It searches linearly. It is never used for a decision.

use std::cmp::Reverse;

use super::path::RequestPath;
use super::{Host, HttpMatch, Table, Tenant, Tenants};

/// With more differences than this the texts are not similar.
const SLIPS: usize = 3;

/// A name of the table that is similar to `asked`.
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

/// A message that there is no host `asked`, with a similar name if there is one.
pub fn unknown(table: &Table, asked: &str) -> String {
    let stands_for = table.host(asked).map(|host| format!(" of its own; {} stands for it", host.name()));
    let is_there =
        || wildcard(table, asked).or_else(|| name(table, asked)).map(|near| format!("; there is {near}"));
    let near = stands_for.or_else(is_there).unwrap_or_default();
    format!("there is no host {asked}{near}")
}

/// A message that there is no tenant `asked`, with a similar id if there is one.
pub fn unknown_tenant(tenants: &Tenants, asked: &str) -> String {
    let allowed = (asked.len() / 4).clamp(1, SLIPS);
    let near = |tenant: Tenant<'_>| {
        let is_near = tenant.id().len().abs_diff(asked.len()) <= allowed;
        let slips =
            is_near.then(|| strsim::osa_distance(&tenant.id().to_lowercase(), &asked.to_lowercase()))?;
        (slips <= allowed).then_some((slips, tenant.id().to_owned()))
    };
    let near = tenants.iter().filter_map(near).min_by_key(|(slips, _)| *slips);
    let near = near.map(|(_, near)| format!("; there is {near}")).unwrap_or_default();
    format!("there is no tenant {asked}{near}")
}

/// The rule of `host` that is most similar to `path`, if no rule matches `path`. Case is ignored, because wrong case is
/// a frequent mistake. A rule with fewer typing errors comes before a rule that shares a longer head with `path`.
pub fn path<'t>(host: Host<'t>, path: &RequestPath<'_>) -> Option<HttpMatch<'t>> {
    let asked = path.as_bytes().to_ascii_lowercase();
    host.http_rules().max_by_key(|rule| {
        let text = text_of(rule).to_ascii_lowercase();
        let head = head(&asked, segments(text.as_bytes()));
        let common = text.bytes().zip(&asked).take_while(|(rule, asked)| rule == *asked).count();
        (Reverse(slips(&text, head)), common, Reverse(text.len().abs_diff(head.len())))
    })
}

/// The path of a rule. The path of the default is `/`.
fn text_of<'t>(rule: &HttpMatch<'t>) -> &'t str {
    if rule.default { "/" } else { rule.path }
}

/// The number of differences between the texts, if they may be typing errors.
fn slips(rule: &str, asked: &[u8]) -> usize {
    let allowed = (rule.len() / 4).min(SLIPS);
    let close = rule.len().abs_diff(asked.len()) <= allowed;
    let slips = close.then(|| strsim::osa_distance(rule, &String::from_utf8_lossy(asked)));
    slips.filter(|slips| *slips <= allowed).unwrap_or(usize::MAX)
}

fn segments(path: &[u8]) -> usize {
    path.iter().filter(|octet| **octet == b'/').count()
}

/// The first segments of a path.
fn head(path: &[u8], segments: usize) -> &[u8] {
    let end = path.iter().enumerate().filter(|(_, octet)| **octet == b'/').nth(segments);
    end.and_then(|(at, _)| path.get(..at)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_so_many_segments() {
        for (path, segments, expected) in
            [("/a/b/c", 2, "/a/b"), ("/a/b", 2, "/a/b"), ("/a/b/", 2, "/a/b"), ("/a", 0, ""), ("/", 1, "/")]
        {
            assert_eq!(head(path.as_bytes(), segments), expected.as_bytes(), "{path}");
        }
        assert_eq!(slips("/pbx0/apps", b"/pbxo/apps"), 1);
        assert_eq!(slips("/pbx0/apps", b"/pbx0/appclient"), usize::MAX);
    }
}

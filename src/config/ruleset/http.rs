//! `http = [ … ]`: the paths of a host.

use std::sync::Arc;

use toml::de::DeValue;

use super::super::report::Fault;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::files::Lines;
use super::keys::elsewhere;
use super::paths::{self, Seen};
use super::ports;
use super::target::{Endpoints, no_target};
use super::websocket;
use crate::rules::{HttpRule, PathPattern, Source, Target, Treatment, WebSocketRule};
use crate::service::Service;

/// Reads one entry: a path, or a table. `None`: it is wrong, which was reported.
pub(super) fn read(
    value: &Value<'_>,
    host: Option<&Endpoints>,
    seen: &mut Seen,
    context: &mut Context,
    lines: &mut Lines<'_>,
) -> Option<HttpRule> {
    let source = lines.source(value.report.base + value.inner().start);
    if let DeValue::String(_) = value.node {
        let path = paths::read(value)?;
        seen.path(value, Some(&path))?;
        let target = Target {
            endpoints: host.cloned().or_else(|| no_target(value))?,
            ports: ports::standard(Service::Http),
        };
        context.own.refuse_loop(value, &target.endpoints, target.ports);
        return Some(HttpRule {
            path: PathPattern::Head(path),
            target,
            redirect_https: false,
            treatment: None,
            source,
        });
    }
    let mut section = value.section("an entry of `http`", "a path, or a table { path = \"…\", … }")?;
    let path = pattern(&mut section, value);
    let target = section.get("target");
    let own = target.as_ref().map(|target| context.targets.endpoints(target));
    let websocket = websocket::read(&mut section);
    if let Ok(Some(websocket)) = websocket {
        let mut useless = [section.get("tcp"), section.get("tls")].into_iter().flatten();
        let useless = useless.next();
        let leads_on = websocket.onward.is_some();
        let useless = websocket::refuse_target(target.as_ref().filter(|_| !leads_on).or(useless.as_ref()));
        let endpoints = match (leads_on, own) {
            (true, Some(own)) => own,
            (true, None) => host.cloned().or_else(|| no_target(value)),
            (false, _) => Some(Arc::new([]) as Endpoints),
        };
        let target = target.as_ref().unwrap_or(value);
        let rule =
            ends_websockets(section, (websocket, endpoints?), useless.and(path), value, (seen, source))?;
        if leads_on {
            context.own.refuse_loop(target, &rule.target.endpoints, rule.target.ports);
        }
        return Some(rule);
    }
    let ports = ports::read(&mut section, Service::Http, value);
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    section.finish(elsewhere);
    let path = path?;
    websocket.ok()?;
    seen.path(
        value,
        match &path {
            PathPattern::Default => None,
            PathPattern::Head(path) => Some(path),
            PathPattern::Captured(_) => None,
        },
    )?;
    let endpoints = match own {
        Some(own) => own?,
        None => host.cloned().or_else(|| no_target(value))?,
    };
    let target_value = target.as_ref().unwrap_or(value);
    let ports = ports?;
    context.own.refuse_loop(target_value, &endpoints, ports);
    Some(HttpRule { path, target: Target { endpoints, ports }, redirect_https, treatment: None, source })
}

/// The rest of an entry that ends WebSockets. It has no target, unless that is reached by WebSocket.
fn ends_websockets(
    mut section: Section<'_>,
    (websocket, endpoints): (WebSocketRule, Endpoints),
    path: Option<PathPattern>,
    value: &Value<'_>,
    (seen, source): (&mut Seen, Source),
) -> Option<HttpRule> {
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    section.finish(elsewhere);
    let path = path?;
    seen.path(value, if let PathPattern::Head(path) = &path { Some(path) } else { None })?;
    let ports = websocket.onward.as_ref().map_or(ports::standard(Service::Http), |onward| onward.ports);
    let target = Target { endpoints, ports };
    let treatment = Treatment { websocket: Some(websocket), ..Treatment::default() };
    Some(HttpRule { path, target, redirect_https, treatment: Some(Arc::new(treatment)), source })
}

/// `path = "…"` or `default = true`, and not both.
fn pattern(section: &mut Section<'_>, entry: &Value<'_>) -> Option<PathPattern> {
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
        (Some(path), _) => paths::read(&path).map(PathPattern::Head),
        (None, _) if is_default => Some(PathPattern::Default),
        (None, _) => {
            entry.error(
                Fault::new("the entry has neither `path` nor `default`")
                    .help("path = \"\" is every path, default = true the empty path alone")
                    .absence(),
            );
            None
        }
    }
}

//! `http = [ … ]`: the paths of a host.

use std::sync::Arc;

use super::super::report::Fault;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::exchange;
use super::files::Lines;
use super::keys::elsewhere;
use super::paths::{self, KnownPaths};
use super::ports;
use super::target::{Endpoints, no_target};
use super::treatment;
use super::websocket;
use crate::rules::{HttpRule, PathPattern, Ports, Source, Target, Treatment, WebSocketRule};
use crate::service::Service;

/// The properties of the host that its entries need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'h> {
    /// The target of entries that name no target of their own.
    pub(super) target: Option<&'h Endpoints>,
    /// Whether the host belongs to a tenant.
    pub(super) has_tenant: bool,
}

impl Home<'_> {
    /// The target of an entry that names no target of its own. An entry that captures a tenant goes to the tenant's
    /// target. That target is known only with the request, so the list is empty here.
    fn target_of(self, path: &PathPattern, value: &Value<'_>) -> Option<Endpoints> {
        match path.naming() {
            Some(_) => Some(Arc::new([])),
            None => self.target.cloned().or_else(|| no_target(value)),
        }
    }

    /// Reports an entry that leads back to Portward.
    fn refuse_loop(self, value: &Value<'_>, target: &Endpoints, ports: Ports, context: &Context) {
        let endpoints = if target.is_empty() { self.target } else { Some(target) };
        if let Some(endpoints) = endpoints {
            context.own.refuse_loop(value, endpoints, ports);
        }
    }
}

/// Reads one entry: a path or a table. `None`: the entry is wrong, which was reported.
pub(super) fn read(
    value: &Value<'_>,
    home: Home<'_>,
    seen: &mut KnownPaths,
    context: &mut Context,
    lines: &mut Lines<'_>,
) -> Option<HttpRule> {
    let source = lines.source(value.report.base + value.inner().start);
    if let Node::String(_) = value.node {
        let path = paths::pattern_of(value)?;
        seen.pattern(value, &path)?;
        let target =
            Target { endpoints: home.target_of(&path, value)?, ports: ports::standard(Service::Http) };
        home.refuse_loop(value, &target.endpoints, target.ports, context);
        return Some(HttpRule { path, target, redirect_https: false, treatment: None, source });
    }
    let mut section = value.section("an entry of `http`", "a path, or a table { path = \"…\", … }")?;
    let path = pattern(&mut section, value);
    let exchange = exchange::read(&mut section, path.as_ref(), home.has_tenant, context);
    if !matches!(exchange, Ok(None)) {
        section.finish(elsewhere);
        let (path, exchange) = (path?, exchange.ok().flatten()?);
        seen.pattern(value, &path)?;
        // Nothing is forwarded. Requests by TLS and requests in the clear both find the rule.
        let target = Target { endpoints: Arc::new([]), ports: ports::standard(Service::Http) };
        let treatment = Some(exchange.treatment);
        return Some(HttpRule { path, target, redirect_https: exchange.redirect_https, treatment, source });
    }
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
            (true, None) => home.target.cloned().or_else(|| no_target(value)),
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
    let around = treatment::Around { path: path.as_ref(), ports, has_tenant: home.has_tenant };
    let treatment = treatment::read(&mut section, &around, context);
    section.finish(elsewhere);
    let path = path?;
    websocket.ok()?;
    seen.pattern(value, &path)?;
    let endpoints = match own {
        Some(own) => own?,
        None => home.target_of(&path, value)?,
    };
    let target_value = target.as_ref().unwrap_or(value);
    let ports = ports?;
    home.refuse_loop(target_value, &endpoints, ports, context);
    Some(HttpRule { path, target: Target { endpoints, ports }, redirect_https, treatment, source })
}

/// Reads the rest of an entry that ends WebSockets. It has no target, unless its PBX is reached by WebSocket.
fn ends_websockets(
    mut section: Section<'_>,
    (websocket, endpoints): (WebSocketRule, Endpoints),
    path: Option<PathPattern>,
    value: &Value<'_>,
    (seen, source): (&mut KnownPaths, Source),
) -> Option<HttpRule> {
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    section.finish(elsewhere);
    let path = path?;
    seen.pattern(value, &path)?;
    let ports = websocket.onward.as_ref().map_or(ports::standard(Service::Http), |onward| onward.ports);
    let target = Target { endpoints, ports };
    let treatment = Treatment { websocket: Some(websocket), ..Treatment::default() };
    Some(HttpRule { path, target, redirect_https, treatment: Some(Arc::new(treatment)), source })
}

/// Reads `path = "…"` or `default = true`. Only one of them is allowed.
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
        (Some(path), _) => paths::pattern_of(&path),
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

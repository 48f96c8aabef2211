//! One `[[host]]`.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use super::super::report::Fault;
use super::super::scalar;
use super::super::text::why;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::files::Lines;
use super::keys::elsewhere;
use super::paths::KnownPaths;
use super::target::{Endpoints, no_target};
use super::{http, signalling};
use crate::rules::{HostDef, NameDef, Preset, ServiceRule, Tenant};
use crate::service::{PerService, Service};

/// Reads a host. Faults are reported and left out. `None`: the host has no name under which it could be added.
pub(super) fn read(value: &Value<'_>, context: &mut Context, lines: &mut Lines<'_>) -> Option<HostDef> {
    let mut section = value.section("a [[host]]", "written as [[host]]")?;
    // The most frequent keys come first. Once every key of a table was found, the rest costs nothing.
    let name = match section.get("name") {
        Some(value) => name(&value, lines),
        None => {
            let fault = Fault::new("the host has no name").help("add name = \"hq.example.net\"");
            value.error(fault.absence());
            None
        }
    };
    let target = section.get("target");
    let tenant = section.get("tenant");
    let own = target.as_ref().and_then(|target| context.targets.endpoints(target));
    let named = tenant.as_ref().and_then(|tenant| context.known.named(tenant));
    let endpoints = match target {
        Some(_) => own,
        None => named.and_then(Tenant::target).cloned(),
    };
    // A wrong target or tenant was reported already. Further errors about rules without a target would hide that error.
    let silent = (target.is_some() || (tenant.is_some() && named.is_none())) && endpoints.is_none();
    let has_tenant = tenant.is_some();
    let tenant = named.map(|tenant| Box::from(tenant.id()));
    let own = if silent { Some(context.targets.stand_in()) } else { endpoints.clone() };
    let own = own.as_ref();

    let preset_value = section.get("preset");
    let presets = preset_value.as_ref().map_or_else(Vec::new, |value| presets(value, own, context));
    let mut seen = KnownPaths::default();
    let http_value = section.get("http");
    let entries = http_value.as_ref().map_or_else(Vec::new, |value| value.list("a list of paths"));
    let home = http::Home { target: own, has_tenant };
    let http = entries.iter().filter_map(|e| http::read(e, home, &mut seen, context, lines)).collect();
    let mut rules = PerService::<Option<ServiceRule>>::default();
    for service in Service::decided_once() {
        rules[service] =
            section.get(service.name()).and_then(|v| signalling::read(&v, service, own, context, lines));
    }
    if let Some(rule) = &mut rules.sip
        && own.is_some_and(|own| *own == rule.endpoints)
    {
        // A preset describes the host's target. Of several presets the smallest limit is used.
        rule.max_message =
            presets.iter().filter_map(|preset| preset.max_message).min().and_then(NonZeroU32::new);
    }
    let wanted = "a list of names";
    let aliases = section.get("aliases").map_or_else(Vec::new, |value| value.list(wanted));
    let aliases = aliases.iter().filter_map(|value| self::name(value, lines)).collect();
    let enabled = section.read("enabled", true, Value::boolean);
    let client_trust = client_trust(&mut section, &rules);
    section.finish(elsewhere);
    let host =
        HostDef { name: name?, aliases, enabled, tenant, client_trust, endpoints, rules, http, presets };
    advise(value, &host, http_value.or(preset_value).as_ref());
    Some(host)
}

/// A host that has only names.
pub(super) fn names_only(name: NameDef, aliases: Vec<NameDef>) -> HostDef {
    HostDef {
        name,
        aliases,
        enabled: false,
        tenant: None,
        client_trust: None,
        endpoints: None,
        rules: PerService::default(),
        http: Vec::new(),
        presets: Vec::new(),
    }
}

fn name(value: &Value<'_>, lines: &mut Lines<'_>) -> Option<NameDef> {
    let name = value.parsed("a host name", scalar::rule_name)?;
    Some(NameDef { name, source: lines.source(value.report.base + value.inner().start) })
}

fn presets(value: &Value<'_>, host: Option<&Endpoints>, context: &Context) -> Vec<Arc<Preset>> {
    let mut presets: Vec<Arc<Preset>> = Vec::new();
    for element in value.elements("a list of presets, as [\"innovaphone-pbx\"]") {
        let Some(preset) = context.presets.get(&element) else { continue };
        if presets.iter().any(|known| known.name == preset.name) {
            element.warn(Fault::new(format!("the preset {} is named twice", preset.name)));
            continue;
        }
        let Some(endpoints) = host.cloned().or_else(|| no_target(&element)) else { continue };
        if context.own.is_near(&endpoints) {
            preset.paths.iter().for_each(|path| context.own.refuse_loop(&element, &endpoints, path.ports));
        }
        presets.push(preset);
    }
    presets
}

fn client_trust(section: &mut Section<'_>, rules: &PerService<Option<ServiceRule>>) -> Option<Arc<Path>> {
    let value = section.get("client_trust")?;
    let path = value.parsed("a path", |text| scalar::path(value.report.file, text))?;
    if !rules.iter().filter_map(|(_, rule)| rule.as_ref()).any(|rule| rule.ports.is_checked()) {
        value.error_at_key(
            Fault::new("`client_trust` cannot matter on a host without a certificate check")
                .help("it is for hosts with a sip or h323 rule that checks certificates"),
        );
    } else if let Err(error) = std::fs::metadata(&path) {
        let why = why(&error);
        value.error(Fault::new(format!("{} cannot be read: {why}", path.display())).because_of(&error));
    }
    Some(path.into())
}

/// Warns about settings that work but are probably not meant.
fn advise(value: &Value<'_>, host: &HostDef, http: Option<&Value<'_>>) {
    let has_http = !host.http.is_empty() || !host.presets.is_empty();
    let nothing = !has_http && host.rules.iter().all(|(_, rule)| rule.is_none());
    if nothing && value.report.is_silent() {
        value.warn(
            Fault::new(format!("nothing is forwarded for {}", host.name.name))
                .help("define http, preset, sip, h323 or ldap"),
        );
    }
    if let Some(http) = http
        && host.name.name.contains('/')
        && host.aliases.iter().all(|alias| alias.name.contains('/'))
    {
        http.warn_at_key(
            Fault::new("no HTTP request names a host with a location")
                .help("the Host of a request has no slash; locations are for h323 and sip"),
        );
    }
}

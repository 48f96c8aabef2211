//! Hosts that were made over the API: one more rules file behind the others, read against a table that is in force. It holds
//! `[[host]]` tables and nothing else.
//!
//! The rules files are not read again for that: the table has what they say, and [`Foundation`] what the table does not have.
//! So an unfinished edit in a rules file neither comes into force nor stands in the way.
//!
//! Unless `admin.hosts = "any"`, these hosts name no file, no target on this machine and no `check_certificate = false`: who
//! may administer may not thereby read keys or reach Portward's own machine (SPEC section 8).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use super::super::report::{Fault, Report};
use super::super::scalar::{self, Host};
use super::super::walk::Section;
use super::super::{AdminHosts, Config, Diagnostic, Diagnostics, Place, Severity};
use super::agreement::Agreement;
use super::context::Context;
use super::files::{Lines, Position, Stands};
use super::own::OwnSockets;
use super::preset::Presets;
use super::target::Targets;
use super::tenant::Known;
use super::{captured, host, round};
use crate::rules::{
    Builder, Conflict, Endpoint, HostDef, Source, Table, TargetOptions, Tenant, is_of_this_machine,
};
use crate::service::Service;

/// What the rules files say of targets and presets.
#[derive(Debug, Default)]
pub struct Foundation {
    targets: Arc<Targets>,
    presets: Presets,
}

impl Foundation {
    pub(super) fn new(context: Context) -> Arc<Self> {
        let Context { targets, presets, .. } = context;
        Arc::new(Self { targets: Arc::new(targets), presets })
    }
}

/// How hosts are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making<'a> {
    /// What the rules files say.
    pub(crate) foundation: &'a Foundation,
    pub(crate) config: &'a Config,
    /// The file that they stand in.
    pub(crate) file: &'a Path,
    /// A host that is wrong is left out with a warning, as are all of them where the text is no TOML. Otherwise
    /// everything stays as it is.
    pub(crate) is_start: bool,
}

/// What became of them.
#[derive(Debug)]
pub(crate) struct Made {
    /// The table with them; `None`: something is wrong.
    pub(crate) table: Option<Table>,
    /// What was found.
    pub(crate) found: Diagnostics,
    /// Something in it is not possible over the API.
    pub(crate) is_forbidden: bool,
}

impl Making<'_> {
    /// Adds the hosts of `text` to `base`, in place of those that were made before.
    pub(crate) fn extend(&self, base: &Table, text: &Arc<String>) -> Made {
        let base = base.without_made();
        let mut files = base.files().to_vec();
        let number = u16::try_from(files.len()).unwrap_or(u16::MAX);
        files.push(self.file.to_owned());
        let context = Context {
            targets: Targets::beyond(Arc::clone(&self.foundation.targets)),
            presets: self.foundation.presets.clone(),
            known: Known::new(base.shared_tenants(), false),
            agreement: Agreement::of(&base),
            own: OwnSockets::new(self.config),
            names: files,
        };
        let before = self.is_start.then(|| base.clone());
        let mut maker = Maker {
            making: self,
            builder: Builder::on(base),
            context,
            found: Diagnostics::new(),
            is_forbidden: false,
        };
        let report = Report::new(self.file, text, 0);
        maker.read(&report, &mut Lines::new(number, text));
        let is_broken = report.is_broken();
        maker.found.extend(report.finish());
        maker.finish(before.filter(|_| is_broken), text)
    }
}

/// What is known while they are read.
struct Maker<'a> {
    making: &'a Making<'a>,
    builder: Builder,
    context: Context,
    found: Diagnostics,
    is_forbidden: bool,
}

impl Maker<'_> {
    fn read(&mut self, report: &Report<'_>, lines: &mut Lines<'_>) {
        let document = report.parse();
        let mut root = Section::new(report, "the hosts of the API", 0..0, document.get_ref());
        let hosts = root.get("host");
        for value in hosts.iter().flat_map(|hosts| hosts.list("written as [[host]], with two brackets")) {
            let errors = report.errors();
            let is_safe = self.making.config.admin.hosts == AdminHosts::Safe;
            if is_safe && let DeValue::Table(table) = value.node {
                forbid(report, table, self.making.config);
                // It is read no further: whether a file is there that it names is not to be found out.
                if report.errors() > errors {
                    self.is_forbidden = true;
                    continue;
                }
            }
            let Some(mut host) = host::read(&value, &mut self.context, lines) else { continue };
            if report.errors() > errors {
                continue;
            }
            if is_safe {
                let tenant = host.tenant.as_deref().and_then(|id| self.context.known.tenants.by_id(id));
                let inherited = tenant.and_then(Tenant::target).cloned();
                keep_away(&mut host, inherited.as_ref());
            }
            if let Err(conflicts) = self.builder.add(host) {
                conflicts.iter().for_each(|conflict| self.conflict(report, conflict));
            }
        }
        root.finish(super::elsewhere);
    }

    /// A name that is taken.
    fn conflict(&self, report: &Report<'_>, conflict: &Conflict) {
        let first = self.place(report, conflict.first);
        let here = Position::of_text(conflict.here, report.piece).place(report.file);
        let fault = Fault::new(format!("the name {} is defined twice", conflict.name));
        let fault = fault.label("defined again").related(first, "first defined here");
        report.say(Severity::Error, here.span.unwrap_or_default(), fault);
    }

    fn place(&self, report: &Report<'_>, source: Source) -> Place {
        match self.context.names.get(usize::from(source.file)).is_some_and(|file| file == report.file) {
            true => Position::of_text(source, report.piece).place(report.file),
            false => self.context.place_of(Stands::On(source)),
        }
    }

    /// `without`: the table without any of them, which is what there is then.
    fn finish(mut self, without: Option<Table>, text: &Arc<String>) -> Made {
        let wrong = self.found.errors() > 0;
        let table = (!wrong || self.making.is_start).then(|| {
            without.unwrap_or_else(|| std::mem::take(&mut self.builder).extended(self.context.names.clone()))
        });
        let captured =
            table.as_ref().map_or_else(Vec::new, |table| captured::wrong(table, &self.context.own));
        let own = |rule: Source| {
            self.context.names.get(usize::from(rule.file)).is_some_and(|f| f == self.making.file)
        };
        let captured: Vec<_> = captured.into_iter().filter(|wrong| own(wrong.rule)).collect();
        let wrong = wrong || !captured.is_empty();
        let table = table.filter(|_| captured.is_empty() || self.making.is_start);
        for captured::Wrong { rule, tenant, there, fault } in captured {
            let place = Position::of_text(rule, text).place(self.making.file);
            let fault = fault.related(self.context.place_of(Stands::On(tenant)), there);
            self.found.push(fault.into_diagnostic(Severity::Error, place));
        }
        if let Some(table) = &table {
            let own = |source: Source| table.file(source) == self.making.file;
            for (name, source) in round::leading_back(table).into_iter().filter(|(_, source)| own(*source)) {
                let place = Position::of_text(source, text).place(self.making.file);
                self.found.push(round::warning(name, place));
            }
        }
        self.found.sort();
        if wrong && self.making.is_start {
            self.found.soften("hosts that are wrong here are left out until that is mended");
        }
        self.found.keep_text_if_used(self.making.file, text);
        for file in &self.foundation_files() {
            if let Ok(text) = super::super::text::read_text(file, "the rules file") {
                self.found.keep_text_if_used(file, &text);
            }
        }
        Made { table, found: self.found, is_forbidden: self.is_forbidden }
    }

    /// The rules files that something points into.
    fn foundation_files(&self) -> Vec<PathBuf> {
        let related = self.found.list().iter().filter_map(|found| found.related.as_ref());
        let files = related.map(|(place, _)| place.file.clone());
        files.filter(|file| file != self.making.file && self.context.names.contains(file)).collect()
    }
}

/// Reports what is not possible over the API, wherever it stands in a host.
fn forbid(report: &Report<'_>, table: &DeTable<'_>, config: &Config) {
    const WAY: &str = "it is possible in a rules file, and here if portward.toml says admin.hosts = \"any\"";
    let deny = |span, what: &str| {
        report.say(Severity::Error, span, Fault::new(what.to_owned()).help(WAY));
    };
    for (key, value) in table.iter() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("client_trust", _) => deny(value.span(), "a host of the API may name no file"),
            ("check_certificate", DeValue::Boolean(false)) => {
                deny(value.span(), "a host of the API may not switch off the check of certificates");
            }
            ("login", DeValue::String(login)) if login != "tenant" => {
                deny(value.span(), "a host of the API may name no file");
            }
            ("target" | "otherwise", target) => {
                let one = std::slice::from_ref(value);
                let list = match target {
                    DeValue::Array(list) => list.iter().as_slice(),
                    _ => one,
                };
                let here = list.iter().filter(|one| match one.get_ref() {
                    DeValue::String(text) => leads_here(text, config),
                    _ => false,
                });
                here.for_each(|one| {
                    deny(one.span(), "a host of the API may not lead to this machine or its link")
                });
            }
            // Names and values of header fields.
            ("set" | "response", _) => {}
            (_, DeValue::Table(inner)) => forbid(report, inner, config),
            (_, DeValue::Array(list)) => {
                let tables = list.iter().filter_map(|one| match one.get_ref() {
                    DeValue::Table(inner) => Some(inner),
                    _ => None,
                });
                tables.for_each(|inner| forbid(report, inner, config));
            }
            _ => {}
        }
    }
}

/// Whether a target is this machine by what is written. What a DNS name resolves to is seen when it is dialled.
fn leads_here(target: &str, config: &Config) -> bool {
    match scalar::host(target) {
        Ok(Host::Ip(ip)) => {
            let listens =
                config.listen.listeners.iter().any(|listener| listener.address.ip().to_canonical() == ip);
            listens || is_of_this_machine(ip) || config.outside.own_address.parse() == Ok(ip)
        }
        Ok(Host::Name(name)) => &*name == "localhost" || name.ends_with(".localhost"),
        Err(_) => false,
    }
}

/// What its targets' names resolve to is held against the same rule when it is dialled. The target that it has from its
/// tenant, `inherited`, stays what was said of it where it stands.
fn keep_away(host: &mut HostDef, inherited: Option<&Arc<[Endpoint]>>) {
    let away = |endpoints: &Arc<[Endpoint]>| -> Arc<[Endpoint]> {
        if inherited.is_some_and(|inherited| Arc::ptr_eq(inherited, endpoints)) {
            return Arc::clone(endpoints);
        }
        let endpoints = endpoints.iter().map(|Endpoint { address, options }| {
            let options = TargetOptions { elsewhere_only: true, ..TargetOptions::clone(options) };
            Endpoint { address: address.clone(), options: Arc::new(options) }
        });
        endpoints.collect()
    };
    host.endpoints = host.endpoints.as_ref().map(away);
    for rule in &mut host.http {
        rule.target.endpoints = away(&rule.target.endpoints);
        if let Some(treatment) = &mut rule.treatment
            && let Some(otherwise) = &treatment.otherwise
        {
            let otherwise = Some(away(otherwise));
            Arc::make_mut(treatment).otherwise = otherwise;
        }
    }
    for service in Service::decided_once() {
        if let Some(rule) = &mut host.rules[service] {
            rule.endpoints = away(&rule.endpoints);
        }
    }
}

/// What one of the file's hosts is called, for those that look for one. `None`: nothing that can be a name.
pub(crate) fn normal_name(text: &str) -> Option<Box<str>> {
    scalar::rule_name(text).ok()
}

/// The warning that the file cannot be read, or the error.
pub(crate) fn unread_hosts(file: &Path, why: &str, is_start: bool) -> Diagnostic {
    let message = format!("the hosts of the API {} cannot be read: {why}", file.display());
    match is_start {
        true => Diagnostic::warning(message, Place::whole(file))
            .help("they are left out; reload when it can be read"),
        false => {
            Diagnostic::error(message, Place::whole(file)).help("mend it, or remove it with the hosts in it")
        }
    }
}

//! Tenants and hosts that were made over the API. They are like two more rules files after the others, and are read
//! against a table that is in force. One file has only `[tenant.ID]` tables, which `tenants` reads one by one. The
//! other has only `[[host]]` tables. A tenant of the API may belong to a tenant of the rules files. A host of the API
//! may belong to a tenant of either kind. The rules files cannot refer to tenants and hosts of the API.
//!
//! The rules files are not read again for that. The table has most of their content, and [`Foundation`] has the rest.
//! So an unfinished edit in a rules file neither comes into force nor causes errors here.
//!
//! Unless `admin.hosts = "any"`, tenants and hosts of the API may not name a file or a target on this machine, and may
//! not set `check_certificate = false`. So a right to administer Portward is no right to read keys or to reach
//! Portward's own machine (contract section 8).

mod family;
mod hosts;
mod safety;
mod tenants;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::report::{Fault, Report};
use super::super::scalar;
use super::super::tree::Node;
use super::super::walk::Section;
use super::super::{AdminHosts, Config, Diagnostic, Diagnostics, Location, Severity};
use super::agreement::Agreement;
use super::context::Context;
use super::files::{Lines, Position, Stands};
use super::own_sockets::OwnSockets;
use super::preset::Presets;
use super::target::Targets;
use super::tenant::Known;
use super::{captured, host, round};
use crate::rules::{Builder, Conflict, HostDef, Source, Table, Tenant, Tenants};
use safety::{What, forbid, keep_away};
pub(crate) use tenants::{MadeTenant, Unmade};

/// The targets and presets of the rules files.
#[derive(Debug, Default)]
pub struct Foundation {
    targets: Arc<Targets>,
    presets: Presets,
    /// The hosts of the API as they were last read.
    last: hosts::Last,
}

impl Foundation {
    pub(super) fn new(context: Context) -> Arc<Self> {
        let Context { targets, presets, .. } = context;
        Arc::new(Self { targets: Arc::new(targets), presets, last: hosts::Last::default() })
    }
}

/// The input for making tenants and hosts of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Making<'a> {
    /// The targets and presets of the rules files.
    pub(crate) foundation: &'a Foundation,
    pub(crate) config: &'a Config,
    /// The file of the hosts.
    pub(crate) file: &'a Path,
    /// The file of the tenants.
    pub(crate) tenants_file: &'a Path,
    /// At a start a wrong host or tenant is left out with a warning. If the text is no TOML, all of them are left out.
    /// At other times an error leaves everything as it is.
    pub(crate) is_start: bool,
}

/// The result.
#[derive(Debug)]
pub(crate) struct Made {
    /// The table with the tenants and hosts. `None`: something is wrong.
    pub(crate) table: Option<Table>,
    /// The diagnostics.
    pub(crate) found: Diagnostics,
    /// Whether something is not allowed over the API.
    pub(crate) is_forbidden: bool,
}

impl Making<'_> {
    /// Adds the tenants, which are in the order of their ids, and the hosts in `text` to `table`. They replace those
    /// that were made before. Every tenant is then enabled or disabled as the rules files and its definition
    /// say. Overrides of administrators are not applied here.
    pub(crate) fn extend(&self, table: &Table, tenants: &[Arc<MadeTenant>], text: &Arc<String>) -> Made {
        let base = table.without_made();
        let before = self.is_start.then(|| base.clone());
        let agreement = Agreement::beside(&base, text);
        let mut context = self.context(base.files().to_vec());
        let number = u16::try_from(context.names.len().saturating_sub(1)).unwrap_or(u16::MAX);
        context.agreement = agreement;
        let mut found = Diagnostics::new();
        let mut kept = tenants.to_vec();
        found.extend(self.leave_out(&base, &mut kept));
        let all = Arc::new(
            base.tenants_of_rules().extended(kept.iter().map(|one| one.definition().clone()).collect()),
        );
        context.known = Known::new(Arc::clone(&all), false);
        let last = self.foundation.last.of(text, &all);
        last.iter().for_each(|last| last.note(&mut context));
        let mut builder = Builder::on(base);
        builder.set_tenants(Arc::clone(&all));
        let mut maker = Maker { making: self, builder, context, found, is_forbidden: false };
        for tenant in &kept {
            maker.add_realms(tenant);
        }
        if let Some(last) = last {
            if last.add_to(&mut maker.builder) {
                return maker.finish(None, text);
            }
            self.foundation.last.forget();
            return self.extend(table, tenants, text);
        }
        maker.read_hosts(before, text, (number, &all))
    }

    /// The context for reading tenants and hosts. `files` are the rules files. The file of the tenants and the file of
    /// the hosts come after them.
    fn context(&self, mut files: Vec<PathBuf>) -> Context {
        files.push(self.tenants_file.to_owned());
        files.push(self.file.to_owned());
        Context {
            targets: Targets::beyond(Arc::clone(&self.foundation.targets)),
            presets: self.foundation.presets.clone(),
            known: Known::default(),
            agreement: Agreement::default(),
            own: OwnSockets::new(self.config),
            has_sip_secrets: !self.config.sip.secrets.is_empty(),
            names: files,
        }
    }

    /// Removes tenants that are wrong in view of the others, until all are right. Reports the reasons.
    fn leave_out(&self, base: &Table, tenants: &mut Vec<Arc<MadeTenant>>) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        loop {
            let wrong = family::judge(base.tenants_of_rules(), tenants);
            if wrong.is_empty() {
                return found;
            }
            tenants.retain(|tenant| !wrong.contains_key(tenant.id()));
            let wrong = wrong.into_iter().map(|(id, why)| self.wrong_tenant(&id, why));
            found.extend(wrong);
            // The remaining tenants are checked again only if they are to be used.
            if !self.is_start {
                return found;
            }
        }
    }

    fn wrong_tenant(&self, id: &str, why: impl std::fmt::Display) -> Diagnostic {
        Diagnostic::error(format!("the tenant {id}: {why}"), Location::whole(self.tenants_file))
    }
}

/// The state while tenants and hosts are read.
struct Maker<'a> {
    making: &'a Making<'a>,
    builder: Builder,
    context: Context,
    found: Diagnostics,
    is_forbidden: bool,
}

impl Maker<'_> {
    /// Adds the hosts for a tenant's realms.
    fn add_realms(&mut self, tenant: &MadeTenant) {
        match tenant.realms(self.making, &mut self.context) {
            Err(wrong) => self.found.append(wrong),
            Ok(hosts) => {
                for host in &*hosts {
                    let Err(conflicts) = self.builder.add(host.clone()) else { continue };
                    for Conflict { name, first, .. } in conflicts {
                        let taken = self.taken_by(first);
                        let why = format!("the realm {name} is a name of {taken} already");
                        self.found.push(self.making.wrong_tenant(tenant.id(), why));
                    }
                }
            }
        }
    }

    /// The owner of a name that is already taken, for a message.
    fn taken_by(&self, first: Source) -> String {
        let file = self.context.names.get(usize::from(first.file)).map_or(Path::new(""), PathBuf::as_path);
        match file == self.making.tenants_file {
            true => "a tenant of the API".to_owned(),
            false => format!("the host in {}:{}", file.display(), first.line),
        }
    }

    /// Reads the hosts in `text`. `number` is the number of their file.
    fn read_hosts(
        mut self,
        before: Option<Table>,
        text: &Arc<String>,
        (number, tenants): (u16, &Tenants),
    ) -> Made {
        let report = Report::new(self.making.file, text, 0);
        let hosts = self.read(&report, &mut Lines::new(number, text));
        let is_broken = report.is_broken();
        let mut found = report.finish().into_iter().peekable();
        if found.peek().is_none() {
            self.making.foundation.last.keep(text, hosts, tenants);
        }
        self.found.extend(found);
        self.finish(before.filter(|_| is_broken), text)
    }

    fn read(&mut self, report: &Report<'_>, lines: &mut Lines<'_>) -> Vec<HostDef> {
        let mut read = Vec::new();
        let document = report.parse();
        let mut root = Section::new(report, "the hosts of the API", 0..0, &document);
        let hosts = root.get("host");
        for value in hosts.iter().flat_map(|hosts| hosts.list("written as [[host]], with two brackets")) {
            let errors = report.errors();
            let is_safe = self.making.config.admin.hosts == AdminHosts::Safe;
            if is_safe && let Node::Table(table) = value.node {
                forbid(report, table, self.making.config, What::Host);
                // The host is not read further. Otherwise an error message could reveal whether a file exists.
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
            read.push(host.clone());
            if let Err(conflicts) = self.builder.add(host) {
                conflicts.iter().for_each(|conflict| self.conflict(report, conflict));
            }
        }
        root.finish(super::elsewhere);
        read
    }

    /// Reports a name that is already taken.
    fn conflict(&self, report: &Report<'_>, conflict: &Conflict) {
        let first = self.place(report, conflict.first);
        let here = Position::of_text(conflict.here, report.piece).place(report.file);
        let fault = Fault::new(format!("the name {} is defined twice", conflict.name));
        let fault = fault.label("defined again").related(first, "first defined here");
        report.add(Severity::Error, here.span.unwrap_or_default(), fault);
    }

    fn place(&self, report: &Report<'_>, source: Source) -> Location {
        match self.context.names.get(usize::from(source.file)) {
            Some(file) if file == report.file => Position::of_text(source, report.piece).place(report.file),
            // Lines of the tenants' file are never shown.
            Some(file) if file == self.making.tenants_file => Location::whole(file),
            _ => self.context.place_of(Stands::On(source)),
        }
    }

    /// Reports wrong targets of paths that name a tenant, if the path or the tenant is of the API.
    fn judge_captured(&mut self, table: &Table, text: &Arc<String>) {
        for captured::Wrong { rule, tenant, there, fault } in captured::wrong(table, &self.context.own) {
            if table.file(rule) != self.making.file {
                continue;
            }
            let stands = match table.file(tenant) == self.making.tenants_file {
                true => Location::whole(self.making.tenants_file),
                false => self.context.place_of(Stands::On(tenant)),
            };
            let place = Position::of_text(rule, text).place(self.making.file);
            self.found.push(fault.related(stands, there).into_diagnostic(Severity::Error, place));
        }
        for (tenant, said) in captured::of_api(table, &self.context.own) {
            self.found.push(self.making.wrong_tenant(tenant.id(), format_args!("its target {said}")));
        }
    }

    /// Finishes. `without` is the table without tenants and hosts of the API. It is used if something is wrong.
    fn finish(mut self, without: Option<Table>, text: &Arc<String>) -> Made {
        let wrong = self.found.errors() > 0;
        let table = (!wrong || self.making.is_start).then(|| {
            without.unwrap_or_else(|| std::mem::take(&mut self.builder).extended(self.context.names.clone()))
        });
        if let Some(table) = &table {
            self.judge_captured(table, text);
        }
        let wrong = self.found.errors() > 0;
        let table = table.filter(|_| !wrong || self.making.is_start);
        if let Some(table) = &table {
            let own = |source: Source| table.file(source) == self.making.file;
            for (name, source) in round::leading_back(table).into_iter().filter(|(_, source)| own(*source)) {
                let place = Position::of_text(source, text).place(self.making.file);
                self.found.push(round::warning(name, place));
            }
        }
        self.found.sort();
        if wrong && self.making.is_start {
            self.found.soften("wrong hosts in this file are left out until they are corrected");
        }
        self.found.keep_text_if_used(self.making.file, text);
        for file in &self.foundation_files() {
            if let Ok(text) = super::super::text::read_text(file, "the rules file") {
                self.found.keep_text_if_used(file, &text);
            }
        }
        Made { table, found: self.found, is_forbidden: self.is_forbidden }
    }

    /// The rules files into which a diagnostic points.
    fn foundation_files(&self) -> Vec<PathBuf> {
        let related = self.found.list().iter().filter_map(|found| found.related.as_ref());
        let files = related.map(|(place, _)| place.file.clone());
        files.filter(|file| file != self.making.file && self.context.names.contains(file)).collect()
    }
}

/// The normal name of a host in the file, for a search by name. `None`: the text cannot be a name.
pub(crate) fn normal_name(text: &str) -> Option<Box<str>> {
    scalar::rule_name(text).ok()
}

/// The diagnostic that the file cannot be read: a warning at a start, otherwise an error. `what` is the content of the
/// file: `hosts` or `tenants`.
pub(crate) fn unread_made(what: &str, file: &Path, why: &str, is_start: bool) -> Diagnostic {
    let message = format!("the {what} of the API {} cannot be read: {why}", file.display());
    match is_start {
        true => Diagnostic::warning(message, Location::whole(file))
            .help("they are left out; reload when it can be read"),
        false => {
            let help = format!("correct it, or remove it with the {what} in it");
            Diagnostic::error(message, Location::whole(file)).help(help)
        }
    }
}

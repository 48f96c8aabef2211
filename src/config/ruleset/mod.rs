//! The rules files: hosts, targets and presets become definitions for [`crate::rules::Builder`].
//!
//! Hosts go to the builder one by one, so that the file form of a large table is never held as a whole.
//!
//! | files | what they read or check |
//! |---|---|
//! | `files`, `pieces` | the rules files, places in them, and large files in pieces |
//! | `host`, `signalling`, `ports` | one `[[host]]`, and its rules for services that are decided once a connection |
//! | `http`, `paths` | the paths of a host |
//! | `treatment`, `fields`, `login`, `websocket`, `exchange` | a path's demands, changes and other actions |
//! | `target`, `check`, `preset` | `[target."ADDRESS"]` and presets |
//! | `tenant` | `[tenant.ID]` |
//! | `agreement`, `captured`, `own_sockets`, `round` | all rules together: contradictions, captured paths, loops |
//! | `made` | tenants and hosts that were made over the API |
//! | `context`, `keys` | shared state for the parts of a host, and the right table for a misplaced key |

mod agreement;
mod captured;
mod check;
mod context;
mod exchange;
mod fields;
mod files;
mod host;
mod http;
mod keys;
mod login;
mod made;
mod own_sockets;
mod paths;
mod pieces;
mod ports;
mod preset;
mod round;
mod signalling;
mod target;
mod tenant;
mod treatment;
mod websocket;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::{Fault, Report};
use super::tree::Node;
use super::walk::{Section, Value};
use super::{Config, Diagnostics, Severity};
use smallvec::SmallVec;

use crate::rules::{Builder, Conflict, HostDef, NameDef, Source, Table};
use context::Context;
use files::{File, Lines, Position};
use keys::elsewhere;
pub use made::Foundation;
pub(crate) use made::{Made, MadeTenant, Making, Unmade, normal_name, unread_made};

/// The result of reading the rules.
#[derive(Debug)]
pub struct Rules {
    /// The compiled rules. They are missing if there was an error, unless the only errors are files that may not be
    /// read. Such files are not in the rules.
    pub table: Option<Table>,
    /// Whether some files may not be read. Then there may be more hosts.
    pub is_unread: bool,
    /// The number of files that were read.
    pub files: usize,
    /// The number of hosts in them.
    pub hosts: usize,
    /// The number of tenants in them.
    pub tenants: usize,
    /// The part of the rules files that hosts of the API need.
    pub foundation: Arc<Foundation>,
    /// All diagnostics.
    pub diagnostics: Diagnostics,
}

/// Reads a folder of `*.toml` files, or one file. `config` has the listeners, so that no rule leads back to one.
pub fn load_rules(path: &Path, config: &Config) -> Rules {
    load_rules_with(path, config, None)
}

/// Another text for one file of the rules.
#[derive(Debug, Clone)]
pub(crate) struct Instead {
    /// The path of the file in the folder of the rules. The file need not exist.
    pub(crate) file: PathBuf,
    /// The text.
    pub(crate) text: Arc<String>,
}

/// The same, but a file has another text.
pub(crate) fn load_rules_with(path: &Path, config: &Config, instead: Option<&Instead>) -> Rules {
    let mut diagnostics = Diagnostics::new();
    let (mut rules, site_presets) = files::find(path, &mut diagnostics);
    let is_its = |file: &PathBuf| instead.is_some_and(|instead| *file == instead.file);
    let others: Vec<_> = rules.extract_if(.., |file| !is_its(file)).collect();
    let mut files = files::read(others, &mut diagnostics);
    if let Some(Instead { file, text }) = instead.cloned() {
        let at = files.partition_point(|other| other.path < file);
        files.insert(at, File { path: file, text });
    }
    let count = files.len();
    files.extend(preset::shipped());
    files.extend(files::read(site_presets, &mut diagnostics));
    let mut loader = Loader::new(&files, config, diagnostics);
    let numbered = || (0u16..).zip(&files);
    for (index, file) in numbered().skip(count) {
        loader.read_preset(index, file);
    }
    for (index, file) in numbered().take(count) {
        loader.read_targets(index, file);
    }
    for (index, file) in numbered().take(count) {
        loader.read_tenants(index, file);
    }
    loader.know_tenants();
    loader.builder.reserve(files.iter().take(count).map(|file| pieces::hosts_in(&file.text)).sum());
    for (index, file) in numbered().take(count) {
        loader.read_hosts(index, file);
    }
    let rules = loader.finish(&files, count);
    files.into_iter().for_each(File::forget);
    rules
}

/// The state while the files are read.
struct Loader {
    builder: Builder,
    context: Context,
    tenants: tenant::Reading,
    conflicts: Vec<Conflict>,
    diagnostics: Diagnostics,
    hosts: usize,
    /// Whether a part is no TOML. Then there may be rules that were not read.
    is_broken: bool,
    /// Whether a file may not be read.
    is_unread: bool,
}

impl Loader {
    fn new(files: &[File], config: &Config, diagnostics: Diagnostics) -> Self {
        let mut context = Context::new(files, config);
        context.presets.is_unread = diagnostics.is_denied();
        Self {
            is_unread: diagnostics.is_denied(),
            builder: Builder::new(),
            context,
            tenants: tenant::Reading::default(),
            conflicts: Vec::new(),
            diagnostics,
            hosts: 0,
            is_broken: false,
        }
    }

    fn read_preset(&mut self, index: u16, file: &File) {
        let report = Report::new(&file.path, &file.text, 0);
        self.context.presets.read(index, file, &report);
        self.diagnostics.extend(report.finish());
    }

    /// The first pass reads only `[target]` tables, because a host may come before the table of its target.
    fn read_targets(&mut self, index: u16, file: &File) {
        for (base, piece) in pieces::pieces(&file.text) {
            if base > 0 && !pieces::may_hold_targets(piece) {
                continue;
            }
            let report = Report::new(&file.path, piece, base);
            {
                let document = report.parse();
                let mut root = Section::new(&report, ROOT, 0..0, &document);
                if let Some(targets) = root.get("target") {
                    self.context.targets.define(index, &targets, &self.context.names);
                }
            }
            self.diagnostics.extend(report.finish_without_syntax());
        }
    }

    /// The second pass reads only `[tenant]` tables. Tenants name targets, and hosts name tenants.
    fn read_tenants(&mut self, index: u16, file: &File) {
        let mut lines = Lines::new(index, &file.text);
        for (base, piece) in pieces::pieces(&file.text) {
            if !pieces::may_hold_tenants(base, piece) {
                continue;
            }
            let report = Report::new(&file.path, piece, base);
            {
                let document = report.parse();
                let mut root = Section::new(&report, ROOT, 0..0, &document);
                if let Some(tenants) = root.get("tenant") {
                    let Context { targets, names, .. } = &mut self.context;
                    let mut around = tenant::Around { targets, names, lines: &mut lines };
                    self.tenants.define(&tenants, &mut around);
                }
            }
            self.is_broken |= report.is_broken();
            self.diagnostics.extend(report.finish_without_syntax());
        }
    }

    /// All tenants were read, so hosts may name them.
    fn know_tenants(&mut self) {
        let is_whole = !self.is_broken && !self.is_unread;
        let (tenants, found) = std::mem::take(&mut self.tenants).finish(&self.context.names, is_whole);
        self.diagnostics.extend(found);
        let tenants = Arc::new(tenants);
        self.builder.set_tenants(Arc::clone(&tenants));
        self.context.known = tenant::Known::new(tenants, !is_whole);
    }

    /// The third pass reads everything else.
    fn read_hosts(&mut self, index: u16, file: &File) {
        let mut lines = Lines::new(index, &file.text);
        for (base, piece) in pieces::pieces(&file.text) {
            let report = Report::new(&file.path, piece, base);
            self.read_piece(&report, &mut lines);
            self.is_broken |= report.is_broken();
            self.diagnostics.extend(report.finish());
        }
    }

    fn read_piece(&mut self, report: &Report<'_>, lines: &mut Lines<'_>) {
        let document = report.parse();
        if report.base == 0
            && let Some(span) = keys::of_a_configuration(&document)
        {
            let file = report.file.display();
            let fault = Fault::new("this is a configuration, and a rules file is expected");
            report.add(
                Severity::Error,
                span,
                fault.help(format!(
                    "did you mean `portward check --config {file}`? In a folder of rules it has no place"
                )),
            );
            return;
        }
        let mut root = Section::new(report, ROOT, 0..0, &document);
        if let Some(targets) = root.get("target")
            && report.base > 0
            && !pieces::may_hold_targets(report.piece)
        {
            targets.error_at_key(Fault::new("this way of writing [target.\"ADDRESS\"] is not understood"));
        }
        let tenants = root.get("tenant");
        if let Some(tenants) = &tenants {
            self.read_realms(tenants, lines);
        }
        let hosts = root.get("host");
        for value in hosts.iter().flat_map(|hosts| hosts.elements("written as [[host]], with two brackets")) {
            self.hosts += 1;
            let Some(host) = host::read(&value, &mut self.context, lines) else { continue };
            self.add(host);
        }
        root.finish(elsewhere);
    }

    /// Reads the hosts for the tenants' realms.
    fn read_realms(&mut self, tenants: &Value<'_>, lines: &mut Lines<'_>) {
        let report = tenants.report;
        if !pieces::may_hold_tenants(report.base, report.piece) {
            tenants.error_at_key(Fault::new("this way of writing [tenant.ID] is not understood"));
            return;
        }
        // An earlier pass has checked that it is a table.
        let Node::Table(table) = tenants.node else { return };
        for entry in Section::new(report, ROOT, 0..0, table).entries() {
            for host in tenant::realms(&entry, &mut self.context, lines) {
                self.hosts += 1;
                self.add(host);
            }
        }
    }

    /// Gives a host to the builder. If one of its names is taken, the builder takes nothing of it. Then its other names
    /// are given once more, so that a third host with one of them is reported too.
    fn add(&mut self, host: HostDef) {
        let names: SmallVec<[NameDef; 4]> = match host.aliases.as_slice() {
            [] => SmallVec::new(),
            aliases => std::iter::once(&host.name).chain(aliases).cloned().collect(),
        };
        let Err(conflicts) = self.builder.add(host) else { return };
        let taken = |name: &NameDef| conflicts.iter().any(|conflict| conflict.here == name.source);
        let mut free = names.into_iter().filter(|name| !taken(name));
        if let Some(name) = free.next() {
            // The builder cannot refuse this: every taken name was among the conflicts.
            drop(self.builder.add(host::names_only(name, free.collect())));
        }
        self.conflicts.extend(conflicts);
    }

    fn finish(mut self, files: &[File], count: usize) -> Rules {
        for conflict in std::mem::take(&mut self.conflicts) {
            self.report_conflict(&conflict, files);
        }
        if !self.is_broken && !self.is_unread {
            self.judge_targets();
        }
        let good = self.diagnostics.faults() == 0;
        let names = std::mem::take(&mut self.context.names);
        let tenants = self.context.known.tenants.len();
        let table = good.then(|| self.builder.build(names));
        let wrong = table.as_ref().map_or_else(Vec::new, |table| captured::wrong(table, &self.context.own));
        let table = table.filter(|_| wrong.is_empty());
        for captured::Wrong { rule, tenant, there, fault } in wrong {
            let place = |source: Source| {
                let file = files.get(usize::from(source.file))?;
                Some(Position::of_text(source, &file.text).place(&file.path))
            };
            let (Some(rule), Some(tenant)) = (place(rule), place(tenant)) else { continue };
            let fault = fault.related(tenant, there);
            self.diagnostics.push(fault.into_diagnostic(Severity::Error, rule));
        }
        for (name, source) in table.iter().flat_map(round::leading_back) {
            let Some(file) = files.get(usize::from(source.file)) else { continue };
            let place = Position::of_text(source, &file.text).place(&file.path);
            self.diagnostics.push(round::warning(name, place));
        }
        if !self.is_broken && !self.is_unread {
            let idle = table.iter().flat_map(|table| self.context.targets.idle_checks(table));
            for (position, service) in idle {
                let Some(file) = files.get(position.file_number()) else { continue };
                let place = position.place(&file.path);
                self.diagnostics.push(check::idle(service).into_diagnostic(Severity::Warning, place));
            }
        }
        self.diagnostics.sort();
        for file in files {
            self.diagnostics.keep_text_if_used(&file.path, &file.text);
        }
        Rules {
            table,
            is_unread: self.is_unread,
            files: count,
            hosts: self.hosts,
            tenants,
            foundation: Foundation::new(self.context),
            diagnostics: self.diagnostics,
        }
    }

    /// Warns of statements about targets that have no effect on any rule. All rules were read.
    fn judge_targets(&mut self) {
        let Context { targets, .. } = &self.context;
        let unused = targets
            .unused()
            .into_iter()
            .map(|position| (Fault::new("no rule leads to this target").label("nothing uses it"), position));
        let idle = targets.idle_assume_tls().into_iter();
        let idle = idle.map(|position| (target::idle_assume_tls(), position));
        for (fault, position) in unused.chain(idle) {
            self.diagnostics.push(fault.into_diagnostic(Severity::Warning, self.context.place(position)));
        }
    }

    fn report_conflict(&mut self, conflict: &Conflict, files: &[File]) {
        let find = |source: Source| {
            let text = files.get(usize::from(source.file)).map_or("", |file| file.text.as_str());
            self.context.place(Position::of_text(source, text))
        };
        let fault = Fault::new(format!("the name {} is defined twice", conflict.name))
            .label("defined again")
            .related(find(conflict.first), "first defined here");
        self.diagnostics.push(fault.into_diagnostic(Severity::Error, find(conflict.here)));
    }
}

/// The name of the top level in messages.
const ROOT: &str = "a rules file";

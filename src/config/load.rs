//! Reads files into the valid form. This module has the entry points for `run`, `reload`, `check` and `explain`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file::References;
use super::report::Report;
use super::ruleset::{self, Foundation, Instead, Rules};
use super::sections::NamedHost;
use super::text::{read_text, why};
use super::{Config, Diagnostic, Diagnostics, file};
use crate::rules::Table;

/// The result of reading portward.toml.
#[derive(Debug)]
pub struct Loaded {
    /// The valid form. It is missing if there was an error, unless the only errors are files that may not be read.
    pub config: Option<Config>,
    /// Everything that was found.
    pub diagnostics: Diagnostics,
    /// The valid form with defaults in place of errors, and its references to the rules.
    mended: Option<(Config, References)>,
}

/// Reads portward.toml, without the rules.
pub fn load(path: &Path) -> Loaded {
    let mut diagnostics = Diagnostics::new();
    let text = match read_text(path, "the configuration") {
        Ok(text) => text,
        Err(mut none) => {
            let help = "portward.toml says what to listen on and where the rules are; --config FILE names another one";
            none.diagnostic.help.get_or_insert(help.to_owned());
            none.tell(path, &mut diagnostics);
            return Loaded { config: None, diagnostics, mended: None };
        }
    };
    let report = Report::new(path, &text, 0);
    let (config, references) = file::read(&report);
    diagnostics.extend(report.finish());
    diagnostics.sort();
    diagnostics.keep_text(path, &text);
    let valid = (diagnostics.faults() == 0).then(|| config.clone());
    Loaded { config: valid, diagnostics, mended: Some((config, references)) }
}

/// The administration socket of the daemon with this portward.toml. A file with errors is read as far as possible. If
/// the file may not be read, the default socket is used: members of the administrators' group need not have the right
/// to read it.
pub fn admin_socket(path: &Path) -> PathBuf {
    match load(path).mended {
        Some((config, _)) => config.admin.socket,
        None => Config::defaults(path).admin.socket,
    }
}

impl Config {
    /// The configuration of an empty portward.toml at `file`.
    pub fn defaults(file: &Path) -> Self {
        file::read(&Report::new(file, "", 0)).0
    }
}

/// portward.toml and its rules, as far as they could be read.
#[derive(Debug)]
pub struct Checked {
    /// The content of portward.toml. It is missing if it has an error, unless the only errors are files that may not be
    /// read.
    pub config: Option<Config>,
    /// The rules, if they were found. Their diagnostics are in `diagnostics`.
    pub rules: Option<Rules>,
    /// All diagnostics.
    pub diagnostics: Diagnostics,
}

/// Reads portward.toml and the rules that it names. It goes on after errors, so that all errors are found at once.
pub fn check(path: &Path) -> Checked {
    check_with(path, None)
}

/// The same, but one file of the rules has another text.
pub(crate) fn check_with(path: &Path, instead: Option<&Instead>) -> Checked {
    let Loaded { config, mut diagnostics, mended } = load(path);
    let Some((mended, references)) = mended else {
        return Checked { config: None, rules: None, diagnostics };
    };
    if let Err(error) = std::fs::metadata(&mended.rules)
        && instead.is_none_or(|instead| instead.file != mended.rules)
    {
        let message = format!("the rules {} cannot be read: {}", mended.rules.display(), why(&error));
        let help = "`rules` names a folder of *.toml, or one file; a relative path is relative to this file";
        let said = |place| Diagnostic::error(message, place).help(help).because_of(&error);
        diagnostics.extend(references.rules.map(said));
        return Checked { config: None, rules: None, diagnostics };
    }
    let mut rules = ruleset::load_rules_with(&mended.rules, &mended, instead);
    // Anything that seems to be missing may be in a file that this user may not read.
    if let Some(table) = rules.table.as_ref().filter(|_| !rules.diagnostics.is_denied()) {
        diagnostics.extend(references.hosts.into_iter().filter_map(|named| missing_host(named, table)));
    }
    diagnostics.append(std::mem::take(&mut rules.diagnostics));
    Checked { config, rules: Some(rules), diagnostics }
}

/// The error about a default host that no rule has.
fn missing_host(named: NamedHost, table: &Table) -> Option<Diagnostic> {
    let NamedHost { name, service, place } = named;
    let Some(host) = table.host(&name) else {
        return Some(Diagnostic::warning(format!("no rule is for the host {name}"), place));
    };
    (!host.serves(service))
        .then(|| Diagnostic::warning(format!("the host {name} has no {service} rule"), place))
}

/// Everything that a start or a reload needs.
#[derive(Debug)]
pub struct Everything {
    /// portward.toml.
    pub config: Config,
    /// The rules, compiled.
    pub table: Table,
    /// The part of the rules files that hosts of the API need.
    pub foundation: Arc<Foundation>,
    /// The diagnostics. They are warnings only.
    pub warnings: Diagnostics,
}

/// Reads portward.toml and the rules that it names.
///
/// # Errors
///
/// All errors and warnings about these files.
pub fn load_all(path: &Path) -> Result<Everything, Diagnostics> {
    let Checked { config, rules, diagnostics } = check(path);
    match (config, rules) {
        (Some(config), Some(Rules { table: Some(table), foundation, .. })) if diagnostics.errors() == 0 => {
            Ok(Everything { config, table, foundation, warnings: diagnostics })
        }
        _ => Err(diagnostics),
    }
}

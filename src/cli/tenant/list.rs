//! `portward tenant list` and `show`: the tenants of the running daemon, or of the files if no daemon runs.

use serde_json::{Value, json};

use super::{Args, TenantError, path, text, texts};
use crate::admin::client::NoAnswer;
use crate::admin::{TenantContext, tenant_to_json, whole_tenant_to_json};
use crate::cli::daemon::{field, filters};
use crate::cli::table::{Table, Tone};
use crate::cli::terminal;
use crate::config::{self, Checked, Rules};
use crate::rules;
use crate::rules::near;
use crate::state::made::{self, tenants::Tenants};
use crate::state::overrides;

/// The filter for tenants.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Part of an id or a name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Those directly below this tenant
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// Those below this tenant, however far
    #[arg(long, value_name = "ID")]
    above: Option<String>,
    /// Those that are disabled, or below one that is
    #[arg(long)]
    disabled: bool,
}

/// The tenants in the files, if no daemon runs.
pub(super) struct OfFiles {
    table: rules::Table,
    tenants: Tenants,
    state: std::path::PathBuf,
}

impl OfFiles {
    pub(super) fn read(args: &Args) -> Result<Self, TenantError> {
        let Checked { config, rules, diagnostics } = config::check(&args.daemon.config);
        let (Some(config), Some(Rules { table: Some(mut table), foundation, .. })) = (config, rules) else {
            return Err(TenantError::Said(terminal::NO, diagnostics.render(false)));
        };
        let ground = made::Ground { foundation: &foundation, config: &config };
        let (mut found, tenants) = made::take(ground, &mut table, None);
        found.append(overrides::apply(&config.state, &mut table, None));
        if found.errors() > 0 {
            return Err(TenantError::Said(terminal::NO, found.render(false)));
        }
        Ok(Self { table, tenants, state: config.state })
    }

    fn seen(&self) -> TenantContext<'_> {
        TenantContext { table: &self.table, tenants: &self.tenants, state: &self.state }
    }

    /// All tenants in the form of the daemon's list.
    pub(super) fn all(&self) -> Vec<Value> {
        self.table.tenants().iter().map(|tenant| tenant_to_json(self.seen(), tenant)).collect()
    }
}

fn note(error: &NoAnswer) {
    terminal::complain(format_args!("note: {error}: this is what the files say"));
}

pub(super) fn all(args: &Args, wanted: &Filters) -> Result<(), TenantError> {
    let Filters { search, parent, above, disabled } = wanted;
    let given = [
        ("search", search.clone()),
        ("parent", parent.clone()),
        ("above", above.clone()),
        ("alive", disabled.then(|| "false".to_owned())),
    ];
    let is_filtered = given.iter().any(|(_, value)| value.is_some());
    let answered = args.daemon.daemon().list("tenants", &filters(given), usize::MAX);
    let (list, count) = match answered {
        Ok((list, answer)) => (list, field(&answer, "count").clone()),
        Err(error @ NoAnswer::NotRunning(_)) if !is_filtered => {
            let list = OfFiles::read(args)?.all();
            note(&error);
            let count = list.len().into();
            (list, count)
        }
        Err(error) => return Err(error.into()),
    };
    if args.daemon.json {
        terminal::print_line(json!({ "count": count, "tenants": list }));
        return Ok(());
    }
    if list.is_empty() {
        terminal::print_line(if is_filtered { "there is no such tenant" } else { "there are no tenants" });
        return Ok(());
    }
    let mut shown =
        Table::new(&["TENANT", "NAME", "PARENT", "TARGET", "ENABLED", "MADE BY"]).long(&["TARGET", "NAME"]);
    for tenant in &list {
        let (enabled, tone) = enabled(tenant);
        let target = texts(field(tenant, "target")).join(", ");
        let target = if target.is_empty() { "-".to_owned() } else { target };
        let cells = [
            text(tenant, "id"),
            text(tenant, "name"),
            text(tenant, "parent"),
            target,
            enabled.to_owned(),
            made_by(tenant),
        ];
        shown.row(cells.map(|cell| (cell, tone)));
    }
    shown.print();
    Ok(())
}

pub(super) fn print_tenant(args: &Args, id: &str) -> Result<(), TenantError> {
    let tenant = match args.daemon.daemon().get(&path(id, "")?) {
        Ok(tenant) => tenant,
        Err(error @ NoAnswer::NotRunning(_)) => {
            let files = OfFiles::read(args)?;
            let tenants = files.table.tenants();
            let tenant =
                tenants.by_id(id).ok_or_else(|| TenantError::no(near::unknown_tenant(tenants, id)))?;
            note(&error);
            whole_tenant_to_json(files.seen(), tenant)
        }
        Err(error) => return Err(error.into()),
    };
    if args.daemon.json {
        terminal::print_line(&tenant);
        return Ok(());
    }
    let line = |name: &str, value: String| terminal::print_line(format_args!("  {name:<9} {value}"));
    terminal::print_line(text(&tenant, "id"));
    line("name", text(&tenant, "name"));
    line("parent", text(&tenant, "parent"));
    line("enabled", enabled(&tenant).0.to_owned());
    line("made by", made_by(&tenant));
    line("rule", text(&tenant, "rule"));
    let target = texts(field(&tenant, "target")).join(", ");
    let from =
        if field(&tenant, "own_target").is_null() && !target.is_empty() { " (from above)" } else { "" };
    line("target", if target.is_empty() { "-".to_owned() } else { target + from });
    for (what, list) in [("realms", field(&tenant, "realms"))] {
        if let Some(list) = Some(texts(list)).filter(|list| !list.is_empty()) {
            line(what, list.join(", "));
        }
    }
    let users = texts(field(field(&tenant, "login"), "users"));
    if !users.is_empty() {
        line("users", users.join(", "));
    }
    if let Some(count) = field(&tenant, "secrets").as_u64().filter(|count| *count > 0) {
        line("secrets", count.to_string());
    }
    for what in ["hosts", "children"] {
        let all = field(&tenant, what);
        let count = field(all, "count").as_u64().unwrap_or_default();
        let names = texts(field(all, "names"));
        let more = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(names.len());
        let more = if more > 0 { format!(", and {more} more") } else { String::new() };
        if count > 0 {
            line(what, format!("{}{more}", names.join(", ")));
        }
    }
    Ok(())
}

fn made_by(tenant: &Value) -> String {
    match field(tenant, "imported").as_str() {
        Some(by) => format!("import {}", terminal::harmless(by)),
        None => text(tenant, "made_by"),
    }
}

/// Whether the tenant is enabled, and why.
fn enabled(tenant: &Value) -> (&'static str, Tone) {
    let is = |name: &str| field(tenant, name).as_bool() == Some(true);
    match (is("enabled"), is("enabled_by_rules"), is("alive")) {
        (true, _, false) => ("no, by a tenant above", Tone::Faint),
        (true, true, true) => ("yes", Tone::Plain),
        (true, false, true) => ("yes, by an administrator", Tone::Plain),
        (false, false, _) => ("no", Tone::Faint),
        (false, true, _) => ("no, by an administrator", Tone::Warning),
    }
}

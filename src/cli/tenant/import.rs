//! `portward tenant import`: accounts of another system become tenants of the running daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Args, TenantError, input, list::OfFiles, texts};
use crate::admin::client::NoAnswer;
use crate::cli::daemon::field;
use crate::cli::terminal;
use crate::import::{Change, ExistingTenant, KAZOO, Plan, PlannedTenant, plan, read};

/// The longest file that is read, in octets. A hundred thousand accounts need much less.
const LONGEST: u64 = 256 * 1024 * 1024;
/// The longest body of a request, in octets. The daemon accepts 64 KiB.
const BODY: usize = 48 * 1024;

/// The system whose accounts are imported.
#[derive(Debug, clap::Subcommand)]
pub(super) enum From {
    /// Account documents of Kazoo: one, a list of them, or CouchDB's answer to _all_docs?include_docs=true
    #[command(after_help = "Examples:\n  \
        curl -s 'http://127.0.0.1:5984/accounts/_all_docs?include_docs=true' | portward tenant import kazoo - --target kamailio.example\n  \
        portward tenant import kazoo accounts.json --target kamailio.example --prune --dry-run\n\n\
        Exit codes:\n  \
        0  the tenants are as the file says\n  \
        1  something is wrong with the file, or the daemon refuses; the message says what has changed\n  \
        2  wrong usage")]
    Kazoo(Kazoo),
}

/// The arguments of an import from Kazoo.
#[derive(Debug, clap::Args)]
pub(super) struct Kazoo {
    /// The file; `-` is standard input
    file: PathBuf,
    /// Where new tenants lead that have no target above them; several are tried in their order
    #[arg(long, value_name = "ADDRESS")]
    target: Vec<String>,
    /// Remove tenants that an import has made and that are no account any more
    #[arg(long)]
    prune: bool,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args, from: &From) -> Result<(), TenantError> {
    let From::Kazoo(kazoo) = from;
    let text = input(&kazoo.file, LONGEST)?;
    let accounts = read(&text).map_err(|errors| {
        let lines = errors.iter().map(|error| format!("error: {}:{error}", kazoo.file.display()));
        TenantError::Said(terminal::NO, lines.collect::<Vec<_>>().join("\n") + "\nnothing is changed")
    })?;
    let existing = existing(args, kazoo.dry_run)?;
    let known = existing.iter().filter_map(known).collect();
    let plan = plan(accounts, &known, !kazoo.target.is_empty(), kazoo.prune);
    for warning in &plan.warnings {
        terminal::complain(format_args!(
            "warning: {}:{}:{}: {}",
            kazoo.file.display(),
            warning.position.line,
            warning.position.column,
            terminal::harmless(&warning.text)
        ));
    }
    if let Some(id) = &plan.needs_target {
        return Err(TenantError::usage(format_args!(
            "the tenant {id} has a realm, and nothing says where that leads: give --target; nothing is changed"
        )));
    }
    if !kazoo.dry_run {
        let definitions = definitions(&existing);
        carry_out(args, kazoo, &plan, &definitions)?;
    }
    print_plan(args, kazoo, &plan);
    Ok(())
}

/// The existing tenants. A dry run may use the tenants in the files.
fn existing(args: &Args, is_dry: bool) -> Result<Vec<Value>, TenantError> {
    match args.daemon.daemon().list("tenants", "", usize::MAX) {
        Ok((list, _)) => Ok(list),
        Err(error @ NoAnswer::NotRunning(_)) if is_dry => {
            let list = OfFiles::read(args)?.all();
            terminal::complain(format_args!("note: {error}: this is held against what the files say"));
            Ok(list)
        }
        Err(error) => Err(error.into()),
    }
}

fn known(tenant: &Value) -> Option<(Box<str>, ExistingTenant)> {
    let text = |name: &str| field(tenant, name).as_str().map(Box::from);
    let definition = field(tenant, "definition");
    let known = ExistingTenant {
        name: text("name"),
        parent: text("parent"),
        realms: texts(field(tenant, "realms")).into_iter().map(Into::into).collect(),
        // The value in the definition. An administrator's override may differ, and stays.
        enabled: field(tenant, "enabled_by_rules").as_bool() == Some(true),
        has_target: !field(tenant, "own_target").is_null(),
        of_rules: definition.is_null().then(|| text("rule").unwrap_or_default().into()),
        is_imported: field(tenant, "imported").as_str() == Some(KAZOO),
    };
    Some((text("id")?, known))
}

fn definitions(existing: &[Value]) -> BTreeMap<&str, &Map<String, Value>> {
    let pairs = existing
        .iter()
        .filter_map(|one| Some((field(one, "id").as_str()?, field(one, "definition").as_object()?)));
    pairs.collect()
}

/// The entry of one tenant in the body. Null: the tenant is removed.
fn wanted(kazoo: &Kazoo, change: &Change, before: Option<&Map<String, Value>>) -> Value {
    let (wanted, mut definition) = match change {
        Change::Remove => return Value::Null,
        Change::Make(wanted) => {
            let mut definition = Map::new();
            definition.insert("imported".to_owned(), KAZOO.into());
            (wanted, definition)
        }
        Change::Alter(wanted, _) => (wanted, before.cloned().unwrap_or_default()),
    };
    let PlannedTenant { name, parent, realms, enabled, gets_target } = wanted;
    let mut put = |key: &str, value: Option<Value>| match value {
        Some(value) => drop(definition.insert(key.to_owned(), value)),
        None => drop(definition.shift_remove(key)),
    };
    put("name", name.as_deref().map(Value::from));
    put("parent", parent.as_deref().map(Value::from));
    put("realms", (!realms.is_empty()).then(|| realms.iter().map(|realm| &**realm).collect()));
    put("enabled", (!enabled).then(|| false.into()));
    if *gets_target {
        put("target", Some(kazoo.target.iter().map(String::as_str).collect()));
    }
    Value::Object(definition)
}

/// Sends the changes in requests that the daemon accepts, parents first. Each request is carried out as a whole or not
/// at all.
fn carry_out(
    args: &Args,
    kazoo: &Kazoo,
    plan: &Plan,
    definitions: &BTreeMap<&str, &Map<String, Value>>,
) -> Result<(), TenantError> {
    let daemon = args.daemon.daemon();
    let (mut body, mut length, mut made) = (Map::new(), 0, 0);
    let mut changes = plan.changes.iter().peekable();
    while let Some((id, change)) = changes.next() {
        let value = wanted(kazoo, change, definitions.get(&**id).copied());
        length += id.len() + value.to_string().len() + 8;
        body.insert(id.to_string(), value);
        if length < BODY && changes.peek().is_some() {
            continue;
        }
        let count = body.len();
        let said = json!({ "tenants": std::mem::take(&mut body) });
        length = 0;
        daemon.ask("POST", "/v1/tenants", Some(&said)).map_err(|error| match (error, made) {
            (NoAnswer::Refused(status, why), 1..) => {
                let why = format!(
                    "{why}\n{made} of {} changes are made; run this command again when that is corrected",
                    plan.changes.len()
                );
                TenantError::NoAnswer(NoAnswer::Refused(status, why))
            }
            (error, _) => error.into(),
        })?;
        made += count;
    }
    Ok(())
}

fn print_plan(args: &Args, kazoo: &Kazoo, plan: &Plan) {
    let of = |is_it: fn(&Change) -> bool| {
        plan.changes.iter().filter(move |(_, change)| is_it(change)).map(|(id, _)| &**id)
    };
    let new: Vec<_> = of(|change| matches!(change, Change::Make(_))).collect();
    let changed: Vec<_> = of(|change| matches!(change, Change::Alter(..))).collect();
    let removed: Vec<_> = of(|change| matches!(change, Change::Remove)).collect();
    if args.daemon.json {
        let warnings = plan.warnings.iter().map(
            |one| json!({ "line": one.position.line, "column": one.position.column, "message": one.text }),
        );
        return terminal::print_line(json!({
            "dry_run": kazoo.dry_run,
            "new": new,
            "changed": changed,
            "removed": removed,
            "unchanged": plan.unchanged,
            "left": plan.left.iter().map(|id| &**id).collect::<Vec<_>>(),
            "warnings": warnings.collect::<Vec<_>>(),
        }));
    }
    for (id, change) in &plan.changes {
        match change {
            Change::Make(PlannedTenant { name: Some(name), .. }) => {
                terminal::print_line(format_args!("+ {id} ({})", terminal::harmless(name)))
            }
            Change::Make(_) => terminal::print_line(format_args!("+ {id}")),
            Change::Alter(_, what) => {
                terminal::print_line(format_args!("~ {id}: {}", terminal::harmless(&what.join("; "))))
            }
            Change::Remove => terminal::print_line(format_args!("- {id}")),
        }
    }
    let would = if kazoo.dry_run { " (nothing is changed: --dry-run)" } else { "" };
    terminal::print_line(format_args!(
        "{} new, {} changed, {} removed, {} as they were{would}",
        new.len(),
        changed.len(),
        removed.len(),
        plan.unchanged
    ));
    if !plan.left.is_empty() {
        terminal::complain(format_args!(
            "note: {} tenants that an import has made are no account any more: --prune removes them",
            plan.left.len()
        ));
    }
}

//! `portward tenant add`, `set`, `move`, `enable`, `disable` and `remove`.

use serde_json::{Map, Value, json};

use super::{Args, TenantError, done, path};
use crate::admin::client::NoAnswer;
use crate::cli::daemon::field;

/// How often a change is tried again if another change came in between.
const TRIES: u32 = 5;
/// The daemon's status if If-Match does not match (RFC 9110 section 15.5.13).
const PRECONDITION_FAILED: u16 = 412;

/// A tenant in the arguments of the command line.
#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Its id: 1 to 64 of A-Z a-z 0-9 . _ -
    id: String,
    /// Its name for people
    #[arg(long)]
    name: Option<String>,
    /// The tenant that it belongs to
    #[arg(long, value_name = "ID")]
    parent: Option<String>,
    /// The target of its hosts and paths: an address or a DNS name; several are tried in their order. The default is
    /// its parent's target
    #[arg(long, value_name = "ADDRESS")]
    target: Vec<String>,
    /// A SIP domain of the tenant
    #[arg(long, value_name = "NAME")]
    realm: Vec<String>,
    /// Make the tenant disabled
    #[arg(long)]
    disabled: bool,
}

/// The changes of a tenant's name and realms.
#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// Its id
    id: String,
    /// Its name for people
    #[arg(long, conflicts_with = "no_name")]
    name: Option<String>,
    /// Remove its name
    #[arg(long)]
    no_name: bool,
    /// A SIP domain of the tenant; replaces the present ones
    #[arg(long, value_name = "NAME", conflicts_with = "no_realms")]
    realm: Vec<String>,
    /// Remove its realms
    #[arg(long)]
    no_realms: bool,
}

/// The new target or parent of a tenant.
#[derive(Debug, clap::Args)]
pub(super) struct Move {
    /// Its id
    id: String,
    /// The new target of its hosts and paths; several are tried in their order
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_target")]
    target: Vec<String>,
    /// Remove its target: its parent's target counts
    #[arg(long)]
    no_target: bool,
    /// The new parent
    #[arg(long, value_name = "ID", conflicts_with = "no_parent")]
    parent: Option<String>,
    /// Remove its parent
    #[arg(long)]
    no_parent: bool,
}

/// One text as a string, or several as a list.
fn one_or_more(texts: &[String]) -> Value {
    match texts {
        [one] => one.as_str().into(),
        several => several.iter().map(String::as_str).collect(),
    }
}

pub(super) fn add(args: &Args, new: &New) -> Result<(), TenantError> {
    let New { id, name, parent, target, realm, disabled } = new;
    let mut definition = Map::new();
    for (key, value) in [("name", name), ("parent", parent)] {
        if let Some(value) = value {
            definition.insert(key.to_owned(), value.as_str().into());
        }
    }
    if !target.is_empty() {
        definition.insert("target".to_owned(), one_or_more(target));
    }
    if !realm.is_empty() {
        definition.insert("realms".to_owned(), realm.iter().map(String::as_str).collect());
    }
    if *disabled {
        definition.insert("enabled".to_owned(), false.into());
    }
    let path = path(id, "")?;
    match args.daemon.daemon().ask_if("PUT", &path, Some(&Value::Object(definition)), "If-None-Match: *") {
        Ok(_) => {
            done(args, id, "added", true);
            Ok(())
        }
        Err(NoAnswer::Refused(PRECONDITION_FAILED, _)) => Err(TenantError::no(format_args!(
            "there is a tenant {id} already: `portward tenant set` and `move` change it"
        ))),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn set(args: &Args, set: &Set) -> Result<(), TenantError> {
    let Set { id, name, no_name, realm, no_realms } = set;
    if name.is_none() && !no_name && realm.is_empty() && !no_realms {
        return Err(TenantError::usage(
            "there is nothing to change: give --name, --no-name, --realm or --no-realms",
        ));
    }
    let is_changed = alter(args, id, |definition| {
        put(definition, "name", name.as_deref().map(Value::from), *no_name);
        let realms = (!realm.is_empty()).then(|| realm.iter().map(String::as_str).collect());
        put(definition, "realms", realms, *no_realms);
    })?;
    done(args, id, "changed", is_changed);
    Ok(())
}

pub(super) fn move_to(args: &Args, to: &Move) -> Result<(), TenantError> {
    let Move { id, target, no_target, parent, no_parent } = to;
    if target.is_empty() && !no_target && parent.is_none() && !no_parent {
        return Err(TenantError::usage("where to? Give --target, --no-target, --parent or --no-parent"));
    }
    let is_changed = alter(args, id, |definition| {
        put(definition, "target", (!target.is_empty()).then(|| one_or_more(target)), *no_target);
        put(definition, "parent", parent.as_deref().map(Value::from), *no_parent);
    })?;
    done(args, id, "moved", is_changed);
    Ok(())
}

fn put(definition: &mut Map<String, Value>, key: &str, value: Option<Value>, is_to_go: bool) {
    if let Some(value) = value {
        definition.insert(key.to_owned(), value);
    } else if is_to_go {
        definition.shift_remove(key);
    }
}

/// Changes the definition of a tenant. Changes that another program makes meanwhile are kept.
fn alter(args: &Args, id: &str, change: impl Fn(&mut Map<String, Value>)) -> Result<bool, TenantError> {
    let (daemon, path) = (args.daemon.daemon(), path(id, "")?);
    let mut tries = 0;
    loop {
        let (tenant, tag) = daemon.get_tagged(&path)?;
        let mut definition = match field(&tenant, "definition") {
            Value::Object(definition) => definition.clone(),
            _ => {
                let rule = field(&tenant, "rule").as_str().unwrap_or_default().to_owned();
                return Err(TenantError::no(format_args!(
                    "the tenant {id} is from the rules: change it in {rule}, then `portward reload`"
                )));
            }
        };
        change(&mut definition);
        let condition = format!("If-Match: {tag}");
        match daemon.ask_if("PUT", &path, Some(&Value::Object(definition)), &condition) {
            Ok(answer) => return Ok(*field(&answer, "changed") == json!(true)),
            Err(NoAnswer::Refused(PRECONDITION_FAILED, _)) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) fn switch(args: &Args, id: &str, enabled: bool) -> Result<(), TenantError> {
    let (verb, did) = if enabled { ("/enable", "enabled") } else { ("/disable", "disabled") };
    let answer = args.daemon.daemon().ask("POST", &path(id, verb)?, None)?;
    done(args, id, did, *field(&answer, "changed") == json!(true));
    if enabled && *field(&answer, "alive") == json!(false) {
        crate::cli::terminal::complain(
            "note: a tenant above it is disabled, so that its requests are still refused",
        );
    }
    Ok(())
}

pub(super) fn remove(args: &Args, id: &str) -> Result<(), TenantError> {
    args.daemon.daemon().ask("DELETE", &path(id, "")?, None)?;
    done(args, id, "removed", true);
    Ok(())
}

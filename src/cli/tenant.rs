//! `portward tenant`: the owners of hosts and paths (contract section 9). The running daemon keeps the tenants that
//! these commands make. Tenants in the rules files are changed there, but can be enabled and disabled here.
//!
//! `list` shows tenants. `change` makes, changes and removes them. `secret` sets passwords and secrets. `import` takes
//! over accounts of other systems.

mod change;
mod import;
mod list;
mod secret;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::daemon::{DaemonArgs, encoded, field, no_answer};
use super::terminal;
use crate::admin::client::NoAnswer;
use crate::rules::is_tenant_id;

/// Show, make, change, move, enable, disable and remove tenants of the running daemon
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward tenant list\n  \
    portward tenant add XYZ --name 'XYZ Ltd' --target asterisk-17.example --realm xyz.example\n  \
    portward tenant move XYZ --target new-platform.example\n  \
    portward tenant disable XYZ\n  \
    portward tenant password XYZ key --stdin < password\n  \
    portward tenant secret XYZ\n  \
    portward tenant import kazoo accounts.json --target kamailio.example --dry-run\n\n\
    Exit codes:\n  \
    0  it is so\n  \
    1  the answer is no, or the daemon cannot be asked; nothing has changed\n  \
    2  wrong usage")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Tenants: name, parent, target, whether they are enabled
    List(list::Filters),
    /// One tenant with what belongs to it
    Show {
        /// Its id
        id: String,
    },
    /// Make a tenant
    Add(change::New),
    /// Change a tenant's name or realms
    Set(change::Set),
    /// Enable a tenant, whatever the rules say
    Enable {
        /// Its id
        id: String,
    },
    /// Disable a tenant and everything below it: new requests are refused, connections end after limits.drain_timeout
    Disable {
        /// Its id
        id: String,
    },
    /// Move a tenant to another target or another parent
    Move(change::Move),
    /// Remove a tenant that no host and no other tenant needs
    Remove {
        /// Its id
        id: String,
    },
    /// Set or remove the password of a user
    Password(secret::Password),
    /// Give a tenant a new shared secret for its ephemeral credentials
    Secret(secret::Secret),
    /// Take over the accounts of another system
    #[command(subcommand)]
    Import(import::From),
}

pub(super) fn run(args: &Args) -> ExitCode {
    let outcome = match &args.command {
        Command::List(filters) => list::all(args, filters),
        Command::Show { id } => list::print_tenant(args, id),
        Command::Add(new) => change::add(args, new),
        Command::Set(set) => change::set(args, set),
        Command::Enable { id } => change::switch(args, id, true),
        Command::Disable { id } => change::switch(args, id, false),
        Command::Move(to) => change::move_to(args, to),
        Command::Remove { id } => change::remove(args, id),
        Command::Password(password) => secret::password(args, password),
        Command::Secret(secret) => secret::secret(args, secret),
        Command::Import(from) => import::run(args, from),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(TenantError::NoAnswer(error)) => no_answer(&error),
        Err(TenantError::Said(code, text)) => {
            terminal::complain(text.trim_end());
            ExitCode::from(code)
        }
    }
}

/// Why a command has failed.
#[derive(Debug)]
enum TenantError {
    NoAnswer(NoAnswer),
    /// An exit code and a message.
    Said(u8, String),
}

impl TenantError {
    fn no(text: impl std::fmt::Display) -> Self {
        Self::Said(terminal::NO, format!("error: {text}"))
    }

    fn usage(text: impl std::fmt::Display) -> Self {
        Self::Said(terminal::USAGE, format!("error: {text}"))
    }
}

impl From<NoAnswer> for TenantError {
    fn from(error: NoAnswer) -> Self {
        Self::NoAnswer(error)
    }
}

/// The path of a tenant's resource.
fn path(id: &str, behind: &str) -> Result<String, TenantError> {
    match is_tenant_id(id) {
        true => Ok(format!("/v1/tenants/{}{behind}", encoded(id))),
        false => Err(TenantError::usage(format_args!(
            "{} is not the id of a tenant, which has 1 to 64 of A-Z a-z 0-9 . _ -",
            terminal::harmless(id)
        ))),
    }
}

/// Prints the result of a change. `did` is `added`, `changed` and so on.
fn done(args: &Args, id: &str, did: &str, is_changed: bool) {
    if args.daemon.json {
        return terminal::print_line(json!({ "tenant": id, "did": did, "changed": is_changed }));
    }
    let already = if is_changed { "" } else { " already" };
    terminal::print_line(format_args!("{id} is {did}{already}"));
}

/// The texts in a list of an answer.
fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(terminal::harmless)).collect()
}

/// A text in an answer. `-`: there is none.
fn text(json: &Value, name: &str) -> String {
    field(json, name).as_str().map_or_else(|| "-".to_owned(), terminal::harmless)
}

/// Reads the input of a command. `-` is standard input.
fn input(file: &PathBuf, limit: u64) -> Result<String, TenantError> {
    use std::io::Read as _;
    let unread =
        |error: &std::io::Error| TenantError::no(format_args!("{} cannot be read: {error}", file.display()));
    let mut octets = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().take(limit + 1).read_to_end(&mut octets),
        false => std::fs::File::open(file).and_then(|opened| opened.take(limit + 1).read_to_end(&mut octets)),
    };
    read.map_err(|error| unread(&error))?;
    if octets.len() as u64 > limit {
        return Err(TenantError::no(format_args!("{} is longer than {limit} octets", file.display())));
    }
    String::from_utf8(octets).map_err(|_| TenantError::no(format_args!("{} is not UTF-8", file.display())))
}

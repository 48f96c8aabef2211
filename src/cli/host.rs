//! `portward host`: edits hosts in the rules files with the rights of its caller (contract section 8). Then the daemon
//! reloads. Hosts that were made over the API are changed over the API.
//!
//! `list` shows hosts. `add` writes a new one. `change` makes all changes of files. `daemon` sends requests to the
//! running daemon. `done` reports the result.

mod add;
mod change;
mod daemon;
mod done;
mod list;

use std::path::PathBuf;
use std::process::ExitCode;

use super::daemon::{Daemon, USUAL};
use super::terminal;
use crate::config::{self, Checked, Config, Rules};
use crate::rules::{Host, Table, name, near};
use crate::state::{folder, made, overrides};

/// Show, add, enable, disable and remove hosts: edits the rules files and reloads the running daemon
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward host list\n  \
    portward host show hq.example.net\n  \
    portward host add hq.example.net --target 172.31.31.2 --preset innovaphone-pbx --sip --h323 --ldap\n  \
    portward host add web.example.net --target 172.31.31.9 --http /shop --http /api/ --file web.toml\n  \
    portward host disable hq.example.net\n  \
    portward host remove hq.example.net --dry-run\n\n\
    Exit codes:\n  \
    0  the files are as requested, and the change is in force if the daemon runs\n  \
    1  the answer is no, or the daemon could not be told; the message says which\n  \
    2  wrong usage")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    daemon: HostArgs,
}

/// The arguments of these commands. They use the configuration for more than the daemon's socket.
#[derive(Debug, clap::Args)]
struct HostArgs {
    /// Write JSON to standard output
    #[arg(long, global = true)]
    json: bool,
    /// The configuration file, which says where the rules and the daemon's socket are
    #[arg(long, short, value_name = "FILE", default_value = USUAL, global = true)]
    config: PathBuf,
}

impl HostArgs {
    fn daemon(&self) -> Daemon {
        Daemon::of(&self.config)
    }
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List all hosts: services, targets, whether they are enabled, file and line
    List,
    /// One host with all its rules
    Show {
        /// Its name or an alias
        name: String,
    },
    /// Write a new host into a rules file
    Add(add::New),
    /// Enable a host
    Enable {
        /// Its name or an alias
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Disable a host: its requests are refused, its rules stay
    Disable {
        /// Its name or an alias
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Take a host out of its file, with the comments directly above it
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Clone, Copy, clap::Args)]
struct How {
    /// Show what would change in the file, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let outcome = match &args.command {
        Command::List => loaded(args).map(|loaded| list::all(&loaded, args.daemon.json)),
        Command::Show { name } => {
            loaded(args).and_then(|loaded| list::print_host(&loaded, name, args.daemon.json))
        }
        Command::Add(new) => add::run(args, new),
        Command::Enable { name, how } => change::enable(args, name, true, *how),
        Command::Disable { name, how } => change::enable(args, name, false, *how),
        Command::Remove { name, how } => change::remove(args, name, *how),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(HostError { code, text }) => {
            terminal::complain(text.trim_end());
            ExitCode::from(code)
        }
    }
}

/// Why a command has failed: an exit code and a message.
#[derive(Debug)]
struct HostError {
    code: u8,
    text: String,
}

impl HostError {
    fn no(text: impl std::fmt::Display) -> Self {
        Self { code: terminal::NO, text: format!("error: {text}") }
    }

    fn usage(text: impl std::fmt::Display) -> Self {
        Self { code: terminal::USAGE, text: format!("error: {text}") }
    }

    /// Errors in files.
    fn found(found: &config::Diagnostics) -> Self {
        let mut text = found.render(false);
        if found.list().iter().any(|one| one.denied) {
            text.push_str("  help: rules and configuration are read as the user who calls: use sudo\n");
        }
        Self { code: terminal::NO, text }
    }

    /// The same error, with the note that nothing was changed.
    fn unchanged(mut self) -> Self {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str("nothing is changed");
        self
    }
}

/// The configuration.
#[derive(Debug)]
struct Loaded {
    config: Config,
    /// The rules, with the hosts of the API and the overrides of administrators.
    table: Table,
    /// All diagnostics of the rules files.
    found: config::Diagnostics,
    file: PathBuf,
}

fn loaded(args: &Args) -> Result<Loaded, HostError> {
    let file = args.daemon.config.clone();
    let Checked { config, rules, diagnostics } = config::check(&file);
    let (Some(config), Some(Rules { table: Some(mut table), foundation, .. })) = (config, rules) else {
        return Err(HostError::found(&diagnostics));
    };
    if diagnostics.errors() > 0 {
        return Err(HostError::found(&diagnostics));
    }
    let ground = made::Ground { foundation: &foundation, config: &config };
    let mut kept = made::apply(ground, &mut table, None);
    kept.append(overrides::apply(&config.state, &mut table, None));
    if kept.errors() > 0 && folder::is_of_concern(&config.state) {
        return Err(HostError::found(&kept));
    }
    if let Some(unread) = kept.list().iter().find(|found| found.place.span.is_none()) {
        terminal::complain(format_args!("note: {}", unread.message));
    }
    Ok(Loaded { config, table, found: diagnostics, file })
}

impl Loaded {
    /// The host with exactly this name or alias.
    fn host(&self, text: &str) -> Result<Host<'_>, HostError> {
        let asked = normal(text)?;
        self.table.named(&asked).ok_or_else(|| HostError::no(near::unknown(&self.table, &asked)))
    }
}

/// A name in normal form.
fn normal(text: &str) -> Result<String, HostError> {
    name::normalise(text)
        .map(Into::into)
        .map_err(|bad| HostError::usage(format_args!("{text} is not a host name: {bad}")))
}

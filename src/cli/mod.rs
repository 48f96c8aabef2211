//! The command line: one file a subcommand. It prints and decides nothing (SPEC section 8).
//!
//! Exit codes: 0 good, 1 the answer is no or there are errors, 2 wrong usage.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod blacklist;
mod cert;
mod check;
mod completions;
mod demo;
mod explain;
mod man;
mod run;

/// The answer is no, or there are errors.
const NO: u8 = 1;

/// A deep-inspection reverse proxy for telephone systems.
#[derive(Debug, Parser)]
#[command(name = "portward", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Demo(demo::Args),
    Check(check::Args),
    Explain(explain::Args),
    Cert(cert::Args),
    Blacklist(blacklist::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/portward/portward.toml")]
    config: PathBuf,
}

/// Reads the command line and runs the command.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Cert(args) => cert::run(args),
        Command::Blacklist(args) => blacklist::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}

/// Writes a line to standard output. A reader that has gone away (`| head`) is no error of ours.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A stranger's text may hold anything; what would steer the terminal is written as an escape.
fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Writes a line to standard error.
fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

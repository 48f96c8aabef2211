//! The command line, with one file for each subcommand. It prints and decides nothing (contract section 8).
//!
//! Exit codes: 0 is success. 1 means that the answer is no or that there are errors. 2 is wrong usage.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

mod admin;
mod blacklist;
mod cert;
mod check;
mod completions;
mod config;
mod connections;
mod daemon;
mod demo;
mod explain;
mod filters;
mod host;
mod log;
mod man;
mod plan;
mod reload;
mod run;
mod status;
mod table;
mod targets;
mod tenant;
mod terminal;
mod token;
mod top;

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
    Plan(plan::Args),
    Cert(cert::Args),
    Blacklist(blacklist::Args),
    Status(status::Args),
    Connections(connections::Args),
    Host(host::Args),
    Log(log::Args),
    Reload(reload::Args),
    Targets(targets::Args),
    Tenant(tenant::Args),
    Token(token::Args),
    Top(top::Args),
    Admin(admin::Args),
    Dashboard(admin::DashboardArgs),
    Completions(completions::Args),
    Man(man::Args),
}

/// Reads the command line and runs the command.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Check(args) => check::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Cert(args) => cert::run(args),
        Command::Blacklist(args) => blacklist::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Connections(args) => connections::run(&args),
        Command::Host(args) => host::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Targets(args) => targets::run(&args),
        Command::Tenant(args) => tenant::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Admin(args) => admin::run(&args),
        Command::Dashboard(args) => admin::dashboard(&args),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}

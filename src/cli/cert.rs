//! `portward cert`: certificates in use, a target's certificates, certificates to try things out with.

use std::process::ExitCode;

mod dev;
mod list;
mod show;
mod words;

/// List certificates, show those of a target, make some for a trial
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Dev(dev::Args),
}

pub(super) fn run(args: Args) -> ExitCode {
    match args.command {
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Dev(args) => dev::run(&args),
    }
}

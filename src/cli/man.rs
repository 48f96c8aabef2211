//! `portward man`: the man pages of the commands, for the packages.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;

/// Write the man pages of portward and its commands into a folder
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// An existing folder
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match clap_mangen::generate_to(super::Cli::command().disable_help_subcommand(true), &args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(format!("error: cannot write to {}: {error}", args.folder.display()));
            ExitCode::from(super::NO)
        }
    }
}

//! `portward man`: the man pages of the commands, for the packages.

use std::path::PathBuf;
use std::process::ExitCode;

use super::terminal;

/// Write the man pages of portward and its commands into a folder
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// An existing folder
    folder: PathBuf,
}

/// `portward` is the whole command line.
pub(super) fn run(args: &Args, portward: clap::Command) -> ExitCode {
    match clap_mangen::generate_to(portward.disable_help_subcommand(true), &args.folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(format!("error: cannot write to {}: {error}", args.folder.display()));
            ExitCode::from(terminal::NO)
        }
    }
}

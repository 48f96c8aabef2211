//! `portward completions`: a completion script for a shell.

use std::process::ExitCode;

use clap::CommandFactory as _;

/// Write a completion script for a shell to standard output
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portward completions bash > /usr/share/bash-completion/completions/portward"
)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "portward", &mut script);
    super::say(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

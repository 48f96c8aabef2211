//! `portward completions`: a completion script for a shell.

use std::process::ExitCode;

use super::terminal;

/// Write a completion script for a shell to standard output
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  portward completions bash > /usr/share/bash-completion/completions/portward"
)]
pub(super) struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Writes the script. `portward` is the whole command line.
pub(super) fn run(args: &Args, portward: &mut clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, portward, "portward", &mut script);
    terminal::print_line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}

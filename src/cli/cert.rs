//! `portward cert`.

use std::process::ExitCode;

/// cert
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: super::ConfigArg,
}

pub(super) fn run(args: Args) -> ExitCode {
    super::say(args.config.config.display());
    super::complain("");
    ExitCode::from(super::NO)
}

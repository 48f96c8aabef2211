//! `portward demo`: a demonstration on loopback.

use std::process::ExitCode;

use super::terminal;

/// Show everything at work on loopback, with throw-away certificates
///
/// Starts stand-ins for two PBXs and an app platform, loads the rules of the reference network dvl-ckl2.net, sends
/// requests through the proxy, allowed ones and others, and shows the decision line of each. Then it stays up until
/// Ctrl-C, and prints a link to its dashboard and lines to be pasted into another terminal: requests, `portward explain`,
/// `portward blacklist`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  portward demo\n  portward demo --once    exits with 1 if any request went wrong"
)]
pub(super) struct Args {
    /// Exit after the walk: 0 if everything went as it should, 1 if not
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: Args) -> ExitCode {
    match crate::demo::run(args.once, |line| terminal::print_line(line)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(terminal::NO),
        Err(error) => {
            terminal::complain(format!("error: the demonstration could not be set up: {error}"));
            ExitCode::from(terminal::NO)
        }
    }
}

//! `portward run`: the daemon, in the foreground.

use std::path::Path;
use std::process::ExitCode;

use super::config::ConfigArg;
use super::terminal;
use crate::config;
use crate::confine::{self, Confined};
use crate::log::Log;
use crate::manager::Manager;
use crate::server::{Server, Surroundings};
use crate::signal::Signals;

/// Run the proxy in the foreground
///
/// SIGHUP reloads the configuration, the rules and the certificates, all or nothing. SIGTERM stops accepting
/// connections and lets open ones finish within limits.drain_timeout; a second SIGTERM stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portward run\n  portward run --config ./portward.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) fn run(args: Args) -> ExitCode {
    let path = args.config.config;
    if !path.exists() {
        terminal::complain(format!("error: there is no configuration at {}", path.display()));
        terminal::complain(
            "  help: the package brings one, and `man portward.toml` shows how to write one; --config FILE names another;",
        );
        terminal::complain("        `portward demo` shows everything at work without one");
        return ExitCode::from(terminal::NO);
    }
    match serve(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(error.trim_end());
            ExitCode::from(terminal::NO)
        }
    }
}

/// Runs the daemon from start to end.
fn serve(path: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("error: {error}");
    let (manager, inherited) = Manager::from_environment()?;
    let confined = confine(path, &manager);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let signals = {
        let _within = runtime.enter();
        Signals::listen().map_err(failed)?
    };
    let (log, guard) = Log::to_stderr();
    let surroundings = Surroundings { manager, inherited, confined };
    let server = Server::start(path, log, surroundings).map_err(|refused| refused.text)?;
    runtime.block_on(signals.serve(&server));
    runtime.shutdown_background();
    server.stop();
    drop(guard);
    Ok(())
}

/// Confines the process before a second thread starts. A configuration with an error is reported a moment later, and
/// nothing runs with it.
fn confine(path: &Path, manager: &Manager) -> Option<Confined> {
    let config = config::load(path).config?;
    Some(confine::confine(&config.state, &config.admin.socket, manager.address()))
}

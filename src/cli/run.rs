//! `portward run`: the daemon, in the foreground.

use std::process::ExitCode;

use crate::log::Log;
use crate::server::Server;

/// Run the proxy in the foreground
///
/// SIGHUP reloads the configuration, the rules and the certificates, all or nothing. SIGTERM stops accepting and
/// lets what runs come to its end within limits.drain_timeout; a second one stops at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  portward run\n  portward run --config ./portward.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: super::ConfigArg,
}

pub(super) fn run(args: Args) -> ExitCode {
    let path = args.config.config;
    if !path.exists() {
        super::complain(format!("error: there is no configuration at {}", path.display()));
        super::complain(
            "  help: write one (README, \"A first rules file\"), or name another with --config FILE;",
        );
        super::complain("        `portward demo` shows everything at work without one");
        return ExitCode::from(super::NO);
    }
    let (log, guard) = Log::to_stderr();
    let server = match Server::start(&path, log) {
        Ok(server) => server,
        Err(refused) => {
            super::complain(refused.text.trim_end());
            return ExitCode::from(super::NO);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| {
        let served = runtime.block_on(crate::signal::serve(&server));
        runtime.shutdown_background();
        served
    });
    server.stop();
    drop(guard);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(format!("error: {error}"));
            ExitCode::from(super::NO)
        }
    }
}

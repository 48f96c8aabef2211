//! What the running daemon is told after a file was changed.

use serde_json::Value;

use super::{Args, Failed};
use crate::admin::client::NoAnswer;
use crate::cli::daemon::{encoded, field};
use crate::cli::terminal;

/// Has the daemon reload. False: none runs.
pub(super) fn reload(args: &Args) -> Result<bool, Failed> {
    match args.daemon.daemon().ask("POST", "/v1/reload", None) {
        Ok(_) => Ok(true),
        Err(error @ NoAnswer::NotRunning(_)) => {
            terminal::complain(format_args!(
                "note: {error}: the file is changed, and in force when Portward starts"
            ));
            Ok(false)
        }
        Err(error) => Err(untold("the file is changed, but not in force", &error)),
    }
}

/// Enables or disables a host over the API; whether that changed anything.
pub(super) fn switch(args: &Args, name: &str, enabled: bool) -> Result<bool, Failed> {
    let verb = if enabled { "enable" } else { "disable" };
    let path = format!("/v1/hosts/{}/{verb}", encoded(name));
    let answer = args.daemon.daemon().ask("POST", &path, None);
    answer
        .map(|answer| *field(&answer, "changed") == Value::Bool(true))
        .map_err(|error| untold("nothing has changed", &error))
}

/// Removes a host of the API.
pub(super) fn remove(args: &Args, name: &str) -> Result<(), Failed> {
    let answer = args.daemon.daemon().ask("DELETE", &format!("/v1/hosts/{}", encoded(name)), None);
    answer.map(drop).map_err(|error| untold("nothing has changed", &error))
}

fn untold(what: &str, error: &NoAnswer) -> Failed {
    let help = error.help().map_or_else(String::new, |help| format!("\n  help: {help}"));
    Failed::no(format_args!("{what}: {error}{help}"))
}

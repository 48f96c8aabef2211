//! Requests to the running daemon after a file was changed.

use serde_json::Value;

use super::{Args, HostError};
use crate::admin::client::NoAnswer;
use crate::cli::daemon::{encoded, field};
use crate::cli::terminal;

/// Has the daemon reload. Returns the warnings that it did not have before. `None`: no daemon runs.
pub(super) fn reload(args: &Args) -> Result<Option<Vec<Value>>, HostError> {
    let daemon = args.daemon.daemon();
    let before = daemon.get("/v1/status").unwrap_or_default();
    let list = field(&before, "warnings");
    // The daemon lists only the first warnings. If there are more, it is unknown which ones are new.
    let is_all = field(&before, "warning_count").as_u64() == list.as_array().map(|list| list.len() as u64);
    let is_known = |one: &Value| {
        !is_all
            || list
                .as_array()
                .into_iter()
                .flatten()
                .any(|known| field(known, "message") == field(one, "message"))
    };
    match daemon.ask("POST", "/v1/reload", None) {
        Ok(answer) => {
            let found = field(&answer, "diagnostics").as_array().into_iter().flatten();
            Ok(Some(found.filter(|one| !is_known(one)).cloned().collect()))
        }
        Err(error @ NoAnswer::NotRunning(_)) => {
            terminal::complain(format_args!(
                "note: {error}: the file is changed, and in force when Portward starts"
            ));
            Ok(None)
        }
        Err(error) => Err(untold("the file is changed, but not in force", &error)),
    }
}

/// Enables or disables a host over the API. Returns whether that changed anything.
pub(super) fn switch(args: &Args, name: &str, enabled: bool) -> Result<bool, HostError> {
    let verb = if enabled { "enable" } else { "disable" };
    let path = format!("/v1/hosts/{}/{verb}", encoded(name));
    let answer = args.daemon.daemon().ask("POST", &path, None);
    answer
        .map(|answer| *field(&answer, "changed") == Value::Bool(true))
        .map_err(|error| untold("nothing has changed", &error))
}

/// Removes a host of the API.
pub(super) fn remove(args: &Args, name: &str) -> Result<(), HostError> {
    let answer = args.daemon.daemon().ask("DELETE", &format!("/v1/hosts/{}", encoded(name)), None);
    answer.map(drop).map_err(|error| untold("nothing has changed", &error))
}

fn untold(what: &str, error: &NoAnswer) -> HostError {
    let help = error.help().map_or_else(String::new, |help| format!("\n  help: {help}"));
    HostError::no(format_args!("{what}: {error}{help}"))
}

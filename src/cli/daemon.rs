//! The running daemon, for the commands: which daemon is asked, and what is shown if it gives no answer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::terminal;
use crate::admin::LARGEST_PAGE;
use crate::admin::client::{self, NoAnswer, answered, ask, follow};
use crate::config;
use crate::log::human;

/// The path of the configuration in the packages.
pub(super) const USUAL: &str = "/etc/portward/portward.toml";

/// The arguments of every command that asks the running daemon.
#[derive(Debug, clap::Args)]
pub(super) struct DaemonArgs {
    /// Write JSON to standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// The configuration file, which says where the daemon's socket is
    #[arg(long, short, value_name = "FILE", default_value = USUAL, global = true)]
    pub(super) config: PathBuf,
}

impl DaemonArgs {
    /// The daemon with this configuration. It need not run.
    pub(super) fn daemon(&self) -> Daemon {
        Daemon::of(&self.config)
    }
}

/// A daemon that may be running.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    socket: PathBuf,
}

impl Daemon {
    /// The daemon with this configuration. It need not run. If a named file cannot be read, that is reported, because
    /// another daemon may answer then.
    pub(super) fn of(config: &Path) -> Self {
        if config != Path::new(USUAL)
            && let Err(error) = std::fs::File::open(config)
        {
            let why = match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
                _ => error.to_string(),
            };
            terminal::complain(format_args!(
                "warning: {} cannot be read: {why}; the usual socket is asked",
                config.display()
            ));
        }
        Self { socket: config::admin_socket(config) }
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn get(&self, path: &str) -> Result<Value, NoAnswer> {
        self.ask("GET", path, None)
    }

    /// At most `limit` entries of a list that comes in pages, and the last answer. `name` is the name of the resource
    /// and of the list in its answers.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn list(
        &self,
        name: &str,
        filters: &str,
        limit: usize,
    ) -> Result<(Vec<Value>, Value), NoAnswer> {
        let (mut entries, mut after) = (Vec::new(), String::new());
        loop {
            let page = limit.saturating_sub(entries.len()).clamp(1, LARGEST_PAGE);
            let mut answer = self.get(&format!("/v1/{name}?limit={page}{filters}{after}"))?;
            if let Some(Value::Array(some)) = answer.get_mut(name).map(Value::take) {
                entries.extend(some);
            }
            match field(&answer, "next").as_str().filter(|_| entries.len() < limit) {
                Some(next) => after = format!("&after={}", encoded(next)),
                None => {
                    entries.truncate(limit);
                    return Ok((entries, answer));
                }
            }
        }
    }

    /// GETs a stream. Each event is given to `see` with its kind, until `see` returns false.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn follow(&self, path: &str, see: impl FnMut(&str, &Value) -> bool) -> Result<(), NoAnswer> {
        follow(&self.socket, path, see)
    }

    /// Sends any request. Returns the answer with its status, whatever the status is.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn answered(&self, method: &str, path: &str) -> Result<(u16, Value), NoAnswer> {
        answered(&self.socket, method, path, None)
    }

    /// GETs a resource with its ETag.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn get_tagged(&self, path: &str) -> Result<(Value, String), NoAnswer> {
        client::get_tagged(&self.socket, path)
    }

    /// Sends any request with a condition in a header field.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn ask_if(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        condition: &str,
    ) -> Result<Value, NoAnswer> {
        client::ask_if(&self.socket, (method, path), body, condition)
    }

    /// Sends any request.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, NoAnswer> {
        ask(&self.socket, method, path, body)
    }
}

/// The daemon's status for a request that it does not understand (RFC 9110 §15.5.1). Then something was mistyped.
const NOT_UNDERSTOOD: u16 = 400;

/// Reports why there was no answer and what to do. Returns the exit code.
pub(super) fn no_answer(error: &NoAnswer) -> ExitCode {
    let said = error.to_string();
    // The daemon's diagnostics begin with `error: ` already.
    let word = if said.starts_with("error: ") { "" } else { "error: " };
    terminal::complain(format_args!("{word}{said}"));
    if let Some(help) = error.help() {
        terminal::complain(format_args!("  help: {help}"));
    }
    match error {
        NoAnswer::Refused(NOT_UNDERSTOOD, _) => ExitCode::from(terminal::USAGE),
        _ => ExitCode::from(terminal::NO),
    }
}

/// Filters for a query, after its first key. Filters without a value are left out.
pub(super) fn filters<'a>(all: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let given = all.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
    given.map(|(key, value)| format!("&{key}={}", encoded(&value))).collect()
}

/// Percent-encodes text for a path or query: everything but letters, digits, `-`, `.`, `_` and `~` (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The field `name` of an answer. It is null if it is missing.
pub(super) fn field<'a>(json: &'a Value, name: &str) -> &'a Value {
    json.get(name).unwrap_or(&Value::Null)
}

/// A moment in an answer, which is RFC 3339 text.
pub(super) fn moment(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

/// How long ago a moment was, in whole seconds, such as `5m3s`. A moment in the future, by this machine's clock, counts
/// as now.
pub(super) fn age(moment: OffsetDateTime, now: OffsetDateTime) -> String {
    human(Duration::from_secs(u64::try_from((now - moment).whole_seconds()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_cannot_be_read_as_another_path() {
        assert_eq!(encoded("dvl-ckl2.net/branch-b?x&y=%é"), "dvl-ckl2.net%2Fbranch-b%3Fx%26y%3D%25%C3%A9");
    }
}

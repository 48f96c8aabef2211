//! The running daemon, as the commands ask it: which one, and what to say when it cannot be asked.

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

/// Where the packages have the configuration.
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
    /// The daemon that has this configuration. It need not run.
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
    /// The daemon of this configuration. It need not run. Where a file that was named cannot be read, that is said: another
    /// daemon may be the one that answers.
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

    /// GET.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn get(&self, path: &str) -> Result<Value, NoAnswer> {
        self.ask("GET", path, None)
    }

    /// The entries of a list that comes in pages, at most `limit`, and the answer with the last of them. `name` is what the
    /// resource and the list in its answers are called.
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

    /// GET of a stream: each event with its kind, until `see` says false.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn follow(&self, path: &str, see: impl FnMut(&str, &Value) -> bool) -> Result<(), NoAnswer> {
        follow(&self.socket, path, see)
    }

    /// Any request; the answer as it came, with its status.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn answered(&self, method: &str, path: &str) -> Result<(u16, Value), NoAnswer> {
        answered(&self.socket, method, path, None)
    }

    /// GET of one thing, with its ETag.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn get_tagged(&self, path: &str) -> Result<(Value, String), NoAnswer> {
        client::get_tagged(&self.socket, path)
    }

    /// Any request under a condition: a header field.
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

    /// Any request.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub(super) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, NoAnswer> {
        ask(&self.socket, method, path, body)
    }
}

/// The daemon's status for a question that it does not understand (RFC 9110 §15.5.1): something was typed wrong.
const NOT_UNDERSTOOD: u16 = 400;

/// Says why there was no answer and what to do about it; the exit code for that.
pub(super) fn no_answer(error: &NoAnswer) -> ExitCode {
    let said = error.to_string();
    // Diagnostics of the daemon say by themselves that they are errors.
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

/// Filters as they stand in a query behind its first key. One without a value is left out.
pub(super) fn filters<'a>(all: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let given = all.into_iter().filter_map(|(key, value)| value.map(|value| (key, value)));
    given.map(|(key, value)| format!("&{key}={}", encoded(&value))).collect()
}

/// Text in a path or query of a request: everything but letters, digits, `-`, `.`, `_` and `~` is percent-encoded
/// (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The field `name` of an answer; null if it is not there.
pub(super) fn field<'a>(json: &'a Value, name: &str) -> &'a Value {
    json.get(name).unwrap_or(&Value::Null)
}

/// A moment of an answer, which is RFC 3339 text.
pub(super) fn moment(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

/// How long ago a moment was, in whole seconds, as `5m3s`. One that is still to come, by this machine's clock, is now.
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

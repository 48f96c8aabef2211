//! `portward reload`: like SIGHUP, with an answer.

use std::process::ExitCode;

use serde_json::Value;

use super::daemon::{DaemonArgs, field, no_answer};
use super::terminal;
use crate::admin::client::NoAnswer;

/// The daemon's status if a file has an error (RFC 9110 §15.5.21).
const REFUSED: u16 = 422;

/// Make the running daemon read all files again
///
/// Either all of configuration, rules, certificates, keys and trust is put in force, or nothing. No connection is
/// dropped. The command prints what has changed, or the errors in the files as `portward check` prints them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes:\n  \
    0  everything is in force\n  \
    1  something is wrong with the files, or the daemon cannot be asked; nothing has changed\n     \
       (with --json: error and diagnostics)")]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match args.daemon.daemon().answered("POST", "/v1/reload") {
        Ok((200, answer)) if args.daemon.json => terminal::print_line(answer),
        Ok((REFUSED, answer)) if args.daemon.json => {
            terminal::print_line(answer);
            return ExitCode::from(terminal::NO);
        }
        Ok((200, answer)) => {
            if let Some(said) = field(&answer, "said").as_str().filter(|said| !said.is_empty()) {
                terminal::complain(format_args!("{said}\n"));
            }
            terminal::print_line(told(&answer));
        }
        Ok((REFUSED, answer)) => {
            terminal::complain(field(&answer, "error").as_str().unwrap_or_default());
            terminal::complain("\nreload refused: everything stays as it was");
            return ExitCode::from(terminal::NO);
        }
        Ok((status, answer)) => return no_answer(&NoAnswer::refused(status, &answer)),
        Err(error) => return no_answer(&error),
    }
    ExitCode::SUCCESS
}

/// The changes, one line each.
fn told(answer: &Value) -> String {
    let mut lines = Vec::new();
    let hosts = field(answer, "hosts");
    for what in ["added", "changed", "removed"] {
        let list = field(hosts, what);
        let count = field(list, "count").as_u64().unwrap_or_default();
        let names = texts(field(list, "names"));
        if count > 0 {
            let more = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(names.len());
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let host = if count == 1 { "host" } else { "hosts" };
            lines.push(format!("{count} {host} {what}: {}{more}", names.join(", ")));
        }
    }
    for (resource, one, kinds) in [
        ("certificates", "certificate", &["added", "renewed", "removed"][..]),
        ("listeners", "listener", &["opened", "closed"]),
    ] {
        for what in kinds {
            let names = texts(field(field(answer, resource), what));
            if !names.is_empty() {
                let s = if names.len() == 1 { "" } else { "s" };
                lines.push(format!("{} {one}{s} {what}: {}", names.len(), names.join(", ")));
            }
        }
    }
    if lines.is_empty() {
        lines.push("no host, certificate or listener has changed".to_owned());
    }
    let count = field(hosts, "count");
    let hosts = if count == 1 { "host" } else { "hosts" };
    format!("reloaded, {count} {hosts} in force\n  {}", lines.join("\n  "))
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.map(terminal::harmless).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn item_7_what_has_changed_is_said_in_lines() {
        let nothing = json!({ "count": 0, "names": [] });
        let answer = json!({
            "hosts": {
                "count": 3,
                "added": { "count": 101, "names": ["a.example", "b.example"] },
                "changed": { "count": 1, "names": ["c.example"] },
                "removed": nothing,
            },
            "certificates": { "added": [], "renewed": ["server"], "removed": [] },
            "listeners": { "opened": ["0.0.0.0:5071", "[::]:5071"], "closed": [] },
        });
        let expected = "reloaded, 3 hosts in force\n  \
                        101 hosts added: a.example, b.example, and 99 more\n  \
                        1 host changed: c.example\n  \
                        1 certificate renewed: server\n  \
                        2 listeners opened: 0.0.0.0:5071, [::]:5071";
        assert_eq!(told(&answer), expected);
        let same =
            json!({ "hosts": { "count": 1, "added": nothing, "changed": nothing, "removed": nothing } });
        assert_eq!(told(&same), "reloaded, 1 host in force\n  no host, certificate or listener has changed");
    }
}

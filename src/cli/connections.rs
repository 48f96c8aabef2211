//! `portward connections`: lists the live connections, and ends one.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::daemon::{Daemon, DaemonArgs, field, no_answer};
use super::filters::Filters;
use super::table::{Table, Tone};
use super::terminal;
use crate::admin::client::NoAnswer;
use crate::log::human;

/// How many connections are shown, unless `--limit` sets another number.
const SHOWN: &str = "1000";

/// Show the live connections, or end one
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward connections                        all of them, the oldest first\n  \
    portward connections --client 203.0.113.9   those of one client\n  \
    portward connections --service sip --host hq.example.net\n  \
    portward connections end 4711               end the one with this number\n\n\
    Exit codes:\n  \
    0  shown, or ended\n  \
    1  the daemon cannot be asked, or there is no connection with this number\n  \
    2  wrong usage")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    filters: Filters,
    /// How many to show
    #[arg(long, value_name = "NUMBER", default_value = SHOWN)]
    limit: NonZeroUsize,
    #[command(flatten)]
    daemon: DaemonArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// End a connection; its client may connect again
    End {
        /// Its number, as the list and the log show it
        id: u64,
    },
}

pub(super) fn run(args: &Args) -> ExitCode {
    let daemon = args.daemon.daemon();
    let answer = match args.command {
        Some(Command::End { id }) => {
            daemon.ask("DELETE", &format!("/v1/connections/{id}"), None).map(|answer| {
                if args.daemon.json {
                    terminal::print_line(answer);
                } else {
                    terminal::print_line(format_args!("connection {id} is ended"));
                }
            })
        }
        None => fetched(&daemon, args).map(|(count, connections)| {
            if args.daemon.json {
                terminal::print_line(json!({ "count": count, "connections": connections }));
            } else {
                print(&count, &connections);
            }
        }),
    };
    answer.map_or_else(|error| no_answer(&error), |()| ExitCode::SUCCESS)
}

/// The number of connections, and the wanted ones.
fn fetched(daemon: &Daemon, args: &Args) -> Result<(Value, Vec<Value>), NoAnswer> {
    let (connections, answer) = daemon.list("connections", &args.filters.query(), args.limit.get())?;
    Ok((field(&answer, "count").clone(), connections))
}

fn print(count: &Value, connections: &[Value]) {
    if connections.is_empty() {
        return terminal::print_line(match count.as_u64() {
            None | Some(0) => "no connection is open".to_owned(),
            Some(1) => "1 connection is open, but the filters leave it out".to_owned(),
            Some(count) => format!("{count} connections are open, but the filters leave them all out"),
        });
    }
    let mut table =
        Table::new(&["ID", "CLIENT", "SERVICE", "FOR", "TARGET", "CERT", "UP", "DOWN", "AGE", "IDLE"])
            .long(&["FOR", "TARGET", "CLIENT"]);
    for one in connections {
        let text = |name: &str| match field(one, name) {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let time = |name: &str| {
            let seconds = field(one, name).as_u64().unwrap_or_default();
            human(std::time::Duration::from_secs(seconds))
        };
        let bytes = |way: &str| amount(field(field(one, "bytes"), way).as_u64().unwrap_or_default());
        let service = format!("{}/{}", text("service"), text("carrier"));
        let asked = if field(one, "identity").is_null() { text("host") } else { text("identity") };
        let cells = [
            text("id"),
            text("client"),
            service,
            asked,
            text("target"),
            text("verdict"),
            bytes("up"),
            bytes("down"),
            time("age"),
            time("idle"),
        ];
        let tone = match field(one, "verdict").as_str() {
            _ if field(one, "target").is_null() => Tone::Faint,
            Some(verdict) if verdict.starts_with("ok") => Tone::Good,
            Some(_) => Tone::Warning,
            None => Tone::Plain,
        };
        table.row(cells.map(|cell| (cell, tone)));
    }
    table.print();
}

/// Bytes as `1.5 MB`.
pub(super) fn amount(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, size)| bytes >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", bytes as f64 / size as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        assert_eq!(
            [0, 999, 1_500, 2_340_000, 5_000_000_000].map(amount),
            ["0 B", "999 B", "1.5 kB", "2.3 MB", "5.0 GB"]
        );
    }
}

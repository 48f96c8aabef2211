//! `portward log`: the newest decisions of the running daemon, and further ones as they are made.

use std::process::ExitCode;

use serde_json::Value;

use super::daemon::{Daemon, DaemonArgs, field, filters, no_answer};
use super::filters::Filters;
use super::terminal;
use crate::admin::LARGEST_PAGE;
use crate::admin::client::NoAnswer;
use crate::reason::Reason;

/// How many decisions are shown, unless `--limit` sets another number. With `--follow` they come before the new ones.
const SHOWN: usize = 20;

/// The daemon's status if there is nothing to follow, because no decisions are kept (RFC 9110 §15.5.10).
const NOT_KEPT: u16 = 409;

/// Show the newest decisions of the running daemon
///
/// The lines have the form of the log, the oldest first. Decisions that the log leaves out (`log.forwarded`,
/// `log.rejected`) are shown as well. The daemon keeps the newest 5,000 refused and 5,000 other decisions until it
/// stops; older ones are in the journal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward log                                  the newest 20\n  \
    portward log --follow                         and those that come, until you press Ctrl-C\n  \
    portward log --refused --client 203.0.113.9   why was this client refused?\n  \
    portward log --host hq.example.net --limit 100\n  \
    portward log --reason unknown-host --json\n\n\
    Exit codes:\n  \
    0  shown\n  \
    1  the daemon cannot be asked, keeps no decisions, or went away while it was followed\n  \
    2  wrong usage")]
pub(super) struct Args {
    /// Also show new decisions as they are made
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    filters: Filters,
    /// Only refused ones
    #[arg(long)]
    refused: bool,
    /// Those that were refused for this reason
    #[arg(long, value_name = "REASON", value_parser = Reason::ALL.map(Reason::name))]
    reason: Option<String>,
    /// How many to show; with --follow, how many earlier ones to show first, or 0
    #[arg(long, value_name = "NUMBER", default_value_t = SHOWN)]
    limit: usize,
    #[command(flatten)]
    daemon: DaemonArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    if args.limit == 0 && !args.follow {
        terminal::complain("error: with --limit 0 there is nothing to show; it is for --follow");
        return ExitCode::from(terminal::USAGE);
    }
    let daemon = args.daemon.daemon();
    let answer = if args.follow { follow(&daemon, args) } else { newest(&daemon, args) };
    answer.unwrap_or_else(|error| no_answer(&error))
}

/// The filters for a query.
fn wanted(args: &Args) -> String {
    let outcome = args.refused.then(|| "rejected".to_owned());
    args.filters.query() + &filters([("outcome", outcome), ("reason", args.reason.clone())])
}

/// Shows the newest decisions. They come page by page, the newest first, and are shown in the opposite order.
fn newest(daemon: &Daemon, args: &Args) -> Result<ExitCode, NoAnswer> {
    let (decisions, answer) = daemon.list("decisions", &wanted(args), args.limit)?;
    if field(&answer, "kept") == false {
        terminal::complain(format_args!("error: {}", field(&answer, "note").as_str().unwrap_or_default()));
        terminal::complain("  help: `journalctl -u portward` shows what the log has");
        return Ok(ExitCode::from(terminal::NO));
    }
    if decisions.is_empty() && !args.daemon.json {
        terminal::complain(
            "no such decision is kept: the newest 5,000 refused and 5,000 others since the start are",
        );
    }
    for decision in decisions.iter().rev() {
        if !shown(decision, args.daemon.json) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Follows until the reader of this output goes away. If the daemon goes away, that is an error, because the reader
/// would otherwise wait for lines that cannot come.
fn follow(daemon: &Daemon, args: &Args) -> Result<ExitCode, NoAnswer> {
    let limit = match args.limit {
        0 => String::new(),
        limit => format!("&limit={}", limit.min(LARGEST_PAGE)),
    };
    let mut code = ExitCode::SUCCESS;
    let followed = daemon.follow(&format!("/v1/decisions?follow=1{limit}{}", wanted(args)), |kind, event| {
        match kind {
            "decision" => return shown(event, args.daemon.json),
            "missed" => {
                terminal::complain(format_args!(
                    "{} decisions were missed: they came too fast",
                    field(event, "missed")
                ));
            }
            "end" => {
                terminal::complain(format_args!(
                    "error: {}",
                    field(event, "note").as_str().unwrap_or_default()
                ));
                code = ExitCode::from(terminal::NO);
            }
            _ => {}
        }
        true
    });
    match followed {
        Err(NoAnswer::Broken(_)) => {
            terminal::complain("error: the daemon went away");
            terminal::complain(
                "  help: `systemctl status portward` says whether it runs again; then follow it anew",
            );
            Ok(ExitCode::from(terminal::NO))
        }
        Err(NoAnswer::Refused(NOT_KEPT, why)) => {
            terminal::complain(format_args!("error: {why}"));
            terminal::complain("  help: `journalctl -fu portward` shows what the log has");
            Ok(ExitCode::from(terminal::NO))
        }
        followed => followed.map(|()| code),
    }
}

/// Shows a decision. `false`: the reader has gone away.
fn shown(decision: &Value, json: bool) -> bool {
    if json {
        return terminal::is_heard(decision);
    }
    terminal::is_heard(line(decision, terminal::is_coloured()))
}

/// A decision as in the log, with its time before it. On a terminal the result has a colour.
fn line(decision: &Value, coloured: bool) -> String {
    let text = |name: &str| terminal::harmless(field(decision, name).as_str().unwrap_or_default());
    let (time, line) = (text("time"), text("line"));
    if !coloured {
        return format!("{time} {line}");
    }
    let colour = match field(decision, "outcome").as_str() {
        Some("rejected") => "31",
        Some("forwarded") => "32",
        _ => "36",
    };
    // Texts from a client are escaped in the line, so they contain neither of these separators.
    let at = line.rfind(" rejected: ").or_else(|| line.rfind(" -> ")).unwrap_or(line.len());
    let (asked, became) = line.split_at(at);
    format!("\x1b[2m{time}\x1b[0m {asked}\x1b[{colour}m{became}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn item_3_lines_are_those_of_the_log_and_cannot_steer_a_terminal() {
        let decision = json!({
            "time": "2026-11-26T08:00:00.250Z",
            "outcome": "rejected",
            "line": "REVERSE-PROXY 1 192.0.2.1 http://a GET /\u{1b}[2J\r\n HTTP/1.1 rejected: no-path",
        });
        let plain = line(&decision, false);
        assert_eq!(
            plain,
            "2026-11-26T08:00:00.250Z REVERSE-PROXY 1 192.0.2.1 http://a GET /\\u{1b}[2J\\r\\n HTTP/1.1 rejected: no-path"
        );
        let coloured = line(&decision, true);
        assert!(coloured.ends_with("\x1b[31m rejected: no-path\x1b[0m"), "{coloured:?}");
        assert_eq!(coloured.matches('\x1b').count(), 4, "our own alone: {coloured:?}");
    }
}

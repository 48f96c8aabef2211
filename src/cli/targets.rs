//! `portward targets`: every address and port of the rules' targets, its state and the reason.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::daemon::{Daemon, DaemonArgs, age, field, filters, moment, no_answer};
use super::table::{Table, Tone};
use super::terminal;
use super::top::rows::milliseconds;
use crate::admin::client::NoAnswer;

/// Show the targets of the running daemon's rules, and which of them are down
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward targets                        every address and port\n  \
    portward targets --state down           those that cannot be reached\n  \
    portward targets --host hq.example.net  those of one host\n\n\
    CHECK yes: checks of the rules decide whether it is up or down. CHECK no: connections for clients\n\
    decide it. Unknown: the state is not known yet. OPEN, OPENED and FAILED count connections for\n\
    clients; checks are not counted.\n\n\
    Exit codes:\n  \
    0  none of those shown is down\n  \
    1  one of them is down, or the daemon cannot be asked\n  \
    2  wrong usage")]
pub(super) struct Args {
    /// Only the targets of this host
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Those in this state: up, down, unknown
    #[arg(long, value_name = "STATE", value_parser = ["up", "down", "unknown"])]
    state: Option<String>,
    #[command(flatten)]
    daemon: DaemonArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let targets = match fetched(&args.daemon.daemon(), args) {
        Ok(targets) => targets,
        Err(error) => return no_answer(&error),
    };
    let is_down = |one: &Value| field(one, "state").as_str() == Some("down");
    let code = if targets.iter().any(is_down) { ExitCode::from(terminal::NO) } else { ExitCode::SUCCESS };
    if args.daemon.json {
        terminal::print_line(json!({ "count": targets.len(), "targets": targets }));
    } else {
        print(&targets);
    }
    code
}

/// All pages of the wanted targets.
fn fetched(daemon: &Daemon, args: &Args) -> Result<Vec<Value>, NoAnswer> {
    let filters = filters([("host", args.host.clone()), ("state", args.state.clone())]);
    daemon.list("targets", &filters, usize::MAX).map(|(targets, _)| targets)
}

fn print(targets: &[Value]) {
    if targets.is_empty() {
        return terminal::print_line("no such target is in the rules");
    }
    let mut table = Table::new(&[
        "TARGET", "SERVICE", "STATE", "CHECK", "SINCE", "WHY", "OPEN", "OPENED", "FAILED", "CONNECT",
        "ANSWER", "HOSTS",
    ])
    .long(&["HOSTS", "WHY"]);
    let now = time::OffsetDateTime::now_utc();
    for one in targets {
        let state = field(one, "state").as_str().unwrap_or("unknown");
        let tone = match state {
            "up" => Tone::Good,
            "down" => Tone::Warning,
            _ => Tone::Faint,
        };
        let texts = |name: &str| {
            let list = field(one, name).as_array().map(Vec::as_slice).unwrap_or_default();
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let text = |name: &str| field(one, name).as_str().unwrap_or("-").to_owned();
        let failed = field(one, "failures")
            .as_object()
            .map_or(0, |failures| failures.values().filter_map(Value::as_u64).sum::<u64>());
        let recent = |name: &str| milliseconds(field(field(one, name), "recent")).1;
        let since = moment(field(one, "since")).map(|since| age(since, now));
        let checked = if field(one, "checked").as_bool() == Some(true) { "yes" } else { "no" };
        let hosts = texts("hosts");
        let more = field(one, "host_count").as_u64().unwrap_or_default().saturating_sub(hosts.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let cells = [
            (text("target"), Tone::Plain),
            (format!("{}/{}", texts("services").join("+"), texts("carriers").join("+")), Tone::Plain),
            (state.to_owned(), tone),
            (checked.to_owned(), Tone::Plain),
            (since.unwrap_or_else(|| "-".to_owned()), Tone::Plain),
            (text("why"), tone),
            (field(one, "open").to_string(), Tone::Plain),
            (field(one, "opened").to_string(), Tone::Plain),
            (failed.to_string(), if failed > 0 { Tone::Plain } else { Tone::Faint }),
            (recent("connect"), Tone::Plain),
            (recent("first_byte"), Tone::Plain),
            (format!("{}{more}", hosts.join(" ")), Tone::Plain),
        ];
        table.row(cells);
    }
    table.print();
}

//! `portward status`: whether anything is wrong with the running daemon, and its counters.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::connections::amount;
use super::daemon::{DaemonArgs, age, field, moment, no_answer};
use super::table::{Table, Tone};
use super::terminal;
use crate::log::human;
use crate::service::Service;

/// How many warnings are shown. `--json` shows more.
const SHOWN: usize = 20;

/// Show whether anything is wrong with the running daemon, and what it does
///
/// The first part lists problems: a refused reload, targets that are down, certificates near their end, and the
/// warnings of `portward check`. The second part shows the rules in force, and the decisions since the start by service
/// and reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward status\n  \
    portward status --json | jq .warning_count\n\n\
    Exit codes:\n  \
    0  it runs, even if there are warnings\n  \
    1  it does not run, or cannot be asked")]
pub(super) struct Args {
    #[command(flatten)]
    daemon: DaemonArgs,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match args.daemon.daemon().get("/v1/status") {
        Ok(status) if args.daemon.json => terminal::print_line(status),
        Ok(status) => print(&status, OffsetDateTime::now_utc()),
        Err(error) => return no_answer(&error),
    }
    ExitCode::SUCCESS
}

fn print(status: &Value, now: OffsetDateTime) {
    let uptime = seconds(field(status, "uptime"));
    terminal::print_line(format_args!("Portward {} runs for {uptime}", text(field(status, "version"))));
    terminal::print_line("");
    let wrong = wrong(status, now);
    match &wrong[..] {
        [] => terminal::print_line("nothing is wrong"),
        lines => {
            let count = lines.len();
            let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
            terminal::print_line(format_args!("{things} to look at:"));
            lines.iter().take(SHOWN).for_each(|line| terminal::print_line(format_args!("  {line}")));
            if count > SHOWN {
                terminal::print_line(format_args!("  and {} more: --json shows them", count - SHOWN));
            }
        }
    }
    terminal::print_line("");
    for (what, said) in facts(status, now) {
        terminal::print_line(format_args!("{what:<12} {said}"));
    }
    terminal::print_line("");
    services(status).print();
    if let Some(reasons) = reasons(status) {
        terminal::print_line("");
        reasons.print();
    }
}

/// The things to look at, one line each.
fn wrong(status: &Value, now: OffsetDateTime) -> Vec<String> {
    let mut lines = Vec::new();
    let last = field(status, "last_reload");
    if field(last, "successful") == false {
        let (at, by, why) = (ago(field(last, "at"), now), text(field(last, "by")), refusal(last));
        lines.push(format!(
            "the reload of {at}, by {by}, was refused, so that everything is as it was before: {why}; \
             `portward check` shows all that is wrong now"
        ));
    }
    let dropped = field(status, "log_dropped").as_u64().unwrap_or_default();
    if dropped > 0 {
        lines.push(format!(
            "{dropped} log lines were lost: the journal does not take them as fast as they come"
        ));
    }
    let warnings = field(status, "warnings");
    for warning in warnings.as_array().into_iter().flatten() {
        let message = terminal::harmless(&text(field(warning, "message")));
        let place = match (field(warning, "file").as_str(), field(warning, "line").as_u64()) {
            (Some(file), Some(line)) => format!(" ({}:{line})", terminal::harmless(file)),
            (Some(file), None) => format!(" ({})", terminal::harmless(file)),
            _ => String::new(),
        };
        lines.push(format!("{message}{place}"));
    }
    lines
}

/// Why a reload was refused: the first error, with its place.
fn refusal(reload: &Value) -> String {
    let text = text(field(reload, "error"));
    let mut lines = text.lines().skip_while(|line| !line.starts_with("error"));
    let message = lines.next().or(text.lines().next()).unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let place = lines.next().and_then(|line| line.trim_start().strip_prefix("--> "));
    let place = place.map(|place| format!(" ({})", terminal::harmless(place))).unwrap_or_default();
    format!("{}{place}", terminal::harmless(message))
}

fn facts(status: &Value, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let rules = field(status, "rules");
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let (hosts, disabled) = (number(field(rules, "hosts")), number(field(rules, "disabled")));
    let disabled = if disabled > 0 { format!(", {disabled} of them disabled") } else { String::new() };
    let (generation, since) = (number(field(rules, "generation")), ago(field(rules, "since"), now));
    let s = if hosts == 1 { "" } else { "s" };
    let last = field(status, "last_reload");
    let reload = match field(last, "successful").as_bool() {
        None => "none since the start".to_owned(),
        Some(good) => {
            let how = if good { "successful" } else { "refused" };
            format!("{how}, {}, by {}", ago(field(last, "at"), now), text(field(last, "by")))
        }
    };
    let listed = number(field(status, "blacklist"));
    vec![
        ("rules", format!("{hosts} host{s}{disabled}; generation {generation}, in force since {since}")),
        ("last reload", reload),
        ("connections", format!("{} open", number(field(status, "connections")))),
        ("blacklist", if listed == 1 { "1 address".to_owned() } else { format!("{listed} addresses") }),
    ]
}

fn services(status: &Value) -> Table {
    let mut table = Table::new(&["SERVICE", "OPEN", "CONNECTIONS", "FORWARDED", "REFUSED", "UP", "DOWN"]);
    for service in Service::ALL {
        let of = field(field(status, "counters"), service.name());
        let sum = |name: &str| -> u64 {
            field(of, name).as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
        };
        let decided = |name: &str| field(field(of, "decisions"), name).as_u64().unwrap_or_default();
        let bytes = |way: &str| amount(field(field(of, "bytes"), way).as_u64().unwrap_or_default());
        let tone = if sum("connections") == 0 { Tone::Faint } else { Tone::Plain };
        let cells = [
            service.name().to_owned(),
            sum("open").to_string(),
            sum("connections").to_string(),
            decided("forwarded").to_string(),
            decided("rejected").to_string(),
            bytes("up"),
            bytes("down"),
        ];
        table.row(cells.map(|cell| (cell, tone)));
    }
    table
}

/// The reasons of refusals with their numbers, by service. `None`: there were no refusals.
fn reasons(status: &Value) -> Option<Table> {
    let counters = field(status, "counters");
    let rejected = |service: Service| field(field(counters, service.name()), "rejected");
    let mut names: Vec<&str> = Service::ALL
        .into_iter()
        .flat_map(|service| {
            rejected(service).as_object().into_iter().flatten().map(|(name, _)| name.as_str())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let titles: Vec<String> = Service::ALL.map(|service| service.name().to_uppercase()).to_vec();
    let titles: Vec<&str> = ["REFUSED FOR"].into_iter().chain(titles.iter().map(String::as_str)).collect();
    let mut table = Table::new(&titles);
    for name in names {
        let counts = Service::ALL.map(|service| match field(rejected(service), name).as_u64() {
            Some(count) => (count.to_string(), Tone::Plain),
            None => ("-".to_owned(), Tone::Faint),
        });
        table.row([(name.to_owned(), Tone::Plain)].into_iter().chain(counts));
    }
    Some(table)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| "-".to_owned(), ToOwned::to_owned)
}

fn seconds(value: &Value) -> String {
    human(Duration::from_secs(value.as_u64().unwrap_or_default()))
}

/// A moment in an answer, such as `2026-11-26 08:00:00 UTC (5m ago)`.
fn ago(at: &Value, now: OffsetDateTime) -> String {
    let Some(at) = moment(at) else { return "-".to_owned() };
    let (date, time) = (at.date(), at.time().replace_nanosecond(0).unwrap_or(at.time()));
    let time = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    format!("{date} {time} UTC ({} ago)", age(at, now))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-26 08:05:00 UTC);

    #[test]
    fn item_1_what_is_wrong_comes_first_and_names_its_place() {
        let good = json!({ "last_reload": null, "log_dropped": 0, "warning_count": 0, "warnings": [] });
        assert!(wrong(&good, NOW).is_empty());
        let bad = json!({
            "last_reload": {
                "at": "2026-11-26T08:00:00.250Z", "by": "a signal", "successful": false, "error": "warning: odd\n\nerror: a port\n --> x"
            },
            "log_dropped": 7,
            "warning_count": 2,
            "warnings": [
                { "message": "the target 192.0.2.1:80 is down\u{1b}[2J", "file": null, "line": null },
                { "message": "odd", "file": "rules/a.toml", "line": 3 },
            ],
        });
        let lines = wrong(&bad, NOW);
        let expected = "the reload of 2026-11-26 08:00:00 UTC (4m59s ago), by a signal, was refused, so that everything is as it was \
             before: a port (x); `portward check` shows all that is wrong now";
        assert_eq!(lines[0], expected);
        assert!(lines[1].starts_with("7 log lines"), "{lines:?}");
        assert_eq!(lines[2], "the target 192.0.2.1:80 is down\\u{1b}[2J");
        assert_eq!(lines[3], "odd (rules/a.toml:3)");
        assert_eq!(lines.len(), 4, "each line is a thing to look at");
    }

    #[test]
    fn item_1_refusals_are_shown_only_where_there_are_some() {
        let counters = |http: Value| json!({ "counters": { "http": { "rejected": http } } });
        assert!(reasons(&counters(json!({}))).is_none());
        assert!(reasons(&counters(json!({ "no-path": 3 }))).is_some());
    }
}

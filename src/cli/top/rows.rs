//! The content of a pane: columns and rows, made from the daemon's answers. Pure. The most important columns come
//! first, because a narrow terminal has no room for the last ones.

use std::cmp::Ordering;

use serde_json::Value;

use super::panes::{Pane, Shown};
use super::state::TopState;
use crate::cli::connections::amount;
use crate::cli::daemon::field;
use crate::cli::table::Tone;
use crate::cli::terminal::harmless;
use crate::service::Service;

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) title: &'static str,
    /// The width. 0: the column takes the remaining width.
    pub(super) width: u16,
    /// Whether the text is aligned to the right, as numbers are.
    pub(super) right: bool,
}

const fn text(title: &'static str, width: u16) -> Column {
    Column { title, width, right: false }
}

const fn number(title: &'static str, width: u16) -> Column {
    Column { title, width, right: true }
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
    /// The value for sorting, if the cell is a number.
    number: Option<f64>,
}

impl Cell {
    fn text(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: harmless(text.as_ref()), tone, number: None }
    }

    fn plain(text: impl AsRef<str>) -> Self {
        Self::text(text, Tone::Plain)
    }

    fn number(number: f64, text: String) -> Self {
        let tone = if number == 0.0 { Tone::Faint } else { Tone::Plain };
        Self { text, tone, number: Some(number) }
    }

    fn count(value: &Value) -> Self {
        let count = value.as_f64().unwrap_or_default();
        Self::number(count, format!("{count:.0}"))
    }

    /// A text of the daemon. `-`: there is none.
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::text("-", Tone::Faint),
            Value::String(text) => Self::plain(text),
            other => Self::plain(other.to_string()),
        }
    }
}

/// The content of a pane.
#[derive(Debug, PartialEq)]
pub(super) struct Rows {
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Vec<Cell>>,
    /// The text if there is no row.
    pub(super) none: &'static str,
}

impl Rows {
    /// The content of this pane, in the order in which it is shown.
    pub(super) fn of(pane: Pane, seen: &TopState, shown: Shown) -> Self {
        let told = &seen.told;
        let mut rows = match pane {
            Pane::Rates => rates(seen),
            Pane::Decisions => decisions(field(&told.decisions, "decisions")),
            Pane::Hosts => hosts(field(&told.top, "hosts"), seconds(&told.top)),
            Pane::Clients => clients(field(&told.top, "clients"), seconds(&told.top)),
            Pane::Refused => refused(field(&told.top, "refused"), seconds(&told.top)),
            Pane::Targets => targets(field(&told.targets, "targets")),
            Pane::Blacklist => blacklist(field(&told.blacklist, "entries")),
        };
        if let Some(column) = shown.sort {
            rows.rows.sort_by(|one, other| compare(one.get(column), other.get(column)));
        }
        if shown.reversed {
            rows.rows.reverse();
        }
        rows
    }
}

/// The order of cells: numbers descend, and texts ascend.
fn compare(one: Option<&Cell>, other: Option<&Cell>) -> Ordering {
    let (Some(one), Some(other)) = (one, other) else { return Ordering::Equal };
    match (one.number, other.number) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        _ => one.text.cmp(&other.text),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn seconds(top: &Value) -> f64 {
    field(top, "seconds").as_f64().unwrap_or(1.0).max(1.0)
}

/// A number in a second, in few characters.
pub(super) fn short(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 9.95 => format!("{rate:.1}"),
        rate if rate < 9_999.5 => format!("{rate:.0}"),
        rate => format!("{:.0}k", rate / 1_000.0),
    }
}

/// A series of numbers as small bars, the newest at the right, in at most `width` characters.
pub(super) fn bars(numbers: &[u64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    if width == 0 || numbers.is_empty() {
        return String::new();
    }
    let each = numbers.len().div_ceil(width);
    // The newest bar stands for a full number of steps.
    let sums: Vec<u64> = numbers.rchunks(each).rev().map(|chunk| chunk.iter().sum()).collect();
    let most = sums.iter().copied().max().unwrap_or_default().max(1);
    let bar = |sum: &u64| match sum {
        0 => ' ',
        sum => {
            let at = (u128::from(*sum) * 7).div_ceil(u128::from(most));
            BARS.get(usize::try_from(at).unwrap_or(7)).copied().unwrap_or('█')
        }
    };
    sums.iter().map(bar).collect()
}

fn rates(seen: &TopState) -> Rows {
    const COLUMNS: &[Column] = &[
        text("SERVICE", 7),
        number("OPEN", 6),
        number("FWD/s", 6),
        number("REFUSED/s", 9),
        number("NEW/s", 6),
        number("UP/s", 8),
        number("DOWN/s", 8),
        text("LAST HOUR", 0),
    ];
    let row = |service: Service| {
        let rate = &seen.rates[service];
        let [new, forwarded, refused, up, down] = rate.per_second;
        let refused_tone = if refused > 0.0 { Tone::Warning } else { Tone::Faint };
        vec![
            Cell::plain(service.name()),
            Cell::number(rate.open as f64, rate.open.to_string()),
            Cell::number(forwarded, short(forwarded)),
            Cell { tone: refused_tone, ..Cell::number(refused, short(refused)) },
            Cell::number(new, short(new)),
            Cell::number(up, amount(up as u64)),
            Cell::number(down, amount(down as u64)),
            Cell::text(bars(&seen.hour[service], 60), Tone::Good),
        ]
    };
    Rows { columns: COLUMNS, rows: Service::ALL.into_iter().map(row).collect(), none: "" }
}

fn decisions(decisions: &Value) -> Rows {
    const COLUMNS: &[Column] = &[text("TIME", 8), text("DECISION", 0)];
    let row = |one: &Value| {
        let time = field(one, "time").as_str().and_then(|time| time.get(11..19)).unwrap_or("-");
        let line = field(one, "line").as_str().unwrap_or("-");
        let line = line.strip_prefix("REVERSE-PROXY ").unwrap_or(line);
        let is_refused = field(one, "outcome").as_str() == Some("rejected");
        let tone = if is_refused { Tone::Warning } else { Tone::Plain };
        vec![Cell::text(time, Tone::Faint), Cell::text(line, tone)]
    };
    let none = if decisions.is_null() { "this daemon shows no decisions" } else { "no decision yet" };
    Rows { columns: COLUMNS, rows: list(decisions).map(row).collect(), none }
}

fn per_minute(one: &Value, seconds: f64) -> Cell {
    let rate = field(one, "count").as_f64().unwrap_or_default() * 60.0 / seconds;
    Cell::number(rate, short(rate))
}

fn hosts(hosts: &Value, seconds: f64) -> Rows {
    const COLUMNS: &[Column] = &[text("HOST", 0), number("PER MIN", 8), number("COUNT", 8)];
    let row = |one: &Value| {
        vec![Cell::of(field(one, "host")), per_minute(one, seconds), Cell::count(field(one, "count"))]
    };
    let none = "nothing went to a target in the last minutes";
    Rows { columns: COLUMNS, rows: list(hosts).map(row).collect(), none }
}

fn clients(clients: &Value, seconds: f64) -> Rows {
    const COLUMNS: &[Column] = &[text("CLIENT", 0), number("PER MIN", 8), number("COUNT", 8)];
    let row = |one: &Value| {
        vec![Cell::of(field(one, "client")), per_minute(one, seconds), Cell::count(field(one, "count"))]
    };
    let none = "nothing was decided in the last minutes";
    Rows { columns: COLUMNS, rows: list(clients).map(row).collect(), none }
}

fn refused(refused: &Value, seconds: f64) -> Rows {
    const COLUMNS: &[Column] =
        &[text("CLIENT", 0), number("PER MIN", 8), number("COUNT", 8), text("LAST REASON", 14)];
    let row = |one: &Value| {
        let reason = Cell { tone: Tone::Warning, ..Cell::of(field(one, "reason")) };
        vec![
            Cell::of(field(one, "client")),
            per_minute(one, seconds),
            Cell::count(field(one, "count")),
            reason,
        ]
    };
    let none = "nothing was refused in the last minutes";
    Rows { columns: COLUMNS, rows: list(refused).map(row).collect(), none }
}

/// Seconds as `12 ms`.
pub(in crate::cli) fn milliseconds(seconds: &Value) -> (f64, String) {
    match seconds.as_f64() {
        None => (-1.0, "-".to_owned()),
        Some(seconds) if seconds < 0.01 => (seconds, format!("{:.1} ms", seconds * 1_000.0)),
        Some(seconds) if seconds < 10.0 => (seconds, format!("{:.0} ms", seconds * 1_000.0)),
        Some(seconds) => (seconds, format!("{seconds:.0} s")),
    }
}

fn targets(targets: &Value) -> Rows {
    const COLUMNS: &[Column] = &[
        text("TARGET", 21),
        text("STATE", 8),
        number("OPEN", 5),
        number("CONNECT", 8),
        number("ANSWER", 8),
        text("WHY", 14),
        text("HOSTS", 0),
    ];
    let row = |one: &Value| {
        let state = field(one, "state").as_str().unwrap_or("unknown");
        let tone = match state {
            "up" => Tone::Good,
            "down" => Tone::Warning,
            _ => Tone::Faint,
        };
        let recent = |name: &str| {
            let (seconds, text) = milliseconds(field(field(one, name), "recent"));
            Cell::number(seconds, text)
        };
        let hosts: Vec<_> = list(field(one, "hosts")).filter_map(Value::as_str).collect();
        vec![
            Cell::of(field(one, "target")),
            Cell::text(state, tone),
            Cell::count(field(one, "open")),
            recent("connect"),
            recent("first_byte"),
            Cell { tone, ..Cell::of(field(one, "why")) },
            Cell::plain(hosts.join(" ")),
        ]
    };
    let none = if targets.is_null() { "this daemon shows no targets" } else { "the rules have no target" };
    Rows { columns: COLUMNS, rows: list(targets).map(row).collect(), none }
}

fn blacklist(entries: &Value) -> Rows {
    const COLUMNS: &[Column] = &[text("ADDRESS", 20), text("WHY", 0)];
    let row = |one: &Value| {
        let why = match (field(one, "reason").as_str(), field(one, "note").as_str().unwrap_or_default()) {
            (Some(reason), _) => format!("{reason} ({} in a minute)", field(one, "count")),
            (None, "") => "by hand".to_owned(),
            (None, note) => format!("by hand: {note}"),
        };
        let address =
            if field(one, "address").is_null() { field(one, "network") } else { field(one, "address") };
        vec![Cell::of(address), Cell::plain(why)]
    };
    Rows { columns: COLUMNS, rows: list(entries).map(row).collect(), none: "no address is listed" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_sorted_by_a_column_and_turned_round() {
        let hosts =
            json!([{ "host": "b", "count": 9 }, { "host": "a", "count": 100 }, { "host": "c", "count": 1 }]);
        let mut seen = TopState::default();
        seen.told.top = json!({ "seconds": 60, "hosts": hosts });
        let names = |sort, reversed| {
            let rows = Rows::of(Pane::Hosts, &seen, Shown { sort, reversed, scroll: 0 }).rows;
            rows.iter().map(|row| row[0].text.clone()).collect::<String>()
        };
        assert_eq!(names(None, false), "bac");
        assert_eq!((names(Some(0), false), names(Some(0), true)), ("abc".to_owned(), "cba".to_owned()));
        assert_eq!((names(Some(2), false), names(Some(9), false)), ("abc".to_owned(), "bac".to_owned()));
    }

    #[test]
    fn numbers_are_short() {
        let rates = [0.0, 0.04, 9.94, 9.96, 9_999.0, 12_345.0].map(short);
        assert_eq!(rates, ["0", "0.0", "9.9", "10", "9999", "12k"]);
        assert_eq!(bars(&[], 10), "");
        assert_eq!(bars(&[0, 1, 8], 3), " ▂█");
        assert_eq!(bars(&[1; 360], 60).chars().count(), 60);
        assert_eq!(bars(&[5, 0, 0, 5, 5], 2), "▅█", "the newest bar stands for a full number of steps");
    }

    /// Texts that a client or an administrator has typed do not steer the terminal.
    #[test]
    fn hostile_text_is_text() {
        let mut seen = TopState::default();
        seen.told.decisions = json!({ "decisions": [
            { "time": "2026-11-26T08:00:01.000Z", "line": "REVERSE-PROXY 1 \u{1b}]0;x\u{7}\u{202e}gpj", "outcome": "rejected" },
        ] });
        seen.told.blacklist = json!({ "entries": [{ "address": "192.0.2.1", "note": "\u{9b}2J日本" }] });
        let rows = Rows::of(Pane::Decisions, &seen, Shown::default()).rows;
        assert_eq!((&*rows[0][0].text, &*rows[0][1].text), ("08:00:01", "1 \\u{1b}]0;x\\u{7}\\u{202e}gpj"));
        let rows = Rows::of(Pane::Blacklist, &seen, Shown::default()).rows;
        assert_eq!(rows[0][1].text, "by hand: \\u{9b}2J日本");
    }
}

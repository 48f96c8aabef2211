//! The drawing: a line on top, rates if there is room, the chosen pane, the keys. It works at any size. If there is no
//! room, the least important columns and parts are left out first.

use std::time::{Duration, Instant};

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Row, Table};

use super::panes::{Pane, Panes, Shown};
use super::rows::{Column, Rows};
use super::state::TopState;
use crate::cli::daemon::field;
use crate::cli::table::Tone;
use crate::cli::terminal::harmless;
use crate::log::human;
use crate::service::Service;

/// The smallest width of a column that takes the remaining width.
const LEAST: u16 = 10;
/// The heights from which the rates are above every other pane, and from which three panes are below it.
const WITH_RATES: u16 = 18;
const WITH_MORE: (u16, u16) = (110, 34);

const KEYS: [(&str, &str); 7] = [
    ("1-7 Tab", "pane"),
    ("arrows", "scroll"),
    ("s", "sort"),
    ("r", "reverse"),
    ("p", "pause"),
    ("?", "help"),
    ("q", "quit"),
];

/// Styles, with colours or without.
#[derive(Clone, Copy)]
struct Styles {
    coloured: bool,
}

impl Styles {
    fn tone(self, tone: Tone) -> Style {
        let style = Style::new();
        match tone {
            Tone::Plain => style,
            Tone::Faint => style.add_modifier(Modifier::DIM),
            Tone::Good if self.coloured => style.fg(Color::Green),
            Tone::Warning if self.coloured => style.fg(Color::Yellow),
            Tone::Good => style,
            Tone::Warning => style.add_modifier(Modifier::BOLD),
        }
    }

    fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, seen: &TopState, panes: &mut Panes, coloured: bool) {
    let (styles, area) = (Styles { coloured }, frame.area());
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(u16::from(area.height > 5)),
    ])
    .areas(area);
    frame.render_widget(headline(seen, styles, panes.is_paused()), head);
    frame.render_widget(names(panes.chosen(), tabs.width, styles), tabs);
    frame.render_widget(keys(foot.width, styles), foot);
    if panes.shows_help() {
        return help(frame, body, styles);
    }
    let chosen = panes.chosen();
    let with_rates = chosen != Pane::Rates && area.height >= WITH_RATES;
    let with_more = area.width >= WITH_MORE.0 && area.height >= WITH_MORE.1;
    let rates_height = if with_rates { Service::ALL.len() as u16 + 2 } else { 0 };
    let more_height = if with_more { body.height.saturating_sub(rates_height) / 3 } else { 0 };
    let [rates, main, more] = Layout::vertical([
        Constraint::Length(rates_height),
        Constraint::Fill(1),
        Constraint::Length(more_height),
    ])
    .areas(body);
    if with_rates {
        table(frame, rates, &Rows::of(Pane::Rates, seen, Shown::default()), Shown::default(), styles);
    }
    let rows = Rows::of(chosen, seen, panes.of(chosen));
    panes.fit(rows.rows.len(), usize::from(main.height.saturating_sub(1)), rows.columns.len());
    table(frame, main, &rows, panes.of(chosen), styles);
    if with_more {
        let others = [Pane::Hosts, Pane::Clients, Pane::Refused, Pane::Targets];
        let others: Vec<_> = others.into_iter().filter(|pane| *pane != chosen).take(3).collect();
        let areas = Layout::horizontal([Constraint::Fill(1); 3]).spacing(2).split(more);
        for (pane, area) in others.into_iter().zip(areas.iter()) {
            table(frame, *area, &Rows::of(pane, seen, panes.of(pane)), Shown::default(), styles);
        }
    }
}

/// The version and state of the daemon, and whether anything is wrong.
fn headline<'a>(seen: &TopState, styles: Styles, paused: bool) -> Line<'a> {
    if let Some((why, time)) = seen.gone_for(Instant::now()) {
        let since = human(Duration::from_secs(time.as_secs()));
        let text = harmless(&format!("{why}; asking again (for {since})"));
        return Line::styled(text, styles.tone(Tone::Warning).add_modifier(Modifier::BOLD));
    }
    let status = &seen.told.status;
    if status.is_null() {
        return Line::raw("asking the daemon");
    }
    let number = |path: &[&str]| {
        let value = path.iter().fold(status, |value, name| field(value, name));
        value.as_u64().unwrap_or_default()
    };
    let uptime = Duration::from_secs(number(&["uptime"]));
    let version = field(status, "version").as_str().unwrap_or_default();
    let mut spans = vec![Span::styled(harmless(&format!("portward {version}")), styles.title())];
    if paused {
        spans.push(Span::styled("  paused", styles.chosen()));
    }
    let warnings = number(&["warning_count"]);
    if warnings > 0 {
        spans.push(Span::styled(format!("  {warnings} warnings"), styles.tone(Tone::Warning)));
    }
    let blacklist = field(&seen.told.blacklist, "count").as_u64().unwrap_or_default();
    let rest = format!(
        "  up {}  {} hosts  {} open  {blacklist} listed",
        human(uptime),
        number(&["rules", "hosts"]),
        Service::ALL.iter().map(|service| seen.rates[*service].open).sum::<u64>(),
    );
    spans.push(Span::raw(rest));
    Line::from(spans)
}

/// The names of the panes. If there is no room for all, only the name of the chosen one.
fn names<'a>(chosen: Pane, width: u16, styles: Styles) -> Line<'a> {
    let name = |(number, pane): (usize, Pane)| {
        let style = if pane == chosen { styles.chosen() } else { Style::new() };
        Span::styled(format!(" {number} {} ", pane.name()), style)
    };
    let all = Line::from((1..).zip(Pane::ALL).map(name).collect::<Vec<_>>());
    if all.width() <= usize::from(width) {
        return all;
    }
    let of = format!("/{}", Pane::ALL.len());
    let number = chosen as usize + 1;
    Line::from(vec![Span::styled(format!(" {number}{of} {} ", chosen.name()), styles.chosen())])
}

/// As many keys as fit. The key to quit is always shown.
fn keys<'a>(width: u16, styles: Styles) -> Line<'a> {
    let mut kept: Vec<_> = KEYS.to_vec();
    let line = |keys: &[(&'static str, &'static str)]| {
        let spans = keys.iter().flat_map(|(key, what)| {
            [Span::styled(*key, styles.title()), Span::styled(format!(" {what}  "), styles.tone(Tone::Faint))]
        });
        Line::from(spans.collect::<Vec<_>>())
    };
    while line(&kept).width() > usize::from(width) + 2 && kept.len() > 1 {
        kept.remove(kept.len().saturating_sub(3).min(kept.len() - 2));
    }
    line(&kept)
}

fn help(frame: &mut Frame<'_>, area: Rect, styles: Styles) {
    let lines = [
        ("1 to 7, Tab", "another pane"),
        ("arrows, Page", "scroll; Home: back to the top"),
        ("s", "sort by the next column; behind the last one: as the daemon sorts"),
        ("r", "the other way round"),
        ("p", "pause"),
        ("q, Esc", "quit"),
    ];
    let lines = lines.map(|(key, what)| {
        Line::from(vec![Span::styled(format!(" {key:<13}"), styles.title()), Span::raw(what)])
    });
    frame.render_widget(Paragraph::new(Text::from(lines.to_vec())), area);
}

/// The first columns that fit, with their numbers.
fn fitting(columns: &[Column], width: u16) -> &[Column] {
    let needed = |column: &Column| if column.width == 0 { LEAST } else { column.width } + 2;
    let mut left = width.saturating_add(2);
    let count = columns.iter().take_while(|column| {
        let fits = needed(column) <= left;
        left = left.saturating_sub(needed(column));
        fits
    });
    columns.get(..count.count().max(1)).unwrap_or(columns)
}

fn table(frame: &mut Frame<'_>, area: Rect, rows: &Rows, shown: Shown, styles: Styles) {
    let columns = fitting(rows.columns, area.width);
    let is_last = |at: usize| at + 1 == columns.len();
    let has_flexible = columns.iter().any(|column| column.width == 0);
    let widths = columns.iter().enumerate().map(|(at, column)| match column.width {
        0 => Constraint::Fill(1),
        // If no column takes the remaining width, the last column does.
        _ if is_last(at) && !has_flexible => Constraint::Fill(1),
        width => Constraint::Length(width),
    });
    let aligned = |column: &Column, line: Line<'static>| {
        if column.right { line.alignment(Alignment::Right) } else { line }
    };
    let titles = columns.iter().enumerate().map(|(at, column)| {
        let mark = match (shown.sort == Some(at), shown.reversed) {
            (true, false) => "▾",
            (true, true) => "▴",
            _ => "",
        };
        aligned(column, Line::styled(format!("{}{mark}", column.title), styles.title()))
    });
    let visible = usize::from(area.height.saturating_sub(1));
    let lines =
        rows.rows.iter().skip(shown.scroll).take(visible).map(|row| {
            let cells = columns.iter().zip(row);
            Row::new(cells.map(|(column, cell)| {
                aligned(column, Line::styled(cell.text.clone(), styles.tone(cell.tone)))
            }))
        });
    let is_empty = rows.rows.is_empty();
    let table = Table::new(lines, widths.collect::<Vec<_>>()).header(Row::new(titles)).column_spacing(2);
    frame.render_widget(table, area);
    if is_empty && area.height > 1 {
        let below = Rect { y: area.y + 1, height: 1, ..area };
        frame.render_widget(Line::styled(rows.none, styles.tone(Tone::Faint)), below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::json;

    fn seen() -> TopState {
        let mut seen = TopState::default();
        seen.told.status = json!({ "version": "0.1.0", "uptime": 3661, "rules": { "hosts": 12 } });
        let target = json!({ "target": "172.31.31.2:443", "state": "down", "why": "refused", "open": 3, "hosts": ["hq.example"] });
        seen.told.targets = json!({ "targets": [target] });
        let line = "REVERSE-PROXY 16 203.0.113.9 https://203.0.113.9 GET /a rejected: unknown-host";
        let one = json!({ "time": "2026-11-26T08:00:01.000Z", "line": line, "outcome": "rejected" });
        seen.told.decisions = json!({ "decisions": vec![one; 100] });
        seen
    }

    fn screen(width: u16, height: u16, pane: Pane, seen: &TopState) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut panes = Panes::default();
        for _ in 0..(pane as usize + Pane::ALL.len() - Pane::Decisions as usize) % Pane::ALL.len() {
            panes.key(ratatui::crossterm::event::KeyCode::Tab.into());
        }
        terminal.draw(|frame| draw(frame, seen, &mut panes, false)).unwrap();
        let buffer = terminal.backend().buffer();
        let cells: Vec<_> = buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect();
        cells.chunks(usize::from(width)).map(|line| line.concat().trim_end().to_owned()).collect()
    }

    #[test]
    fn the_usual_terminal_shows_rates_and_the_chosen_pane() {
        let lines = screen(80, 24, Pane::Targets, &seen());
        assert!(lines[0].starts_with("portward 0.1.0  up 1h1m1s  12 hosts"), "{lines:#?}");
        assert!(lines[1].contains("6 Targets") && lines[1].contains("7 Blacklist"), "{lines:#?}");
        assert!(lines[2].starts_with("SERVICE") && lines[3].starts_with("http"), "{lines:#?}");
        let at = lines.iter().position(|line| line.starts_with("TARGET")).unwrap();
        assert!(
            lines[at + 1].starts_with("172.31.31.2:443") && lines[at + 1].contains("refused"),
            "{lines:#?}"
        );
        assert!(lines[23].contains("q quit"), "{lines:#?}");
    }

    #[test]
    fn a_small_terminal_shows_what_matters_most() {
        let lines = screen(40, 10, Pane::Decisions, &seen());
        assert_eq!(lines[1].trim(), "2/7 Decisions");
        assert!(
            lines[2].starts_with("TIME") && lines[3].starts_with("08:00:01  16 203.0.113.9"),
            "{lines:#?}"
        );
        assert!(lines[8].starts_with("08:00:01"), "{lines:#?}");
        assert!(lines[9].contains("q quit"), "{lines:#?}");
        let lines = screen(40, 10, Pane::Targets, &seen());
        assert!(lines[3].contains("172.31.31.2:443") && lines[3].contains("down"), "{lines:#?}");
    }

    /// The test draws at many sizes, also before the daemon has answered.
    #[test]
    fn no_size_is_too_small_or_too_large() {
        for (width, height) in [(1, 1), (2, 3), (7, 4), (20, 6), (40, 10), (80, 24), (110, 34), (400, 200)] {
            for pane in Pane::ALL {
                screen(width, height, pane, &seen());
                screen(width, height, pane, &TopState::default());
            }
        }
        let lines = screen(140, 40, Pane::Decisions, &seen());
        for title in ["SERVICE", "DECISION", "HOST", "CLIENT"] {
            assert!(lines.iter().any(|line| line.contains(title)), "{title}: {lines:#?}");
        }
    }
}

//! Tables for people. `comfy-table` knows the terminal's width and how wide a character is; what is added: no lines, no
//! colours but on a terminal (and none with `NO_COLOR`), and text that comes from strangers cannot steer the terminal.

use comfy_table::presets;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Width};

use super::terminal;

/// What a cell says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing.
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Of less interest.
    Faint,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    inner: comfy_table::Table,
    coloured: bool,
}

impl Table {
    /// A table with these titles over its columns.
    pub(super) fn new(titles: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner.load_style(presets::NOTHING);
        let coloured = terminal::is_coloured();
        let title = |title: &&str| {
            let cell = Cell::new(title);
            if coloured { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        inner.set_header(titles.iter().map(title));
        if let Some(width) = terminal::width() {
            inner.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        Self { inner, coloured }
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        let cells = cells.into_iter().map(|(text, tone)| {
            let cell = Cell::new(terminal::harmless(text.as_ref()));
            match tone {
                _ if !self.coloured => cell,
                Tone::Plain => cell,
                Tone::Good => cell.fg(Color::Green),
                Tone::Warning => cell.fg(Color::Yellow),
                Tone::Faint => cell.add_attribute(Attribute::Dim),
            }
        });
        self.inner.add_row(cells.collect::<Vec<_>>());
    }

    /// Writes it to standard output.
    pub(super) fn print(mut self) {
        // Addresses and numbers stay whole where that is possible; a long last column is broken.
        let count = self.inner.column_count();
        for (number, column) in self.inner.column_iter_mut().enumerate() {
            let left = if number == 0 { 0 } else { 1 };
            column.set_padding((left, 1));
            if number + 1 < count {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(4)));
            }
        }
        terminal::say(self.inner.trim_fmt());
    }
}

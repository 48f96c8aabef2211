//! Tables for people. They have no lines, and colours only on a terminal (and none with `NO_COLOR`). Text from clients
//! cannot steer the terminal.
//!
//! No text is cut or broken within a word. If the terminal is too narrow for a row, columns move to a second line below
//! it, each with its title: first the columns that the caller has named, then others from the right. If standard output
//! is no terminal, each row is one line.

mod layout;

use layout::Layout;
use unicode_width::UnicodeWidthStr as _;

use super::terminal;

/// The meaning of a cell's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// No meaning.
    Plain,
    /// Everything is fine.
    Good,
    /// The administrator should look at it.
    Warning,
    /// It is less important.
    Faint,
}

impl Tone {
    /// The code of the colour (ECMA-48 §8.3.117, SGR).
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Faint => "2",
        }
    }
}

/// The code of titles: bold.
const TITLE: &str = "1";

/// The number of blanks between two columns.
const GAP: usize = 2;

#[derive(Debug)]
struct Cell {
    text: String,
    tone: Tone,
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// The columns that move to the second line first.
    long: Vec<usize>,
    width: Option<usize>,
    coloured: bool,
}

impl Table {
    /// A table with these titles over its columns.
    pub(super) fn new(titles: &[&str]) -> Self {
        Self {
            titles: titles.iter().map(|&title| title.to_owned()).collect(),
            rows: Vec::new(),
            long: Vec::new(),
            width: terminal::width().map(usize::from),
            coloured: terminal::is_coloured(),
        }
    }

    /// Marks columns that may be long. If a row is too wide, they move below it first, in this order.
    pub(super) fn long(mut self, titles: &[&str]) -> Self {
        let number = |title: &&str| self.titles.iter().position(|one| one == title);
        self.long = titles.iter().filter_map(number).collect();
        self
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        let cells = cells.into_iter();
        self.rows
            .push(cells.map(|(text, tone)| Cell { text: terminal::harmless(text.as_ref()), tone }).collect());
    }

    /// Writes the table to standard output.
    pub(super) fn print(self) {
        self.lines().into_iter().for_each(terminal::print_line);
    }

    fn lines(&self) -> Vec<String> {
        let layout = Layout::of(self);
        let titles = layout.shown_columns().map(|(number, width)| {
            let title = self.titles.get(number).map(String::as_str).unwrap_or_default();
            (title, TITLE, width)
        });
        let mut lines = vec![self.line(titles)];
        for row in &self.rows {
            let cells = layout.shown_columns().map(|(number, width)| match row.get(number) {
                Some(cell) => (cell.text.as_str(), cell.tone.code(), width),
                None => ("", "", width),
            });
            lines.push(self.line(cells));
            lines.extend(self.below(&layout, row));
        }
        lines
    }

    /// Cells beside each other, each with its colour and the width of its column.
    fn line<'a>(&self, cells: impl Iterator<Item = (&'a str, &'a str, usize)>) -> String {
        let (mut line, mut blanks) = (String::new(), 0);
        for (text, code, width) in cells {
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', blanks));
                line.push_str(&self.painted(text, code));
                blanks = 0;
            }
            blanks += width.saturating_sub(text.width()) + GAP;
        }
        line
    }

    /// The columns that have moved below a row, each as a title and a text. As many as fit are on one line.
    fn below(&self, layout: &Layout, row: &[Cell]) -> Vec<String> {
        let indent = layout.indent();
        let (mut lines, mut length) = (Vec::<String>::new(), 0);
        for number in layout.moved() {
            let (Some(title), Some(cell)) = (self.titles.get(*number), row.get(*number)) else { continue };
            if cell.text.is_empty() || cell.text == "-" {
                continue;
            }
            let width = title.width() + 1 + cell.text.width();
            let said = format!(
                "{} {}",
                self.painted(title, Tone::Faint.code()),
                self.painted(&cell.text, cell.tone.code())
            );
            match lines.last_mut().filter(|_| self.width.is_none_or(|most| length + GAP + width <= most)) {
                Some(line) => {
                    line.push_str(&" ".repeat(GAP));
                    line.push_str(&said);
                    length += GAP + width;
                }
                None => {
                    lines.push(format!("{}{said}", " ".repeat(indent)));
                    length = indent + width;
                }
            }
        }
        lines
    }

    fn painted(&self, text: &str, code: &str) -> String {
        if self.coloured && !code.is_empty() && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests;

//! Decides which columns are beside each other and which have moved below.

use unicode_width::UnicodeWidthStr as _;

use super::{GAP, Table};

/// The indentation of the second line, if the first column is that wide.
const INDENT: usize = 4;

/// The columns of a table on this terminal.
#[derive(Debug)]
pub(super) struct Layout {
    widths: Vec<usize>,
    moved: Vec<usize>,
}

impl Layout {
    /// Makes the layout. The first column is never moved.
    pub(super) fn of(table: &Table) -> Self {
        let width = |number: usize, title: &String| {
            let cells = table.rows.iter().filter_map(|row| row.get(number)).map(|cell| cell.text.width());
            cells.max().unwrap_or_default().max(title.width())
        };
        let widths: Vec<_> =
            table.titles.iter().enumerate().map(|(number, title)| width(number, title)).collect();
        let others = (1..widths.len()).rev().filter(|number| !table.long.contains(number));
        let mut candidates: Vec<_> =
            table.long.iter().copied().filter(|number| *number > 0).chain(others).collect();
        candidates.reverse();
        let mut layout = Self { widths, moved: Vec::new() };
        while table.width.is_some_and(|most| layout.width() > most) {
            let Some(next) = candidates.pop() else { break };
            layout.moved.push(next);
        }
        layout.moved.sort_unstable();
        layout
    }

    /// The columns beside each other, with their widths.
    pub(super) fn shown_columns(&self) -> impl Iterator<Item = (usize, usize)> {
        let widths = self.widths.iter().copied().enumerate();
        widths.filter(|(number, _)| !self.moved.contains(number))
    }

    /// The columns that have moved below, in the order of the titles.
    pub(super) fn moved(&self) -> &[usize] {
        &self.moved
    }

    /// The indentation of the second line.
    pub(super) fn indent(&self) -> usize {
        self.widths.first().map_or(0, |first| (first + GAP).min(INDENT))
    }

    fn width(&self) -> usize {
        let (count, sum) =
            self.shown_columns().fold((0, 0), |(count, sum), (_, width)| (count + 1, sum + width));
        sum + GAP * usize::saturating_sub(count, 1)
    }
}

//! A page of sections with tables and notes, written as text or as Markdown.

use std::fmt::Write as _;

use super::super::terminal::harmless;

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) sections: Vec<Section>,
}

/// Tables and notes under a title.
#[derive(Debug)]
pub(super) struct Section {
    title: String,
    tables: Vec<Table>,
    notes: Vec<String>,
}

/// Rows under a heading. All rows have the same number of cells.
#[derive(Debug)]
struct Table {
    caption: Option<String>,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Section {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), tables: Vec::new(), notes: Vec::new() }
    }

    pub(super) fn table<const N: usize>(
        &mut self,
        head: [&'static str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        let rows: Vec<Vec<String>> = rows.map(Vec::from).collect();
        if !rows.is_empty() {
            self.tables.push(Table { caption: None, head: head.into(), rows });
        }
    }

    /// A table with a line above it.
    pub(super) fn captioned<const N: usize>(
        &mut self,
        caption: String,
        head: [&'static str; N],
        rows: impl Iterator<Item = [String; N]>,
    ) {
        self.table(head, rows);
        if let Some(table) = self.tables.last_mut() {
            table.caption = Some(caption);
        }
    }

    pub(super) fn notes<'a>(&mut self, notes: impl IntoIterator<Item = &'a String>) {
        self.notes.extend(notes.into_iter().cloned());
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.notes.is_empty()
    }
}

impl Page {
    /// Adds a section, unless it is empty.
    pub(super) fn add(&mut self, section: Section) {
        if !section.is_empty() {
            self.sections.push(section);
        }
    }

    /// The page as text for the terminal.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for Section { title, tables, notes } in &self.sections {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}{title}");
            for table in tables {
                table.text(&mut out);
            }
            for note in notes {
                let _ = writeln!(out, "  - {}", harmless(note));
            }
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// The page as Markdown, to be passed on.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::new();
        for Section { title, tables, notes } in &self.sections {
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}## {title}");
            for table in tables {
                table.markdown(&mut out);
            }
            for (at, note) in notes.iter().enumerate() {
                let gap = if at == 0 { "\n" } else { "" };
                let _ = writeln!(out, "{gap}- {}", escaped(note));
            }
        }
        out.truncate(out.trim_end().len());
        out
    }
}

impl Table {
    fn text(&self, out: &mut String) {
        if let Some(caption) = &self.caption {
            let _ = writeln!(out, "  {}", harmless(caption));
        }
        let head: Vec<String> = self.head.iter().map(|cell| (*cell).to_owned()).collect();
        let lines = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| {
            lines().filter_map(|line| line.get(column)).map(|cell| harmless(cell).chars().count()).max()
        };
        let widths: Vec<usize> = (0..self.head.len()).filter_map(width).collect();
        for line in lines() {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{:<width$}", harmless(cell)));
            let line = cells.collect::<Vec<_>>().join("  ");
            let _ = writeln!(out, "  {}", line.trim_end());
        }
    }

    fn markdown(&self, out: &mut String) {
        if let Some(caption) = &self.caption {
            let _ = writeln!(out, "\n{}", escaped(caption));
        }
        let _ = writeln!(out, "\n| {} |", self.head.join(" | "));
        let _ = writeln!(out, "|{}", "---|".repeat(self.head.len()));
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
    }
}

/// Escapes characters that have a meaning in Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut section = Section::new("Ports");
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        section.table(
            ["name", "port", "to"],
            [row(["*.example.net", "80", "<outside.address>"]), row(["b", "443", "a|b"])].into_iter(),
        );
        section.note("one\u{1b}[2J");
        let mut page = Page::default();
        page.add(section);
        page.add(Section::new("Nothing"));
        page
    }

    #[test]
    fn text_has_columns_and_nothing_that_steers_a_terminal() {
        let expected = "Ports\n  name           port  to\n  *.example.net  80    <outside.address>\n  \
                        b              443   a|b\n  - one\\u{1b}[2J";
        assert_eq!(page().text(), expected);
    }

    #[test]
    fn markdown_shows_the_same_text() {
        let expected = "## Ports\n\n| name | port | to |\n|---|---|---|\n| \\*.example.net | 80 | \\<outside.address\\> |\n\
                        | b | 443 | a\\|b |\n\n- one\\\\u{1b}\\[2J";
        assert_eq!(page().markdown(), expected);
    }
}
